"""One part of a synthetic cohort as people with visits and dated codes: what exports write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmsyn.cohort.parts import read_manifest, synthetic_parts
from llmsyn.cohort.types import Cohort
from llmsyn.errors import CohortError
from llmsyn.export.births import birth_dates
from llmsyn.export.dates import Calendar, Events, Times, Visits, events_of, visits_of
from llmsyn.profile.reading import read_profile
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet

SEXES = ("unknown", "female", "male", "other")


@dataclass(frozen=True, eq=False)
class Source:
    """A finished synthetic cohort folder that is to be exported."""

    folder: Path
    manifest: Mapping[str, Any]
    profile: Profile

    @property
    def label(self) -> str:
        """The profile's title, or its name."""
        return self.profile.title or self.profile.name

    def code_set(self, name: str) -> CodeSet:
        """The code set of that name."""
        found = self.profile[name]
        assert isinstance(found, CodeSet), "the manifest's code sets come from the profile"
        return found


@dataclass(frozen=True, eq=False)
class Chart:
    """People of one part.

    Attributes
    ----------
    units : all variables, one row a person (see :class:`llmsyn.cohort.types.Cohort`).
    person : ``(n,)`` ids.
    sex : ``(n,)`` index into :data:`SEXES`.
    born : ``(n,)`` days, NaT where the age is not known.
    died : ``(n,)`` seconds, NaT for who left alive.
    visits : by person and time.
    events : per code set, by visit and time.
    """

    units: pa.Table
    person: npt.NDArray[np.int64]
    sex: npt.NDArray[np.int8]
    born: Times
    died: Times
    visits: Visits
    events: Mapping[str, Events] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.person)


def open_source(folder: str | Path) -> Source:
    """Look at a cohort folder: its manifest and the profile that was copied into it.

    Raises
    ------
    CohortError : it is no finished synthetic cohort (real tables are never exported: an export
        says "synthetic" everywhere).
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    return Source(folder, manifest, read_profile(folder / "profile"))


def charts(source: Source, calendar: Calendar) -> Iterator[Chart]:
    """The parts of a cohort, one after the other, every file's hash compared first.

    Raises
    ------
    CohortError : a part is missing or changed, or lacks a variable of the profile.
    """
    for cohort in synthetic_parts(source.folder, verify=True):
        missing = [
            v.name
            for v in source.profile.level_variables
            if v.name not in cohort.units.schema.names
        ]
        if missing:
            raise CohortError(
                f"the parts have no column {missing[0]!r}, which the profile names; generate the "
                "cohort again",
                file=source.folder,
            )
        yield chart_of(cohort, source.profile, calendar)


def chart_of(cohort: Cohort, profile: Profile, calendar: Calendar) -> Chart:
    """People, visits and dated codes of one batch; a pure function of its arguments."""
    units = cohort.units
    visits = visits_of(units, profile, calendar)
    events = {
        c.name: events_of(units, visits, c, cohort.codes[c.name], calendar.seed)
        for c in profile.code_sets
    }
    last = visits.start[1:] - 1
    died = np.where(
        _holds(units, profile, "in_hospital_death", "yes"),
        visits.discharged[last],
        np.datetime64("NaT"),
    )
    person = np.asarray(units["patient_id"].combine_chunks()).astype(np.int64)
    born = birth_dates(units, visits, profile, calendar.seed)
    return Chart(units, person, _sexes(units, profile), born, died, visits, events)


def texts(units: pa.Table, name: str) -> npt.NDArray[np.object_]:
    """``(n,)`` a column of levels as texts."""
    column = units[name].combine_chunks()
    if not pa.types.is_dictionary(column.type):
        return np.array(column.cast(pa.string()).to_pylist(), object)
    names = np.array(column.dictionary.to_pylist(), object)
    return np.asarray(names[np.asarray(column.indices)])


def categorical(profile: Profile, concept: str) -> Categorical | None:
    """The first variable with levels that carries a concept."""
    found = [v for v in profile.by_concept(concept) if isinstance(v, Categorical)]
    return found[0] if found else None


def _sexes(units: pa.Table, profile: Profile) -> npt.NDArray[np.int8]:
    variable = categorical(profile, "sex")
    if variable is None:
        return np.zeros(units.num_rows, np.int8)

    def code(level: str) -> int:
        if level == variable.missing:
            return 0
        meaning = variable.meaning(level)
        return SEXES.index(meaning) if meaning in SEXES else SEXES.index("other")

    column = units[variable.name].combine_chunks()
    known = np.array([code(level) for level in column.dictionary.to_pylist()] or [0], np.int8)
    return np.asarray(known[np.asarray(column.indices)])


def _holds(units: pa.Table, profile: Profile, concept: str, meaning: str) -> npt.NDArray[np.bool_]:
    """``(n,)`` whether the variable of a concept has a level of that meaning."""
    variable = categorical(profile, concept)
    if variable is None:
        return np.zeros(units.num_rows, np.bool_)
    column = units[variable.name].combine_chunks()
    levels = [variable.meaning(level) == meaning for level in column.dictionary.to_pylist()]
    return np.asarray(np.array(levels or [False])[np.asarray(column.indices)])
