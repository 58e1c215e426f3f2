"""How far a model agrees with itself: pairs that were rated more than once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from llmsyn.elicitation.asking import Rating
from llmsyn.elicitation.settling import Opinion, value_of


@dataclass(frozen=True)
class Agreement:
    """Two ratings of one pair, counted over all pairs that have them.

    Shares are of the pairs that at least one of the two ratings names: most pairs are
    unrelated, and agreeing on that is easy.  NaN where there is no such pair.

    Attributes
    ----------
    compared : pairs of ratings.
    named : of those, where at least one names the pair.
    same_class, same_side, opposite : shares of ``named``.
    """

    compared: int
    named: int
    same_class: float
    same_side: float
    opposite: float


def consistency(opinions: Iterable[Opinion], classes: Mapping[int, float]) -> dict[str, Any]:
    """Agreement by how the pair was asked again.

    Returns
    -------
    ``shuffled``: the same question in another order; ``back``: from the other side;
    ``both_sides``: either end given within the first questions.
    """
    opinions = list(opinions)
    return {
        "shuffled": asdict(_agreement(opinions, _is("shuffled"), classes)),
        "back": asdict(_agreement(opinions, _is("back"), classes)),
        "both_sides": asdict(_agreement(opinions, _both_sides, classes)),
    }


def _is(kind: str) -> Callable[[Rating, Rating], bool]:
    def fits(a: Rating, b: Rating) -> bool:
        if {a.kind, b.kind} != {"first", kind}:
            return False
        return kind == "back" or a.given == b.given

    return fits


def _both_sides(a: Rating, b: Rating) -> bool:
    return a.kind == b.kind == "first" and a.given == b.then


def _agreement(
    opinions: Iterable[Opinion],
    fits: Callable[[Rating, Rating], bool],
    classes: Mapping[int, float],
) -> Agreement:
    compared = named = same = side = opposite = 0
    for opinion in opinions:
        for a, b in combinations(opinion.ratings, 2):
            if not fits(a, b):
                continue
            compared += 1
            if a.effect == 0 and b.effect == 0:
                continue
            named += 1
            product = value_of(a.effect, classes) * value_of(b.effect, classes)
            same += a.effect == b.effect
            side += product > 0
            opposite += product < 0
    if not named:
        return Agreement(compared, 0, math.nan, math.nan, math.nan)
    return Agreement(compared, named, same / named, side / named, opposite / named)
