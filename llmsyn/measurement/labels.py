"""Which label of each axis each unit of a batch has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from llmsyn.cohort.subset import patient_index, rows_of
from llmsyn.cohort.types import Cohort, Origin
from llmsyn.errors import CohortError, ProfileError
from llmsyn.profile.tables import Axis
from llmsyn.profile.terms import parse_range
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import MISSING, UNLISTED, Categorical, CodeSet, Numeric

IntArray = npt.NDArray[np.int64]

OTHER = "other"
"""The level that takes every level which a profile does not name, in real cohorts only."""

JOINED = " + "
"""Between the names of levels that were merged: ``urgent + emergency`` counts either."""


@dataclass(frozen=True, eq=False)
class Single:
    """One label per unit: ``(n_units,)`` index, -1 where the unit has none of the labels."""

    index: IntArray
    size: int


@dataclass(frozen=True, eq=False)
class Many:
    """Any number of labels per unit: ``(n,)`` rows (sorted) and label indices."""

    row: IntArray
    index: IntArray
    size: int


class Labels:
    """The labels of one batch, each worked out once, when first asked for."""

    def __init__(self, cohort: Cohort, like: Profile) -> None:
        if cohort.unit != like.unit:
            raise CohortError(
                f"the cohort's unit is {cohort.unit!r} and the profile's is {like.unit!r}; measure "
                "with a profile of the same unit"
            )
        self.cohort, self.like, self.n = cohort, like, len(cohort)
        self._levels: dict[str, IntArray] = {}
        self._codes: dict[str, Listed] = {}
        self._axes: dict[tuple[str, tuple[str, ...]], Single | Many] = {}

    @cached_property
    def patient(self) -> IntArray:
        """``(n_units,)`` number of the unit's patient."""
        return patient_index(self.cohort)

    def level(self, variable: Categorical | Numeric) -> IntArray:
        """``(n_units,)`` index of the level or bin; for a number, n_bins where missing."""
        if variable.name not in self._levels:
            self._need(variable.name, self.cohort.units.column_names)
            self._levels[variable.name] = (
                _level(self.cohort, variable)
                if isinstance(variable, Categorical)
                else _bin(self.cohort, variable)
            )
        return self._levels[variable.name]

    def codes(self, variable: CodeSet) -> Listed:
        """The listed codes of each unit, and the numbers that go with them."""
        if variable.name not in self._codes:
            self._need(variable.name, list(self.cohort.codes))
            self._codes[variable.name] = _listed(self.cohort, variable, self.n)
        return self._codes[variable.name]

    def axis(self, axis: Axis) -> Single | Many:
        """Labels of one axis of a table."""
        key = axis.variable, axis.labels
        if key not in self._axes:
            self._axes[key] = self._axis(axis)
        return self._axes[key]

    def _axis(self, axis: Axis) -> Single | Many:
        variable, size = self.like[axis.variable], len(axis.labels)
        if isinstance(variable, CodeSet):
            listed = self.codes(variable)
            if axis.facet is None:
                to = _places(variable.codes, axis)
                index = to[listed.index]
                return Many(listed.row[index >= 0], index[index >= 0], size)
            if axis.facet == "main":
                return Single(_taken(_places((*variable.codes, UNLISTED), axis), listed.main), size)
            number = listed.count if axis.facet == "count" else listed.unlisted
            return Single(_taken(_number_places(int(number.max(initial=0)), axis), number), size)
        return Single(_taken(_level_places(variable, axis), self.level(variable)), size)

    def _need(self, name: str, present: Sequence[str]) -> None:
        if name not in present:
            raise CohortError(
                f"the cohort has no {name!r}, which the profile has; it has {', '.join(present)}: "
                "measure with a profile of this population"
            )


@dataclass(frozen=True, eq=False)
class Listed:
    """One code set of a batch.

    ``row``, ``index``: (n,) unit and code of each listed code.  ``main``: (n_units,) index of
    the main code, n_codes where it is unlisted, -1 where there is none.  ``count``,
    ``unlisted``: (n_units,) numbers of listed and unlisted codes.
    """

    row: IntArray
    index: IntArray
    main: IntArray
    count: IntArray
    unlisted: IntArray


def code_index(names: Sequence[str], variable: CodeSet) -> IntArray:
    """``(len(names),)`` index of each code in the profile's list, n_codes where unlisted."""
    place = {code: i for i, code in enumerate(variable.codes)}
    return np.array([place.get(name, len(place)) for name in names], dtype=np.int64)


