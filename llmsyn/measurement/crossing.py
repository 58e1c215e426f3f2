"""Which cross-tables a profile has, and how coarse their axes are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from llmsyn.cohort.types import Cohort
from llmsyn.measurement.binning import coarse
from llmsyn.measurement.counting import measure
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.terms import Range
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import (
    MISSING,
    UNLISTED,
    Categorical,
    CodeSet,
    Numeric,
)


def cross(
    batches: Sequence[Cohort], profile: Profile, choice: str, threshold: int, max_ranges: int
) -> Profile:
    """Add empty tables to a design.

    Parameters
    ----------
    batches : to weigh the ranges of numbers by.
    profile : a design without tables.
    choice : ``none``; ``outcome``: every outcome, age, sex and the variable that selects code
        systems against everything else; ``pairs``: also all pairs of variables and of codes,
        and numbers of codes against each other; ``all``: also every variable against every
        code set.
    threshold : least number of distinct patients in a range.
    max_ranges : ranges of a number on a table's axis.
    """
    if choice == "none":
        return profile
    axes = _axes(batches, profile, threshold, max_ranges)
    tables = []
    for names in _pairs(profile, choice):
        if all(name in axes for name in names):
            sides = tuple(axes[name] for name in names)
            shape = [len(side.labels) for side in sides]
            tables.append(Table(sides, np.full(shape, np.nan), absent="suppressed"))
    return replace(profile, tables=tuple(tables))


def _pairs(profile: Profile, choice: str) -> Iterator[tuple[str, str]]:
    levels = [v.name for v in profile.level_variables]
    sets = profile.code_sets
    anchors = _anchors(profile)
    for anchor in anchors:
        for name in levels:
            if name not in anchors or anchors.index(anchor) < anchors.index(name):
                yield anchor, name
        for codes in sets:
            yield anchor, codes.name
            for facet in ("main", "count", "unlisted"):
                yield anchor, f"{codes.name}.{facet}"
    if choice in ("pairs", "all"):
        for first, second in combinations(levels, 2):
            if first not in anchors and second not in anchors:
                yield first, second
        for i, first_set in enumerate(sets):
            for second_set in sets[i:]:
                yield first_set.name, second_set.name
        for one, two in combinations(sets, 2):
            yield f"{one.name}.count", f"{two.name}.count"
    if choice == "all":
        for name in levels:
            if name not in anchors:
                for codes in sets:
                    yield name, codes.name


def _anchors(profile: Profile) -> list[str]:
    """Variables that are crossed with everything: outcomes, age and sex, code versions."""
    selectors = {c.selector.variable for c in profile.code_sets if c.selector is not None}
    return [
        v.name
        for v in profile.level_variables
        if v.role == "outcome" or v.concept in ("age", "sex") or v.name in selectors
    ]


def _axes(
    batches: Sequence[Cohort], profile: Profile, threshold: int, max_ranges: int
) -> dict[str, Axis]:
    """The axis of every variable and facet that has at least two labels."""
    exact = measure(batches, profile)
    labels: dict[str, tuple[str, ...]] = {}
    numbers: dict[str, list[int]] = {}
    for units, people in zip(exact.profile.variables, exact.patients.variables, strict=True):
        if isinstance(units, Categorical):
            labels[units.name] = units.levels
        elif isinstance(units, Numeric):
            labels[units.name] = _ranges(units, max_ranges)
        else:
            assert isinstance(people, CodeSet), "both profiles have the same shape"
            labels[units.name] = units.codes
            for facet, histogram in (("count", units.listed), ("unlisted", units.unlisted)):
                assert histogram is not None, "a design has both histograms"
                numbers[f"{units.name}.{facet}"] = coarse(histogram.astype(np.int64), max_ranges)
            if people.main is not None:
                enough = (people.main >= threshold).tolist()
                main = [c for c, e in zip(units.codes, enough, strict=True) if e]
                labels[f"{units.name}.main"] = (*main, UNLISTED)
    for name, cuts in _thick_numbers(batches, profile, numbers, threshold).items():
        labels[name] = _number_labels(cuts)
    return {name: Axis(name, found) for name, found in labels.items() if len(found) > 1}


def _ranges(variable: Numeric, max_ranges: int) -> tuple[str, ...]:
    """Ranges over whole bins; each bin has enough patients already."""
    cuts = coarse(variable.counts.astype(np.int64), max_ranges)
    ends = [*cuts[1:], len(variable.counts)]
    ranges = [
        str(Range(float(variable.edges[a]), float(variable.edges[b])))
        for a, b in zip(cuts, ends, strict=True)
    ]
    return (*ranges, MISSING) if variable.has_missing else tuple(ranges)


def _thick_numbers(
    batches: Sequence[Cohort], profile: Profile, numbers: dict[str, list[int]], threshold: int
) -> dict[str, list[int]]:
    """Drop cuts until every range of a number of codes stands for enough distinct patients.

    Patients of two ranges do not add up where a patient has several stays, so each round
    counts anew.
    """
    cuts = {name: list(found) for name, found in numbers.items()}
    thin = True
    while thin:
        thin = False
        names = [name for name in cuts if len(cuts[name]) > 1]
        axes = [Axis(name, _number_labels(cuts[name])) for name in names]
        tables = tuple(Table((axis,), np.full(len(axis.labels), np.nan)) for axis in axes)
        like = replace(profile, variables=profile.code_sets, tables=tables)
        for name, table in zip(names, measure(batches, like).patients.tables, strict=True):
            least = int(table.counts.argmin())
            if table.counts[least] < threshold:
                thin = True
                cuts[name].pop(max(least, 1))
    return cuts


def _number_labels(cuts: Sequence[int]) -> tuple[str, ...]:
    """``0``, ``1``, ``[2,4)``, ``[4,inf)``: the last is open, so the largest is not told."""
    labels = []
    for a, b in zip(cuts, [*cuts[1:], None], strict=True):
        high = float("inf") if b is None else float(b)
        labels.append(str(a) if high == a + 1 else str(Range(float(a), high)))
    return tuple(labels)
