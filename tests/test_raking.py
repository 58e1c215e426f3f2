"""Raking against tables worked out by hand, a brute-force twin, and what it must never do."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsyn.cohort.types import Cohort
from llmsyn.errors import InputError
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.types import Disclosure, Profile
from llmsyn.profile.variables import Categorical, CodeSet
from llmsyn.raking import Split, fit, rake, splits_of, systematic

NONE = (0.0, np.inf)


def split(name, group, share):
    cells = tuple(f"{name}={i}" for i in range(len(share)))
    return Split(name, cells, np.asarray(group), np.asarray(share, float))


def test_two_margins_of_a_two_by_two_table_by_hand():
    # Counts 3 1 / 1 3 fitted to rows .5 .5 and columns .8 .2.  Raking keeps the odds ratio of
    # 9, so x of cell (0, 0) solves x (x - 0.3) = 9 (0.5 - x) (0.8 - x), the root below 0.5:
    # 8 x^2 - 11.4 x + 3.6 = 0, x = (11.4 - sqrt(129.96 - 115.2)) / 16 = 0.4723882...
    row = np.repeat([0, 0, 1, 1], [3, 1, 1, 3])
    column = np.repeat([0, 1, 0, 1], [3, 1, 1, 3])
    weights, _ = fit([split("r", row, [0.5, 0.5]), split("c", column, [0.8, 0.2])], 8, bounds=NONE)
    x = weights[(row == 0) & (column == 0)].sum() / 8
    assert x == pytest.approx((11.4 - np.sqrt(129.96 - 115.2)) / 16, abs=1e-6)
    assert weights.mean() == pytest.approx(1)


def test_it_agrees_with_a_loop_that_does_the_same_with_plain_counts():
    random = np.random.default_rng(5)
    a, b, c = (random.integers(0, k, 400) for k in (2, 3, 4))
    targets = {"a": [0.3, 0.7], "b": [0.5, 0.2, 0.3], "c": [0.1, 0.2, 0.3, 0.4]}
    weights, _ = fit([split(n, g, targets[n]) for n, g in zip("abc", (a, b, c))], 400, bounds=NONE)
    table = np.zeros((2, 3, 4))
    for i, j, k in zip(a, b, c):
        table[i, j, k] += 1
    table /= 400
    for _ in range(500):
        for axis, name in enumerate("abc"):
            other = tuple(x for x in range(3) if x != axis)
            shape = [1, 1, 1]
            shape[axis] = -1
            table = table * (np.array(targets[name]) / table.sum(other)).reshape(shape)
    found = np.zeros((2, 3, 4))
    np.add.at(found, (a, b, c), weights / 400)
    assert found == pytest.approx(table, abs=1e-6)


def test_a_cell_that_is_not_published_shares_what_is_left():
    group = np.array([0, 0, 0, 1, 2, 2])  # the cell 2 is the rest
    weights, _ = fit([split("v", group, [0.2, 0.3])], 6, bounds=NONE)
    sums = np.bincount(group, weights) / 6
    assert sums == pytest.approx([0.2, 0.3, 0.5])


@given(st.integers(0, 2**20), st.floats(0.05, 1.0), st.floats(1.0, 20.0))
def test_weights_stay_within_their_bounds(seed, low, high):
    random = np.random.default_rng(seed)
    splits = [split(str(k), random.integers(0, 3, 50), [0.01, 0.9]) for k in range(3)]
    weights, _ = fit(splits, 50, bounds=(low, high), sweeps=20)
    assert weights.min() >= low - 1e-9 and weights.max() <= high + 1e-9
    assert np.isfinite(weights).all()


@given(st.lists(st.floats(0.01, 9.0), min_size=1, max_size=40), st.integers(1, 60),
       st.integers(0, 99))  # fmt: skip
def test_systematic_copies_are_the_expected_number_rounded(weights, n, seed):
    weights = np.array(weights)
    copies = systematic(weights, n, np.random.default_rng(seed))
    assert copies.sum() == n
    expected = n * weights / weights.sum()
    assert (np.abs(copies - expected) < 1 + 1e-9).all()


def _study(*tables, main=None, counts=(60.0, 30.0)):
    sex = Categorical("sex", "x0", ("F", "M"), np.array([50.0, 50.0]))
    dx = CodeSet("dx", "x1", ("local",), ("a", "b"), np.array(counts), main=main,
                 listed=np.array([20.0, 70.0, 10.0]))  # fmt: skip
    return Profile("p", "patient", 100, 100, ("x0", "x1"), (sex, dx), tables,
                   disclosure=Disclosure("suppression", 11))  # fmt: skip


def _cohort(units):
    """Units as (sex, codes)."""
    rows = [(i, code, k) for i, (_, codes) in enumerate(units) for k, code in enumerate(codes)]
    sexes = pa.array([sex for sex, _ in units]).dictionary_encode()
    ids = pa.array(range(1, len(units) + 1), pa.int64())
    dx = pa.table({
        "row": pa.array([r[0] for r in rows], pa.int32()),
        "code": pa.array([r[1] for r in rows], pa.string()).dictionary_encode(),
        "position": pa.array([r[2] for r in rows], pa.int16()),
    })  # fmt: skip
    return Cohort("synthetic", "patient", pa.table({"patient_id": ids, "sex": sexes}), {"dx": dx})


UNITS = [("F", "a"), ("F", "b"), ("F", "ab"), ("F", ""), ("M", "a"), ("M", ""), ("M", "b"),
         ("M", "a")]  # fmt: skip


def test_the_splits_of_a_profile_are_its_margins_and_tables():
    table = Table((Axis("sex", ("F", "M")), Axis("dx", ("a", "b"))),
                  np.array([[20.0, np.nan], [40.0, 12.0]]), "suppressed")  # fmt: skip
    pairs = np.array([[np.nan, 10.0], [10.0, np.nan]])
    both = Table((Axis("dx", ("a", "b")), Axis("dx", ("a", "b"))), pairs)
    found = {cell: (s, i) for s in splits_of(_cohort(UNITS), _study(table, both))
             for i, cell in enumerate(s.cells)}  # fmt: skip
    assert sorted(found) == sorted([
        "sex=F", "sex=M", "dx=a", "dx=b", "dx.count=0", "dx.count=1", "dx.count=2",
        "sex=F & dx=a", "sex=M & dx=a", "sex=M & dx=b", "dx=a & dx=b",
    ])  # fmt: skip
    units = {cell: np.flatnonzero(s.group == i).tolist() for cell, (s, i) in found.items()}
    assert units["sex=F & dx=a"] == [0, 2]
    assert units["sex=M & dx=b"] == [6]
    assert units["dx=a & dx=b"] == [2]
    assert units["dx.count=0"] == [3, 5]


def test_a_suppressed_cell_is_no_target_and_in_no_report():
    table = Table((Axis("sex", ("F", "M")), Axis("dx", ("a", "b"))),
                  np.array([[20.0, np.nan], [40.0, 12.0]]), "suppressed")  # fmt: skip
    made = rake(_cohort(UNITS), _study(table), 40, np.random.default_rng(1))
    assert "sex=F & dx=b" not in [gap.cell for gap in made.gaps]


def test_raking_narrows_the_gap_and_says_what_is_left():
    made = rake(_cohort(UNITS * 20), _study(), 1_000, np.random.default_rng(1))
    gaps = {gap.cell: gap for gap in made.gaps}
    assert gaps["dx=a"].proposed == pytest.approx(0.5)
    assert gaps["dx=a"].raked == pytest.approx(0.6, abs=1e-4)
    assert abs(gaps["dx=a"].drawn - 0.6) < 0.02
    assert made.copies.sum() == 1_000
    sizes = [abs(gap.drawn - gap.published) for gap in made.gaps]
    assert sizes == sorted(sizes, reverse=True)


def test_a_cell_without_a_proposal_stays_a_gap():
    made = rake(_cohort([("F", "a"), ("M", "a")]), _study(), 10, np.random.default_rng(1))
    gap = next(gap for gap in made.gaps if gap.cell == "dx=b")
    assert (gap.published, gap.drawn) == (0.3, 0.0)


def test_no_proposal_is_an_error():
    empty = _cohort(UNITS)
    empty = Cohort("synthetic", "patient", empty.units.slice(0, 0), {"dx": empty.codes["dx"][:0]})
    with pytest.raises(InputError, match="no proposal"):
        rake(empty, _study(), 10, np.random.default_rng(1))
