"""Noisy tables made consistent with their margins; the second half of the projection.

Smaller tables first: they are margins of larger ones.  A cell lies within its Frechet bounds,
cells add up to their margins, and pairs of codes to what the histogram of codes says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from llmsyn.disclosure.projection import (
    BoolArray,
    Projection,
    dykstra,
    onto_sums,
    project_variable,
)
from llmsyn.profile.margins import Margin, margin_of
from llmsyn.profile.tables import Table
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet, FloatArray


def project_profile(profile: Profile) -> Profile:
    """The nearest consistent profile with the same ``n_units``.

    Parameters
    ----------
    profile : noisy counts; ``sigma`` of each variable and table is that of its noise.
    """
    variables = tuple(project_variable(v, profile.n_units) for v in profile.variables)
    done = replace(profile, variables=variables, tables=())
    tables: dict[int, Table] = {}
    order = sorted(range(len(profile.tables)), key=lambda i: len(profile.tables[i].axes))
    for i in order:
        tables[i] = project_table(profile.tables[i], done, list(tables.values()))
    return replace(done, tables=tuple(tables[i] for i in range(len(profile.tables))))


def project_table(table: Table, profile: Profile, earlier: Sequence[Table] = ()) -> Table:
    """The nearest table whose sums are its margins, cell by cell within their bounds.

    Parameters
    ----------
    table : noisy counts, NaN where nothing is released.
    profile : its variables are consistent already, and are not changed.
    earlier : consistent tables with fewer axes; those over some of this table's axes are
        margins too.
    """
    margins = [margin_of(profile, axis) for axis in table.axes]
    low, high = _bounds(table, margins, profile.n_units)
    known = ~np.isnan(table.counts)
    if table.is_pairs:
        return replace(table, counts=_project_pairs(table, profile, low, high))
    sets: list[Projection] = []
    covered: list[tuple[int, ...]] = []
    for summed in _subsets(len(table.axes)):
        if any(set(c) <= set(summed) for c in covered):
            continue  # follows from the smaller sum
        total, equal = _sum_over(table, profile, margins, earlier, summed)
        if total is not None:
            sets.append(_fibres(known, summed, total, equal, low, high))
            covered.append(summed)
    start = np.where(known, table.counts, 0.0)
    sets.append(lambda x: np.clip(x, low, high))
    x = dykstra(start, sets, profile.n_units)
    return replace(table, counts=np.where(known, np.clip(x, low, high), np.nan))


def _bounds(table: Table, margins: list[Margin], n: float) -> tuple[FloatArray, FloatArray]:
    """Frechet bounds of each cell."""
    d = len(margins)
    grids = [
        np.where(np.isnan(m.counts), n, m.counts).reshape([-1 if k == i else 1 for k in range(d)])
        for i, m in enumerate(margins)
    ]
    unknown = any(np.isnan(m.counts).any() for m in margins)
    high = np.minimum.reduce(np.broadcast_arrays(*grids))
    low = np.zeros_like(high) if unknown else np.maximum(sum(grids) - (d - 1) * n, 0.0)
    return low, np.maximum(high, low)


def _subsets(d: int) -> list[tuple[int, ...]]:
    return [c for size in range(1, d) for c in combinations(range(d), size)]


def _sum_over(
    table: Table,
    profile: Profile,
    margins: list[Margin],
    earlier: Sequence[Table],
    summed: tuple[int, ...],
) -> tuple[FloatArray | None, bool]:
    """What the sums over some axes must be, and whether exactly (else: at most)."""
    rest = [i for i in range(len(table.axes)) if i not in summed]
    left = [table.axes[i] for i in rest]
    if not all(margins[i].exclusive for i in summed):
        axis = table.axes[summed[0]]
        variable = profile[axis.variable]
        if (
            len(summed) == len(left) == 1
            and isinstance(variable, CodeSet)
            and left[0].variable == f"{axis.variable}.count"
            and set(axis.labels) == set(variable.codes)
        ):  # units with k codes stand in k cells
            return margins[rest[0]].counts * np.array([int(k) for k in left[0].labels]), True
        return None, False
    equal = all(margins[i].complete for i in summed)
    if len(left) == 1:
        counts = margins[rest[0]].counts
        return (None, False) if np.isnan(counts).any() else (counts, equal)
    for other in earlier:
        if set(other.axes) == set(left) and not np.isnan(other.counts).any():
            return np.transpose(other.counts, [other.axes.index(a) for a in left]), equal
    return None, False


def _fibres(
    known: BoolArray,
    summed: tuple[int, ...],
    total: FloatArray,
    equal: bool,
    low: FloatArray,
    high: FloatArray,
) -> Projection:
    """Projection onto given sums over some axes; cells that are not released take the rest."""
    front = tuple(i for i in range(known.ndim) if i not in summed)
    order = (*front, *summed)
    back = np.argsort(order)
    shape = [known.shape[i] for i in order]
    rows = int(np.prod(shape[: len(front)]))

    def flat(x: FloatArray) -> FloatArray:
        return np.transpose(x, order).reshape(rows, -1)

    used = flat(known.astype(float)) > 0
    floor, ceiling = flat(low) * used, flat(high) * used
    at_most: BoolArray = np.ones(rows, bool)
    if equal:
        at_most[used.all(axis=1)] = False

    def project(x: FloatArray) -> FloatArray:
        rows_x = onto_sums(flat(x) * used, total.ravel(), floor, ceiling, at_most)
        moved: FloatArray = np.transpose(rows_x.reshape(shape), back)
        return np.where(known, moved, x)

    return project


def _project_pairs(table: Table, profile: Profile, low: FloatArray, high: FloatArray) -> FloatArray:
    """Pairs within their bounds; all of them are what the histogram of codes says."""
    i, j = np.triu_indices(len(table.counts), 1)
    asked = ~np.isnan(table.counts[i, j])
    i, j = i[asked], j[asked]
    v, floor, ceiling = table.counts[i, j], low[i, j], high[i, j]
    codes = profile[table.axes[0].variable]
    if isinstance(codes, CodeSet) and codes.listed is not None and len(v):
        k = np.arange(len(codes.listed))
        total = np.array([float(codes.listed @ (k * (k - 1) / 2))])
        m = len(codes.codes)
        every = len(table.axes[0].labels) == m and len(v) == m * (m - 1) // 2
        x = onto_sums(v[None], total, floor[None], ceiling[None], at_most=not every)[0]
    else:
        x = np.clip(v, floor, ceiling)
    counts = np.full_like(table.counts, np.nan)
    counts[i, j] = counts[j, i] = x
    return counts
