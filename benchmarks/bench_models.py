"""Claims of ``bench.py`` on language models and on cost: recorded replies, tokens, speed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from bench_runs import Bench
from claims import Claim
from expert_quality import sign_accuracy, truth_of
from model_cost import dry, elicit_tally
from model_replies import RUNS, Judge, judge_of, replayed, use
from protocol import log
from speed import generate_once, measure_row, profile_folder, shape_of
from utility import CONCEPT, features_of

from llmsyn.elicitation.eliciting import Elicited
from llmsyn.elicitation.questions import PlanSettings, plan
from llmsyn.evaluation.intervals import bootstrap_auc
from llmsyn.evaluation.learners import fit_few
from llmsyn.evaluation.samples import feature_matrix, outcome_of
from llmsyn.knowledge.loading import load_base
from llmsyn.llm.prompts import Ablation
from llmsyn.profile.reading import read_profile
from llmsyn.profile.variables import Categorical


def replies(bench: Bench, data_dir: Path | None) -> Iterator[Claim]:
    """Recorded replies of a language model: right side, and use beside the curated base."""
    name = bench.split.name
    runs = [(ablation, review) for of, ablation, review in RUNS if of == name]
    if not runs:
        return
    judge = judge_of(name, data_dir)
    made: dict[str, Elicited] = {}
    for ablation, review in runs:
        made[ablation] = replayed(name, ablation, review)
        yield _right_side(ablation, made[ablation], judge)
    table = use(judge, made, bench.sizes.trained, bench.work_dir)
    floor, ceiling = float(table[0]["AUROC of death"]), _real_ceiling(judge)
    for row in table[1:]:
        low, high = (float(x) for x in row["95%"].split("-"))
        label = row["network knows margins and"]
        yield Claim(
            f"replies.death {label}", f"in-hospital death, margins and {label}",
            row["AUROC of death"], min(low, row["AUROC of death"]),
            max(high, row["AUROC of death"]), floor, ceiling, kind="interval",
            why="floor: margins without knowledge; ceiling: real units, cross-validated; all real "
            "units are scored, as only their margins are known",
        )  # fmt: skip


def cost(bench: Bench, folder: Path) -> Iterator[Claim]:
    """Requests and tokens of a language model, by dry run; speed and memory of ``generate``."""
    name = bench.split.name
    tally = elicit_tally(name, dry(folder, "gpt-5-mini")).cost
    for key, value in (("requests", tally.requests), ("prompt tokens", tally.prompt_tokens)):
        yield Claim(f"cost.{key}", f"elicit {name} once, for any number of patients: {key}", value)
    profile = profile_folder(name, folder)
    shape = shape_of(read_profile(profile))
    shape.save(folder / "shape.json")
    generate_once(profile, 1000, 1, folder / "first", 1)  # compiled into the cache
    row = measure_row(
        name, profile, folder / "shape.json", bench.sizes.timed, 1, 1, folder, None
    )  # fmt: skip
    bare = "of a bare NumPy and Parquet run, right before and after"
    yield Claim(
        "speed.of_bare", f"units per second {bare}", row["of bare"], ceiling=1, at_least=0.6,
        kind="time", why=f"{row['units/s']:,} units/s, bare {row['bare units/s']:,}",
    )  # fmt: skip
    yield Claim("speed.memory", "peak memory of generate, MB", row["largest process MB"],
                at_most=1024, kind="time")  # fmt: skip


def _right_side(ablation: Ablation, made: Elicited, judge: Judge) -> Claim:
    questions = plan(judge.elicited, PlanSettings(ablation=ablation))
    truth = truth_of(questions, judge.signs, judge.elicited, dict(load_base().classes))
    together = tuple(replace(a, effect=abs(_effect(a.effect))) for a in made.said)
    return Claim(
        f"replies.right_side {ablation}",
        f"clear pairs on the right side, language model, prompts {ablation}",
        sign_accuracy(made.said, truth), floor=sign_accuracy(together, truth), ceiling=1.0,
        why=f"{len(made.said):,} associations; floor: everything goes together; pairs are 2 "
        "standard errors from 0",
    )  # fmt: skip


def _effect(effect: Any) -> int:
    return effect if isinstance(effect, int) and effect != 0 else 1


def _real_ceiling(judge: Judge, n_folds: int = 3) -> float:
    """AUROC of death of a model of real units, cross-validated by patient."""
    outcome = judge.margins.by_concept(CONCEPT)[0]
    assert isinstance(outcome, Categorical), "the mapping says so"
    x = feature_matrix(judge.test, features_of(judge.margins))
    y = outcome_of(judge.test, outcome)
    random = np.random.default_rng(1)
    people, at = np.unique(judge.test.patient, return_inverse=True)
    fold = random.permutation(np.arange(len(people)) % n_folds)[at]
    score = np.zeros(len(y))
    for k in range(n_folds):
        predict, _ = fit_few(x[fold != k], y[fold != k], seed=1)
        score[fold == k] = predict(x[fold == k])
    found = bootstrap_auc(y, score, group=judge.test.patient, fold=fold, random=random)
    log.info("real units, cross-validated: %s", found)
    return found.value
