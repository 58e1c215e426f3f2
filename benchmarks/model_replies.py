"""What a large language model's answers are worth: recorded replies, replayed.

\b
    python benchmarks/model_replies.py --data-dir DIR

``replies/SET-ABLATION/`` holds the replies of complete ``llmsyn elicit`` runs, answered offline
through the batch folder by a large language model that saw the requests alone (README there).
Nothing is sent.  Every run is judged by

* signs: of the pairs that the model calls associated and the rows show clearly, the share on
  the right side; the same beside the curated base, and before and after the second tutor;
* consistency: pairs that were asked twice;
* use: a network of the margins and the model's words alone, of the base alone, and of both;
  XGBoost for in-hospital death trained on its units.  diabetes130 is scored on the holdout of
  split 1.  mimic4-demo has 17 deaths: scored on all its stays (margins are all that the network
  has from them), with an interval by patient.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
from datasets import read_rows
from expert_quality import only_classes, sign_accuracy, truth_of
from protocol import (
    data_dir_option,
    draw_sample,
    extract,
    json_option,
    log,
    real_sample,
    rows_option,
    run_script,
    split_of,
    work_dir_option,
)
from result_files import HERE, show, write_result
from utility import CONCEPT, features_of

from llmsyn.elicitation.eliciting import Elicited, Settings, elicit
from llmsyn.elicitation.overlay import write_overlay
from llmsyn.elicitation.questions import PlanSettings, plan
from llmsyn.evaluation.intervals import bootstrap_auc
from llmsyn.evaluation.learners import N_ROUNDS, XGBOOST, fit_xgboost
from llmsyn.evaluation.samples import Sample, feature_matrix, outcome_of
from llmsyn.knowledge.loading import load_base, log_odds
from llmsyn.knowledge.types import Association
from llmsyn.llm import ModelOptions, open_model
from llmsyn.llm.prompts import Ablation
from llmsyn.profile.reading import find_profile, read_profile
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical

REPLIES = HERE / "replies"
RUNS: tuple[tuple[str, Ablation, str], ...] = (
    ("diabetes130", "full", "none"),
    ("mimic4-demo", "full", "strong"),
    ("mimic4-demo", "prior", "none"),
    ("mimic4-demo", "base", "none"),
)
"""Set, what the prompts hold, and what the second tutor read."""


@dataclass(frozen=True, eq=False)
class Judge:
    """Real rows that a set's runs are judged by.

    Attributes
    ----------
    margins : the profile that networks are made of, without any table of two variables.
    signs : rows whose pairs are the truth.
    test : rows that models are scored on.
    """

    margins: Profile
    signs: Sample
    test: Sample
    elicited: Profile


def judge_of(name: str, data_dir: Path | None) -> Judge:
    """Members for margins and holdout for scores where there are enough, else all rows."""
    shipped = read_profile(find_profile(name))
    everything = read_rows(name, data_dir)
    if name == "diabetes130":
        split = split_of(name, data_dir, 1)
        margins = extract(split.members, tables="none").profile
        return Judge(
            margins, real_sample(split.members, shipped), real_sample(split.holdout, margins),
            shipped,
        )  # fmt: skip
    margins = extract(everything, tables="none").profile
    return Judge(
        margins, real_sample(everything, shipped), real_sample(everything, margins), shipped
    )


def replayed(name: str, ablation: Ablation, review: str) -> Elicited:
    """The associations of a recorded run; the model's own words, unmerged (rule ``model``)."""
    folder = REPLIES / f"{name}-{ablation}"
    settings = Settings(PlanSettings(ablation=ablation), rule="model", review=review)  # type: ignore[arg-type]
    with open_model(ModelOptions(replay=folder)) as model:
        return elicit(read_profile(find_profile(name)), load_base(), model, settings)


def against_base(said: tuple[Association, ...], profile: Profile) -> tuple[int, float]:
    """Pairs that the base speaks of too, and the share of them on the same side."""
    from llmsyn.knowledge.associations import associations

    base = load_base()
    curated = {
        frozenset((*a.given, a.then)): log_odds(a.effect, base.classes)
        for a in associations(profile, base)
    }
    both = [
        curated[pair] * log_odds(a.effect, base.classes)
        for a in said
        if curated.get(pair := frozenset((*a.given, a.then)), 0.0) != 0
    ]
    return len(both), float(np.mean([product > 0 for product in both])) if both else float("nan")


