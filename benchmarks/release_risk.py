"""What to release: membership risk and utility of releases of n patients, kind by kind.

\b
    python benchmarks/release_risk.py --data-dir DIR --seeds 3
    python benchmarks/release_risk.py --data-dir DIR --seeds 1 --rows 0   (risk only: minutes)

diabetes130.  n random patients are the members.  Six releases of them, all with the tables
of outcomes: exact counts (disclosure control off), small cells suppressed (on), suppressed
within a risk budget of 0.55, and differentially private with epsilon 0.5, 1 and 4.  The
design of the private ones (levels, bins, codes, tables) is taken from other patients, as if it
were public.

*Predicted*: llmsyn.disclosure.risk, from the members' own records; noise enters it.
*Measured*: the strongest of three attacks that know the averages and correlations of everyone
else (covariance-aware with and without the person's leverage, noise-aware; likelihood ratio of
independent cells).  *Utility*: AUROC of in-hospital death on held-out patients, of a model
trained on synthetic units drawn from the release.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import scipy.sparse as sp
from datasets import read_rows
from membership_risk import _nameable, _part, interval, outsiders
from protocol import (
    data_dir_option,
    json_option,
    log,
    run_script,
    work_dir_option,
)
from release_risk_figure import draw_figure
from release_trials import Kept, Trial, within_draw
from release_utility import TABLES, Draw, ceiling_of, deaths_of, utility_of
from result_files import show, write_result

from llmsyn.cohort.reading import RealCohort
from llmsyn.disclosure.extraction import extract
from llmsyn.disclosure.noise import release_with_noise
from llmsyn.disclosure.risk import RIDGE, predict_risk
from llmsyn.disclosure.settings import Settings
from llmsyn.disclosure.slots import Slot
from llmsyn.disclosure.statistics import Statistics, statistics_of
from llmsyn.errors import CheckFailed, InfeasibleError
from llmsyn.evaluation.attacks.curves import hits
from llmsyn.evaluation.attacks.scoring import Known, covariance_score, likelihood_score
from llmsyn.evaluation.intervals import FloatArray, auc
from llmsyn.measurement import DesignSettings, design, measure
from llmsyn.profile.types import Profile

SET = "diabetes130"
SIZES = (100, 300, 1_000, 5_000, 20_000)
THRESHOLD = 11
BUDGET = 0.55
LEAST_TRAINED = 1_000  # of 300 patients 6 die: not even their own records teach a model
DELTA = 1e-6
MAX_CODES = 8  # three diagnoses, and nearly everybody has at most as many drugs


@dataclass(frozen=True)
class Kind:
    """One way to release."""

    name: str
    label: str
    epsilon: float | None = None


KINDS = (
    Kind("off", "disclosure control off"),
    Kind("on", f"cells below {THRESHOLD} suppressed"),
    Kind("budget", f"suppressed, risk budget {BUDGET}"),
    Kind("epsilon4", "epsilon 4", 4.0),
    Kind("epsilon1", "epsilon 1", 1.0),
    Kind("epsilon0.5", "epsilon 0.5", 0.5),
)


def draw_members(everyone: RealCohort, n: int, seed: int) -> Draw:
    """Members, people in question who are none, and everyone else."""
    order = np.random.default_rng(seed).permutation(len(everyone))
    n_outside, _ = outsiders(len(everyone), n)
    return Draw(seed, *(_part(everyone, who) for who in np.split(order, [n, n + n_outside])))


def release(draw: Draw, kind: Kind) -> Profile:
    """What leaves the house.

    Raises
    ------
    InfeasibleError, CheckFailed : nothing may leave it.
    """
    batches, mapping = list(draw.members.batches()), draw.members.mapping
    if kind.epsilon is not None:
        public = design(list(draw.others.batches()), mapping, DesignSettings(THRESHOLD, TABLES))
        return release_with_noise(
            batches, replace(public, n_units=draw.n, n_patients=draw.n), epsilon=kind.epsilon,
            delta=DELTA, max_codes=MAX_CODES, public_size=True,
        )  # fmt: skip
    if kind.name == "off":
        exact = measure(batches, design(batches, mapping, DesignSettings(1, TABLES)))
        return exact.profile
    limit = BUDGET if kind.name == "budget" else None
    settings = Settings(threshold=THRESHOLD, tables=TABLES, max_membership_auc=limit)
    return extract(batches, mapping, settings).release.profile


def records(profile: Profile, cohort: RealCohort) -> Statistics:
    """Each person's part in every printed cell, zeros left out where there is no noise."""
    # Noise makes counts below zero too; what is not printed is NaN, which is never >= anything.
    least = -(10**9) if profile.disclosure.method == "differential_privacy" else 1
    return statistics_of(list(cohort.batches()), profile, profile, least)


