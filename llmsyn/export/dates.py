"""When: admissions, discharges and the order of events, as a function of (seed, patient).

No profile publishes dates, so none are real; what is promised is that they agree with what
is published and with each other:

* the first admission lies in a stated range of days; the row that was drawn (age, main code,
  length of stay) describes that visit;
* its length is the drawn length of stay, where the profile has one, else a stated default;
* a patient has further visits only where the profile gives visits per patient; they follow
  at gaps from the profile's distribution, and their lengths come from the published one;
* a code stands in one visit; chronic diagnoses (AHRQ's indicator) stand in that visit and in
  every later one;
* in a visit diagnoses come first, then procedures and drugs: the main diagnosis and what was
  brought along at admission, other diagnoses in the first quarter, procedures in the middle
  half, drugs from the first quarter on;
* who died in hospital did so at the end of the last visit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmsyn.codes import chronic
from llmsyn.errors import InputError
from llmsyn.export.uniforms import uniforms
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet, Numeric

Times = npt.NDArray[np.datetime64]
Ints = npt.NDArray[np.int64]

DAY_SECONDS = 86_400
_DAYS_IN = {"day": 1.0, "days": 1.0, "hour": 1 / 24, "hours": 1 / 24, "week": 7.0, "weeks": 7.0}
_MAX_VISITS = 10_000
_WINDOWS = {"diagnoses": (0.0, 0.25), "procedures": (0.25, 0.75), "drugs": (0.25, 1.0)}
"""Shares of the stay between which events of each kind begin."""


@dataclass(frozen=True)
class Calendar:
    """What a profile does not say of time.

    Attributes
    ----------
    seed : 0 to 2**63 - 1; usually that of the cohort.
    first, last : range of the first admission, both days included.
    stay_days : length of a stay where the profile gives none, or the value is missing.
    gap_days : days between visits where the profile gives none.
    """

    seed: int
    first: date = date(2020, 1, 1)
    last: date = date(2020, 12, 31)
    stay_days: float = 3.0
    gap_days: float = 180.0

    def __post_init__(self) -> None:
        """Refuse what no date can be made of."""
        if self.last < self.first:
            raise InputError(
                f"the range of admissions ends on {self.last}, before it begins on {self.first}; "
                "swap them"
            )
        if not 1700 <= self.first.year <= self.last.year <= 2200:
            raise InputError(
                f"admissions from {self.first} to {self.last} are out of range; stay between the "
                "years 1700 and 2200"
            )
        for name, value in (("stay", self.stay_days), ("gap", self.gap_days)):
            if not 0 <= value <= 3650:
                raise InputError(f"a {name} of {value:g} days is out of range; give 0 to 3650")


@dataclass(frozen=True, eq=False)
class Visits:
    """Visits of some patients, by patient and then by time.

    Attributes
    ----------
    row : ``(n_visits,)`` index of the patient among the units.
    number : ``(n_visits,)`` 0 for the first visit of a patient.
    ids : ``(n_visits,)`` unique over the whole cohort.
    admitted, discharged : ``(n_visits,)`` to the second.
    start : ``(n_units + 1,)`` where the visits of each patient begin.
    """

    row: Ints
    number: Ints
    ids: Ints
    admitted: Times
    discharged: Times
    start: Ints

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, eq=False)
class Events:
    """Dated codes of one code set, by visit and then by time.

    Attributes
    ----------
    visit : ``(n,)`` index among the visits.
    code : ``(n,)`` index into ``codes``.
    codes : texts as the cohort writes them.
    position : ``(n,)`` of the cohort; 0 is the main code.
    time, end : ``(n,)``; only drugs last, other events end when they begin.
    """

    visit: Ints
    code: npt.NDArray[np.int32]
    codes: tuple[str, ...]
    position: npt.NDArray[np.int16]
    time: Times
    end: Times

    def __len__(self) -> int:
        return len(self.visit)


def visits_of(units: pa.Table, profile: Profile, calendar: Calendar) -> Visits:
    """Visits of every unit of a batch.

    Raises
    ------
    InputError : a length of stay or gap is in a unit of time that is not known.
    """
    ids = patient_ids(units)
    n = len(ids)
    seed = calendar.seed
    count = _visit_counts(units, profile)
    start = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    row = np.repeat(np.arange(n), count)
    number = np.arange(len(row)) - start[row]

    days = (calendar.last - calendar.first).days + 1
    day = np.floor(uniforms(seed, "admission day", ids) * days).astype(np.int64)
    minute = np.floor(uniforms(seed, "admission minute", ids) * 1440).astype(np.int64)
    first = np.datetime64(calendar.first, "s") + day * DAY_SECONDS + minute * 60

    stay = _lengths("length_of_stay", "stay", calendar.stay_days, units, profile, row, number, seed)
    gap = _lengths("days_between_visits", "gap", calendar.gap_days, units, profile, row, number,
                   seed)  # fmt: skip
    # Where each visit begins after the first one: the visits and gaps before it, added up.
    before = np.concatenate([[0], np.cumsum(stay + gap)])[:-1]
    since = before - before[start[:-1]][row] if len(row) else before
    admitted = first[row] + since
    return Visits(row, number, _visitpatient_ids(ids[row], number, profile), admitted, admitted + stay,
                  start)  # fmt: skip


def events_of(
    units: pa.Table, visits: Visits, codes: CodeSet, table: pa.Table, seed: int
) -> Events:
    """Codes of one set, each in its visit, at its time.

    Parameters
    ----------
    table : ``row``, ``code`` and ``position`` as in :class:`llmsyn.cohort.types.Cohort`.
    """
    ids = patient_ids(units)
    row = np.asarray(table["row"].combine_chunks()).astype(np.int64)
    coded = table["code"].combine_chunks()
    names = tuple(coded.dictionary.to_pylist())
    code = np.asarray(coded.indices).astype(np.int32)
    position = np.asarray(table["position"].combine_chunks()).astype(np.int16)

    count = np.diff(visits.start)[row]
    place = uniforms(seed, f"visit of {codes.name}", ids[row], position)
    own = np.where(position == 0, 0, np.floor(place * count).astype(np.int64))
    carried = _chronic(codes, names)[code]
    repeats = np.where(carried, count - own, 1)
    source = np.repeat(np.arange(len(row)), repeats)
    ordinal = np.arange(len(source)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    visit = visits.start[row[source]] + own[source] + ordinal

    low, high = _WINDOWS.get(codes.concept or "", (0.0, 1.0))
    inside = low + (high - low) * uniforms(
        seed, f"time of {codes.name}", ids[row[source]], position[source], ordinal
    )
    at_admission = (position[source] == 0) | (ordinal > 0)
    share = np.where(at_admission, low, inside)
    length = (visits.discharged - visits.admitted)[visit].astype(np.int64)
    begin = np.floor(share * length).astype(np.int64)
    lasting = np.zeros(len(source), np.int64)
    if codes.concept == "drugs":
        part = uniforms(seed, f"end of {codes.name}", ids[row[source]], position[source], ordinal)
        lasting = np.ceil(part * (length - begin)).astype(np.int64)
    time = visits.admitted[visit] + begin
    # What was brought along to a later visit is no main code there.
    rank = np.where(ordinal > 0, np.maximum(position[source], 1), position[source])
    order = np.lexsort((rank, time, visit))
    return Events(visit[order], code[source][order], names, rank[order].astype(np.int16),
                  time[order], (time + lasting)[order])  # fmt: skip


def _lengths(
    concept: str, purpose: str, default: float, units: pa.Table, profile: Profile,
    row: Ints, number: Ints, seed: int,
) -> Ints:  # fmt: skip
    """``(n_visits,)`` whole seconds: drawn for the first visit, from the margin for others."""
    variable = numeric(profile, concept)
    if variable is None:
        return np.full(len(row), round(default * DAY_SECONDS), np.int64)
    if variable.unit.strip().lower() not in _DAYS_IN:
        raise InputError(
            f"variable {variable.name!r} is in {variable.unit!r}, expected one of "
            f"{', '.join(_DAYS_IN)}; write its unit in the profile that the cohort was drawn from"
        )
    scale = _DAYS_IN[variable.unit.strip().lower()]
    days = np.clip(values(units, variable.name), 0, None)[row] * scale
    later = np.flatnonzero(number > 0)
    if len(later):
        draw = uniforms(seed, purpose, patient_ids(units)[row[later]], number[later])
        days[later] = np.clip(_quantile(variable, draw), 0, None) * scale
    days = np.where(np.isnan(days), default, days)
    return np.asarray(np.round(days * DAY_SECONDS), np.int64)


def _quantile(variable: Numeric, uniform: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Values of the published distribution, on its grid; suppressed bins hold nobody."""
    counts = np.nan_to_num(variable.counts)
    if counts.sum() <= 0:
        counts = np.ones(len(counts))
    reached = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
    values = np.interp(uniform, reached, variable.edges)
    grid = 10.0**variable.decimals
    return np.asarray(np.floor(values * grid + 1e-9) / grid)


