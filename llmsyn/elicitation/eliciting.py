"""Elicit: profile and model in, associations out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from llmsyn.elicitation.asking import Rating, Slips, read_reply, request_of
from llmsyn.elicitation.consistency import consistency
from llmsyn.elicitation.items import Item
from llmsyn.elicitation.merging import Disagreement, Rule, merge, tame_exclusions
from llmsyn.elicitation.questions import PlanSettings, Question, plan
from llmsyn.elicitation.reviewing import (
    read_review,
    request_of_review,
    reviews_of,
    wordings,
)
from llmsyn.elicitation.settling import opinions_of, settle
from llmsyn.knowledge.associations import associations as curated_associations
from llmsyn.knowledge.loading import KnowledgeBase
from llmsyn.knowledge.stated import effect_text
from llmsyn.knowledge.types import Association
from llmsyn.llm.requests import Failed, Model, ModelReply, ModelRequest
from llmsyn.profile.terms import Term
from llmsyn.profile.types import Profile

ReviewChoice = Literal["none", "strong", "all"]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Settings:
    """What is asked, and what becomes of the answers.

    Attributes
    ----------
    rule : how answers and the curated base are merged (:mod:`.merging`).
    review : which associations the second tutor reads.
    """

    plan: PlanSettings = field(default_factory=PlanSettings)
    rule: Rule = "base"
    review: ReviewChoice = "none"


@dataclass(frozen=True, eq=False)
class Elicited:
    """What came of it.

    Attributes
    ----------
    associations : to be stated above the base.
    said : everything that the model says, before it was merged; one association a pair.
    failed : reasons of requests without a usable reply, and how many.
    """

    associations: tuple[Association, ...]
    said: tuple[Association, ...]
    disagreements: tuple[Disagreement, ...]
    failed: dict[str, int]
    slips: Slips
    consistency: dict[str, Any]
    n_requests: int
    n_replies: int
    n_pairs: int
    n_curated: int
    models: tuple[str, ...]
    items: dict[Term, Item] = field(repr=False)


@dataclass
class _Replies:
    """Replies as they come in, counted."""

    failed: Counter[str] = field(default_factory=Counter)
    models: set[str] = field(default_factory=set)
    n_requests: int = 0
    n_replies: int = 0


def elicit(
    profile: Profile,
    base: KnowledgeBase,
    model: Model,
    settings: Settings | None = None,
    *,
    tutor: Model | None = None,
    progress: Progress | None = None,
) -> Elicited:
    """Ask a model what goes with what in a profile, and merge its answers with the base.

    Parameters
    ----------
    tutor : who reviews; the same model where None and a review is wanted.
    progress : called with (stage, done, total).

    Returns
    -------
    Elicited : the same for the same replies, in whatever order they come.

    Raises
    ------
    InputError : the profile holds exact counts, which may not leave this machine.
    Stopped : a budget is reached, or a batch folder waits for results; nothing is lost.
    """
    settings = settings or Settings()
    told = progress or (lambda stage, done, total: None)
    heard = _Replies()
    questions = plan(profile, settings.plan)
    requests = [request_of(q, profile, base, settings.plan.ablation) for q in questions]
    ratings: list[Rating] = []
    slips = Slips()
    by_digest = {r.digest: q for r, q in zip(reversed(requests), reversed(questions))}
    for reply in _ask(model, requests, heard, lambda done, total: told("ask", done, total)):
        found, wrong = read_reply(by_digest[reply.request.digest], reply)
        ratings += found
        slips += wrong
    opinions = opinions_of(ratings, profile)
    settled = [settle(opinion, base.classes) for opinion in opinions]
    said = [each for each in settled if each is not None]
    items = wordings(profile)
    disagreements: list[Disagreement] = []
    if settings.review != "none":
        said, differing = _reviewed(
            said, profile, items, settings, base, tutor or model, heard,
            lambda done, total: told("review", done, total),
        )  # fmt: skip
        disagreements += differing
    said, taken_back = tame_exclusions(profile, said)
    curated = curated_associations(profile, base)
    made, against = merge(profile, said, curated, base.classes, settings.rule)
    disagreements += taken_back
    disagreements += [
        Disagreement("base and model", b.given[0], b.then, effect_text(a.effect),
                     effect_text(b.effect), f"the base: {a.provenance}")
        for a, b in against
    ]  # fmt: skip
    return Elicited(
        associations=tuple(made),
        said=tuple(said),
        disagreements=tuple(disagreements),
        failed=dict(sorted(heard.failed.items())),
        slips=slips,
        consistency=consistency(opinions, base.classes),
        n_requests=heard.n_requests,
        n_replies=heard.n_replies,
        n_pairs=len(opinions),
        n_curated=len(curated),
        models=tuple(sorted(heard.models)),
        items=items,
    )


def _reviewed(
    said: Sequence[Association],
    profile: Profile,
    items: dict[Term, Item],
    settings: Settings,
    base: KnowledgeBase,
    tutor: Model,
    heard: _Replies,
    told: Callable[[int, int], None],
) -> tuple[list[Association], list[Disagreement]]:
    reviews = reviews_of(said, everything=settings.review == "all", seen=items.__contains__)
    ablation = settings.plan.ablation
    requests = [request_of_review(each, profile, items, ablation) for each in reviews]
    by_digest = {r.digest: each for r, each in zip(requests, reviews)}
    changed: dict[Association, Association] = {}
    listed: list[Disagreement] = []
    for reply in _ask(tutor, requests, heard, told):
        new, differing = read_review(by_digest[reply.request.digest], reply, base.classes)
        changed |= new
        listed += differing
    listed.sort(key=lambda each: (str(each.given), str(each.then)))
    after = [changed.get(each, each) for each in said]
    return [each for each in after if each.effect != 0], listed


def _ask(
    model: Model,
    requests: Sequence[ModelRequest],
    heard: _Replies,
    told: Callable[[int, int], None],
) -> list[ModelReply]:
    """Usable replies in the order of the requests; the others are counted."""
    heard.n_requests += len(requests)
    found: dict[str, ModelReply] = {}
    for answer in model.ask(requests, told):
        if isinstance(answer, Failed):
            heard.failed[f"{answer.request.purpose}: {answer.reason}"] += 1
        else:
            found[answer.request.digest] = answer
            heard.models.add(answer.model)
    heard.n_replies += len(found)
    digests = dict.fromkeys(request.digest for request in requests)
    return [found[digest] for digest in digests if digest in found]


def questions_by_subject(questions: Sequence[Question]) -> dict[str, int]:
    """How many requests there are about what, in the order of the plan."""
    counts: Counter[str] = Counter()
    for question in questions:
        again = "" if question.kind == "first" else f" ({question.kind})"
        counts[f"{question.about}{again}"] += 1
    return dict(counts)
