"""A row of a cohort as a renderer needs it: age, sex, outcome, and codes with their names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from llmsyn.cohort.parts import read_manifest, synthetic_parts
from llmsyn.cohort.types import Cohort
from llmsyn.errors import CohortError
from llmsyn.knowledge.records import Condition
from llmsyn.notes.lexicon import Concept, Lexicon
from llmsyn.notes.pools import title_name
from llmsyn.profile.reading import read_profile
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import UNLISTED, Categorical, CodeSet

Sex = Literal["female", "male"]


@dataclass(frozen=True)
class Coded:
    """A code that a patient has.

    Attributes
    ----------
    code : ``system:code``.
    key : its concept; the code itself where no concept has a name for it.
    names : ways to write it, usual one first; never empty.
    chronic : a condition that was there before the stay.
    drug_class : of a drug.
    treated_by : keys of drugs that the knowledge base gives for a condition.
    """

    code: str
    key: str
    label: str
    names: tuple[str, ...]
    chronic: bool = False
    drug_class: str = ""
    treated_by: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Record:
    """One patient or stay.

    Attributes
    ----------
    note_key : id of the unit, from which note ids are made.
    age : years; None where the cohort has none.
    died : None where the cohort does not say.
    conditions : main one first; only what has a name in the language.
    keys : concepts of all of them, for looking up.
    """

    note_key: str
    patient_id: str
    age: float | None
    sex: Sex | None
    died: bool | None
    stay_days: float | None
    conditions: tuple[Coded, ...]
    procedures: tuple[Coded, ...]
    drugs: tuple[Coded, ...]
    keys: frozenset[str]


def records(folder: Path, names: Lexicon) -> Iterator[Record]:
    """Records of a synthetic cohort folder, in its order.

    Raises
    ------
    CohortError : the folder is no finished cohort of ours, or its profile says neither which
        variable holds diagnoses nor drugs nor procedures.
    """
    read_manifest(folder)
    profile = read_profile(folder / "profile")
    if not any(v.concept in _KINDS for v in profile.code_sets):
        raise CohortError(
            "no code set of the profile has the concept diagnoses, drugs or procedures, so there "
            "is nothing to write about; set concept in profile.toml",
            file=folder,
        )
    for part in synthetic_parts(folder):
        yield from cohort_records(part, profile, names)


_KINDS = {"diagnoses": "conditions", "procedures": "procedures", "drugs": "drugs"}


def cohort_records(cohort: Cohort, profile: Profile, names: Lexicon) -> Iterator[Record]:
    """Records of one part of a cohort.

    Raises
    ------
    CohortError : the cohort is real: notes are written about synthetic patients only.
    """
    if cohort.origin != "synthetic":
        raise CohortError(
            "this cohort is real, and notes are written about synthetic patients only; give a "
            "folder that llmsyn generate wrote"
        )
    n = len(cohort)
    key = "stay_id" if cohort.unit == "stay" else "patient_id"
    units = cohort.units
    ids, patients = units[key].to_pylist(), units["patient_id"].to_pylist()
    ages, days = _numbers(units, profile, "age"), _numbers(units, profile, "length_of_stay")
    sexes, deaths = _meanings(units, profile, "sex"), _meanings(units, profile, "in_hospital_death")
    lists: dict[str, list[list[Coded]]] = {kind: [[] for _ in range(n)] for kind in _KINDS.values()}
    for variable in profile.code_sets:
        if variable.concept in _KINDS and variable.name in cohort.codes:
            _fill(lists[_KINDS[variable.concept]], cohort.codes[variable.name], variable, names)
    for i in range(n):
        found = {kind: tuple(dict.fromkeys(rows[i])) for kind, rows in lists.items()}
        sex = sexes[i]
        yield Record(
            str(ids[i]),
            str(patients[i]),
            ages[i],
            "female" if sex == "female" else "male" if sex == "male" else None,
            None if deaths[i] is None else deaths[i] == "yes",
            days[i],
            found["conditions"],
            found["procedures"],
            found["drugs"],
            frozenset(coded.key for listed in found.values() for coded in listed),
        )


def _fill(rows: list[list[Coded]], table: pa.Table, variable: CodeSet, names: Lexicon) -> None:
    single = variable.systems[0] if len(variable.systems) == 1 else ""
    coded = table["code"].combine_chunks()
    texts: list[str] = coded.dictionary.to_pylist()
    known = [_coded(text, single, names) for text in texts]
    row = np.asarray(table["row"]).astype(np.int64)
    place = np.asarray(table["position"]).astype(np.int64)
    index = np.asarray(coded.indices).astype(np.int64)
    for at in np.lexsort((place, row)).tolist():
        entry = known[index[at]]
        if entry is not None:
            rows[row[at]].append(entry)


def _coded(text: str, single: str, names: Lexicon) -> Coded | None:
    if text == UNLISTED:
        return None
    system, code = (single, text) if single else tuple(text.split(":", 1))
    return _named(system, code, names)


@lru_cache(maxsize=1 << 16)
def _named(system: str, code: str, names: Lexicon) -> Coded | None:
    concept = names.concept(system, code)
    record = names.matcher.record(system, code)
    written = f"{system}:{code}"
    if concept is None:
        # A title is a name in English only; elsewhere the code is not written about.
        title = title_name(system, code) if names.language == "en" else ""
        if not title or not isinstance(record, Condition) or record.family == "factors":
            return None
        concept = Concept(written, "DISEASE", (title,))
    chronic = isinstance(record, Condition) and record.chronic
    drug_class = getattr(record, "drug_class", "")
    treated_by: frozenset[str] = frozenset()
    if isinstance(record, Condition):
        treated_by = frozenset(
            f"ingredient:{drug}"
            for edges in record.drug
            if (edges.strength or 0) > 0 or (edges.odds_ratio or 0) > 1
            for drug in edges.ids
        )
    return Coded(
        written, concept.key, concept.label, concept.names, chronic, drug_class, treated_by
    )


def _numbers(units: pa.Table, profile: Profile, concept: str) -> list[float | None]:
    for variable in profile.level_variables:
        if variable.concept == concept and not isinstance(variable, Categorical):
            values: list[float | None] = units[variable.name].to_pylist()
            return values
    return [None] * units.num_rows


def _meanings(units: pa.Table, profile: Profile, concept: str) -> list[str | None]:
    for variable in profile.level_variables:
        if variable.concept == concept and isinstance(variable, Categorical):
            means = variable.means
            return [means.get(level) for level in units[variable.name].to_pylist()]
    return [None] * units.num_rows
