"""Rounding to a base: the same nearest multiple for the same count, always.

Rounding at random can be averaged out by asking again; rounding to the nearest multiple
cannot, and keeps every printed number within half a base of the truth.  It is done after
suppression, so that a printed 10 (from 11 or 12 at base 5) still stands for at least T
patients.  The number of units is printed as it is: shares need it.
"""

from __future__ import annotations

import numpy as np

from llmsyn.disclosure.moments import MEAN_DECIMALS
from llmsyn.disclosure.settings import Settings
from llmsyn.profile.variables import FloatArray


def rounded(counts: FloatArray, settings: Settings) -> FloatArray:
    """Counts to the nearest multiple of the base; NaN stays NaN.

    Examples
    --------
    >>> rounded(np.array([11.0, 13.0, np.nan]), Settings(rounding=5))
    array([10., 15., nan])
    """
    result: FloatArray = np.round(counts / settings.rounding) * settings.rounding
    return result


def rounded_mean(mean: float) -> float:
    """A mean number of codes as it is printed.

    Examples
    --------
    >>> rounded_mean(3.14159)
    3.14
    """
    return round(mean, MEAN_DECIMALS)
