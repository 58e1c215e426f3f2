"""Exact and near duplicates: synthetic units that stand among the members word for word.

A unit is the set of its levels, bins and listed codes.  Each of them has a random 64-bit
number; a unit's fingerprint is their sum (modulo 2**64), so two units are equal where their
fingerprints are (a chance collision among 10**5 x 10**5 pairs has probability below 10**-9).
Two units are near where one becomes the other by exchanging, adding or removing a single
level or code: then they share a fingerprint after one removal, which is what is looked up.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import sparse

from llmsyn.evaluation.columns import indicators
from llmsyn.evaluation.samples import Sample
from llmsyn.evaluation.types import Control, Evidence, Findings, Measure
from llmsyn.profile.types import Profile
from llmsyn.score import Score, undefined, wilson

Hashes = npt.NDArray[np.uint64]
BoolArray = npt.NDArray[np.bool_]

DOSES = (0.01, 0.1, 1.0)
"""Shares of synthetic units that a positive control replaces by members."""


def equal_and_near(sample: Sample, other: Sample, profile: Profile) -> tuple[BoolArray, BoolArray]:
    """Which units of a sample are equal to a unit of another one, and which are near one.

    Returns
    -------
    equal, near : (n,) equal units are near, too.
    """
    numbers = np.random.default_rng(0).integers(1, 2**63, _width(profile), dtype=np.uint64)
    own, whole = (fingerprints(indicators(s, profile), numbers) for s in (sample, other))
    equal = np.isin(own[0], whole[0])
    reachable = np.concatenate([whole[0], whole[1]])
    row = np.repeat(np.arange(len(sample)), np.diff(own[2]))
    near = equal | np.isin(own[0], whole[1])
    near[row[np.isin(own[1], reachable)]] = True
    return equal, near


def fingerprints(
    x: sparse.csr_array, numbers: Hashes
) -> tuple[Hashes, Hashes, npt.NDArray[np.int32]]:
    """Fingerprints of units, and those after one removal.

    Returns
    -------
    whole : (n,).
    less_one : (nnz,) of each unit without each of its columns, unit after unit.
    starts : (n + 1,) where the units begin in ``less_one``.
    """
    each = numbers[x.indices]
    starts = x.indptr
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(each, dtype=np.uint64)])
    whole = sums[starts[1:]] - sums[starts[:-1]]  # wraps around, as it should
    less_one = np.repeat(whole, np.diff(starts)) - each
    return whole, less_one, starts


def duplicates(evidence: Evidence) -> Findings:
    """Share of synthetic units that equal, or nearly equal, a member.

    Short records are equal by chance, so what counts is the excess over the share of held-out
    units that do: they were never seen.  Positive control: synthetic units replaced by
    members, which must raise the excess by what was replaced.
    """
    profile = evidence.profile
    synthetic = equal_and_near(evidence.synthetic, evidence.members, profile)
    holdout = equal_and_near(evidence.holdout, evidence.members, profile)
    measures = []
    for kind, ours, theirs in zip(("exact", "near"), synthetic, holdout):
        controls = tuple(_replaced(dose, kind, ours, theirs, evidence) for dose in DOSES)
        measures.append(_measure(kind, ours, theirs, controls))
    return Findings(
        "privacy",
        "duplicates",
        tuple(measures),
        does_not_show="No duplicate does not mean that nothing of a patient can be learned: "
        "statistics of few patients can give them away without a copied row.",
        notes=(
            f"{int(synthetic[0].sum()):,} of {len(evidence.synthetic):,} synthetic and "
            f"{int(holdout[0].sum()):,} of {len(evidence.holdout):,} held-out units equal a member.",
        ),
    )


def excess(metric: str, ours: BoolArray, theirs: BoolArray) -> Score:
    """Difference of two shares with Newcombe's hybrid score interval.

    Source: Newcombe 1998, doi 10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I,
    method 10.
    """
    if not len(ours) or not len(theirs):
        return undefined(metric, "there are no units")
    p, q = float(ours.mean()), float(theirs.mean())
    (p_low, p_high), (q_low, q_high) = (wilson(float(s.sum()), len(s)) for s in (ours, theirs))
    low = p - q - math.hypot(p - p_low, q_high - q)
    high = p - q + math.hypot(p_high - p, q - q_low)
    return Score(metric, p - q, min(low, p - q), max(high, p - q))


def _measure(
    kind: str, ours: BoolArray, theirs: BoolArray, controls: tuple[Control, ...]
) -> Measure:
    score = excess(f"{kind} duplicates of members, excess over the holdout", ours, theirs)
    return Measure(f"privacy.duplicates.{kind}", score, controls=controls)


def _replaced(
    dose: float, kind: str, ours: BoolArray, theirs: BoolArray, evidence: Evidence
) -> Control:
    copied = ours.copy()
    rows = evidence.random(f"duplicates {dose}").permutation(len(ours))
    copied[rows[: round(dose * len(ours))]] = True
    name = f"{dose:.0%} of synthetic units are copies of members"
    return Control(
        "positive control", name, excess(f"{kind} duplicates, {name}", copied, theirs), dose
    )


def _width(profile: Profile) -> int:
    from llmsyn.evaluation.columns import columns_of

    return len(columns_of(profile))
