"""Upper reference: CTGAN (Xu et al. 2019, arXiv 1907.00503), fitted to real rows by SDV."""

from __future__ import annotations

from baselines.from_rows import FromRows, fit_sdv
from llmsyn.evaluation.samples import Sample
from llmsyn.profile.types import Profile


def fit(profile: Profile, members: Sample) -> FromRows:
    """Fit to the members' rows (minutes to hours).

    Raises
    ------
    InputError : on sampling, where SDV's environment was not built.
    """
    return fit_sdv(profile, members, "ctgan")
