"""From the cells that may be printed to the profile that is written.

A table of which nothing is printed is left out, and so is a code for which a table prints
nothing: the table is then one of the other codes.  Both are what the audit takes as "no cell
of this release" (:meth:`llmsyn.disclosure.audit.Auditor.run`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from llmsyn.disclosure.rounding import rounded, rounded_mean
from llmsyn.disclosure.settings import Settings
from llmsyn.disclosure.slots import Slot, with_printed
from llmsyn.disclosure.suppression import masked
from llmsyn.disclosure.system import BoolArray, System
from llmsyn.profile.tables import Table
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet


def printed_profile(
    units: Profile,
    system: System,
    shown: BoolArray,
    settings: Settings,
    withheld: Mapping[Slot, BoolArray],
) -> tuple[Profile, tuple[str, ...]]:
    """The profile as it is printed, and what is left out of it, in words.

    Parameters
    ----------
    units : the exact measurement.
    shown : (n_unknowns,) cells that are printed.
    withheld : cells of tables that were left out before, and explained then.
    """
    arrays = {
        slot: rounded(counts, settings) for slot, counts in masked(units, system, shown).items()
    }
    profile = with_printed(units, arrays, half_width=settings.half_width)
    variables = tuple(
        replace(v, unlisted_per_unit=_mean(v, system.means[0].get(i), shown))
        if isinstance(v, CodeSet)
        else v
        for i, v in enumerate(profile.variables)
    )
    tables: list[Table] = []
    left_out: list[str] = []
    for i, whole in enumerate(profile.tables):
        table, slot = whole, Slot("table", i)
        says = system.says_something(0, slot, shown)
        if not says.any():
            if slot not in withheld:
                left_out.append(f"{table.name}: no cell can be printed")
            continue
        axis = system.code_axes[0].get(slot)
        if axis is not None:
            table, n_blank = _without_blank(table, axis, says)
            if n_blank and slot not in withheld:
                left_out.append(f"{table.name}: {n_blank} codes, of which no cell can be printed")
        tables.append(replace(table, absent="suppressed"))
    return replace(profile, variables=variables, tables=tuple(tables)), tuple(left_out)


def _mean(codes: CodeSet, unknown: int | None, shown: BoolArray) -> float | None:
    if codes.unlisted_per_unit is None or unknown is None or not shown[unknown]:
        return None
    return rounded_mean(codes.unlisted_per_unit)


def _without_blank(table: Table, axis: int, says: BoolArray) -> tuple[Table, int]:
    """The table without codes of which it says nothing, and how many these are."""
    others = tuple(a for a in range(says.ndim) if a != axis)
    keep = np.flatnonzero(says.any(axis=others))
    side = table.axes[axis]
    axes = list(table.axes)
    axes[axis] = replace(side, labels=tuple(side.labels[k] for k in keep))
    counts = np.take(table.counts, keep, axis=axis)
    return replace(table, axes=tuple(axes), counts=counts), len(side.labels) - len(keep)
