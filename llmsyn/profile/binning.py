"""A number that is published by quantiles, or by mean and standard deviation, as bins.

Both are assumptions, and the variable says so in its ``basis``:

* between two published quantiles, units are spread evenly (``basis = "quantiles"``);
* mean and standard deviation are those of a normal distribution cut off at ``low`` and
  ``high``, whose parameters are chosen so that they hold after the cut (``"mean_sd"``).
"""

from __future__ import annotations

import numpy as np

from llmsyn.profile.variables import FloatArray

MAX_BINS = 20
"""Bins of equal width for a mean and standard deviation: as many as age tables have."""

_CORE = 4.0  # standard deviations within which bins are narrow
_POINTS = 4000  # of the density; an error of 1e-6 in a bin's share
_REACH = 10.0  # standard deviations beyond which the density is nothing


def bins_from_quantiles(
    quantiles: FloatArray, values: FloatArray, n: float, decimals: int
) -> tuple[FloatArray, FloatArray, float]:
    """Edges, counts and half-width of the bins between quantiles.

    Parameters
    ----------
    quantiles : (k,) increasing from 0 to 1.
    values : (k,) increasing.
    n : units that have a value.
    decimals : of the variable; a value stands for its rounding interval.

    Returns
    -------
    edges : (k,)
    counts : (k - 1,)
    half_width : units that may lie on the other side of two cut points that are rounded.

    Examples
    --------
    >>> edges, counts, _ = bins_from_quantiles(
    ...     np.array([0, 0.5, 1]), np.array([18.0, 60.0, 90.0]), 200, 0)
    >>> edges.tolist(), counts.tolist()
    ([18.0, 60.0, 90.0], [100.0, 100.0])
    """
    counts = np.diff(quantiles) * n
    per_step = counts / np.diff(values) * 10.0**-decimals
    return values, counts, float(np.minimum(counts, per_step).max())


def bins_from_mean_sd(
    mean: float, sd: float, low: float, high: float, n: float, decimals: int
) -> tuple[FloatArray, FloatArray]:
    """Edges and counts of a truncated normal distribution with that mean and sd.

    Parameters
    ----------
    mean, sd : of the values as published, all of which lie in ``[low, high]``.
    low, high : smallest and largest possible value.
    n : units that have a value.
    decimals : of the variable; no bin is narrower than its grid.

    Returns
    -------
    edges : (n_bins + 1,) from ``low`` to ``high``: equal steps of a round number within four
        standard deviations, steps that double beyond.
    counts : (n_bins,)

    Raises
    ------
    ValueError : no truncated normal distribution has that mean and sd.

    Examples
    --------
    >>> edges, counts = bins_from_mean_sd(50, 10, 0, 100, 1000, 0)
    >>> edges[:4].tolist(), counts[:4].round(1).tolist(), counts.sum().round()
    ([0.0, 5.0, 10.0, 15.0], [0.0, 0.0, 0.2, 1.1], np.float64(1000.0))
    """
    if not low < mean < high:
        raise ValueError(f"mean {mean:g} does not lie between low {low:g} and high {high:g}")
    core = max(low, mean - _CORE * sd), min(high, mean + _CORE * sd)
    middle = _round_numbers(*core, decimals)
    if len(middle) < 2:
        raise ValueError(f"sd {sd:g} is too small for values with {decimals} decimals")
    step = middle[1] - middle[0]
    # Beyond, bins double in width: the tails are thin and go on for long.
    tail = step * (2.0 ** np.arange(1, 40) - 1)
    edges = np.concatenate([[low], middle[0] - tail, middle, middle[-1] + tail, [high]])
    edges = np.unique(edges[(edges >= low) & (edges <= high)].round(decimals))
    x, density = _truncated_normal(mean, sd, low, high)
    below = np.concatenate([[0.0], np.cumsum(density)])
    borders = np.concatenate([x - (x[1] - x[0]) / 2, [x[-1] + (x[1] - x[0]) / 2]])
    return edges, np.diff(np.interp(edges, borders, below, left=0.0, right=1.0)) * n


def _round_numbers(low: float, high: float, decimals: int) -> FloatArray:
    """At most 21 round numbers from ``low`` to ``high`` (steps 1, 2, 5, 10, 20, ...)."""
    step = 10.0**-decimals
    while (high - low) / step > MAX_BINS + 1e-6:
        lead = step / 10 ** np.floor(np.log10(step) + 1e-9)
        step *= 2.5 if round(lead) == 2 else 2.0
    numbers: FloatArray = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    return numbers.round(decimals)


def _truncated_normal(
    mean: float, sd: float, low: float, high: float
) -> tuple[FloatArray, FloatArray]:
    """Points and weights (summing to 1) of the cut-off normal with these moments.

    The density is exp(a z + b z^2) on the range, z the standardised value.  Its two
    parameters solve a convex problem (Newton steps on the log partition function); b < 0 is
    a normal distribution, b >= 0 means that there is none.
    """
    left, right = max(low, mean - _REACH * sd), min(high, mean + _REACH * sd)
    x = left + (np.arange(_POINTS) + 0.5) * (right - left) / _POINTS
    z = (x - mean) / sd
    features = np.column_stack([z, z * z])
    target = np.array([0.0, 1.0])

    def objective(theta: FloatArray) -> float:
        score = features @ theta
        top = float(score.max())
        return top + float(np.log(np.exp(score - top).sum())) - float(theta @ target)

    theta = np.array([0.0, -0.5])
    for _ in range(200):
        score = features @ theta
        weights = np.exp(score - score.max())
        weights /= weights.sum()
        gap = target - weights @ features
        if np.abs(gap).max() < 1e-10:
            break
        centred = features - weights @ features
        step = np.linalg.solve((centred.T * weights) @ centred + 1e-14 * np.eye(2), gap)
        scale, here = 1.0, objective(theta)
        while scale > 1e-8 and objective(theta + scale * step) > here:
            scale /= 2
        theta = theta + scale * step
    if theta[1] >= 0 or np.abs(target - weights @ features).max() > 1e-6:
        raise ValueError(
            f"no normal distribution cut off at {low:g} and {high:g} has mean {mean:g} and "
            f"sd {sd:g}"
        )
    return x, weights
