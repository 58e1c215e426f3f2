"""``disclose``: from the exact measurement to what may leave the house."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from llmsyn.disclosure.audit import Auditor, only
from llmsyn.disclosure.differencing import (
    Comparison,
    difference_cells,
    earlier_knowledge,
    same_people,
)
from llmsyn.disclosure.findings import AuditResult
from llmsyn.disclosure.printing import printed_profile
from llmsyn.disclosure.register import Entry, Register
from llmsyn.disclosure.risk import Risk
from llmsyn.disclosure.settings import Settings
from llmsyn.disclosure.slots import Slot
from llmsyn.disclosure.statements import statements
from llmsyn.disclosure.suppression import Suppression, exact_cells, suppress
from llmsyn.disclosure.system import BoolArray, IntArray, System
from llmsyn.disclosure.tails import pooled_histograms, tail_findings
from llmsyn.disclosure.views import Truth, owner_view
from llmsyn.errors import CheckFailed
from llmsyn.profile.types import Disclosure, Profile

if TYPE_CHECKING:
    from llmsyn.measurement import Measurement


@dataclass(frozen=True)
class Removed:
    """One count that was measured and is not printed; for the owner's eyes.

    ``protects`` names the count that would follow from it, where it is complementary.
    """

    cell: str
    count: float
    patients: float
    reason: str
    protects: str = ""


@dataclass(frozen=True, eq=False)
class Release:
    """A profile that may leave the house, and what the officer must know about it.

    Attributes
    ----------
    profile : what is printed.
    settings : the rules it was made by.
    audit : the last audit, without findings.
    removed : counts that are not printed, zeros left out.
    reasons : number of cells by reason, zeros included.
    comparisons : earlier releases of the same population name.
    left_out : tables and variables that are not in the profile, with the reason.
    date : ISO date.
    seconds : wall time.
    population : the owner's name for the people behind it.
    risk : predicted membership risk of what is printed, where it was predicted.
    """

    profile: Profile
    settings: Settings
    audit: AuditResult
    removed: tuple[Removed, ...]
    reasons: Mapping[str, int]
    comparisons: tuple[Comparison, ...]
    left_out: tuple[str, ...]
    date: str
    seconds: float
    population: str
    risk: Risk | None = None

    def with_risk(self, risk: Risk) -> Release:
        """The same release, whose profile says what risk was predicted for it."""
        said = replace(self.profile.disclosure, predicted_membership_auc=round(risk.auc, 4))
        return replace(self, profile=replace(self.profile, disclosure=said), risk=risk)

    def entry(self) -> Entry:
        """What the register keeps of this release."""
        return Entry(self.population, self.date, self.profile)


def disclose(
    measurement: Measurement,
    settings: Settings,
    register: Register | None = None,
    *,
    withheld: Mapping[Slot, BoolArray] | None = None,
    left_out: tuple[str, ...] = (),
    today: date | None = None,
) -> Release:
    """Suppress, round and audit an exact measurement.

    Parameters
    ----------
    measurement : exact counts in units and in distinct patients; it is not changed.
    settings : threshold, rounding, zeros.
    register : earlier releases to check against.  Nothing is added to it: do that with
        :meth:`Release.entry` once the profile is written.
    withheld : cells that a risk budget does not allow, by slot.
    left_out : what was left out before, in words; kept in the profile.
    today : date of the release.

    Returns
    -------
    Release
        its audit has no findings.

    Raises
    ------
    CheckFailed : a number has a tail or a quantile of fewer than T patients, the population
        differs from an earlier one by fewer than T, or releases contradict each other.
    InfeasibleError : a small count follows from numbers that cannot be left out.
    """
    start = time.perf_counter()
    units, patients = measurement.profile, measurement.patients
    _refuse_thin(units, patients, settings)
    units, patients, tails = pooled_histograms(units, patients, settings)
    population = settings.population or units.name
    entries = register.entries(population) if register else ()
    same = [entry for entry in entries if same_people(units, entry)]
    system = statements(units, *(entry.profile for entry in same))
    truth = owner_view(only(system, 0), units, patients)
    exact = exact_cells(system, units)
    hidden = _hidden(system, tails, withheld or {})
    comparisons, differing = _compare(
        units, patients, entries, same, settings, hidden, Auditor(system, truth, settings)
    )
    auditor = Auditor(system, truth, settings)
    background = earlier_knowledge(system, [e.profile for e in same], units.n_units)
    choice = suppress(
        auditor, exact, settings, background=background, withheld=hidden, differencing=differing
    )
    profile, empty = printed_profile(units, system, choice.printed, settings, withheld or {})
    profile = replace(
        profile,
        disclosure=Disclosure(
            method="suppression",
            threshold=settings.threshold,
            rounding=settings.rounding,
            zeros_published=settings.zeros_published,
            max_membership_auc=settings.max_membership_auc,
            left_out=(*left_out, *empty),
        ),
    )
    seconds = time.perf_counter() - start
    return Release(
        profile=profile,
        settings=settings,
        audit=auditor.result((), seconds),
        removed=_removed(system, truth, choice),
        reasons=choice.counts,
        comparisons=tuple(comparisons),
        left_out=(*left_out, *empty),
        date=(today or date.today()).isoformat(),
        seconds=seconds,
        population=population,
    )


def _refuse_thin(units: Profile, patients: Profile, settings: Settings) -> None:
    thin = tail_findings(units, patients, settings)
    if thin:
        names = ", ".join(finding.cell for finding in thin[:3])
        raise CheckFailed(
            f"{len(thin)} bins hold fewer than {settings.threshold} patients behind a cut point "
            f"({names}); set bottom, top or edges of the variable in the mapping"
        )


def _hidden(
    system: System, tails: Mapping[Slot, object], withheld: Mapping[Slot, BoolArray]
) -> IntArray:
    """Unknowns of cells that are left out whatever their count."""
    found = [np.empty(0, dtype=np.int64)]
    for masks in (tails, withheld):
        for slot, mask in masks.items():
            ids = system.slots[0][slot][np.asarray(mask, dtype=bool)]
            found.append(ids[ids >= 0])
    return np.unique(np.concatenate(found))


def _compare(
    units: Profile,
    patients: Profile,
    entries: tuple[Entry, ...],
    same: list[Entry],
    settings: Settings,
    hidden: IntArray,
    auditor: Auditor,
) -> tuple[list[Comparison], IntArray]:
    """Check the release against every earlier one; cells to leave out, in the joint system."""
    comparisons: list[Comparison] = []
    differing: list[IntArray] = [np.empty(0, dtype=np.int64)]
    if not entries:
        return comparisons, differing[0]
    alone = statements(units)
    truth: Truth = owner_view(alone, units, patients)
    joint = auditor.system
    to_joint = np.zeros(alone.n_unknowns, dtype=np.int64)
    for slot, ids in alone.slots[0].items():
        to_joint[ids[ids >= 0]] = joint.slots[0][slot][ids >= 0]
    shown = _printable(alone, truth, settings)
    shown &= ~np.isin(to_joint, hidden[hidden > 0])
    for entry in entries:
        if entry in same:
            comparisons.append(Comparison(entry, "same"))
            continue
        relation, cells = difference_cells(units, truth, entry, settings, shown)
        shown[cells] = False
        names = tuple(alone.name(int(i)) for i in cells)
        comparisons.append(Comparison(entry, relation, names))
        differing.append(to_joint[cells])
    return comparisons, np.concatenate(differing)


def _printable(system: System, truth: Truth, settings: Settings) -> BoolArray:
    """Cells that primary suppression would print."""
    cells = np.unique(np.concatenate([i[i >= 0].ravel() for i in system.slots[0].values()]))
    shown = np.zeros(system.n_unknowns, dtype=bool)
    shown[cells] = (truth.patients[cells] >= settings.threshold) | (truth.units[cells] == 0)
    return shown


def _removed(system: System, truth: Truth, choice: Suppression) -> tuple[Removed, ...]:
    """What is not printed, largest reason first; zeros are counted and not listed."""
    return tuple(
        Removed(
            cell=system.name(unknown),
            count=float(truth.units[unknown]),
            patients=float(truth.patients[unknown]),
            reason=reason,
            protects=choice.proof.get(unknown, ""),
        )
        for unknown, reason in sorted(choice.reason.items())
        if truth.units[unknown] > 0
    )
