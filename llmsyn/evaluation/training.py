"""One prediction task: every model trained, every prediction for the holdout kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmsyn.evaluation.equivalent import PARTS, REPEATS, sizes
from llmsyn.evaluation.independent import draw_independent
from llmsyn.evaluation.learners import (
    Labels,
    Matrix,
    Predict,
    fit_booster,
    fit_ceiling,
    fit_few,
    fit_setting,
    gain,
    predict_with,
)
from llmsyn.evaluation.predictions import Predictions
from llmsyn.evaluation.samples import FloatArray, IntArray, Sample
from llmsyn.evaluation.tasks import Task
from llmsyn.evaluation.types import Evidence

MOST_ROWS, QUICK_ROWS = 50_000, 2_000
"""Units that a model is trained on at most."""

TUNED_FROM = 5_000
"""From here on the learning curve uses the ceiling's learner; below, cross-validation chooses
for each part (few rows: ridge regression beats trees; METHOD.md section 5)."""

SMALLEST_PART = 50
"""Units in the smallest part of the learning curve; it needs five with the outcome."""

Rows = tuple[Matrix, Labels]


@dataclass(frozen=True, eq=False)
class Trained:
    """What came of one task.

    Attributes
    ----------
    task : what was predicted.
    rows : (m,) units of the holdout whose answer is known.
    patient : (m,) their patients.
    predictions : for these units, by what the model was trained on: ``TSTR``, ``TRTR``,
        ``ceiling``, ``permuted``, ``independent``, ``augmented``, ``augmented independent``;
        those with a single answer to learn from are not there.
    trts : predictions of the ``TRTR`` model for synthetic units.
    gains : model -> (n_features,) total gain of each feature; ``holdout`` is a model of the
        holdout, which says how far two real models agree.
    setting : learner and settings of the ceiling.
    curve : (n, predictions) of each model of the learning curve.
    n_synthetic, n_members : units the models were trained on.
    """

    task: Task
    rows: IntArray
    patient: IntArray
    predictions: Mapping[str, Predictions]
    trts: Predictions | None
    gains: Mapping[str, FloatArray]
    setting: Mapping[str, Any]
    curve: tuple[tuple[int, Predictions], ...]
    n_synthetic: int
    n_members: int

    @property
    def curve_sizes(self) -> FloatArray:
        """``(k,)`` rising sizes of the learning curve."""
        return np.unique([float(n) for n, _ in self.curve])


def train(task: Task, evidence: Evidence) -> Trained:
    """Train and predict; the random choices of a task do not depend on other tasks."""
    random = evidence.random(f"task {task.name}")
    most = QUICK_ROWS if evidence.quick else MOST_ROWS
    n_rounds = 40 if evidence.quick else 200
    known = task.target(evidence.holdout)
    rows = np.flatnonzero(known >= 0)
    if evidence.quick:
        rows = np.sort(random.permutation(rows)[: 2 * QUICK_ROWS])
    x, y = task.matrix(evidence.holdout.take(rows)), known[rows]

    members = ready(task, evidence.members, most, random)
    synthetic = ready(task, evidence.synthetic, most, random)
    n = min(len(members[1]), len(synthetic[1]))
    drawn = draw_independent(evidence.profile, len(members[1]), random)
    alone = ready(task, drawn, most, random)
    sets: dict[str, Rows] = {
        "TSTR": synthetic,
        "TRTR": members,
        "permuted": (members[0], random.permutation(members[1])),
        "independent": alone,
        "augmented": _below(members, (synthetic[0][:n], synthetic[1][:n])),
        "augmented independent": _below(members, alone),
        "holdout": (x, y),
    }
    boosters = {
        name: fit_booster(*each, seed=evidence.seed, n_rounds=n_rounds)
        for name, each in sets.items()
        if _two_answers(each[1])
    }
    predictions = {
        name: Predictions(y, predict_with(b)(x))
        for name, b in boosters.items()
        if name != "holdout"
    }
    ceiling, setting = _ceiling(members, evidence)
    predictions["ceiling"] = Predictions(y, ceiling(x))
    trts = None
    if "TRTR" in boosters and _two_answers(synthetic[1]):
        trts = Predictions(synthetic[1], predict_with(boosters["TRTR"])(synthetic[0]))
    return Trained(
        task,
        rows,
        evidence.holdout.patient[rows],
        predictions,
        trts,
        {name: gain(b, x.shape[1]) for name, b in boosters.items()},
        setting,
        tuple(_learning_curve(members, x, y, setting, ceiling, evidence, random)),
        len(synthetic[1]),
        len(members[1]),
    )


def ready(task: Task, sample: Sample, most: int, random: np.random.Generator) -> Rows:
    """Features and labels of at most so many units whose answer is known, in random order."""
    y = task.target(sample)
    rows = random.permutation(np.flatnonzero(y >= 0))[:most]
    return task.matrix(sample.take(rows)), y[rows]


def _ceiling(members: Rows, evidence: Evidence) -> tuple[Predict, dict[str, Any]]:
    if evidence.quick:
        return fit_few(*members, seed=evidence.seed)
    return fit_ceiling(*members, seed=evidence.seed)


def _learning_curve(
    members: Rows, x: Matrix, y: Labels, setting: Mapping[str, Any], ceiling: Predict,
    evidence: Evidence, random: np.random.Generator,
) -> list[tuple[int, Predictions]]:  # fmt: skip
    """Predictions of models trained on ever larger random parts of the members."""
    n_members, positive = len(members[1]), float(members[1].mean())
    smallest = max(SMALLEST_PART, round(5 / max(min(positive, 1 - positive), 1e-9)))
    parts, repeats = (3, 1) if evidence.quick else (PARTS, REPEATS)
    found = []
    for n in sizes(min(smallest, n_members), n_members, parts):
        if n == n_members:
            found.append((n, Predictions(y, ceiling(x))))
            continue
        for repeat in range(repeats):
            part = random.permutation(n_members)[:n]
            rows = members[0][part], members[1][part]
            if not _two_answers(rows[1]):
                continue
            seed = evidence.seed + repeat
            if n >= TUNED_FROM:
                model = fit_setting(*rows, setting, seed=seed)
            else:
                model, _ = fit_few(*rows, seed=seed)
            found.append((n, Predictions(y, model(x))))
    return found


def _below(a: Rows, b: Rows) -> Rows:
    return np.vstack([a[0], b[0]]), np.concatenate([a[1], b[1]])


def _two_answers(y: Labels) -> bool:
    return bool(0 < y.mean() < 1) if len(y) else False
