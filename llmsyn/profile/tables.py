"""Published cross-tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llmsyn.profile.variables import FloatArray


@dataclass(frozen=True)
class Axis:
    """One side of a table: a variable (or facet of a code set) and its labels.

    Labels are levels, codes, or ranges ``[20,40)`` that cover whole bins of a number.
    Facets are ``diagnoses.main``, ``diagnoses.count`` and ``diagnoses.unlisted``.
    """

    variable: str
    labels: tuple[str, ...]

    @property
    def facet(self) -> str | None:
        """``main``, ``count`` or ``unlisted`` of a code set; None for the variable itself."""
        return self.variable.partition(".")[2] or None


@dataclass(frozen=True, eq=False)
class Table:
    """Counts of units by two or more axes.

    ``counts`` has one dimension an axis; NaN is a cell that is not published.  A table of
    pairs within one code set has the same axis twice, is symmetric, and has NaN on its
    diagonal.  ``absent`` says why a cell is not published: ``suppressed`` (it is small, or
    protects one that is) or ``unknown`` (the source does not print it).
    """

    axes: tuple[Axis, ...]
    counts: FloatArray
    absent: Literal["suppressed", "unknown"] = "unknown"
    half_width: float = 0.0
    sigma: float = 0.0
    source: str = ""

    @property
    def name(self) -> str:
        """``died x age``: the axes in order."""
        return " x ".join(axis.variable for axis in self.axes)

    @property
    def is_pairs(self) -> bool:
        """Whether both axes are the same code set."""
        return len(self.axes) == 2 and self.axes[0].variable == self.axes[1].variable
