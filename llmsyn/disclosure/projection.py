"""Noisy counts made consistent: the nearest tables that some population could have.

Noise breaks every sum, and makes counts negative.  What comes out here minimises
``sum (x - v)^2 / sigma^2`` subject to what holds in any population, block by block: the
number of units; each variable given it; each code set (prevalences, main codes and histograms
together); then tables given their margins (:mod:`~llmsyn.disclosure.table_projection`).  It
reads noisy numbers and public facts only, so the privacy guarantee carries over.

Each block is a least-squares projection onto an intersection of simple convex sets, found by
Dykstra's algorithm (Boyle and Dykstra 1986, doi:10.1007/978-1-4613-9940-7_3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet, FloatArray, Numeric, Variable

BoolArray: TypeAlias = npt.NDArray[np.bool_]
Projection: TypeAlias = Callable[[FloatArray], FloatArray]

ALMOST_NONE = 1e-9
"""Units with a missing value, where noise leaves none but some are possible."""

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
    at_most: BoolArray | bool = False,
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
        moved: FloatArray = x if at_most and gap <= 0 else x - normal * (gap / square)
        return moved

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


def project_variable(variable: Variable, n: float) -> Variable:
    """Levels that sum to ``n``; code sets whose parts agree."""
    if isinstance(variable, CodeSet):
        return project_codes(variable, n)
    if isinstance(variable, Categorical):
        return replace(variable, counts=_simplex(variable.counts, n))
    counts = _simplex(variable.level_counts, n)
    bins = len(variable.counts)
    # A noisy zero does not say that nothing is missing; an exact one would.
    missing = max(float(counts[bins]), ALMOST_NONE) if variable.has_missing else 0.0
    return replace(variable, counts=counts[:bins], missing_count=missing)


def _complete(variable: Variable) -> list[FloatArray]:
    if isinstance(variable, CodeSet):
        histograms = (variable.listed, variable.unlisted, variable.total)
        return [h for h in histograms if h is not None]
    return [variable.level_counts if isinstance(variable, Numeric) else variable.counts]


def _simplex(v: FloatArray, n: float) -> FloatArray:
    low = np.zeros((1, len(v)))
    x: FloatArray = onto_sums(v[None], np.array([n]), low, np.full_like(low, n))[0]
    return x


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
        k: FloatArray = np.arange(at[name].stop - at[name].start, dtype=float)
        return k

    def first(name: str) -> FloatArray:
        none: FloatArray = np.where(numbers(name) == 0, 1.0, 0.0)
        return none

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
