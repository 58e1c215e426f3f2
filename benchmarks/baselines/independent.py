"""Baseline: every variable and every code drawn by itself, from its margin: the floor."""

from __future__ import annotations

from baselines.fitting import Drawn
from llmsyn.evaluation.independent import draw_independent
from llmsyn.profile.types import Profile


def fit(profile: Profile) -> Drawn:
    """Nothing is fitted: margins are used as they are printed."""
    return Drawn(lambda n, random: draw_independent(profile, n, random))
