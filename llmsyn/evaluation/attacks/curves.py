r"""How well scores tell members from outsiders: area, advantage, and hits at few false alarms.

Everything takes two arrays of scores, one a person, higher meaning "rather a member"; ties
count half.  Nothing here knows where scores come from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from llmsyn.evaluation.intervals import FloatArray
from llmsyn.score import Score, undefined, wilson

FPR = 0.01
"""Share of false alarms at which hits are counted (Carlini et al. 2022, doi
10.1109/SP46214.2022.9833649): an attack that is sure of a few harms these few."""

FEWEST = 10
"""People a side below which an area says nothing."""

DECILE = 0.1
_CURVE_POINTS = 200
_RESAMPLES = 400


@dataclass(frozen=True, eq=False)
class Told:
    """What scores tell.

    Attributes
    ----------
    auc : area under the curve, DeLong's interval.
    advantage : hits minus false alarms at the best threshold (Yeom et al. 2018, doi
        10.1109/CSF.2018.00027), the threshold taken from other people than it is applied to.
    hits : share of members found at 1% false alarms.
    worst_decile : area among the tenth of all people whose records are rarest.
    fpr, tpr : (k,) the curve.
    """

    auc: Score
    advantage: Score
    hits: Score
    worst_decile: Score
    fpr: FloatArray
    tpr: FloatArray


def tell(
    members: FloatArray,
    outside: FloatArray,
    random: np.random.Generator,
    *,
    rarity: tuple[FloatArray, FloatArray] | None = None,
    name: str = "",
) -> Told:
    """Judge the scores of members and of outsiders.

    Parameters
    ----------
    members : (n_members,) scores.
    outside : (n_outside,) scores.
    rarity : how rare the records of both are, told without knowing who is a member.
    name : what the metrics are called.
    """
    fpr, tpr = thinned(*curve(members, outside))
    return Told(
        auc=area(f"{name} AUC".strip(), members, outside),
        advantage=advantage(f"{name} advantage".strip(), members, outside, random),
        hits=hits(f"{name} TPR at {FPR:.0%} FPR".strip(), members, outside, random),
        worst_decile=_worst(f"{name} AUC, worst decile".strip(), members, outside, rarity),
        fpr=fpr,
        tpr=tpr,
    )


def area(metric: str, members: FloatArray, outside: FloatArray, confidence: float = 0.95) -> Score:
    r"""Area under the ROC curve with DeLong's interval.

    With :math:`V_i` the share of outsiders below member i, and :math:`W_j` the share of
    members above outsider j (ties half), the area is the mean of either, with variance
    :math:`s^2_V / n_m + s^2_W / n_o` (DeLong et al. 1988, doi 10.2307/2531595; by midranks in
    n log n, Sun and Xu 2014, doi 10.1109/LSP.2014.2337313).  Where nothing varies (all told, or
    all alike), Wilson's interval of the smaller group stands in.

    Examples
    --------
    >>> found = area("auc", np.arange(10) + 5.0, np.arange(10.0))
    >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
    (0.875, 0.727, 1.0)
    """
    n_m, n_o = len(members), len(outside)
    if min(n_m, n_o) < FEWEST:
        return undefined(metric, f"{n_m} members and {n_o} outsiders are too few")
    ranks = rankdata(np.concatenate([members, outside]))
    below = (ranks[:n_m] - rankdata(members)) / n_o
    above = 1 - (ranks[n_m:] - rankdata(outside)) / n_m
    value = float(below.mean())
    variance = float(below.var(ddof=1)) / n_m + float(above.var(ddof=1)) / n_o
    if variance > 0:
        half = NormalDist().inv_cdf(0.5 + confidence / 2) * math.sqrt(variance)
        low, high = max(value - half, 0.0), min(value + half, 1.0)
    elif value in (0.0, 1.0):
        smaller = min(n_m, n_o)
        low, high = wilson(value * smaller, smaller, confidence)
    else:  # everybody has the same score: nothing is told, and that is certain
        low = high = value
    return Score(metric, value, min(low, value), max(high, value), 0.5)


def curve(members: FloatArray, outside: FloatArray) -> tuple[FloatArray, FloatArray]:
    """False and true positive rates at every threshold, from (0, 0) to (1, 1)."""
    scores = np.concatenate([members, outside])
    _, place = np.unique(-scores, return_inverse=True)
    n = int(place.max()) + 1 if len(scores) else 0
    hit = np.bincount(place[: len(members)], minlength=n)
    alarm = np.bincount(place[len(members) :], minlength=n)
    tpr = np.append(0.0, np.cumsum(hit)) / max(len(members), 1)
    fpr = np.append(0.0, np.cumsum(alarm)) / max(len(outside), 1)
    return fpr, tpr


def thinned(fpr: FloatArray, tpr: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The curve at no more points than a figure needs; more of them at few false alarms."""
    if len(fpr) <= _CURVE_POINTS:
        return fpr, tpr
    half = _CURVE_POINTS // 2
    at = np.unique(np.append(np.linspace(0, 1, half), np.geomspace(1e-3, 1, half)))
    return at, rate_at(fpr, tpr, at)


