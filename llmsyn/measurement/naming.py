"""Which levels and codes a profile names: those that enough patients have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from llmsyn.cohort.mapping import CategoricalSpec
from llmsyn.cohort.subset import patient_index, rows_of
from llmsyn.cohort.types import Cohort
from llmsyn.measurement.labels import JOINED, OTHER, IntArray
from llmsyn.profile.variables import MISSING


@dataclass
class Names:
    """How many units and distinct patients have each name."""

    units: dict[str, int] = field(default_factory=dict)
    patients: dict[str, int] = field(default_factory=dict)

    def add(self, names: Sequence[str], index: IntArray, patient: IntArray) -> None:
        """Count one batch: ``(n,)`` index into names, and whose it is."""
        size = len(names)
        units = np.bincount(index, minlength=size)
        people = np.bincount(np.unique(patient * size + index) % size, minlength=size)
        for i in np.flatnonzero(units).tolist():
            self.units[names[i]] = self.units.get(names[i], 0) + int(units[i])
            self.patients[names[i]] = self.patients.get(names[i], 0) + int(people[i])


def count_levels(batches: Sequence[Cohort], name: str) -> Names:
    """Levels of a categorical variable."""
    found = Names()
    for batch in batches:
        column = batch.units[name].combine_chunks()
        index = np.asarray(column.indices).astype(np.int64)
        found.add(column.dictionary.to_pylist(), index, patient_index(batch))
    return found


def count_codes(batches: Sequence[Cohort], name: str) -> Names:
    """Codes of a code set."""
    found = Names()
    for batch in batches:
        table = batch.codes[name]
        coded = table["code"].combine_chunks()
        index = np.asarray(coded.indices).astype(np.int64)
        found.add(coded.dictionary.to_pylist(), index, patient_index(batch)[rows_of(table)])
    return found


def choose_codes(found: Names, threshold: int, max_codes: int | None = None) -> tuple[str, ...]:
    """Codes with enough distinct patients, the most frequent first."""
    enough = [code for code, n in found.patients.items() if n >= threshold]
    enough.sort(key=lambda code: (-found.units[code], code))
    return tuple(enough[:max_codes])


def choose_levels(spec: CategoricalSpec, found: Names, threshold: int) -> tuple[str, ...]:
    """Levels in order, rare ones merged.

    Ordered levels merge with the rarer neighbour; others into ``other``, which takes the next
    rarest levels until it holds enough patients itself.  Where that would leave one level, or
    in an outcome, the rare ones join the most frequent level (of three or more) or stay (of
    two): nobody is served by an outcome that has become ``other``.

    Patients of merged levels are added up, so a patient with stays in both counts twice:
    measurement, and disclosure control after it, count them once.

    Examples
    --------
    >>> spec = CategoricalSpec(name="payer", stage="s", kind="categorical", column="payer")
    >>> n = {"A": 50, "B": 30, "C": 12, "D": 4}
    >>> choose_levels(spec, Names(n, n), 11)
    ('A', 'B', 'other')
    """
    people = dict(found.patients)
    order = [level for level in spec.declared if level in people]
    order += sorted(set(people) - set(order), key=lambda level: (-found.units[level], level))
    if spec.declared and not spec.order and not spec.ordered:
        order.sort(key=lambda level: level in (spec.other, OTHER))
    order.sort(key=lambda level: level == MISSING)  # stable: missing goes last
    if spec.ordered:
        return _merged_neighbours(order, people, threshold)
    rare = [level for level in order if people[level] < threshold]
    unsaid = [v for v in rare if v not in (*spec.declared, OTHER, MISSING)]
    if unsaid:
        # A rare value that the mapping does not name may be a typing error, or a person's name:
        # it is counted as ``other`` and never printed.
        return choose_levels(spec, _as_other(found, unsaid), threshold)
    if not rare or len(order) == 2:
        return tuple(order)
    named = [level for level in order if level not in rare and level not in (OTHER, MISSING)]
    group = {*rare} | ({OTHER} & set(order))
    while sum(people[level] for level in group) < threshold and len(named) > 2:
        least = min(named, key=lambda level: (people[level], level))
        named.remove(least)
        group.add(least)
    thick = sum(people[level] for level in group) >= threshold
    if thick and named and spec.part != "outcome":
        return (*named, OTHER, *({MISSING} & set(order) - group))
    return _joined_to_largest(order, people, set(rare))


def _as_other(found: Names, levels: Sequence[str]) -> Names:
    units, patients = dict(found.units), dict(found.patients)
    for counts in (units, patients):
        moved = sum(counts.pop(level, 0) for level in levels)
        counts[OTHER] = counts.get(OTHER, 0) + moved
    return Names(units, patients)


def joined_means(levels: Sequence[str], means: Mapping[str, str]) -> dict[str, str]:
    """What levels are to the knowledge base; a merged one if its named parts agree."""
    result = {}
    for level in levels:
        parts = (
            [level]
            if level in means
            else [p for p in level.split(JOINED) if p not in (MISSING, OTHER)]
        )
        said = {means.get(part) for part in parts}
        if len(said) == 1 and None not in said:
            result[level] = str(said.pop())
    return result


def _merged_neighbours(
    order: list[str], people: Mapping[str, int], threshold: int
) -> tuple[str, ...]:
    groups = [[level] for level in order if level != MISSING]
    alone = MISSING in people and people[MISSING] >= threshold
    if MISSING in people and not alone:
        max(groups, key=lambda group: people[group[0]]).append(MISSING)
    size = [sum(people[level] for level in group) for group in groups]
    while len(groups) > 1 and min(size) < threshold:
        i = size.index(min(size))
        sides = [j for j in (i - 1, i + 1) if 0 <= j < len(groups)]
        j = min(sides, key=lambda side: size[side])
        a, b = min(i, j), max(i, j)
        groups[a] += groups.pop(b)
        size[a] += size.pop(b)
    return (*(JOINED.join(group) for group in groups), *([MISSING] if alone else []))


def _joined_to_largest(
    order: list[str], people: Mapping[str, int], rare: set[str]
) -> tuple[str, ...]:
    kept = [level for level in order if level not in rare]
    if not kept:
        return (JOINED.join(order),)
    largest = max(kept, key=lambda level: people[level])
    joined = JOINED.join([largest, *(level for level in order if level in rare)])
    return tuple(joined if level == largest else level for level in kept)
