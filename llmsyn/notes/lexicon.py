"""Names of conditions, drugs and procedures in a language, and what each name stands for.

A *concept* is a record of the knowledge base (``conditions/heart_failure``,
``procedures/dialysis``, ``ingredient:furosemide``) or one finer than a record
(``concepts/aortic_stenosis``; ``knowledge/prose/concepts.toml``), so that a patient with one
cancer is never said to have another of the same record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from llmsyn.errors import KnowledgeError
from llmsyn.knowledge.loading import KnowledgeBase, load_base
from llmsyn.knowledge.matching import Matcher, matcher
from llmsyn.knowledge.parsed import read_toml
from llmsyn.notes.bank import prose_folder

DRUG_KINDS = {
    "fluid": "DRUG:fluid", "blood product": "DRUG:fluid", "nutrition": "DRUG:fluid",
    "vaccine": "DRUG:vaccine",
}  # fmt: skip
"""Classes of drugs whose mentions have a finer label."""

TUMOUR_LANGUAGES = ("es",)
"""Languages whose passages tag neoplasms apart from other diseases."""

_SHORT = 4
_SPELLING = (("aemi", "emi"), ("haem", "hem"), ("oed", "ed"), ("oes", "es"), ("rrhoe", "rrhe"),
             ("paed", "ped"), ("tumour", "tumor"), ("pnoe", "pne"), ("leuk", "leuc"))  # fmt: skip
_BLANK = re.compile(r"[\s\-‐–’']+")
_LEADING = frozenset(
    [
        "acute",
        "chronic",
        "severe",
        "mild",
        "moderate",
        "recurrent",
        "known",
        "new",
        "newly-diagnosed",
        "decompensated",
        "uncontrolled",
        "poorly",
        "controlled",
        "left",
        "right",
        "bilateral",
        "advanced",
        "early",
        "late",
        "possible",
        "suspected",
        "refractory",
        "persistent",
        "progressive",
        "symptomatic",
        "massive",
        "small",
        "large",
        "underlying",
        "worsening",
        "stable",
        "resolving",
        "presumed",
        "longstanding",
        "elective",
        "emergency",
        "urgent",
        "repeat",
        "serial",
        "oral",
        "intravenous",
        "iv",
        "topical",
        "inhaled",
        "subcutaneous",
    ]
)
_TRAILING = frozenset(
    [
        "aguda",
        "agudo",
        "crónica",
        "crónico",
        "grave",
        "leve",
        "moderada",
        "moderado",
        "severa",
        "severo",
        "izquierda",
        "izquierdo",
        "derecha",
        "derecho",
        "bilateral",
        "recurrente",
        "refractaria",
        "refractario",
        "descompensada",
        "descompensado",
        "oral",
        "intravenoso",
        "intravenosa",
    ]
)


@dataclass(frozen=True)
class Concept:
    """What a name stands for: its key, the label of a mention, and its names, usual one first."""

    key: str
    label: str
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Names of one language.

    Attributes
    ----------
    concepts : by key.
    prefixes : system -> prefix of a code -> key of a finer concept.
    implied : key of a finer concept -> key of the record whose name holds for it too.
    """

    language: str
    concepts: Mapping[str, Concept]
    prefixes: Mapping[str, Mapping[str, str]]
    implied: Mapping[str, str]
    matcher: Matcher = field(repr=False)

    def concept(self, system: str, code: str) -> Concept | None:
        """The concept that a code of a record has in this language; None without a name."""
        found = self.prefixes.get(system, {})
        for size in range(len(code), 0, -1):
            if code[:size] in found:
                return self.concepts.get(found[code[:size]])
        record = self.matcher.record(system, code)
        if record is None:
            return None
        kind = {"Condition": "conditions/", "Drug": "ingredient:"}.get(
            type(record).__name__, "procedures/"
        )
        return self.concepts.get(kind + record.id)

    def keys(self, surface: str) -> tuple[str, ...]:
        """Concepts that a surface can mean, with qualifying words left out if need be.

        Examples
        --------
        >>> lexicon("en").keys("Acute on chronic heart failure")
        ()
        >>> lexicon("en").keys("severe congestive heart failure")
        ('conditions/heart_failure',)
        """
        if surface in self._exact:
            return self._exact[surface]
        words = fold(surface).split()
        whole = self._folded.get(" ".join(words))
        while whole is None and len(words) > 1 and words[0] in _LEADING:
            words = words[1:]
            whole = self._folded.get(" ".join(words))
        while whole is None and len(words) > 1 and words[-1] in _TRAILING:
            words = words[:-1]
            whole = self._folded.get(" ".join(words))
        return whole or ()

    def holds(self, key: str, of: frozenset[str]) -> bool:
        """Whether a concept is true of whoever has the concepts ``of``."""
        return key in of or any(self.implied.get(each) == key for each in of)

    @cached_property
    def _folded(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for concept in self.concepts.values():
            for name in concept.names:
                if not _is_short(name):
                    key = fold(name)
                    found[key] = tuple(dict.fromkeys((*found.get(key, ()), concept.key)))
        return found

    @cached_property
    def _exact(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for concept in self.concepts.values():
            for name in filter(_is_short, concept.names):
                found[name] = tuple(dict.fromkeys((*found.get(name, ()), concept.key)))
        return found

    def names(self) -> dict[str, Concept]:
        """Every name, folded (abbreviations as they stand) -> the first concept with it."""
        first = {name: keys[0] for name, keys in (self._folded | self._exact).items()}
        return {name: self.concepts[key] for name, key in first.items()}


def fold(text: str) -> str:
    """Lower case, American spelling, no hyphens: for comparing names, not for printing.

    Examples
    --------
    >>> fold("Iron-deficiency anaemia")
    'iron deficiency anemia'
    """
    text = _BLANK.sub(" ", text.lower()).strip()
    for british, american in _SPELLING:
        text = text.replace(british, american)
    return text


def _is_short(name: str) -> bool:
    """Abbreviations count as they stand: AS is a stenosis, "as" is none."""
    return len(name) <= _SHORT and name.upper() == name


@lru_cache(maxsize=8)
def lexicon(language: str, folder: Path | None = None) -> Lexicon:
    """The shipped names of a language.

    English drugs come from the knowledge base itself; other languages list theirs.

    Raises
    ------
    KnowledgeError : there is no such language, or a name belongs to nothing.
    """
    place = folder or prose_folder()
    file = place / language / "surfaces.toml"
    if not file.is_file():
        there = sorted(f.parent.name for f in place.glob("*/surfaces.toml"))
        raise KnowledgeError(
            f"there are no notes in language '{language}'; there are {', '.join(there) or 'none'}"
        )
    base = load_base()
    named, defined = read_toml(file), read_toml(place / "concepts.toml")
    fine, labels = defined.get("conditions", {}), defined.get("procedures", {})
    concepts: dict[str, Concept] = {}
    for key, names in named.get("conditions", {}).items():
        if key not in fine and key not in base.conditions:
            raise KnowledgeError("no such condition; correct the key", file=file, key=key)
        full = f"concepts/{key}" if key in fine else f"conditions/{key}"
        record = base.conditions[fine[key]["record"] if key in fine else key]
        tumour = language in TUMOUR_LANGUAGES and record.family == "neoplasms"
        concepts[full] = Concept(full, "TUMOR_MORPHOLOGY" if tumour else "DISEASE", tuple(names))
    for key, names in named.get("procedures", {}).items():
        if key not in base.procedures or key not in labels:
            raise KnowledgeError(
                "no such procedure in the base, or none in concepts.toml; correct the key",
                file=file,
                key=key,
            )
        full = f"procedures/{key}"
        concepts[full] = Concept(full, str(labels[key]), tuple(names))
    for key, names in _drug_names(base, named, language).items():
        full = f"ingredient:{key}"
        label = DRUG_KINDS.get(base.drugs[key].drug_class, "DRUG")
        concepts[full] = Concept(full, label, names)
    return Lexicon(language, concepts, _prefixes(fine), _implied(fine), matcher(base))


def _drug_names(
    base: KnowledgeBase, named: Mapping[str, Any], language: str
) -> dict[str, tuple[str, ...]]:
    if language == "en":
        return {
            drug.id: tuple(dict.fromkeys((drug.name or drug.id, *map(_capital, drug.brands))))
            for drug in base.drugs.values()
        }
    return {key: tuple(names) for key, names in named.get("drugs", {}).items() if key in base.drugs}


def _capital(brand: str) -> str:
    return brand[:1].upper() + brand[1:]


def _prefixes(fine: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    return {
        system: {prefix: f"concepts/{key}" for key, body in fine.items() for prefix in body[system]}
        for system in ("icd9cm", "icd10cm")
    }


def _implied(fine: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"concepts/{key}": f"conditions/{body['record']}"
        for key, body in fine.items()
        if body.get("implies")
    }
