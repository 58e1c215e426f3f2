"""What the model says, beside what the curated base says.

Three rules, of which one is chosen:

``base``   the base stands; the model speaks where the base is silent (the default).
``mean``   where both speak of the same two terms, the mean of their log odds ratios counts;
           where they speak of one code and different bands of a variable, the base stands.
``model``  the model stands; the base speaks where the model was silent.

Whatever the rule, pairs on which the two take different sides are listed for a person.  An
exclusion of the model's is taken only where the profile prints nothing against it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from llmsyn.elicitation.settling import WEAKEST_NEVER
from llmsyn.knowledge.loading import log_odds
from llmsyn.knowledge.stated import ends_of
from llmsyn.knowledge.types import EXCLUDES, Association
from llmsyn.profile.terms import Term, parse_range
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet

Rule: TypeAlias = Literal["base", "mean", "model"]
RULES: tuple[Rule, ...] = ("base", "mean", "model")


@dataclass(frozen=True)
class Disagreement:
    """Two voices that differ on one pair, for a person to decide.

    ``first`` and ``second`` are effects as the file writes them; ``between`` says whose.
    """

    between: str
    given: Term
    then: Term
    first: str
    second: str
    reason: str = ""


def merge(
    profile: Profile,
    elicited: Sequence[Association],
    curated: Iterable[Association],
    classes: Mapping[int, float],
    rule: Rule,
) -> tuple[list[Association], list[tuple[Association, Association]]]:
    """Associations to state above the base.

    Parameters
    ----------
    elicited : what the model says, one association a pair.
    curated : what the base says of the profile.

    Returns
    -------
    What to write, and the pairs (curated, elicited) that take different sides.
    """
    by_pair: dict[frozenset[Term], Association] = {}
    by_ends: set[frozenset[tuple[str, ...]]] = set()
    for each in curated:
        by_pair[frozenset((*each.given, each.then))] = each
        by_ends.add(ends_of(each, profile))

    def value(association: Association) -> float:
        return association.weight * log_odds(association.effect, classes)

    made: list[Association] = []
    against: list[tuple[Association, Association]] = []
    for each in elicited:
        known = by_pair.get(frozenset((*each.given, each.then)))
        spoken = ends_of(each, profile) in by_ends
        if known is not None and value(known) * value(each) < 0:
            against.append((known, each))
        if rule == "model" or not spoken:
            made.append(each)
        elif rule == "mean" and known is not None and _numbers(known, each):
            mean = (value(known) + value(each)) / 2
            made.append(replace(each, effect=mean, weight=1.0,
                                provenance=f"mean of base and {each.provenance}"))  # fmt: skip
    return made, against


def _numbers(*associations: Association) -> bool:
    return all(each.effect != EXCLUDES for each in associations)


def tame_exclusions(
    profile: Profile, elicited: Iterable[Association]
) -> tuple[list[Association], list[Disagreement]]:
    """Take back exclusions that the profile's own numbers speak against.

    An exclusion falls where a published cell holds a unit with both terms, where one of the
    margins is not published, or where the two margins need more units than there are.  It
    then counts as class -2 and is listed.
    """
    kept, listed = [], []
    for each in elicited:
        reason = _against(profile, each) if each.effect == EXCLUDES else ""
        if reason:
            listed.append(
                Disagreement("profile and model", each.given[0], each.then, "", EXCLUDES, reason)
            )
        kept.append(replace(each, effect=WEAKEST_NEVER) if reason else each)
    return kept, listed


def _against(profile: Profile, association: Association) -> str:
    ends = (association.given[0], association.then)
    counts = [_count(profile, term) for term in ends]
    if any(math.isnan(count) for count in counts):
        return "a margin is not published"
    if sum(counts) > profile.n_units:
        return "the two margins need more units than there are"
    for table in profile.tables:
        if len(table.axes) != 2:
            continue
        for a, b in (ends, ends[::-1]):
            rows, columns = _labels(table.axes[0].labels, a), _labels(table.axes[1].labels, b)
            if (table.axes[0].variable, table.axes[1].variable) != (a.variable, b.variable):
                continue
            if np.nansum(table.counts[np.ix_(rows, columns)]) > 0:
                return f"table {table.name} prints units with both"
    return ""


def _labels(labels: Sequence[str], term: Term) -> list[int]:
    """Labels that lie inside a term."""
    if isinstance(term.value, str):
        return [i for i, label in enumerate(labels) if label == term.value]
    ranges = [(i, parse_range(label)) for i, label in enumerate(labels)]
    return [i for i, r in ranges if r is not None and term.value.covers(r.low, r.high)]


def _count(profile: Profile, term: Term) -> float:
    variable = profile[term.variable]
    if isinstance(variable, CodeSet):
        return float(variable.counts[variable.codes.index(str(term.value))])
    if isinstance(variable, Categorical):
        return float(variable.counts[variable.levels.index(str(term.value))])
    labels = variable.levels[: len(variable.counts)]
    return float(variable.counts[_labels(labels, term)].sum())
