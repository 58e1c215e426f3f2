"""How far a whole variable is from what is published: total variation, KS, histograms."""

from __future__ import annotations

import math

import numpy as np

from llmsyn.checking.cells import Block
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, FloatArray
from llmsyn.score import Score, Verdict, undefined

TOLERANCE = 0.01
"""Accepted distance of a variable, where sampling alone is not already larger."""

_SIGMAS = 2.0  # of privacy noise that a published share may be off by


def variable_distance(
    profile: Profile, published: Block, measured: FloatArray, n: int, *, n_variables: int
) -> Score:
    """KS of an ordered or numeric variable, total variation of a nominal one.

    Suppressed levels are one level "the rest" in total variation; for KS they share the rest
    evenly.  Missing values are a level, the last one of a number.

    Parameters
    ----------
    profile : what is published.
    published : block of the variable.
    measured : (n_levels,) counts of the same levels in the cohort.
    n : units of the cohort.
    n_variables : how many variables are looked at; the limit allows for so many tries.

    Returns
    -------
    Its reference is ``TOLERANCE``, or what sampling (99% bound: Dvoretzky, Kiefer and
    Wolfowitz, Massart 1990, doi:10.1214/aop/1176990746, for KS; McDiarmid's inequality for
    total variation) and the published precision explain, where that is more.
    """
    variable = profile[published.axes[0].variable]
    nominal = isinstance(variable, Categorical) and not variable.ordered
    metric = f"{'tv' if nominal else 'ks'} {published.name}"
    p = published.counts / profile.n_units
    q = np.asarray(measured, dtype=float) / n
    if np.isnan(p).all() or np.isnan(q).any():
        return undefined(metric, "no level is published")
    unprecise = (published.half_width + _SIGMAS * published.sigma) / profile.n_units
    levels = int((~np.isnan(p)).sum())
    error = math.log(n_variables * 2 / 0.01) / (2 * n)
    if nominal:
        value = total_variation(p, q)
        share = np.clip(np.nan_to_num(p, nan=0.0), 0, 1)
        sampling = 0.5 * float(np.sqrt(share * (1 - share) / n).sum()) + math.sqrt(error)
        limit = max(TOLERANCE, sampling) + 0.5 * levels * unprecise
    else:
        value = kolmogorov_smirnov(p, q)
        limit = max(TOLERANCE, math.sqrt(error)) + 0.5 * levels * unprecise
    verdict: Verdict = "pass" if value <= limit else "fail"
    return Score(metric, value, value, value, limit, verdict, f"at most {limit:.4f} at n = {n:,}")


def total_variation(p: FloatArray, q: FloatArray) -> float:
    """Half the sum of differences of shares; NaN levels of ``p`` are one level.

    Examples
    --------
    >>> total_variation(np.array([0.5, np.nan, np.nan]), np.array([0.4, 0.3, 0.3])).__round__(3)
    0.1
    """
    known = ~np.isnan(p)
    gaps = float(np.abs(p[known] - q[known]).sum())
    if not known.all():
        gaps += abs((1 - float(p[known].sum())) - float(q[~known].sum()))
    return gaps / 2


def kolmogorov_smirnov(p: FloatArray, q: FloatArray) -> float:
    """Largest difference of the cumulated shares; NaN levels of ``p`` share the rest evenly."""
    known = ~np.isnan(p)
    if not known.all():
        p = np.where(known, p, max(0.0, 1 - float(p[known].sum())) / float((~known).sum()))
    return float(np.abs(np.cumsum(p) - np.cumsum(q)).max())


def histogram_error(published: Block, measured: FloatArray, n_units: float, n: int) -> Score:
    """Largest error of a share in a histogram of codes; its cells are judged one by one."""
    metric = f"histogram {published.name}"
    p, q = published.counts / n_units, np.asarray(measured, dtype=float) / n
    known = ~np.isnan(p)
    if not known.any():
        return undefined(metric, "no share of the histogram is published")
    worst = int(np.argmax(np.where(known, np.abs(p - q), -1.0)))
    value = float(abs(p[worst] - q[worst]))
    number = published.axes[0].labels[worst]
    return Score(metric, value, value, value, reason=f"largest at {number} codes")
