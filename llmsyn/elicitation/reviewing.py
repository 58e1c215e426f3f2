"""A second tutor reads the first one's associations: agree, correct, or reject.

What the second lists counts as much as what the first said: the pair's value becomes the mean
of the two.  What it leaves out it agrees with.  An exclusion that it agrees with is
confirmed; one that it does not becomes the mean like anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from llmsyn.egress.plain import clean_line
from llmsyn.egress.values import OwnText, Public, text_of
from llmsyn.elicitation.asking import unit_of
from llmsyn.elicitation.items import Item, code_items, level_items_of, population
from llmsyn.elicitation.merging import Disagreement
from llmsyn.elicitation.scale import UNRELATED, WORDS, Rated, word_of
from llmsyn.elicitation.settling import WEAKEST_NEVER, value_of
from llmsyn.knowledge.stated import effect_text
from llmsyn.knowledge.types import EXCLUDES, Association
from llmsyn.llm.prompts import Ablation, template
from llmsyn.llm.rendering import render
from llmsyn.llm.requests import ModelReply, ModelRequest, Prompt
from llmsyn.profile.terms import Term
from llmsyn.profile.types import Profile

STATEMENTS = 60
"""Associations in one request."""

REPLY_TOKENS = 3000
STRONG = 2
"""Classes of this size and more are reviewed unless all are."""


@dataclass(frozen=True, eq=False)
class Review:
    """Some associations, each under a key, in one request."""

    statements: Mapping[str, Association]


def reviews_of(
    associations: Iterable[Association], *, everything: bool, seen: Callable[[Term], bool]
) -> list[Review]:
    """Associations to review, so many to a request.

    Parameters
    ----------
    everything : those of the weak classes too.
    seen : whether prompts have words for a term.
    """
    chosen = [
        each for each in associations
        if (everything or each.effect == EXCLUDES or abs(float(each.effect)) >= STRONG)
        and seen(each.then) and all(map(seen, each.given))
    ]  # fmt: skip
    parts = [chosen[i : i + STATEMENTS] for i in range(0, len(chosen), STATEMENTS)]
    return [Review({f"a{k}": each for k, each in enumerate(part, start=1)}) for part in parts]


def wordings(profile: Profile) -> dict[Term, Item]:
    """The item of every term that prompts name."""
    core, others = level_items_of(profile)
    items = [*core, *others]
    for variable in profile.code_sets:
        items += code_items(profile, variable)
    return {item.term: item for item in items}


def request_of_review(
    review: Review,
    profile: Profile,
    items: Mapping[Term, Item],
    ablation: Ablation,
    *,
    seed: int | None = None,
) -> ModelRequest:
    """Word a review."""

    def words(term: Term) -> Public:
        item = items[term]
        return item.typed_key if item.meaning is None else item.meaning

    rows = [
        {
            "key": OwnText(key),
            "given": words(each.given[0]),
            "then": words(each.then),
            "cls": OwnText(word_of(_rated(each))),
        }
        for key, each in review.statements.items()
    ]
    values: dict[str, Any] = {
        "unit": unit_of(profile),
        "population": population(profile) if ablation != "base" else [],
        "statements": rows,
        "cards": [],
    }
    entry = {
        "type": "object",
        "properties": {
            "statement": {"type": "string", "enum": list(review.statements)},
            "class": {"type": "string", "enum": [*WORDS, UNRELATED]},
            "reason": {"type": "string"},
        },
        "required": ["statement", "class", "reason"],
        "additionalProperties": False,
    }
    schema = {
        "type": "object",
        "properties": {"disagree": {"type": "array", "items": entry, "maxItems": len(rows)}},
        "required": ["disagree"],
        "additionalProperties": False,
    }
    return ModelRequest(
        "elicit/review",
        Prompt.of(
            system=render(template("system"), {}),
            user=render(template("review_frame", "review"), values),
        ),
        schema,
        "disagreements",
        max_tokens=REPLY_TOKENS,
        seed=seed,
    )


def _rated(association: Association) -> Rated:
    return EXCLUDES if association.effect == EXCLUDES else round(float(association.effect))


def read_review(
    review: Review, reply: ModelReply, classes: Mapping[int, float]
) -> tuple[dict[Association, Association], list[Disagreement]]:
    """What the associations become, and where the second differs.

    Returns
    -------
    Old association -> new one (weight 0 is impossible: a pair whose mean is nothing keeps
    its class with the least weight that is written), and the disagreements with reasons.
    """
    said = {each["statement"]: each for each in reversed(reply.content["disagree"])}
    changed: dict[Association, Association] = {}
    listed: list[Disagreement] = []
    for key, old in review.statements.items():
        note = f"{old.provenance}; reviewed by {reply.model}"
        entry = said.get(key)
        effect = None if entry is None else WORDS.get(entry["class"], 0)
        if entry is None or effect is None or effect == _rated(old):
            changed[old] = replace(old, provenance=note)
            continue
        changed[old] = replace(_mean(old, effect, classes), provenance=note)
        reason = clean_line(entry["reason"])[:200]
        listed.append(
            Disagreement("first and second tutor", old.given[0], old.then,
                         effect_text(old.effect), effect_text(effect), reason)
        )  # fmt: skip
    return changed, listed


def _mean(old: Association, effect: Rated, classes: Mapping[int, float]) -> Association:
    first = old.weight * value_of(_rated(old), classes)
    mean = (first + value_of(effect, classes)) / 2
    sides = [WEAKEST_NEVER if each == EXCLUDES else int(each) for each in (_rated(old), effect)]
    fitting = [c for c in sides if classes[c] * mean > 0]
    if not fitting:
        return replace(old, effect=0, weight=1.0)
    strongest = max(fitting, key=lambda c: abs(classes[c]))
    weight = round(min(1.0, mean / classes[strongest]), 4)
    return replace(old, effect=strongest, weight=max(weight, 1e-4))


def text_of_term(items: Mapping[Term, Item]) -> Callable[[Term], str]:
    """What a term is called, for a reader of the overlay."""

    def name(term: Term) -> str:
        item = items.get(term)
        return "" if item is None or item.meaning is None else text_of(item.meaning)

    return name


__all__ = [
    "Review",
    "read_review",
    "request_of_review",
    "reviews_of",
    "text_of_term",
    "wordings",
]
