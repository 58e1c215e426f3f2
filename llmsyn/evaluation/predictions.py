"""How good predicted probabilities are: areas, average precision, calibration.

All take weights, so that a bootstrap by patient is a matter of weights, not of copied rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from llmsyn.evaluation.intervals import Estimate
from llmsyn.evaluation.samples import FloatArray, IntArray

_CLOSEST = 1e-6  # to 0 and 1: a log odds ratio must be finite
_STEPS = 50


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted probabilities of one model for one set of labels.

    Attributes
    ----------
    y : (n,) 0 or 1.
    p : (n,) predicted probability of 1.
    """

    y: IntArray
    p: FloatArray
    _place: IntArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _, place = np.unique(self.p, return_inverse=True)
        object.__setattr__(self, "_place", place.astype(np.int64))

    def auroc(self, weight: FloatArray | None = None) -> float:
        """Area under the ROC curve; ties count half; NaN where one class has no weight."""
        ones, zeros = self._by_score(weight)
        total = ones.sum() * zeros.sum()
        if total == 0:
            return math.nan
        below = np.cumsum(zeros) - zeros
        return float((ones * (below + zeros / 2)).sum() / total)

    def auprc(self, weight: FloatArray | None = None) -> float:
        """Average precision: ``sum (recall_k - recall_k-1) * precision_k``; ties are one step."""
        ones, zeros = (side[::-1] for side in self._by_score(weight))
        if ones.sum() == 0:
            return math.nan
        found, all_found = np.cumsum(ones), np.cumsum(ones + zeros)
        precision = np.divide(found, all_found, out=np.zeros_like(found), where=all_found > 0)
        return float((ones * precision).sum() / ones.sum())

    def calibration(self, weight: FloatArray | None = None) -> tuple[float, float]:
        """Calibration slope, and calibration in the large (intercept with slope one).

        Slope: of a logistic regression of the label on the predicted log odds; below 1,
        predictions are too extreme.  Intercept: what has to be added to the predicted log
        odds; above 0, risks are too low.

        Source: Van Calster et al. 2016, doi 10.1016/j.jclinepi.2015.12.005.
        """
        w = np.ones(len(self.y)) if weight is None else weight
        share = float((w * self.y).sum() / w.sum()) if w.sum() else math.nan
        if not 0 < share < 1:
            return math.nan, math.nan
        p = np.clip(self.p, _CLOSEST, 1 - _CLOSEST)
        odds = np.log(p / (1 - p))
        ones = np.ones((len(p), 1))
        slope = _newton(np.column_stack([ones, odds]), self.y, w, 0.0)
        large = _newton(ones, self.y, w, odds)
        return float(slope[1]), float(large[0])

    def _by_score(self, weight: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        w = np.ones(len(self.y)) if weight is None else weight
        size = int(self._place.max(initial=-1)) + 1
        ones = np.bincount(self._place, w * self.y, minlength=size).astype(float)
        zeros = np.bincount(self._place, w * (1 - self.y), minlength=size).astype(float)
        return ones, zeros


def _newton(x: FloatArray, y: IntArray, w: FloatArray, offset: FloatArray | float) -> FloatArray:
    """Weighted logistic regression by Newton's method; NaN where it does not settle."""
    beta: FloatArray = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ beta + offset, -40, 40)))
        gradient = x.T @ (w * (y - p))
        hessian = (x * (w * p * (1 - p))[:, None]).T @ x
        if not np.isfinite(hessian).all() or np.linalg.cond(hessian) > 1e12:
            break
        step = np.linalg.solve(hessian, gradient)
        beta = beta + np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-8:
            return beta
    return np.full(x.shape[1], np.nan)


def patient_weights(patient: IntArray, n_resamples: int, random: np.random.Generator) -> FloatArray:
    """``(n_resamples, n)`` how often each unit is drawn when patients are drawn again."""
    _, who = np.unique(patient, return_inverse=True)
    n_patients = int(who.max(initial=-1)) + 1
    times = random.multinomial(n_patients, np.full(n_patients, 1 / n_patients), n_resamples)
    return times[:, who].astype(float)


def bootstrapped(
    numbers: Callable[[FloatArray | None], Mapping[str, float]], weights: FloatArray
) -> dict[str, Estimate]:
    """Named numbers with percentile intervals over the same resamples (so they are paired).

    Parameters
    ----------
    numbers : from weights (None: every unit once) to named numbers.
    weights : (n_resamples, n).
    """
    value = numbers(None)
    drawn = [numbers(w) for w in weights]
    found = {}
    for name, at in value.items():
        many = np.array([d[name] for d in drawn])
        if math.isnan(at) or np.isnan(many).mean() > 0.5:
            found[name] = Estimate(at, math.nan, math.nan)
            continue
        # Of values that occurred: an equivalent sample size may be infinite.
        low, high = np.nanquantile(many, [0.025, 0.975], method="inverted_cdf")
        found[name] = Estimate(at, min(float(low), at), max(float(high), at))
    return found
