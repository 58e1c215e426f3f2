"""TSTR quick look: models of in-hospital death, trained on synthetic and tested on real units.

\b
    python benchmarks/utility.py --data-dir DIR --splits 5

diabetes130.  Profile from members, models scored on the holdout.  TRTR is the same model
trained on the members' own rows; the ceiling is the better of tuned XGBoost and ridge
logistic regression.  Left out of the features: proxies of the outcome (discharge
disposition), and all other outcomes (readmission, length of stay), because nobody knows
them before death.  Every model sees the same columns: the profile's listed codes, the number
of listed codes, and the other variables; where the profile has bins, real rows keep their
numbers and synthetic ones have a number in the bin.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from copula import draw_copula, fit_copula
from profile_score import profile_score
from protocol import (
    MEMBER_SHARE,
    Split,
    data_dir_option,
    draw_sample,
    extract,
    json_option,
    log,
    real_sample,
    rows_option,
    run_script,
    split_of,
    splits_option,
    work_dir_option,
)
from result_files import show, write_result

from llmsyn.evaluation.equivalent import REPEATS, Curve, read_off, said, sizes
from llmsyn.evaluation.independent import draw_independent
from llmsyn.evaluation.intervals import auc, over_splits
from llmsyn.evaluation.learners import GRID, N_ROUNDS, PENALTIES, XGBOOST, fit_ceiling, fit_xgboost
from llmsyn.evaluation.samples import FloatArray, Sample, feature_matrix, outcome_of
from llmsyn.knowledge.associations import associations
from llmsyn.knowledge.loading import load_base, log_odds
from llmsyn.network.compiling import choose_tables
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, Variable
from llmsyn.store import write_json

SET = "diabetes130"
CONCEPT = "in_hospital_death"
SMALLEST = 300
TRTR = "TRTR: real rows, same XGBoost"


def features_of(profile: Profile) -> list[Variable]:
    """Everything that is neither an outcome nor gives one away."""
    return [v for v in profile.in_order if v.role == "feature"]


def synthetic_sets(
    profile: Profile, outcome: str, n: int, seed: int, work_dir: Path | None
) -> Iterator[tuple[str, Sample]]:
    """Training sets that are made from the profile alone."""
    random = np.random.default_rng(seed)
    yield "TSTR: independent marginals (floor)", draw_independent(profile, n, random)
    yield (
        "TSTR: Gaussian copula from the profile",
        draw_copula(fit_copula(profile, outcome), n, random),
    )
    for label, tables, parts in (
        ("TSTR: network, margins without knowledge", "none", {"parts": ()}),
        ("TSTR: network, margins and knowledge", "none", {}),
        ("TSTR: network, outcome tables", "outcome", {}),
        ("TSTR: network, all pairs", "all", {}),
    ):
        yield label, draw_sample(profile, n, seed=seed, work_dir=work_dir, tables=tables, **parts)


def scores_from_profile(
    profile: Profile, outcome: Categorical, variables: Sequence[Variable], rows: Sample
) -> Iterator[tuple[str, FloatArray]]:
    """Scores that need no synthetic row."""
    base = load_base()
    known = associations(profile, base)

    def strength(association: Any) -> float:
        return float(association.weight * log_odds(association.effect, base.classes))

    for label, tables in (("margins and knowledge", "none"), ("outcome tables", "outcome")):
        made = profile_score(
            profile, outcome, variables, known, strength, choose_tables(profile, tables)
        )
        log.info("score from %s: %d variables from tables, %d associations", label,
                 made.n_from_tables, made.n_from_knowledge)  # fmt: skip
        yield f"score from the profile, {label}", made(rows)


def one_split(
    split: Split, *, rows: int, with_ceiling: bool, work_dir: Path | None
) -> tuple[dict[str, float], dict[str, Any]]:
    """AUROC on the holdout of everything, and what a reader may ask about."""
    profile = extract(split.members, tables="pairs").profile
    outcome = profile.by_concept(CONCEPT)[0]
    assert isinstance(outcome, Categorical), "the mapping says so"
    variables, seed = features_of(profile), split.seed
    members, holdout = (real_sample(c, profile) for c in (split.members, split.holdout))
    x_test, y_test = feature_matrix(holdout, variables), outcome_of(holdout, outcome)
    x_real, y_real = feature_matrix(members, variables), outcome_of(members, outcome)
    found: dict[str, float] = {}
    detail: dict[str, Any] = {
        "deaths": {"members": int(y_real.sum()), "holdout": int(y_test.sum())},
        "features": x_real.shape[1],
        "variables": [v.name for v in variables],
    }

    def note(label: str, score: FloatArray) -> None:
        found[label] = auc(y_test, score)
        log.info("split %d, %s: %.4f", seed, label, found[label])

    shuffled_target = np.random.default_rng(seed).permutation(y_real)
    note(
        "real rows, permuted target (floor)",
        fit_xgboost(x_real, shuffled_target, seed=seed)(x_test),
    )
    for label, sample in synthetic_sets(profile, outcome.name, rows, seed, work_dir):
        x, y = feature_matrix(sample, variables), outcome_of(sample, outcome)
        detail.setdefault("synthetic deaths", {})[label] = int(y.sum())
        if y.sum() == 0:
            raise click.ClickException(f"{label}: nobody died among {len(y):,} units; draw more")
        note(label, fit_xgboost(x, y, seed=seed)(x_test))
    for label, score in scores_from_profile(profile, outcome, variables, holdout):
        note(label, score)
    note(TRTR, fit_xgboost(x_real, y_real, seed=seed)(x_test))
    if with_ceiling:
        model, detail["ceiling"] = fit_ceiling(x_real, y_real, seed=seed)
        note("TRTR: best of tuned learners (ceiling)", model(x_test))
    curve = learning_curve(x_real, y_real, x_test, y_test, seed)
    detail["learning curve"] = {"n": curve.n.tolist(), "auroc": curve.auroc.tolist()}
    return found, detail


def learning_curve(x: Any, y: FloatArray, x_test: Any, y_test: FloatArray, seed: int) -> Curve:
    """AUROC of the same XGBoost after ever larger random parts of the members."""
    random = np.random.default_rng(seed)
    n = sizes(SMALLEST, len(y))
    area = []
    for size in n:
        parts = [random.permutation(len(y))[:size] for _ in range(1 if size == len(y) else REPEATS)]
        area.append([
            auc(y_test, fit_xgboost(x[part], y[part], seed=seed)(x_test)) for part in parts
        ])  # fmt: skip
        log.info("split %d, %d real patients: %.4f", seed, size, np.mean(area[-1]))
    return Curve(np.array(n, float), np.array([np.mean(a) for a in area]))


def table_of(found: Sequence[dict[str, float]], curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """One row a model: AUROC, ratio to TRTR, the ratio of what lies above chance, real patients."""
    test_share = 1 - MEMBER_SHARE
    rows = []
    for label in found[0]:
        values = np.array([split[label] for split in found])
        real = np.array([split[TRTR] for split in found])
        area = over_splits(values, test_share=test_share)
        ratio = over_splits(values / real, test_share=test_share)
        gain = over_splits((values - 0.5) / (real - 0.5), test_share=test_share)
        several = len(found) > 1
        rows.append(
            {
                "model": label,
                "AUROC": area.value,
                "95%": f"{area.low:.3f}-{area.high:.3f}" if several else "one split",
                "of TRTR": ratio.value,
                "(AUC-.5) of TRTR": gain.value,
                "95% of that": f"{gain.low:.2f}-{gain.high:.2f}" if several else "one split",
                "equivalent real patients": equivalent(values, curves),
                "in each split": ", ".join(
                    said(read_off(curve, value), curve) for value, curve in zip(values, curves)
                ),
            }
        )
    return rows


def kept(
    file: Path | None, seed: int, run: Callable[[], tuple[dict[str, float], dict[str, Any]]]
) -> tuple[dict[str, float], dict[str, Any]]:
    """What the file says of a split, which is run and written there where it does not."""
    there = json.loads(file.read_text(encoding="utf-8")) if file and file.exists() else {}
    if str(seed) not in there:
        there[str(seed)] = run()
        if file is not None:
            write_json(file, there)
    found, detail = there[str(seed)]
    return found, detail


def equivalent(values: FloatArray, curves: Sequence[Curve]) -> float:
    """Geometric mean over splits of the real patients that teach as much; a bound at the ends.

    Below the smallest part it counts as that, above all members as those.
    """
    n = [np.clip(read_off(c, v), c.n[0], c.n[-1]) for v, c in zip(values, curves)]
    return float(np.exp(np.mean(np.log(n))))


@click.command(help=__doc__)
@data_dir_option
@work_dir_option
@splits_option
@rows_option(200_000)
@click.option("--ceiling/--no-ceiling", default=True, show_default=True,
              help="Tune learners on real rows (minutes a split).")  # fmt: skip
@click.option("--keep", type=click.Path(path_type=Path, dir_okay=False),
              help="JSON file of splits: written as they end, and not run again.")  # fmt: skip
@json_option
def main(
    data_dir: Path | None,
    work_dir: Path | None,
    splits: int,
    rows: int,
    ceiling: bool,
    keep: Path | None,
    as_json: bool,
) -> None:
    seeds = list(range(1, splits + 1))
    found, details = [], {}
    for seed in seeds:
        values, details[seed] = kept(
            keep, seed,
            lambda seed=seed: one_split(
                split_of(SET, data_dir, seed), rows=rows, with_ceiling=ceiling, work_dir=work_dir
            ),
        )  # fmt: skip
        found.append(values)
    curves = [
        Curve(*(np.array(details[seed]["learning curve"][k]) for k in ("n", "auroc")))
        for seed in seeds
    ]
    result = write_result(
        "utility",
        f"In-hospital death on {SET}: trained on synthetic units, tested on held-out real ones",
        table_of(found, curves),
        notes=[
            "Intervals: mean over splits by patient (70/30) with standard error "
            "sd * sqrt(1/s + n_test/n_train).",
            "Left out of the features: proxies of death (discharge disposition), and the other "
            "outcomes (readmission, length of stay), which are not known before it.",
            "Equivalent real patients: how many members teach the same XGBoost as much "
            f"(learning curve from {SMALLEST} members on, {REPEATS} random parts a size); the "
            "geometric mean over splits, where an end of the curve is only a bound.",
            "The copula is fitted to all published tables of two variables; the score from the "
            "profile is a sum of single log odds and uses no learner.",
        ],
        seeds=seeds, rows=rows, threshold=11, tables="pairs",
        xgboost={**XGBOOST, "n_rounds": N_ROUNDS},
        tuning={"xgboost": GRID, "logistic": PENALTIES},
        per_split=found, details=details,
    )  # fmt: skip
    show(result, as_json=as_json)


if __name__ == "__main__":
    run_script(main)
