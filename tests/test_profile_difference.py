"""Differences between two profiles."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np

from llmsyn.profile.difference import diff
from llmsyn.profile.reading import read_profile
from llmsyn.profile.tables import Table
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical

TOY = read_profile(Path(__file__).parent / "data" / "toy")


def _with(profile: Profile, name: str, **changes: object) -> Profile:
    variables = tuple(
        dataclasses.replace(v, **changes) if v.name == name else v for v in profile.variables
    )
    return dataclasses.replace(profile, variables=variables)


def test_a_profile_does_not_differ_from_itself() -> None:
    same = diff(TOY, TOY)
    assert same.is_empty
    assert same.largest == 0
    # sex 2, age 6, diagnoses 6 + main 7 + 7 listed + 7 unlisted, drugs 3 + 4 + 9, died 2, tables
    assert same.n_cells == 2 + 6 + 27 + 16 + 2 + 12 + 4 + 15 + 18


def test_shares_are_compared_not_counts() -> None:
    double = Categorical("x", "s", ("a", "b"), np.array([20.0, 80.0]))
    single = Categorical("x", "s", ("a", "b"), np.array([10.0, 40.0]))
    a = Profile("a", "patient", 100, 100, ("s",), (double,))
    b = Profile("b", "patient", 50, 50, ("s",), (single,))
    assert diff(a, b).is_empty


def test_largest_first_and_unpublished_last() -> None:
    changed = _with(TOY, "sex", counts=np.array([544.0, 456.0]))
    changed = _with(changed, "died", counts=np.array([915.0, np.nan]))
    found = diff(TOY, changed)
    assert [(c.cell, round(c.difference, 3)) for c in found.cells[:3]] == [
        ("sex=F", 0.1), ("sex=M", -0.1), ("died=no", -0.001),
    ]  # fmt: skip
    last = found.cells[3]
    assert (last.cell, last.a, last.b) == ("died=yes", 0.084, None)
    assert math.isnan(last.difference)
    assert round(found.largest, 3) == 0.1


def test_names() -> None:
    age = Categorical("age", "demographics", ("old",), np.array([1000.0]))
    other = Categorical("ward", "outcome", ("a",), np.array([1000.0]))
    kept = tuple(v for v in TOY.variables if v.name not in {"age", "drugs"})
    b = dataclasses.replace(TOY, variables=(*kept, age, other), tables=TOY.tables[:2])
    found = diff(TOY, b)
    assert (found.added, found.removed, found.changed_kind) == (("ward",), ("drugs",), ("age",))
    assert found.tables_removed == ("diagnoses x diagnoses", "age x diagnoses")
    assert diff(b, TOY).tables_added == found.tables_removed


def test_the_order_of_axes_does_not_matter() -> None:
    table = TOY.tables[0]
    turned = Table(table.axes[::-1], table.counts.T)
    assert diff(TOY, dataclasses.replace(TOY, tables=(turned, *TOY.tables[1:]))).is_empty
