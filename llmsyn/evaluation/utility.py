"""Utility: what a model is worth that learned from synthetic units.

For each task the same XGBoost is trained on synthetic units (TSTR), on members (TRTR), and on
what must fail (members with a permuted target; independent marginals), and tested on held-out
real units.  The ceiling is the best of tuned learners on members, so that "synthetic beats
real" is not an artefact of an untuned tree.  All areas share the resamples of one bootstrap by
patient, so differences and ratios are paired.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy import stats

from llmsyn.evaluation.equivalent import Curve, read_off, said
from llmsyn.evaluation.figures import LearningCurve
from llmsyn.evaluation.intervals import Estimate
from llmsyn.evaluation.measured import exactly, measure, scored
from llmsyn.evaluation.predictions import bootstrapped, patient_weights
from llmsyn.evaluation.regression import forest, regression
from llmsyn.evaluation.samples import FloatArray
from llmsyn.evaluation.tasks import MIN_POSITIVE, Task, find_tasks
from llmsyn.evaluation.training import Trained, train
from llmsyn.evaluation.types import Control, Evidence, Findings, Measure
from llmsyn.score import Score, undefined

N_RESAMPLES, QUICK_RESAMPLES = 200, 60

_ONE_ANSWER = "the training units have a single answer, so there is nothing to learn from them"


def utility(
    evidence: Evidence, wanted: tuple[str, ...] = ()
) -> tuple[Findings, tuple[Trained, ...]]:
    """All measures of utility, task by task.

    Parameters
    ----------
    wanted : names of tasks (:func:`~llmsyn.evaluation.tasks.find_tasks`).

    Returns
    -------
    The findings, and what was trained, for a look at subgroups.
    """
    tasks = find_tasks(evidence.profile, wanted)
    measures: list[Measure] = []
    figures: list[LearningCurve] = []
    trained: list[Trained] = []
    notes: list[str] = []
    for task in tasks:
        reason = too_few(task, evidence)
        if reason:
            measures.append(_not_measured(task.name, reason))
            continue
        done = train(task, evidence)
        found, figure = _measures(done, evidence)
        measures += found
        figures.append(figure)
        trained.append(done)
        chosen = ", ".join(f"{k} {v}" for k, v in done.setting.items())
        notes.append(f"{task.name}: yes where {task.about}. Ceiling: {chosen}.")
    if not tasks:
        measures.append(
            _not_measured("", "the profile has no outcome and no main diagnosis to predict")
        )
    else:
        measures += regression(evidence, tasks)
    findings = Findings(
        "utility", "utility", tuple(measures), figures=(*figures, *forest(evidence, tasks)),
        does_not_show="What holds for these tasks and learners need not hold for another "
        "question; where real data may be used, they answer it better.",
        notes=tuple(notes),
    )  # fmt: skip
    return findings, tuple(trained)


def too_few(task: Task, evidence: Evidence) -> str:
    """Why a task cannot be measured; empty where it can."""
    for name, sample in (("members", evidence.members), ("holdout", evidence.holdout)):
        y = task.target(sample)
        for kind, value in (("with", 1), ("without", 0)):
            number = int((y == value).sum())
            if number < MIN_POSITIVE:
                return f"{number} of the {name} are {kind} the outcome, fewer than {MIN_POSITIVE}"
    return ""


def _not_measured(of: str, reason: str) -> Measure:
    return Measure("utility.tstr.auroc", undefined("TSTR AUROC", reason), of)


def _measures(done: Trained, evidence: Evidence) -> tuple[list[Measure], LearningCurve]:
    n_resamples = QUICK_RESAMPLES if evidence.quick else N_RESAMPLES
    weights = patient_weights(done.patient, n_resamples, evidence.random("resamples"))
    found = bootstrapped(lambda w: _numbers(done, w), weights)
    of = done.task.name
    made = [
        *_of_predictions(found, of),
        *_of_differences(found, of),
        _of_real_test(done, found, evidence),
        _equivalent(done, found, of),
    ]
    made += _importance(done)
    return made, _figure(done, found)


def _numbers(done: Trained, weight: FloatArray | None) -> dict[str, float]:
    """Everything that is bootstrapped, from one set of weights."""
    found: dict[str, float] = {}
    for name, each in done.predictions.items():
        found[f"{name} auroc"] = each.auroc(weight)
        if name in ("TSTR", "ceiling", "permuted", "independent"):
            found[f"{name} auprc"] = each.auprc(weight)
            slope, intercept = each.calibration(weight)
            found[f"{name} slope"], found[f"{name} intercept"] = slope, intercept
    area = {name: found.get(f"{name} auroc", math.nan) for name in _MODELS}
    real = area["ceiling"] - 0.5
    for name in ("TSTR", "TRTR", "independent"):
        found[f"{name} ratio"] = (area[name] - 0.5) / real if real > 0 else math.nan
    for name, plain in (("augmented", "augmented"), ("independent", "augmented independent")):
        found[f"{name} gain"] = area[plain] - area["TRTR"]
    sizes = done.curve_sizes
    curve = Curve(sizes, _heights(done, sizes, weight))
    for n, height in zip(sizes, curve.rising):
        found[f"curve {n:.0f}"] = float(height)
    found["equivalent"] = math.nan if math.isnan(area["TSTR"]) else read_off(curve, area["TSTR"])
    return found


_MODELS = (
    "TSTR", "TRTR", "ceiling", "permuted", "independent", "augmented", "augmented independent",
)  # fmt: skip


def _heights(done: Trained, sizes: FloatArray, weight: FloatArray | None) -> FloatArray:
    areas = [(n, p.auroc(weight)) for n, p in done.curve]
    return np.array([np.mean([a for n, a in areas if n == size]) for size in sizes])


def _of_predictions(found: Mapping[str, Estimate], of: str) -> list[Measure]:
    """Discrimination and calibration of TSTR, between the ceiling and independent marginals."""
    named = {
        "auroc": ("AUROC", 0.0, 1.0),
        "auprc": ("AUPRC", 0.0, 1.0),
        "slope": ("calibration slope", -math.inf, math.inf),
        "intercept": ("calibration in the large", -math.inf, math.inf),
    }
    made = []
    for key, (name, least, most) in named.items():
        value = found.get(f"TSTR {key}", _none())
        controls = []
        for model, role in (("TRTR", "baseline"), ("permuted", "negative control")):
            if f"{model} {key}" in found:
                title = {"TRTR": "same learner, real units", "permuted": "permuted target"}[model]
                score = scored(f"{name}, {title}", found[f"{model} {key}"], why=_ONE_ANSWER)
                controls.append(Control(role, title, score))  # type: ignore[arg-type]
        made.append(
            measure(
                f"utility.tstr.{key}", f"TSTR {name}", value, found[f"ceiling {key}"],
                found.get(f"independent {key}", _none()), of=of, least=least, most=most,
                why=_ONE_ANSWER, controls=tuple(controls),
            )
        )  # fmt: skip
    return made


def _of_differences(found: Mapping[str, Estimate], of: str) -> list[Measure]:
    """How much of what a real model has above chance; what synthetic units add to real ones."""
    one = Estimate(1.0, 1.0, 1.0)
    zero = Estimate(0.0, 0.0, 0.0)
    ratio, why = found["TSTR ratio"], _ONE_ANSWER
    if not found["ceiling auroc"].low > 0.5:
        ratio, why = _none(), "models of real units are not surely better than chance, either"
    return [
        measure(
            "utility.ratio", "(TSTR - 0.5) / (ceiling - 0.5)", ratio, one,
            found["independent ratio"], of=of, why=why,
        ),
        measure(
            "utility.augmentation", "AUROC gained by adding synthetic to real units",
            found["augmented gain"], zero, found["independent gain"], of=of, why=_ONE_ANSWER,
            reason="ceiling 0: what the members alone reach",
        ),
    ]  # fmt: skip


def _of_real_test(done: Trained, found: Mapping[str, Estimate], evidence: Evidence) -> Measure:
    """TRTS: whether a model of real units recognises the outcome among synthetic ones."""
    metric, of = "TRTS AUROC", done.task.name
    if done.trts is None:
        score = undefined(metric, "the synthetic units have a single answer")
        return Measure("utility.trts.auroc", score, of)
    y = done.trts.y
    random = evidence.random("trts")
    weights = patient_weights(np.arange(len(y)), QUICK_RESAMPLES, random)
    trts = done.trts
    value = bootstrapped(lambda w: {"trts": trts.auroc(w)}, weights)["trts"]
    guess = Estimate(0.5, 0.5, 0.5)
    return measure("utility.trts.auroc", metric, value, found["TRTR auroc"], guess, of=of)


def _equivalent(done: Trained, found: Mapping[str, Estimate], of: str) -> Measure:
    metric = "equivalent real sample size"
    value = found["equivalent"]
    if math.isnan(value.value):
        return Measure("utility.equivalent_n", undefined(metric, _ONE_ANSWER), of)
    sizes = done.curve_sizes
    curve = Curve(sizes, np.array([found[f"curve {n:.0f}"].value for n in sizes]))
    ends = f"{said(value.value, curve)} units, interval {said(value.low, curve)} to " + said(
        value.high, curve
    )
    n = float(done.n_members)
    score = Score(metric, value.value, value.low, value.high, reason=ends)
    return Measure(
        "utility.equivalent_n", score, of,
        exactly(f"{metric}, ceiling", n, "all members"), exactly(f"{metric}, floor", 0.0, "none"),
    )  # fmt: skip


def _importance(done: Trained) -> list[Measure]:
    """Do both models look at the same features?  Spearman's rank correlation of total gain."""

    def agreement(name: str) -> Estimate:
        if name not in done.gains or "TRTR" not in done.gains:
            return _none()
        a, b = done.gains[name], done.gains["TRTR"]
        used = (a > 0) | (b > 0)
        if used.sum() < 3 or np.ptp(a[used]) == 0 or np.ptp(b[used]) == 0:
            return _none()
        rho = float(stats.spearmanr(a[used], b[used]).statistic)
        half = 1.96 * math.sqrt(1.06 / max(int(used.sum()) - 3, 1))  # Fisher's z; Fieller 1957
        z = math.atanh(max(min(rho, 0.999999), -0.999999))
        return Estimate(rho, math.tanh(z - half), math.tanh(z + half))

    return [
        measure(
            "utility.importance", "agreement of feature importance", agreement("TSTR"),
            agreement("holdout"), agreement("permuted"), of=done.task.name, least=-1, most=1,
            why="fewer than three features are used by either model",
        )
    ]  # fmt: skip


def _figure(done: Trained, found: Mapping[str, Estimate]) -> LearningCurve:
    sizes = done.curve_sizes
    heights = [found[f"curve {n:.0f}"] for n in sizes]
    return LearningCurve(
        f"Learning curve: {done.task.name}",
        "Models trained on ever more real units (line, with its 95% band), and where the model "
        "trained on synthetic units stands (horizontal). Where they cross is the equivalent real "
        "sample size.",
        sizes,
        np.array([h.value for h in heights]),
        np.array([h.low for h in heights]),
        np.array([h.high for h in heights]),
        found.get("TSTR auroc", _none()),
        found["equivalent"],
        found.get("independent auroc", _none()),
    )


def _none() -> Estimate:
    return Estimate(math.nan, math.nan, math.nan)
