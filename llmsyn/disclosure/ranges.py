r"""How far the counts of a block can move: few linear programs, and points that are kept.

A point is one population that the attacker cannot exclude.  It vouches for every count of its
block at once: the range of a count contains the values that it has in any point.  So the
tests solve programs only for counts that no point vouches for yet, with random weights on
all of these together, and one by one in the end.

Points are kept from one audit to the next (:class:`Points`).  Suppression only loosens bounds,
so that most of them stay possible; a point is put into a block again, with the true counts
where it says nothing, and taken only if it satisfies all statements and bounds of the block.
Nothing is taken on trust: an audit with old points proves as much as one without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from llmsyn.disclosure.bounds import Active, Block, Program
from llmsyn.disclosure.findings import Kind
from llmsyn.disclosure.system import BoolArray, IntArray
from llmsyn.profile.variables import FloatArray

_PROGRESS = 0.9  # go on with joint objectives while they vouch for a tenth of what is left
_SEED = 20090  # of the first objectives; any seed gives the same findings
_MOST_POINTS = 4000


@dataclass(eq=False)
class Points:
    """Points of earlier programs.

    Attributes
    ----------
    truth : (n_unknowns,) what a point is completed with; NaN where that is unknown.
    """

    truth: FloatArray
    _kept: list[tuple[IntArray, FloatArray]] = field(default_factory=list)

    def keep(self, columns: IntArray, point: FloatArray) -> None:
        """Remember a point: unknowns, and their values."""
        self._kept.append((columns, point))
        del self._kept[:-_MOST_POINTS]

    def touching(self, cut: list[Block]) -> list[list[int]]:
        """For each block, the points that say something about it."""
        owner = np.full(len(self.truth), -1, dtype=np.int64)
        for k, block in enumerate(cut):
            owner[block.inner] = k
        found: list[list[int]] = [[] for _ in cut]
        for number, (columns, _) in enumerate(self._kept):
            for k in np.unique(owner[columns]):
                if k >= 0:
                    found[k].append(number)
        return found

    def at(self, number: int, columns: IntArray) -> FloatArray:
        """One point at some unknowns: (n_columns,)."""
        mine, values = self._kept[number]
        order = np.argsort(mine)
        place = order[np.minimum(np.searchsorted(mine, columns, sorter=order), len(mine) - 1)]
        return np.where(mine[place] == columns, values[place], self.truth[columns])


class Ranges:
    """What the points seen so far vouch for, in one block.

    Parameters
    ----------
    targets : columns of the program whose range is asked for.
    is_cell : (n_targets,) cells that a printed table leaves out.
    """

    def __init__(
        self,
        program: Program,
        targets: IntArray,
        is_cell: BoolArray,
        threshold: int,
        kind: Kind,
        keep: Callable[[IntArray, FloatArray], None],
    ) -> None:
        self.program, self.targets, self.kind = program, targets, kind
        self.unknowns = program.columns[targets]
        self.threshold, self.is_cell, self.keep = threshold, is_cell, keep
        self.active = Active.none()
        self.low: FloatArray = np.full(len(targets), np.inf)
        self.high: FloatArray = np.full(len(targets), -np.inf)

    def see(self, point: FloatArray) -> None:
        """Take note of a population that cannot be excluded."""
        mine = point[self.targets]
        self.low, self.high = np.fmin(self.low, mine), np.fmax(self.high, mine)

    def too_low(self) -> BoolArray:
        """Targets for which a larger value is still to be found."""
        if self.kind == "b":
            return np.asarray(self.high - self.low < 0.5)
        short = self.high < self.threshold - 1e-4
        return np.asarray(short & ~(self.low < 1 - 1e-4) if self.kind == "certain" else short)

    def too_high(self) -> BoolArray:
        """Targets for which a smaller value is still to be found."""
        if self.kind == "b":
            return np.asarray(self.high - self.low < 0.5)
        if self.kind == "certain":
            return self.too_low()
        return np.asarray((self.low > 1 + 1e-4) & self.is_cell)

    def failures(self) -> Iterator[tuple[int, float, float, Active]]:
        """Solve programs until every target is vouched for or found wanting."""
        rng = np.random.default_rng(_SEED)
        for sign, open_ in ((-1.0, self.too_low), (1.0, self.too_high)):
            left = int(open_().sum())
            while left:
                # Heavy-tailed weights: each solution pushes some targets far.
                self._solve(sign * open_() * rng.exponential(1.0, len(self.targets)) ** 3)
                before, left = left, int(open_().sum())
                if left > _PROGRESS * before:
                    break
        for k in range(len(self.targets)):
            for sign, open_ in ((-1.0, self.too_low), (1.0, self.too_high)):
                if open_()[k]:
                    self._solve(sign * (np.arange(len(self.targets)) == k))
            if self.too_low()[k] or self.too_high()[k]:
                yield int(self.unknowns[k]), float(self.low[k]), float(self.high[k]), self.active

    def _solve(self, weights: FloatArray) -> None:
        objective = np.zeros(len(self.program.columns))
        objective[self.targets] = weights
        found = self.program.best(objective)
        if found is not None:
            point, self.active = found
            self.see(point)
            self.keep(self.program.columns, point)
