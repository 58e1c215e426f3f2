"""Claims of ``bench.py`` on membership: predicted beside measured, controls, a risk budget."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from bench_runs import Bench, judged
from claims import Claim
from protocol import drawn

from llmsyn.disclosure.extraction import extract
from llmsyn.disclosure.settings import Settings
from llmsyn.errors import InfeasibleError
from llmsyn.evaluation import Report

BUDGET = 0.55
"""The risk budget of the goals: a predicted membership AUC."""


def membership(report: Report, label: str) -> Iterator[Claim]:
    """Predicted beside the strongest measured attack, and whether controls were caught."""
    attacks = [m for m in report.of("privacy") if m.key.endswith(".auc") and m.controls]
    uncaught = [m.key.split(".")[1] for m in attacks if m.score.verdict == "undefined"]
    yield Claim(
        f"privacy.controls {label}", f"attacks with a control that failed, {label}",
        len(uncaught) if attacks else math.nan, ceiling=0, floor=len(attacks), at_most=0, why="; ".join(uncaught) or f"of {len(attacks)} attacks",
    )  # fmt: skip
    measured = [m.score for m in attacks if "release" in m.key and m.score.value == m.score.value]
    predicted = [m.score for m in report.of("privacy") if m.key.endswith("predicted_auc_here")]
    what = f"abs(predicted - strongest measured AUC), {label}"
    key = f"privacy.predicted {label}"
    if not measured or not predicted:
        yield Claim(key, what, math.nan, at_most=0.02, why="no attack on the release")
        return
    strongest = max(measured, key=lambda s: s.value)
    gap = abs(predicted[0].value - strongest.value)
    ends = [abs(predicted[0].value - x) for x in (strongest.low, strongest.high)]
    inside = strongest.low <= predicted[0].value <= strongest.high
    yield Claim(
        key, what, gap, 0.0 if inside else min(ends), max(*ends, gap), at_most=0.02,
        floor=abs(0.5 - strongest.value), ceiling=0, kind="interval",
        why=f"predicted {predicted[0].value:.3f}, measured {strongest.value:.3f} "
        f"[{strongest.low:.3f}, {strongest.high:.3f}]; floor: predicting 0.5",
    )  # fmt: skip


def within_budget(bench: Bench) -> Claim:
    """Attacks on a release that keeps a risk budget."""
    key, what = "privacy.budget", f"highest lower end of an attack, risk budget {BUDGET:g}"
    settings = Settings(max_membership_auc=BUDGET, tables="all")
    members = bench.split.members
    try:
        made = extract(list(members.batches()), members.mapping, settings)
    except InfeasibleError as error:
        return Claim(key, what, math.nan, at_most=BUDGET, why=f"refused: {error}")
    with drawn(
        made.release.profile, bench.sizes.evaluated, seed=bench.seed, work_dir=bench.work_dir
    ) as result:
        report = judged(bench, result, with_privacy=True)
    found = [m for m in report.of("privacy") if m.key.endswith(".auc") and m.controls]
    found = [m for m in found if m.score.verdict != "undefined"]
    if not found:
        return Claim(key, what, math.nan, at_most=BUDGET, why="no attack could be measured")
    worst = max(found, key=lambda m: m.score.low)
    printed = sum(int(np.isfinite(t.counts).sum()) for t in made.release.profile.tables)
    return Claim(
        key, what, worst.score.low, worst.score.low, worst.score.high, ceiling=0.5, floor=1.0,
        at_most=BUDGET, kind="interval",
        why=f"{worst.key.split('.')[1]}, AUC {worst.score.value:.3f}; "
        f"{len(made.release.profile.tables)} tables with {printed:,} cells were released",
    )  # fmt: skip