def level_index(names: Sequence[str], variable: Categorical, origin: Origin) -> IntArray:
    """``(len(names),)`` index of each level in the profile's list, -1 where it is unknown.

    A level that was merged is found in its joint name.  Where the profile has a level
    ``other``, that is what other levels of a real cohort count as; a synthetic cohort has no
    business with levels that its profile does not name.
    """
    place = {part: i for i, level in enumerate(variable.levels) for part in level.split(JOINED)}
    place |= {level: i for i, level in enumerate(variable.levels)}
    if variable.missing is not None:
        place.setdefault(MISSING, variable.levels.index(variable.missing))
    rest = place.get(OTHER, -1) if origin == "real" else -1
    return np.array([place.get(name, rest) for name in names], dtype=np.int64)


def _level(cohort: Cohort, variable: Categorical) -> IntArray:
    column = cohort.units[variable.name].combine_chunks()
    names = column.dictionary.to_pylist()
    index = np.asarray(column.indices).astype(np.int64)
    level = level_index(names, variable, cohort.origin)
    unknown = np.flatnonzero(level < 0)
    if len(unknown):
        used = [names[u] for u in unknown if (index == u).any()]
        if used:
            shown = ", ".join(repr(name) for name in used[:5])
            raise CohortError(
                f"{variable.name!r} has {'the level' if len(used) == 1 else 'levels'} {shown}, which the profile does not name; it "
                f"names {', '.join(variable.levels[:10])}: recode it in the mapping, or measure "
                "with a profile of this population",
                column=variable.name,
            )
    return level[index]


def _bin(cohort: Cohort, variable: Numeric) -> IntArray:
    column = cohort.units[variable.name]
    value = np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)
    index = np.searchsorted(variable.edges[1:-1], value, side="right")
    return np.where(np.isnan(value), len(variable.counts), index)


def _listed(cohort: Cohort, variable: CodeSet, n: int) -> Listed:
    table = cohort.codes[variable.name]
    row = rows_of(table).astype(np.int64)
    coded = table["code"].combine_chunks()
    index = code_index(coded.dictionary.to_pylist(), variable)[np.asarray(coded.indices)]
    n_codes = len(variable.codes)
    first = np.asarray(table["position"].combine_chunks()) == 0
    main = np.full(n, -1, dtype=np.int64)
    main[row[first]] = index[first]
    known = index < n_codes
    once = np.unique(row[known] * max(n_codes, 1) + index[known])
    if len(once) < known.sum():
        raise CohortError(
            f"a code of {variable.name!r} stands twice in a unit; keep it once", column="code"
        )
    count = np.bincount(row[known], minlength=n)
    unlisted = np.bincount(row[~known], minlength=n)
    return Listed(row[known], index[known], main, count, unlisted)


def _places(labels: Sequence[str], axis: Axis) -> IntArray:
    """``(len(labels) + 1,)`` where each label stands on the axis; -1: nowhere, also for none."""
    place = {label: i for i, label in enumerate(axis.labels)}
    _all_known(set(labels), axis)
    return np.array([*(place.get(label, -1) for label in labels), -1], dtype=np.int64)


def _level_places(variable: Categorical | Numeric, axis: Axis) -> IntArray:
    if isinstance(variable, Categorical):
        return _places(variable.levels, axis)
    to = np.full(len(variable.counts) + 2, -1, dtype=np.int64)
    known = {MISSING}
    for i, label in enumerate(axis.labels):
        covered = parse_range(label)
        if label == MISSING:
            to[len(variable.counts)] = i
        if covered is None:
            continue
        known.add(label)
        for b, (low, high) in enumerate(zip(variable.edges[:-1], variable.edges[1:], strict=True)):
            if covered.covers(float(low), float(high)):
                to[b] = i
    _all_known(known, axis)
    return to


def _number_places(largest: int, axis: Axis) -> IntArray:
    """Where the numbers 0, 1, ..., largest stand on the axis."""
    to = np.full(largest + 2, -1, dtype=np.int64)
    numbers = np.arange(largest + 1)
    known = set()
    for i, label in enumerate(axis.labels):
        covered = parse_range(label)
        if covered is not None:
            to[:-1][(covered.low <= numbers) & (numbers < covered.high)] = i
        elif label.isdigit():
            to[:-1][numbers == int(label)] = i
        else:
            continue
        known.add(label)
    _all_known(known, axis)
    return to


def _taken(to: IntArray, index: IntArray) -> IntArray:
    """Places of indices; -1 finds the last entry, which says nowhere."""
    return to[index]


def _all_known(known: set[str], axis: Axis) -> None:
    for label in axis.labels:
        if label not in known:
            raise ProfileError(
                f"a table has the label {label!r}, which {axis.variable!r} does not have; correct "
                "the table",
                column=axis.variable,
            )
