"""Which questions are asked: the request plan.

Not every pair of a long list is worth a question.  Of each code set the codes are ranked by
frequency, and a code is rated against the more frequent ones, at most ``reach`` of them: a
pair of two rare codes is expected in next to no unit.  Between two code sets, the side that
makes fewer requests is given.  Every code is rated for age, sex and outcomes; levels of other
variables are rated against those, each other, and the most frequent codes.

Givens share a request as long as the reply is expected to stay below ``reply_tokens``.  A
share of the questions is asked again, from the other side (``back``) and in another order
(``shuffled``), so that consistency can be reported.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np

from llmsyn.elicitation.items import Item, code_items, level_items_of
from llmsyn.llm.prompts import Ablation
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet

Kind: TypeAlias = Literal["first", "back", "shuffled"]

MOST_NAMED = 20
"""Candidates that a reply may name for one given."""

_TASKS = {"diagnoses": "diagnoses", "procedures": "procedures", "drugs": "drugs"}


@dataclass(frozen=True)
class PlanSettings:
    """How much is asked.

    Attributes
    ----------
    ablation : what the prompts hold (see :mod:`llmsyn.llm.prompts`).
    reach : candidates of one question at most.
    givens : of one question at most.
    reply_tokens : a reply is expected to stay below this.
    repeat : share of the questions that is asked again, for either kind of repetition.
    seed : of what is repeated, and in which order.
    """

    ablation: Ablation = "full"
    reach: int = 120
    givens: int = 20
    reply_tokens: int = 1000
    repeat: float = 0.1
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Question:
    """Givens that are rated against candidates in one request.

    Attributes
    ----------
    task : the template that words it.
    about : for the ledger: ``diagnoses x drugs``.
    number : place in the plan; a repetition has that of what it repeats.
    """

    task: str
    about: str
    givens: tuple[Item, ...]
    candidates: tuple[Item, ...]
    kind: Kind = "first"
    number: int = 0

    @property
    def most(self) -> int:
        """Candidates that may be named for one given."""
        return min(len(self.candidates), MOST_NAMED)


def plan(profile: Profile, settings: PlanSettings) -> tuple[Question, ...]:
    """All questions about a profile, repetitions last.

    Raises
    ------
    InputError : the profile holds exact counts, which may not leave this machine.
    """
    sets = {v.name: code_items(profile, v) for v in profile.code_sets}
    core, others = level_items_of(profile)
    asked = []
    for i, target in enumerate(profile.code_sets):
        asked += _within(target, sets[target.name], settings)
        for source in profile.code_sets[:i]:
            asked += _between(source, target, sets, settings)
    for variable in profile.code_sets:
        about = f"{variable.name} x age, sex, outcome"
        asked += _batches("elicit_demographics_outcome", about, sets[variable.name], core, settings)
    asked += _levels(core, others, settings)
    for variable in profile.code_sets:
        for near in _near(sets[variable.name]):
            about = f"other variables x {variable.name}"
            asked += _batches("elicit_levels", about, others, near[: settings.reach], settings)
    firsts = [replace(question, number=k) for k, question in enumerate(asked)]
    return (*firsts, *_repeats(firsts, settings))


def _task(*variables: CodeSet) -> str:
    for concept in ("drugs", "procedures", "diagnoses"):
        if any(v.concept == concept for v in variables):
            return f"elicit_{_TASKS[concept]}"
    return "elicit_codes"


def _near(items: Sequence[Item]) -> list[list[Item]]:
    """Items that can stand on one unit, group by group; one group where no selector is."""
    groups: dict[frozenset[str], list[Item]] = defaultdict(list)
    for item in items:
        groups[item.allowed[1] if item.allowed else frozenset()].append(item)
    return list(groups.values())


def _within(variable: CodeSet, items: Sequence[Item], settings: PlanSettings) -> list[Question]:
    asked = []
    about, task = f"{variable.name} x {variable.name}", _task(variable)
    for group in _near(items):
        # Codes of other groups that may stand beside these: asked about where these are given.
        allowed = group[0].allowed
        wider = [] if allowed is None else [
            i for i in items if i.allowed and allowed[1] < i.allowed[1]
        ]  # fmt: skip
        for start, size in _sizes(group, min(settings.reach, len(items)), settings):
            givens = group[start : start + size]
            nearer = group[: min(settings.reach, start + size)]
            candidates = [*nearer, *wider][: settings.reach]
            if len(candidates) > 1:
                asked.append(Question(task, about, tuple(givens), tuple(candidates)))
    return asked


def _between(
    source: CodeSet,
    target: CodeSet,
    sets: dict[str, tuple[Item, ...]],
    settings: PlanSettings,
) -> list[Question]:
    about, task = f"{source.name} x {target.name}", _task(source, target)
    ways = []
    for givens, candidates in (
        (sets[source.name], sets[target.name]),
        (sets[target.name], sets[source.name]),
    ):
        asked = []
        for group in _near(givens):
            beside = [c for c in candidates if any(g.beside(c) for g in group[:1])]
            asked += _batches(task, about, group, beside, settings)
        ways.append(asked)
    return min(ways, key=len)


def _batches(
    task: str,
    about: str,
    givens: Sequence[Item],
    candidates: Sequence[Item],
    settings: PlanSettings,
) -> list[Question]:
    if not givens or not candidates:
        return []
    return [
        Question(task, about, tuple(givens[start : start + size]), part)
        for part in _parts(candidates, settings)
        for start, size in _sizes(givens, len(part), settings)
    ]


def _parts(candidates: Sequence[Item], settings: PlanSettings) -> Iterator[tuple[Item, ...]]:
    for start in range(0, len(candidates), settings.reach):
        yield tuple(candidates[start : start + settings.reach])


def _levels(
    core: Sequence[Item], others: Sequence[Item], settings: PlanSettings
) -> Iterator[Question]:
    """Levels against the levels before them, each pair once."""
    items = [*core, *others]
    for start, size in _sizes(items, min(len(items), settings.reach), settings):
        givens = items[start : start + size]
        for part in _parts(items[: start + size], settings):
            if any(g.beside(c) for g in givens for c in part):
                yield Question("elicit_levels", "levels", tuple(givens), part)


def _sizes(
    givens: Sequence[Item], n_candidates: int, settings: PlanSettings
) -> Iterator[tuple[int, int]]:
    """Starts and sizes of batches of even size whose replies stay short."""
    if not givens:
        return
    key = float(np.mean([len(item.key) for item in givens]))
    named = min(3 + 0.08 * n_candidates, 12.0)  # seen in replies: 4 of 12, about 12 of 120
    tokens = 20 + 3 * 12 + named * (1.5 + key / 3)
    most = max(1, min(settings.givens, int(settings.reply_tokens / tokens)))
    n = math.ceil(len(givens) / most)
    ends = np.linspace(0, len(givens), n + 1).round().astype(int)
    for a, b in pairwise(ends.tolist()):
        yield a, b - a


def _repeats(firsts: Sequence[Question], settings: PlanSettings) -> Iterator[Question]:
    random = np.random.default_rng(settings.seed)
    n = min(len(firsts), math.ceil(settings.repeat * len(firsts))) if settings.repeat > 0 else 0
    for kind in ("back", "shuffled"):
        for k in sorted(random.permutation(len(firsts))[:n].tolist()):
            question = firsts[k]
            if kind == "shuffled":
                yield _shuffled(question, random)
                continue
            back = _back(question, random)
            if back is not None:
                yield back


def _shuffled(question: Question, random: np.random.Generator) -> Question:
    def mixed(items: tuple[Item, ...]) -> tuple[Item, ...]:
        return tuple(items[i] for i in random.permutation(len(items)))

    givens, candidates = mixed(question.givens), mixed(question.candidates)
    return replace(question, givens=givens, candidates=candidates, kind="shuffled")


def _back(question: Question, random: np.random.Generator) -> Question | None:
    """Some candidates become givens, and the givens stand among the candidates."""
    inside = set(question.givens)
    pool = [c for c in question.candidates if c not in inside]
    if not pool:
        return None
    order = random.permutation(len(pool))
    size = max(1, min(len(question.givens), len(pool)))
    givens = tuple(pool[i] for i in order[:size])
    same_kind = [pool[i] for i in order[size:] if pool[i].is_code == question.givens[0].is_code
                 and pool[i].term.variable == question.givens[0].term.variable]  # fmt: skip
    candidates = [*question.givens, *same_kind[: len(question.givens)]]
    mixed = tuple(candidates[i] for i in random.permutation(len(candidates)))
    task = question.task
    if not givens[0].is_code:
        task = "elicit_levels"
    return replace(question, task=task, givens=givens, candidates=mixed, kind="back")
