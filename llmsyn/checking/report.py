"""What a check found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from llmsyn.score import Score, json_number

Status = Literal["met", "beyond", "mask broken", "contradictory in the profile", "above threshold"]


@dataclass(frozen=True)
class Finding:
    """One published cell and what the cohort has for it.

    ``published`` and ``measured`` are shares of the units, ``count`` and ``expected`` units
    of the cohort.  ``z`` is infinite where nothing at all was allowed.
    """

    cell: str
    published: float
    measured: float
    count: float
    expected: float
    z: float
    status: Status

    @property
    def error(self) -> float:
        """Absolute error of the share."""
        return abs(self.measured - self.published)


@dataclass(frozen=True)
class Broken:
    """One rule that units of the cohort break."""

    rule: str
    terms: str
    units: int


@dataclass(frozen=True)
class CheckReport:
    """Everything that ``llmsyn check`` says.

    Attributes
    ----------
    n : units of the cohort.
    n_cells : published cells that were tested by their z.
    limit : largest |z| that is accepted (z*).
    scores : verdicts: cells beyond the limit, masks, mean of z squared, largest error,
        impossible combinations, then KS or total variation of every variable and the
        largest error of every histogram.
    worst : cells by falling |z|, as many as were asked for.
    beyond : all cells beyond the limit, and broken masks.
    contradictory : cells that the profile's own numbers rule out; shown, not judged.
    above_threshold : suppressed cells that are too frequent for a small cell.  No error
        where they were suppressed to protect others.
    broken : rules with at least one unit.
    """

    n: int
    n_cells: int
    limit: float
    scores: tuple[Score, ...]
    worst: tuple[Finding, ...] = ()
    beyond: tuple[Finding, ...] = ()
    contradictory: tuple[Finding, ...] = ()
    above_threshold: tuple[Finding, ...] = ()
    broken: tuple[Broken, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no verdict is ``fail``."""
        return not self.failed

    @property
    def failed(self) -> tuple[Score, ...]:
        """Scores beyond their tolerance."""
        return tuple(score for score in self.scores if score.verdict == "fail")

    def score(self, metric: str) -> Score:
        """One score by name.

        Raises
        ------
        KeyError : there is none of that name.
        """
        for score in self.scores:
            if score.metric == metric:
                return score
        raise KeyError(metric)

    def to_json(self) -> dict[str, Any]:
        """Plain values; NaN is ``None``, infinity ``"inf"``."""
        lists = ("worst", "beyond", "contradictory", "above_threshold", "broken")
        return {
            "passed": self.passed,
            "n": self.n,
            "n_cells": self.n_cells,
            "limit": self.limit,
            "scores": [score.to_json() for score in self.scores],
            **{name: [_plain(item) for item in getattr(self, name)] for name in lists},
        }


def _plain(item: Finding | Broken) -> dict[str, Any]:
    return {key: json_number(value) for key, value in asdict(item).items()}
