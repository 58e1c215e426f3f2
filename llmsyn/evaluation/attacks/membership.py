"""Membership inference: from scores, with their controls, to findings.

An attack is believed only where its controls say so.  *Positive control*: the same attack where
the weakness is planted, in doses; unless the largest dose is caught, what the attack finds in
the data is NOT MEASURABLE.  *Negative control*: the same attack where nobody is a member; its
interval must cover one half.  *Baseline*: what rarity of a record alone says, which is what
can be had without the release.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from llmsyn.evaluation.attacks.curves import Told, area, tell, thinned
from llmsyn.evaluation.attacks.curves import curve as roc_curve
from llmsyn.evaluation.intervals import FloatArray
from llmsyn.evaluation.types import Control, Findings, Measure, Roc, Role
from llmsyn.score import Score, undefined

NEGATIVE_CONFIDENCE = 0.99
"""Of the negative control's interval: half a dozen attacks at 95% would cry wolf too often."""

ALIKE_WITHIN = 0.05
"""The baseline's interval must reach to within this of one half.  A little is the release's own
doing: it lists codes because members have them."""

CAUGHT_ABOVE = 0.55
"""The lower end of the largest dose's interval must be above this."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of one run of an attack: higher means "rather a member".

    Attributes
    ----------
    members : (n_members,) of those who are (or, in a control, are taken to be) members.
    outside : (n_outside,) of those who are not.
    role, name, dose : see :class:`llmsyn.evaluation.types.Control`.
    """

    members: FloatArray
    outside: FloatArray
    role: Role = "attack"
    name: str = ""
    dose: float = float("nan")


@dataclass(frozen=True)
class Said:
    """What is said about an attack beside its numbers."""

    key: str
    name: str
    does_not_show: str
    source: str
    notes: tuple[str, ...] = ()


def membership_findings(
    said: Said,
    attack: Scored,
    controls: Sequence[Scored],
    *,
    rarity: tuple[FloatArray, FloatArray],
    random: np.random.Generator,
    more: Sequence[Measure] = (),
) -> Findings:
    """Findings of a membership attack.

    Parameters
    ----------
    attack : on what is judged.
    controls : positive ones in rising dose, and at least one negative one.
    rarity : of the records of members and outsiders of ``attack``.
    more : further measures, such as the predicted risk; they get the verdict of the controls.
    """
    told = tell(attack.members, attack.outside, random, rarity=rarity, name=said.name)
    shown = [_control(c) for c in controls]
    baseline = area("AUC of rarity alone", *rarity)
    shown.append(Control("baseline", "how rare the record is, without the release", baseline))
    doubt = why_not_measurable(shown)
    measures = (*_measures(said.key, told, tuple(shown), baseline), *more)
    return Findings(
        topic="privacy",
        name=said.name,
        measures=tuple(with_doubt(m, doubt) for m in measures),
        rocs=(
            Roc(said.name, said.name, "attack", told.fpr, told.tpr),
            *(
                Roc(said.name, c.name, c.role, *thinned(*roc_curve(c.members, c.outside)))
                for c in controls
                if len(c.members) and len(c.outside)
            ),
        ),
        does_not_show=said.does_not_show,
        notes=(
            f"{len(attack.members):,} members and {len(attack.outside):,} outsiders in question.",
            *said.notes,
        ),
        source=said.source,
    )


def why_not_measurable(controls: Sequence[Control]) -> str:
    """Why the controls do not bear an attack out; empty where they do.

    The largest dose must be caught (its interval above :data:`CAUGHT_ABOVE`), the response must
    not fall with the dose beyond the intervals, the negative control must cover one half, and
    rarity alone must not tell members from outsiders (:data:`ALIKE_WITHIN`).
    """
    positive = sorted((c for c in controls if c.role == "positive control"), key=lambda c: c.dose)
    for c in (c for c in controls if c.role == "negative control"):
        if not c.score.low <= 0.5 <= c.score.high:
            return (
                f"NOT MEASURABLE: the negative control ({c.name}) has an AUC of "
                f"{c.score.value:.3f} [{c.score.low:.3f}, {c.score.high:.3f}], which does not "
                "cover 0.5"
            )
    for c in (c for c in controls if c.role == "baseline"):
        if c.score.low > 0.5 + ALIKE_WITHIN or c.score.high < 0.5 - ALIKE_WITHIN:
            return (
                f"NOT MEASURABLE: rarity alone tells members from the holdout (AUC "
                f"{c.score.value:.3f}), so they are no random split of one population"
            )
    if not positive:
        return "NOT MEASURABLE: there is no positive control"
    top = positive[-1]
    if not top.score.low > CAUGHT_ABOVE:  # also where it is NaN
        return (
            f"NOT MEASURABLE: the positive control ({top.name}) was not caught, AUC "
            f"{top.score.value:.3f} [{top.score.low:.3f}, {top.score.high:.3f}]"
        )
    for less, more in pairwise(positive):
        if more.score.high < less.score.low:
            return f"NOT MEASURABLE: {more.name} was caught less than {less.name}"
    return ""


def detection_limit(controls: Sequence[Control]) -> Control | None:
    """The smallest dose whose interval lies above one half; None where none does."""
    caught = [c for c in controls if c.role == "positive control" and c.score.low > 0.5]
    return min(caught, key=lambda c: c.dose, default=None)


def with_doubt(measure: Measure, doubt: str) -> Measure:
    """The measure, undefined beside its value where the controls do not bear it out."""
    if not doubt or measure.score.verdict == "undefined":
        return measure
    return replace(measure, score=replace(measure.score, verdict="undefined", reason=doubt))


def nothing(said: Said, reason: str) -> Findings:
    """Findings of an attack that cannot be tried."""
    return Findings(
        topic="privacy",
        name=said.name,
        measures=(Measure(f"{said.key}.auc", undefined(f"{said.name} AUC", reason)),),
        does_not_show=said.does_not_show,
        source=said.source,
    )


def _control(scored: Scored) -> Control:
    sure = NEGATIVE_CONFIDENCE if scored.role == "negative control" else 0.95
    found = area("AUC", scored.members, scored.outside, sure)
    return Control(scored.role, scored.name, found, scored.dose)


def _measures(
    key: str, told: Told, controls: tuple[Control, ...], baseline: Score
) -> tuple[Measure, ...]:
    guessing = Score("guessing", 0.5, 0.5, 0.5)
    limit = detection_limit(controls)
    if told.auc.low > 0.5:
        reason = "told from guessing"
    elif limit is None:
        reason = "not told from guessing, and no dose of the positive control is"
    else:
        reason = f"not told from guessing; the smallest dose that is: {limit.name}"
    return (
        Measure(f"{key}.auc", replace(told.auc, reason=told.auc.reason or reason),
                floor=baseline, controls=controls),
        Measure(f"{key}.advantage", told.advantage, floor=Score("guessing", 0.0, 0.0, 0.0)),
        Measure(f"{key}.tpr_at_1_fpr", told.hits, floor=Score("guessing", 0.01, 0.01, 0.01)),
        Measure(f"{key}.worst_decile_auc", told.worst_decile, floor=guessing),
    )  # fmt: skip
