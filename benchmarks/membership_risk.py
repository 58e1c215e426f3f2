"""Is a patient's membership betrayed, and is that predicted?  Predicted beside measured AUC.

n random patients of diabetes130 are the members.  Their profile is made as an owner makes it,
with the predicted risk of :mod:`llmsyn.disclosure.risk`.  The attacker sees the released
numbers p, holds the full record of each person in question, and knows the averages q and the
correlation S of everyone else (patients who are neither members nor in question).  Scores are

    t = x' (S + lambda I)^-1 (p - q)      (METHOD.md section 2)
    t - x' (S + lambda I)^-1 x / 2n       (the same with the person's leverage taken off)

with x, p, q standardised by everyone else.  The AUC is that of members against as many people
in question who are no members; the stronger of the two attacks counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from datasets import read_rows
from protocol import data_dir_option, json_option, log, run_script
from result_files import show, write_result
from scipy import stats
from scipy.linalg import cholesky, solve_triangular

from llmsyn.cohort.reading import RealCohort
from llmsyn.cohort.subset import take_units
from llmsyn.disclosure.release import disclose
from llmsyn.disclosure.risk import RIDGE, Risk, predict_risk
from llmsyn.disclosure.settings import Settings
from llmsyn.disclosure.statistics import statistics_of
from llmsyn.evaluation.intervals import auc
from llmsyn.measurement import DesignSettings, design, measure
from llmsyn.measurement.labels import JOINED, OTHER
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical

SET = "diabetes130"
SIZES = (1_000, 5_000, 20_000)
THRESHOLD = 11
AIM = 0.02
MOST_IN_QUESTION = 5_000  # people a side whose score is computed

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TableSet:
    """One kind of release."""

    label: str
    tables: str
    threshold: int  # 1: exact counts of every level and code that occurs


TABLE_SETS = {
    "exact": TableSet("exact margins", "none", 1),
    "none": TableSet("margins from 11 patients on", "none", THRESHOLD),
    "outcome": TableSet("+ outcome, age and sex tables", "outcome", THRESHOLD),
    "pairs": TableSet("+ pairs", "pairs", THRESHOLD),
}


@dataclass(frozen=True)
class Trial:
    """One random draw of members."""

    predicted: Risk
    plain: float
    leverage: float

    @property
    def strongest(self) -> float:
        """The stronger of the two attacks."""
        return max(self.plain, self.leverage)


def run_trial(everyone: RealCohort, form: Profile, n: int, kind: TableSet, seed: int) -> Trial:
    """Draw members, release, predict, attack.

    Parameters
    ----------
    form : of the exact release: every level and code of the whole data set.
    """
    order = np.random.default_rng(seed).permutation(len(everyone))
    n_outside, _ = outsiders(len(everyone), n)
    members, outside, others = (_part(everyone, who) for who in np.split(order, [n, n + n_outside]))
    batches = list(members.batches())
    if kind.threshold == 1:
        like = form
    else:
        asked = DesignSettings(threshold=kind.threshold, tables=kind.tables)  # type: ignore[arg-type]
        like = design(batches, members.mapping, asked)
    outside, others = (_nameable(who, like) for who in (outside, others))
    exact = measure(batches, like)
    release = exact.profile
    if kind.threshold > 1:
        rules = Settings(threshold=kind.threshold, tables=kind.tables)  # type: ignore[arg-type]
        release = disclose(exact, rules).profile
    x_members, x_outside, x_others = (
        statistics_of(list(who.batches()), exact.profile, exact.patients, kind.threshold)
        for who in (members, outside, others)
    )
    columns = np.flatnonzero(x_members.printed_by(release))
    predicted = predict_risk(x_members.values[:, columns], np.ones(len(columns), dtype=bool), n)
    random = np.random.default_rng(seed)
    plain, leverage = attack(
        members=x_members.values[random.permutation(n)[:MOST_IN_QUESTION]][:, columns],
        outside=x_outside.values[:, columns],
        others=x_others.values[:, columns],
        p=x_members.counts[columns] / n,  # not rounded: printed counts are exact
        n=n,
    )
    log.info("%s, n %d, seed %d: predicted %.3f, measured %.3f and %.3f", kind.label, n, seed,
             predicted.auc, plain, leverage)  # fmt: skip
    return Trial(predicted, plain, leverage)


def attack(
    *,
    members: sp.csr_matrix,
    outside: sp.csr_matrix,
    others: sp.csr_matrix,
    p: FloatArray,
    n: int,
) -> tuple[float, float]:
    """AUC of the covariance-aware attack, without and with the person's leverage.

    Parameters
    ----------
    members, outside : (n_people, m) records of the people in question.
    others : (n_others, m) records that the attacker knows the population from.
    p : (m,) released averages.
    n : members behind p.
    """
    n_others = others.shape[0]
    q = np.asarray(others.mean(axis=0)).ravel()
    covariance = np.asarray((others.T @ others).todense()) / n_others - np.outer(q, q)
    spread = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    # A cell that nobody else is in has no known spread: one person in the reference, say.
    spread = np.maximum(spread, math.sqrt(1.0 / n_others))
    correlation = covariance / np.outer(spread, spread)
    correlation[np.diag_indices_from(correlation)] += RIDGE
    factor = cholesky(correlation, lower=True, overwrite_a=True, check_finite=False)
    aim = solve_triangular(factor, (p - q) / spread, lower=True)
    plain, leverage = [], []
    for people in (members, outside):
        x = (people.toarray() - q) / spread
        half = solve_triangular(factor, x.T, lower=True, overwrite_b=True)  # (m, n_people)
        t = aim @ half
        plain.append(t)
        leverage.append(t - np.square(half).sum(axis=0) / (2 * n))
    y = np.repeat([1, 0], [members.shape[0], outside.shape[0]])
    return auc(y, np.concatenate(plain)), auc(y, np.concatenate(leverage))


def _part(cohort: RealCohort, rows: npt.NDArray[np.int64]) -> RealCohort:
    keep = np.zeros(len(cohort), dtype=bool)
    keep[rows] = True
    return RealCohort(cohort.mapping, take_units(cohort.whole, keep))


def _nameable(cohort: RealCohort, like: Profile) -> RealCohort:
    """Without people of a level that no member has; nobody needs an attack to rule them out."""
    keep = np.ones(len(cohort), dtype=bool)
    for v in like.variables:
        if isinstance(v, Categorical) and OTHER not in v.levels:
            named = {part for level in v.levels for part in level.split(JOINED)}
            column = cohort.whole.units[v.name]
            keep &= np.array([level in named for level in column.to_pylist()])
    return RealCohort(cohort.mapping, take_units(cohort.whole, keep))


def interval(values: npt.ArrayLike) -> tuple[float, float, float]:
    """Mean and 95% interval of the mean over draws of members, by Student's t."""
    found = np.asarray(values, dtype=float)
    mean, s = float(found.mean()), len(found)
    if s < 2:
        return mean, math.nan, math.nan
    half = float(stats.t.ppf(0.975, s - 1)) * float(found.std(ddof=1)) / math.sqrt(s)
    return mean, mean - half, mean + half


