r"""What follows from what is published: the smallest and largest value of every count.

Two steps, from cheap to dear.

*Propagation.*  Each statement :math:`\sum_i a_i x_i = 0` bounds each of its members by the
others, :math:`a_j x_j \in [-\sum_{i \ne j} \max a_i x_i, -\sum_{i \ne j} \min a_i x_i]`, and
counts are whole numbers.  Repeated until nothing moves.  Propagated bounds always contain
the true range; where the statements of a block form a tree (one row sum, a 2 x 2 table, a
code against the levels of a variable) they *are* the true range, because sums of
independent intervals are intervals.

*Linear programs.*  A block with a cycle (two suppressed cells in each of two rows and two
columns) may be tighter than any single statement shows.  There the range of a count is the
pair of linear programs min x_j and max x_j over all statements of the block (HiGHS).  Most
need not be solved: every solution found is a population that the attacker cannot exclude,
so it vouches for all counts of the block at once.

A block is a set of counts that are tied together and not published.  Published numbers are
its border and enter as intervals (rounding), as does the sum of all pairs, so that a block
never grows into the whole release.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from llmsyn.disclosure.system import BoolArray, IntArray, System
from llmsyn.profile.variables import FloatArray

EPSILON = 1e-6
_TOLERANCE = 1e-5  # of solvers, ten statements deep
_ROUNDS = 200


class ContradictionError(ValueError):
    """The bounds leave no value for an unknown (its number in ``unknown``)."""

    def __init__(self, unknown: int) -> None:
        self.unknown = unknown
        super().__init__(f"no value is left for unknown {unknown}")


@dataclass(frozen=True, eq=False)
class Bounds:
    """Smallest and largest possible value of every unknown: (n_unknowns,) each.

    ``lower_step`` and ``upper_step`` say in which step of propagation a bound came to its
    value, 0 for what was given.  A bound rests on bounds of earlier steps only, so proofs can
    be read off without going round in circles (:mod:`llmsyn.disclosure.proofs`).
    """

    lower: FloatArray
    upper: FloatArray
    lower_step: IntArray
    upper_step: IntArray

    @classmethod
    def given(cls, lower: FloatArray, upper: FloatArray) -> Bounds:
        """Bounds that rest on nothing else."""
        steps = np.zeros(len(lower), dtype=np.int64)
        return cls(lower, upper, steps, steps)

    @property
    def fixed(self) -> BoolArray:
        """Unknowns with one possible value."""
        fixed: BoolArray = self.upper - self.lower < 0.5
        return fixed


def propagate(system: System, bounds: Bounds, *, whole: bool = True) -> Bounds:
    """Tighten bounds statement by statement until nothing moves.

    Parameters
    ----------
    system : the statements.
    bounds : what is known of each unknown by itself.
    whole : whether the unknowns are whole numbers.

    Raises
    ------
    ContradictionError : a lower bound passes an upper one.
    """
    lower, upper = bounds.lower.copy(), bounds.upper.copy()
    lower_step, upper_step = bounds.lower_step.copy(), bounds.upper_step.copy()
    first = 1 + int(max(lower_step.max(initial=0), upper_step.max(initial=0)))
    rows: IntArray = np.arange(system.matrix.shape[0], dtype=np.int64)
    _refuse_empty(np.arange(len(lower)), lower, upper)
    for step in range(first, first + _ROUNDS):
        column, low, high = _implied(system, rows, lower, upper)
        if whole:
            low, high = np.ceil(low - EPSILON), np.floor(high + EPSILON)
        raised, lowered = low > lower[column] + EPSILON, high < upper[column] - EPSILON
        np.maximum.at(lower, column[raised], low[raised])
        np.minimum.at(upper, column[lowered], high[lowered])
        lower_step[column[raised]] = upper_step[column[lowered]] = step
        moved = np.concatenate([column[raised], column[lowered]])
        _refuse_empty(moved, lower, upper)
        if not moved.size:
            break
        # Only statements about a count that has moved have anything new to say.
        rows = system.rows_about(moved)
    return Bounds(lower, upper, lower_step, upper_step)


def _refuse_empty(unknowns: IntArray, lower: FloatArray, upper: FloatArray) -> None:
    wrong = unknowns[lower[unknowns] > upper[unknowns] + EPSILON]
    if wrong.size:
        raise ContradictionError(int(wrong.min()))


def _implied(
    system: System, rows: IntArray, lower: FloatArray, upper: FloatArray
) -> tuple[IntArray, FloatArray, FloatArray]:
    """What some statements imply of each of their members.

    Parameters
    ----------
    rows : (n_rows,) statements.

    Returns
    -------
    column, low, high : (n_entries,) member, and its bounds by that statement alone.
    """
    at, starts = system.entries(rows)
    if not at.size:
        return at, np.empty(0), np.empty(0)
    column, a = system.matrix.indices[at].astype(np.int64), system.matrix.data[at]
    positive = a > 0
    at_lower, at_upper = a * lower[column], a * upper[column]
    least = np.where(positive, at_lower, at_upper)
    most = np.where(positive, at_upper, at_lower)
    length = np.diff(np.append(starts, len(at)))
    rest_least = (np.repeat(np.add.reduceat(least, starts), length) - least) / -a
    rest_most = (np.repeat(np.add.reduceat(most, starts), length) - most) / -a
    low = np.where(positive, rest_most, rest_least)
    high = np.where(positive, rest_least, rest_most)
    return column, low, high


@dataclass(frozen=True, eq=False)
class Block:
    """Open unknowns that are tied together, with the statements that tie them.

    Attributes
    ----------
    inner : unknowns that are neither published nor determined.
    border : unknowns of its statements that are published as intervals.
    statements : rows of the system's matrix.
    """

    inner: IntArray
    border: IntArray
    statements: IntArray
    is_tree: bool


def blocks(system: System, bounds: Bounds, border: BoolArray) -> list[Block]:
    """Cut a system into blocks.

    Parameters
    ----------
    system : the statements.
    bounds : propagated bounds.
    border : (n_unknowns,) unknowns at which blocks may be cut: published ones.
    """
    free = ~bounds.fixed
    inner = free & ~border & ~system.cuts
    matrix = system.matrix
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    tied = inner[matrix.indices]
    n_rows, n = matrix.shape
    ends = (row[tied], n_rows + matrix.indices[tied].astype(np.int64))
    graph = sp.coo_array((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(n_rows + n,) * 2)
    label: IntArray = connected_components(graph.tocsr(), directed=False)[1].astype(np.int64)
    used = np.zeros(n_rows, dtype=bool)
    used[ends[0]] = True
    rows, unknowns = np.flatnonzero(used), np.flatnonzero(inner)
    edges = np.bincount(label[ends[0]], minlength=1)
    names = np.flatnonzero(edges)
    nodes = np.bincount(label[rows], minlength=len(edges))
    nodes += np.bincount(label[n_rows + unknowns], minlength=len(nodes))[: len(nodes)]
    at_border = used[row] & free[matrix.indices] & ~tied
    leaves = np.unique(label[row[at_border]] * n + matrix.indices[at_border])
    by_row = _grouped(rows, label[rows], names)
    by_unknown = _grouped(unknowns, label[n_rows + unknowns], names)
    by_leaf = _grouped(leaves % n, leaves // n, names)
    return [
        Block(by_unknown[k], by_leaf[k], by_row[k], bool(edges[name] == nodes[name] - 1))
        for k, name in enumerate(names)
    ]


def _grouped(ids: IntArray, label: IntArray, names: IntArray) -> list[IntArray]:
    """The ids under each label, in the order of the labels' names."""
    order = np.argsort(label, kind="stable")
    ends = np.searchsorted(label[order], [names, names + 1])
    return [ids[order[a:b]] for a, b in zip(*ends.tolist(), strict=True)]


