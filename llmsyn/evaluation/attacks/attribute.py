r"""Attribute inference: whether the synthetic set tells a sensitive code of a person.

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
from llmsyn.evaluation.attacks.nearest import DOSES, Neighbours, neighbours
from llmsyn.evaluation.attacks.people import (
    MOST_IN_QUESTION,
    QUICK,
    as_rows,
    of_patients,
    synthetic_units,
)
from llmsyn.evaluation.intervals import FloatArray, auc
from llmsyn.evaluation.samples import Sample
from llmsyn.evaluation.types import Control, Evidence, Findings, Measure
from llmsyn.profile.types import Profile
from llmsyn.score import Score, undefined

NEIGHBOURS = 10

FEWEST_CARRIERS = 10
"""Carriers among the members in question, and among the holdout, that a code needs."""

MOST_CODES = 20

MOST_SYNTHETIC = 20_000
"""Synthetic units that are looked through."""

SENSITIVE = {
    "icd9cm": ("042", "054", "07", "09", "29", "30", "31", "635", "636", "V08"),
    "icd10cm": ("B20", "A5", "A6", "F", "O04", "Z21"),
}
"""First signs of codes that are held to be sensitive: HIV, sexually transmitted disease,
mental disorder and addiction, abortion, viral hepatitis."""

_RESAMPLES = 100

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
    random = evidence.random("attribute")
    if not len(evidence.holdout):
        return nothing(SAID, "the holdout is empty; give people who had no part in the release")
    most = MOST_IN_QUESTION // (QUICK if evidence.quick else 1)
    members, holdout = (
        of_patients(s, random.permutation(np.unique(s.patient))[:most])
        for s in (evidence.members, evidence.holdout)
    )
    names = tuple(sensitive) or choose_codes(evidence.profile, (members, holdout))
    if not names:
        return nothing(SAID, f"no code has {FEWEST_CARRIERS} carriers among members and holdout")
    made = synthetic_units(evidence, "attribute, synthetic")
    made = made.take(random.permutation(len(made))[:MOST_SYNTHETIC])
    hidden = frozenset(names)
    rows = [as_rows(s, evidence.profile, hidden) for s in (members, holdout, made)]
    codes = [carriers(s, evidence.profile, names) for s in (members, holdout, made)]
    near = [neighbours(r, rows[2], NEIGHBOURS) for r in rows[:2]]
    inside, others = (guess(n, c, codes[2]) for n, c in zip(near, codes))
    gain = gain_of(inside, others, random)
    controls = []
    order, copied, known = random.permutation(len(rows[0])), 0, codes[2]
    for dose in DOSES:
        upto = max(round(dose * len(order)), 1)
        added = order[copied:upto]
        if len(added):
            near = [
                n.nearest_of_both(neighbours(r, rows[0][added], NEIGHBOURS, len(known)), NEIGHBOURS)
                for n, r in zip(near, rows)
            ]
            known = np.vstack([known, codes[0][added]])
        copied = max(upto, copied)
        first, second = (guess(n, c, known) for n, c in zip(near, codes))
        name = f"{dose:.0%} of the members copied"
        controls.append(Control("positive control", name, gain_of(first, second, random), dose))
    half = random.permutation(len(others.score))
    one, other = (Guess(others.score[p], others.truth[p]) for p in np.array_split(half, 2))
    name = "two halves of the holdout"
    controls.append(Control("negative control", name, gain_of(one, other, random)))
    doubt = _doubt(controls)
    measures = [
        Measure(f"{SAID.key}.gain", gain, floor=Score("guessing", 0.0, 0.0, 0.0),
                controls=tuple(controls)),
        *_by_code(names, inside, others),
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
    near: Neighbours, truth: npt.NDArray[np.bool_], made_codes: npt.NDArray[np.bool_]
) -> Guess:
    """Share of the nearest synthetic units that carry each code.

    Parameters
    ----------
    near : of each unit, among the synthetic ones.
    truth : (n_units, n_codes) what there is to be guessed.
    made_codes : (n_synthetic, n_codes)
    """
    share = made_codes.mean(axis=0)
    found = (made_codes[near.index].sum(axis=1) + share / 2) / (near.index.shape[1] + 0.5)
    return Guess(np.asarray(found, dtype=float), truth)


def gain_of(members: Guess, others: Guess, random: np.random.Generator) -> Score:
    """Mean over codes of the area among members minus that among others, with a bootstrap."""
    first, second = _areas(members, random), _areas(others, random)
    # A code without carriers or without others in one resample is left out of that resample.
    gain = first - second  # (1 + n_resamples, n_codes)
    known = ~np.isnan(gain)
    total = np.where(known, gain, 0.0).sum(axis=1)
    mean = np.divide(total, known.sum(axis=1), out=np.full(len(gain), np.nan),
                     where=known.any(axis=1))  # fmt: skip
    value = float(mean[0])
    if np.isnan(value):
        return undefined("gain in AUC", "no code has carriers and others in both groups")
    low, high = np.nanquantile(mean[1:], [0.025, 0.975])
    return Score("gain in AUC", value, min(float(low), value), max(float(high), value), 0.0)


def _areas(guess: Guess, random: np.random.Generator) -> FloatArray:
    """(1 + n_resamples, n_codes) areas: of everybody, then of resamples."""
    n, n_codes = guess.truth.shape
    times = np.ones((1 + _RESAMPLES, n))
    times[1:] = random.multinomial(n, np.full(n, 1 / n), _RESAMPLES)
    found = np.full((1 + _RESAMPLES, n_codes), np.nan)
    for c in range(n_codes):
        _, place = np.unique(guess.score[:, c], return_inverse=True)
        size = int(place.max()) + 1
        truth = guess.truth[:, c]
        for b, weight in enumerate(times):
            ones = np.bincount(place, weight * truth, size)
            zeros = np.bincount(place, weight * ~truth, size)
            both = ones.sum() * zeros.sum()
            if both:
                found[b, c] = (ones * (np.cumsum(zeros) - zeros / 2)).sum() / both
    return found


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
