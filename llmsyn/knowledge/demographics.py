"""Age and sex: how a condition's own age and sex pattern looks in a profile's population.

A record says that hospital patients with a condition have, say, a mean age of 73 years
with a standard deviation of 13, and that 47% are men.  In a profile the condition's age
distribution is taken as that normal curve, cut to the profile's bands; the prevalence in a
band then follows from the shares of the bands, and with it the 2 x 2 table of band and
condition.  What comes out is the log odds ratio of that table, held within
``+-LARGEST``, because a curve says nothing about its far tails.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from llmsyn.knowledge.bands import Band, bands
from llmsyn.knowledge.records import AgeSex, OutcomeBackground
from llmsyn.knowledge.types import Association
from llmsyn.profile.terms import Term
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet, Numeric

LARGEST = math.log(6)
"""Bound of an age or sex log odds ratio: the strongest class of METHOD.md section 4."""

BAND_YEARS = 10.0
"""Narrower bins of age are joined to bands of this width."""


def by_demographics(
    profile: Profile, then: Term, prevalence: float, pattern: AgeSex
) -> Iterator[Association]:
    """Associations of one code with the profile's ages and sexes.

    Parameters
    ----------
    then : the code.
    prevalence : its share of units, in (0, 1).
    pattern : age and sex of patients who have it.
    """
    provenance = "; ".join(pattern.source)
    if pattern.age_mean is not None and pattern.age_sd is not None:
        for variable in _level_variables(profile, "age"):
            ages = bands(variable, width=BAND_YEARS)
            within = curve_shares(ages, pattern.age_mean, pattern.age_sd)
            for band, share in zip(ages, within):
                effect = share_log_odds(band.share, share, prevalence)
                if effect is not None:
                    yield Association(
                        (band.term,), then, effect, provenance=provenance, relation="age_sex"
                    )
    if pattern.share_male is not None:
        shares = {"male": pattern.share_male, "female": 1 - pattern.share_male}
        for variable in _level_variables(profile, "sex"):
            for term, meaning, share in _sexes(variable):
                effect = share_log_odds(share, shares[meaning], prevalence)
                if effect is not None:
                    yield Association(
                        (term,), then, effect, provenance=provenance, relation="age_sex"
                    )


def outcome_background(
    profile: Profile, then: Term, background: OutcomeBackground
) -> Iterator[Association]:
    """Associations of an outcome's level with age bands and kinds of admission."""
    provenance = "; ".join(background.source)
    per_decade = background.age_odds_ratio_per_decade
    if per_decade is not None:
        for variable in _level_variables(profile, "age"):
            ages = [band for band in bands(variable, width=BAND_YEARS) if band.share > 0]
            risks = np.array([per_decade ** (_decades(band, background.age_from)) for band in ages])
            weights = np.array([band.share for band in ages])
            for i, band in enumerate(ages):
                rest = np.delete(weights, i)
                if rest.sum() <= 0:
                    continue
                mean_rest = float(np.delete(risks, i) @ rest / rest.sum())
                yield Association(
                    (band.term,),
                    then,
                    math.log(float(risks[i]) / mean_rest),
                    provenance=provenance,
                    relation="background",
                )
    for variable in _level_variables(profile, "admission_type"):
        if isinstance(variable, Categorical):
            for level in variable.levels:
                ratio = background.admission.get(variable.meaning(level).lower())
                if ratio is not None:
                    yield Association(
                        (Term(variable.name, level),),
                        then,
                        math.log(ratio),
                        provenance=provenance,
                        relation="background",
                    )


def curve_shares(ages: tuple[Band, ...], mean: float, sd: float) -> tuple[float, ...]:
    """Share of a normal curve in each band, among what falls into bands with any unit."""
    areas = [
        _normal(band.high, mean, sd) - _normal(band.low, mean, sd) if band.share > 0 else 0.0
        for band in ages
    ]
    total = sum(areas)
    return tuple(area / total if total > 0 else 0.0 for area in areas)


def share_log_odds(share: float, share_within: float, prevalence: float) -> float | None:
    """Log odds ratio of a band and a condition from the band's share overall and within it.

    Parameters
    ----------
    share : share of units in the band.
    share_within : share of the units with the condition that are in the band.
    prevalence : share of units with the condition.

    Returns
    -------
    The log odds ratio within ``+-LARGEST``; None where the 2 x 2 table has an empty margin.

    Examples
    --------
    >>> round(share_log_odds(0.5, 0.6, 0.1), 3)
    0.45
    >>> share_log_odds(0.5, 0.5, 0.1)
    0.0
    """
    if not (0 < share < 1 and 0 < prevalence < 1):
        return None
    both = min(max(prevalence * share_within, prevalence + share - 1, 0.0), share, prevalence)
    table = (both, share - both, prevalence - both, 1 - share - prevalence + both)
    if table[0] <= 0 or table[3] <= 0:
        return -LARGEST
    if table[1] <= 0 or table[2] <= 0:
        return LARGEST
    # The sum of logarithms, as the product of two tiny shares may vanish.
    ratio = math.log(table[0]) + math.log(table[3]) - math.log(table[1]) - math.log(table[2])
    ratio = 0.0 if abs(ratio) < 1e-12 else ratio
    return max(-LARGEST, min(LARGEST, ratio))


def prevalence(profile: Profile, variable: CodeSet, index: int) -> float | None:
    """Share of units with a code; None where its count is suppressed or nobody has it."""
    count = float(variable.counts[index])
    if math.isnan(count) or not 0 < count < profile.n_units:
        return None
    return count / profile.n_units


def _level_variables(profile: Profile, concept: str) -> Iterator[Categorical | Numeric]:
    for variable in profile.by_concept(concept):
        if not isinstance(variable, CodeSet):
            yield variable


def _sexes(variable: Categorical | Numeric) -> Iterator[tuple[Term, str, float]]:
    if isinstance(variable, Numeric):
        return
    total = float(np.nansum(variable.counts))
    for level, count in zip(variable.levels, variable.counts):
        meaning = variable.meaning(level).lower()
        if meaning in ("female", "male") and count > 0:
            yield Term(variable.name, level), meaning, float(count) / total


def _decades(band: Band, start: float) -> float:
    """Decades of the band's middle above ``start``; open bands count ten years wide."""
    low = band.low if math.isfinite(band.low) else band.high - BAND_YEARS
    high = band.high if math.isfinite(band.high) else low + BAND_YEARS
    return max(0.0, (low + high) / 2 - start) / 10


def _normal(x: float, mean: float, sd: float) -> float:
    return 0.5 * (1 + math.erf((x - mean) / (sd * math.sqrt(2))))
