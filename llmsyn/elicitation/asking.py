"""A question to a request, and a reply to ratings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from llmsyn.egress.values import KnowledgeValue, ProfileValue, Public
from llmsyn.elicitation.items import Item, population
from llmsyn.elicitation.questions import Question
from llmsyn.elicitation.scale import WORDS, Rated
from llmsyn.knowledge.cards import Card, about
from llmsyn.knowledge.loading import KnowledgeBase
from llmsyn.knowledge.matching import matcher
from llmsyn.llm.prompts import Ablation, template
from llmsyn.llm.rendering import render
from llmsyn.llm.requests import ModelReply, ModelRequest, Prompt
from llmsyn.profile.terms import Term
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet


@dataclass(frozen=True)
class Rating:
    """What one reply says of one pair.

    Attributes
    ----------
    given, then : as they were asked.
    effect : 0 where ``then`` was offered and not named.
    kind : of the question.
    source : model and digest of the request.
    """

    given: Term
    then: Term
    effect: Rated
    kind: Literal["first", "back", "shuffled", "review"]
    source: str


@dataclass(frozen=True)
class Slips:
    """What a reply that fits its schema still got wrong; none of it is used.

    Attributes
    ----------
    unanswered : givens without an entry; none of their pairs counts as rated.
    twice : givens with two entries (the first counts), or candidates in two classes.
    beside_the_point : pairs that were not asked for (a key and itself, two levels of one
        variable, codes of systems that exclude each other).
    """

    unanswered: int = 0
    twice: int = 0
    beside_the_point: int = 0

    def __add__(self, other: Slips) -> Slips:
        return Slips(
            self.unanswered + other.unanswered,
            self.twice + other.twice,
            self.beside_the_point + other.beside_the_point,
        )


def request_of(
    question: Question,
    profile: Profile,
    base: KnowledgeBase,
    ablation: Ablation,
    *,
    seed: int | None = None,
) -> ModelRequest:
    """Word a question.

    Parameters
    ----------
    base : where cards are retrieved from, for ``full``.

    Raises
    ------
    InputError : the profile holds exact counts, which may not leave this machine.
    """
    numbers = ablation != "base"
    values: dict[str, Any] = {
        "unit": unit_of(profile),
        "population": population(profile) if numbers else [],
        "givens": [item.row(with_share=numbers) for item in question.givens],
        "candidates": [item.row(with_share=numbers) for item in question.candidates],
        "cards": cards_of(question.givens, profile, base, question.task)
        if ablation == "full"
        else [],
        "most": ProfileValue(question.most, profile.name, ""),
    }
    return ModelRequest(
        f"elicit/{slug(question.about)}/{question.kind}",
        Prompt.of(
            system=render(template("system"), {}),
            user=render(template("elicit_frame", question.task), values),
        ),
        _schema(question),
        "ratings",
        max_tokens=_reply_tokens(question),
        seed=seed,
    )


def slug(text: str) -> str:
    """Letters, digits and few signs, as a purpose may hold.

    Examples
    --------
    >>> slug("diagnoses x age, sex, outcome")
    'diagnoses-x-age-sex-outcome'
    """
    return re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-") or "codes"


def _reply_tokens(question: Question) -> int:
    """Where a reply is cut off: every given with as many candidates as may be named."""
    keys = sorted((len(item.key) for item in question.candidates), reverse=True)
    longest = sum(keys[: question.most]) + 3 * question.most
    return 200 + len(question.givens) * (60 + int(longest / 2.5))


def unit_of(profile: Profile) -> Public:
    """``patient`` or ``stay``."""
    return ProfileValue(profile.unit, profile.name, "")


def cards_of(
    items: Iterable[Item], profile: Profile, base: KnowledgeBase, task: str
) -> list[Public]:
    """What the base says of some codes, as far as the task asks for it; each record once."""
    look = matcher(base)
    found: dict[str, Public] = {}
    for item in items:
        variable = profile[item.term.variable]
        if not isinstance(variable, CodeSet):
            continue
        code = str(item.term.value)
        system, bare = variable.system_of(code), variable.bare(code)
        record = look.record(system, bare)
        if record is not None and record.id not in found:
            # A local name of a drug that a record knows has its card under the ingredient.
            card = about(record.id, "ingredient", base) if system == "local" else about(
                bare, system, base
            )  # fmt: skip
            found[record.id] = KnowledgeValue(_card_text(card, task), record.id)
    return list(found.values())


def _card_text(card: Card, task: str) -> str:
    lines = [f"{card.name}: {card.text}" if card.text else card.name]
    wanted = {"diagnoses": card.conditions, "procedures": card.procedures, "drugs": card.drugs}
    for word, names in wanted.items():
        if task.endswith(word) and names:
            lines.append(f"{word}: {', '.join(names)}")
    if card.kind != "condition" and card.conditions and not task.endswith("outcome"):
        lines.append(f"used in: {', '.join(card.conditions)}")
    return "\n".join(lines)


def _schema(question: Question) -> dict[str, Any]:
    givens = [item.key for item in question.givens]
    candidates = [item.key for item in question.candidates]
    rating = _object(
        {
            "class": {"type": "string", "enum": list(WORDS)},
            "then": {
                "type": "array",
                "items": {"type": "string", "enum": candidates},
                "maxItems": question.most,
            },
        }
    )
    entry = _object(
        {
            "given": {"type": "string", "enum": givens},
            "ratings": {"type": "array", "items": rating, "maxItems": len(WORDS)},
        }
    )
    return _object({"answers": {"type": "array", "items": entry, "maxItems": len(givens)}})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def read_reply(question: Question, reply: ModelReply) -> tuple[list[Rating], Slips]:
    """The ratings of a reply: named candidates with their class, the others offered with 0.

    A candidate in two classes is not rated at all: nobody knows which was meant.
    """
    source = f"{reply.model} {reply.request.digest[:12]}"
    givens = {item.key: item for item in question.givens}
    ratings: list[Rating] = []
    seen: set[str] = set()
    twice = aside = 0
    for entry in reply.content["answers"]:
        if entry["given"] in seen:
            twice += 1
            continue
        seen.add(entry["given"])
        given = givens[entry["given"]]
        named, doubled = _named(entry["ratings"])
        twice += len(doubled)
        for item in question.candidates:
            if not given.beside(item):
                aside += item.key in named
            elif item.key not in doubled:
                effect = named.get(item.key, 0)
                ratings.append(Rating(given.term, item.term, effect, question.kind, source))
    return ratings, Slips(len(givens) - len(seen), twice, aside)


def _named(ratings: Sequence[dict[str, Any]]) -> tuple[dict[str, Rated], set[str]]:
    named: dict[str, Rated] = {}
    doubled: set[str] = set()
    for rating in ratings:
        effect = WORDS[rating["class"]]
        for key in rating["then"]:
            if named.setdefault(key, effect) != effect:
                doubled.add(key)
    return named, doubled
