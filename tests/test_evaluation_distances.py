"""Distances of two samples: worked out by hand, and against slow twins."""

from __future__ import annotations

import math

import numpy as np
import pytest
from evaluation_toys import CODES, evidence, people, profile_of, sample
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse, stats

from llmsyn.evaluation import distances
from llmsyn.evaluation.columns import (
    Columns,
    Sums,
    code_numbers,
    columns_of,
    grouped,
    indicators,
    jackknife,
)
from llmsyn.evaluation.duplicates import duplicates, equal_and_near, excess
from llmsyn.evaluation.samples import Sample

PROFILE = profile_of(300, 1)
COLUMNS = columns_of(PROFILE)


def sums(first: list[float], n: float = 100.0, **numbers: list[float]) -> Sums:
    return Sums(n, np.array(first), np.zeros((0, 0)), {k: np.array(v) for k, v in numbers.items()})


def whole(sample_: Sample, frequent: np.ndarray) -> Sums:
    longest = dict.fromkeys(sample_.codes, 12)
    return grouped(sample_, PROFILE, frequent, np.random.default_rng(0), longest=longest).total


def test_every_unit_has_one_level_of_each_variable_and_its_codes() -> None:
    given_ = people(50, 4)
    made = sample(given_, PROFILE)
    x = indicators(made, PROFILE).toarray()
    assert x.shape == (50, len(COLUMNS))
    for name in ("sex", "age", "race", "died", "days", "home"):
        assert (x[:, COLUMNS.of(name)].sum(1) == 1).all()
    assert (x[:, COLUMNS.of("diagnoses")] == given_["has"]).all()
    expected = given_["has"].sum(1) + given_["unlisted"]
    assert code_numbers(made, "diagnoses").tolist() == expected.tolist()


def test_variable_distances_by_hand() -> None:
    """Nominal: half the sum of differences. Ordered: the largest cumulated difference."""
    real, other = np.zeros(len(COLUMNS)), np.zeros(len(COLUMNS))
    real[COLUMNS.of("race")], other[COLUMNS.of("race")] = [50, 30, 20], [40, 30, 30]
    real[COLUMNS.of("age")] = [10, 20, 30, 20, 20, 0]
    other[COLUMNS.of("age")] = [20, 20, 20, 20, 20, 0]
    found = distances.variable_distances(PROFILE, COLUMNS, sums(list(real)), sums(list(other)))
    names = [v.name for v in PROFILE.level_variables]
    assert found[names.index("race")] == pytest.approx(0.1)
    assert found[names.index("age")] == pytest.approx(0.1)
    assert found[names.index("sex")] == 0


def test_dimension_wise_by_hand() -> None:
    columns = Columns(
        (("dx", "a"), ("dx", "b"), ("dx", "c"), ("dx", "never")), np.zeros(4, int),
        np.ones(4, bool), ("dx",),
    )  # fmt: skip
    r2, largest = distances.dimension_wise(columns, sums([10, 20, 30, 0]), sums([10, 25, 20, 0]))
    # residuals .05 and .10; spread of .1, .2, .3 around .2 is .02
    assert r2 == pytest.approx(1 - (0.0025 + 0.01) / 0.02)
    assert largest == pytest.approx(0.1)


def test_a_shift_costs_r2_although_the_correlation_is_perfect() -> None:
    columns = Columns((("d", "a"), ("d", "b")), np.zeros(2, int), np.ones(2, bool), ("d",))
    r2, _ = distances.dimension_wise(columns, sums([10, 20]), sums([40, 50]))
    assert r2 < 0


def test_numbers_of_codes_are_apart_by_what_has_to_be_moved() -> None:
    real, other = sums([], d=[50, 50, 0]), sums([], d=[0, 50, 50])
    assert distances.code_number_distances(["d"], real, other)[0] == pytest.approx(1.0)
    twin = stats.wasserstein_distance([0, 1, 2], [0, 1, 2], [50, 50, 0], [0, 50, 50])
    assert twin == pytest.approx(1.0)


def test_correlations_are_those_of_numpy() -> None:
    made = sample(people(200, 5), PROFILE)
    x = indicators(made, PROFILE).toarray()
    frequent = np.flatnonzero((x.mean(0) > 0.02) & (x.mean(0) < 0.98))
    found = distances.correlations(whole(made, frequent), frequent)
    assert found == pytest.approx(np.corrcoef(x[:, frequent].T), abs=1e-5)


def test_pairs_leave_levels_of_one_variable_out() -> None:
    made = sample(people(300, 5), PROFILE)
    frequent = distances.frequent_columns(COLUMNS, whole(made, np.arange(0)), 99)
    i, j, associated = distances.associated_pairs(COLUMNS, frequent, whole(made, frequent))
    names = [COLUMNS.names[c] for c in frequent]
    pairs = {(names[a], names[b]) for a, b in zip(i, j)}
    assert (("sex", "F"), ("sex", "M")) not in pairs
    assert (("diagnoses", CODES[0]), ("diagnoses", CODES[1])) in pairs
    heart, drug = names.index(("diagnoses", "4280")), names.index(("drugs", "furosemide"))
    at = int(np.flatnonzero((i == min(heart, drug)) & (j == max(heart, drug)))[0])
    assert associated[at]


