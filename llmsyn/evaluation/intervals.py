"""Areas under the ROC curve with bootstrap intervals, and intervals over repeated splits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import stats

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Estimate:
    """A number and its 95% interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def auc(y: npt.ArrayLike, score: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Area under the ROC curve; ties count half; NaN where one class has no weight.

    Parameters
    ----------
    y : (n,) 0 or 1.
    score : (n,) higher means more likely 1.
    weight : (n,) how often each row counts.

    Examples
    --------
    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.9])
    0.875
    """
    positive = np.asarray(y, dtype=bool)
    weights = np.ones(len(positive)) if weight is None else np.asarray(weight, dtype=float)
    _, place = np.unique(np.asarray(score, dtype=float), return_inverse=True)
    ones = np.bincount(place, weights * positive)
    zeros = np.bincount(place, weights * ~positive)
    total = ones.sum() * zeros.sum()
    if total == 0:
        return math.nan
    below = np.cumsum(zeros) - zeros
    return float((ones * (below + zeros / 2)).sum() / total)


def bootstrap_auc(
    y: IntArray,
    score: FloatArray,
    *,
    group: IntArray,
    fold: IntArray,
    random: np.random.Generator,
    n_resamples: int = 400,
) -> Estimate:
    """Mean over folds of the AUC within the fold, with a percentile interval.

    Scores of different folds come from different models and are not compared with each
    other: pooling them would bias the area downwards.

    Parameters
    ----------
    y, score : (n,) label and out-of-fold score.
    group : (n,) patient; whole patients are drawn again, each within its fold.
    fold : (n,) the fold that each row was scored in; a patient is in one fold only.
    """
    parts = [np.flatnonzero(fold == k) for k in np.unique(fold)]
    value = float(np.mean([auc(y[p], score[p]) for p in parts]))
    drawn = np.zeros(n_resamples)
    for part in parts:
        _, who = np.unique(group[part], return_inverse=True)
        n_groups = int(who.max()) + 1
        for b in range(n_resamples):
            times = np.bincount(random.integers(0, n_groups, n_groups), minlength=n_groups)
            drawn[b] += auc(y[part], score[part], times[who]) / len(parts)
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Estimate(value, min(float(low), value), max(float(high), value))


def over_splits(values: npt.ArrayLike, *, test_share: float) -> Estimate:
    """Mean and 95% interval over repeated random splits of one data set.

    Splits overlap, so their values are not independent: the standard error is
    ``sd * sqrt(1/s + n_test/n_train)`` (Nadeau and Bengio 2003, doi
    10.1023/A:1024068626366), with t quantiles of s - 1 degrees of freedom.  One split has no
    interval.

    Parameters
    ----------
    values : (s,) one number a split.
    test_share : share of patients held out.

    Examples
    --------
    >>> print(over_splits([0.8, 0.8, 0.8], test_share=0.3))
    0.800 [0.800, 0.800]
    """
    found = np.asarray(values, dtype=float)
    mean, s = float(found.mean()), len(found)
    if s < 2:
        return Estimate(mean, math.nan, math.nan)
    error = float(found.std(ddof=1)) * math.sqrt(1 / s + test_share / (1 - test_share))
    half = float(stats.t.ppf(0.975, s - 1)) * error
    return Estimate(mean, mean - half, mean + half)
