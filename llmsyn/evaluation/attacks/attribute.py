r"""Attribute inference: does the synthetic set tell a sensitive code of a person?

*Who attacks.*  Somebody who knows everything of a person but the sensitive codes, and holds
the synthetic set.

*Statistic.*  For each sensitive code, the share of the :data:`NEIGHBOURS` nearest synthetic
units (compared without any sensitive code) that carry it, plus half of one at its share in the
whole set, so that ties among rare codes are broken by prevalence only.  Of each code the area
under the curve of carriers against the others.

*What counts.*  That diabetes goes with insulin is medicine, and is learnt from any good data
set: so the same guess is made about people of the holdout, whose records had no part, and the
**gain** is the area among members minus that among the holdout, averaged over codes.  The best
guess without the synthetic set is the code's prevalence: the same for everybody, area 0.5.

*Controls.*  Positive: 1%, 10% and 100% of the members are copied into the synthetic set.
Negative: two halves of the holdout in place of members and holdout; the gain must cover 0.
Intervals are a bootstrap over people.

Source: Yeom et al. 2018, doi 10.1109/CSF.2018.00027 (attribute advantage as the difference
between members and others); nearest neighbours as in Goncalves et al. 2020, doi
10.1186/s12874-020-00977-1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmsyn.evaluation.attacks.membership import Said, nothing, with_doubt
from llmsyn.evaluation.attacks.nearest import DOSES, nearest_indices
from llmsyn.evaluation.attacks.people import FloatMatrix, as_rows, question_of, synthetic_units
from llmsyn.evaluation.intervals import FloatArray, IntArray, auc
from llmsyn.evaluation.samples import Sample
from llmsyn.evaluation.types import Control, Evidence, Findings, Measure
from llmsyn.profile.types import Profile
from llmsyn.score import Score, undefined

NEIGHBOURS = 10

FEWEST_CARRIERS = 10
"""Carriers among the members in question, and among the holdout, that a code needs."""

MOST_CODES = 20

SENSITIVE = {
    "icd9cm": ("042", "054", "07", "09", "29", "30", "31", "635", "636", "V08"),
    "icd10cm": ("B20", "A5", "A6", "F", "O04", "Z21"),
}
"""First signs of codes that are held to be sensitive: HIV, sexually transmitted disease,
mental disorder and addiction, abortion, viral hepatitis."""

_RESAMPLES = 200

SAID = Said(
    key="privacy.attribute",
    name="attribute inference",
    does_not_show=(
        "A gain of zero says that members are guessed no better than others; how well anybody is "
        "guessed (from medicine, or from the published tables) stands in the areas by code."
    ),
    source="doi 10.1109/CSF.2018.00027",
)


@dataclass(frozen=True, eq=False)
class Guess:
    """Guesses and truth for one group of people.

    Attributes
    ----------
    score : (n_units, n_codes)
    truth : (n_units, n_codes) whether the unit has the code.
    """

    score: FloatArray
    truth: npt.NDArray[np.bool_]


def attribute_inference(evidence: Evidence, sensitive: Sequence[str] = ()) -> Findings:
    """Guess sensitive codes of members and of the holdout.

    Parameters
    ----------
    sensitive : ``set=code`` of each code; those of :data:`SENSITIVE` that are frequent enough
        where empty, filled up with the rarest others that are.
    """
    question = question_of(evidence, "attribute")
    if not len(question.outside):
        return nothing(SAID, "the holdout is empty; give people who had no part in the release")
    # Both halves of the holdout: nobody else's membership is in question here.
    holdout = evidence.holdout
    names = tuple(sensitive) or choose_codes(evidence.profile, (question.members, holdout))
    if not names:
        return nothing(SAID, f"no code has {FEWEST_CARRIERS} carriers among members and holdout")
    made = synthetic_units(evidence, "attribute, synthetic")
    hidden = frozenset(names)
    rows = [as_rows(s, evidence.profile, hidden) for s in (question.members, holdout, made)]
    codes = [carriers(s, evidence.profile, names) for s in (question.members, holdout, made)]
    random = evidence.random("attribute, bootstrap")
    members, others = (guess(r, c, rows[2], codes[2]) for r, c in zip(rows[:2], codes[:2]))
    gain = gain_of(members, others, random)
    controls = []
    order = random.permutation(len(rows[0]))
    for dose in DOSES:
        copied = order[: max(round(dose * len(order)), 1)]
        more = np.vstack([rows[2], rows[0][copied]]), np.vstack([codes[2], codes[0][copied]])
        planted = (guess(r, c, *more) for r, c in zip(rows[:2], codes[:2]))
        name = f"{dose:.0%} of the members copied"
        controls.append(Control("positive control", name, gain_of(*planted, random), dose))
    half = random.permutation(len(others.score))
    first, second = half[: len(half) // 2], half[len(half) // 2 :]
    parts = (Guess(others.score[p], others.truth[p]) for p in (first, second))
    name = "two halves of the holdout"
    controls.append(Control("negative control", name, gain_of(*parts, random)))
    doubt = _doubt(controls)
    measures = [
        Measure(f"{SAID.key}.gain", gain, floor=Score("guessing", 0.0, 0.0, 0.0),
                controls=tuple(controls)),
        *_by_code(names, members, others),
    ]  # fmt: skip
    return Findings(
        topic="privacy",
        name=SAID.name,
        measures=tuple(with_doubt(m, doubt) for m in measures),
        does_not_show=SAID.does_not_show,
        notes=(
            f"{len(names)} codes, {len(rows[0]):,} units of members, {len(rows[1]):,} of the "
            f"holdout, {len(rows[2]):,} synthetic units, {NEIGHBOURS} neighbours.",
        ),
        source=SAID.source,
    )


def choose_codes(profile: Profile, groups: Sequence[Sample]) -> tuple[str, ...]:
    """Sensitive codes with enough carriers in every group, then the rarest others that have.

    Returns
    -------
    ``set=code`` each, at most :data:`MOST_CODES`.
    """
    known: list[tuple[bool, float, str]] = []
    for codes in profile.code_sets:
        counts = np.min(
            [np.asarray(g.codes[codes.name].sum(axis=0)).ravel() for g in groups], axis=0
        )
        for i in np.flatnonzero(counts >= FEWEST_CARRIERS):
            code = codes.codes[i]
            starts = SENSITIVE.get(codes.system_of(code), ())
            is_sensitive = bool(starts) and codes.bare(code).startswith(starts)
            known.append((not is_sensitive, float(counts[i]), f"{codes.name}={code}"))
    return tuple(name for _, _, name in sorted(known)[:MOST_CODES])


def carriers(sample: Sample, profile: Profile, names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """(n_units, n_codes) who has which of these codes."""
    columns = []
    for name in names:
        code_set, _, code = name.partition("=")
        place = profile[code_set].codes.index(code)  # type: ignore[union-attr]
        columns.append(sample.codes[code_set][:, [place]].toarray()[:, 0] > 0)
    return np.stack(columns, axis=1)


def guess(
    rows: FloatMatrix,
    truth: npt.NDArray[np.bool_],
    made: FloatMatrix,
    made_codes: npt.NDArray[np.bool_],
) -> Guess:
    """Share of the nearest synthetic units that carry each code."""
    near: IntArray = nearest_indices(rows, made, NEIGHBOURS)
    share = made_codes.mean(axis=0)
    found = (made_codes[near].sum(axis=1) + share / 2) / (near.shape[1] + 0.5)
    return Guess(np.asarray(found, dtype=float), truth)


def gain_of(members: Guess, others: Guess, random: np.random.Generator) -> Score:
    """Mean over codes of the area among members minus that among others, with a bootstrap."""

    def gain(first: IntArray, second: IntArray) -> float:
        areas = [
            auc(members.truth[first, c], members.score[first, c])
            - auc(others.truth[second, c], others.score[second, c])
            for c in range(members.truth.shape[1])
        ]
        return float(np.nanmean(areas)) if not np.all(np.isnan(areas)) else float("nan")

    n, m = len(members.truth), len(others.truth)
    value = gain(np.arange(n), np.arange(m))
    if np.isnan(value):
        return undefined("gain in AUC", "no code has carriers and others in both groups")
    drawn = [gain(random.integers(0, n, n), random.integers(0, m, m)) for _ in range(_RESAMPLES)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Score("gain in AUC", value, min(float(low), value), max(float(high), value), 0.0)


def _by_code(names: Sequence[str], members: Guess, others: Guess) -> list[Measure]:
    """The absolute area of each code among members, beside the holdout and guessing."""
    found = []
    for c, name in enumerate(names):
        area, beside = (auc(g.truth[:, c], g.score[:, c]) for g in (members, others))
        if np.isnan(area) or np.isnan(beside):
            continue
        n = int(members.truth[:, c].sum())
        score = Score("AUC of the guess", area, area, area, beside, "info", f"{n} carriers")
        ceiling = Score("the same of the holdout", beside, beside, beside)
        floor = Score("prevalence alone", 0.5, 0.5, 0.5)
        found.append(Measure(f"{SAID.key}.by_code", score, of=name, ceiling=ceiling, floor=floor))
    return found


def _doubt(controls: Sequence[Control]) -> str:
    top = max((c for c in controls if c.role == "positive control"), key=lambda c: c.dose)
    if not top.score.low > 0:
        return f"NOT MEASURABLE: the positive control ({top.name}) was not caught"
    for c in controls:
        if c.role == "negative control" and not c.score.low <= 0 <= c.score.high:
            return f"NOT MEASURABLE: the negative control ({c.name}) has a gain"
    return ""
