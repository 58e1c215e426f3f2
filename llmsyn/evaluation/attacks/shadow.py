r"""Shadow releases: the attack on averages rehearsed on people whose membership is known.

*Why.*  An attacker who does not know who is a member cannot choose a threshold by looking at
the answer, and a formula for the area assumes normal scores.  Both are replaced by rehearsal:
of people who are neither members nor in question, random sets are drawn, released, and
attacked (Shokri et al. 2017, doi 10.1109/SP.2017.41; Carlini et al. 2022, doi
10.1109/SP46214.2022.9833649).

*What comes out.*

1. The threshold at which 1% of the shadows' outsiders are called members, and what it does to
   the actual release: the share of members found, and the share of outsiders falsely called.
   The last should be 1%; if it is not, the rehearsal does not stand for the release.
2. The area that the shadows reached.  There are fewer people to draw shadows of than members,
   so it is carried over: with :math:`n_s` members a shadow, and q known from :math:`n_q`
   others,

   .. math:: z_s = \Phi^{-1}(\mathrm{AUC}_s), \quad
             m = 2 n_s z_s^2 (1 + n_s / n_q), \quad
             \mathrm{AUC}(n) = \Phi(\sqrt{m / 2n}),

   a prediction of the risk that uses neither the members' correlation nor normality.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from scipy.special import ndtr, ndtri
from scipy.stats import t as student

from llmsyn.evaluation.attacks.aggregates import people_of, scores_of
from llmsyn.evaluation.attacks.cells import cells_of, says_main
from llmsyn.evaluation.attacks.curves import FPR
from llmsyn.evaluation.attacks.membership import Said, nothing, with_doubt
from llmsyn.evaluation.attacks.scoring import Known, covariance_score
from llmsyn.evaluation.intervals import FloatArray, auc
from llmsyn.evaluation.types import Evidence, Findings, Measure
from llmsyn.score import Score, proportion, undefined

N_SHADOWS = 8
FEWEST_PEOPLE = 60
"""People of the holdout below which no shadows are drawn: a third each is too few."""

SAID = Said(
    key="privacy.shadow",
    name="shadow releases",
    does_not_show=(
        "Shadows are exact averages of the printed cells; noise, and what suppression says by "
        "leaving cells out, are not rehearsed.  With few people to know S from (not many more than "
        "cells), shadows attack worse than the real attacker, and their prediction is too low."
    ),
    source="doi 10.1109/SP46214.2022.9833649",
)


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """What the shadows came to.

    Attributes
    ----------
    areas : (n_shadows,)
    outside : scores of all shadows' outsiders, in units of sqrt(leverage / n).
    n : members of a shadow.
    n_known : people that q was known from.
    """

    areas: FloatArray
    outside: FloatArray
    n: int
    n_known: int

    def effective(self, area: float) -> float:
        """Effective number of statistics that an area of these shadows stands for."""
        z = max(float(ndtri(area)), 0.0)
        return 2 * self.n * z * z * (1 + self.n / self.n_known)

    def area_at(self, n: float, area: float) -> float:
        """The area that n members have where the shadows have this one, q known exactly."""
        return float(ndtr(math.sqrt(self.effective(area) / (2 * n))))


def rehearse(
    records: sp.csr_matrix, random: np.random.Generator, n_shadows: int = N_SHADOWS
) -> Rehearsal:
    """Draw shadow releases from people, a third members, a third outsiders, a third known.

    Parameters
    ----------
    records : (n_people, m) cells of people whose membership is not in question.
    """
    third = records.shape[0] // 3
    areas, outside = [], []
    for _ in range(n_shadows):
        order = random.permutation(records.shape[0])
        inside, out = records[order[:third]], records[order[third : 2 * third]]
        known = Known(records[order[2 * third :]])
        p = np.asarray(inside.mean(axis=0)).ravel()
        leverages = known.leverage(inside), known.leverage(out)
        t = [covariance_score(known, x, h, p, third) for x, h in zip((inside, out), leverages)]
        areas.append(auc(np.repeat([1, 0], [third, third]), np.concatenate(t)))
        outside.append(in_deviations(t, leverages, third, known.n)[1])
    return Rehearsal(np.array(areas), np.concatenate(outside), third, records.shape[0] - 2 * third)


def in_deviations(
    t: Sequence[FloatArray], leverage: Sequence[FloatArray], n: float, n_known: float
) -> tuple[FloatArray, FloatArray]:
    """Scores of members and outsiders in standard deviations of an outsider's.

    Given the record, t + h/2n has variance h (1/n + 1/n_known), and a mean that depends on
    what q came out as: the median of the outsiders is taken off (an attacker would take off
    everybody's, since most people are outsiders).  So releases of any size are comparable.

    Parameters
    ----------
    t, leverage : of members and of outsiders.
    """
    plain = [score + h / (2 * n) for score, h in zip(t, leverage)]
    zero = np.median(plain[1])
    first, second = (
        np.asarray((x - zero) / np.sqrt(np.maximum(h, 1e-12) * (1 / n + 1 / n_known)))
        for x, h in zip(plain, leverage)
    )
    return first, second


def shadow_releases(evidence: Evidence) -> Findings:
    """Rehearse the covariance-aware attack on the release."""
    if not evidence.released:
        return nothing(SAID, "no released profile was given")
    if evidence.holdout.n_patients < FEWEST_PEOPLE:
        return nothing(SAID, f"fewer than {FEWEST_PEOPLE} people to draw shadow releases of")
    profile = evidence.profile
    main = all(says_main(s, profile) for s in (evidence.members, evidence.holdout))
    cells = cells_of(profile, main=main)
    random = evidence.random("shadow releases")
    found = rehearse(
        cells.of(evidence.holdout), random, N_SHADOWS // 4 if evidence.quick else N_SHADOWS
    )
    n = float(profile.n_patients)
    threshold = float(np.quantile(found.outside, 1 - FPR))
    people, _ = people_of(evidence, cells, "covariance")
    per = profile.n_units / profile.n_patients
    scores = scores_of(people, "covariance", cells.released, n, per)
    n_known = min(k.n for k in people.known)
    called = [d > threshold for d in in_deviations(scores, people.leverage, n, n_known)]
    mean, low, high = _mean(found.areas)
    carried = [found.area_at(n, a) for a in (mean, low, high)]
    notes = (
        f"{len(found.areas)} shadows of {found.n:,} people each, q from {found.n_known:,}; "
        f"{len(cells):,} cells.",
    )
    said = replace(SAID, notes=notes)
    hits = proportion("members found at the shadows' threshold", called[0].sum(), len(called[0]))
    alarms = proportion("false alarms at the shadows' threshold", called[1].sum(), len(called[1]))
    at_threshold = Measure(f"{said.key}.found", replace(hits, reference=FPR),
                           floor=Score("guessing", FPR, FPR, FPR))  # fmt: skip
    doubt = ""
    if alarms.low > 2 * FPR or alarms.high < FPR / 2:
        doubt = (
            f"NOT MEASURABLE: the shadows' threshold gives {alarms.value:.1%} false alarms instead "
            f"of {FPR:.0%}, so they do not stand for the release"
        )
    return Findings(
        topic="privacy",
        name=said.name,
        measures=(
            Measure(f"{said.key}.predicted_auc", _score(carried, found.effective(mean))),
            with_doubt(at_threshold, doubt),
            Measure(f"{said.key}.false_alarms", replace(alarms, reference=FPR)),
        ),
        does_not_show=said.does_not_show,
        notes=said.notes,
        source=said.source,
    )  # fmt: skip


def _score(carried: list[float], effective: float) -> Score:
    if any(math.isnan(a) for a in carried):
        return undefined("AUC predicted by shadows", "one shadow has no interval")
    value, low, high = carried
    return Score(
        "AUC predicted by shadows", value, min(low, value), max(high, value), 0.5, "info",
        f"{effective:,.0f} effective statistics",
    )  # fmt: skip


def _mean(values: FloatArray) -> tuple[float, float, float]:
    """Mean and 95% interval by Student's t; shadows overlap, so it is a little too narrow."""
    mean = float(values.mean())
    if len(values) < 2:
        return mean, math.nan, math.nan
    half = float(student.ppf(0.975, len(values) - 1)) * float(values.std(ddof=1))
    half /= math.sqrt(len(values))
    return mean, mean - half, mean + half