def noise_of(statistics: Statistics, profile: Profile) -> FloatArray:
    """(m,) scale of the noise of each cell."""

    def scale(slot: Slot) -> float:
        holder: Any = profile.variables if slot.place == "variable" else profile.tables
        return float(holder[slot.index].sigma)

    return np.array([scale(slot) for slot in statistics.slots])[statistics.slot]


def risk_of(draw: Draw, profile: Profile) -> tuple[float, float, float, int]:
    """Predicted area, the strongest measured one, members found at 1% alarms, printed cells."""
    members = records(profile, draw.members)
    outside, others = (
        records(profile, _nameable(c, profile)).values for c in (draw.outside, draw.others)
    )
    sigma = noise_of(members, profile)
    everything = np.ones(len(sigma), dtype=bool)
    predicted = predict_risk(members.values, everything, draw.n, noise=sigma).auc
    known = Known(others)
    known = replace(known, ridge=RIDGE + sigma**2 / (draw.n * known.spread**2))
    rows = np.random.default_rng(draw.seed).permutation(draw.n)[: outside.shape[0]]
    scores = scores_of(known, members.values[rows], outside, members.counts / draw.n, draw.n)
    areas = [auc(np.repeat([1, 0], [len(a), len(b)]), np.append(a, b)) for a, b in scores]
    best = scores[int(np.argmax(areas))]
    found = hits("hits", *best, np.random.default_rng(draw.seed))
    return predicted, max(areas), found.value, len(sigma)


def scores_of(
    known: Known, members: sp.csr_matrix, outside: sp.csr_matrix, p: FloatArray, n: int
) -> list[tuple[FloatArray, FloatArray]]:
    """Scores of members and of outsiders by each of the three attacks."""
    people = members, outside
    leverage = [known.leverage(x) for x in people]
    with_leverage = [covariance_score(known, x, h, p, n) for x, h in zip(people, leverage)]
    plain = [t + h / (2 * n) for t, h in zip(with_leverage, leverage)]
    simple = [likelihood_score(known, x, np.ones(x.shape[0]), p, n, 1.0) for x in people]
    return [(a, b) for a, b in (with_leverage, plain, simple)]


def run_trial(
    draw: Draw, kind: Kind, rows: int, with_ceiling: Callable[[], float], work_dir: Path | None
) -> Trial:
    """Release, predict, attack, draw, train."""
    ceiling = with_ceiling()
    nothing = Trial(math.nan, math.nan, math.nan, 0, math.nan, ceiling)
    try:
        profile = release(draw, kind)
    except (InfeasibleError, CheckFailed) as error:
        log.info("n %d, %s: no release (%s)", draw.n, kind.label, error)
        return replace(nothing, problem=f"no release: {error}")
    predicted, measured, found, printed = risk_of(draw, profile)
    utility, problem = math.nan, ""
    if rows and not deaths_of(profile) > 0:  # NaN where they are suppressed
        problem = "the number of deaths is not printed"
    elif rows:
        try:
            utility = utility_of(draw, profile, rows, work_dir)
        except InfeasibleError as error:
            problem = f"nothing drawn: {error}"
        if math.isnan(utility) and not problem:
            problem = "after the noise nobody dies: nothing to learn from"
    log.info("n %d, %s, seed %d: predicted %.3f, measured %.3f, utility %.3f", draw.n, kind.label,
             draw.seed, predicted, measured, utility)  # fmt: skip
    return Trial(predicted, measured, found, printed, utility, ceiling, problem)