@dataclass(frozen=True, eq=False)
class Active:
    """What holds the optimum of a program: statements, and unknowns at their bounds."""

    statements: IntArray
    lower: IntArray
    upper: IntArray

    @classmethod
    def none(cls) -> Active:
        """Before any program was solved."""
        nothing = np.empty(0, dtype=np.int64)
        return cls(nothing, nothing, nothing)


class Program:
    """The linear programs of one block."""

    def __init__(self, system: System, block: Block, bounds: Bounds) -> None:
        self.columns: IntArray = np.concatenate([block.inner, block.border])
        at, starts = system.entries(block.statements)
        members, a = system.matrix.indices[at], system.matrix.data[at]
        row = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(at))))
        order = np.argsort(self.columns)
        place = np.searchsorted(self.columns, members, sorter=order)
        place = order[np.minimum(place, len(order) - 1)]
        free = self.columns[place] == members
        shape = (len(starts), len(self.columns))
        self._matrix = sp.csc_array((a[free], (row[free], place[free])), shape=shape)
        known = a[~free] * bounds.lower[members[~free]]
        self._right: FloatArray = -np.bincount(row[~free], known, len(starts)).astype(float)
        self._limits: FloatArray = np.column_stack(
            [bounds.lower[self.columns], bounds.upper[self.columns]]
        )
        self._statements = block.statements
        self.solved = 0

    def allows(self, point: FloatArray) -> bool:
        """Whether the block's statements and bounds hold at a point: (n_columns,)."""
        low, high = self._limits.T
        inside = (point >= low - _TOLERANCE) & (point <= high + _TOLERANCE)  # NaN is outside
        return bool(
            inside.all() and (np.abs(self._matrix @ point - self._right) <= _TOLERANCE).all()
        )

    def best(self, objective: FloatArray) -> tuple[FloatArray, Active] | None:
        """A point that minimises ``objective @ x``; None when there is no feasible point.

        Parameters
        ----------
        objective : (n_columns,)

        Returns
        -------
        (n_columns,) values of :attr:`columns`, and what holds the optimum: statements and
        bounds with a dual value other than zero.
        """
        from scipy.optimize import linprog

        self.solved += 1
        result = linprog(  # type: ignore[call-overload] # the stubs know dense matrices only
            objective, A_eq=self._matrix, b_eq=self._right, bounds=self._limits, method="highs"
        )
        if result.x is None:
            return None
        active = Active(
            self._statements[np.abs(result.eqlin.marginals) > EPSILON],
            self.columns[np.abs(result.lower.marginals) > EPSILON],
            self.columns[np.abs(result.upper.marginals) > EPSILON],
        )
        return np.asarray(result.x, dtype=float), active


def exact_ranges(system: System, bounds: Bounds, border: BoolArray) -> Bounds:
    """The range of every unknown: propagation, then two programs an unknown in cyclic blocks.

    The audit uses fewer programs; this is what it is tested against.
    """
    tight = propagate(system, bounds)
    lower, upper = tight.lower.copy(), tight.upper.copy()
    for block in blocks(system, tight, border):
        if block.is_tree:
            continue
        program = Program(system, block, tight)
        for k, unknown in enumerate(block.inner):
            objective = np.zeros(len(program.columns))
            objective[k] = 1.0
            least, most = program.best(objective), program.best(-objective)
            if least is None or most is None:
                raise ContradictionError(int(unknown))
            lower[unknown] = max(lower[unknown], np.ceil(least[0][k] - 1e-4))
            upper[unknown] = min(upper[unknown], np.floor(most[0][k] + 1e-4))
    return Bounds.given(lower, upper)