def outsiders(n_everyone: int, n: int) -> tuple[int, int]:
    """People in question who are no members, and everyone else."""
    n_outside = min(MOST_IN_QUESTION, (n_everyone - n) // 2)
    return n_outside, n_everyone - n - n_outside


def with_estimated_averages(auc: float, n: int, n_others: int) -> float:
    """The prediction for an attacker who knows q from so many people instead of exactly.

    p - q then has covariance S (1/n + 1/n_others), so the score's deviation grows by
    sqrt(1 + n / n_others) and its mean difference stays.
    """
    return float(stats.norm.cdf(stats.norm.ppf(auc) / math.sqrt(1 + n / n_others)))


def summary(n: int, n_others: int, kind: TableSet, trials: list[Trial]) -> dict[str, object]:
    """One line of the table."""
    predicted = float(np.mean([t.predicted.auc for t in trials]))
    mean, low, high = interval([t.strongest for t in trials])
    estimated = with_estimated_averages(predicted, n, n_others)
    return {
        "n": n,
        "release": kind.label,
        "printed": int(np.mean([t.predicted.n_statistics for t in trials])),
        "effective": float(np.mean([t.predicted.m_eff for t in trials])),
        "predicted AUC": predicted,
        "measured AUC": mean,
        "95%": f"{low:.3f}-{high:.3f}",
        "plain attack": float(np.mean([t.plain for t in trials])),
        "with leverage": float(np.mean([t.leverage for t in trials])),
        "difference": predicted - mean,
        f"within {AIM}": abs(predicted - mean) <= AIM,
        "predicted, q from others": estimated,
        f"within {AIM} of that": abs(estimated - mean) <= AIM,
        "bound": float(np.mean([t.predicted.bound for t in trials])),
    }


@click.command(help=__doc__)
@data_dir_option
@click.option("--seeds", type=int, default=5, show_default=True, help="Draws of members.")
@click.option("-n", "--size", "sizes", type=int, multiple=True, default=SIZES, show_default=True,
              help="Members; may be given more than once.")  # fmt: skip
@click.option("--set", "sets", type=click.Choice(list(TABLE_SETS)), multiple=True,
              default=tuple(TABLE_SETS), show_default=True, help="Releases.")  # fmt: skip
@json_option
def main(
    data_dir: Path | None, seeds: int, sizes: tuple[int, ...], sets: tuple[str, ...], as_json: bool
) -> None:
    everyone = read_rows(SET, data_dir)
    form = design(list(everyone.batches()), everyone.mapping, DesignSettings(1, "none"))
    rows = []
    for n in sizes:
        for name in sets:
            kind = TABLE_SETS[name]
            trials = [run_trial(everyone, form, n, kind, seed) for seed in range(1, seeds + 1)]
            rows.append(summary(n, outsiders(len(everyone), n)[1], kind, trials))
    partial = "" if (sizes, sets) == (SIZES, tuple(TABLE_SETS)) else "-part"
    result = write_result(
        f"membership_risk{partial}",
        f"Membership: predicted and measured AUC on {SET}",
        rows,
        notes=[
            f"Aim: |predicted - measured| at most {AIM} (measured: the stronger attack).",
            f"The interval is Student's t over random draws of members from {len(everyone):,} "
            "patients; large draws overlap, so it is a little too narrow there.",
            "Exact margins name every level and code of the data set; no owner would release them.",
            "'q from others': the same prediction for an attacker who, as here, estimates q from the "
            "patients that are left instead of knowing it; the difference is large at n = 20,000.",
            "The prediction is the owner's, from the members' own records; the attack knows "
            "correlation and averages from patients who are neither members nor in question.",
        ],
        seeds=seeds, threshold=THRESHOLD, ridge=RIDGE, most_in_question=MOST_IN_QUESTION,
    )  # fmt: skip
    show(result, as_json=as_json)


if __name__ == "__main__":
    run_script(main)