def test_pair_distances_by_hand() -> None:
    """Two columns: correlation 1 against -1."""
    frequent, one = np.array([0, 1]), np.array([0])
    together = Sums(4, np.array([2.0, 2]), np.array([[2.0, 2], [2, 2]]), {})
    apart = Sums(4, np.array([2.0, 2]), np.array([[2.0, 0], [0, 2]]), {})
    yes = np.array([True])
    found = distances.pair_distances(frequent, one * 0, one + 1, yes, together, apart)
    assert found.tolist() == [2.0, 0.0]
    same = distances.pair_distances(frequent, one * 0, one + 1, yes, together, together)
    assert same.tolist() == [0.0, 1.0]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=12),
)
def test_mmd_over_cells_is_mmd_over_units(
    a: list[tuple[int, int]], b: list[tuple[int, int]]
) -> None:
    gamma = 0.5

    def one_hot(units: list[tuple[int, int]]) -> np.ndarray:
        return np.array([np.concatenate([np.eye(3)[i], np.eye(2)[j]]) for i, j in units])

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.exp(-gamma * ((x[:, None] - y[None]) ** 2).sum(-1)).mean())

    x, y = one_hot(a), one_hot(b)
    brute = kernel(x, x) + kernel(y, y) - 2 * kernel(x, y)
    gap = np.zeros((3, 2))
    for units, sign in ((a, 1), (b, -1)):
        for i, j in units:
            gap[i, j] += sign / len(units)
    assert distances.mmd2(gap, gamma) == pytest.approx(brute, abs=1e-12)


def test_jackknife_of_a_share_is_its_binomial_error() -> None:
    random = np.random.default_rng(2)
    made = [sample(people(2000, 6 + k), PROFILE) for k in range(2)]
    frequent = np.zeros(0, int)
    a, b = (grouped(m, PROFILE, frequent, random, longest=dict.fromkeys(m.codes, 12)) for m in made)
    column = COLUMNS.names.index(("sex", "F"))
    found = jackknife(lambda p, q: np.array([p.shares[column] - q.shares[column]]), a, b)[0]
    half = stats.t.ppf(0.975, 19) * math.sqrt(2 * 0.25 / 2000)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.5)


def test_patients_stay_in_one_group() -> None:
    """With one patient there is nothing to leave out: no interval."""
    made = sample(people(40, 9), PROFILE)
    one = Sample(made.levels, made.values, made.codes, made.unlisted, np.zeros(40, int), made.main)
    random = np.random.default_rng(0)
    groups = grouped(one, PROFILE, np.zeros(0, int), random, longest=dict.fromkeys(one.codes, 12))
    assert len(groups.groups) == 1
    found = jackknife(lambda a, b: a.shares[:1] - b.shares[:1], groups, groups)[0]
    assert math.isnan(found.low)


def small(rows: list[tuple[int, tuple[bool, bool, bool]]]) -> Sample:
    """Units of a level and three drugs, all else alike."""
    base = people(len(rows), 1)
    n = len(rows)
    flat = {k: np.zeros_like(v) for k, v in base.items()}
    flat["race"] = np.array([level for level, _ in rows])
    flat["drug"] = np.array([codes for _, codes in rows], bool).reshape(n, 3)
    flat["first"] = np.full(n, -1)
    return sample(flat, PROFILE)


UNITS = st.lists(
    st.tuples(st.integers(0, 2), st.tuples(st.booleans(), st.booleans(), st.booleans())),
    min_size=1, max_size=8,
)  # fmt: skip


@given(UNITS, UNITS)
def test_equal_and_near_units_are_found_one_by_one(
    a: list[tuple[int, tuple[bool, bool, bool]]], b: list[tuple[int, tuple[bool, bool, bool]]]
) -> None:
    equal, near = equal_and_near(small(a), small(b), PROFILE)

    def as_set(unit: tuple[int, tuple[bool, bool, bool]]) -> set[object]:
        return {("race", unit[0]), *(k for k, has in enumerate(unit[1]) if has)}

    for k, unit in enumerate(a):
        sets = [(as_set(unit), as_set(other)) for other in b]
        assert equal[k] == any(s == o for s, o in sets)
        assert near[k] == any(len(s - o) <= 1 and len(o - s) <= 1 for s, o in sets)


def test_excess_is_the_difference_of_two_shares() -> None:
    ours, theirs = np.arange(100) < 30, np.arange(50) < 5
    found = excess("x", ours, theirs)
    assert found.value == pytest.approx(0.2)
    # Newcombe's method 10, worked out from Wilson's limits .2189-.3958 and .0435-.2136
    assert found.low == pytest.approx(0.2 - math.hypot(0.3 - 0.2189, 0.2136 - 0.1), abs=2e-3)
    assert found.high == pytest.approx(0.2 + math.hypot(0.3958 - 0.3, 0.1 - 0.0435), abs=2e-3)


def test_copies_are_seen_in_the_dose_that_was_planted() -> None:
    found = duplicates(evidence(400)).measures[0]
    doses = [(c.dose, c.score.value - found.score.value) for c in found.controls]
    assert [d for d, _ in doses] == [0.01, 0.1, 1.0]
    assert doses[1][1] == pytest.approx(0.1, abs=0.02)
    assert doses[2][1] > 0.9


def test_sparse_types_stay_sparse() -> None:
    assert isinstance(indicators(sample(people(5, 1), PROFILE), PROFILE), sparse.csr_array)
