"""One regression that a clinician would run: its coefficients, and their intervals.

A logistic regression of the first outcome on age, sex and the most frequent codes, without
penalty, on synthetic units and on real ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmsyn.evaluation.figures import Forest
from llmsyn.evaluation.independent import draw_independent
from llmsyn.evaluation.intervals import Estimate
from llmsyn.evaluation.measured import measure
from llmsyn.evaluation.samples import FloatArray, IntArray, Sample
from llmsyn.evaluation.tasks import Task
from llmsyn.evaluation.types import Evidence, Measure
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet, Numeric
from llmsyn.score import undefined, wilson

N_CODES = 5
"""Codes in the model."""

EVENTS_PER_COEFFICIENT = 10
"""Fewest outcomes a coefficient (Peduzzi et al. 1996, doi 10.1016/S0895-4356(96)00236-3)."""

_Z = 1.959964
_RIDGE = 1e-6  # keeps a constant column from stopping the fit
_STEPS = 40


@dataclass(frozen=True, eq=False)
class Fit:
    """Coefficients (log odds) and standard errors, ``(k,)`` each, without the intercept."""

    beta: FloatArray
    error: FloatArray

    def covers(self, value: FloatArray) -> FloatArray:
        """``(k,)`` whether the 95% interval holds a value."""
        return np.asarray(np.abs(self.beta - value) <= _Z * self.error)


def logistic(x: FloatArray, y: IntArray) -> Fit | None:
    """Logistic regression by Newton's method; None where it does not settle.

    Parameters
    ----------
    x : (n, k) columns, without an intercept.
    y : (n,) 0 or 1.
    """
    whole = np.column_stack([np.ones(len(x)), x])
    beta = np.zeros(whole.shape[1])
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(whole @ beta, -40, 40)))
        hessian = (whole * (p * (1 - p))[:, None]).T @ whole + _RIDGE * np.eye(len(beta))
        step = np.linalg.solve(hessian, whole.T @ (y - p) - _RIDGE * beta)
        beta = beta + np.clip(step, -3, 3)
        if np.abs(step).max() < 1e-8:
            error = np.sqrt(np.diag(np.linalg.inv(hessian)))
            return Fit(beta[1:], error[1:])
    return None


def regression(evidence: Evidence, tasks: Sequence[Task]) -> list[Measure]:
    """Coverage and bias of the coefficients.

    Coverage: share of coefficients whose 95% interval from synthetic units holds the
    coefficient of the held-out real units.  That one has an error of its own, so even members
    (the ceiling) do not reach 95%.  Bias: mean absolute difference of the log odds ratios.
    Synthetic units are cut to the number of members: more of them make intervals narrower, but
    carry no more information.
    """
    chosen = next((t for t in tasks if not isinstance(t.variable, CodeSet)), None)
    keys = {"coverage": "coefficients covered", "bias": "mean |error of a log odds ratio|"}
    if chosen is None:
        why = "the profile has no outcome"
        return [Measure(f"utility.regression.{k}", undefined(n, why)) for k, n in keys.items()]
    real, why = _fitted(evidence.holdout, chosen, evidence)
    member, why_members = _fitted(evidence.members, chosen, evidence)
    why = why or why_members
    if real is None or member is None:
        return [
            Measure(f"utility.regression.{k}", undefined(n, why), chosen.name)
            for k, n in keys.items()
        ]
    random = evidence.random("regression")
    rows = np.sort(random.permutation(len(evidence.synthetic))[: len(evidence.members)])
    alone = draw_independent(evidence.profile, len(evidence.members), random)
    three = (_fitted(evidence.synthetic.take(rows), chosen, evidence)[0], member,
             _fitted(alone, chosen, evidence)[0])  # fmt: skip
    why = "the regression of synthetic units does not settle"
    reason = f"{len(real.beta)} coefficients: {', '.join(_names(evidence))}"
    coverage, bias = ([f(fit, real) for fit in three] for f in (_coverage, _bias))
    return [
        measure("utility.regression.coverage", keys["coverage"], *coverage, of=chosen.name,
                least=0, most=1, why=why, reason=reason),
        measure("utility.regression.bias", keys["bias"], *bias, of=chosen.name, least=0, why=why,
                reason=reason),
    ]  # fmt: skip


def forest(evidence: Evidence, tasks: Sequence[Task]) -> tuple[Forest, ...]:
    """The coefficients side by side, to be drawn."""
    chosen = next((t for t in tasks if not isinstance(t.variable, CodeSet)), None)
    if chosen is None:
        return ()
    fits = {}
    for name, sample in (
        ("held-out real units", evidence.holdout),
        ("members", evidence.members),
        ("synthetic units", evidence.synthetic),
    ):
        fit, _ = _fitted(sample, chosen, evidence)
        if fit is not None:
            fits[name] = fit
    if len(fits) < 3:
        return ()
    return (
        Forest(
            f"One regression: {chosen.name}",
            "Log odds ratios with 95% intervals of a logistic regression without penalty.",
            tuple(_names(evidence)),
            tuple(
                (n, f.beta, f.beta - _Z * f.error, f.beta + _Z * f.error) for n, f in fits.items()
            ),
        ),
    )


def _coverage(fit: Fit | None, real: Fit) -> Estimate:
    if fit is None:
        return Estimate(math.nan, math.nan, math.nan)
    held = int(fit.covers(real.beta).sum())
    return Estimate(held / len(real.beta), *wilson(held, len(real.beta)))


def _bias(fit: Fit | None, real: Fit) -> Estimate:
    """Its interval is that of a mean over coefficients."""
    if fit is None:
        return Estimate(math.nan, math.nan, math.nan)
    gaps = np.abs(fit.beta - real.beta)
    half = _Z * float(gaps.std(ddof=1)) / math.sqrt(len(gaps)) if len(gaps) > 1 else math.nan
    value = float(gaps.mean())
    return Estimate(value, value - half, value + half)


def _fitted(sample: Sample, task: Task, evidence: Evidence) -> tuple[Fit | None, str]:
    y = task.target(sample)
    x = _design(sample, evidence)
    rows = (y >= 0) & ~np.isnan(x).any(1)
    y, x = y[rows], x[rows]
    events = int(min((y == 1).sum(), (y == 0).sum()))
    if events < EVENTS_PER_COEFFICIENT * max(x.shape[1], 1):
        return None, (
            f"{events} units with the rarer outcome are too few for {x.shape[1]} coefficients "
            f"({EVENTS_PER_COEFFICIENT} each)"
        )
    fit = logistic(x, y)
    return fit, "" if fit is not None else "the regression of real units does not settle"


def _design(sample: Sample, evidence: Evidence) -> FloatArray:
    """Age in decades, sex, and the most frequent codes of the members."""
    columns = []
    age, sex, code_set, codes = _terms(evidence)
    if isinstance(age, Numeric):
        columns.append(sample.values[age.name] / 10)
    elif age is not None:
        columns.append(sample.levels[age.name].astype(float))
    if sex is not None:
        columns.append((sample.levels[sex.name] == _female(sex)).astype(float))
    if code_set is not None:
        has = sample.codes[code_set.name][:, codes].toarray()
        columns += list(np.asarray(has, dtype=float).T)
    return np.column_stack(columns) if columns else np.zeros((len(sample), 0))


def _names(evidence: Evidence) -> list[str]:
    age, sex, code_set, codes = _terms(evidence)
    names = []
    if isinstance(age, Numeric):
        names.append(f"{age.name} (10 {age.unit})")
    elif age is not None:
        names.append(f"{age.name} (a level)")
    if sex is not None:
        names.append(f"{sex.name} {sex.levels[_female(sex)]}")
    if code_set is not None:
        names += [code_set.codes[i] for i in codes]
    return names


def _terms(
    evidence: Evidence,
) -> tuple[Categorical | Numeric | None, Categorical | None, CodeSet | None, list[int]]:
    profile: Profile = evidence.profile
    age = next((v for v in profile.by_concept("age") if not isinstance(v, CodeSet)), None)
    sex = next((v for v in profile.by_concept("sex") if isinstance(v, Categorical)), None)
    code_set = next((v for v in profile.by_concept("diagnoses") if isinstance(v, CodeSet)), None)
    code_set = code_set or next(iter(profile.code_sets), None)
    if code_set is None:
        return age, sex, None, []
    counts = np.asarray(evidence.members.codes[code_set.name].sum(0)).ravel()
    return age, sex, code_set, np.argsort(-counts, kind="stable")[:N_CODES].tolist()


def _female(sex: Categorical) -> int:
    found = [i for i, level in enumerate(sex.levels) if sex.meaning(level) == "female"]
    return found[0] if found else 0
