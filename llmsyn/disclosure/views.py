r"""Who knows what: the owner's exact counts, and what an attacker reads in a release.

*Distinct patients.*  Where a unit is a stay, a count of stays says little about how many
people stand behind it.  The owner measures distinct patients for every printed cell; for
cells that are only derivable (complements, *i not j*) bounds follow from

.. math::  \max_i D(\text{part}_i) \le D(\text{total}) \le \sum_i D(\text{part}_i),

and protection goes by the lower bound, so that it may hide too much and never too little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llmsyn.disclosure.bounds import Bounds, propagate
from llmsyn.disclosure.moments import AMOUNT_PER_UNIT, MEAN_DECIMALS
from llmsyn.disclosure.slots import HISTOGRAMS, Slot, half_width, printed
from llmsyn.disclosure.system import BoolArray, IntArray, N, System
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet, FloatArray

_ROUNDS = 3  # complements, pairs, cells of pairs within levels


@dataclass(frozen=True, eq=False)
class Truth:
    """The owner's view, for every unknown: (n_unknowns,) each.

    Attributes
    ----------
    units : exact count; NaN where even all exact counts together leave it open.
    patients, patients_most : at least, and at most, so many distinct patients stand behind it.
    """

    units: FloatArray
    patients: FloatArray
    patients_most: FloatArray

    def small(self, system: System, threshold: int) -> BoolArray:
        """Counts to protect: of somebody, and of fewer than T distinct patients."""
        with np.errstate(invalid="ignore"):
            small: BoolArray = (self.units >= 1) & (self.patients < threshold) & system.protected
        return small


def limits(system: System, n_units: float) -> Bounds:
    """What anyone knows: counts lie between 0 and n, and logic makes some of them zero."""
    lower = np.zeros(system.n_unknowns)
    upper = np.where(system.amounts, AMOUNT_PER_UNIT * max(n_units, 1.0), n_units)
    upper[system.structural] = 0.0
    lower[N] = upper[N] = n_units
    return Bounds.given(lower, upper)


def published(system: System, profiles: tuple[Profile, ...], *, exact: bool = False) -> Bounds:
    """What the printed numbers say by themselves, before any conclusion.

    Parameters
    ----------
    system : the statements of these releases.
    profiles : as printed; NaN is not printed.
    exact : whether the profile is the exact measurement: its means are exact as well, and its
        histograms may end before the last unit (the tail is pooled before release).

    Raises
    ------
    ContradictionError : two releases print numbers that cannot both be true.
    """
    bounds = limits(system, float(profiles[0].n_units))
    lower, upper = bounds.lower, bounds.upper
    for profile, slots, means in zip(profiles, system.slots, system.means):
        for slot, ids in slots.items():
            counts, spare = printed(profile, slot), half_width(profile, slot)
            known = (ids >= 0) & ~np.isnan(counts)
            # Rounded counts stand for whole numbers strictly inside their interval.
            np.maximum.at(lower, ids[known], np.ceil(counts[known] - spare - 1e-6))
            np.minimum.at(upper, ids[known], np.floor(counts[known] + spare + 1e-6))
        for index, unknown in means.items():
            codes = profile.variables[index]
            if not isinstance(codes, CodeSet) or codes.unlisted_per_unit is None:
                continue
            amount = codes.unlisted_per_unit * profile.n_units
            spare = 0.5 if exact else mean_half_width(profile.n_units)
            lower[unknown] = max(lower[unknown], np.ceil(amount - spare - 1e-6))
            upper[unknown] = min(upper[unknown], np.floor(amount + spare + 1e-6))
        if not exact:
            _closed_histograms(system, profile, slots, upper)
    return Bounds.given(lower, upper)


def mean_half_width(n_units: float) -> float:
    """By how many codes of all units a printed mean number of codes may be off."""
    return 0.5 * 10.0**-MEAN_DECIMALS * n_units


def _closed_histograms(
    system: System, profile: Profile, slots: dict[Slot, IntArray], upper: FloatArray
) -> None:
    """A histogram whose last cell is printed ends there."""
    for slot, ids in slots.items():
        if slot.part in HISTOGRAMS and not np.isnan(printed(profile, slot)[-1]):
            beyond = system.beyond.get(int(ids[-1]))
            if beyond is not None:
                upper[beyond] = 0.0


def owner_view(system: System, units: Profile, patients: Profile) -> Truth:
    """Exact counts of every unknown, and how many distinct patients they stand for at least.

    Parameters
    ----------
    system : the statements of the measured form.
    units : exact profile in units.
    patients : the same form, in distinct patients.
    """
    bounds = propagate(system, published(system, (units,), exact=True))
    exact = np.where(bounds.fixed, np.round(bounds.lower), np.nan)
    if units.unit == "patient":
        return Truth(exact, exact, exact)
    most = np.where(np.isnan(exact), units.n_patients, np.minimum(exact, units.n_patients))
    least = np.where(exact >= 1, 1.0, 0.0)
    least[N] = most[N] = units.n_patients
    for slot, ids in system.slots[0].items():
        counts = printed(patients, slot)
        known = (ids >= 0) & ~np.isnan(counts)
        least[ids[known]] = most[ids[known]] = counts[known]
    for _ in range(_ROUNDS):
        _spread(system, least, most)
    return Truth(exact, least, most)


def _spread(system: System, least: FloatArray, most: FloatArray) -> None:
    """One round of the two inequalities between a total and its parts, in place."""
    rows, total, part_row, part = system.sums()
    sum_most = np.bincount(part_row, most[part], len(rows))
    np.maximum.at(least, part, least[total][part_row] - (sum_most[part_row] - most[part]))
    np.maximum.at(least, total[part_row], least[part])
    np.minimum.at(most, part, most[total][part_row])
    np.minimum.at(most, total, sum_most)
