"""Exact and near copies of members, and the distance to the closest record.

*Exact*: the share of synthetic units that equal a member's unit in everything compared; *near*:
that lie as close to a member as only one in a hundred people of one half of the holdout lies to
the other half.  Both occur by chance (two patients with one common code and the same
demographics), so the same shares with the holdout in place of the members, equally many, stand
beside them, and the **excess** is the difference.

*Closer to members*: the share of synthetic units whose nearest real unit is a member's and not
the holdout's, of equally many; ties are halved; 0.5 is chance (the share of Platzer and
Reutterer 2021, doi 10.3389/fdata.2021.679939).  It is a secondary figure: distances to the
closest record miss most leaks (Yao et al. 2025, arXiv 2505.01524).

*Positive controls*: 1%, 10% and 100% as many copies of members as there are synthetic units
take their places.  *Negative*: another half of the holdout in place of the synthetic set.
"""

from __future__ import annotations

import math

import numpy as np

from llmsyn.evaluation.attacks.membership import Said, nothing, with_doubt
from llmsyn.evaluation.attacks.nearest import DOSES, nearest
from llmsyn.evaluation.attacks.people import (
    MOST_IN_QUESTION,
    QUICK,
    FloatMatrix,
    as_rows,
    of_patients,
    synthetic_units,
)
from llmsyn.evaluation.intervals import FloatArray
from llmsyn.evaluation.types import Control, Evidence, Findings, Measure
from llmsyn.score import Score, proportion, undefined, wilson

NEAR = 0.01
"""Quantile of the distances among real people below which two units are near copies."""

FEWEST_PEOPLE = 20

SAID = Said(
    key="privacy.duplicates",
    name="copies",
    does_not_show=(
        "Copies are the crudest leak; their absence says nothing about membership or attributes, "
        "and common records are equal by chance."
    ),
    source="doi 10.3389/fdata.2021.679939",
)


def copies(evidence: Evidence) -> Findings:
    """Count copies of members, beside those of unseen people, and whom units lie closer to."""
    random = evidence.random("copies")
    n = min(evidence.members.n_patients, evidence.holdout.n_patients)
    n = min(n, MOST_IN_QUESTION // (QUICK if evidence.quick else 1))
    if n < FEWEST_PEOPLE:
        return nothing(SAID, f"fewer than {FEWEST_PEOPLE} members or people of the holdout")
    members, holdout = (
        as_rows(of_patients(s, random.permutation(np.unique(s.patient))[:n]), evidence.profile)
        for s in (evidence.members, evidence.holdout)
    )
    # Equally many units: one more is one more chance to be near.
    size = min(len(members), len(holdout))
    members, holdout = (x[random.permutation(len(x))[:size]] for x in (members, holdout))
    made = as_rows(synthetic_units(evidence, "copies, synthetic"), evidence.profile)
    half = size // 2
    limit = float(np.quantile(nearest(holdout[:half], holdout[half:]), NEAR))
    to_members, to_holdout = nearest(made, members), nearest(made, holdout)
    controls = _controls(made, members, holdout, to_members, to_holdout, random)
    doubt = _doubt(controls)
    closer = closer_share(to_members, to_holdout)
    measures = [
        _excess("exact", to_members <= 0, to_holdout <= 0),
        _excess("near", to_members <= limit, to_holdout <= limit),
        Measure(f"{SAID.key}.closer_to_members", closer, floor=Score("chance", 0.5, 0.5, 0.5),
                controls=controls),
    ]  # fmt: skip
    return Findings(
        topic="privacy",
        name=SAID.name,
        measures=tuple(with_doubt(m, doubt) for m in measures),
        does_not_show=SAID.does_not_show,
        notes=(
            f"{len(made):,} synthetic units beside {size:,} units of members and as many of the "
            f"holdout; near is a squared distance of at most {limit:.3g}.",
        ),
        source=SAID.source,
    )


def closer_share(to_members: FloatArray, to_holdout: FloatArray) -> Score:
    """Share of synthetic units closer to a member than to the holdout; a tie is half of one.

    Examples
    --------
    >>> closer_share(np.array([0.0, 1.0, 2.0, 5.0]), np.array([1.0, 1.0, 1.0, 9.0])).value
    0.625
    """
    return _share(to_members, to_holdout, 0.95)


def _share(near: FloatArray, far: FloatArray, confidence: float) -> Score:
    """Wins of the nearer, a tie half of one.

    Several units share their nearest person, so the interval is too narrow where there are
    more units than people.
    """
    wins = float((near < far).sum() + (near == far).sum() / 2)
    return proportion("closer to members", wins, len(near), confidence=confidence)


def _excess(kind: str, of_members: np.ndarray, of_holdout: np.ndarray) -> Measure:
    """Copies of members minus copies of the holdout, as a share of the synthetic units."""
    n = len(of_members)
    found, chance = int(of_members.sum()), int(of_holdout.sum())
    share, beside = found / n, chance / n
    (low, high), (low_c, high_c) = wilson(found, n), wilson(chance, n)
    value = share - beside
    score = Score(
        f"{kind} copies of members, in excess",
        value,
        value - math.hypot(share - low, high_c - beside),
        value + math.hypot(high - share, beside - low_c),
        0.0,
        "info",
        f"{found:,} of {n:,} units are {kind} copies of members, {chance:,} of the holdout",
    )
    return Measure(
        f"{SAID.key}.{kind}", score, floor=Score("of the holdout", beside, low_c, high_c)
    )


def _controls(
    made: FloatMatrix,
    members: FloatMatrix,
    holdout: FloatMatrix,
    to_members: FloatArray,
    to_holdout: FloatArray,
    random: np.random.Generator,
) -> tuple[Control, ...]:
    found = []
    place = random.permutation(len(made))
    who = random.integers(0, len(members), len(made))
    copies_to_holdout = nearest(members, holdout)
    for dose in DOSES:
        at = place[: max(round(dose * len(made)), 1)]
        near, far = to_members.copy(), to_holdout.copy()
        near[at], far[at] = 0.0, copies_to_holdout[who[at]]
        name = f"{dose:.0%} of the units are copies of members"
        found.append(Control("positive control", name, closer_share(near, far), dose))
    half = len(holdout) // 2
    if half < FEWEST_PEOPLE // 2:
        unseen = undefined("closer to members", "too few people of the holdout")
    else:
        fresh, rest = holdout[:half], holdout[half:]
        some = members[: len(rest)]
        # The interval of fewer units at 99%: a dozen measures at 95% would cry wolf.
        unseen = _share(nearest(fresh, some), nearest(fresh, rest), 0.99)
    return (*found, Control("negative control", "a half of the holdout as synthetic", unseen))


def _doubt(controls: tuple[Control, ...]) -> str:
    top = max((c for c in controls if c.role == "positive control"), key=lambda c: c.dose)
    if not top.score.low > 0.6:
        return f"NOT MEASURABLE: the positive control ({top.name}) was not caught"
    negative = controls[-1]
    if not negative.score.low <= 0.5 <= negative.score.high:
        return f"NOT MEASURABLE: the negative control ({negative.name}) does not cover 0.5"
    return ""