def summary(n: int, n_everyone: int, kind: Kind, trials: list[Trial]) -> dict[str, Any]:
    """One line of the table."""
    there = [t for t in trials if not math.isnan(t.measured)]
    mean, low, high = interval([t.measured for t in there]) if there else (math.nan,) * 3
    if len(there) == 1:
        n_outside, _ = outsiders(n_everyone, n)
        low, high = within_draw(mean, min(n, n_outside), n_outside)
    predicted = _mean(t.predicted for t in there)
    bound = 1 / (1 + math.exp(-kind.epsilon)) + DELTA if kind.epsilon is not None else math.nan
    return {
        "n": n,
        "release": kind.label,
        "releases": f"{len(there)} of {len(trials)}",
        "printed cells": round(_mean(t.printed for t in there)) if there else 0,
        "predicted AUC": predicted,
        "measured AUC": mean,
        "95%": "" if math.isnan(low) else f"{low:.3f}-{high:.3f}",
        "difference": predicted - mean,
        "found at 1% false alarms": _mean(t.found for t in there),
        "guaranteed below": bound if kind.epsilon is not None else "",
        "TSTR death": _mean(t.utility for t in there),
        "TRTR death": _mean(t.ceiling for t in trials),
        "remark": next((t.problem for t in trials if t.problem), ""),
    }


def _mean(values: Iterator[float]) -> float:
    known = [v for v in values if not math.isnan(v)]
    return float(np.mean(known)) if known else math.nan


@click.command(help=__doc__)
@data_dir_option
@work_dir_option
@click.option("--seeds", type=click.IntRange(1, 10), default=3, show_default=True,
              help="Draws of members.")  # fmt: skip
@click.option("-n", "--size", "sizes", type=int, multiple=True, default=SIZES, show_default=True,
              help="Members; may be given more than once.")  # fmt: skip
@click.option("--kind", "kinds", type=click.Choice([k.name for k in KINDS]), multiple=True,
              default=tuple(k.name for k in KINDS), show_default=True, help="Releases.")  # fmt: skip
@click.option("--rows", type=int, default=20_000, show_default=True,
              help="Synthetic units to train on; 0 leaves utility out.")  # fmt: skip
@click.option("--keep", type=click.Path(path_type=Path, dir_okay=False),
              help="JSON Lines file of trials: written as they end, and not run again.")  # fmt: skip
@json_option
def main(
    data_dir: Path | None,
    work_dir: Path | None,
    seeds: int,
    sizes: tuple[int, ...],
    kinds: tuple[str, ...],
    rows: int,
    keep: Path | None,
    as_json: bool,
) -> None:
    everyone = read_rows(SET, data_dir)
    chosen = [kind for kind in KINDS if kind.name in kinds]
    table = []
    for n in sizes:
        trials: dict[str, list[Trial]] = {kind.name: [] for kind in chosen}
        for seed in range(1, seeds + 1):
            draw = draw_members(everyone, n, seed)
            trained = rows if n >= LEAST_TRAINED else 0
            ceiling = cache(partial(ceiling_of, draw)) if trained else lambda: math.nan
            for kind in chosen:
                run = partial(run_trial, draw, kind, trained, ceiling, work_dir)
                key = (n, kind.name, seed, trained)
                trials[kind.name].append(Kept(keep).trial(key, run))
        table += [summary(n, len(everyone), kind, trials[kind.name]) for kind in chosen]
    whole = (sizes, len(chosen)) == (SIZES, len(KINDS)) and rows
    name = "release_risk" if whole else "release_risk-part"
    result = write_result(
        name,
        f"What to release: membership risk and utility on {SET}",
        table,
        notes=[
            "Tables of outcomes, age and sex in every release; members are random draws from "
            f"{len(everyone):,} patients, the interval is Student's t over draws, of one draw Hanley and "
            "McNeil's over the people in question.",
            "Measured is the strongest of three attacks that know everyone else.",
            "Without disclosure control a zero also rules out whoever has that level or code; the "
            "attack here does not use zeros, one that does is stronger still.",
            "Guaranteed: what (epsilon, delta) differential privacy promises against any attack, "
            "AUC 1 / (1 + exp(-epsilon)).",
            f"Utility is measured from {LEAST_TRAINED:,} members on: of fewer, too few die.",
            "Where the budget leaves no release, or a release says too little of deaths to draw "
            "one, that is the answer: not measurable.",
        ],
        seeds=seeds, threshold=THRESHOLD, budget=BUDGET, delta=DELTA, max_codes=MAX_CODES,
        tables=TABLES, rows=rows,
    )  # fmt: skip
    figure = draw_figure(result["rows"], part=not whole)
    log.info("figure: %s", figure)
    show(result, as_json=as_json)


if __name__ == "__main__":
    run_script(main)
