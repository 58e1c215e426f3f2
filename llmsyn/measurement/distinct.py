"""Distinct patients per pair of codes, compiled: one pass, no sorting.

:func:`llmsyn.measurement.tallies.pair_patients` is the same in plain NumPy.  Compiled by numba
on first use and cached.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np


@numba.njit(nogil=True, cache=True)
def count_pairs(
    cell: Any,  # (n,) int64, entries of the first axis, sorted by patient
    unit: Any,  # (n,) int64
    patient: Any,  # (n,) int64
    second: Any,  # (m,) int64, entries of the second axis, by unit
    start: Any,  # (n_units + 1,) int64, where each unit's entries of the second axis begin
    n_second: int,  # size of the second axis
    n_cells: int,
) -> Any:
    """``(n_cells,)`` distinct patients with both entries in one unit."""
    counts = np.zeros(n_cells, np.int64)
    last = np.full(n_cells, -1, np.int64)  # the patient who was counted last
    for i in range(len(cell)):
        base = cell[i] * n_second
        u, p = unit[i], patient[i]
        for j in range(start[u], start[u + 1]):
            c = base + second[j]
            if last[c] != p:
                last[c] = p
                counts[c] += 1
    return counts


@numba.njit(nogil=True, cache=True)
def count_cells(cell: Any, patient: Any, n_cells: int) -> Any:
    """``(n_cells,)`` distinct patients per cell of ``(n,)`` entries sorted by patient."""
    counts = np.zeros(n_cells, np.int64)
    last = np.full(n_cells, -1, np.int64)
    for i in range(len(cell)):
        c, p = cell[i], patient[i]
        if last[c] != p:
            last[c] = p
            counts[c] += 1
    return counts
