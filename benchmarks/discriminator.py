"""Can XGBoost tell synthetic units from real ones?  diabetes130, held-out real rows.

\b
    python benchmarks/discriminator.py --data-dir DIR

Area under the ROC curve of five-fold cross-validation, grouped by patient: 0.5 means that it
cannot.  Ceiling: real members against real holdout.  Floor: codes drawn independently.
Features: demographics, one indicator per listed code, the number of listed codes; and, in
the second column, every variable of the profile and the number of unlisted codes as well.
Numbers are as fine as the profile's bins.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from copula import draw_copula, fit_copula
from protocol import (
    data_dir_option,
    draw_sample,
    extract,
    json_option,
    log,
    real_sample,
    run_script,
    shuffled,
    split_of,
    work_dir_option,
)
from result_files import show, write_result

from llmsyn.evaluation.discriminator import N_FOLDS, demographics_and_codes, discriminator_auc
from llmsyn.evaluation.independent import draw_independent
from llmsyn.evaluation.learners import N_ROUNDS, XGBOOST
from llmsyn.evaluation.samples import Sample
from llmsyn.profile.types import Profile

SET = "diabetes130"


def rivals(
    profile: Profile, members: Sample, n: int, seed: int, work_dir: Path | None
) -> Iterator[tuple[str, Sample]]:
    """Everything that is held against the real holdout, one after the other."""
    random = np.random.default_rng(seed)
    yield "real against real (ceiling)", members
    for label, tables in (
        ("network, all pairs", "all"),
        ("network, outcome tables", "outcome"),
        ("network, margins and knowledge", "none"),
    ):
        yield label, draw_sample(profile, n, seed=seed, work_dir=work_dir, tables=tables)
    yield (
        "network, margins without knowledge",
        draw_sample(profile, n, seed=seed, work_dir=work_dir, tables="none", parts=()),
    )
    yield "Gaussian copula from the profile", draw_copula(fit_copula(profile), n, random)
    yield "independent codes (floor)", draw_independent(profile, n, random)


@click.command(help=__doc__)
@data_dir_option
@work_dir_option
@click.option("-n", "--side", type=int, default=10_000, show_default=True,
              help="Units on either side.")  # fmt: skip
@click.option("--tables", type=click.Choice(["pairs", "all"]), default="pairs",
              show_default=True, help="Tables of the profile.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Of split, draw and folds.")
@json_option
def main(
    data_dir: Path | None,
    work_dir: Path | None,
    side: int,
    tables: str,
    seed: int,
    as_json: bool,
) -> None:
    split = split_of(SET, data_dir, seed)
    profile = extract(split.members, tables=tables).profile
    random = np.random.default_rng(seed)
    holdout = shuffled(real_sample(split.holdout, profile), random).take(np.arange(side))
    members = shuffled(real_sample(split.members, profile), random).take(np.arange(side))
    rows = []
    for label, rival in rivals(profile, members, side, seed, work_dir):
        row: dict[str, object] = {"held-out real rows against": label}
        for head, variables, unlisted in (
            ("demographics and codes", demographics_and_codes(profile), False),
            ("all variables", list(profile.in_order), True),
        ):
            found = discriminator_auc(
                real=holdout, synthetic=rival, variables=variables, seed=seed, unlisted=unlisted
            )
            row |= {
                f"AUC, {head}": found.value,
                f"95%, {head}": f"{found.low:.3f}-{found.high:.3f}",
            }
            log.info("%s, %s: %s", label, head, found)
        rows.append(row)
    result = write_result(
        "discriminator",
        f"Discriminator AUC on {SET}, {side:,} units a side",
        rows,
        notes=[
            "Aim: at most 0.56 with all pairs published (demographics and codes).",
            "The interval is a bootstrap over patients, 400 resamples; models are not fitted anew.",
            "Numbers (age, laboratory tests, ...) are compared by the profile's bins.",
        ],
        seed=seed, side=side, folds=N_FOLDS, tables=tables, threshold=11,
        xgboost={**XGBOOST, "n_rounds": N_ROUNDS},
    )  # fmt: skip
    show(result, as_json=as_json)


if __name__ == "__main__":
    run_script(main)
