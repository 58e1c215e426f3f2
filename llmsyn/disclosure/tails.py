"""Cut points of numbers: at least T patients between two of them, and in both tails."""

from __future__ import annotations

import numpy as np

from llmsyn.disclosure.findings import Finding
from llmsyn.disclosure.settings import Settings
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Numeric


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
