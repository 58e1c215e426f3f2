"""Design: what an extract names, and how finely; checked by hand on the invented hospital."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsyn.cohort.mapping import CategoricalSpec, Mapping, NumericSpec, read_mapping
from llmsyn.cohort.reading import read_cohort
from llmsyn.measurement import DesignSettings, Measurement, design, measure
from llmsyn.measurement.binning import choose_edges
from llmsyn.measurement.naming import Names, choose_codes, choose_levels, joined_means
from llmsyn.profile.variables import Categorical, CodeSet

HOSPITAL = Path(__file__).parent / "data" / "hospital"


def _designed(mapping: Mapping, n: int, tables: str = "all", threshold: int = 11) -> Measurement:
    """The hospital n times over, every copy with patients of its own."""
    one = read_cohort(mapping).whole
    batches = []
    for i in range(n):
        ids = pa.array([f"{p}-{i}" for p in one.units["patient_id"].to_pylist()])
        batches.append(replace(one, units=one.units.set_column(0, "patient_id", ids)))
    chosen = DesignSettings(threshold=threshold, tables=tables)  # type: ignore[arg-type]
    like = design(batches, mapping, chosen)
    assert all(np.isnan(v.counts).all() for v in like.variables)
    return measure(batches, like)


@pytest.fixture(scope="module")
def hospital() -> Mapping:
    return read_mapping(HOSPITAL / "mapping.toml")


def test_design_of_the_hospital(hospital: Mapping) -> None:
    found = _designed(hospital, 12)
    profile = found.profile
    assert (profile.n_units, profile.n_patients) == (60, 48)
    assert profile.provenance.mapping_sha256 == hospital.sha256
    sex, died, dx = profile["sex"], profile["died"], profile["diagnoses"]
    assert isinstance(sex, Categorical) and isinstance(dx, CodeSet)
    assert dict(zip(sex.levels, sex.counts, strict=True)) == {"F": 24, "M": 24, "missing": 12}
    assert died.counts.tolist() == [48, 12]
    assert len(dx.codes) == 7 and dx.selector is not None and dx.main is not None
    assert dx.main.sum() == 48
    assert dx.listed is not None and dx.listed.tolist() == [12, 12, 36]
    assert found.patients["sex"].counts.tolist() == [24, 12, 12]


def test_design_is_deterministic(hospital: Mapping) -> None:
    one, two = _designed(hospital, 12).profile, _designed(hospital, 12).profile
    assert [t.axes for t in one.tables] == [t.axes for t in two.tables]
    for v, w in zip(one.variables, two.variables, strict=True):
        np.testing.assert_array_equal(v.counts, w.counts)
    for t, u in zip(one.tables, two.tables, strict=True):
        np.testing.assert_array_equal(t.counts, u.counts)


@pytest.mark.parametrize("n", [3, 6, 12])
def test_nothing_that_is_named_stands_for_few_patients(hospital: Mapping, n: int) -> None:
    people = _designed(hospital, n).patients
    for variable in people.variables:
        counts = variable.counts
        if isinstance(variable, Categorical) and len(variable.levels) == 2:
            continue  # disclosure control suppresses those
        assert (counts >= 11).all() or len(counts) <= 1, variable.name
    for table in people.tables:
        for axis in table.axes:
            if axis.facet in ("count", "unlisted"):
                assert axis.labels[-1].endswith("inf)"), axis


def test_choice_of_tables(hospital: Mapping) -> None:
    names = {
        choice: {t.name for t in _designed(hospital, 12, choice).profile.tables}
        for choice in ("none", "outcome", "pairs", "all")
    }
    assert names["none"] == set()
    assert names["outcome"] < names["pairs"] < names["all"]
    outcome = {"died x sex", "sex x age", "died x diagnoses", "age x diagnoses.main",
               "version x diagnoses", "sex x diagnoses.count"}  # fmt: skip
    flat = {frozenset(n.split(" x ")) for n in names["outcome"]}
    assert {frozenset(n.split(" x ")) for n in outcome} <= flat
    assert "diagnoses x diagnoses" in names["pairs"] - names["outcome"]
    assert "type x stay_days" in names["pairs"] - names["outcome"]
    assert "type x diagnoses" in names["all"] - names["pairs"]
    for found in names.values():
        assert len({frozenset(n.split(" x ")) for n in found}) == len(found)  # none twice


def _choose(levels: dict[str, int], threshold: int = 11, **keys: Any) -> tuple[str, ...]:
    spec = CategoricalSpec(name="v", stage="s", kind="categorical", column="v", **keys)
    return choose_levels(spec, Names(dict(levels), dict(levels)), threshold)


def test_rare_levels() -> None:
    assert _choose({"b": 20, "a": 20, "c": 30}) == ("c", "a", "b")
    # A rare value that the mapping does not name is never printed.
    assert _choose({"a": 50, "b": 20, "c": 3, "missing": 30}) == ("a + other", "b", "missing")
    named = {"order": ["a", "b", "c"]}
    assert _choose({"a": 50, "b": 20, "c": 3, "missing": 30}, **named)[0] == "a + c"
    assert _choose({"a": 50, "b": 20, "c": 9, "d": 3, "missing": 30}) == (
        "a", "b", "other", "missing",
    )  # fmt: skip
    # d alone is too rare for a level of its own, so c goes with it.
    assert _choose({"a": 50, "b": 20, "c": 15, "d": 3}) == ("a", "b", "other")
    assert _choose({"F": 40, "M": 30, "missing": 3}) == ("F + missing", "M")
    assert _choose({"no": 40, "yes": 3}, order=["no", "yes"]) == ("no", "yes")
    assert _choose({"no": 40, "yes": 3}) == ("no", "other")
    levels = {"order": ["no", "yes", "x", "y"], "role": "outcome"}
    assert _choose({"no": 40, "yes": 30, "x": 4, "y": 9}, **levels) == ("no + x + y", "yes")
    assert joined_means(("F + missing", "M"), {"F": "female", "M": "male"}) == {
        "F + missing": "female",
        "M": "male",
    }


def test_rare_ordered_levels_merge_with_a_neighbour() -> None:
    order = ["1", "2", "3", "4"]
    counts = {"1": 20, "2": 5, "3": 12, "4": 4}
    assert _choose(counts, ordered=True, order=order) == ("1", "2 + 3 + 4")
    assert _choose({**counts, "missing": 2}, ordered=True, order=order) == (
        "1 + missing", "2 + 3 + 4",
    )  # fmt: skip


def test_codes_by_prevalence() -> None:
    n = {"a": 30, "b": 40, "c": 10, "d": 30}
    assert choose_codes(Names(n, n), 11) == ("b", "a", "d")
    assert choose_codes(Names(n, n), 11, max_codes=1) == ("b",)


def _number(**keys: Any) -> NumericSpec:
    return NumericSpec(name="x", stage="s", kind="numeric", column="x", **keys)


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 60)), min_size=1, max_size=300),
    st.integers(2, 12),
    st.integers(0, 1),
)
@settings(deadline=None, max_examples=80)
def test_bins_hold_enough_patients_and_tails_are_coded(
    pairs: list[tuple[int, int]], threshold: int, decimals: int
) -> None:
    value = np.array([v for v, _ in pairs]) / 10**decimals
    patient = np.array([p for _, p in pairs])
    edges = choose_edges(
        _number(decimals=decimals), value, patient, threshold=threshold, max_bins=20
    )
    assert (np.diff(edges) > 0).all()
    place = np.searchsorted(edges[1:-1], value, side="right")
    people = [len(np.unique(patient[place == i])) for i in range(len(edges) - 1)]
    if len(np.unique(patient)) < threshold:
        assert len(people) == 1
    else:
        assert min(people) >= threshold
    if len(np.unique(patient)) >= 2 * threshold - 1:
        # At least so many are at or below the first edge, and at or above the last cut.
        assert len(np.unique(patient[value <= edges[0]])) >= threshold
        top = edges[-1] - 10.0**-decimals
        assert len(np.unique(patient[value >= top - 1e-9])) >= threshold


def test_public_edges_stay() -> None:
    value = np.repeat([5.0, 15, 25, 35], [20, 3, 20, 20])
    patient = np.arange(63)
    spec = _number(edges=[0, 10, 20, 30, 40, 50])
    edges = choose_edges(spec, value, patient, threshold=11, max_bins=20)
    assert edges.tolist() == [0, 10, 30, 50]
    open_ended = _number(bottom=0, top=90)
    edges = choose_edges(open_ended, value, patient, threshold=11, max_bins=20)
    assert edges[0] == 0 and edges[-1] == 91


def test_heaped_values_leave_bins_for_the_rest() -> None:
    value = np.concatenate([np.zeros(900), np.arange(100) % 25 + 1])
    edges = choose_edges(_number(), value, np.arange(1000), threshold=4, max_bins=20)
    assert edges[:2].tolist() == [0, 1]
    assert len(edges) > 15


def test_a_level_that_is_alone_leaves_its_variable_out(hospital: Mapping) -> None:
    # With 4 copies, 16 patients: "type" has 12 unplanned, 4 planned and 4 missing.
    profile = _designed(hospital, 4).profile
    names = {v.name for v in profile.variables}
    assert "type" not in names
    assert "type" in profile.provenance.notes
    assert all("type" not in t.name.split(" x ") for t in profile.tables)


def test_rules_about_levels_that_are_not_named_are_left_out(tmp_path: Path) -> None:
    text = (HOSPITAL / "mapping.toml").read_text(encoding="utf-8")
    rules = '[[rules]]\nnever = ["died=yes", "sex=%s"]\n'
    path = tmp_path / "mapping.toml"
    path.write_text(text + rules % "F" + rules % "X", encoding="utf-8")
    mapping = read_mapping(path)
    cohort = list(read_cohort(mapping, HOSPITAL).batches())
    profile = design(cohort, mapping, DesignSettings(threshold=1, tables="none"))
    assert [[str(t) for t in r.never] for r in profile.rules] == [["died=yes", "sex=F"]]
    assert "sex=X" in profile.provenance.notes
