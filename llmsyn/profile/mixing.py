"""Noisy numbers and exact ones do not stand in one profile."""

from __future__ import annotations

from llmsyn.errors import ProfileError
from llmsyn.profile.types import Profile

NOISY = "differential_privacy"


def refuse_mixing(profile: Profile, *others: Profile) -> None:
    """Refuse a profile that is noisy in parts, or noisy and exact profiles together.

    A guarantee holds for all that is released of a population.  One exact table beside the
    noisy ones gives away what their noise hides, so a profile whose method is differential
    privacy has noise in every count, one whose method is another has none, and tables of one
    kind are never laid over the other.

    Parameters
    ----------
    profile : looked at by itself.
    others : profiles that are merged with it.

    Raises
    ------
    ProfileError : the first thing that is of the other kind.
    """
    for each in (profile, *others):
        _refuse_within(each)
    noisy = [p for p in (profile, *others) if p.disclosure.method == NOISY]
    exact = [p for p in (profile, *others) if p.disclosure.method != NOISY]
    if noisy and exact:
        raise ProfileError(
            f"{noisy[0].name} is differentially private and {exact[0].name} is not; do not "
            "merge them, release both numbers from one budget instead"
        )


def _refuse_within(profile: Profile) -> None:
    noisy = profile.disclosure.method == NOISY
    parts = [(f"variable {v.name}", v.sigma) for v in profile.variables]
    parts += [(f"table {t.name}", t.sigma) for t in profile.tables]
    for name, sigma in parts:
        if noisy and not sigma > 0:
            raise ProfileError(
                f"{profile.name} says it is differentially private, but {name} has no noise "
                "(sigma is 0); leave it out, or release it from the same budget"
            )
        if not noisy and sigma > 0:
            raise ProfileError(
                f"{name} of {profile.name} has noise (sigma {sigma:g}), but the profile's "
                f"disclosure.method is {profile.disclosure.method}; write {NOISY} if all of "
                "its counts have noise"
            )
    if noisy and (profile.disclosure.epsilon is None or profile.disclosure.delta is None):
        raise ProfileError(
            f"{profile.name} says it is differentially private without its budget; write "
            "epsilon and delta",
            key="disclosure",
        )
