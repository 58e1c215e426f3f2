r"""What three overlapping groups say of a pair that was left out.

Pairs of events i, j, k (codes, levels) constrain each other although no table prints all
three together.  For counts n of a population of N,

.. math::
    n_{ij} &\ge n_{ik} + n_{jk} - n_k \\
    n_{ij} &\ge n_i + n_j + n_k - n_{ik} - n_{jk} - N \\
    n_{ij} &\le n_i - n_{ik} + n_{jk}

If nearly everyone with k has i, and nearly everyone with k has j, then many have both,
although the pair (i, j) was suppressed.  These are the triangle inequalities of the
correlation polytope (Deza and Laurent 1997, doi 10.1007/978-3-642-04295-9).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from llmsyn.disclosure.bounds import Bounds
from llmsyn.disclosure.system import BoolArray, IntArray, N, System
from llmsyn.profile.variables import FloatArray


@dataclass(eq=False)
class Triangles:
    """Pairs of events whose counts the system knows.

    Attributes
    ----------
    single : (n_events,) unknown of each event's count.
    pair : (n_events, n_events) unknown of both events' count, -1 where there is none.
    """

    single: IntArray
    pair: IntArray
    _third: dict[int, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, system: System) -> Triangles:
        """Collect the events of a system: codes and levels that some table crosses."""
        single: dict[object, int] = {}
        crossed: list[tuple[IntArray, IntArray, IntArray]] = []
        singles: dict[tuple[str, object], int] = {}
        for grid in system.grids:
            if len(grid.codes) + len(grid.sides) == 1:
                for name, unknown in _events(grid.codes, grid.stack, grid.sides, grid.ids):
                    singles[name] = unknown
        rank: dict[tuple[str, object], int] = {}

        def event(name: tuple[str, object]) -> int:
            single[name] = singles[name]
            return rank.setdefault(name, len(rank))

        for grid in system.grids:
            if len(grid.codes) == 2 and not grid.sides:
                a = [event((grid.codes[0], row[0])) for row in grid.stack]
                b = [event((grid.codes[1], row[1])) for row in grid.stack]
                crossed.append((np.array(a), np.array(b), grid.ids[:, 0, 0]))
            elif len(grid.codes) == 1 and len(grid.sides) == 1:
                side = grid.sides[0]
                codes = np.array([event((grid.codes[0], row[0])) for row in grid.stack])
                for k, part in enumerate(side.parts):
                    level = event((side.variable, part))
                    crossed.append((codes, np.full(len(codes), level), grid.ids[:, 0, k]))
            elif not grid.codes and len(grid.sides) == 2:
                one, two = grid.sides
                for i, p in enumerate(one.parts):
                    level = event((one.variable, p))
                    others = np.array([event((two.variable, q)) for q in two.parts])
                    crossed.append((np.full(len(others), level), others, grid.ids[0, i]))
        pair = np.full((len(rank), len(rank)), -1, dtype=np.int64)
        for a_ids, b_ids, both in crossed:
            pair[a_ids, b_ids] = pair[b_ids, a_ids] = both
        return cls(np.array([single[name] for name in rank], dtype=np.int64), pair)

    def tighten(self, bounds: Bounds, threshold: int, wanted: BoolArray) -> Bounds | None:
        """Bounds of pairs after all triangles were looked at once; None if none moved.

        Parameters
        ----------
        bounds : propagated bounds.
        threshold : T; an upper bound of T or more, or a lower one of 1 or less, is of no use.
        wanted : (n_unknowns,) pairs that matter.
        """
        self._third.clear()
        n_events = len(self.single)
        if n_events < 3:
            return None
        n = bounds.upper[N]
        low, high = bounds.lower[self.single], bounds.upper[self.single]
        exists = self.pair >= 0
        safe = np.where(exists, self.pair, 0)
        pair_low = np.where(
            exists, bounds.lower[safe], np.maximum(0.0, low[:, None] + low[None, :] - n)
        )
        pair_high = np.where(exists, bounds.upper[safe], np.minimum(high[:, None], high[None, :]))
        is_open = exists & wanted[safe] & (bounds.upper[safe] > bounds.lower[safe] + 0.5)
        i, j = np.nonzero(np.triu(is_open, 1))
        strong = _strong(low, high, pair_low, n, threshold)
        if not i.size or not strong.any():
            return None
        new_low, new_high, third = _over_thirds(i, j, strong, low, high, pair_low, pair_high, n)
        ids = self.pair[i, j]
        moved = (new_low > bounds.lower[ids] + 0.5) | (new_high < bounds.upper[ids] - 0.5)
        if not moved.any():
            return None
        for k in np.flatnonzero(moved):
            helpers = (self.pair[i[k], third[k]], self.pair[j[k], third[k]])
            self._third[int(ids[k])] = tuple(int(h) for h in helpers if h >= 0)
        lower, upper = bounds.lower.copy(), bounds.upper.copy()
        steps = bounds.lower_step.copy(), bounds.upper_step.copy()
        step = 1 + int(max(s.max() for s in steps))
        steps[0][ids[new_low > lower[ids] + 0.5]] = step
        steps[1][ids[new_high < upper[ids] - 0.5]] = step
        np.maximum.at(lower, ids, new_low)
        np.minimum.at(upper, ids, new_high)
        return Bounds(lower, upper, *steps)

    def third_pairs(self, unknown: int) -> tuple[int, ...]:
        """Pairs that moved the bound of a pair when :meth:`tighten` was last called."""
        return self._third.get(unknown, ())


def _events(
    codes: tuple[str, ...],
    stack: tuple[tuple[str, ...], ...],
    sides: tuple[object, ...],
    ids: IntArray,
) -> list[tuple[tuple[str, object], int]]:
    if codes:
        return [((codes[0], row[0]), int(ids[i, 0])) for i, row in enumerate(stack)]
    side = sides[0]
    return [
        ((side.variable, part), int(ids[0, i]))  # type: ignore[attr-defined]
        for i, part in enumerate(side.parts)  # type: ignore[attr-defined]
    ]


def _strong(
    low: FloatArray, high: FloatArray, pair_low: FloatArray, n: float, threshold: int
) -> BoolArray:
    """Which event i a third event k can prove something about: (n_events, n_events).

    The first inequality needs i to hold most of k, the second two large events, the third,
    to come below T, nearly all of i inside k.
    """
    overlap = pair_low - np.diag(np.diag(pair_low))
    strong: BoolArray = (
        (overlap > high[None, :] / 2)
        | (2 * low[:, None] + low[None, :] > n)
        | (high[:, None] - overlap < threshold)
    )
    return strong


def _over_thirds(
    i: IntArray,
    j: IntArray,
    strong: BoolArray,
    low: FloatArray,
    high: FloatArray,
    pair_low: FloatArray,
    pair_high: FloatArray,
    n: float,
) -> tuple[FloatArray, FloatArray, IntArray]:
    """The tightest bounds of pairs (i, j) over all third events, and which event gave them.

    Returns
    -------
    lower, upper, third : (n_pairs,) each.
    """
    best_low, best_high = pair_low[i, j].copy(), pair_high[i, j].copy()
    third = np.full(len(i), -1, dtype=np.int64)
    for k in np.flatnonzero(strong.any(axis=0)):
        at = np.flatnonzero((strong[i, k] | strong[j, k]) & (i != k) & (j != k))
        a, b = i[at], j[at]
        a_low, b_low, a_high, b_high = (
            pair_low[a, k],
            pair_low[b, k],
            pair_high[a, k],
            pair_high[b, k],
        )
        lows = np.maximum(a_low + b_low - high[k], low[a] + low[b] + low[k] - a_high - b_high - n)
        highs = np.minimum(high[a] - a_low + b_high, high[b] - b_low + a_high)
        better = (lows > best_low[at]) | (highs < best_high[at])
        third[at[better]] = k
        best_low[at] = np.maximum(best_low[at], lows)
        best_high[at] = np.minimum(best_high[at], highs)
    return best_low, best_high, third