def rate_at(fpr: FloatArray, tpr: FloatArray, at: npt.ArrayLike) -> FloatArray:
    """Height of the curve; between two thresholds the attacker tosses a coin.

    Where the curve rises straight up, its upper end counts.
    """
    last = np.append(np.diff(fpr) > 0, True)
    height: FloatArray = np.interp(np.asarray(at, dtype=float), fpr[last], tpr[last])
    return height


def hits(
    metric: str, members: FloatArray, outside: FloatArray, random: np.random.Generator
) -> Score:
    """Share of members found at 1% false alarms.

    The interval is the wider one of Wilson's, for a threshold that is given, and of the
    bootstrap over members and outsiders, in which the threshold moves too.
    """
    n_m, n_o = len(members), len(outside)
    if n_m < FEWEST or n_o * FPR < 1:
        return undefined(
            metric, f"{n_o} outsiders; {1 / FPR:.0f} are needed to speak of {FPR:.0%} of them"
        )
    value = float(rate_at(*curve(members, outside), FPR))
    _, place = np.unique(-np.concatenate([members, outside]), return_inverse=True)
    n = int(place.max()) + 1
    drawn = np.empty(_RESAMPLES)
    for b in range(_RESAMPLES):
        hit = np.bincount(place[:n_m][random.integers(0, n_m, n_m)], minlength=n)
        alarm = np.bincount(place[n_m:][random.integers(0, n_o, n_o)], minlength=n)
        drawn[b] = rate_at(
            np.append(0.0, np.cumsum(alarm) / n_o), np.append(0.0, np.cumsum(hit) / n_m), FPR
        )
    low, high = np.quantile(drawn, [0.025, 0.975])
    by_wilson = wilson(value * n_m, n_m)
    return Score(metric, value, min(float(low), by_wilson[0]), max(float(high), by_wilson[1]), FPR)


def advantage(
    metric: str, members: FloatArray, outside: FloatArray, random: np.random.Generator
) -> Score:
    """Hits minus false alarms at the best threshold of the other half of the people.

    Taking the best threshold of the very people it is applied to gives an advantage of 0.03
    with a thousand people where there is none.  The interval is Newcombe's of a difference
    (1998, doi 10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I).
    """
    n_m, n_o = len(members), len(outside)
    if min(n_m, n_o) < FEWEST:
        return undefined(metric, f"{n_m} members and {n_o} outsiders are too few")
    side_m, side_o = (random.permutation(n) % 2 for n in (n_m, n_o))
    found, alarmed = 0, 0
    for side in (0, 1):
        threshold = _best_threshold(members[side_m != side], outside[side_o != side])
        found += int((members[side_m == side] >= threshold).sum())
        alarmed += int((outside[side_o == side] >= threshold).sum())
    hit, alarm = found / n_m, alarmed / n_o
    (low_h, high_h), (low_a, high_a) = wilson(found, n_m), wilson(alarmed, n_o)
    value = hit - alarm
    low = value - math.hypot(hit - low_h, high_a - alarm)
    high = value + math.hypot(high_h - hit, alarm - low_a)
    return Score(metric, value, low, high, 0.0)


def _best_threshold(members: FloatArray, outside: FloatArray) -> float:
    fpr, tpr = curve(members, outside)
    thresholds = np.append(np.inf, np.unique(np.concatenate([members, outside]))[::-1])
    return float(thresholds[int(np.argmax(tpr - fpr))])


def _worst(
    metric: str,
    members: FloatArray,
    outside: FloatArray,
    rarity: tuple[FloatArray, FloatArray] | None,
) -> Score:
    if rarity is None:
        return undefined(metric, "nothing says whose records are rare")
    limit = np.quantile(np.concatenate(rarity), 1 - DECILE)
    return area(metric, members[rarity[0] >= limit], outside[rarity[1] >= limit])
