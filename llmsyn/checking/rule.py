"""The check rule: how far a count may lie from what is published before it counts as missed.

For one cell with published share *p*, counted *c* times among *n* independent units:

* Rounding makes *p* an interval; the point of it nearest to *c / n* is taken.
* 50 or more expected (and 50 or more not): ``z = (c - n p) / sqrt(n p (1 - p))``.
* Fewer: the exact binomial tail, doubled, as the *z* with the same two-sided probability.
* Privacy noise (``sigma``) is part of what may differ: its variance is added, and exact
  tails are averaged over it.
* For *m* cells the limit is ``Phi^-1(1 - 0.01 / (2 m))``: one false alarm in a hundred runs.

What this does *not* know: units that come in groups (stays of one patient) vary more than
independent ones.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special, stats

from llmsyn.profile.variables import FloatArray

FALSE_ALARMS = 0.01
"""Share of runs that may alarm when nothing is wrong."""

EXACT_BELOW = 50
"""Expected units below which the exact binomial is used."""

EVIDENCE_FROM = 5
"""Expected units from which a cell enters the mean of z squared."""

MEAN_Z2_RANGE = (0.8, 1.2)
"""Accepted mean of z squared where there are enough cells."""

_PER_INDEPENDENT = 10  # cells of tables that count as one independent cell
_NODES = 48  # Gauss-Hermite nodes for the average over privacy noise


def z_limit(n_cells: int, false_alarms: float = FALSE_ALARMS) -> float:
    """The largest |z| that ``n_cells`` cells may show.

    Examples
    --------
    >>> round(z_limit(5000), 2)
    4.75
    """
    return float(stats.norm.isf(false_alarms / (2 * max(n_cells, 1))))


def nearest_share(count: FloatArray, n: int, share: FloatArray, half_width: FloatArray) -> Any:
    """The point of each published interval that is nearest to what was counted."""
    low = np.clip(share - half_width, 0.0, 1.0)
    high = np.clip(share + half_width, 0.0, 1.0)
    return np.clip(count / n, low, high)


def z_scores(
    count: FloatArray, n: int, share: FloatArray, half_width: FloatArray, sigma: FloatArray
) -> FloatArray:
    """One z a cell; all arrays ``(m,)``.

    Parameters
    ----------
    count : units counted, 0..n.
    n : units of the cohort.
    share, half_width, sigma : published share and its precision, as shares of the units.

    Returns
    -------
    (m,) z; infinite where a share of exactly 0 or 1 is missed by a single unit.

    Examples
    --------
    >>> zero = np.zeros(1)
    >>> z_scores(np.array([1300.0]), 10_000, np.array([0.12]), zero, zero).round(3)
    array([3.077])
    """
    p = nearest_share(count, n, share, half_width)
    z = _normal(count, n, p, sigma)
    few = (n * np.minimum(p, 1 - p) < EXACT_BELOW) & (p > 0) & (p < 1)
    few |= (sigma > 0) & (n * np.minimum(p, 1 - p) < EXACT_BELOW)
    if few.any():
        z[few] = _exact(count[few], n, p[few], sigma[few])
    return z


def pearson(count: FloatArray, n: int, share: FloatArray) -> FloatArray:
    """``(c - n p) / sqrt(n p (1 - p))``; its square has mean 1 for any binomial count."""
    return _normal(count, n, share, np.zeros(len(count)))


def _normal(count: FloatArray, n: int, p: FloatArray, sigma: FloatArray) -> FloatArray:
    spread = np.sqrt(n * p * (1 - p) + (n * sigma) ** 2)
    gap = count - n * p
    missed = np.where(np.abs(gap) < 1e-9 * n, 0.0, np.copysign(np.inf, gap))
    with np.errstate(divide="ignore", invalid="ignore"):
        z: FloatArray = np.where(spread > 0, gap / spread, missed)
    return z


def _exact(count: FloatArray, n: int, p: FloatArray, sigma: FloatArray) -> FloatArray:
    """The z of the smaller binomial tail, averaged over the noise of p where there is some."""
    z = np.empty(len(count))
    sure = sigma <= 0
    z[sure] = _z_of_tails(*_tails(count[sure], n, p[sure]))
    if (~sure).any():
        nodes, weights = np.polynomial.hermite.hermgauss(_NODES)
        shifted = np.clip(p[~sure, None] + math.sqrt(2) * sigma[~sure, None] * nodes, 0.0, 1.0)
        below, above = _tails(np.broadcast_to(count[~sure, None], shifted.shape), n, shifted)
        weights = weights / weights.sum()
        z[~sure] = _z_of_tails(below @ weights, above @ weights)
    return z


def _tails(count: FloatArray, n: int, p: FloatArray) -> tuple[FloatArray, FloatArray]:
    """P(X <= c) and P(X >= c) of a binomial count."""
    c = np.round(count)
    below = np.where(c >= n, 1.0, special.bdtr(np.minimum(c, n - 1), n, p))
    above = np.where(c <= 0, 1.0, special.bdtrc(np.maximum(c - 1, 0), n, p))
    return below, above


def _z_of_tails(below: FloatArray, above: FloatArray) -> FloatArray:
    tail = np.minimum(np.minimum(below, above), 0.5)  # doubled, it is at most 1
    size: FloatArray = np.where(tail >= 0.5, 0.0, -special.ndtri(tail))
    return np.where(below < above, -size, size)


def independent_cells(first_order: int, of_tables: int) -> int:
    """How many independent cells a mean over dependent ones varies like, cautiously.

    Cells of tables share their units with their margins and with each other, so most say
    little of their own.  In simulated lists of codes with an uneven burden (80 codes, 6.4 a
    unit), 3,120 pairs and 112 other cells varied like 490; one in ten is counted.
    """
    return max(first_order + of_tables // _PER_INDEPENDENT, 1)


def mean_z2_range(n_independent: int) -> tuple[float, float]:
    """Accepted mean of z squared for that many independent cells.

    ``MEAN_Z2_RANGE``, widened to the chi-square quantiles that hold 99% of runs where there
    are too few cells for it.

    Examples
    --------
    >>> mean_z2_range(2000)
    (0.8, 1.2)
    >>> [round(x, 2) for x in mean_z2_range(20)]
    [0.37, 2.0]
    """
    if n_independent < 1:
        return 0.0, math.inf
    tail = FALSE_ALARMS / 2
    low = float(stats.chi2.ppf(tail, n_independent)) / n_independent
    high = float(stats.chi2.isf(tail, n_independent)) / n_independent
    return min(MEAN_Z2_RANGE[0], low), max(MEAN_Z2_RANGE[1], high)
