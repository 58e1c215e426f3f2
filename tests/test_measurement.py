"""Measurement against its definition, one unit and one cell after the other."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsyn.cohort.subset import patient_batches
from llmsyn.cohort.types import Cohort
from llmsyn.errors import CohortError, ProfileError
from llmsyn.measurement import Counts, aligned, measure
from llmsyn.measurement.labels import Labels
from llmsyn.measurement.tallies import Patients, tally_patients
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.terms import parse_range
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import UNLISTED, Categorical, CodeSet, Numeric

SEXES = ("F", "M", "missing")
CODES = ("a", "b", "c", "d", "e")  # d and e are not listed
LISTED = CODES[:3]
OTHERS = ("x", "y")


@dataclass(frozen=True)
class Row:
    """One unit of the toy population."""

    patient: int
    sex: str
    age: float | None
    dx: tuple[str, ...]  # the first is the main code
    rx: tuple[str, ...]


@st.composite
def populations(draw: st.DrawFn) -> list[Row]:
    """Units, those of a patient together."""
    rows = []
    for patient in range(draw(st.integers(1, 5))):
        for _ in range(draw(st.integers(1, 3))):
            rows.append(
                Row(
                    patient,
                    draw(st.sampled_from(SEXES)),
                    draw(st.one_of(st.none(), st.integers(-5, 120).map(float))),
                    tuple(draw(st.lists(st.sampled_from(CODES), max_size=5, unique=True))),
                    tuple(draw(st.lists(st.sampled_from(OTHERS), max_size=2, unique=True))),
                )
            )
    return rows


def _cohort(rows: list[Row], unit: str = "stay") -> Cohort:
    codes = {}
    for name, known in (("dx", CODES), ("rx", OTHERS)):
        lists = [getattr(r, name) for r in rows]
        index = [known.index(c) for codes in lists for c in codes]
        codes[name] = pa.table(
            {
                "row": pa.array([i for i, c in enumerate(lists) for _ in c], pa.int32()),
                "code": pa.DictionaryArray.from_arrays(
                    pa.array(index, pa.int32()), pa.array(known)
                ),
                "position": pa.array([j for c in lists for j in range(len(c))], pa.int16()),
            }
        )
    columns: dict[str, Any] = {"patient_id": pa.array([r.patient for r in rows], pa.int64())}
    if unit == "stay":
        columns["stay_id"] = pa.array(range(len(rows)), pa.int64())
    columns["sex"] = pa.DictionaryArray.from_arrays(
        pa.array([SEXES.index(r.sex) for r in rows], pa.int32()), pa.array(SEXES)
    )
    columns["age"] = pa.array([r.age for r in rows], pa.float64())
    return Cohort("real", "stay" if unit == "stay" else "patient", pa.table(columns), codes)


AXES = {
    "sex": SEXES,
    "age": ("[0,60)", "[60,100)", "missing"),
    "dx": LISTED,
    "dx.main": ("a", "c", UNLISTED),
    "dx.count": ("0", "1", "[2,inf)"),
    "dx.unlisted": ("0", "[1,inf)"),
    "rx": OTHERS,
}
TABLES = (
    ("sex", "age"), ("dx.main", "sex"), ("age", "dx"), ("dx", "sex"), ("dx", "dx"), ("dx", "rx"),
    ("dx.count", "dx.unlisted"), ("sex", "dx", "age"), ("dx", "sex", "rx"), ("rx", "dx.count", "dx"),
)  # fmt: skip


def _nan(n: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.full(n, np.nan)


def _like(unit: str = "stay") -> Profile:
    tables = []
    for names in TABLES:
        axes = tuple(Axis(name, AXES[name]) for name in names)
        tables.append(Table(axes, np.full([len(a.labels) for a in axes], np.nan)))
    edges = np.array([0.0, 40, 60, 100])
    return Profile(
        name="toy",
        unit="stay" if unit == "stay" else "patient",
        n_units=np.nan,
        n_patients=np.nan,
        stages=("s",),
        variables=(
            Categorical("sex", "s", SEXES, _nan(3), missing="missing"),
            Numeric("age", "s", "years", 0, edges, _nan(3), np.nan),
            CodeSet("dx", "s", ("local",), LISTED, _nan(3), main=_nan(3), listed=_nan(2),
                    unlisted=_nan(1), total=_nan(1)),
            CodeSet("rx", "s", ("local",), OTHERS, _nan(2)),
        ),
        tables=tuple(tables),
    )  # fmt: skip


def _has(row: Row, variable: str, label: str) -> bool:
    """Whether a unit has a label: the definition, one case after the other."""
    listed = [c for c in row.dx if c in LISTED]
    number = {"dx.count": len(listed), "dx.unlisted": len(row.dx) - len(listed)}
    covered = parse_range(label)
    if variable in number:
        n = number[variable]
        return n == int(label) if covered is None else covered.low <= n < covered.high
    if variable == "dx.main":
        main = row.dx[0] if row.dx else None
        return main is not None and (main if main in LISTED else UNLISTED) == label
    if variable in ("dx", "rx"):
        return label in getattr(row, variable)
    if variable == "age":
        if row.age is None or covered is None:
            return row.age is None and label == "missing"
        return covered.low <= min(max(row.age, 0), 99) < covered.high
    return row.sex == label


def _brute(rows: list[Row], axes: tuple[Axis, ...], *, patients: bool) -> np.ndarray[Any, Any]:
    found: dict[tuple[int, ...], set[int]] = defaultdict(set)
    for i, row in enumerate(rows):
        who = row.patient if patients else i
        for cell in product(*(range(len(a.labels)) for a in axes)):
            labels = [(a.variable, a.labels[j]) for a, j in zip(axes, cell, strict=True)]
            if len(set(labels)) == len(labels) and all(_has(row, *pair) for pair in labels):
                found[cell].add(who)
    counts = np.zeros([len(a.labels) for a in axes])
    for cell, whose in found.items():
        counts[cell] = len(whose)
    if len(axes) == 2 and axes[0] == axes[1]:
        np.fill_diagonal(counts, np.nan)
    return counts


def _arrays(profile: Profile) -> dict[str, np.ndarray[Any, Any]]:
    found: dict[str, Any] = {}
    for variable in profile.variables:
        for part in ("counts", "main", "listed", "unlisted", "total", "missing_count",
                     "main_unlisted", "unlisted_per_unit"):  # fmt: skip
            value = getattr(variable, part, None)
            if value is not None:
                found[f"{variable.name}.{part}"] = np.asarray(value)
    for i, table in enumerate(profile.tables):
        found[f"#{i}"] = table.counts
    return found


def _same(one: Profile, two: Profile) -> None:
    left, right = _arrays(one), _arrays(two)
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)
    assert (one.n_units, one.n_patients) == (two.n_units, two.n_patients)


@given(populations())
@settings(deadline=None, max_examples=60)
def test_against_the_definition(rows: list[Row]) -> None:
    like = _like()
    found = measure([_cohort(rows)], like)
    for patients, profile in ((False, found.profile), (True, found.patients)):
        margins = [Axis("sex", SEXES), Axis("dx", LISTED), Axis("rx", OTHERS)]
        margins.append(Axis("age", ("[0,40)", "[40,60)", "[60,100)")))
        for axis in margins:
            expected = _brute(rows, (axis,), patients=patients)
            np.testing.assert_array_equal(profile[axis.variable].counts, expected)
        dx, age = profile["dx"], profile["age"]
        assert isinstance(dx, CodeSet) and isinstance(age, Numeric)
        main = _brute(rows, (Axis("dx.main", (*LISTED, UNLISTED)),), patients=patients)
        np.testing.assert_array_equal(np.append(dx.main, dx.main_unlisted), main)
        for part, name in ((dx.listed, "dx.count"), (dx.unlisted, "dx.unlisted")):
            assert part is not None
            labels = tuple(str(k) for k in range(len(part)))
            expected = _brute(rows, (Axis(name, labels),), patients=patients)
            np.testing.assert_array_equal(part, expected)
        missing = _brute(rows, (Axis("age", ("missing",)),), patients=patients)
        assert age.missing_count == missing[0]
        for table in profile.tables:
            expected = _brute(rows, table.axes, patients=patients)
            np.testing.assert_array_equal(table.counts, expected, err_msg=table.name)
    unlisted = [sum(c not in LISTED for c in r.dx) for r in rows]
    dx = found.profile["dx"]
    assert isinstance(dx, CodeSet)
    assert dx.unlisted_per_unit == pytest.approx(np.mean(unlisted))


@given(populations(), st.integers(1, 4), st.booleans())
@settings(deadline=None, max_examples=40)
def test_batches_add_up(rows: list[Row], size: int, merge: bool) -> None:
    whole = measure([_cohort(rows)], _like())
    batches = list(patient_batches(_cohort(rows), size))
    if merge:
        total = Counts(_like())
        for batch in reversed(batches):
            part = Counts(_like())
            part.add(batch)
            total.merge(part)
        parts = total.measurement()
    else:
        parts = measure(batches, _like())
    _same(whole.profile, parts.profile)
    _same(whole.patients, parts.patients)


@given(populations())
@settings(deadline=None, max_examples=25)
def test_compiled_and_plain_agree(rows: list[Row]) -> None:
    labels = Labels(_cohort(rows), _like())
    patients = Patients.of_units(labels.patient)
    for table in _like().tables:
        axes = [labels.axis(axis) for axis in table.axes]
        plain = tally_patients(axes, patients, compiled=False)
        np.testing.assert_array_equal(tally_patients(axes, patients, compiled=True), plain)


def test_patients_as_units_are_measured_once() -> None:
    rows = [Row(i, "F", 50.0, ("a",), ()) for i in range(3)]
    found = measure([_cohort(rows, "patient")], _like("patient"))
    assert found.patients is found.profile
    assert found.profile.n_units == found.profile.n_patients == 3


def test_one_patient_with_two_stays_is_one_patient() -> None:
    rows = [Row(0, "F", 50.0, ("a", "b"), ()), Row(0, "F", 51.0, ("a",), ())]
    found = measure([_cohort(rows)], _like())
    assert (found.profile.n_units, found.profile.n_patients) == (2, 1)
    assert found.profile["dx"].counts.tolist() == [2, 1, 0]
    assert found.patients["dx"].counts.tolist() == [1, 1, 0]


def _levels(cohort: Cohort, levels: list[str]) -> Cohort:
    column = pa.array(levels).dictionary_encode()
    place = cohort.units.schema.get_field_index("sex")
    return replace(cohort, units=cohort.units.set_column(place, "sex", column))


def _with_sex(levels: tuple[str, ...]) -> Profile:
    like = _like()
    sex = Categorical("sex", "s", levels, _nan(len(levels)))
    return replace(like, variables=(sex, *like.variables[1:]), tables=())


def test_unknown_level_is_named() -> None:
    cohort = _levels(_cohort([Row(0, "F", 1.0, (), ())] * 2), ["F", "female"])
    with pytest.raises(CohortError, match="column sex: 'sex' has the level 'female'"):
        measure([cohort], _like())


def test_other_takes_unknown_levels_of_real_cohorts_only() -> None:
    cohort = _levels(_cohort([Row(0, "F", 1.0, (), ())] * 3), ["F", "X", "Y"])
    like = _with_sex(("F", "other"))
    assert measure([cohort], like).profile["sex"].counts.tolist() == [1, 2]
    with pytest.raises(CohortError, match="'X', 'Y'"):
        measure([replace(cohort, origin="synthetic")], like)


def test_merged_levels_are_found_by_their_parts() -> None:
    cohort = _levels(_cohort([Row(0, "F", 1.0, (), ())] * 3), ["low", "mid", "high"])
    like = _with_sex(("low + mid", "high"))
    assert measure([cohort], like).profile["sex"].counts.tolist() == [2, 1]


def test_a_code_twice_in_a_unit_is_refused() -> None:
    with pytest.raises(CohortError, match="stands twice"):
        measure([_cohort([Row(0, "F", 1.0, ("a", "a"), ())])], _like())


def test_labels_that_no_variable_has_are_refused() -> None:
    bad = Table((Axis("sex", ("F", "female")),), np.full(2, np.nan))
    with pytest.raises(ProfileError, match="'female'"):
        measure([_cohort([Row(0, "F", 1.0, (), ())])], replace(_like(), tables=(bad,)))


def test_unit_and_variables_must_fit() -> None:
    cohort = _cohort([Row(0, "F", 1.0, (), ())])
    with pytest.raises(CohortError, match="unit is 'stay'"):
        measure([cohort], _like("patient"))
    with pytest.raises(CohortError, match="no 'sex'"):
        measure([replace(cohort, units=cohort.units.drop_columns(["sex"]))], _like())
    with pytest.raises(CohortError, match="no units"):
        measure([], _like())


def test_aligned_measures_the_same() -> None:
    rows = [Row(0, "F", 130.0, ("a", "d"), ("x",)), Row(1, "missing", None, ("e",), ())]
    cohort = _cohort(rows)
    again = aligned(cohort, _like())
    assert again.codes["dx"]["code"].to_pylist() == ["a", UNLISTED, UNLISTED]
    assert again.units["age"].to_pylist() == [99.0, None]
    assert again.units["sex"].combine_chunks().dictionary.to_pylist() == list(SEXES)
    _same(measure([cohort], _like()).profile, measure([again], _like()).profile)
