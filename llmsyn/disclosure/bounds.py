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
    entries = _Entries.of(system, np.ones(system.matrix.shape[0], dtype=bool))
    lower, upper = bounds.lower.copy(), bounds.upper.copy()
    lower_step, upper_step = bounds.lower_step.copy(), bounds.upper_step.copy()
    first = 1 + int(max(lower_step.max(initial=0), upper_step.max(initial=0)))
    for step in range(first, first + _ROUNDS):
        low, high = entries.implied(lower, upper)
        present = entries.present
        new_lower = np.maximum(lower[present], low)
        new_upper = np.minimum(upper[present], high)
        if whole:
            new_lower, new_upper = np.ceil(new_lower - EPSILON), np.floor(new_upper + EPSILON)
        wrong = np.flatnonzero(new_lower > new_upper + EPSILON)
        if wrong.size:
            raise ContradictionError(int(present[wrong[0]]))
        raised = new_lower > lower[present] + EPSILON
        lowered = new_upper < upper[present] - EPSILON
        lower[present[raised]], upper[present[lowered]] = new_lower[raised], new_upper[lowered]
        lower_step[present[raised]] = upper_step[present[lowered]] = step
        if not raised.any() and not lowered.any():
            break
        if step in (first, first + 2):  # statements of settled counts have no more to say
            is_open = (upper - lower > EPSILON).astype(np.int64)
            entries = _Entries.of(system, (abs(system.matrix) @ is_open) > 0)
    return Bounds(lower, upper, lower_step, upper_step)


@dataclass(frozen=True, eq=False)
class _Entries:
    """Nonzero entries of some statements, sorted by unknown."""

    row: IntArray
    column: IntArray
    a: FloatArray
    starts: IntArray
    present: IntArray
    n_rows: int

    @classmethod
    def of(cls, system: System, rows: BoolArray) -> _Entries:
        """Entries of the marked statements."""
        by_column = system.matrix[np.flatnonzero(rows)].tocsc()
        column = np.repeat(np.arange(system.n_unknowns), np.diff(by_column.indptr))
        present = np.flatnonzero(np.diff(by_column.indptr) > 0)
        starts = by_column.indptr[present].astype(np.int64)
        return cls(by_column.indices, column, by_column.data, starts, present, by_column.shape[0])

    def implied(self, lower: FloatArray, upper: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The tightest bounds that single statements imply: (n_present,) each."""
        if not self.present.size:
            return np.empty(0), np.empty(0)
        positive = self.a > 0
        at_lower, at_upper = self.a * lower[self.column], self.a * upper[self.column]
        least = np.where(positive, at_lower, at_upper)
        most = np.where(positive, at_upper, at_lower)
        rest_least = (np.bincount(self.row, least, self.n_rows)[self.row] - least) / self.a
        rest_most = (np.bincount(self.row, most, self.n_rows)[self.row] - most) / self.a
        low = np.where(positive, -rest_most, -rest_least)
        high = np.where(positive, -rest_least, -rest_most)
        return np.maximum.reduceat(low, self.starts), np.minimum.reduceat(high, self.starts)


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
    open_matrix = system.matrix.multiply(inner[None, :]).tocsr()
    open_matrix.eliminate_zeros()
    used = np.diff(open_matrix.indptr) > 0
    rows = np.flatnonzero(used)
    links = (open_matrix[rows] != 0).astype(np.int8)
    n_rows = len(rows)
    graph = sp.bmat([[None, links], [links.T, None]], format="csr")
    _, label = connected_components(graph, directed=False)
    edges = np.bincount(label[:n_rows].repeat(np.diff(links.indptr)), minlength=label.max() + 1)
    nodes = np.bincount(label[:n_rows], minlength=label.max() + 1)
    nodes += np.bincount(label[n_rows:][inner], minlength=label.max() + 1)
    by_row = np.argsort(label[:n_rows], kind="stable")
    unknowns = np.flatnonzero(inner)
    by_unknown = unknowns[np.argsort(label[n_rows:][unknowns], kind="stable")]
    row_ends = np.searchsorted(label[:n_rows][by_row], np.arange(label.max() + 2))
    unknown_ends = np.searchsorted(label[n_rows:][by_unknown], np.arange(label.max() + 2))
    found = []
    for block in np.flatnonzero(edges):
        mine = rows[by_row[row_ends[block] : row_ends[block + 1]]]
        members = by_unknown[unknown_ends[block] : unknown_ends[block + 1]]
        touched = np.unique(system.matrix[mine].indices)
        leaves = np.setdiff1d(touched[free[touched]], members)
        found.append(Block(members, leaves, mine, bool(edges[block] == nodes[block] - 1)))
    return found


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
        self.columns = np.concatenate([block.inner, block.border])
        rows = system.matrix[block.statements]
        self._statements = block.statements
        self._matrix = rows[:, self.columns].tocsc()
        fixed = np.ones(system.n_unknowns, dtype=bool)
        fixed[self.columns] = False
        known = np.where(fixed, bounds.lower, 0.0)
        self._right = -(rows @ known)
        self._limits = np.column_stack([bounds.lower[self.columns], bounds.upper[self.columns]])
        self.solved = 0

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
        result = linprog(
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