def _visit_counts(units: pa.Table, profile: Profile) -> Ints:
    variable = numeric(profile, "visits_per_patient")
    if variable is None or profile.unit == "stay":
        return np.ones(units.num_rows, np.int64)
    counts = np.nan_to_num(values(units, variable.name), nan=1.0)
    return np.asarray(np.clip(np.round(counts), 1, _MAX_VISITS), np.int64)


def _visitpatient_ids(patients: Ints, number: Ints, profile: Profile) -> Ints:
    """The patient's id where a patient has one visit, else id and number side by side."""
    variable = numeric(profile, "visits_per_patient")
    if variable is None or profile.unit == "stay":
        return patients
    most = min(int(np.ceil(variable.edges[-1])), _MAX_VISITS)
    return np.asarray(patients * 10 ** len(str(most)) + number)


def _chronic(codes: CodeSet, names: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """``(n_codes,)`` whether a diagnosis lasts; what AHRQ does not judge does not."""
    if codes.concept != "diagnoses":
        return np.zeros(len(names), np.bool_)
    listed = set(codes.codes)
    found = (
        chronic(codes.system_of(name), codes.bare(name)) if name in listed else None
        for name in names
    )
    return np.array([bool(f and f.value) for f in found], np.bool_)


def numeric(profile: Profile, concept: str) -> Numeric | None:
    """The first number that carries a concept."""
    found = [v for v in profile.by_concept(concept) if isinstance(v, Numeric)]
    return found[0] if found else None


def patient_ids(units: pa.Table) -> Ints:
    """``(n_units,)``."""
    return np.asarray(units["patient_id"].combine_chunks()).astype(np.int64)


def values(units: pa.Table, name: str) -> npt.NDArray[Any]:
    """``(n_units,)`` a column of numbers; NaN is missing."""
    column = units[name].combine_chunks().cast(pa.float64())
    return np.array(column.fill_null(np.nan))
