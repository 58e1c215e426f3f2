r"""Counts as unknowns of a linear system.

Everything that a release says about a population is a sum: levels add up to n, a row of a
table adds up to its margin, ``i and j`` plus ``i without j`` is ``i``.  A :class:`System`
holds all of these statements as

.. math::  A x = 0, \qquad \ell \le x \le u,

where x holds one unknown per count, printed or not (x[0] is n).  A is fixed by the *form*
of a release (its variables, levels, tables); what is published and what is suppressed is
only in the bounds.  So one matrix serves the owner (exact counts), the attacker (published
intervals) and every step of suppression between them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from llmsyn.disclosure.slots import Slot
from llmsyn.profile.variables import FloatArray

IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
Namer: TypeAlias = Callable[[tuple[int, ...]], str]

N = 0
"""The unknown that is the number of units."""


class Tier(IntEnum):
    """How dear a printed count is: complementary suppression takes the cheapest first."""

    DERIVED = -1  # not printed
    PAIR = 0
    TABLE = 1  # three axes, or a code and a level
    LEVELS = 2  # levels against levels
    HISTOGRAM = 3
    MAIN = 4
    CODE = 5  # prevalence of one code
    MARGIN = 6  # level of a variable: every table with it hangs on it
    TOTAL = 7  # n


@dataclass(frozen=True, eq=False)
class Grid:
    """A complete table of counts: printed cells, and those that complete every axis.

    Attributes
    ----------
    codes : code sets on its yes/no axes (at most two; each axis is "has the code", "has not").
    stack : one grid for each of these code labels (a single empty tuple without code axes).
    sides : its other axes, each a partition of the population.
    ids : (n_stack, 2, ..., n_parts, ...) unknowns, yes/no axes before the sides.
    """

    codes: tuple[str, ...]
    stack: tuple[tuple[str, ...], ...]
    sides: tuple[Side, ...]
    ids: IntArray

    @cached_property
    def rows(self) -> dict[tuple[str, ...], int]:
        """Position of each label tuple in the stack."""
        return {labels: i for i, labels in enumerate(self.stack)}

    def name(self, index: tuple[int, ...]) -> str:
        """What the cell at ``index`` counts: ``not diagnoses=250 & died=yes``."""
        n = len(self.codes)
        terms = [
            ("not " if index[1 + i] else "") + f"{code_set}={self.stack[index[0]][i]}"
            for i, code_set in enumerate(self.codes)
        ]
        for side, part in zip(self.sides, index[1 + n :]):
            terms.append(f"{side.variable.partition('@')[0]}={side.labels[part]}")
        return " & ".join(terms)


@dataclass(frozen=True)
class Side:
    """One axis of a grid: a partition of the atoms of a variable.

    ``parts`` are disjoint sets of atoms that cover all of them, ``labels`` what each part is
    called (two sides with the same parts are the same side).
    """

    variable: str
    parts: tuple[frozenset[str], ...]
    labels: tuple[str, ...] = field(compare=False)


@dataclass(frozen=True, eq=False)
class System:
    """All unknowns and statements of one release, or of several taken together.

    Attributes
    ----------
    matrix : (n_statements, n_unknowns) sparse; each row times x is zero.
    plain : (n_statements,) whether a row says that one unknown (coefficient -1) is the sum of
        the others (coefficient 1).
    protected : (n_unknowns,) counts of people; false for sums of codes, slacks, and cells
        that a rule of the profile makes zero.
    structural : (n_unknowns,) cells that a rule or code version makes zero.
    amounts : (n_unknowns,) sums of codes and slacks: not counts of people, and unbounded.
    cuts : (n_unknowns,) sums over so many counts that blocks are cut there.
    tier : (n_unknowns,) a :class:`Tier` each.
    beyond : for the last printed cell of a histogram, the cell of all units beyond it.
    slots : for each release in the system (the one at hand first), where the counts of each
        printed array are among the unknowns (-1: no count there).
    means : for each release, the unknown that is the number of unlisted codes of all units,
        by index of the code set.
    code_axes : for each release, the axis of codes of those tables that have one such axis.
    grids : all complete tables.
    """

    matrix: sp.csr_array
    plain: BoolArray
    protected: BoolArray
    structural: BoolArray
    amounts: BoolArray
    cuts: BoolArray
    tier: IntArray
    beyond: dict[int, int]
    slots: tuple[dict[Slot, IntArray], ...]
    means: tuple[dict[int, int], ...]
    code_axes: tuple[dict[Slot, int], ...]
    grids: tuple[Grid, ...]
    namers: tuple[tuple[int, tuple[int, ...], Namer], ...]

    @property
    def n_unknowns(self) -> int:
        """Number of unknowns."""
        return int(self.matrix.shape[1])

    def name(self, unknown: int) -> str:
        """What a count counts, in words: ``died=yes & not diagnoses=250``."""
        return _name(self.namers, unknown)

    def says_something(self, release: int, slot: Slot, shown: BoolArray) -> BoolArray:
        """Cells of a table that are printed and not forced by logic, in the table's shape.

        Parameters
        ----------
        shown : (n_unknowns,) counts that are printed.
        """
        ids = self.slots[release][slot]
        says: BoolArray = (ids >= 0) & (shown & ~self.structural)[np.maximum(ids, 0)]
        return says

    def statements_of(self, unknown: int) -> IntArray:
        """Rows of the matrix in which an unknown occurs."""
        found: IntArray = self._columns.indices[
            self._columns.indptr[unknown] : self._columns.indptr[unknown + 1]
        ].astype(np.int64)
        return found

    def members(self, statement: int) -> IntArray:
        """Unknowns that occur in a row of the matrix."""
        start, stop = self.matrix.indptr[statement : statement + 2]
        found: IntArray = self.matrix.indices[start:stop].astype(np.int64)
        return found

    def entries(self, rows: IntArray) -> tuple[IntArray, IntArray]:
        """Where the nonzero entries of some rows stand in the matrix's data.

        Returns
        -------
        at, starts : (n_entries,) positions, row after row; (n_rows,) where each row begins.
        """
        return _spans(self._starts, rows)

    def sums(self) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """Plain statements, one total and its parts each.

        Returns
        -------
        rows, total : (n_sums,) statement, and the unknown that is its total.
        sum, part : (n_parts,) index of the sum, and one of its parts.
        """
        rows = np.flatnonzero(self.plain)
        at, starts = self.entries(rows)
        number = np.repeat(np.arange(len(rows)), np.diff(np.append(starts, len(at))))
        member = self.matrix.indices[at].astype(np.int64)
        is_total = self.matrix.data[at] < 0
        total = np.zeros(len(rows), dtype=np.int64)
        total[number[is_total]] = member[is_total]
        return rows, total, number[~is_total], member[~is_total]

    def count(self, unknowns: BoolArray) -> IntArray:
        """How many of the marked unknowns occur in each row: (n_statements,)."""
        row = np.repeat(np.arange(len(self._starts) - 1), np.diff(self._starts))
        found = np.bincount(row[unknowns[self.matrix.indices]], minlength=len(self._starts) - 1)
        return found.astype(np.int64)

    def rows_about(self, unknowns: IntArray) -> IntArray:
        """Rows in which any of these unknowns occurs, ascending."""
        wanted = np.zeros(self.n_unknowns, dtype=bool)
        wanted[unknowns] = True  # each once, and faster than np.unique
        at, _ = _spans(self._columns.indptr.astype(np.int64), np.flatnonzero(wanted))
        found = np.zeros(self.matrix.shape[0], dtype=bool)
        found[self._columns.indices[at]] = True
        return np.flatnonzero(found)

    @cached_property
    def _starts(self) -> IntArray:
        return self.matrix.indptr.astype(np.int64)

    @cached_property
    def _columns(self) -> sp.csc_array:
        return self.matrix.tocsc()


@dataclass
class Draft:
    """A system under construction."""

    size: int = 0
    ids: list[IntArray] = field(default_factory=list)
    coefficients: list[FloatArray] = field(default_factory=list)
    lengths: list[IntArray] = field(default_factory=list)
    plain: list[BoolArray] = field(default_factory=list)
    namers: list[tuple[int, tuple[int, ...], Namer]] = field(default_factory=list)
    amounts: list[IntArray] = field(default_factory=list)
    beyond: dict[int, int] = field(default_factory=dict)
    cuts: list[IntArray] = field(default_factory=list)
    structural: list[IntArray] = field(default_factory=list)
    priced: list[tuple[IntArray, Tier]] = field(default_factory=list)

    def new(self, shape: tuple[int, ...], namer: Namer, *, count: bool = True) -> IntArray:
        """Add unknowns of that shape; ``count`` says whether they count people."""
        n = int(np.prod(shape))
        ids: IntArray = np.arange(self.size, self.size + n, dtype=np.int64).reshape(shape)
        self.namers.append((self.size, shape, namer))
        self.size += n
        if not count:
            self.amounts.append(ids.ravel())
        return ids

    def name(self, unknown: int) -> str:
        """What an unknown counts, in words."""
        return _name(self.namers, unknown)

    def sums(self, parts: IntArray, total: IntArray) -> None:
        """State that parts add up to their total.

        Parameters
        ----------
        parts : (..., k)
        total : (...)
        """
        k = parts.shape[-1]
        rows = np.concatenate([parts.reshape(-1, k), total.reshape(-1, 1)], axis=1)
        self.equations(rows, np.append(np.ones(k), -1.0), plain=True)

    def equations(self, ids: IntArray, coefficients: FloatArray, *, plain: bool = False) -> None:
        """State that ``ids @ coefficients = 0`` for each row of ``ids`` (m, k)."""
        m, k = ids.shape
        self.ids.append(ids.ravel())
        self.coefficients.append(np.tile(coefficients, m))
        self.lengths.append(np.full(m, k, dtype=np.int64))
        self.plain.append(np.full(m, plain))

    def price(self, ids: IntArray, tier: Tier) -> None:
        """Mark unknowns as printed; one that is printed twice keeps the dearer tier."""
        self.priced.append((ids.ravel(), tier))

    def finish(
        self,
        slots: Sequence[dict[Slot, IntArray]],
        means: Sequence[dict[int, int]],
        code_axes: Sequence[dict[Slot, int]],
        grids: Sequence[Grid],
    ) -> System:
        """The system as it stands."""
        indptr = np.concatenate([[0], np.cumsum(np.concatenate(self.lengths))])
        matrix = sp.csr_array(
            (np.concatenate(self.coefficients), np.concatenate(self.ids), indptr),
            shape=(len(indptr) - 1, self.size),
        )
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        amounts = np.zeros(self.size, dtype=bool)
        structural = np.zeros(self.size, dtype=bool)
        tier = np.full(self.size, int(Tier.DERIVED), dtype=np.int64)
        for ids in self.amounts:
            amounts[ids] = True
        cuts = np.zeros(self.size, dtype=bool)
        for ids in self.cuts:
            cuts[ids] = True
        for ids in self.structural:
            structural[ids] = True
        for ids, price in self.priced:
            tier[ids] = np.maximum(tier[ids], int(price))
        return System(
            matrix=matrix,
            plain=np.concatenate(self.plain),
            protected=~amounts & ~structural,
            structural=structural,
            amounts=amounts,
            cuts=cuts,
            tier=tier,
            beyond=dict(self.beyond),
            slots=tuple(slots),
            means=tuple(means),
            code_axes=tuple(code_axes),
            grids=tuple(grids),
            namers=tuple(self.namers),
        )


def _spans(indptr: IntArray, rows: IntArray) -> tuple[IntArray, IntArray]:
    """Positions from ``indptr[row]`` up to ``indptr[row + 1]`` of these rows, one after another."""
    first = indptr[rows].astype(np.int64)
    length = indptr[rows + 1] - first
    starts: IntArray = np.cumsum(length) - length
    at: IntArray = np.arange(int(length.sum()), dtype=np.int64) + np.repeat(first - starts, length)
    return at, starts


def _name(namers: Sequence[tuple[int, tuple[int, ...], Namer]], unknown: int) -> str:
    for start, shape, namer in reversed(namers):
        if unknown >= start:
            index = np.unravel_index(unknown - start, shape) if shape else ()
            return namer(tuple(int(i) for i in index))
    raise IndexError(unknown)
