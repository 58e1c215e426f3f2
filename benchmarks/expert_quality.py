"""How good must the model be?  TSTR and sign accuracy with a scripted expert of quality q.

\b
    python benchmarks/expert_quality.py --data-dir DIR --splits 1

diabetes130.  A scripted expert (a double, no language model: ``scripted_expert.py``) answers
the requests of ``llmsyn elicit``.  Its truth is what the members' own rows show: the class of
each pair that is asked about, where the log odds ratio is clearly not 0.  Each is called on
its right side with probability q.  What it says, without the curated base, goes into a network
that is given margins only; a model of in-hospital death is trained on synthetic units and
tested on the holdout.  The truth is read off the members for this bench alone: it says what a
model of that quality would be worth, and reaches no profile and no knowledge base.
"""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
from protocol import (
    MEMBER_SHARE,
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
from result_files import show, write_result
from scripted_expert import ScriptedExpert
from utility import CONCEPT, SET, features_of

from llmsyn.elicitation.asking import request_of
from llmsyn.elicitation.eliciting import Settings, elicit
from llmsyn.elicitation.overlay import write_overlay
from llmsyn.elicitation.questions import PlanSettings, Question, plan
from llmsyn.elicitation.scale import Rated
from llmsyn.evaluation.intervals import auc, over_splits
from llmsyn.evaluation.learners import N_ROUNDS, XGBOOST, fit_xgboost
from llmsyn.evaluation.samples import FloatArray, Sample, feature_matrix, outcome_of
from llmsyn.knowledge.loading import KnowledgeBase, load_base
from llmsyn.profile.terms import Term, parse_range
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet

QUALITIES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
CLEAR = 2.0
"""Standard errors that a log odds ratio has to lie from 0 to count as an association."""


def truth_of(
    questions: tuple[Question, ...], sample: Sample, profile: Profile, classes: dict[int, float]
) -> dict[frozenset[Term], Rated]:
    """Classes of the pairs that are asked about, as the rows have them."""
    terms = list(dict.fromkeys(i.term for q in questions for i in (*q.givens, *q.candidates)))
    place = {term: k for k, term in enumerate(terms)}
    has = np.stack([_holds(term, sample, profile) for term in terms], axis=1).astype(np.float32)
    together = (has.T @ has).astype(np.float64)
    n, single = len(sample), np.diag(together)
    found: dict[frozenset[Term], Rated] = {}
    for question in questions:
        for given in question.givens:
            for candidate in question.candidates:
                if given.beside(candidate):
                    i, j = place[given.term], place[candidate.term]
                    rated = _class(together[i, j], single[i], single[j], n, classes)
                    if rated != 0:
                        found[frozenset((given.term, candidate.term))] = rated
    return found


def _holds(term: Term, sample: Sample, profile: Profile) -> FloatArray:
    variable = profile[term.variable]
    if isinstance(variable, CodeSet):
        column = variable.codes.index(str(term.value))
        return np.asarray(sample.codes[variable.name][:, [column]].todense(), float).ravel()
    levels = sample.levels[variable.name]
    if isinstance(variable, Categorical):
        return (levels == variable.levels.index(str(term.value))).astype(float)
    ranges = [parse_range(label) for label in variable.levels]
    inside = [
        k for k, r in enumerate(ranges)
        if r is not None and not isinstance(term.value, str) and term.value.covers(r.low, r.high)
    ]  # fmt: skip
    return np.isin(levels, inside).astype(float)


def _class(both: float, a: float, b: float, n: int, classes: dict[int, float]) -> Rated:
    cells = np.array([both, a - both, b - both, n - a - b + both]) + 0.5
    value = math.log(cells[0] * cells[3] / (cells[1] * cells[2]))
    if abs(value) < CLEAR * math.sqrt(float((1 / cells).sum())):
        return 0
    return min(classes, key=lambda c: abs(classes[c] - value))


def sign_accuracy(said: tuple[Any, ...], truth: dict[frozenset[Term], Rated]) -> float:
    """Of the associations that are said and true ones, the share on the right side."""
    right = total = 0
    for each in said:
        true = truth.get(frozenset((*each.given, each.then)), 0)
        if isinstance(true, int) and true != 0:
            total += 1
            right += (true > 0) == (each.effect != "excludes" and each.effect > 0)
    return right / total if total else math.nan


def one_quality(
    profile: Profile,
    classes: KnowledgeBase,
    questions: tuple[Question, ...],
    truth: dict[frozenset[Term], Rated],
    q: float,
    seed: int,
    rows: int,
    work_dir: Path | None,
) -> tuple[Sample, dict[str, Any]]:
    """Synthetic units with what an expert of quality q says, and how right it is."""
    settings = Settings(PlanSettings(ablation="prior"), rule="model")
    by_digest = {request_of(x, profile, classes, "prior").digest: x for x in questions}
    expert = ScriptedExpert(by_digest, truth, q, seed=seed)
    made = elicit(profile, classes, expert, settings)
    with TemporaryDirectory(dir=work_dir) as folder:
        write_overlay(Path(folder) / "overlay", made, profile, settings)
        only_classes(Path(folder) / "classes", classes)
        sample = draw_sample(
            profile, rows, seed=seed, work_dir=work_dir, tables="none", with_shipped=False,
            knowledge=(Path(folder) / "classes", Path(folder) / "overlay"),
        )  # fmt: skip
    detail = {"associations": len(made.said), "sign accuracy": sign_accuracy(made.said, truth)}
    return sample, detail


def only_classes(folder: Path, base: KnowledgeBase) -> Path:
    folder.mkdir()
    rows = "".join(f"{k} = {math.exp(v):.9g}\n" for k, v in base.classes.items())
    (folder / "classes.toml").write_text(f"[odds_ratios]\n{rows}", encoding="utf-8")
    return folder


@click.command(help=__doc__)
@data_dir_option
@work_dir_option
@click.option("--splits", type=click.IntRange(1, 5), default=1, show_default=True,
              help="Random splits; their seeds are 1, 2, ...")  # fmt: skip
@rows_option(50_000)
@json_option
def main(
    data_dir: Path | None, work_dir: Path | None, splits: int, rows: int, as_json: bool
) -> None:
    seeds = list(range(1, splits + 1))
    area: dict[float, list[float]] = {q: [] for q in QUALITIES}
    detail: dict[float, list[dict[str, Any]]] = {q: [] for q in QUALITIES}
    for seed in seeds:
        split = split_of(SET, data_dir, seed)
        profile = extract(split.members, tables="outcome").profile
        outcome = profile.by_concept(CONCEPT)[0]
        assert isinstance(outcome, Categorical), "the mapping says so"
        variables = features_of(profile)
        members, holdout = (real_sample(c, profile) for c in (split.members, split.holdout))
        x_test, y_test = feature_matrix(holdout, variables), outcome_of(holdout, outcome)
        shipped = load_base()
        with TemporaryDirectory(dir=work_dir) as folder:
            classes = load_base(
                [only_classes(Path(folder) / "classes", shipped)], with_shipped=False
            )
        questions = plan(profile, PlanSettings(ablation="prior"))
        truth = truth_of(questions, members, profile, dict(classes.classes))
        log.info("split %d: %d requests, %d true associations", seed, len(questions), len(truth))
        for q in QUALITIES:
            sample, found = one_quality(profile, classes, questions, truth, q, seed, rows, work_dir)
            x, y = feature_matrix(sample, variables), outcome_of(sample, outcome)
            score = fit_xgboost(x, y, seed=seed)(x_test)
            area[q].append(auc(y_test, score))
            detail[q].append(found)
            log.info("split %d, q = %.1f: AUROC %.4f, %s", seed, q, area[q][-1], found)
    table = []
    for q in QUALITIES:
        value = over_splits(np.array(area[q]), test_share=1 - MEMBER_SHARE)
        table.append(
            {
                "q": q,
                "TSTR AUROC": value.value,
                "95%": f"{value.low:.3f}-{value.high:.3f}" if splits > 1 else "one split",
                "sign accuracy": float(np.mean([d["sign accuracy"] for d in detail[q]])),
                "associations": int(np.mean([d["associations"] for d in detail[q]])),
            }
        )
    result = write_result(
        "expert_quality",
        f"In-hospital death on {SET}: trained on synthetic units of a network that knows margins "
        "and what a scripted expert of quality q says",
        table,
        notes=[
            "The expert is a double: right with probability q, its truth read off the members "
            "for this bench alone. No language model was asked.",
            "q = 0.5 is guessing the side of each association, 1 is the members' own class.",
        ],
        seeds=seeds, rows=rows, threshold=11, tables="none",
        xgboost={**XGBOOST, "n_rounds": N_ROUNDS}, per_split=area, details=detail,
    )  # fmt: skip
    show(result, as_json=as_json)


if __name__ == "__main__":
    run_script(main)
