"""The audit's brute-force twin: every population that a release allows, as whole numbers.

Nothing here uses the code under test but for reading a profile.  A *type* is a full record
(levels, codes in order, number of unlisted codes); a *world* says how many units of each type
there are.  What a release prints are sums over types, so the smallest and largest value of
any count is an integer program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from llmsyn.profile.types import Profile
from llmsyn.profile.variables import UNLISTED, Categorical, CodeSet

Type = Mapping[str, Any]
Event = Callable[[Type], bool]


def types_of(profile: Profile, most_unlisted: int = 0) -> list[Type]:
    """Every record that the form of a profile can tell apart."""
    choices: list[list[Any]] = []
    for v in profile.variables:
        if isinstance(v, CodeSet):
            choices.append(list(_lists(v, most_unlisted)))
        else:
            assert isinstance(v, Categorical)
            choices.append(list(v.levels))
    names = [v.name for v in profile.variables]
    return [dict(zip(names, values, strict=True)) for values in product(*choices)]


def _lists(v: CodeSet, most_unlisted: int) -> Iterator[tuple[str, ...]]:
    """Lists that differ in what is counted: the set, the main code, the number of others."""
    for others in range(most_unlisted + 1):
        for k in range(len(v.codes) + 1):
            for codes in combinations(v.codes, k):
                everything = codes + (UNLISTED,) * others
                if v.main is None or not everything:
                    yield everything
                    continue
                for main in dict.fromkeys(everything):
                    rest = list(everything)
                    rest.remove(main)
                    yield (main, *rest)


def printed_events(profile: Profile) -> Iterator[tuple[str, Event, float]]:
    """What is printed or could be: a name, who is counted, and the number (NaN: not printed)."""
    for v in profile.variables:
        if not isinstance(v, CodeSet):
            for level, n in zip(v.levels, v.counts, strict=True):
                yield f"{v.name}={level}", _is(v.name, level), float(n)
            continue
        for code, n in zip(v.codes, v.counts, strict=True):
            yield f"{v.name}={code}", _is(v.name, code), float(n)
        if v.main is not None:
            for code, n in zip((*v.codes, UNLISTED), (*v.main, v.main_unlisted), strict=True):
                yield f"{v.name}.main={code}", _is(f"{v.name}.main", code), float(n)
        for part, facet in (("listed", "count"), ("unlisted", "unlisted")):
            histogram = getattr(v, part)
            for k, n in enumerate(() if histogram is None else histogram):
                name = f"{v.name}.{facet}"
                yield f"{name}={k}", _is(name, str(k)), float(n)
    for table in profile.tables:
        for at in product(*(range(len(a.labels)) for a in table.axes)):
            labels = [a.labels[i] for a, i in zip(table.axes, at, strict=True)]
            if table.is_pairs and at[0] >= at[1]:
                continue
            parts = [_is(a.variable, x) for a, x in zip(table.axes, labels, strict=True)]
            name = " & ".join(f"{a.variable}={x}" for a, x in zip(table.axes, labels, strict=True))
            yield name, _all(parts), float(table.counts[at])


def derived_events(profile: Profile) -> Iterator[tuple[str, Event]]:
    """What is not printed and could be worked out: complements, and what METHOD.md names."""
    for v in profile.variables:
        if not isinstance(v, CodeSet):
            continue
        for code in v.codes:
            yield f"not {v.name}={code}", _not(_is(v.name, code))
            if v.main is not None:
                inner = _is(f"{v.name}.main", code)
                yield f"{v.name}={code}, not main", _all([_is(v.name, code), _not(inner)])
        if v.main is not None and v.unlisted is not None:
            inner = _is(f"{v.name}.main", UNLISTED)
            yield f"{v.name}: unlisted, not main", _all([_is(v.name, UNLISTED), _not(inner)])
    for table in profile.tables:
        if len(table.axes) != 2:
            continue
        one, two = table.axes
        sets = [isinstance(profile[a.variable], CodeSet) and a.facet is None for a in table.axes]
        for x, y in product(one.labels, two.labels):
            if table.is_pairs and x >= y:
                continue
            left, right = _is(one.variable, x), _is(two.variable, y)
            if sets[0]:
                yield f"not {x} & {y}", _all([_not(left), right])
            if sets[1]:
                yield f"{x} & not {y}", _all([left, _not(right)])
            if sets[0] and sets[1]:
                yield f"not {x} & not {y}", _all([_not(left), _not(right)])


def _is(variable: str, label: str) -> Event:
    plain, _, facet = variable.partition(".")

    def holds(one: Type) -> bool:
        value = one[plain]
        if facet == "main":
            return bool(value) and value[0] == label
        if facet == "count":
            return len([c for c in value if c != UNLISTED]) == int(label)
        if facet == "unlisted":
            return len([c for c in value if c == UNLISTED]) == int(label)
        return label in value if isinstance(value, tuple) else value == label

    return holds


def _not(event: Event) -> Event:
    return lambda one: not event(one)


def _all(events: list[Event]) -> Event:
    return lambda one: all(event(one) for event in events)


@dataclass
class Worlds:
    """All worlds that a release allows.

    Attributes
    ----------
    profile : as it is printed.
    most_unlisted : more unlisted codes than anybody has.
    """

    profile: Profile
    most_unlisted: int = 0
    types: list[Type] = field(init=False)
    rows: list[Any] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.types = types_of(self.profile, self.most_unlisted)
        self.add(lambda _: True, self.profile.n_units, self.profile.n_units)
        spare = self.profile.variables[0].half_width
        for _, event, n in printed_events(self.profile):
            if not np.isnan(n):
                self.add(event, n - spare, n + spare)
        for v in self.profile.variables:
            if isinstance(v, CodeSet) and v.unlisted_per_unit is not None:
                amount = [sum(c == UNLISTED for c in one[v.name]) for one in self.types]
                middle = v.unlisted_per_unit * self.profile.n_units
                spare = 0.005 * self.profile.n_units
                self._add_row(np.array(amount, float), middle - spare, middle + spare)

    def add(self, event: Event, low: float, high: float) -> None:
        """Allow only worlds in which so many units are counted."""
        self._add_row(self.row(event), low, high)

    def told(self, events: list[Event], low: float, high: float) -> Worlds:
        """The worlds for somebody who is told that these counts lie within limits."""
        smaller = Worlds.__new__(Worlds)
        smaller.profile, smaller.most_unlisted = self.profile, self.most_unlisted
        smaller.types = self.types
        smaller.rows, smaller.low, smaller.high = [*self.rows], [*self.low], [*self.high]
        for event in events:
            smaller.add(event, low, high)
        return smaller

    def row(self, event: Event) -> Any:
        """(n_types,) which types are counted."""
        return np.array([event(one) for one in self.types], dtype=float)

    def range(self, event: Event) -> tuple[int, int]:
        """The smallest and the largest count in any world."""
        row = self.row(event)
        return self._best(row, 1), self._best(row, -1)

    def most(self, event: Event) -> int:
        """The largest count in any world."""
        return self._best(self.row(event), -1)

    def least(self, event: Event) -> int:
        """The smallest count in any world."""
        return self._best(self.row(event), 1)

    def _add_row(self, row: Any, low: float, high: float) -> None:
        self.rows.append(row)
        self.low.append(low)
        self.high.append(high)

    def _best(self, row: Any, sign: int) -> int:
        found = milp(
            sign * row,
            constraints=LinearConstraint(np.array(self.rows), self.low, self.high),
            integrality=np.ones(len(row)),
            bounds=Bounds(0, self.profile.n_units),
        )
        assert found.status == 0, f"no world: {found.message}"
        return round(float(row @ np.round(found.x)))


__all__ = ["Event", "Type", "Worlds", "derived_events", "printed_events", "types_of"]