def networks(
    judge: Judge, runs: dict[str, Elicited], folder: Path, rows: int, work_dir: Path | None
) -> Iterator[tuple[str, Sample]]:
    """Units of networks that know the margins and what the label says."""
    shipped = load_base()
    classes = only_classes(folder / "classes", shipped)

    def drawn(**given: Any) -> Sample:
        return draw_sample(judge.margins, rows, seed=1, work_dir=work_dir, tables="none", **given)

    yield "margins", drawn(parts=())
    yield "curated base", drawn()
    for label, made in runs.items():
        settings = Settings(rule="model")
        write_overlay(folder / label, made, judge.elicited, settings)
        yield (
            f"model ({label})",
            drawn(with_shipped=False, knowledge=(classes, folder / label)),
        )
    for label in runs:
        if label == "full":
            merged = folder / "merged"
            folder_of = REPLIES / f"{judge.elicited.name}-{label}"
            with open_model(ModelOptions(replay=folder_of)) as model:
                settings = Settings(PlanSettings(ablation="full"), rule="base")
                made = elicit(judge.elicited, shipped, model, settings)
            write_overlay(merged, made, judge.elicited, settings)
            yield "curated base, model where it is silent", drawn(knowledge=(merged,))


def use(
    judge: Judge, runs: dict[str, Elicited], rows: int, work_dir: Path | None
) -> list[dict[str, Any]]:
    """AUROC of death of each network, with an interval by patient."""
    outcome = judge.margins.by_concept(CONCEPT)[0]
    assert isinstance(outcome, Categorical), "the mapping says so"
    variables = features_of(judge.margins)
    x_test, y_test = feature_matrix(judge.test, variables), outcome_of(judge.test, outcome)
    table = []
    with TemporaryDirectory(dir=work_dir) as folder:
        for label, sample in networks(judge, runs, Path(folder), rows, work_dir):
            x, y = feature_matrix(sample, variables), outcome_of(sample, outcome)
            found = bootstrap_auc(
                y_test, fit_xgboost(x, y, seed=1)(x_test), group=judge.test.patient,
                fold=np.zeros(len(y_test), int), random=np.random.default_rng(1),
            )  # fmt: skip
            table.append(
                {
                    "set": judge.elicited.name,
                    "network knows margins and": label,
                    "AUROC of death": found.value,
                    "95%": f"{found.low:.3f}-{found.high:.3f}",
                }
            )
            log.info("%s", table[-1])
    return table


def voices(
    name: str, ablation: Ablation, review: str, judge: Judge
) -> tuple[dict[str, Any], Elicited]:
    """One run's row: how much it says, how right, how steady, what the second tutor changed."""
    alone = replayed(name, ablation, "none")
    reviewed = alone if review == "none" else replayed(name, ablation, review)
    questions = plan(judge.elicited, PlanSettings(ablation=ablation))
    truth = truth_of(questions, judge.signs, judge.elicited, dict(load_base().classes))
    shared, agree = against_base(alone.said, judge.elicited)
    twice = alone.consistency
    differing = sum(d.between == "first and second tutor" for d in reviewed.disagreements)
    row = {
        "set": name,
        "prompts": ablation,
        "requests": reviewed.n_requests,
        "unusable replies": sum(reviewed.failed.values()),
        "associations": len(alone.said),
        "right side": sign_accuracy(alone.said, truth),
        "right after review": "not reviewed"
        if review == "none"
        else sign_accuracy(reviewed.said, truth),
        "changed by tutor": differing,
        "also in base": shared,
        "same side as base": agree,
        "asked again, same side": twice["shuffled"]["same_side"],
        "from other end, same side": twice["back"]["same_side"],
        "opposite": twice["shuffled"]["opposite"],
    }
    log.info("%s", row)
    return row, reviewed


@click.command(help=__doc__)
@data_dir_option
@work_dir_option
@rows_option(50_000)
@json_option
def main(data_dir: Path | None, work_dir: Path | None, rows: int, as_json: bool) -> None:
    said, scores = [], []
    for name in dict.fromkeys(name for name, _, _ in RUNS):
        judge = judge_of(name, data_dir)
        runs: dict[str, Elicited] = {}
        for _, ablation, review in (run for run in RUNS if run[0] == name):
            row, runs[ablation] = voices(name, ablation, review, judge)
            said.append(row)
        scores += use(judge, runs, rows, work_dir)
    result = write_result(
        "model_replies",
        "Associations of a large language model, answered offline",
        said,
        notes=[
            "Right side: of the pairs that it calls associated and whose log odds ratio in the "
            "rows lies two standard errors or more from 0.",
            "Shares of pairs asked again are of those that one of the two replies names.",
        ],
        rows=rows,
    )  # fmt: skip
    show(result, as_json=as_json)
    result = write_result(
        "model_replies-use",
        "In-hospital death, networks of margins and what a language model says",
        scores,
        notes=["mimic4-demo: 17 deaths; its intervals are wide."],
        rows=rows, tables="none", xgboost={**XGBOOST, "n_rounds": N_ROUNDS},
    )  # fmt: skip
    show(result, as_json=as_json)


if __name__ == "__main__":
    run_script(main)
