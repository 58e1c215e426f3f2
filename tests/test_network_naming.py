"""Cells of a network in words."""

from __future__ import annotations

import numpy as np
import pytest

from llmsyn.network.model import CodeList, Factor, LevelNode, LevelVariable, Network, Parent
from llmsyn.network.naming import axes_of, cell_name, rows_of


@pytest.fixture
def network():
    """Sex, four ages, and two lists of codes."""
    variables = (
        LevelVariable("sex", ("F", "M"), "categorical"),
        LevelVariable("age", ("[0,20)", "[20,40)", "[40,60)", "[60,80)"), "numeric"),
        LevelVariable("died", ("no", "yes"), "categorical"),
    )
    return Network("patient", variables, (CodeList("dx", ("A", "B")), CodeList("drug", ("x",))), [])


def factor(*parents, n_targets=2):
    """A factor with free cells."""
    shape = (int(np.prod([p.n_groups for p in parents])), n_targets)
    return Factor(parents, np.zeros(shape), np.full(shape, np.nan), np.zeros(shape, bool),
                  np.ones(shape[0]))  # fmt: skip


def test_rows_are_the_levels_of_all_parents_first_parent_slowest(network):
    sex = Parent(0, np.array([0, 1]), 2)
    age = Parent(1, np.array([0, 0, 1, 1]), 2)
    assert rows_of(network, factor(sex, age)) == [
        "sex=F & age=[0,20) to [20,40)", "sex=F & age=[40,60) to [60,80)",
        "sex=M & age=[0,20) to [20,40)", "sex=M & age=[40,60) to [60,80)",
    ]  # fmt: skip


def test_every_array_of_a_level_has_its_axes(network):
    node = LevelNode(2, np.zeros(2), np.ones(2), [factor(Parent(0, np.array([0, 1]), 2))])
    margin, table, codes, mean = axes_of(network, node)
    assert cell_name("died", (1,), margin) == "died=yes"
    assert cell_name("sex -> died", (1, 0), table) == "sex=M & died=no"
    assert cell_name("codes -> died", (2, 1), codes) == "drug=x & died=yes"
    assert cell_name("codes -> mean of died", (0,), mean) == "dx=A"


def test_numbers_that_a_table_counts_together_are_a_span():
    labels = (["sex=F", "sex=M"], [f"dx.count={k}" for k in range(5)])
    span = np.array([0, 1, 1, 1, 2])
    assert cell_name("t", (1, 1), labels, span) == "sex=M & dx.count=1 to 3"
    assert cell_name("t", (0, 2), labels, span) == "sex=F & dx.count=4"


def test_what_has_no_label_keeps_its_place():
    assert cell_name("odd", (3, 1), (["a=1"], ["b=1", "b=2"])) == "odd (3, 1)"
