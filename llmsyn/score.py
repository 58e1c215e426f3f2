"""A number with its interval, what it is compared with, and a verdict."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Literal

Verdict = Literal["pass", "fail", "warn", "info", "undefined"]


@dataclass(frozen=True)
class Score:
    """One measured number; it never travels without its interval.

    Attributes
    ----------
    metric : what was measured, such as ``ks age``.
    value : NaN where the metric is undefined; ``reason`` then says why.
    low, high : ends of the interval of ``value``; equal to it where the value is exact.
    reference : what the value is compared with (a limit, a ceiling, a control); NaN where
        there is none.
    verdict : ``pass`` or ``fail`` against the reference, ``warn`` where it deserves a look
        but decides nothing, ``info`` where nothing was promised, ``undefined`` for NaN.
    reason : one sentence: what the verdict rests on, or why there is none.

    Examples
    --------
    >>> print(Score("ks age", 0.0042, 0.0042, 0.0042, 0.01, "pass", "at most 0.01"))
    ks age 0.0042 (reference 0.01): pass, at most 0.01
    """

    metric: str
    value: float
    low: float = math.nan
    high: float = math.nan
    reference: float = math.nan
    verdict: Verdict = "info"
    reason: str = ""

    def __post_init__(self) -> None:
        """Refuse what would be read wrongly.

        Raises
        ------
        ValueError : NaN without a reason, or a value outside its own interval.
        """
        if math.isnan(self.value):
            if not self.reason:
                raise ValueError(f"{self.metric} is undefined; give the reason")
            if self.verdict in ("pass", "fail"):
                raise ValueError(f"{self.metric} is undefined and cannot {self.verdict}")
        elif self.low > self.value or self.high < self.value:
            raise ValueError(
                f"{self.metric} is {self.value}, outside its interval [{self.low}, {self.high}]"
            )

    def __str__(self) -> str:
        text = f"{self.metric} {self.value:.4g}"
        if self.low < self.high:
            text += f" [{self.low:.4g}, {self.high:.4g}]"
        if not math.isnan(self.reference):
            text += f" (reference {self.reference:.4g})"
        return f"{text}: {self.verdict}" + (f", {self.reason}" if self.reason else "")

    def to_json(self) -> dict[str, Any]:
        """The fields, with numbers that JSON cannot write as ``None`` or a text.

        Examples
        --------
        >>> undefined("auroc", "one class only").to_json()["value"] is None
        True
        """
        return {key: json_number(value) for key, value in asdict(self).items()}


def undefined(metric: str, reason: str) -> Score:
    """A score that cannot be computed: NaN with its reason, never 0.

    Examples
    --------
    >>> print(undefined("auroc death", "nobody died in the holdout"))
    auroc death nan: undefined, nobody died in the holdout
    """
    return Score(metric, math.nan, verdict="undefined", reason=reason)


def wilson(successes: float, trials: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a proportion; ``(nan, nan)`` without trials.

    Source: E. B. Wilson, JASA 22 (1927) 209, doi:10.1080/01621459.1927.10502953.

    Raises
    ------
    ValueError : successes outside 0..trials, or a confidence outside (0, 1).

    Examples
    --------
    >>> low, high = wilson(0, 10)
    >>> round(low, 4), round(high, 4)
    (0.0, 0.2775)
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence} is not between 0 and 1")
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials; expected 0..{trials}")
    if trials == 0:
        return math.nan, math.nan
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / trials
    scale = 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    # At the ends the formula gives 0 and 1 up to rounding; say them exactly.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == trials else centre + half
    return low, high


def proportion(metric: str, successes: float, trials: float, *, confidence: float = 0.95) -> Score:
    """A share with Wilson's interval; undefined without trials."""
    if trials == 0:
        return undefined(metric, "there are no trials")
    low, high = wilson(successes, trials, confidence)
    return Score(metric, successes / trials, low, high)


def json_number(value: Any) -> Any:
    """``None`` for NaN and ``"inf"``/``"-inf"`` for the infinities; all else as it is."""
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
