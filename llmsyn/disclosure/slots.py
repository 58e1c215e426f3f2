"""Slots: the places of a profile where counts are printed.

A profile prints numbers in a dozen arrays (levels, bins, codes, main codes, histograms,
tables).  Suppression, rounding, the audit and the register treat all of them alike, as
arrays that can be read and replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet, FloatArray, Numeric

HISTOGRAMS = ("listed", "unlisted", "total")
"""Attributes of a code set that count units by their number of codes."""

FACETS = {"listed": "count", "unlisted": "unlisted", "total": "total"}
"""What the axis of a table calls each histogram."""


@dataclass(frozen=True, order=True)
class Slot:
    """One printed array: ``variables[index].part`` or ``tables[index].counts``."""

    place: str  # "variable" or "table"
    index: int
    part: str = "counts"


def slots(profile: Profile) -> Iterator[Slot]:
    """Every place of this profile where counts are printed, variables first."""
    for i, variable in enumerate(profile.variables):
        yield Slot("variable", i)
        if isinstance(variable, Numeric) and variable.has_missing:
            yield Slot("variable", i, "missing_count")
        if isinstance(variable, CodeSet):
            for part in ("main", "main_unlisted", *HISTOGRAMS):
                if getattr(variable, part) is not None:
                    yield Slot("variable", i, part)
    for i in range(len(profile.tables)):
        yield Slot("table", i)


def printed(profile: Profile, slot: Slot) -> FloatArray:
    """The counts of a slot as an array (a single number has shape ``()``); a copy."""
    holder: Any = (profile.variables if slot.place == "variable" else profile.tables)[slot.index]
    return np.array(getattr(holder, slot.part), dtype=float)


def half_width(profile: Profile, slot: Slot) -> float:
    """Half the width of the interval that a printed count of this slot stands for."""
    holder: Any = (profile.variables if slot.place == "variable" else profile.tables)[slot.index]
    return float(holder.half_width)


def with_printed(profile: Profile, arrays: Mapping[Slot, FloatArray], **fields: Any) -> Profile:
    """A copy of the profile with other counts in these slots.

    Parameters
    ----------
    profile : left as it is.
    arrays : new counts by slot, in the slot's shape.
    fields : further fields to set on every variable and table (``half_width``, ``sigma``).
    """
    changes: dict[tuple[str, int], dict[str, Any]] = {}
    for slot, array in arrays.items():
        value: Any = float(array) if array.ndim == 0 else array
        changes.setdefault((slot.place, slot.index), {})[slot.part] = value
    variables = tuple(
        replace(v, **changes.get(("variable", i), {}), **fields)
        for i, v in enumerate(profile.variables)
    )
    tables = tuple(
        replace(t, **changes.get(("table", i), {}), **fields) for i, t in enumerate(profile.tables)
    )
    return replace(profile, variables=variables, tables=tables)
