"""What a release is good for: in-hospital death, trained on synthetic, tested on other people."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from membership_risk import _nameable, _part
from protocol import draw_sample, real_sample
from utility import features_of

from llmsyn.cohort.reading import RealCohort
from llmsyn.evaluation.intervals import auc
from llmsyn.evaluation.learners import fit_few, fit_xgboost
from llmsyn.evaluation.samples import Sample, feature_matrix, outcome_of
from llmsyn.measurement import DesignSettings, design, measure
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical

TABLES = "outcome"
MOST_TESTED = 15_000
CONCEPT = "in_hospital_death"


@dataclass(frozen=True, eq=False)
class Draw:
    """One random draw of members, and who the others are."""

    seed: int
    members: RealCohort
    outside: RealCohort
    others: RealCohort

    @property
    def n(self) -> int:
        """Members."""
        return len(self.members)


def utility_of(draw: Draw, profile: Profile, rows: int, work_dir: Path | None) -> float:
    """AUROC of death on people who are no members.

    Raises
    ------
    InfeasibleError : nothing can be drawn from the release.
    """
    made = draw_sample(profile, rows, seed=draw.seed, work_dir=work_dir, tables=TABLES)
    test = real_sample(_nameable(_tested(draw), profile), profile)
    return _auroc(profile, made, test, draw.seed)


def deaths_of(profile: Profile) -> float:
    """Printed number of deaths; NaN where it is suppressed."""
    outcome = profile.by_concept(CONCEPT)[0]
    assert isinstance(outcome, Categorical), "the mapping says so"
    yes = [outcome.meaning(level) == "yes" for level in outcome.levels]
    return float(outcome.counts[yes].sum())


def ceiling_of(draw: Draw) -> float:
    """A model for few rows, chosen by cross-validation, trained on the members' own records."""
    batches = list(draw.members.batches())
    form = design(batches, draw.members.mapping, DesignSettings(1, "none"))
    profile = measure(batches, form).profile
    members = real_sample(draw.members, profile)
    return _auroc(profile, members, real_sample(_nameable(_tested(draw), profile), profile),
                  draw.seed, few=True)  # fmt: skip


def _tested(draw: Draw) -> RealCohort:
    # At random: rows stand in the order of the file, which is that of the years.
    order = np.random.default_rng([draw.seed, 1]).permutation(len(draw.others))
    return _part(draw.others, order[:MOST_TESTED])


def _auroc(profile: Profile, train: Sample, test: Sample, seed: int, *, few: bool = False) -> float:
    outcome = profile.by_concept(CONCEPT)[0]
    assert isinstance(outcome, Categorical), "the mapping says so"
    y = outcome_of(train, outcome)
    if y.min() == y.max():  # nobody died, or everybody: nothing to learn from
        return math.nan
    variables = features_of(profile)
    x = feature_matrix(train, variables)
    model = fit_few(x, y, seed=seed)[0] if few else fit_xgboost(x, y, seed=seed)
    return auc(outcome_of(test, outcome), model(feature_matrix(test, variables)))
