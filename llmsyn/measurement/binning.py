"""Bins of a number whose edges tell nothing about a few patients."""

from __future__ import annotations

import numpy as np

from llmsyn.cohort.mapping import NumericSpec
from llmsyn.measurement.labels import IntArray
from llmsyn.profile.variables import FloatArray

OWN_BIN = 20
"""Up to so many distinct values, each gets a bin of its own."""


def choose_edges(
    spec: NumericSpec, value: FloatArray, patient: IntArray, *, threshold: int, max_bins: int
) -> FloatArray:
    """Edges of bins that hold at least ``threshold`` distinct patients each.

    The first edge is a value that at least ``threshold`` patients are at or below, the last
    bin begins at one that as many are at or above: what lies beyond is coded into these bins,
    and the smallest and largest value are not told.  Edges, ``top`` and ``bottom`` of the
    mapping are public, so they are taken as they are.

    Parameters
    ----------
    spec : of the variable.
    value, patient : ``(n,)`` value of each unit that has one, and its patient.
    threshold : least number of distinct patients in a bin.
    max_bins : how many bins more than ``OWN_BIN`` distinct values get.

    Returns
    -------
    ``(n_bins + 1,)`` increasing, on the grid of the variable's decimals; one bin where the
    patients are too few for two.

    Examples
    --------
    >>> spec = NumericSpec(name="visits", stage="s", kind="numeric", column="visits")
    >>> value = np.repeat([0.0, 1, 2, 7], [30, 20, 9, 3])
    >>> choose_edges(spec, value, np.arange(62), threshold=11, max_bins=20).tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    step = 10.0**-spec.decimals
    if spec.edges:
        return _thick(np.array(spec.edges), value, patient, threshold)
    low, high = _tails(spec, value, patient, threshold)
    coded = np.clip(value, low, high)
    cuts = np.unique(coded)
    if len(cuts) > OWN_BIN:
        cuts = _quantile_cuts(coded, max_bins)
    end = np.round(high + step, spec.decimals)
    edges = np.unique(np.concatenate([[low], cuts, [end]]))
    return _thick(edges, coded, patient, threshold)


def coarse(counts: IntArray, n_ranges: int) -> list[int]:
    """Where to cut bins into few ranges of about equal weight.

    Parameters
    ----------
    counts : ``(n_bins,)`` units.
    n_ranges : at most so many.

    Returns
    -------
    First bin of each range, beginning with 0.

    Examples
    --------
    >>> coarse(np.array([60, 10, 10, 10, 10]), n_ranges=3)
    [0, 1, 2]
    >>> coarse(np.array([20, 20, 20, 20, 20]), n_ranges=5)
    [0, 1, 2, 3, 4]
    """
    below = np.concatenate([[0], np.cumsum(counts)[:-1]])
    goals = counts.sum() * np.arange(1, n_ranges) / n_ranges
    return sorted({0, *(int(np.abs(below - goal).argmin()) for goal in goals)})


def _quantile_cuts(value: FloatArray, max_bins: int) -> FloatArray:
    """Cut points that occur, so that they lie on the grid.

    A value that fills a bin on its own gets one; the others share what bins are left, or the
    bulk at zero visits would leave a single bin for everybody else.
    """
    distinct, counts = np.unique(value, return_counts=True)
    heavy = np.flatnonzero(counts >= len(value) / max_bins)
    alone = np.concatenate([heavy, heavy + 1])
    rest = np.sort(value[~np.isin(value, distinct[heavy])])
    left = max(max_bins - len(heavy), 2)
    spread = np.quantile(rest, np.arange(left) / left, method="inverted_cdf") if len(rest) else rest
    return np.union1d(distinct[alone[alone < len(distinct)]], spread)


def _tails(
    spec: NumericSpec, value: FloatArray, patient: IntArray, threshold: int
) -> tuple[float, float]:
    low = _tail(value, patient, threshold) if spec.bottom is None else spec.bottom
    high = -_tail(-value, patient, threshold) if spec.top is None else spec.top
    # Fewer than two tails of patients: the tails overlap, and there will be one bin.
    return min(low, high), max(low, high)


def _tail(value: FloatArray, patient: IntArray, threshold: int) -> float:
    """Smallest value that ``threshold`` distinct patients are at or below."""
    order = np.argsort(value, kind="stable")
    _, first = np.unique(patient[order], return_index=True)
    reached = np.sort(value[order][first])  # each patient's own smallest value
    return float(reached[min(threshold, len(reached)) - 1])


def _thick(edges: FloatArray, value: FloatArray, patient: IntArray, threshold: int) -> FloatArray:
    """Edges of merged bins, each with enough distinct patients; the two outer edges stay."""
    bin_of = np.searchsorted(edges[1:-1], value, side="right")
    pairs = np.unique(np.stack([bin_of, patient]), axis=1)
    members = np.split(pairs[1], np.searchsorted(pairs[0], np.arange(1, len(edges) - 1)))
    kept, inside = [float(edges[0])], set[int]()
    for i, people in enumerate(members):
        inside.update(people.tolist())
        if len(inside) >= threshold:
            kept.append(float(edges[i + 1]))
            inside = set()
    if inside or kept[-1] < edges[-1]:
        # What is left at the end is too thin for a bin of its own.
        kept = [*kept[:-1], float(edges[-1])] if len(kept) > 1 else [kept[0], float(edges[-1])]
    return np.array(kept)
