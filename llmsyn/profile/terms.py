"""Terms: the one way to point at something in a profile.

A term names a variable and what holds for it: a level, a code, or a range of numbers.
Tables, rules, network nodes and associations are all written in terms.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_RANGE = re.compile(r"^\[\s*([^,\s]+)\s*,\s*([^,\s]+)\s*\)$")


@dataclass(frozen=True)
class Range:
    """A half-open range of numbers ``[low, high)``; either end may be infinite."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"[{_number(self.low)},{_number(self.high)})"

    def covers(self, low: float, high: float) -> bool:
        """Whether the bin ``[low, high)`` lies inside."""
        return self.low <= low and high <= self.high


@dataclass(frozen=True)
class Term:
    """``variable = value``, where the value is a level, a code, or a range.

    A variable may carry a facet of a code set: ``diagnoses.main`` (the main code),
    ``diagnoses.count`` (number of distinct listed codes), ``diagnoses.unlisted``
    (number of unlisted codes).

    Examples
    --------
    >>> str(Term("sex", "female")), str(Term("age", Range(65, 80)))
    ('sex=female', 'age=[65,80)')
    >>> parse_term("age=[65,inf)").value
    Range(low=65.0, high=inf)
    """

    variable: str
    value: str | Range

    def __str__(self) -> str:
        return f"{self.variable}={self.value}"


def parse_range(text: str) -> Range | None:
    """Read ``"[20,40)"``; None when the text is no range."""
    match = _RANGE.match(text)
    if not match:
        return None
    try:
        low, high = float(match[1]), float(match[2])
    except ValueError:
        return None
    return Range(low, high) if low < high else None


def parse_term(text: str) -> Term:
    """Read ``"variable=value"``; a value such as ``[20,40)`` is a range.

    Raises
    ------
    ValueError : there is no ``=`` in the text, or one side of it is empty.
    """
    variable, sign, value = text.partition("=")
    variable, value = variable.strip(), value.strip()
    if not sign or not variable or not value:
        raise ValueError(f"{text!r} is no term; write it as variable=value")
    return Term(variable, parse_range(value) or value)


def _number(x: float) -> str:
    if math.isinf(x):
        return "inf" if x > 0 else "-inf"
    return str(int(x)) if float(x).is_integer() else repr(float(x))
