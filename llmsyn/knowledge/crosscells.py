"""Published two-by-two tables behind associations: the cell of two terms, and its margins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmsyn.profile.tables import Table
from llmsyn.profile.terms import Range, Term, parse_range
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet, FloatArray


@dataclass(frozen=True)
class Cell:
    """Units that have both ends, either end, and all units among whom that is counted.

    ``expected`` is what both would count without an association.  ``spread`` is the variance
    of ``both`` beyond sampling: rounding and privacy noise.
    """

    both: float
    first: float
    second: float
    units: float
    expected: float
    spread: float

    def log_odds(self) -> tuple[float, float]:
        """The log odds ratio and its variance (Woolf, half a unit added to each corner)."""
        # Lists of a few codes hold fewer pairs than independence gives, so an odds ratio can
        # only be meant on top of that (METHOD.md, section 3).
        crowding = self.expected * self.units / max(self.first * self.second, 1e-12)
        both = self.both / min(max(crowding, 1e-12), 1.0)
        both = min(both, min(self.first, self.second) - 0.5)
        corners = [
            max(each, 0.0) + 0.5
            for each in (
                both,
                self.first - both,
                self.second - both,
                self.units - self.first - self.second + both,
            )
        ]
        value = (
            math.log(corners[0])
            - math.log(corners[1])
            - math.log(corners[2])
            + math.log(corners[3])
        )
        slope = sum(1 / each for each in corners)
        return value, slope + self.spread * slope**2


class CrossCells:
    """The two-way tables of a profile, looked up by the terms of their cells."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._tables: dict[tuple[str, str], Table] = {}
        for table in profile.tables:
            if len(table.axes) == 2:
                names = (table.axes[0].variable, table.axes[1].variable)
                self._tables.setdefault(names, table)
        self._rows = {
            names: tuple({label: i for i, label in enumerate(axis.labels)} for axis in table.axes)
            for names, table in self._tables.items()
        }

    def __len__(self) -> int:
        return len(self._tables)

    def find(self, given: Term, then: Term) -> Cell | None:
        """The published cell of two terms; None where there is none, or it is suppressed."""
        for a, b in ((given, then), (then, given)):
            names = (a.variable, b.variable)
            table = self._tables.get(names)
            if table is None:
                continue
            places = [self._labels(names, axis, term) for axis, term in enumerate((a, b))]
            if all(places):
                both = float(table.counts[np.ix_(*places)].sum())
                return None if math.isnan(both) else self._cell(a, b, both, table, places)
        return None

    def _labels(self, names: tuple[str, str], axis: int, term: Term) -> list[int]:
        """Labels of an axis that make up a term: one, or the bins of a range."""
        rows = self._rows[names][axis]
        if str(term.value) in rows:
            return [rows[str(term.value)]]
        if not isinstance(term.value, Range):
            return []
        inside = {
            label: span
            for label in rows
            if (span := parse_range(label)) is not None and term.value.covers(span.low, span.high)
        }
        whole = sum(span.high - span.low for span in inside.values())
        if not inside or whole != term.value.high - term.value.low:
            return []
        return [rows[label] for label in inside]

    def _cell(
        self, a: Term, b: Term, both: float, table: Table, places: Sequence[list[int]]
    ) -> Cell | None:
        first, second = self._count(a), self._count(b)
        units = self._units(a, b)
        if math.isnan(first) or math.isnan(second) or not 0 < min(first, second) < units:
            return None
        expected = first * second / units * (self._crowding(a) if table.is_pairs else 1.0)
        n_cells = len(places[0]) * len(places[1])
        spread = n_cells * (table.half_width**2 / 3 + table.sigma**2)
        return Cell(both, first, second, units, expected, spread)

    def _count(self, term: Term) -> float:
        """Units that a term holds for."""
        variable = self.profile[term.variable]
        if isinstance(variable, CodeSet):
            if term.value in variable.codes:
                return float(variable.counts[variable.codes.index(str(term.value))])
            return math.nan
        counts: FloatArray = getattr(variable, "level_counts", variable.counts)
        total, found = 0.0, False
        for level, count in zip(variable.levels, counts):
            span = parse_range(level)
            if level == str(term.value) or (
                span is not None
                and isinstance(term.value, Range)
                and term.value.covers(span.low, span.high)
            ):
                total, found = total + float(count), True
        return total if found else math.nan

    def _units(self, a: Term, b: Term) -> float:
        """Units that may have both: those of the code versions that both codes belong to."""
        levels = [self._allowed(term) for term in (a, b)]
        if levels[0] is None or levels[0] != levels[1]:
            return self.profile.n_units
        name, allowed = levels[0]
        variable = self.profile[name]
        if isinstance(variable, CodeSet):
            return self.profile.n_units
        return sum(
            float(count)
            for level, count in zip(variable.levels, variable.counts)
            if level in allowed
        )

    def _allowed(self, term: Term) -> tuple[str, frozenset[str]] | None:
        variable = self.profile[term.variable]
        if not isinstance(variable, CodeSet) or variable.selector is None:
            return None
        system = variable.system_of(str(term.value))
        chosen = variable.selector
        return chosen.variable, frozenset(k for k, v in chosen.systems.items() if system in v)

    def _crowding(self, term: Term) -> float:
        """Pairs in lists of the published lengths, by what independent codes would make."""
        variable = self.profile[term.variable]
        if not isinstance(variable, CodeSet):
            return 1.0
        counts = variable.listed if variable.listed is not None else variable.total
        if counts is None or np.isnan(counts).any() or counts.sum() <= 0:
            return 1.0
        k = np.arange(len(counts))
        mean = float(counts @ k / counts.sum())
        pairs = float(counts @ (k * (k - 1)) / counts.sum())
        return min(1.0, pairs / max(mean, 1e-12) ** 2)
