"""A model that tries to tell synthetic units from held-out real ones.

Area under the ROC curve of cross-validation, grouped by patient: 0.5 means that it cannot.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmsyn.evaluation.intervals import Estimate, bootstrap_auc
from llmsyn.evaluation.learners import fit_xgboost
from llmsyn.evaluation.measured import measure
from llmsyn.evaluation.samples import IntArray, Sample, feature_matrix
from llmsyn.evaluation.types import Evidence, Measure
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet, Variable
from llmsyn.score import Score

N_FOLDS = 5

MOST_A_SIDE = 10_000
"""Units on either side: the area grows with their number, so it is fixed."""

QUICK_A_SIDE = 2_000


def folds_of(patient: IntArray, random: np.random.Generator, n_folds: int = N_FOLDS) -> IntArray:
    """``(n,)`` fold of each unit; a patient is in one fold only."""
    _, who = np.unique(patient, return_inverse=True)
    fold: IntArray = (random.permutation(int(who.max()) + 1) % n_folds)[who]
    return fold


def discriminator_auc(
    *,
    real: Sample,
    synthetic: Sample,
    variables: Sequence[Variable],
    seed: int,
    unlisted: bool,
    n_rounds: int = 200,
    n_resamples: int = 400,
) -> Estimate:
    """How well XGBoost tells two samples apart; cross-validated, bootstrapped by patient.

    Parameters
    ----------
    variables : seen by the model; numbers are as fine as the profile's bins, and each code
        set adds the number of its listed codes.
    unlisted : whether it sees the number of unlisted codes too.
    """
    x = np.vstack(
        [
            feature_matrix(sample, variables, coarse=True, unlisted=unlisted)
            for sample in (real, synthetic)
        ]
    )
    y = np.repeat([1, 0], [len(real), len(synthetic)])
    shift = int(real.patient.max()) + 1
    patient = np.concatenate([real.patient, synthetic.patient + shift])
    random = np.random.default_rng(seed)
    fold = folds_of(patient, random)
    score = np.empty(len(y))
    for k in range(N_FOLDS):
        model = fit_xgboost(x[fold != k], y[fold != k], seed=seed, n_rounds=n_rounds)
        score[fold == k] = model(x[fold == k])
    return bootstrap_auc(y, score, group=patient, fold=fold, random=random, n_resamples=n_resamples)


def demographics_and_codes(profile: Profile) -> list[Variable]:
    """Variables of the first stage, and all code sets."""
    return [v for v in profile.in_order if isinstance(v, CodeSet) or v.stage == profile.stages[0]]


def discriminator(evidence: Evidence, independent: Sample) -> list[Measure]:
    """The discriminator on demographics and codes, and on every variable.

    Where it cannot tell independent marginals from real units (its interval holds 0.5), it
    could not tell anything: the measure is ``undefined``.
    """
    most = QUICK_A_SIDE if evidence.quick else MOST_A_SIDE
    others = (evidence.synthetic, evidence.members, independent)
    n = min(most, len(evidence.holdout), *(len(o) for o in others))
    random = evidence.random("discriminator")
    real, *cut = (s.take(random.permutation(len(s))[:n]) for s in (evidence.holdout, *others))
    found = []
    for key, of, variables, unlisted in (
        ("codes", "demographics and codes", demographics_and_codes(evidence.profile), False),
        ("all", "all variables", list(evidence.profile.in_order), True),
    ):
        areas = [
            discriminator_auc(
                real=real, synthetic=other, variables=variables, seed=evidence.seed,
                unlisted=unlisted, n_rounds=60 if evidence.quick else 200,
                n_resamples=100 if evidence.quick else 400,
            )
            for other in cut
        ]  # fmt: skip
        made = measure(
            f"fidelity.discriminator.{key}", f"discriminator AUC, {of}", *areas, least=0, most=1,
            reason=f"{n:,} units a side",
        )  # fmt: skip
        found.append(_gated(made))
    return found


def _gated(made: Measure) -> Measure:
    """The measure, undefined where not even independent marginals are recognised."""
    floor = made.floor
    assert floor is not None, "discriminator measures one"
    if floor.low > 0.5:
        return made
    score = made.score
    why = (
        f"the model does not tell independent marginals from real units (AUC {floor.value:.3f}), "
        "so it would not tell these"
    )
    gated = Score(score.metric, score.value, score.low, score.high, verdict="undefined", reason=why)
    return Measure(made.key, gated, made.of, made.ceiling, floor, made.controls)
