"""Tails and cut points: at least T patients beyond the last number that is printed.

Numbers get their outer bins from the mapping and the design of the profile; here they are
verified.  Histograms of codes per unit are cut here: their length would tell the largest
number of codes that any patient has.
"""

from __future__ import annotations

import numpy as np

from llmsyn.disclosure.findings import Finding
from llmsyn.disclosure.settings import Settings
from llmsyn.disclosure.slots import HISTOGRAMS, Slot, printed, slots, with_printed
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import FloatArray, Numeric

TAIL = 2
"""A histogram whose last printed cell is a - 1 is a fixed multiple of a long, whatever the data."""


def pooled_histograms(
    units: Profile, patients: Profile, settings: Settings
) -> tuple[Profile, Profile, dict[Slot, FloatArray]]:
    """Give histograms with a thin tail a length that does not depend on the tail.

    Let a be the first number of codes from which on every cell stands for fewer than T
    patients.  Cells from a on are not printed, and the histogram is 2 a long (at least a + 1):
    units beyond count as "more".  Their number and their codes altogether stay derivable,
    and the audit treats them as such.

    Parameters
    ----------
    units, patients : exact measurement in units and in distinct patients.

    Returns
    -------
    units, patients : with histograms of the new length.
    tails : by slot, 1 for cells of the tail and 0 for others.
    """
    arrays: tuple[dict[Slot, FloatArray], dict[Slot, FloatArray]] = ({}, {})
    tails = {}
    for slot in slots(units):
        if slot.part not in HISTOGRAMS:
            continue
        exact, people = printed(units, slot), printed(patients, slot)
        thick = np.flatnonzero(people >= settings.threshold)
        first = int(thick[-1]) + 1 if thick.size else 0
        if first == len(exact):
            continue
        size = max(TAIL * first, first + 1)
        for target, counts in zip(arrays, (exact, people)):
            target[slot] = np.append(counts, np.zeros(max(size - len(counts), 0)))[:size]
        tails[slot] = (np.arange(size) >= first).astype(float)
    return with_printed(units, arrays[0]), with_printed(patients, arrays[1]), tails


def pooled_like(
    profile: Profile, units: Profile, patients: Profile, settings: Settings
) -> tuple[Profile, Profile]:
    """The measurement with its histograms pooled where a release has them pooled.

    Parameters
    ----------
    profile : the release.
    units, patients : exact measurement in units and in distinct patients.
    """
    pooled = pooled_histograms(units, patients, settings)
    places = {(profile.variables[s.index].name, s.part): s for s in slots(profile)
              if s.part in HISTOGRAMS}  # fmt: skip
    arrays: tuple[dict[Slot, FloatArray], dict[Slot, FloatArray]] = ({}, {})
    for slot in pooled[2]:
        mine = places.get((units.variables[slot.index].name, slot.part))
        short = printed(pooled[0], slot)
        if mine is not None and len(printed(profile, mine)) == len(short):
            arrays[0][slot], arrays[1][slot] = short, printed(pooled[1], slot)
    return with_printed(units, arrays[0]), with_printed(patients, arrays[1])


def tail_findings(units: Profile, patients: Profile, settings: Settings) -> list[Finding]:
    """Bins of the exact measurement that are too thin for their cut points to be printed.

    Edges are printed even where counts are not.  An edge that belongs to few patients (the
    oldest age, a quantile between two people) says something about them.  So the first and
    last bin hold at least T distinct patients (top- and bottom-coding), and where the cut
    points come from the data (quantiles) every bin does.

    Parameters
    ----------
    units, patients : the exact measurement, NaN-free.
    settings : for the threshold.
    """
    found = []
    for exact, people in zip(units.variables, patients.variables):
        if not isinstance(exact, Numeric) or not isinstance(people, Numeric):
            continue
        thin = np.flatnonzero((people.counts < settings.threshold) & (people.counts >= 0))
        for i in thin:
            is_tail = i in (0, len(exact.counts) - 1)
            if is_tail or exact.basis == "quantiles":
                found.append(
                    Finding(
                        kind="tail" if is_tail else "quantile",
                        cell=f"{exact.name}={exact.levels[i]}",
                        lower=float(exact.counts[i]),
                        upper=float(exact.counts[i]),
                        truth=float(exact.counts[i]),
                    )
                )
    return found
