"""What tables print of counts that are suppressed: units at least, of codes and of levels."""

from __future__ import annotations

import numpy as np

from llmsyn.measurement.labels import OTHER
from llmsyn.network.model import FloatArray
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet


def half_threshold(profile: Profile) -> float:
    """Units that a suppressed count stands for where nothing else is known of it."""
    return max(profile.disclosure.threshold - 1, 1) / 2


def prevalences(profile: Profile, variable: CodeSet, tables: tuple[Table, ...]) -> FloatArray:
    """Counts of all codes; a suppressed one is what tables print of it, and a little."""
    least = _least(profile, variable.name, variable.codes, tables)
    return np.where(np.isnan(variable.counts), np.minimum(least, profile.n_units), variable.counts)


def printed_of_levels(
    profile: Profile, variable: Categorical, tables: tuple[Table, ...]
) -> FloatArray:
    """Units that tables print of each level at least: (n_levels,).

    A level that is suppressed and of which no cell is printed stands for half the threshold:
    of two suppressed levels one is small, and only the other has cells to print.  Where no
    level has any, ``other`` is the small one: it holds what was too rare to be named.
    """
    least = _least(profile, variable.name, variable.levels, tables)
    if OTHER in variable.levels and len(set(least)) == 1:
        named = np.array([level != OTHER for level in variable.levels])
        least[named] = (profile.n_units - least[~named].sum()) / max(int(named.sum()), 1)
    return least


def _least(
    profile: Profile, name: str, labels: tuple[str, ...], tables: tuple[Table, ...]
) -> FloatArray:
    least = np.full(len(labels), half_threshold(profile))
    rank = {label: i for i, label in enumerate(labels)}
    for table in tables:
        side = next((i for i, a in enumerate(table.axes) if a.variable == name), None)
        if side is None or len(table.axes) != 2:
            continue
        where = [rank[label] for label in table.axes[side].labels]
        found = _at_least(profile, table.counts, side, table.axes[1 - side])
        least[where] = np.maximum(least[where], found)
    return least


def _at_least(profile: Profile, counts: FloatArray, side: int, other: Axis) -> FloatArray:
    """Units that a table of two axes prints of each label of one: (n_labels,).

    Cells by levels are units apart, so they add up, and each that is not printed stands for
    half the threshold, unless all are; cells by codes overlap, so the largest counts.
    """
    cells = np.moveaxis(counts, side, 0)
    if other.facet is None and isinstance(profile[other.variable], CodeSet):
        return np.asarray(np.nan_to_num(cells).max(axis=1))
    found = np.nansum(cells, axis=1)
    return np.asarray(
        found + np.where(found > 0, np.isnan(cells).sum(1) * half_threshold(profile), 0.0)
    )
