"""Factors of a node, and the way from the axes of a table to parents and targets."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from llmsyn.network.draft import Draft, on_grid
from llmsyn.network.model import (
    CodeFactor,
    Factor,
    FloatArray,
    IntArray,
    LevelVariable,
    Parent,
    SlotNode,
)
from llmsyn.profile.tables import Axis
from llmsyn.profile.terms import Range, parse_range


@dataclass(frozen=True, eq=False)
class Side:
    """One axis of a table, found in a draft.

    Either ``variable`` (a level variable; ``groups`` puts each level into the axis label it
    belongs to, or into the extra group ``n_labels`` when no label covers it) or ``code_set``
    (``groups`` is the code index of each label).
    """

    name: str
    time: int
    variable: int
    code_set: int
    groups: IntArray
    n_labels: int

    @property
    def has_rest(self) -> bool:
        """Whether some level is covered by no label."""
        return self.variable >= 0 and bool((self.groups == self.n_labels).any())

    @property
    def n_groups(self) -> int:
        """Labels, and the rest where there is one."""
        return self.n_labels + self.has_rest


def find_side(made: Draft, axis: Axis) -> Side | None:
    """Find an axis in a draft; None when a label or the variable is unknown."""
    code_set = made.code_set(axis.variable)
    if code_set >= 0:
        index = {c: i for i, c in enumerate(made.code_lists[code_set].codes)}
        if any(label not in index for label in axis.labels):
            return None
        groups = np.array([index[label] for label in axis.labels], dtype=np.int64)
        return Side(axis.variable, made.times[axis.variable], -1, code_set, groups, len(groups))
    variable = made.variable(axis.variable)
    if variable < 0:
        return None
    level = made.variables[variable]
    groups = np.full(len(level.levels), len(axis.labels), dtype=np.int64)
    for g, label in enumerate(axis.labels):
        covered = levels_of(level, parse_range(label) or label)
        if not covered:
            return None
        groups[covered] = g
    return Side(axis.variable, made.times[axis.variable], variable, -1, groups, len(axis.labels))


def levels_of(level: LevelVariable, value: str | Range) -> list[int]:
    """Indices of the levels that a term's value covers.

    A range covers the bins whose values lie inside it; of a count, the numbers inside it.
    """
    if isinstance(value, Range):
        if level.edges is not None:
            value = Range(*(on_grid(x, level.decimals) for x in (value.low, value.high)))
            return [
                i
                for i, (a, b) in enumerate(zip(level.edges, level.edges[1:], strict=False))
                if value.covers(float(a), float(b))
            ]
        if level.kind in ("count", "unlisted"):
            return [k for k in range(len(level.levels)) if value.low <= k < value.high]
        if str(value) in level.levels:
            return [level.levels.index(str(value))]
        return []
    return [level.levels.index(value)] if value in level.levels else []


def group_sums(share: FloatArray, side: Side) -> FloatArray:
    """``(n_groups,)`` shares of the groups of a level side."""
    return np.asarray(np.bincount(side.groups, weights=share, minlength=side.n_groups), float)


def make_factor(made: Draft, time: int, parents: tuple[Parent, ...], name: str) -> Factor:
    """An empty factor of the node of that rank (not yet attached to it)."""
    n_rows = math.prod(p.n_groups for p in parents)
    width = len(made.node_at(time).base)
    share = np.ones(1)
    for p in parents:
        margin = np.bincount(p.groups, weights=made.shares[p.variable], minlength=p.n_groups)
        share = np.multiply.outer(share, margin).ravel()
    return Factor(
        parents=parents,
        weights=np.zeros((n_rows, width)),
        target=np.full((n_rows, width), np.nan),
        hard=np.zeros((n_rows, width), bool),
        share=share,
        name=name,
    )


def identity_parent(made: Draft, variable: int) -> Parent:
    """A parent with every level in a group of its own."""
    n = len(made.variables[variable].levels)
    return Parent(variable, np.arange(n, dtype=np.int64), n)


def level_factor(made: Draft, time: int, variable: int) -> Factor:
    """The factor of one parent with all its levels apart, made when first asked for.

    Masks and knowledge live here; a table with coarser labels gets a factor of its own.
    """
    node = made.node_at(time)
    n = len(made.variables[variable].levels)
    for factor in node.factors:
        parent = factor.parents[0]
        if len(factor.parents) == 1 and parent.variable == variable and parent.n_groups == n:
            return factor
    factor = make_factor(
        made, time, (identity_parent(made, variable),), made.variables[variable].name
    )
    node.factors.append(factor)
    return factor


def code_factor(made: Draft, time: int) -> CodeFactor:
    """The weights of earlier codes on the node of that rank, made when first asked for."""
    node = made.node_at(time)
    existing = node.links if isinstance(node, SlotNode) else node.codes
    if existing is not None:
        return existing
    n_before = made.codes_before(time)
    width = len(node.base)
    share = np.concatenate(
        [n.share[:-1] for n in made.nodes[:time] if isinstance(n, SlotNode)] or [np.zeros(0)]
    )
    factor = CodeFactor(
        weights=np.zeros((n_before, width)),
        target=np.full((n_before, width), np.nan),
        hard=np.zeros((n_before, width), bool),
        share=share,
    )
    if isinstance(node, SlotNode):
        node.links = factor
    else:
        node.codes = factor
    return factor
