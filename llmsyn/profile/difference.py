"""What two profiles say differently, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from llmsyn.profile.tables import Table
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import UNLISTED, CodeSet, FloatArray, Numeric, Variable


@dataclass(frozen=True)
class CellDifference:
    """One cell: ``sex=F`` or ``died=yes x diagnoses=4280``, with its share in either profile.

    A share is a count divided by the profile's units; None where it is not published.
    """

    cell: str
    a: float | None
    b: float | None

    @property
    def difference(self) -> float:
        """``b - a``; NaN where one of them is not published."""
        return np.nan if self.a is None or self.b is None else self.b - self.a


@dataclass(frozen=True)
class ProfileDifference:
    """What separates profile b from profile a.

    Attributes
    ----------
    added, removed : variables of only b, only a.
    changed_kind : variables that are another kind in b.
    tables_added, tables_removed : names of tables of only b, only a.
    cells : shares that differ, largest difference first; then cells that only one publishes.
    n_cells : cells that both publish.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed_kind: tuple[str, ...]
    tables_added: tuple[str, ...]
    tables_removed: tuple[str, ...]
    cells: tuple[CellDifference, ...]
    n_cells: int

    @property
    def largest(self) -> float:
        """Largest absolute difference of a share; 0 where none differs."""
        found = [abs(c.difference) for c in self.cells if c.a is not None and c.b is not None]
        return max(found, default=0.0)

    @property
    def is_empty(self) -> bool:
        """Whether both say the same."""
        parts = (self.added, self.removed, self.changed_kind, self.tables_added)
        return not any((*parts, self.tables_removed, self.cells))


def diff(a: Profile, b: Profile) -> ProfileDifference:
    """Compare the published shares of two profiles.

    Bins and labels are compared by name, so a number that is binned otherwise in b shows up
    as cells that only one of them publishes.

    Parameters
    ----------
    a, b : of any units; shares make them comparable.
    """
    in_a = {variable.name: variable for variable in a.variables}
    in_b = {variable.name: variable for variable in b.variables}
    both = [name for name in in_a if name in in_b]
    changed = tuple(name for name in both if type(in_a[name]) is not type(in_b[name]))
    tables_a, tables_b = _tables(a), _tables(b)
    cells: list[CellDifference] = []
    n_cells = 0
    for name in both:
        if name not in changed:
            shared, found = _compare(
                _variable_cells(in_a[name], a.n_units), _variable_cells(in_b[name], b.n_units)
            )
            n_cells, cells = n_cells + shared, cells + found
    for key in tables_a.keys() & tables_b.keys():
        shared, found = _compare(
            _table_cells(tables_a[key], a.n_units), _table_cells(tables_b[key], b.n_units)
        )
        n_cells, cells = n_cells + shared, cells + found
    cells.sort(key=_rank)
    return ProfileDifference(
        added=tuple(name for name in in_b if name not in in_a),
        removed=tuple(name for name in in_a if name not in in_b),
        changed_kind=changed,
        tables_added=tuple(t.name for key, t in tables_b.items() if key not in tables_a),
        tables_removed=tuple(t.name for key, t in tables_a.items() if key not in tables_b),
        cells=tuple(cells),
        n_cells=n_cells,
    )


def _rank(cell: CellDifference) -> tuple[bool, float, str]:
    if cell.a is None or cell.b is None:
        return True, -(cell.a or cell.b or 0.0), cell.cell
    return False, -abs(cell.difference), cell.cell


def _tables(profile: Profile) -> dict[tuple[str, ...], Table]:
    """Tables by their axes in any order; a second table of the same axes gets a number."""
    found: dict[tuple[str, ...], Table] = {}
    for table in profile.tables:
        key = tuple(sorted(axis.variable for axis in table.axes))
        k = 2
        while key in found:
            key, k = (*key[: len(table.axes)], str(k)), k + 1
        found[key] = table
    return found


def _compare(a: dict[str, float], b: dict[str, float]) -> tuple[int, list[CellDifference]]:
    """Number of shared cells, and the cells that differ."""
    found = [
        CellDifference(name, a.get(name), b.get(name))
        for name in dict.fromkeys([*a, *b])
        if a.get(name) != b.get(name)
    ]
    return len(a.keys() & b.keys()), found


def _variable_cells(variable: Variable, n: float) -> dict[str, float]:
    if not isinstance(variable, CodeSet):
        counts = variable.level_counts if isinstance(variable, Numeric) else variable.counts
        return dict(_published(variable.name, variable.levels, counts, n))
    cells = dict(_published(variable.name, variable.codes, variable.counts, n))
    if variable.main is not None:
        cells |= _published(f"{variable.name}.main", variable.codes, variable.main, n)
    if variable.main_unlisted is not None:
        last = np.array([variable.main_unlisted])
        cells |= _published(f"{variable.name}.main", (UNLISTED,), last, n)
    for facet, histogram in (
        ("count", variable.listed),
        ("unlisted", variable.unlisted),
        ("total", variable.total),
    ):
        if histogram is not None:
            numbers = tuple(str(k) for k in range(len(histogram)))
            cells |= _published(f"{variable.name}.{facet}", numbers, histogram, n)
    return cells


def _published(
    name: str, labels: tuple[str, ...], counts: FloatArray, n: float
) -> Iterator[tuple[str, float]]:
    for label, count in zip(labels, counts):
        if not np.isnan(count):
            yield f"{name}={label}", float(count / n)


def _table_cells(table: Table, n: float) -> dict[str, float]:
    """Published cells by name, terms sorted so that the order of axes does not matter."""
    counts = np.triu(table.counts, 1) if table.is_pairs else table.counts
    published = ~np.isnan(counts)
    if table.is_pairs:
        published = np.triu(published, 1)
    names = [[f"{axis.variable}={label}" for label in axis.labels] for axis in table.axes]
    return {
        " x ".join(sorted(names[axis][k] for axis, k in enumerate(cell))): float(
            counts[tuple(cell)] / n
        )
        for cell in np.argwhere(published)
    }
