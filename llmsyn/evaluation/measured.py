"""From a value and its interval to a measure with its ceiling and floor."""

from __future__ import annotations

import math

from llmsyn.evaluation.intervals import Estimate
from llmsyn.evaluation.types import Control, Measure
from llmsyn.score import Score, undefined


def scored(
    metric: str,
    found: Estimate,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    why: str = "it is not defined for these units",
    reason: str = "",
) -> Score:
    """A score of an estimate, its interval cut to what is possible.

    Parameters
    ----------
    least, most : bounds of the metric.
    why : the reason, where the value is NaN.
    reason : one sentence beside a value.
    """
    if math.isnan(found.value):
        return undefined(metric, why)
    low, high = found.low, found.high
    if not math.isnan(low):
        low, high = (min(max(x, least), most) for x in (low, high))
        low, high = min(low, found.value), max(high, found.value)
    return Score(metric, found.value, low, high, reason=reason)


def exactly(metric: str, value: float, reason: str = "") -> Score:
    """A score of a number that no sampling is behind."""
    if math.isnan(value):
        return undefined(metric, reason or "it is not defined for these units")
    return Score(metric, value, value, value, reason=reason)


def measure(
    key: str,
    metric: str,
    value: Estimate,
    ceiling: Estimate | None = None,
    floor: Estimate | None = None,
    *,
    of: str = "",
    least: float = -math.inf,
    most: float = math.inf,
    why: str = "it is not defined for these units",
    reason: str = "",
    controls: tuple[Control, ...] = (),
) -> Measure:
    """A measure of estimates; see :class:`~llmsyn.evaluation.types.Measure`."""

    def of_real(found: Estimate | None, name: str) -> Score | None:
        if found is None:
            return None
        return scored(f"{metric}, {name}", found, least=least, most=most, why=why)

    return Measure(
        key,
        scored(metric, value, least=least, most=most, why=why, reason=reason),
        of,
        of_real(ceiling, "ceiling"),
        of_real(floor, "floor"),
        controls,
    )
