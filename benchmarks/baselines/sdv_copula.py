"""Upper reference: SDV's Gaussian copula, fitted to real rows."""

from __future__ import annotations

from baselines.from_rows import FromRows, fit_sdv
from llmsyn.evaluation.samples import Sample
from llmsyn.profile.types import Profile


def fit(profile: Profile, members: Sample) -> FromRows:
    """Fit to the members' rows.

    Raises
    ------
    InputError : on sampling, where SDV's environment was not built.
    """
    return fit_sdv(profile, members, "copula")
