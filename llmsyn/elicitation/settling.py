r"""Many ratings of one pair become one association, by a stated rule.

1. Ratings are odds ratios, the same from either side, so all ratings of a pair count alike,
   whichever way round it was asked.  What was offered and not named counts as 1.
2. The pair's value is the mean of their logarithms.  Its class is the strongest one named on
   that side, its weight what is left of that class: *weight = mean / class*.  A pair whose
   mean is nearer to no association than to the weakest class gets none.
3. ``never`` becomes a hard exclusion only where at least two ratings were given and all say
   so; else it counts as class -2.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from llmsyn.elicitation.asking import Rating
from llmsyn.elicitation.scale import Rated
from llmsyn.knowledge.types import EXCLUDES, Association
from llmsyn.profile.terms import Term
from llmsyn.profile.types import Profile

WEAKEST_NEVER = -2
"""The class that a single ``never`` counts as."""


@dataclass(frozen=True)
class Opinion:
    """All ratings of one pair; ``given`` is drawn before ``then``."""

    given: Term
    then: Term
    ratings: tuple[Rating, ...]

    @property
    def effects(self) -> tuple[Rated, ...]:
        """The classes, in the order in which they were given."""
        return tuple(rating.effect for rating in self.ratings)


def opinions_of(ratings: Iterable[Rating], profile: Profile) -> list[Opinion]:
    """Ratings by pair, in the order of the profile."""
    place = _Places(profile)
    found: dict[tuple[Term, Term], list[Rating]] = defaultdict(list)
    for rating in ratings:
        a, b = sorted((rating.given, rating.then), key=place.__getitem__)
        found[a, b].append(rating)
    ordered = sorted(found.items(), key=lambda item: (place[item[0][0]], place[item[0][1]]))
    # Replies come in any order; what follows must not depend on it.
    return [
        Opinion(a, b, tuple(sorted(each, key=lambda r: (r.kind, r.source, str(r.given)))))
        for (a, b), each in ordered
    ]


class _Places(dict[Term, tuple[int, float, str]]):
    """Where a term stands: rank of its variable, place within it."""

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        self.rank = {v.name: i for i, v in enumerate(profile.in_order)}
        self.code = {
            Term(v.name, code): float(i)
            for v in profile.code_sets
            for i, code in enumerate(v.codes)
        }

    def __missing__(self, term: Term) -> tuple[int, float, str]:
        self[term] = (self.rank[term.variable], self.code.get(term, -1.0), str(term))
        return self[term]


def value_of(effect: Rated, classes: Mapping[int, float]) -> float:
    """Log odds ratio of a rating; ``never`` counts as class -2 until it is confirmed."""
    return classes[WEAKEST_NEVER if effect == EXCLUDES else int(effect)]


def settle(opinion: Opinion, classes: Mapping[int, float]) -> Association | None:
    """One association for a pair; None where the ratings come to nothing.

    Parameters
    ----------
    classes : log odds ratio of each class.

    Examples
    --------
    >>> classes = {-2: -1.386, -1: -0.693, 0: 0.0, 1: 0.405, 2: 1.099, 3: 1.792}
    >>> a, b = Term("dx", "x"), Term("dx", "y")
    >>> twice = Opinion(a, b, (Rating(a, b, 2, "first", "m 1"), Rating(b, a, 0, "back", "m 2")))
    >>> found = settle(twice, classes)
    >>> found.effect, found.weight
    (2, 0.5)
    """
    sources = "; ".join(dict.fromkeys(rating.source for rating in opinion.ratings))
    effects = opinion.effects
    if len(effects) > 1 and all(effect == EXCLUDES for effect in effects):
        return Association((opinion.given,), opinion.then, EXCLUDES, 1.0, sources)
    values = [value_of(effect, classes) for effect in effects]
    mean = math.fsum(values) / len(values)
    if abs(mean) < 0.5 * min(abs(value) for value in classes.values() if value):
        return None
    side = [WEAKEST_NEVER if effect == EXCLUDES else int(effect) for effect in effects]
    strongest = max((c for c in side if classes[c] * mean > 0), key=lambda c: abs(classes[c]))
    weight = round(min(1.0, mean / classes[strongest]), 4)
    return Association((opinion.given,), opinion.then, strongest, weight, sources)
