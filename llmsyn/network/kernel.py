"""The drawing kernel: one level for every unit, one list of codes for every unit.

Compiled by numba on first use and cached; :mod:`llmsyn.network.twin` is the same in plain
NumPy and must give the same draws.  Weights arrive multiplied up (``exp`` taken), so that a
code drawn costs one multiplication by a row.  Slot weights are float32 in blocks of
``BLOCK`` columns; the search for a draw goes over block sums first.

With ``learn`` the kernels also add up the *probabilities* of each draw (not the draws
themselves): the Rao-Blackwell estimates that the calibration compares with its targets.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

BLOCK = 16
"""Columns in a block: one 64-byte cache line of float32."""

_SUMS_IN_ANY_ORDER = {"reassoc", "contract", "nsz", "arcp"}
"""LLVM flags that let a sum be vectorised; infinities keep their meaning."""

TINY, HUGE = 1e-18, 1e18
"""Slot weights are rescaled to a sum of one outside these bounds."""


@numba.njit(nogil=True, cache=True, fastmath=_SUMS_IN_ANY_ORDER)
def draw_level(
    rows: Any,  # (n, n_factors) int32, row of each factor
    weights: Any,  # (n_rows, n_levels) float64, all factors stacked
    base: Any,  # (n_levels,) float64
    events: Any,  # (n, capacity) int16, codes so far
    n_events: Any,  # (n,) int32
    code_weights: Any,  # (n_codes, n_levels) float64; no row when codes do not matter
    uniforms: Any,  # (n,) float64
    out: Any,  # (n,) int16
    learn: bool,
    sum_base: Any,  # (n_levels,) float64, added to when learning
    sum_rows: Any,  # (n_rows, n_levels)
    sum_codes: Any,  # (n_codes, n_levels)
) -> int:
    """Draw one level per unit; return the number of units for which no level is possible."""
    n, n_factors = rows.shape
    n_levels = base.shape[0]
    with_codes = code_weights.shape[0] > 0
    p = np.empty(n_levels, np.float64)
    dead = 0
    for i in range(n):
        for k in range(n_levels):
            p[k] = base[k]
        for f in range(n_factors):
            row = rows[i, f]
            for k in range(n_levels):
                p[k] *= weights[row, k]
        if with_codes:
            for e in range(n_events[i]):
                code = events[i, e]
                for k in range(n_levels):
                    p[k] *= code_weights[code, k]
        total = 0.0
        for k in range(n_levels):
            total += p[k]
        if not total > 0.0:
            dead += 1
            out[i] = 0
            continue
        left = uniforms[i] * total
        chosen = -1
        for k in range(n_levels):
            if p[k] > 0.0:
                chosen = k
                left -= p[k]
                if left < 0.0:
                    break
        out[i] = chosen
        if learn:
            for k in range(n_levels):
                p[k] /= total
                sum_base[k] += p[k]
            for f in range(n_factors):
                row = rows[i, f]
                for k in range(n_levels):
                    sum_rows[row, k] += p[k]
            if with_codes:
                for e in range(n_events[i]):
                    code = events[i, e]
                    for k in range(n_levels):
                        sum_codes[code, k] += p[k]
    return dead


@numba.njit(nogil=True, cache=True, fastmath=_SUMS_IN_ANY_ORDER, inline="always")
def _multiply(w: Any, row: Any, sums: Any) -> Any:
    """``w *= row``; block sums into ``sums``; return the total."""
    total = np.float32(0.0)
    for b in range(sums.shape[0]):
        s = np.float32(0.0)
        for k in range(b * BLOCK, (b + 1) * BLOCK):
            x = w[k] * row[k]
            w[k] = x
            s += x
        sums[b] = s
        total += s
    return total


@numba.njit(nogil=True, cache=True, fastmath=_SUMS_IN_ANY_ORDER, inline="always")
def _scale(w: Any, row: Any) -> None:
    """``w *= row``, where no draw follows at once."""
    for k in range(w.shape[0]):
        w[k] *= row[k]


@numba.njit(nogil=True, cache=True, inline="always")
def _search(w: Any, sums: Any, left: float) -> int:
    """The column at which the running sum of ``w`` passes ``left``; -1 when all are zero."""
    chosen = -1
    block = -1
    for b in range(sums.shape[0]):
        if sums[b] > 0.0:
            block = b
            if left < sums[b]:
                break
            left -= sums[b]
    if block >= 0:
        for k in range(block * BLOCK, (block + 1) * BLOCK):
            if w[k] > 0.0:
                chosen = k
                left -= w[k]
                if left < 0.0:
                    break
    return chosen


@numba.njit(nogil=True, cache=True, fastmath=_SUMS_IN_ANY_ORDER)
def fill_slots(
    slots: Any,  # (n,) int32, number of slots to fill
    main: Any,  # (n,) int8: 0 no main slot, 1 listed codes only, 2 unlisted only, 3 either
    rows: Any,  # (n, n_factors) int32
    weights: Any,  # (n_rows, width) float32, factors stacked
    main_rows: Any,  # (n, n_main_factors) int32
    main_weights: Any,  # (n_main_rows, width) float32
    base: Any,  # (width,) float32
    base_main: Any,  # (width,) float32
    links: Any,  # (n_codes_before, width) float32
    pairs: Any,  # (n_codes + 1, width) float32; last row (unlisted) all ones
    n_codes: int,
    first_code: int,
    unlisted_repeats: bool,
    uniforms: Any,  # (sum of draws,) float64, slots of unit 0 first
    starts: Any,  # (n,) int64, first uniform of each unit
    events: Any,  # (n, capacity) int16; codes so far, added to
    n_events: Any,  # (n,) int32; added to
    main_out: Any,  # (n,) int16, column of the main code, -1 when there is none
    n_unlisted: Any,  # (n,) int32, unlisted codes drawn in slots (repeats mode)
    learn: bool,
    sum_base: Any,  # (width,) float64
    sum_main: Any,  # (width,)
    sum_rows: Any,  # (n_rows, width)
    sum_main_rows: Any,  # (n_main_rows, width)
    sum_links: Any,  # (n_codes_before, width)
    sum_pairs: Any,  # (n_codes + 1, width): row i, column j: i drawn before j
) -> int:
    """Fill every unit's slots; return the number of slots that no code could fill.

    A unit whose main code is unlisted uses one draw more than ``slots``.
    """
    n = slots.shape[0]
    width = base.shape[0]
    w = np.empty(width, np.float32)
    sums = np.zeros(width // BLOCK, np.float32)
    most = 1
    for i in range(n):
        most = max(most, slots[i] + 1)
    steps = np.zeros((most if learn else 1, width), np.float32)
    drawn = np.empty(most, np.int64)
    later = np.empty(width, np.float32)
    short = 0
    for i in range(n):
        n_slots = slots[i]
        if n_slots == 0 and main[i] != 2:
            main_out[i] = -1
            continue
        before = n_events[i]
        count = before
        n_drawn = 0
        u = starts[i]
        main_out[i] = -1
        taken = 0
        # The first slot: the main code, with a base of its own.
        if main[i] > 0:
            for k in range(width):
                w[k] = base_main[k]
            for f in range(main_rows.shape[1]):
                _scale(w, main_weights[main_rows[i, f]])
            for e in range(before):
                _scale(w, links[events[i, e]])
            if main[i] == 1:
                w[n_codes] = 0.0
            elif main[i] == 2:
                for k in range(n_codes):
                    w[k] = 0.0
            total = _multiply(w, pairs[n_codes], sums)
            chosen = _search(w, sums, uniforms[u] * total)
            u += 1
            if chosen < 0:
                short += 1
            else:
                main_out[i] = chosen
                if learn:
                    for k in range(width):
                        steps[0, k] = w[k] / total
                        sum_main[k] += steps[0, k]
                    for f in range(main_rows.shape[1]):
                        for k in range(width):
                            sum_main_rows[main_rows[i, f], k] += steps[0, k]
                if chosen < n_codes:
                    taken = 1
                    events[i, count] = first_code + chosen
                    count += 1
                elif unlisted_repeats:
                    taken = 1
                    n_unlisted[i] += 1
                drawn[0] = chosen
                n_drawn = 1
        if n_slots > taken:
            for k in range(width):
                w[k] = base[k]
            for f in range(rows.shape[1]):
                _scale(w, weights[rows[i, f]])
            for e in range(before):
                _scale(w, links[events[i, e]])
            if not unlisted_repeats:
                w[n_codes] = 0.0
            if n_drawn == 1 and drawn[0] < n_codes:
                w[drawn[0]] = 0.0
                total = _multiply(w, pairs[drawn[0]], sums)
            else:
                total = _multiply(w, pairs[n_codes], sums)
            while taken < n_slots:
                if total < TINY or total > HUGE:
                    if not total > 0.0:
                        short += n_slots - taken
                        break
                    scale = np.float32(1.0) / total
                    for k in range(width):
                        w[k] *= scale
                    total = _multiply(w, pairs[n_codes], sums)
                chosen = _search(w, sums, uniforms[u] * total)
                u += 1
                if chosen < 0:
                    short += n_slots - taken
                    break
                if learn:
                    for k in range(width):
                        steps[n_drawn, k] = w[k] / total
                drawn[n_drawn] = chosen
                n_drawn += 1
                taken += 1
                if chosen < n_codes:
                    events[i, count] = first_code + chosen
                    count += 1
                    if taken < n_slots:
                        w[chosen] = 0.0
                        total = _multiply(w, pairs[chosen], sums)
                else:
                    n_unlisted[i] += 1
        if learn:
            # Going backwards, ``later`` is the sum of the probabilities of all later slots.
            for k in range(width):
                later[k] = 0.0
            for s in range(n_drawn - 1, -1, -1):
                code = drawn[s]
                for k in range(width):
                    sum_pairs[code, k] += later[k]
                    later[k] += steps[s, k]
            for k in range(width):
                sum_base[k] += later[k]
            for f in range(rows.shape[1]):
                for k in range(width):
                    sum_rows[rows[i, f], k] += later[k]
            for e in range(before):
                for k in range(width):
                    sum_links[events[i, e], k] += later[k]
        n_events[i] = count
    return short


@numba.njit(nogil=True, cache=True)
def list_rows(
    events: Any,  # (n, capacity) int16
    first: Any,  # (n,) int32, where the list starts in a unit's events
    last: Any,  # (n,) int32, where it ends
    unlisted: Any,  # (n,) int32, unlisted codes
    main: Any,  # (n,) int16, column of the main code (n_codes: unlisted), -1 none
    first_code: int,
    n_codes: int,
    unit: Any,  # (n_rows,) int32, filled
    code: Any,  # (n_rows,) int16, filled; n_codes stands for unlisted
    position: Any,  # (n_rows,) int16, filled; 0 is the main code
) -> int:
    """Lay the lists of all units under each other; return the number of rows."""
    row = 0
    for i in range(first.shape[0]):
        place = 0 if main[i] >= 0 else 1
        left = unlisted[i]
        if main[i] == n_codes and left > 0:
            unit[row], code[row], position[row] = i, n_codes, place
            row += 1
            place += 1
            left -= 1
        for e in range(first[i], last[i]):
            unit[row], code[row], position[row] = i, events[i, e] - first_code, place
            row += 1
            place += 1
        for _ in range(left):
            unit[row], code[row], position[row] = i, n_codes, place
            row += 1
            place += 1
    return row
