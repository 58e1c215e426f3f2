"""Claims: a goal of the project, what was measured, what it stands between, met or missed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from llmsyn.score import Score, json_number

Kind = Literal["exact", "interval", "time"]
Verdict = Literal["met", "missed", "not measurable", "no goal"]
NOT_COMPARED: Kind = "time"


@dataclass(frozen=True)
class Claim:
    """One line of the table of goals.

    Attributes
    ----------
    key : names the line, the same in every run.
    what : what was measured, for a reader.
    value : NaN where it could not be measured; ``why`` then says why.
    low, high : ends of its 95% interval; NaN where there is none.
    floor, ceiling : the same without any structure, and with real rows; NaN where there is none.
    at_least, at_most : the goal; both infinite where there is none.
    kind : how two runs are compared: ``exact`` (counts and shares of a seeded draw: equal),
        ``interval`` (learners and resamples: within the interval), ``time`` (never).
    why : one sentence: what floor and ceiling are, or why nothing could be measured.

    Examples
    --------
    >>> Claim("cells.beyond", "cells beyond z*", 2, at_most=0).verdict
    'missed'
    """

    key: str
    what: str
    value: float
    low: float = math.nan
    high: float = math.nan
    floor: float = math.nan
    ceiling: float = math.nan
    at_least: float = -math.inf
    at_most: float = math.inf
    kind: Kind = "exact"
    why: str = ""

    def __post_init__(self) -> None:
        """Refuse a claim that cannot be read.

        Raises
        ------
        ValueError : NaN without a reason.
        """
        if math.isnan(self.value) and not self.why:
            raise ValueError(f"{self.key} was not measured; say why")

    @property
    def verdict(self) -> Verdict:
        """Whether the goal is met by the value itself."""
        if math.isnan(self.value):
            return "not measurable"
        if not self.goal:
            return "no goal"
        return "met" if self.at_least <= self.value <= self.at_most else "missed"

    @property
    def goal(self) -> str:
        """The goal in words; empty where there is none."""
        ends = []
        if math.isfinite(self.at_least):
            ends.append(f"at least {self.at_least:,g}")
        if math.isfinite(self.at_most):
            ends.append(f"at most {self.at_most:,g}")
        return " and ".join(ends)

    def to_json(self) -> dict[str, Any]:
        """The fields and the verdict, as JSON can hold them."""
        return {k: json_number(v) for k, v in asdict(self).items()} | {"verdict": self.verdict}

    def row(self) -> dict[str, Any]:
        """The line of the printed table."""
        return {
            "goal": self.what,
            "measured": _number(self.value) or "not measurable",
            "95%": ""
            if math.isnan(self.low) or math.isnan(self.value)
            else f"{_number(self.low)} to {_number(self.high)}",
            "floor": _number(self.floor),
            "ceiling": _number(self.ceiling),
            "aim": self.goal,
            "verdict": self.verdict,
            "what stands beside it": self.why,
        }


def of_json(said: Mapping[str, Any]) -> Claim:
    """A claim as :meth:`Claim.to_json` wrote it.

    Examples
    --------
    >>> claim = Claim("a", "b", 1.0, at_most=2)
    >>> of_json(claim.to_json()).goal
    'at most 2'
    """
    given = {k: v for k, v in said.items() if k != "verdict"}
    for name in ("value", "low", "high", "floor", "ceiling", "at_least", "at_most"):
        given[name] = math.nan if given[name] is None else float(given[name])
    return Claim(**given)


def of_score(
    key: str, what: str, score: Score, *, floor: Score | None, ceiling: Score | None, **more: Any
) -> Claim:
    """A claim of a score of :mod:`llmsyn.evaluation`."""
    value = math.nan if score.verdict == "undefined" else score.value
    why = [more.pop("why", ""), score.reason if score.verdict == "undefined" else ""]
    return Claim(
        key, what, value, score.low, score.high,
        math.nan if floor is None else floor.value,
        math.nan if ceiling is None else ceiling.value,
        kind=more.pop("kind", "interval"), why="; ".join(w for w in why if w), **more,
    )  # fmt: skip


def way(key: str, what: str, value: Score, floor: Score, ceiling: Score, at_most: float) -> Claim:
    """How far from the ceiling (0) to the floor (1); not measurable where they do not differ."""
    gap = floor.value - ceiling.value
    said = f"floor {floor.value:.3f}, ceiling {ceiling.value:.3f}, value {value.value:.3f}"
    if not math.isfinite(gap) or value.verdict == "undefined" or floor.low <= ceiling.high:
        reason = value.reason or "floor and ceiling cannot be told apart"
        return Claim(key, what, math.nan, at_most=at_most, kind="interval", why=reason)
    ends = sorted((x - ceiling.value) / gap for x in (value.low, value.high))
    at = (value.value - ceiling.value) / gap
    return Claim(key, what, at, *ends, 1.0, 0.0, at_most=at_most, kind="interval", why=said)


def _number(value: float) -> str:
    if math.isnan(value):
        return ""
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
