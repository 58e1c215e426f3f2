r"""Membership inference from averages: of a release, or of a synthetic set.

*Who attacks.*  Somebody who holds a person's whole record, knows the population (averages
and correlations, from real people who are neither members nor in question), and sees either
the printed cells of the release or the synthetic set, of which the same cells are counted.

*Statistics.*  ``likelihood``: independent cells, margins only.  ``covariance``: all printed
cells, cross-tables and pairs included, weighted by the inverse of their shrunk correlation
(:mod:`llmsyn.evaluation.attacks.scoring` has both formulas and their sources).

*Controls.*  Positive: an exact release of the same cells of 1,000, 300, 100, 30 and 10
random members (as far as there are as many): the fewer, the easier, and a dose is
1/n.  Negative: two random halves of the outsiders, told apart with the actual release, in
which neither had a part.  The baseline (rarity) would show it if members and holdout were not
a random split.

*Prediction.*  :func:`llmsyn.disclosure.risk.predict_risk` of the same cells stands beside the
measured area, for an attacker who knows q exactly, and for this one, who has it from the
holdout (sqrt(1 + n/n_holdout) weaker).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import scipy.sparse as sp
from scipy.special import ndtr, ndtri

from llmsyn.disclosure.risk import predict_risk
from llmsyn.evaluation.attacks.cells import Cells, cells_of, says_main
from llmsyn.evaluation.attacks.membership import (
    Said,
    Scored,
    membership_findings,
    nothing,
)
from llmsyn.evaluation.attacks.people import MOST_IN_QUESTION, QUICK, of_patients, rarity
from llmsyn.evaluation.attacks.scoring import (
    FOLDS,
    Known,
    covariance_score,
    folds_of,
    likelihood_score,
)
from llmsyn.evaluation.intervals import FloatArray, IntArray
from llmsyn.evaluation.types import Evidence, Findings, Measure
from llmsyn.score import Score

Statistic = Literal["likelihood", "covariance"]
Target = Literal["release", "synthetic"]

PLANTED = (1_000, 300, 100, 30, 10)
"""Members behind the releases of the positive controls."""

_NOT_SHOWN = {
    "release": (
        "That a stronger attacker could not do better: one with other releases of the same "
        "people, or with a larger sample of the population.  Chance here is no guarantee; only "
        "differential privacy gives one."
    ),
    "synthetic": (
        "More than the published statistics can be in here only if a generator saw records; "
        "what it found is to be compared with the same attack on the release."
    ),
}

SAID = {
    (statistic, target): Said(
        key=f"privacy.{statistic}_{target}",
        name=name,
        does_not_show=_NOT_SHOWN[target],
        source=source,
    )
    for statistic, target, name, source in (
        ("likelihood", "release", "likelihood ratio, release", "doi 10.1371/journal.pgen.1000167"),
        ("likelihood", "synthetic", "likelihood ratio, synthetic set",
         "doi 10.1371/journal.pgen.1000167"),
        ("covariance", "release", "covariance-aware, release", "docs/attacks.md"),
        ("covariance", "synthetic", "covariance-aware, synthetic set", "docs/attacks.md"),
    )
}  # fmt: skip


def likelihood_release(evidence: Evidence) -> Findings:
    """Independent cells, on the printed margins."""
    return attack(evidence, "likelihood", "release")


def likelihood_synthetic(evidence: Evidence) -> Findings:
    """Independent cells, on the margins of the synthetic set."""
    return attack(evidence, "likelihood", "synthetic")


def covariance_release(evidence: Evidence) -> Findings:
    """All printed cells with their correlation, on the release."""
    return attack(evidence, "covariance", "release")


def covariance_synthetic(evidence: Evidence) -> Findings:
    """All printed cells with their correlation, on the synthetic set."""
    return attack(evidence, "covariance", "synthetic")


@dataclass(frozen=True, eq=False)
class People:
    """Members and outsiders in question, and what is known without either's fold.

    Attributes
    ----------
    members, outside : (n, m) records.
    units : of both, units of each person.
    fold : of both, the fold each person is scored in.
    known : by fold.
    leverage : of both; empty arrays where the statistic needs none.
    """

    members: sp.csr_matrix
    outside: sp.csr_matrix
    units: tuple[FloatArray, FloatArray]
    fold: tuple[IntArray, IntArray]
    known: tuple[Known, ...]
    leverage: tuple[FloatArray, FloatArray]


Scores = Callable[[People, Statistic, FloatArray, float, float], tuple[FloatArray, FloatArray]]


def attack(
    evidence: Evidence, statistic: Statistic, target: Target, *, scores: Scores | None = None
) -> Findings:
    """Run one attack on averages and its controls.

    Parameters
    ----------
    scores : in place of :func:`scores_of`, for tests that break the attack.
    """
    said, score = SAID[statistic, target], scores or scores_of
    if target == "release" and not evidence.released:
        return nothing(said, "no released profile was given; attacks on it need one")
    cells = _cells(evidence, statistic)
    people, rare = people_of(evidence, cells, statistic)
    if min(people.outside.shape[0], people.members.shape[0]) < 2 * FOLDS:
        return nothing(said, "fewer than eight members or people of the holdout")
    profile = evidence.profile
    n, per = float(profile.n_patients), profile.n_units / profile.n_patients
    p = cells.released if target == "release" else cells.made(evidence.synthetic)
    found = Scored(*score(people, statistic, p, n, per))
    random = evidence.random(f"{statistic} {target}, controls")
    controls = [
        *_planted(people, statistic, per, score, random),
        _halves(found.outside, random),
    ]
    n_known = min(known.n for known in people.known)
    notes = (
        f"{len(cells):,} cells" + (f" ({cells.n_dropped:,} more left out)" * bool(cells.n_dropped)),
        f"The population is known from {n_known:,} or more people of the holdout.",
    )
    more = _predicted(evidence, cells, said, n_known) if statistic == "covariance" else ()
    return membership_findings(
        replace(said, notes=notes), found, controls, rarity=rare, random=random, more=more
    )


def people_of(
    evidence: Evidence, cells: Cells, statistic: Statistic
) -> tuple[People, tuple[FloatArray, FloatArray]]:
    """Who is in question, and how rare their records are."""
    random = evidence.random("aggregates, people")
    most = MOST_IN_QUESTION // (QUICK if evidence.quick else 1)
    members, holdout = evidence.members, evidence.holdout
    chosen = np.sort(random.permutation(np.unique(members.patient))[:most])
    members = of_patients(members, chosen)
    everybody = np.unique(holdout.patient)
    asked = np.zeros(len(everybody), dtype=bool)
    asked[random.permutation(len(everybody))[:most]] = True
    fold_all = folds_of(len(everybody), random)
    records = cells.of(holdout)
    known = tuple(Known(records[fold_all != k]) for k in range(FOLDS))
    outside = of_patients(holdout, everybody[asked])
    fold = folds_of(len(chosen), random), fold_all[asked]
    x = cells.of(members), records[np.flatnonzero(asked)]
    units = tuple(np.unique(s.patient, return_counts=True)[1] for s in (members, outside))
    if statistic == "covariance":
        leverage = _by_fold(x[0], fold[0], known), _by_fold(x[1], fold[1], known)
    else:
        leverage = np.zeros(0), np.zeros(0)
    people = People(*x, (units[0].astype(float), units[1].astype(float)), fold, known, leverage)
    rare = (
        rarity(members, holdout, evidence.profile),
        rarity(outside, holdout, evidence.profile, among=True),
    )
    return people, rare


def scores_of(
    people: People, statistic: Statistic, p: FloatArray, n: float, per: float
) -> tuple[FloatArray, FloatArray]:
    """Scores of members and outsiders against averages p of n people, centred by fold.

    Every fold has its own q, hence its own zero: the median of its outsiders.
    """
    result = np.empty(people.members.shape[0]), np.empty(people.outside.shape[0])
    for k, known in enumerate(people.known):
        for side, x in enumerate((people.members, people.outside)):
            mine = np.flatnonzero(people.fold[side] == k)
            if statistic == "covariance":
                t = covariance_score(known, x[mine], people.leverage[side][mine], p, n)
            else:
                t = likelihood_score(known, x[mine], people.units[side][mine], p, n, per)
            result[side][mine] = t
        # One number for both sides: who is a member of the same fold is not touched by it.
        centre = np.median(result[1][people.fold[1] == k])
        for side in (0, 1):
            result[side][people.fold[side] == k] -= centre
    return result


def _by_fold(x: sp.csr_matrix, fold: IntArray, known: Sequence[Known]) -> FloatArray:
    found = np.empty(x.shape[0])
    for k, what in enumerate(known):
        mine = np.flatnonzero(fold == k)
        found[mine] = what.leverage(x[mine])
    return found


def _cells(evidence: Evidence, statistic: Statistic) -> Cells:
    profile = evidence.profile
    samples = evidence.members, evidence.holdout, evidence.synthetic
    main = all(says_main(s, profile) for s in samples)
    cells = cells_of(profile, tables=statistic == "covariance", main=main)
    if statistic == "covariance":
        return cells
    kept = [
        (i, flat, counts)
        for i, flat, counts in cells.picked
        if cells.places[i].part in ("counts", "missing_count")
    ]
    return Cells(profile, tuple(kept), np.ones(sum(len(f) for _, f, _ in kept), dtype=bool))


def _planted(
    people: People, statistic: Statistic, per: float, score: Scores, random: np.random.Generator
) -> list[Scored]:
    """Releases of a few members: exact averages of the same cells."""
    found = []
    n_members = people.members.shape[0]
    for size in PLANTED:
        if size > n_members:
            continue
        who = random.permutation(n_members)[:size]
        p = np.asarray(people.members[who].mean(axis=0)).ravel()
        few = replace(
            people,
            members=people.members[who],
            units=(people.units[0][who], people.units[1]),
            fold=(people.fold[0][who], people.fold[1]),
            leverage=(people.leverage[0][who] if statistic == "covariance"
                      else people.leverage[0], people.leverage[1]),
        )  # fmt: skip
        name = f"a release of {size:,} of the members"
        found.append(
            Scored(*score(few, statistic, p, float(size), per), "positive control", name, 1 / size)
        )
    return found


def _halves(outside: FloatArray, random: np.random.Generator) -> Scored:
    order = random.permutation(len(outside))
    half = len(outside) // 2
    return Scored(
        outside[order[:half]],
        outside[order[half:]],
        "negative control",
        "two halves of the holdout",
    )


def _predicted(evidence: Evidence, cells: Cells, said: Said, n_known: int) -> tuple[Measure, ...]:
    """The predicted risk of the printed cells, with q known and with q from the holdout."""
    values = cells.of(evidence.members)
    n = round(evidence.profile.n_patients)
    risk = predict_risk(values, np.ones(len(cells), dtype=bool), n)
    weaker = float(ndtr(ndtri(risk.auc) / math.sqrt(1 + n / n_known)))
    about = f"{risk.m_eff:,.0f} effective statistics of {n:,} patients"
    return (
        Measure(f"{said.key}.predicted_auc",
                Score("predicted AUC", risk.auc, risk.auc, risk.auc, 0.5, "info", about)),
        Measure(f"{said.key}.predicted_auc_here",
                Score("predicted AUC, population known from the holdout", weaker, weaker, weaker,
                      0.5, "info", f"{about}, {n_known:,} people of the holdout")),
    )  # fmt: skip
