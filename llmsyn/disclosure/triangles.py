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
from llmsyn.disclosure.system import BoolArray, Grid, IntArray, N, System
from llmsyn.profile.variables import FloatArray

_AT_ONCE = 4_000_000  # pairs times third events that are looked at together


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
    _third: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, system: System) -> Triangles:
        """Collect the events of a system: codes and levels that some table crosses."""
        single: dict[object, int] = {}
        crossed: list[tuple[IntArray, IntArray, IntArray]] = []
        singles: dict[tuple[str, object], int] = {}
        for grid in system.grids:
            if len(grid.codes) + len(grid.sides) == 1:
                singles.update(_events(grid))
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
        for end, side in enumerate(third):
            for k in np.flatnonzero(moved & (side >= 0)):
                corners = [i[k], j[k], side[k]]
                behind = [*self.pair[side[k], corners[:2]], *self.single[corners]]
                self._third[int(ids[k]), end] = tuple(int(h) for h in behind if h >= 0)
        lower, upper = bounds.lower.copy(), bounds.upper.copy()
        steps = bounds.lower_step.copy(), bounds.upper_step.copy()
        step = 1 + int(max(s.max() for s in steps))
        steps[0][ids[new_low > lower[ids] + 0.5]] = step
        steps[1][ids[new_high < upper[ids] - 0.5]] = step
        np.maximum.at(lower, ids, new_low)
        np.minimum.at(upper, ids, new_high)
        return Bounds(lower, upper, *steps)

    def behind(self, unknown: int, *, upper: bool) -> tuple[int, ...]:
        """Counts that moved a bound of a pair, as :meth:`tighten` last found it."""
        return self._third.get((unknown, int(upper)), ())

    def forget(self) -> None:
        """Forget what moved which bound."""
        self._third.clear()


def _events(grid: Grid) -> list[tuple[tuple[str, object], int]]:
    """The events of a grid with one axis, by variable and label, and their unknowns."""
    if grid.codes:
        return [((grid.codes[0], row[0]), int(grid.ids[i, 0])) for i, row in enumerate(grid.stack)]
    side = grid.sides[0]
    return [((side.variable, part), int(grid.ids[0, i])) for i, part in enumerate(side.parts)]


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
    """The tightest bounds of pairs (i, j) over all third events, and which events gave them.

    Returns
    -------
    lower, upper : (n_pairs,) each.
    third : (2, n_pairs) the event that gave each; -1 where none improved it.
    """
    best_low, best_high = pair_low[i, j].copy(), pair_high[i, j].copy()
    third = np.full((2, len(i)), -1, dtype=np.int64)
    useful = np.flatnonzero(strong.any(axis=0))
    strong = strong[:, useful]
    size = max(_AT_ONCE // max(len(useful), 1), 1)
    for start in range(0, len(i), size):
        part = np.arange(start, min(start + size, len(i)))
        pair, column = np.nonzero(strong[i[part]] | strong[j[part]])
        pair, k = part[pair], useful[column]
        apart = (i[pair] != k) & (j[pair] != k)
        pair, k = pair[apart], k[apart]
        a, b = i[pair], j[pair]
        a_low, b_low, a_high, b_high = (
            pair_low[a, k],
            pair_low[b, k],
            pair_high[a, k],
            pair_high[b, k],
        )
        lows = np.maximum(a_low + b_low - high[k], low[a] + low[b] + low[k] - a_high - b_high - n)
        highs = np.minimum(high[a] - a_low + b_high, high[b] - b_low + a_high)
        np.maximum.at(best_low, pair, lows)
        np.minimum.at(best_high, pair, highs)
        gave_low = (lows >= best_low[pair]) & (lows > pair_low[a, b])
        gave_high = (highs <= best_high[pair]) & (highs < pair_high[a, b])
        third[0, pair[gave_low]], third[1, pair[gave_high]] = k[gave_low], k[gave_high]
    return best_low, best_high, third
