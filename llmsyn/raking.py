r"""Records mode: proposals are weighted to the profile, then resampled.

Every published margin and table splits the proposals into groups with a published share
each.  Iterative proportional fitting (Deming and Stephan 1940, doi
10.1214/aoms/1177731829) multiplies the weights of each group by *published / present*, split
after split, until nothing moves.  Weights stay within bounds around their mean, so that no
proposal stands for a crowd.  Systematic sampling then turns weights into whole numbers.

What it cannot do: a cell that no proposal falls into stays empty, and splits that contradict
each other, or ask for weights beyond the bounds, leave a gap.  The gap is reported cell by
cell, never hidden.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from llmsyn.cohort.types import Cohort
from llmsyn.errors import InputError
from llmsyn.measurement.labels import Labels, Many, Single
from llmsyn.profile.tables import Axis
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import UNLISTED, CodeSet, FloatArray, Numeric

IntArray: TypeAlias = npt.NDArray[np.int64]

LOWEST, HIGHEST = 0.2, 5.0
"""Bounds of a weight, as multiples of the mean weight."""

SWEEPS = 300
WHOLE_STEPS = 30
"""Sweeps with whole steps.  Where splits contradict each other or the bounds, they go round in
circles; the steps then get shorter, and the weights with the smallest squared gap are taken.
"""

TOLERANCE = 1e-6
"""A sweep that moves no weight by more than this part of it is the last."""


@dataclass(frozen=True, eq=False)
class Split:
    """Proposals put into groups, and the published share of each group.

    Attributes
    ----------
    name : of the variable or table.
    cells : (n_cells,) names of the published cells.
    group : (m,) cell of each proposal; ``n_cells`` is the rest.
    share : (n_cells,) published shares, all known; the rest has what is left.
    """

    name: str
    cells: tuple[str, ...]
    group: IntArray
    share: FloatArray

    @property
    def targets(self) -> FloatArray:
        """``(n_cells + 1,)`` shares, the rest last."""
        return np.append(self.share, max(0.0, 1.0 - float(self.share.sum())))

    def shares_of(self, weights: FloatArray) -> FloatArray:
        """``(n_cells + 1,)`` shares of the weighted proposals."""
        sums = np.bincount(self.group, weights, len(self.cells) + 1)
        return np.asarray(sums / weights.sum(), float)


@dataclass(frozen=True)
class Gap:
    """One published cell: its share, and what the proposals, the weights and the draw have."""

    cell: str
    published: float
    proposed: float
    raked: float
    drawn: float


@dataclass(frozen=True, eq=False)
class Raked:
    """What raking made.

    Attributes
    ----------
    weights : (m,) with mean 1.
    copies : (m,) how often each proposal was drawn; the sum is n.
    gaps : all published cells, largest gap of the draw first.
    sweeps : how many were made.
    effective : proposals that the weights are worth (Kish): ``(sum w)^2 / sum w^2``.
    """

    weights: FloatArray
    copies: IntArray
    gaps: tuple[Gap, ...]
    sweeps: int
    effective: float


def rake(
    proposals: Cohort,
    profile: Profile,
    n: int,
    random: np.random.Generator,
    *,
    bounds: tuple[float, float] = (LOWEST, HIGHEST),
) -> Raked:
    """Weight proposals to everything that a profile publishes, and draw ``n`` of them.

    Parameters
    ----------
    proposals : m synthetic units in the levels and codes of the profile.
    n : how many to draw, with repetition where weights ask for it.
    bounds : smallest and largest weight, as multiples of the mean.

    Raises
    ------
    InputError : there is no proposal.
    """
    if len(proposals) == 0:
        raise InputError("there is no proposal to weight; the model answered for no patient")
    splits = tuple(splits_of(proposals, profile))
    weights, sweeps = fit(splits, len(proposals), bounds=bounds)
    copies = systematic(weights, n, random)
    start, drawn = np.ones(len(proposals)), copies.astype(float)
    gaps = [
        Gap(*values)
        for split in splits
        for values in zip(
            split.cells,
            split.share.tolist(),
            *(split.shares_of(w)[:-1].tolist() for w in (start, weights, drawn)),
            strict=True,
        )
    ]
    gaps.sort(key=lambda gap: -abs(gap.drawn - gap.published))
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    return Raked(weights, copies, tuple(gaps), sweeps, effective)


def fit(
    splits: Sequence[Split],
    m: int,
    *,
    bounds: tuple[float, float] = (LOWEST, HIGHEST),
    sweeps: int = SWEEPS,
) -> tuple[FloatArray, int]:
    """Iterative proportional fitting with bounded weights.

    Returns
    -------
    (m,) weights with mean 1, and how many sweeps over all splits were made.
    """
    low, high = bounds
    weights = best = np.ones(m)
    smallest = _gap(splits, weights)
    for sweep in range(1, sweeps + 1):
        before = weights
        part = min(1.0, WHOLE_STEPS / sweep)
        for split in splits:
            present = split.shares_of(weights)
            targets = split.targets
            # A group without a proposal cannot be met, nor can a weight be taken to zero.
            ratio = np.where((present > 0) & (targets > 0), targets, 1.0)
            ratio = ratio / np.where((present > 0) & (targets > 0), present, 1.0)
            ratio[(present > 0) & (targets <= 0)] = low / high
            weights = weights * (ratio**part)[split.group]
        weights = _bounded(weights, low, high)
        gap = _gap(splits, weights)
        if gap < smallest:
            best, smallest = weights, gap
        if np.abs(weights / before - 1).max() < TOLERANCE:
            break
    return best, sweep


def _gap(splits: Sequence[Split], weights: FloatArray) -> float:
    """Sum of squared gaps over all published cells."""
    return sum(
        float(((split.shares_of(weights)[:-1] - split.share) ** 2).sum()) for split in splits
    )


def _bounded(weights: FloatArray, low: float, high: float) -> FloatArray:
    """Mean 1 and within the bounds; a few rounds settle both."""
    for _ in range(20):
        weights = np.clip(weights / weights.mean(), low, high)
    return weights


def systematic(weights: FloatArray, n: int, random: np.random.Generator) -> IntArray:
    """Copies of each proposal: systematic sampling in random order.

    Each copy number is ``n w / sum w`` rounded down or up.

    Examples
    --------
    >>> systematic(np.array([1.0, 2.0, 1.0]), 4, np.random.default_rng(0)).tolist()
    [1, 2, 1]
    """
    order = random.permutation(len(weights))
    ends = np.cumsum(weights[order]) * (n / weights.sum())
    points = np.floor(ends - random.random()).astype(np.int64) + 1
    points[-1] = n
    copies = np.empty(len(weights), np.int64)
    copies[order] = np.diff(np.maximum(points, 0), prepend=0)
    return copies


def splits_of(proposals: Cohort, profile: Profile) -> Iterator[Split]:
    """The published margins and tables of a profile, as splits of the proposals."""
    labels = Labels(proposals, profile)
    n = profile.n_units
    for variable in profile.in_order:
        if isinstance(variable, CodeSet):
            yield from _code_set_splits(variable, labels, n)
        else:
            counts = variable.level_counts if isinstance(variable, Numeric) else variable.counts
            index = labels.level(variable)
            names = [f"{variable.name}={level}" for level in variable.levels]
            yield from _split(variable.name, names, index, counts / n)
    for table in profile.tables:
        yield from _table_splits(table.name, table.axes, table.counts / n, labels)


def _code_set_splits(variable: CodeSet, labels: Labels, n: float) -> Iterator[Split]:
    axis = Axis(variable.name, variable.codes)
    yield from _table_splits(variable.name, (axis,), variable.counts / n, labels)
    if variable.main is not None:
        names, counts = variable.codes, variable.main
        if variable.main_unlisted is not None:
            names, counts = (*names, UNLISTED), np.append(counts, variable.main_unlisted)
        axis = Axis(f"{variable.name}.main", names)
        yield from _table_splits(axis.variable, (axis,), counts / n, labels)
    found = labels.codes(variable)
    for facet, histogram, number in (
        ("count", variable.listed, found.count),
        ("unlisted", variable.unlisted, found.unlisted),
        ("total", variable.total, found.count + found.unlisted),
    ):
        if histogram is not None:
            # The last number of a histogram stands for that many or more.
            index = np.minimum(number, len(histogram) - 1)
            names = tuple(f"{variable.name}.{facet}={k}" for k in range(len(histogram)))
            yield from _split(f"{variable.name}.{facet}", names, index, histogram / n)


def _table_splits(
    name: str, axes: tuple[Axis, ...], share: FloatArray, labels: Labels
) -> Iterator[Split]:
    """One split for the axes with one label a unit; one a code, or pair of codes, where not."""
    if len(axes) == 2 and axes[0].variable == axes[1].variable:
        yield from _pair_splits(name, axes, share, labels)
        return
    found = [labels.axis(axis) for axis in axes]
    single = [i for i, side in enumerate(found) if isinstance(side, Single)]
    many = [i for i, side in enumerate(found) if isinstance(side, Many)]
    m = labels.n
    base = np.zeros(m, np.int64)
    inside = np.ones(m, bool)
    for i in single:
        index = found[i].index
        base = base * found[i].size + np.maximum(index, 0)
        inside &= index >= 0
    n_base = int(np.prod([found[i].size for i in single], dtype=int))
    moved = np.moveaxis(share, single, range(len(single)))
    flat = moved.reshape(n_base, -1)
    prefixes = _names([axes[i] for i in single])
    for column, codes in enumerate(np.ndindex(*(found[i].size for i in many))):
        here = inside.copy()
        texts = []
        for i, code in zip(many, codes):
            side = found[i]
            has = np.zeros(m, bool)
            assert isinstance(side, Many)
            has[side.row[side.index == code]] = True
            here &= has
            texts.append(f"{axes[i].variable}={axes[i].labels[code]}")
        names = [" & ".join(filter(None, (prefix, *texts))) for prefix in prefixes]
        yield from _split(name, names, np.where(here, base, -1), flat[:, column])


def _pair_splits(
    name: str, axes: tuple[Axis, ...], share: FloatArray, labels: Labels
) -> Iterator[Split]:
    side = labels.axis(axes[0])
    assert isinstance(side, Many)
    has = np.zeros((labels.n, side.size), bool)
    has[side.row, side.index] = True
    for i, j in combinations(range(side.size), 2):
        if not np.isnan(share[i, j]):
            text = (
                f"{axes[0].variable}={axes[0].labels[i]} & {axes[1].variable}={axes[1].labels[j]}"
            )
            index = np.where(has[:, i] & has[:, j], 0, -1)
            yield from _split(name, [text], index, share[i, j : j + 1])


def _names(axes: Sequence[Axis]) -> list[str]:
    names = [""]
    for axis in axes:
        names = [
            " & ".join(filter(None, (name, f"{axis.variable}={label}")))
            for name in names
            for label in axis.labels
        ]
    return names


def _split(name: str, cells: Sequence[str], index: IntArray, share: FloatArray) -> Iterator[Split]:
    """A split over the cells that are published; nothing where none is."""
    known = np.flatnonzero(~np.isnan(share)).tolist()
    if not known:
        return
    place = np.full(len(share) + 1, len(known), np.int64)  # -1 finds the last: the rest
    place[known] = np.arange(len(known))
    chosen = tuple(cells[i] for i in known)
    yield Split(name, chosen, place[index], np.clip(share[known], 0.0, 1.0))
