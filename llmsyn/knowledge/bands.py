"""Bands of an ordered variable of a profile: its bins, or the ranges that its levels name."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from llmsyn.profile.terms import Range, Term
from llmsyn.profile.variables import Categorical, Numeric

_NUMBER = r"(\d+(?:\.\d+)?)"
_HALF_OPEN = re.compile(rf"^\[\s*{_NUMBER}\s*[-,]\s*(?:{_NUMBER}|inf)\s*\)$")
_CLOSED = re.compile(rf"^\[?\s*{_NUMBER}\s*(?:-|to|\u2013|,)\s*{_NUMBER}\s*\]?$")
_FROM = re.compile(rf"^(?:>=|\u2265)\s*{_NUMBER}$|^{_NUMBER}\s*(?:\+|and over|or older|and older)$")
_ABOVE = re.compile(rf"^(?:>|over)\s*{_NUMBER}$")
_BELOW = re.compile(rf"^(?:<|under|below)\s*{_NUMBER}$")
_UP_TO = re.compile(rf"^(?:<=|\u2264)\s*{_NUMBER}$")
_EXACT = re.compile(rf"^{_NUMBER}$")


@dataclass(frozen=True)
class Band:
    """Values in ``[low, high)``, the term that says so, and its share of units with a value.

    The first band starts at minus infinity and the last ends at infinity where the variable
    is a number, because values outside its edges are coded into them.
    """

    term: Term
    low: float
    high: float
    share: float


def bands(variable: Categorical | Numeric, *, width: float = 0.0) -> tuple[Band, ...]:
    """The bands of a variable in rising order; levels that name no range are left out.

    Parameters
    ----------
    variable : age, length of stay or the like.
    width : neighbouring bins of a number are joined until a band is this wide.

    Notes
    -----
    A suppressed count (NaN) enters the shares as 0: its band then gets no association.

    Examples
    --------
    >>> age = Categorical("age", "x0", ("0-17", "18-64", "65+", "unknown"),
    ...                   np.array([10.0, 50.0, 40.0, 5.0]))
    >>> [(band.low, band.high, band.share) for band in bands(age)]
    [(0.0, 18.0, 0.1), (18.0, 65.0, 0.5), (65.0, inf, 0.4)]
    """
    found: list[tuple[Term, float, float, float]] = []
    counts = np.nan_to_num(variable.counts, nan=0.0)
    if isinstance(variable, Numeric):
        edges = variable.edges.astype(float)
        start = 0
        for stop in range(1, len(edges)):
            last = stop == len(edges) - 1
            if edges[stop] - edges[start] < width and not last:
                continue
            term = Term(variable.name, Range(float(edges[start]), float(edges[stop])))
            found.append(
                (
                    term,
                    -math.inf if start == 0 else float(edges[start]),
                    math.inf if last else float(edges[stop]),
                    float(counts[start:stop].sum()),
                )
            )
            start = stop
    else:
        for level, count in zip(variable.levels, counts):
            range_ = level_range(level)
            if range_ is not None:
                found.append((Term(variable.name, level), *range_, float(count)))
    total = sum(item[3] for item in found)
    rising = sorted(found, key=lambda item: item[1])
    return tuple(
        Band(term, low, high, count / total if total else 0.0) for term, low, high, count in rising
    )


def level_range(level: str) -> tuple[float, float] | None:
    """The half-open range that a level's text names; None when it names none.

    Closed ranges of whole numbers end one later: ``70-79`` is ``[70, 80)``.

    Examples
    --------
    >>> [level_range(text) for text in ("[70-80)", "70-79", ">=80", "<1", "85 and over", "?")]
    [(70.0, 80.0), (70.0, 80.0), (80.0, inf), (0.0, 1.0), (85.0, inf), None]
    """
    text = level.strip().lower().removesuffix("years").removesuffix("days").strip()
    if match := _HALF_OPEN.match(text):
        low, high = float(match[1]), float(match[2]) if match[2] else math.inf
    elif match := _CLOSED.match(text):
        low, high = float(match[1]), float(match[2]) + 1
    elif match := _FROM.match(text):
        low, high = float(match[1] or match[2]), math.inf
    elif match := _ABOVE.match(text):
        low, high = float(match[1]) + 1, math.inf
    elif match := _BELOW.match(text):
        low, high = 0.0, float(match[1])
    elif match := _UP_TO.match(text):
        low, high = 0.0, float(match[1]) + 1
    elif match := _EXACT.match(text):
        low, high = float(match[1]), float(match[1]) + 1
    else:
        return None
    return (low, high) if low < high else None
