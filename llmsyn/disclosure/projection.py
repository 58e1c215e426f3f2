"""Noisy counts made consistent: the nearest tables that some population could have.

Noise breaks every sum, and makes counts negative.  What comes out here minimises
``sum (x - v)^2 / sigma^2`` subject to what holds in any population, block by block: the
number of units; each variable given it; each code set (prevalences, main codes and histograms
together); then tables, smaller ones first, given their margins.  It reads noisy numbers and
public facts only, so the privacy guarantee carries over.

Each block is a least-squares projection onto an intersection of simple convex sets, found by
Dykstra's algorithm (Boyle and Dykstra 1986, doi:10.1007/978-1-4613-9940-7_3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from llmsyn.profile.margins import Margin, margin_of
from llmsyn.profile.tables import Table
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet, FloatArray, Numeric, Variable

Projection = Callable[[FloatArray], FloatArray]

_ROUNDS = 3000
_CLOSE = 1e-7  # of the units: change of a round at which it stops
_BISECTIONS = 60


def dykstra(start: FloatArray, projections: Sequence[Projection], scale: float) -> FloatArray:
    """The point nearest to ``start`` in the intersection of convex sets.

    Parameters
    ----------
    start : any shape.
    projections : nearest point of each set.
    scale : size of the numbers; rounds end when nothing moves by more than 1e-7 of it.
    """
    x = start
    if len(projections) == 1:
        return projections[0](x)
    owed = [np.zeros_like(start) for _ in projections]
    for _ in range(_ROUNDS):
        moved = 0.0
        for i, project in enumerate(projections):
            before = x + owed[i]
            after = project(before)
            owed[i] = before - after
            moved = max(moved, float(np.abs(after - x).max(initial=0.0)))
            x = after
        if moved <= _CLOSE * scale:
            break
    return x


def onto_sums(
    v: FloatArray,
    total: FloatArray,
    low: FloatArray,
    high: FloatArray,
    at_most: FloatArray | bool = False,
) -> FloatArray:
    """Nearest rows with ``low <= x <= high`` and a given sum.

    Parameters
    ----------
    v, low, high : (n_rows, n), NaN nowhere.
    total : (n_rows,) sum of each row; clipped to what the bounds allow.
    at_most : (n_rows,) whether a row may also sum to less.

    Examples
    --------
    >>> v = np.array([[5.0, -1.0, 3.0]])
    >>> onto_sums(v, np.array([6.0]), np.zeros((1, 3)), np.full((1, 3), 10.0)).round(6)
    array([[4., 0., 2.]])
    """
    total = np.clip(total, low.sum(1), np.maximum(high, low).sum(1))
    span = np.abs(v).max(1, initial=0.0) + np.maximum(np.abs(high), np.abs(low)).max(1, initial=0.0)
    left, right = -span - 1, span + 1
    for _ in range(_BISECTIONS):
        shift = (left + right) / 2
        above = np.clip(v - shift[:, None], low, high).sum(1) > total
        left, right = np.where(above, shift, left), np.where(above, right, shift)
    shift = (left + right) / 2
    free = np.asarray(at_most) & (np.clip(v, low, high).sum(1) <= total)
    x: FloatArray = np.clip(v - np.where(free, 0.0, shift)[:, None], low, high)
    return x


def onto_plane(normal: FloatArray, target: float, *, at_most: bool = False) -> Projection:
    """Projection onto ``normal @ x = target`` (or ``<=``)."""
    square = float(normal @ normal)

    def project(x: FloatArray) -> FloatArray:
        gap = float(normal @ x) - target
        return x if at_most and gap <= 0 else x - normal * (gap / square)

    return project


def best_size(profile: Profile, noisy: float | None, sigma: float) -> float:
    """Number of units from its own noisy count and every noisy array that sums to it.

    Weighted by precision (the best linear unbiased estimate), to the next whole number from
    1 up; ``noisy`` None leaves ``profile.n_units`` as it is (a public number).
    """
    if noisy is None:
        return profile.n_units
    sums, weights = [noisy], [1 / sigma**2]
    for variable in profile.variables:
        for array in _complete(variable):
            sums.append(float(array.sum()))
            weights.append(1 / (len(array) * variable.sigma**2))
    return max(1.0, float(np.round(np.average(sums, weights=weights))))


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


def project_variable(variable: Variable, n: float) -> Variable:
    """Levels that sum to ``n``; code sets whose parts agree."""
    if isinstance(variable, CodeSet):
        return project_codes(variable, n)
    if isinstance(variable, Categorical):
        return replace(variable, counts=_simplex(variable.counts, n))
    counts = _simplex(variable.level_counts, n)
    bins = len(variable.counts)
    missing = float(counts[bins]) if variable.has_missing else 0.0
    return replace(variable, counts=counts[:bins], missing_count=missing)


def _complete(variable: Variable) -> list[FloatArray]:
    if isinstance(variable, CodeSet):
        histograms = (variable.listed, variable.unlisted, variable.total)
        return [h for h in histograms if h is not None]
    return [variable.level_counts if isinstance(variable, Numeric) else variable.counts]


def _simplex(v: FloatArray, n: float) -> FloatArray:
    low = np.zeros((1, len(v)))
    return onto_sums(v[None], np.array([n]), low, np.full_like(low, n))[0]


def project_codes(codes: CodeSet, n: float) -> CodeSet:
    """A code set whose histograms sum to ``n`` and have the prevalences' mean.

    All of its arrays carry the same noise, so the projection is unweighted.  Held: every
    count within 0..n; main code within any code; no prevalence above the units with a code;
    histogram means that agree with the sum of prevalences (and with each other).
    """
    parts: dict[str, FloatArray] = {"counts": codes.counts}
    for name in ("main", "listed", "unlisted", "total"):
        array = getattr(codes, name)
        if array is not None:
            parts[name] = array
    if codes.main_unlisted is not None:
        parts["main_unlisted"] = np.array([codes.main_unlisted])
    ends = np.cumsum([len(a) for a in parts.values()])
    at = {name: slice(int(e) - len(a), int(e)) for (name, a), e in zip(parts.items(), ends)}
    x = dykstra(np.concatenate(list(parts.values())), _code_constraints(at, int(ends[-1]), n), n)
    x = np.clip(x, 0.0, n)  # rounding of the last round
    found = {name: x[where] for name, where in at.items()}
    total, listed, unlisted = (found.get(k) for k in ("total", "listed", "unlisted"))
    per_unit = None
    if codes.unlisted_per_unit is not None:
        if unlisted is not None:
            per_unit = float(unlisted @ np.arange(len(unlisted))) / n
        elif total is not None:
            per_unit = max(0.0, float(total @ np.arange(len(total)) - found["counts"].sum())) / n
    return replace(
        codes,
        counts=found["counts"],
        main=found.get("main"),
        main_unlisted=float(found["main_unlisted"][0]) if "main_unlisted" in found else None,
        listed=listed,
        unlisted=unlisted,
        total=total,
        unlisted_per_unit=per_unit,
    )


def _code_constraints(at: Mapping[str, slice], size: int, n: float) -> list[Projection]:
    def row(**weights: FloatArray | float) -> FloatArray:
        normal = np.zeros(size)
        for name, weight in weights.items():
            normal[at[name]] = weight
        return normal

    def numbers(name: str) -> FloatArray:
        return np.arange(at[name].stop - at[name].start, dtype=float)

    def first(name: str) -> FloatArray:
        return (numbers(name) == 0).astype(float)

    sets: list[Projection] = []
    if "listed" in at:
        sets.append(onto_plane(row(listed=numbers("listed"), counts=-1.0), 0.0))
        sets.append(_below_units_with_codes(at, n))
        if "main" in at:
            sets.append(onto_plane(row(main=1.0, listed=first("listed")), n, at_most=True))
    elif "total" in at:
        sets.append(onto_plane(row(total=-numbers("total"), counts=1.0), 0.0, at_most=True))
    if {"total", "listed", "unlisted"} <= at.keys():
        both = row(total=numbers("total"), listed=-numbers("listed"), unlisted=-numbers("unlisted"))
        sets.append(onto_plane(both, 0.0))
    if "main" in at:
        every = row(main=1.0, **({"main_unlisted": 1.0} if "main_unlisted" in at else {}))
        sets.append(onto_plane(every, n, at_most=True))
    if "main_unlisted" in at and "unlisted" in at:
        normal = row(main_unlisted=1.0, unlisted=first("unlisted"))
        sets.append(onto_plane(normal, n, at_most=True))
    for name in ("listed", "unlisted", "total"):
        if name in at:
            sets.append(_histogram(at[name], n))
    sets.append(_main_within_any(at, n))
    return sets


def _histogram(where: slice, n: float) -> Projection:
    def project(x: FloatArray) -> FloatArray:
        x = x.copy()
        x[where] = _simplex(x[where], n)
        return x

    return project


def _main_within_any(at: Mapping[str, slice], n: float) -> Projection:
    """0 <= main <= any <= n, and 0 <= main code unlisted <= n."""

    def project(x: FloatArray) -> FloatArray:
        x = x.copy()
        if "main" in at:
            any_code, main = x[at["counts"]], x[at["main"]]
            middle = (any_code + main) / 2
            crossed = main > any_code
            x[at["counts"]] = np.where(crossed, middle, any_code)
            x[at["main"]] = np.clip(np.where(crossed, middle, main), 0.0, n)
        if "main_unlisted" in at:
            x[at["main_unlisted"]] = np.clip(x[at["main_unlisted"]], 0.0, n)
        x[at["counts"]] = np.clip(x[at["counts"]], 0.0, n)
        return x

    return project


def _below_units_with_codes(at: Mapping[str, slice], n: float) -> Projection:
    """No prevalence above ``n`` less the units without a listed code."""

    def project(x: FloatArray) -> FloatArray:
        none, counts = float(x[at["listed"].start]), x[at["counts"]]
        if not len(counts) or counts.max() <= n - none:
            return x
        low, high = n - none, float(counts.max())  # the common bound t lies between
        for _ in range(_BISECTIONS):
            t = (low + high) / 2
            # Derivative of (n - t - none)^2 + sum of (count - t)^2 over counts above t.
            falling = (t - (n - none)) < np.maximum(counts - t, 0.0).sum()
            low, high = (t, high) if falling else (low, t)
        x = x.copy()
        x[at["listed"].start] = n - high
        x[at["counts"]] = np.minimum(counts, high)
        return x

    return project


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
    sets = []
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
    known: FloatArray,
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

    used = flat(known)
    floor, ceiling = flat(low) * used, flat(high) * used
    at_most = ~used.all(1) | (not equal)

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
