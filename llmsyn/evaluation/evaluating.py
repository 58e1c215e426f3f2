"""Evaluate: read, measure, judge."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from llmsyn.errors import InputError
from llmsyn.evaluation.attacks.known_sets import rows_of
from llmsyn.evaluation.attacks.memorisation import memorisation
from llmsyn.evaluation.cost import cost
from llmsyn.evaluation.datasheet import datasheet
from llmsyn.evaluation.equity import equity
from llmsyn.evaluation.fidelity import fidelity
from llmsyn.evaluation.marks import judge, read_marks
from llmsyn.evaluation.plausibility import plausibility
from llmsyn.evaluation.privacy import privacy
from llmsyn.evaluation.reading import Source, gather, unit_count
from llmsyn.evaluation.types import TOPICS, Evidence, Findings, Report
from llmsyn.evaluation.utility import utility
from llmsyn.llm.opening import open_model
from llmsyn.llm.requests import ModelOptions
from llmsyn.profile.types import Profile

Progress = Callable[[str], None]


def evaluate(
    synthetic: Source,
    *,
    members: Source,
    holdout: Source | None = None,
    profile: str | Path | Profile | None = None,
    data: str | Path | None = None,
    share: float = 0.7,
    seed: int = 0,
    preset: str = "release",
    marks: str | Path | None = None,
    tasks: Sequence[str] = (),
    with_privacy: bool = True,
    quick: bool = False,
    ledger: str | Path | None = None,
    memorised: Sequence[str] = (),
    replies: str | Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Compare synthetic units with the real ones that made them, and with ones that did not.

    Parameters
    ----------
    synthetic : a cohort folder, a mapping file, or cohorts in memory.
    members : the real units whose statistics made it; all real units where there is no
        ``holdout``: they are then split by patient, as ``llmsyn profile extract --split
        train --seed SEED`` splits them.
    holdout : real units that had no part in it.
    profile : whose columns are compared (default: the one in the synthetic folder).
    data : folder of the tables that mapping files name.
    share : of patients that are members, where ``members`` are split.
    seed : of the split, and of every random choice.
    preset, marks : what is judged by: a preset of ``marks.toml``, and a file laid over it.
    tasks : what to predict (default: everything that the profile can ask).
    with_privacy : whether to attack.
    quick : fewer rows, trees and resamples: a first look in a minute, not for a decision.
    ledger : of the requests to a language model, for their cost.
    memorised, replies : ``NAME=FILE`` of public data sets, and what a language model answered
        when ``llmsyn memorisation`` asked it for their rows; nothing is asked here.
    progress : called with the name of each part.

    Raises
    ------
    InputError, CohortError : something given cannot be used; see the message.
    """
    told = progress or (lambda part: None)
    chosen = read_marks(preset, marks)  # before minutes of work, in case it is wrong
    known = _known_by_heart(memorised, replies)
    told("reading")
    begun = time.perf_counter()
    evidence = gather(
        synthetic, members=members, holdout=holdout, profile=profile, data=data, share=share,
        seed=seed, quick=quick,
    )  # fmt: skip
    findings = measure_all(
        evidence, tasks=tasks, with_privacy=with_privacy, ledger=ledger, known=known,
        progress=told,
    )  # fmt: skip
    facts = _facts(evidence, with_privacy=with_privacy)
    facts |= {"preset means": chosen.meaning, "seconds": round(time.perf_counter() - begun, 1)}
    judged = judge([m for f in findings for m in f.measures], chosen)
    report = Report(_title(evidence), chosen.preset, judged, findings, facts)
    return replace(report, datasheet=datasheet(report, evidence))


def measure_all(
    evidence: Evidence,
    *,
    tasks: Sequence[str] = (),
    with_privacy: bool = True,
    ledger: str | Path | None = None,
    known: Sequence[Findings] = (),
    progress: Progress | None = None,
) -> tuple[Findings, ...]:
    """Every part of the report, without verdicts, in the order of the topics.

    ``known`` are findings on the language model, which need no evidence.
    """
    told = progress or (lambda part: None)
    found: list[Findings] = list(known)
    if with_privacy:
        told("privacy")
        found += privacy(evidence)
    told("plausibility")
    found.append(plausibility(evidence))
    told("fidelity")
    found.append(fidelity(evidence))
    told("utility")
    useful, trained = utility(evidence, tuple(tasks))
    found.append(useful)
    told("equity")
    found.append(equity(evidence, trained))
    found.append(cost(evidence, None if ledger is None else Path(ledger)))
    return tuple(sorted(found, key=lambda f: TOPICS.index(f.topic)))


def _known_by_heart(memorised: Sequence[str], replies: str | Path | None) -> list[Findings]:
    if not memorised and replies is None:
        return []
    if not memorised or replies is None:
        raise InputError(
            "rows known by heart need both: the data sets (memorised, NAME=FILE) and what the "
            "language model answered (replies, as llmsyn memorisation keeps them)"
        )
    options = ModelOptions(replay=Path(replies))
    with open_model(options) as model:
        return [memorisation(model, rows_of(memorised))]


def _title(evidence: Evidence) -> str:
    return f"Synthetic units of {evidence.profile.title or evidence.profile.name}"


def _facts(evidence: Evidence, *, with_privacy: bool) -> dict[str, Any]:
    manifest, profile = evidence.manifest, evidence.profile
    facts: dict[str, Any] = {
        "synthetic": unit_count(evidence.synthetic),
        "members": unit_count(evidence.members),
        "holdout": unit_count(evidence.holdout),
        "profile": profile.name
        + ("" if evidence.released else " (measured from the members, for its columns)"),
        "disclosure control": profile.disclosure.method.replace("_", " "),
        "seed of the evaluation": evidence.seed,
    }
    if manifest:
        facts["made by"] = (
            f"llmsyn {manifest.get('versions', {}).get('llmsyn', 'unknown')}, method "
            f"{manifest.get('method', 'unknown')}, seed {manifest.get('seed', 'unknown')}"
        )
    if evidence.quick:
        facts["quick"] = "a first look with few rows and resamples, not for a decision"
    if not with_privacy:
        facts["privacy"] = "not evaluated, as asked"
    return facts
