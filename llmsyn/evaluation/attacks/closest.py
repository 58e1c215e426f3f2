"""The distance to the closest record: whether synthetic units lie closer to members.

The share of synthetic units whose nearest real unit is a member's and not the holdout's, of
equally many; ties are halved; 0.5 is chance (Platzer and Reutterer 2021, doi
10.3389/fdata.2021.679939).  A secondary figure: distances to the closest record miss most
leaks (Yao et al. 2025, arXiv 2505.01524).  Exact and near copies are counted by
:mod:`llmsyn.evaluation.duplicates`.

*Positive controls*: 1%, 10% and 100% as many copies of members as there are synthetic units
take their places.  *Negative*: another half of the holdout in place of the synthetic set.
"""

from __future__ import annotations

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
from llmsyn.score import Score, proportion, undefined

FEWEST_PEOPLE = 20

SAID = Said(
    key="privacy.closest_record",
    name="closest record",
    does_not_show=(
        "Copies are the crudest leak; their absence says nothing about membership or attributes."
    ),
    source="doi 10.3389/fdata.2021.679939",
)


def closest_record(evidence: Evidence) -> Findings:
    """Whom synthetic units lie closer to."""
    random = evidence.random("closest record")
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
    made = as_rows(synthetic_units(evidence, "closest record, synthetic"), evidence.profile)
    to_members, to_holdout = nearest(made, members), nearest(made, holdout)
    controls = _controls(made, members, holdout, to_members, to_holdout, random)
    doubt = _doubt(controls)
    closer = closer_share(to_members, to_holdout)
    measure = Measure(f"{SAID.key}.closer_to_members", closer,
                      floor=Score("chance", 0.5, 0.5, 0.5), controls=controls)  # fmt: skip
    return Findings(
        topic="privacy",
        name=SAID.name,
        measures=(with_doubt(measure, doubt),),
        does_not_show=SAID.does_not_show,
        notes=(
            f"{len(made):,} synthetic units beside {size:,} units of members and as many of the "
            "holdout.",
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
