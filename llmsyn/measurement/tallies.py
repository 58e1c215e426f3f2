"""Counts of one table in one batch: of units, and of distinct patients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from llmsyn.measurement.labels import IntArray, Many, Single

_PAIRS_AT_ONCE = 4_000_000
"""Rows of the expansion of code pairs; each takes 24 bytes while patients are told apart."""


_COMPILED_FROM = 500_000
"""Entries from which on the compiled kernels are worth their second of loading."""


@dataclass(frozen=True, eq=False)
class Patients:
    """Whose the units of a batch are; ``repeats`` (n_units,) marks patients with several."""

    of: IntArray
    n: int
    repeats: npt.NDArray[np.bool_]

    @classmethod
    def of_units(cls, patient: IntArray) -> Patients:
        """From the ``(n_units,)`` patient of each unit."""
        n = int(patient.max(initial=-1)) + 1
        return cls(patient, n, np.bincount(patient, minlength=n)[patient] > 1)


def tally(axes: Sequence[Single | Many]) -> IntArray:
    """Units in every cell.

    Parameters
    ----------
    axes : one per dimension; at most two are :class:`Many`.

    Returns
    -------
    ``(size of axis 0, size of axis 1, ...)``
    """
    key, size, many = _split(axes)
    if not many:
        counts = np.bincount(key[key >= 0], minlength=size)
    elif len(many) == 1:
        cell, _ = _cells(key, many[0])
        counts = np.bincount(cell, minlength=size * many[0].size)
    else:
        counts = _product(key, size, many[0], many[1]).ravel()
    return _in_order(counts, axes)


def tally_patients(
    axes: Sequence[Single | Many], patients: Patients, *, compiled: bool | None = None
) -> IntArray:
    """Distinct patients in every cell; a patient counts once, however many stays it is.

    ``compiled`` says whether to use the numba kernels; without it, large batches do.
    """
    repeats = patients.repeats
    if not repeats.any():
        return tally(axes)
    counts = tally([_only(axis, ~repeats) for axis in axes])
    key, size, many = _split([_only(axis, repeats) for axis in axes])
    width = size * int(np.prod([m.size for m in many], dtype=np.int64))
    if compiled is None:
        compiled = sum(len(m.row) for m in many) + len(key) > _COMPILED_FROM
    if len(many) == 2:
        pairs = _pairs(key, many[0], many[1], patients.of)
        extra = _compiled_pairs(pairs, width) if compiled else pair_patients(pairs, width)
    else:
        unit = np.flatnonzero(key >= 0)
        cell, unit = _cells(key, many[0]) if many else (key[unit], unit)
        extra = _distinct(cell, patients.of[unit], width, compiled)
    return counts + _in_order(extra, axes)


def _split(axes: Sequence[Single | Many]) -> tuple[IntArray, int, list[Many]]:
    """``(n_units,)`` joint index of the single axes (-1: none), its size, the other axes."""
    singles = [a for a in axes if isinstance(a, Single)]
    many = [a for a in axes if isinstance(a, Many)]
    if len(many) > 2:
        raise ValueError("a table has at most two axes that are code sets")
    if not singles:
        n = int(max((m.row.max(initial=-1) for m in many), default=-1)) + 1
        return np.zeros(n, dtype=np.int64), 1, many
    key = singles[0].index
    size = singles[0].size
    for axis in singles[1:]:
        key = np.where((key >= 0) & (axis.index >= 0), key * axis.size + axis.index, -1)
        size *= axis.size
    return key, size, many


def _in_order(counts: IntArray, axes: Sequence[Single | Many]) -> IntArray:
    """From single axes first, code sets last, to the order of the table."""
    now = sorted(range(len(axes)), key=lambda i: isinstance(axes[i], Many))
    shaped = counts.reshape([axes[i].size for i in now])
    return np.ascontiguousarray(shaped.transpose(np.argsort(now)))


def _cells(key: IntArray, many: Many) -> tuple[IntArray, IntArray]:
    """Joint cell and unit of every code row whose unit is on the single axes."""
    k = key[many.row]
    if len(k) and k.min() >= 0:
        return k * many.size + many.index, many.row
    on = k >= 0
    return k[on] * many.size + many.index[on], many.row[on]


def _product(key: IntArray, size: int, first: Many, second: Many) -> IntArray:
    """``(size * first.size, second.size)`` units by pair of codes: one sparse product."""
    cell, unit = _cells(key, first)
    shape = len(key), size * first.size
    x = sparse.csr_array((np.ones(len(cell), np.int32), (unit, cell)), shape=shape)
    shape = len(key), second.size
    ones = np.ones(len(second.row), np.int32)
    y = sparse.csr_array((ones, (second.row, second.index)), shape=shape)
    return np.asarray((x.T @ y).toarray(), dtype=np.int64)


def _only(axis: Single | Many, keep: npt.NDArray[np.bool_]) -> Single | Many:
    """The axis with nothing but the units to keep."""
    if isinstance(axis, Single):
        return Single(np.where(keep, axis.index, -1), axis.size)
    kept = keep[axis.row]
    return Many(axis.row[kept], axis.index[kept], axis.size)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Entries of two code-set axes, sorted by patient: what is needed to pair them.

    ``cell``, ``unit``, ``patient``: (n,) of the first axis.  ``second``: (m,) labels of the
    second axis by unit, those of unit u from ``start[u]`` to ``start[u + 1]``.
    """

    cell: IntArray
    unit: IntArray
    patient: IntArray
    second: IntArray
    start: IntArray
    n_second: int


