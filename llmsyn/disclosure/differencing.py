r"""What a release says together with earlier ones of the same population name.

*The same people* (equal numbers of units and patients, and no printed count contradicts the
new measurement): both releases are one set of statements, and the audit runs on all of them.

*More people, or fewer* (a monthly update; a training part, then the whole): the difference
of two printed counts counts those who came or went.  If one population contains the other,
all differences form a release of their own, of :math:`|n_2 - n_1|` units, and it must not
prove a count between 1 and T - 1.  Where differences of both signs show that neither contains
the other, counts of the same cell are compared one by one, as long as the sizes are close.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from llmsyn.disclosure.audit import Auditor
from llmsyn.disclosure.bounds import Bounds, ContradictionError, propagate
from llmsyn.disclosure.choosing import Chooser
from llmsyn.disclosure.register import Entry
from llmsyn.disclosure.settings import Settings
from llmsyn.disclosure.slots import printed
from llmsyn.disclosure.statements import statements
from llmsyn.disclosure.suppression import exact_cells, release_bounds
from llmsyn.disclosure.system import BoolArray, IntArray, N, System
from llmsyn.disclosure.views import Truth, limits, published
from llmsyn.errors import CheckFailed
from llmsyn.profile.types import Profile

CLOSE = 0.1
"""Populations of which neither contains the other are compared if their sizes differ by less."""

Relation = Literal["same", "nested", "overlapping", "apart"]


@dataclass(frozen=True)
class Comparison:
    """How an earlier release relates to the new one, and what that took out.

    Attributes
    ----------
    entry : the earlier release.
    relation : ``same`` people, one population ``nested`` in the other, ``overlapping``, or
        ``apart`` (different people for all that can be seen).
    cells : names of cells that are not printed because of it.
    known_before : small counts that the earlier release gave away by itself.
    """

    entry: Entry
    relation: Relation
    cells: tuple[str, ...] = ()
    known_before: tuple[str, ...] = ()


def same_people(units: Profile, entry: Entry) -> bool:
    """Whether an earlier release can be one of the very same units."""
    old = entry.profile
    if (old.unit, old.n_units, old.n_patients) != (units.unit, units.n_units, units.n_patients):
        return False
    system = statements(units, old)
    try:
        both = published(system, (units, old), exact=True)
        propagate(system, both)
    except ContradictionError:
        return False
    return not np.any(both.lower > both.upper + 1e-6)


def earlier_knowledge(system: System, releases: Sequence[Profile], n_units: float) -> Bounds:
    """What releases after the first of a system say: bounds of every unknown.

    Parameters
    ----------
    system : of the new release, then of these.
    """
    if not releases:
        return limits(system, n_units)
    earlier = replace(
        system, slots=system.slots[1:], means=system.means[1:], code_axes=system.code_axes[1:]
    )
    return published(earlier, tuple(releases))


def difference_cells(
    units: Profile, truth: Truth, entry: Entry, settings: Settings, shown: BoolArray
) -> tuple[Relation, IntArray]:
    """Cells that must not be printed because of an earlier release of other people.

    Parameters
    ----------
    units : the exact measurement.
    truth : the owner's view in the system of ``units`` alone.
    entry : the earlier release.
    shown : (n_unknowns,) cells of that system that would be printed.

    Returns
    -------
    relation, unknowns of that system.

    Raises
    ------
    CheckFailed : the populations differ by fewer than T patients or units as a whole.
    """
    old = entry.profile
    _refuse_few(units, entry, settings)
    system = statements(units)
    both = statements(units, old)
    twin = np.full(system.n_unknowns, N)  # the same cell in the system of both
    for slot, ids in system.slots[0].items():
        twin[ids[ids >= 0]] = both.slots[0][slot][ids >= 0]
    sign = 1.0 if units.n_units >= old.n_units else -1.0
    before = earlier_knowledge(both, [old], max(units.n_units, old.n_units))
    was_printed = np.zeros(both.n_unknowns, dtype=bool)
    for slot, ids in both.slots[1].items():
        was_printed[ids[(ids >= 0) & ~np.isnan(printed(old, slot))]] = True
    comparable = was_printed[twin] & (twin != N)
    exact = exact_cells(system, units)
    gap = abs(units.n_units - old.n_units)
    removed: set[int] = set()
    relation: Relation = "nested" if gap else "overlapping"
    auditor = Auditor(system, None, settings)
    chooser = Chooser(system, truth, settings.threshold)
    now_shown = shown.copy()
    while True:
        now = release_bounds(system, exact, now_shown, settings)
        use = comparable & now_shown
        ends = (sign * (now.lower - before.upper[twin]), sign * (now.upper - before.lower[twin]))
        low, high = np.minimum(*ends), np.maximum(*ends)
        if relation == "nested":
            delta = limits(system, gap)
            delta.lower[use] = np.maximum(low[use], 0.0)
            delta.upper[use] = np.minimum(high[use], gap)
            try:
                if np.any(high[use] < 0) or np.any(low[use] > gap):
                    raise ContradictionError(int(np.flatnonzero(use)[0]))
                findings = auditor.run(delta)
            except ContradictionError:
                relation = "overlapping"
                continue
            if not findings:
                break
            picked = [unknown for unknown, _ in chooser.choose(findings, use)]
        else:
            if gap > CLOSE * max(units.n_units, old.n_units):
                relation = "apart"
                break
            limit = settings.threshold - 1
            surely = ((low >= 1) & (high <= limit)) | ((high <= -1) & (low >= -limit))
            picked = [int(i) for i in np.flatnonzero(use & surely)]
            if not picked:
                break
        removed.update(picked)
        now_shown[picked] = False
    return relation, np.array(sorted(removed), dtype=np.int64)


def _refuse_few(units: Profile, entry: Entry, settings: Settings) -> None:
    old = entry.profile
    for what, now, before in (
        (f"{units.unit}s", units.n_units, old.n_units),
        ("patients", units.n_patients, old.n_patients),
    ):
        if 0 < abs(now - before) < settings.threshold:
            raise CheckFailed(
                f"this release has {now:,.0f} {what} and {entry} has {before:,.0f}: they differ by "
                f"fewer than {settings.threshold}, so that comparing both would show those few; "
                "wait until more have come, or release from the same population"
            )
