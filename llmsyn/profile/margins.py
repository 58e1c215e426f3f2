"""Published counts of the labels that tables and rules point to.

The one place that knows what a label of an axis stands for in each kind of variable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmsyn.profile.tables import Axis
from llmsyn.profile.terms import parse_range
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import (
    MISSING,
    UNLISTED,
    Categorical,
    CodeSet,
    FloatArray,
    Numeric,
    Variable,
)

FACETS = ("main", "count", "unlisted")

SIGMAS = 4.0
"""Privacy noise beyond this many standard deviations is called a contradiction."""


@dataclass(frozen=True, eq=False)
class Margin:
    """Counts of the labels of an axis.

    Attributes
    ----------
    counts : (n_labels,) NaN where it is not published.
    slack : (n_labels,) how far a count may be from the truth (rounding and noise).
    exclusive : whether a unit has at most one of the labels.
    complete : whether every unit has at least one of them.
    """

    counts: FloatArray
    slack: FloatArray
    exclusive: bool
    complete: bool


def slack_of(half_width: float, sigma: float, n_terms: int = 1) -> float:
    """How far a sum of published counts may be from the truth."""
    return float(half_width * n_terms + SIGMAS * sigma * np.sqrt(n_terms))


def covered_bins(variable: Numeric, label: str) -> npt.NDArray[np.bool_] | None:
    """Which bins a range covers, ``(n_bins,)``; None unless it covers whole bins.

    Values below the first edge count in the first bin and those above the last edge in the
    last, so ``[65,inf)`` covers all bins from 65 on.
    """
    span = parse_range(label)
    if span is None:
        return None
    low, high = variable.edges[:-1], variable.edges[1:]
    inside = (low >= span.low) & (high <= span.high)
    touched = (low < span.high) & (high > span.low)
    return inside if inside.any() and (inside == touched).all() else None


def label_problem(variable: Variable, facet: str | None, label: str) -> str | None:
    """Why a label cannot stand on an axis of that variable; None when it can."""
    if isinstance(variable, Categorical):
        return None if label in variable.levels else f"'{label}' is no level of {variable.name}"
    if isinstance(variable, Numeric):
        if label == MISSING and variable.has_missing:
            return None
        if covered_bins(variable, label) is None:
            return (
                f"'{label}' is no range of {variable.name} that covers whole bins, whose limits "
                f"are {_limits(variable)}"
            )
        return None
    if facet in {"count", "unlisted"}:
        if (span := parse_range(label)) is not None and span.low >= 0:
            return None
        if not (label.isascii() and label.isdigit() and str(int(label)) == label):
            return f"'{label}' is no number of codes"
        histogram = variable.listed if facet == "count" else variable.unlisted
        if histogram is not None and int(label) >= len(histogram):
            return f"'{label}' is beyond the histogram of {variable.name}"
        return None
    if label in variable.codes or (facet == "main" and label == UNLISTED):
        return None
    return f"'{label}' is no listed code of {variable.name}"


def margin_of(profile: Profile, axis: Axis) -> Margin:
    """Published counts of the labels of an axis, all of which the profile must know.

    Parameters
    ----------
    profile : whose variables are looked up.
    axis : of a table.
    """
    variable = profile[axis.variable]
    if isinstance(variable, Categorical):
        where = [variable.levels.index(label) for label in axis.labels]
        complete = set(where) == set(range(len(variable.levels)))
        return _margin(variable.counts[where], variable, np.ones(len(where)), True, complete)
    if isinstance(variable, Numeric):
        return _numeric(variable, axis)
    return _codes(variable, axis)


def cover_of(variable: Variable, axis: Axis) -> FloatArray | None:
    """Which levels of a variable, or numbers of codes, each label of an axis covers.

    Returns
    -------
    (n_labels, n_levels) of zeros and ones, levels in the variable's order (a numeric variable
    has its missing level last, whether units are missing or not); None for codes and main
    codes, and for numbers of codes without a histogram.
    """
    if isinstance(variable, Categorical):
        where = [variable.levels.index(label) for label in axis.labels]
        return np.eye(len(variable.levels))[where]
    if isinstance(variable, Numeric):
        cover = np.zeros((len(axis.labels), len(variable.counts) + 1))
        for i, label in enumerate(axis.labels):
            bins = covered_bins(variable, label)
            if bins is None:
                cover[i, -1] = 1
            else:
                cover[i, :-1] = bins
        return cover
    histogram = variable.listed if axis.facet == "count" else variable.unlisted
    if axis.facet not in {"count", "unlisted"} or histogram is None:
        return None
    return np.array([_numbers(label, len(histogram)) for label in axis.labels])


def _numeric(variable: Numeric, axis: Axis) -> Margin:
    cover = cover_of(variable, axis)
    assert cover is not None
    counts = np.append(variable.counts, variable.missing_count)
    unknown = np.isnan(counts)
    sums = cover @ np.where(unknown, 0, counts)
    sums[(cover @ unknown) > 0] = np.nan
    reached = cover.sum(0)
    complete = bool((reached[:-1] == 1).all()) and (reached[-1] == 1 or not variable.has_missing)
    return _margin(sums, variable, cover.sum(1), True, complete)


def _codes(variable: CodeSet, axis: Axis) -> Margin:
    n_labels = len(axis.labels)
    ones = np.ones(n_labels)
    if axis.facet in {"count", "unlisted"}:
        histogram = variable.listed if axis.facet == "count" else variable.unlisted
        if histogram is None:
            return _margin(np.full(n_labels, np.nan), variable, ones, True, False)
        cover = cover_of(variable, axis)
        assert cover is not None
        complete = bool((cover.sum(0) == 1).all())
        sums = cover @ np.where(np.isnan(histogram), 0.0, histogram)
        sums[(cover @ np.isnan(histogram)) > 0] = np.nan
        if np.isnan(histogram).any():  # a tail is kept back, so the last number is not the last
            beyond = [_last_number(label) >= len(histogram) for label in axis.labels]
            sums[np.array(beyond)] = np.nan
        return _margin(sums, variable, np.maximum(cover.sum(1), 1.0), True, complete)
    rank = {code: i for i, code in enumerate(variable.codes)}
    if axis.facet == "main":
        unknown = np.full(len(rank), np.nan)
        last = np.nan if variable.main_unlisted is None else variable.main_unlisted
        values = np.append(unknown if variable.main is None else variable.main, last)
        where = np.array([rank.get(label, len(rank)) for label in axis.labels])
        # Units without any code have no main code, so the labels are never known to be all.
        return _margin(values[where], variable, ones, True, False)
    where = np.array([rank[label] for label in axis.labels])
    return _margin(variable.counts[where], variable, ones, False, False)


def _last_number(label: str) -> float:
    span = parse_range(label)
    return float(label) if span is None else span.high - 1


def _numbers(label: str, size: int) -> FloatArray:
    """Which numbers of codes a label covers: one number, or a range of them."""
    span, number = parse_range(label), np.arange(size)
    if span is None:
        return np.asarray(number == int(label), float)
    return np.asarray((number >= span.low) & (number < span.high), float)


def _margin(
    counts: FloatArray, variable: Variable, n_terms: FloatArray, exclusive: bool, complete: bool
) -> Margin:
    slack = np.array([slack_of(variable.half_width, variable.sigma, int(k)) for k in n_terms])
    return Margin(np.asarray(counts, dtype=float), slack, exclusive, complete)


def _limits(variable: Numeric) -> str:
    edges = [f"{edge:g}" for edge in variable.edges]
    return ", ".join(edges if len(edges) <= 12 else [*edges[:10], "...", edges[-1]])