def _pairs(key: IntArray, first: Many, second: Many, patient: IntArray) -> Pairs:
    cell, unit = _cells(key, first)
    order = np.argsort(patient[unit], kind="stable")
    cell, unit = cell[order], unit[order]
    start = np.concatenate([[0], np.cumsum(np.bincount(second.row, minlength=len(key)))])
    return Pairs(cell, unit, patient[unit], second.index, start, second.size)


def _compiled_pairs(pairs: Pairs, width: int) -> IntArray:
    from llmsyn.measurement.distinct import count_pairs

    counts: IntArray = count_pairs(
        pairs.cell, pairs.unit, pairs.patient, pairs.second, pairs.start, pairs.n_second, width
    )
    return counts


def _distinct(cell: IntArray, patient: IntArray, width: int, compiled: bool) -> IntArray:
    """``(width,)`` distinct patients per cell."""
    if compiled:
        from llmsyn.measurement.distinct import count_cells

        order = np.argsort(patient, kind="stable")
        counts: IntArray = count_cells(cell[order], patient[order], width)
        return counts
    once = np.unique(patient * width + cell)
    return np.bincount(once % width, minlength=width)


def pair_patients(pairs: Pairs, width: int) -> IntArray:
    """``(width,)`` distinct patients per pair of codes, by writing every pair out."""
    counts = np.zeros(width, dtype=np.int64)
    n_right = np.diff(pairs.start)[pairs.unit]
    for low, high in _runs(n_right, pairs.patient):
        n = n_right[low:high]
        left = np.repeat(np.arange(low, high), n)
        within = np.arange(len(left)) - np.repeat(np.cumsum(n) - n, n)
        right = pairs.second[pairs.start[pairs.unit[left]] + within]
        cell = pairs.cell[left] * pairs.n_second + right
        counts += _distinct(cell, pairs.patient[left], width, compiled=False)
    return counts


def _runs(width: IntArray, patient: IntArray) -> Iterator[tuple[int, int]]:
    """Borders of runs of about ``_PAIRS_AT_ONCE`` pairs that end between two patients."""
    borders = np.append(np.flatnonzero(np.diff(patient)) + 1, len(patient))
    reached = np.concatenate([[0], np.cumsum(width)])
    low = 0
    while low < len(patient):
        fits = borders[(borders > low) & (reached[borders] <= reached[low] + _PAIRS_AT_ONCE)]
        high = int(fits[-1]) if len(fits) else int(borders[borders > low][0])
        yield low, high
        low = high
