"""Concept ids from a vocabulary folder that the user downloaded from Athena.

The folder is read as it comes: ``CONCEPT.csv`` and ``CONCEPT_RELATIONSHIP.csv``, tabs between
columns, no quotes.  Both are gone through once, block by block; only what the cohort's codes
need is kept, so memory does not grow with the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from llmsyn.errors import InputError
from llmsyn.export.coding import OMOP_VOCABULARIES, Code

_CONCEPT = (
    "concept_id", "concept_name", "domain_id", "vocabulary_id", "concept_class_id",
    "standard_concept", "concept_code", "invalid_reason",
)  # fmt: skip
_RELATIONSHIP = ("concept_id_1", "concept_id_2", "relationship_id", "invalid_reason")
_BLOCK_BYTES = 16 << 20
DOMAINS = {"diagnoses": "Condition", "procedures": "Procedure", "drugs": "Drug"}
"""Concept of a code set -> the domain that its table takes."""


@dataclass(frozen=True)
class Mapped:
    """Concepts of one code: the standard one (0: none in the domain) and the source one."""

    standard: int = 0
    source: int = 0


@dataclass(frozen=True)
class Vocabulary:
    """What a folder said of the codes that were asked for.

    Attributes
    ----------
    concepts : code set -> code as the cohort writes it -> its concepts.
    version : ``vocabulary_version`` for cdm_source.
    """

    concepts: Mapping[str, Mapping[str, Mapped]]
    version: str

    def of(self, code_set: str, code: str) -> Mapped:
        """The concepts of a code; 0 and 0 where the folder has none."""
        return self.concepts.get(code_set, {}).get(code, Mapped())


NO_VOCABULARY = Vocabulary({}, "none: ids are 0")


@dataclass(frozen=True)
class _Concept:
    concept_id: int
    domain: str
    standard: bool


def read_vocabulary(folder: Path, codes: Mapping[str, tuple[str, Sequence[Code]]]) -> Vocabulary:
    """Look up the codes of some code sets.

    Parameters
    ----------
    folder : with ``CONCEPT.csv`` and ``CONCEPT_RELATIONSHIP.csv``.
    codes : code set -> its domain (:data:`DOMAINS`) and its codes.

    Raises
    ------
    InputError : a file is missing or is not as Athena writes it.
    """
    wanted: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for name, (_, listed) in codes.items():
        for code in listed:
            if code.listed and code.system in OMOP_VOCABULARIES:
                key = (OMOP_VOCABULARIES[code.system], _plain(code.system, code.bare))
                wanted.setdefault(key, []).append((name, code.text))
    sources = _sources(folder, wanted)
    targets = _targets(folder, {c.concept_id for c in sources.values()})
    standard = _standard(folder, {t for found in targets.values() for t in found})

    concepts: dict[str, dict[str, Mapped]] = {}
    for key, source in sources.items():
        for name, text in wanted[key]:
            domain = codes[name][0]
            found = [
                standard[t]
                for t in sorted(targets.get(source.concept_id, ()))
                if t in standard and standard[t].domain == domain
            ]
            if source.standard and source.domain == domain:
                found = [source]
            mapped = Mapped(found[0].concept_id if found else 0, source.concept_id)
            concepts.setdefault(name, {})[text] = mapped
    return Vocabulary(concepts, _version(folder))


def _plain(system: str, code: str) -> str:
    return code.lower() if system == "ingredient" else code.replace(".", "").upper()


def _sources(folder: Path, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], _Concept]:
    """(vocabulary, code) -> concept; valid ones before deprecated ones."""
    keys = set(wanted)
    vocabularies = sorted({v for v, _ in keys})
    found: dict[tuple[str, str], tuple[bool, _Concept]] = {}
    if not keys:
        return {}
    for block in _blocks(folder / "CONCEPT.csv", _CONCEPT):
        inside = block.filter(pc.is_in(block["vocabulary_id"], pa.array(vocabularies)))
        for row in inside.to_pylist():
            ingredient = row["concept_class_id"] == "Ingredient"
            keys_here = [(row["vocabulary_id"], row["concept_code"].replace(".", "").upper())]
            if row["vocabulary_id"] == "RxNorm" and ingredient:
                keys_here.append(("RxNorm", row["concept_name"].lower()))
            for key in keys_here:
                if key not in keys:
                    continue
                valid = not row["invalid_reason"]
                if key not in found or (valid and not found[key][0]):
                    found[key] = (valid, _concept(row, folder / "CONCEPT.csv"))
    return {key: concept for key, (_, concept) in found.items()}


def _targets(folder: Path, sources: set[int]) -> dict[int, set[int]]:
    """Source concept -> concepts that it maps to."""
    found: dict[int, set[int]] = {}
    ids = pa.array([str(i) for i in sorted(sources)], pa.string())
    for block in _blocks(folder / "CONCEPT_RELATIONSHIP.csv", _RELATIONSHIP):
        here = pc.and_(
            pc.equal(block["relationship_id"], "Maps to"), pc.is_in(block["concept_id_1"], ids)
        )
        for row in block.filter(here).to_pylist():
            if not row["invalid_reason"]:
                first, second = int(row["concept_id_1"]), _number(row["concept_id_2"], folder)
                found.setdefault(first, set()).add(second)
    return found


def _standard(folder: Path, ids: set[int]) -> dict[int, _Concept]:
    """Those of some concepts that are standard and valid."""
    found: dict[int, _Concept] = {}
    texts = pa.array([str(i) for i in sorted(ids)], pa.string())
    if not ids:
        return found
    for block in _blocks(folder / "CONCEPT.csv", _CONCEPT):
        for row in block.filter(pc.is_in(block["concept_id"], texts)).to_pylist():
            concept = _concept(row, folder / "CONCEPT.csv")
            if concept.standard and not row["invalid_reason"]:
                found[concept.concept_id] = concept
    return found


def _concept(row: Mapping[str, str], file: Path) -> _Concept:
    return _Concept(
        _number(row["concept_id"], file), row["domain_id"], row["standard_concept"] == "S"
    )


def _number(text: str, file: Path) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(
            f"a concept id is {text[:40]!r}, expected a whole number; download the vocabulary again",
            file=file,
        ) from None


def _version(folder: Path) -> str:
    """The release that VOCABULARY.csv names, as cdm_source wants it (20 characters)."""
    file = folder / "VOCABULARY.csv"
    if not file.is_file():
        return "Athena, not stated"[:20]
    for block in _blocks(file, ("vocabulary_id", "vocabulary_version")):
        for row in block.to_pylist():
            if row["vocabulary_id"] == "None":
                return str(row["vocabulary_version"])[:20]
    return "Athena, not stated"[:20]


def _blocks(file: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Blocks of an Athena file with these columns as text; empty texts are empty."""
    if not file.is_file():
        raise InputError(
            "the vocabulary folder has no such file; unpack the whole download from Athena there",
            file=file,
        )
    try:
        with pacsv.open_csv(
            file,
            read_options=pacsv.ReadOptions(block_size=_BLOCK_BYTES),
            parse_options=pacsv.ParseOptions(delimiter="\t", quote_char=False),
            convert_options=pacsv.ConvertOptions(
                include_columns=list(columns),
                column_types=dict.fromkeys(columns, pa.string()),
                strings_can_be_null=False,
            ),
        ) as reader:
            yield from reader
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
        raise InputError(
            f"this is not as Athena writes it ({str(error).splitlines()[0]}); expected columns "
            f"{', '.join(columns)} with tabs between them",
            file=file,
        ) from error
