"""Equity: whether what holds on average holds for women and men, young and old.

Fidelity and utility by group, then the worst group and the gap between best and worst.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from llmsyn.evaluation.columns import columns_of, indicators
from llmsyn.evaluation.figures import Bars, Pyramids
from llmsyn.evaluation.groups import Group, find_groups
from llmsyn.evaluation.intervals import Estimate
from llmsyn.evaluation.learners import fit_xgboost
from llmsyn.evaluation.measured import measure
from llmsyn.evaluation.predictions import Predictions, bootstrapped, patient_weights
from llmsyn.evaluation.samples import FloatArray, Sample
from llmsyn.evaluation.tasks import MIN_POSITIVE
from llmsyn.evaluation.training import QUICK_ROWS, Trained, ready
from llmsyn.evaluation.types import Evidence, Findings, Measure
from llmsyn.profile.variables import Numeric
from llmsyn.score import undefined

SMALLEST_GROUP = 50
"""Held-out units and members below which a group is named, but not measured."""

_RESAMPLES, _QUICK = 200, 60


def equity(evidence: Evidence, trained: Sequence[Trained]) -> Findings:
    """All measures by group.

    Parameters
    ----------
    trained : what the tasks of :func:`~llmsyn.evaluation.utility.utility` left behind.
    """
    groups = find_groups(evidence.profile)
    large = [g for g in groups if _size(g, evidence) >= SMALLEST_GROUP]
    notes = [
        f"{g.variable.name} {g.name}: {_size(g, evidence)} units, too few to be measured"
        for g in groups
        if g not in large and _size(g, evidence) > 0
    ]
    measures, figures = [], []
    for variable in dict.fromkeys(g.variable.name for g in large):
        own = [g for g in large if g.variable.name == variable]
        found, figure = _fidelity(own, evidence)
        measures += found
        figures.append(figure)
        for done in trained:
            found, bars = _utility(own, done, evidence)
            measures += found
            figures += bars
    measures += [m for done in trained[:1] for m in _smallest_group(large, done, evidence)]
    if not measures:
        reason = f"no group has {SMALLEST_GROUP} members and {SMALLEST_GROUP} held-out units"
        measures.append(Measure("equity.fidelity_gap", undefined("gap between groups", reason)))
    return Findings(
        "equity", "equity", tuple(measures), figures=(*_pyramids(evidence), *figures),
        does_not_show="A group that nobody wrote down cannot be compared, and small groups have "
        "wide intervals: no gap found is not no gap.",
        notes=tuple(notes),
    )  # fmt: skip


def _size(group: Group, evidence: Evidence) -> int:
    return min(int(group.mask(s).sum()) for s in (evidence.members, evidence.holdout))


def _fidelity(groups: Sequence[Group], evidence: Evidence) -> tuple[list[Measure], Bars]:
    """Mean absolute difference of the shares of all levels and codes, group by group."""
    of = groups[0].variable.name
    kept = np.array([v != of for v, _ in columns_of(evidence.profile).names])
    ours = [_errors(g, evidence, evidence.synthetic, kept) for g in groups]
    ceiling = [_errors(g, evidence, evidence.members, kept) for g in groups]
    bars = Bars(
        f"Error of the shares by {of}",
        "Mean absolute difference of the shares of all other levels and codes from held-out "
        "real units of the same group. The line is what members, who are real, differ by.",
        tuple(g.name for g in groups),
        tuple(ours), tuple(ceiling), "mean difference of shares", 0.0,
    )  # fmt: skip
    measures = [
        measure("equity.fidelity", f"mean error of shares, {of} {g.name}", a, b,
                of=f"{of} {g.name}", least=0)
        for g, a, b in zip(groups, ours, ceiling)
    ]  # fmt: skip
    if len(groups) > 1:
        # A small group differs more by chance alone; what is compared is the excess.
        excess = [Estimate(a.value - b.value, *_wider(a, b)) for a, b in zip(ours, ceiling)]
        measures.append(
            _gap(
                "equity.fidelity_gap",
                "gap of the error of shares, beyond chance",
                of,
                groups,
                excess,
            )
        )
    return measures, bars


def _wider(a: Estimate, b: Estimate) -> tuple[float, float]:
    value = a.value - b.value
    half = math.hypot((a.high - a.low) / 2, (b.high - b.low) / 2)
    return value - half, value + half


def _errors(
    group: Group, evidence: Evidence, other: Sample, kept: FloatArray
) -> Estimate:  # fmt: skip
    """Bootstrapped over units of both sides."""
    sides = []
    for sample in (evidence.holdout, other):
        rows = np.flatnonzero(group.mask(sample))
        sides.append(indicators(sample.take(rows), evidence.profile)[:, np.flatnonzero(kept)])
    if not min(s.shape[0] for s in sides):
        return Estimate(math.nan, math.nan, math.nan)
    random = evidence.random(f"equity {group.variable.name} {group.name}")
    value = float(np.abs(*[sides[0].mean(0) - sides[1].mean(0)]).mean())
    drawn = []
    for _ in range(_QUICK):
        p, q = (
            (random.multinomial(n, np.full(n, 1 / n)).astype(np.float32) @ s) / n
            for s in sides
            for n in [s.shape[0]]
        )
        drawn.append(float(np.abs(p - q).mean()))
    half = 1.96 * float(np.std(drawn, ddof=1))  # resampled |differences| are biased upwards
    return Estimate(value, max(value - half, 0.0), value + half)


def _utility(
    groups: Sequence[Group], done: Trained, evidence: Evidence
) -> tuple[list[Measure], list[Bars]]:
    """AUROC of TSTR within each group, between the ceiling and guessing."""
    if "TSTR" not in done.predictions:
        return [], []
    holdout = evidence.holdout.take(done.rows)
    of, task = groups[0].variable.name, done.task.name
    kept, ours, real = [], [], []
    for group in groups:
        rows = np.flatnonzero(group.mask(holdout))
        y = done.predictions["TSTR"].y[rows]
        if min(int(y.sum()), int((1 - y).sum())) < MIN_POSITIVE:
            continue
        parts = {k: Predictions(y, done.predictions[k].p[rows]) for k in ("TSTR", "ceiling")}
        n_resamples = _QUICK if evidence.quick else _RESAMPLES
        weights = patient_weights(
            holdout.patient[rows], n_resamples, evidence.random(f"equity {of} {group.name}")
        )
        found = bootstrapped(lambda w, p=parts: {k: v.auroc(w) for k, v in p.items()}, weights)  # type: ignore[misc]
        kept.append(group)
        ours.append(found["TSTR"])
        real.append(found["ceiling"])
    if len(kept) < 2:
        return [], []
    guess = Estimate(0.5, 0.5, 0.5)
    measures = [
        measure("equity.utility", f"TSTR AUROC, {task}, {of} {g.name}", a, b, guess,
                of=f"{task}: {of} {g.name}", least=0, most=1)
        for g, a, b in zip(kept, ours, real)
    ]  # fmt: skip
    # What synthetic units lose against real ones, group by group.
    lost = [Estimate(b.value - a.value, *_wider(b, a)) for a, b in zip(ours, real)]
    measures.append(
        _gap("equity.utility_gap", f"gap of the AUROC lost, {task}", f"{task}: {of}", kept, lost)
    )
    bars = Bars(
        f"AUROC by {of}: {task}",
        "Trained on synthetic units, tested on held-out real units of each group. The line is "
        "the best model trained on members.",
        tuple(g.name for g in kept), tuple(ours), tuple(real), "AUROC", 0.5,
    )  # fmt: skip
    return measures, [bars]


def _gap(
    key: str, metric: str, of: str, groups: Sequence[Group], values: Sequence[Estimate]
) -> Measure:
    """Largest minus smallest value over groups; intervals of the two ends are combined."""
    known = [(v, g) for v, g in zip(values, groups) if not math.isnan(v.value)]
    if len(known) < 2:
        return Measure(key, undefined(metric, "fewer than two groups can be measured"), of)
    best, worst = (f(known, key=lambda k: k[0].value) for f in (min, max))
    value = worst[0].value - best[0].value
    half = math.hypot(*((k[0].high - k[0].low) / 2 for k in (best, worst)))
    found = Estimate(value, max(value - half, 0.0), value + half)
    none = Estimate(0.0, 0.0, 0.0)
    reason = f"worst {worst[1].name}, best {best[1].name}"
    return measure(key, metric, found, none, of=of, least=0, reason=reason)


def _smallest_group(
    groups: Sequence[Group], done: Trained, evidence: Evidence
) -> list[Measure]:  # fmt: skip
    """Whether adding synthetic patients of the smallest group helps a model of that group."""
    most = QUICK_ROWS if evidence.quick else 20_000
    holdout = evidence.holdout.take(done.rows)
    for group in sorted(groups, key=lambda g: _size(g, evidence)):
        rows = np.flatnonzero(group.mask(holdout))
        y = done.predictions["ceiling"].y[rows]
        synthetic = evidence.synthetic.take(np.flatnonzero(group.mask(evidence.synthetic)))
        if min(int(y.sum()), int((1 - y).sum())) < MIN_POSITIVE or not len(synthetic):
            continue
        random = evidence.random("smallest group")
        x, labels = ready(done.task, evidence.members, most, random)
        more_x, more_labels = ready(done.task, synthetic, most, random)
        test = done.task.matrix(holdout.take(rows))
        plain = fit_xgboost(x, labels, seed=evidence.seed, n_rounds=100)(test)
        both = fit_xgboost(
            np.vstack([x, more_x]), np.concatenate([labels, more_labels]), seed=evidence.seed,
            n_rounds=100,
        )(test)  # fmt: skip
        first, second = Predictions(y, plain), Predictions(y, both)
        weights = patient_weights(holdout.patient[rows], _QUICK, random)
        gained = bootstrapped(lambda w: {"gain": second.auroc(w) - first.auroc(w)}, weights)["gain"]  # noqa: B023
        return [
            measure(
                "equity.augmentation", "AUROC gained in the smallest group", gained,
                Estimate(0.0, 0.0, 0.0), of=f"{done.task.name}: {group.variable.name} {group.name}",
                reason=f"{len(more_labels):,} synthetic units of the group beside {len(labels):,} real",
            )
        ]  # fmt: skip
    return []


def _pyramids(evidence: Evidence) -> tuple[Pyramids, ...]:
    """Age by sex, real and synthetic."""
    age = next((v for v in evidence.profile.by_concept("age") if isinstance(v, Numeric)), None)
    sexes = [g for g in find_groups(evidence.profile) if g.variable.concept == "sex"]
    if age is None or len(sexes) < 2:
        return ()
    edges = np.arange(0, 101, 10)
    sides = []
    for name, sample in (
        ("held-out real units", evidence.holdout),
        ("synthetic units", evidence.synthetic),
    ):
        values = sample.values[age.name]
        counts = [
            np.histogram(np.clip(values[g.mask(sample) & ~np.isnan(values)], 0, 99), edges)[0]
            for g in sexes[:2]
        ]
        sides.append((name, counts[0] / len(sample), counts[1] / len(sample)))
    return (
        Pyramids(
            "Age and sex", "Share of all units in each band of ten years.",
            (*(f"{low}-{low + 9}" for low in edges[:-2]), "90+"),
            (sexes[0].name, sexes[1].name), tuple(sides),
        ),
    )  # fmt: skip
