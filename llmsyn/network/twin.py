"""The kernel again, in plain NumPy: slow, short, and with the same draws.

Takes the arguments of :mod:`llmsyn.network.kernel`; the tests run both on the same uniforms.
Sums are float32 in the same places, so draws agree but for ties in the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

BLOCK = 16


def draw_level(
    rows: Any, weights: Any, base: Any, events: Any, n_events: Any, code_weights: Any,
    uniforms: Any, out: Any, learn: bool, sum_base: Any, sum_rows: Any, sum_codes: Any,
) -> int:  # fmt: skip
    """Draw one level per unit; see :func:`llmsyn.network.kernel.draw_level`."""
    dead = 0
    for i in range(len(rows)):
        p = base * weights[rows[i]].prod(0)
        codes = events[i, : n_events[i]] if len(code_weights) else []
        p = p * code_weights[codes].prod(0) if len(codes) else p
        if not p.sum() > 0:
            dead, out[i] = dead + 1, 0
            continue
        out[i] = _pick(p, uniforms[i] * p.sum())
        if learn:
            p = p / p.sum()
            sum_base += p
            for row in rows[i]:
                sum_rows[row] += p
            for code in codes:
                sum_codes[code] += p
    return dead


def fill_slots(
    slots: Any, main: Any, rows: Any, weights: Any, main_rows: Any, main_weights: Any, base: Any,
    base_main: Any, links: Any, pairs: Any, n_codes: int, first_code: int, unlisted_repeats: bool,
    uniforms: Any, starts: Any, events: Any, n_events: Any, main_out: Any, n_unlisted: Any,
    learn: bool, sum_base: Any, sum_main: Any, sum_rows: Any, sum_main_rows: Any, sum_links: Any,
    sum_pairs: Any,
) -> int:  # fmt: skip
    """Fill every unit's slots; see :func:`llmsyn.network.kernel.fill_slots`."""
    short = 0
    for i in range(len(slots)):
        earlier = events[i, : n_events[i]].copy()
        u, drawn, steps, taken = starts[i], [], [], 0
        main_out[i] = -1
        if main[i] > 0:
            w = _product(base_main, main_weights, main_rows[i], links, earlier)
            if main[i] == 1:
                w[n_codes] = 0
            if main[i] == 2:
                w[:n_codes] = 0
            chosen = _pick(w, uniforms[u] * w.sum())
            u += 1
            if chosen < 0:
                short += 1
            else:
                main_out[i] = chosen
                drawn.append(chosen)
                steps.append(w / w.sum())
                taken = int(chosen < n_codes or unlisted_repeats)
                if learn:
                    sum_main += steps[0]
                    for row in main_rows[i]:
                        sum_main_rows[row] += steps[0]
        w = _product(base, weights, rows[i], links, earlier)
        if not unlisted_repeats:
            w[n_codes] = 0
        for code in drawn:
            w = _taken(w, code, n_codes, pairs)
        while taken < slots[i]:
            total = w.sum()
            chosen = _pick(w, uniforms[u] * total) if total > 0 else -1
            u += 1
            if chosen < 0:
                short += slots[i] - taken
                break
            steps.append(w / total)
            drawn.append(chosen)
            taken += 1
            w = _taken(w, chosen, n_codes, pairs)
        for code in drawn:
            if code < n_codes:
                events[i, n_events[i]] = first_code + code
                n_events[i] += 1
            elif unlisted_repeats:
                n_unlisted[i] += 1
        if learn:
            later = np.zeros(len(base))
            for code, p in zip(reversed(drawn), reversed(steps), strict=True):
                sum_pairs[code] += later
                later += p
            sum_base += later
            for row in rows[i]:
                sum_rows[row] += later
            for code in earlier:
                sum_links[code] += later
    return short


def _product(base: Any, weights: Any, rows: Any, links: Any, earlier: Any) -> Any:
    w = base.copy()
    for row in rows:
        w *= weights[row]
    for code in earlier:
        w *= links[code]
    return w


def _taken(w: Any, code: int, n_codes: int, pairs: Any) -> Any:
    """Weights after a code was drawn: it cannot come again, the others feel it."""
    if code == n_codes:
        return w
    w = w * pairs[code]
    w[code] = 0
    return w


def _pick(w: Any, left: float) -> int:
    """First column at which the running sum of the positive weights passes ``left``."""
    blocks = w.reshape(-1, BLOCK) if len(w) % BLOCK == 0 else w[None]
    sums = blocks.sum(1)
    if not sums.sum() > 0:
        return -1
    running = np.cumsum(sums)
    block = int(min(np.searchsorted(running, left, side="right"), np.flatnonzero(sums)[-1]))
    left -= running[block] - sums[block]
    inside = np.cumsum(blocks[block])
    column = int(np.searchsorted(inside, left, side="right"))
    positive = np.flatnonzero(blocks[block] > 0)
    return int(block * blocks.shape[1] + positive[positive >= min(column, positive[-1])][0])
