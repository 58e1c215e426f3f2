"""Equivalent real sample size: how many real patients teach a model as much.

Models are trained on ever larger random parts of the members and tested on the holdout.  A
rising (isotonic) curve in log n is laid through their areas, and read off where it reaches
the area of the model trained on synthetic units.  Below the smallest part, or above all
members, the answer is only a bound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmsyn.evaluation.samples import FloatArray

PARTS = 7
"""Sizes of the learning curve, evenly spaced in log n."""

REPEATS = 3
"""Random parts of each size."""


@dataclass(frozen=True, eq=False)
class Curve:
    """A learning curve.

    Attributes
    ----------
    n : (k,) rising sizes, in patients.
    auroc : (k,) mean area at each.
    """

    n: FloatArray
    auroc: FloatArray

    @property
    def rising(self) -> FloatArray:
        """``(k,)`` the isotonic fit."""
        return isotonic(self.auroc)


def sizes(smallest: int, largest: int, parts: int = PARTS) -> list[int]:
    """Rising sizes, evenly spaced in log n.

    Examples
    --------
    >>> sizes(10, 1000, 3)
    [10, 100, 1000]
    """
    if largest <= smallest:
        return [largest]
    found = np.exp(np.linspace(math.log(smallest), math.log(largest), parts))
    return sorted({round(float(x)) for x in found})


def isotonic(values: Sequence[float] | FloatArray) -> FloatArray:
    """The rising sequence that is nearest by least squares (pool adjacent violators).

    Examples
    --------
    >>> isotonic([0.5, 0.7, 0.6, 0.8]).round(3).tolist()
    [0.5, 0.65, 0.65, 0.8]
    """
    blocks: list[list[float]] = []  # mean, how many
    for value in values:
        blocks.append([float(value), 1.0])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, times = blocks.pop()
            total = blocks[-1][1] + times
            blocks[-1] = [(blocks[-1][0] * blocks[-1][1] + mean * times) / total, total]
    return np.concatenate([np.full(int(times), mean) for mean, times in blocks])


def read_off(curve: Curve, auroc: float) -> float:
    """The smallest n at which the rising curve reaches an area; linear in log n between.

    Returns
    -------
    n; 0 below the whole curve, infinity above it (it is censored there).

    Examples
    --------
    >>> curve = Curve(np.array([100.0, 10_000.0]), np.array([0.6, 0.8]))
    >>> round(read_off(curve, 0.7)), read_off(curve, 0.5), read_off(curve, 0.9)
    (1000, 0.0, inf)
    """
    height, log_n = curve.rising, np.log(curve.n)
    if auroc < height[0]:
        return 0.0
    if auroc > height[-1]:
        return math.inf
    at = int(np.argmax(height >= auroc))
    if at == 0:
        return float(curve.n[0])
    share = (auroc - height[at - 1]) / (height[at] - height[at - 1])
    return float(math.exp(log_n[at - 1] + share * (log_n[at] - log_n[at - 1])))


def said(n: float, curve: Curve) -> str:
    """An answer in words.

    Examples
    --------
    >>> curve = Curve(np.array([100.0, 1000.0]), np.array([0.6, 0.7]))
    >>> said(0.0, curve), said(350.0, curve), said(float("inf"), curve)
    ('fewer than 100', '350', 'more than 1,000')
    """
    if n <= 0:
        return f"fewer than {curve.n[0]:,.0f}"
    return f"more than {curve.n[-1]:,.0f}" if math.isinf(n) else f"{n:,.0f}"
