r"""Membership inference by the nearest synthetic unit.

*Who attacks.*  Somebody who holds the whole record x of a person and the synthetic set.

*Statistic.*  The negative distance to the nearest synthetic unit s,

.. math:: t(x) = -\min_s \lVert x - s \rVert^2

(Chen et al. 2020, "GAN-Leaks", doi 10.1145/3372297.3417238, full black box), and the same
calibrated by real people r of the same population who are nobody's members (their section
3.5): a rare record is far from everything,

.. math:: t_c(x) = \min_r \lVert x - r \rVert^2 - \min_s \lVert x - s \rVert^2.

*Controls.*  Positive: 1%, 10% and 100% of the members in question are copied into the
synthetic set.  Negative: the "synthetic" set is a quarter of the holdout's own records, another
quarter is the reference, and members are told from the rest: nobody in question had a part in
it.  It fails too where members and holdout are no random split of one population.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from llmsyn.evaluation.attacks.membership import Said, Scored, membership_findings, nothing
from llmsyn.evaluation.attacks.people import (
    FloatMatrix,
    as_rows,
    by_person,
    question_of,
    rarity,
    synthetic_units,
)
from llmsyn.evaluation.intervals import FloatArray, IntArray
from llmsyn.evaluation.types import Evidence, Findings

DOSES = (0.01, 0.1, 1.0)
"""Shares of the members in question that the positive controls copy."""

_ROWS, _COLUMNS = 1_024, 8_192  # of a block of distances: 32 MB

SAID = Said(
    key="privacy.nearest_neighbour",
    name="nearest neighbour",
    does_not_show=(
        "A generator that never sees a record cannot copy one, so chance is expected here; that "
        "says nothing about what the published statistics give away (see the attacks on the "
        "release).  Distance counts every code alike: a copy changed in many codes is missed."
    ),
    source="doi 10.1145/3372297.3417238",
)

CALIBRATED = replace(
    SAID,
    key="privacy.nearest_neighbour_calibrated",
    name="nearest neighbour, calibrated",
)

Score = Callable[[FloatArray, FloatArray], FloatArray]
"""Distance to the nearest synthetic and to the nearest real reference unit -> score."""


def plain_score(synthetic: FloatArray, reference: FloatArray) -> FloatArray:
    """The negative distance to the synthetic set."""
    return -synthetic


def calibrated_score(synthetic: FloatArray, reference: FloatArray) -> FloatArray:
    """How much nearer the synthetic set is than real people of the reference."""
    return reference - synthetic


def nearest_neighbour(evidence: Evidence) -> Findings:
    """Attack by the distance to the nearest synthetic unit."""
    return attack(evidence, SAID, plain_score)


def nearest_neighbour_calibrated(evidence: Evidence) -> Findings:
    """The same, compared with the distance to the nearest real person of the reference."""
    return attack(evidence, CALIBRATED, calibrated_score)


def attack(evidence: Evidence, said: Said, score: Score) -> Findings:
    """Run the attack and its controls with any score of the two distances."""
    question = question_of(evidence, "nearest neighbour")
    if not len(question.outside) or not len(question.reference):
        return nothing(said, "the holdout is empty; give people who had no part in the release")
    synthetic = synthetic_units(evidence, "nearest neighbour, synthetic")
    profile = evidence.profile
    members, outside, reference, made = (
        as_rows(s, profile)
        for s in (question.members, question.outside, question.reference, synthetic)
    )
    of = question.members.patient, question.outside.patient

    def scored(
        near: Sequence[FloatArray], beside: Sequence[FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        first, second = (by_person(score(d, r), who) for d, r, who in zip(near, beside, of))
        return first, second

    far = [nearest(x, made) for x in (members, outside)]
    first = question.reference.patient % 2 == 0  # people stand in no order
    halves = [[nearest(x, reference[part]) for x in (members, outside)] for part in (first, ~first)]
    beside = [np.minimum(a, b) for a, b in zip(*halves)]
    attacked = Scored(*scored(far, beside))
    random = evidence.random("nearest neighbour, controls")
    controls = []
    people = random.permutation(np.unique(of[0]))
    near, copied = far, 0
    for dose in DOSES:
        upto = max(round(dose * len(people)), 1)
        added = members[np.isin(of[0], people[copied:upto])]
        near = [np.minimum(d, nearest(x, added)) for d, x in zip(near, (members, outside))]
        copied = max(upto, copied)
        name = f"{dose:.0%} of the members copied"
        controls.append(Scored(*scored(near, beside), "positive control", name, dose))
    name = "records of the holdout as the synthetic set"
    controls.append(Scored(*scored(*halves), "negative control", name))
    rare = [rarity(s, question.reference, profile) for s in (question.members, question.outside)]
    notes = (
        f"{len(made):,} synthetic units and {len(reference):,} units of the reference were "
        "looked through; copies were added to the synthetic set.",
    )
    return membership_findings(
        replace(said, notes=notes),
        attacked,
        controls,
        rarity=(rare[0], rare[1]),
        random=random,
    )


def nearest(people: FloatMatrix, among: FloatMatrix) -> FloatArray:
    """Squared distance to the nearest row: ``(n_people,)``; infinite where there is none.

    Blocks of matrix products, so that memory is bounded; distances are rounded to 0.001,
    far below one difference and far above the error of single precision.

    Parameters
    ----------
    people : (n_people, d)
    among : (n_among, d)
    """
    best = np.full(len(people), np.inf)
    length = np.square(among).sum(axis=1)
    for row in range(0, len(people), _ROWS):
        block = people[row : row + _ROWS]
        mine = np.square(block).sum(axis=1)
        found = np.full(len(block), np.inf)
        for column in range(0, len(among), _COLUMNS):
            other = slice(column, column + _COLUMNS)
            distance = length[other] - 2 * (block @ among[other].T)
            np.minimum(found, distance.min(axis=1), out=found)
        best[row : row + _ROWS] = found + mine
    # Not 0.0005 below zero: rounding would make it -0.0.
    return np.asarray(np.round(np.maximum(best, 0.0), 3))


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest rows of each person, in no order.

    Attributes
    ----------
    index : (n_people, k) which.
    distance : (n_people, k) squared, less the person's own squared length.
    """

    index: IntArray
    distance: FloatMatrix

    def nearest_of_both(self, other: Neighbours, k: int) -> Neighbours:
        """The k nearest of two lists; the other one's indices stay what they are."""
        distance = np.hstack([self.distance, other.distance])
        index = np.hstack([self.index, other.index])
        if distance.shape[1] <= k:
            return Neighbours(index, distance)
        pick = np.argpartition(distance, k - 1, axis=1)[:, :k]
        return Neighbours(
            np.take_along_axis(index, pick, axis=1), np.take_along_axis(distance, pick, axis=1)
        )


def neighbours(people: FloatMatrix, among: FloatMatrix, k: int, first: int = 0) -> Neighbours:
    """The k nearest rows of each person; k is cut to what there is.

    Parameters
    ----------
    first : index of the first row of ``among``.
    """
    k = min(k, len(among))
    length = np.square(among).sum(axis=1)
    parts = []
    for row in range(0, len(people), _ROWS):
        block = people[row : row + _ROWS]
        best = Neighbours(
            np.zeros((len(block), 0), np.int64), np.zeros((len(block), 0), np.float32)
        )
        for column in range(0, len(among), _COLUMNS):
            other = slice(column, column + _COLUMNS)
            distance = length[other] - 2 * (block @ among[other].T)
            mine = first + np.arange(column, column + distance.shape[1])
            here = Neighbours(np.broadcast_to(mine, distance.shape), distance)
            best = best.nearest_of_both(here, k)
        parts.append(best)
    return Neighbours(
        np.concatenate([p.index for p in parts]), np.concatenate([p.distance for p in parts])
    )
