"""Records mode: the model completes patients, stage by stage, all patients of a stage at once.

A stage is one request a patient.  The requests of a stage need the answers of the one before,
so a batch folder is filled round by round: each run of the command writes the next stage.
A patient without a usable reply leaves the run and is counted; nothing is made up for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from llmsyn.dictation.asking import read_codes, request_of, still_wanted
from llmsyn.dictation.candidates import Limits, candidates_of
from llmsyn.dictation.patients import Patient
from llmsyn.elicitation.items import Item, code_items
from llmsyn.knowledge.loading import KnowledgeBase
from llmsyn.knowledge.types import Impossible
from llmsyn.llm.prompts import Ablation
from llmsyn.llm.requests import Failed, Model, ModelRequest
from llmsyn.profile.terms import Term
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import UNLISTED, CodeSet

Progress = Callable[[str, int, int], None]
_REHEARSED = 15


@dataclass(frozen=True)
class Settings:
    """What the prompts hold, how many codes they offer, and the seed of their order."""

    ablation: Ablation = "full"
    reach: int = 100
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Dictated:
    """Completed patients, in their order, and what went wrong.

    Attributes
    ----------
    failed : reason -> patients that left the run.
    not_taken : codes of replies that were doubles, too many, or against a rule.
    n_requests : by stage.
    digests : of all requests, in order.
    """

    patients: tuple[Patient, ...]
    failed: dict[str, int]
    not_taken: int
    n_requests: dict[str, int]
    models: tuple[str, ...]
    digests: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Asked:
    patient: Patient
    candidates: tuple[Item, ...]
    request: ModelRequest


def dictate(
    profile: Profile,
    base: KnowledgeBase,
    starts: Iterable[Patient],
    rules: Iterable[Impossible],
    model: Model,
    settings: Settings,
    *,
    rehearsal: bool = False,
    progress: Progress | None = None,
) -> Dictated:
    """Complete patients.

    Parameters
    ----------
    starts : demographics, outcome and main code, drawn by code.
    rules : what no unit can have; never offered, never taken.
    rehearsal : patients without an answer go on with the most frequent candidates, so that
        a dry run sees requests of every stage.  What comes out is for counting only.

    Raises
    ------
    Stopped : a budget is reached, or a batch folder waits for results; nothing is lost.
    """
    told = progress or (lambda stage, done, total: None)
    limits = Limits(profile, rules)
    items = {v.name: code_items(profile, v) for v in profile.code_sets}
    meanings = {item.term: item for listed in items.values() for item in listed}
    patients = {patient.number: patient for patient in starts}
    failed: Counter[str] = Counter()
    models: set[str] = set()
    not_taken, n_requests, digests = 0, {}, []
    for variable in profile.code_sets:
        asked = []
        for patient in list(patients.values()):
            one = _asked(patient, variable, items, limits, profile, base, settings, meanings)
            if one is None:
                patients[patient.number] = _with(patient, variable, _main_only(patient, variable))
            else:
                asked.append(one)
        n_requests[variable.name] = len(asked)
        by_digest = {one.request.digest: one for one in asked}
        digests += sorted(by_digest)
        requests = [one.request for one in asked]
        answered = set()
        for answer in model.ask(requests, _stage(told, variable.name)):
            one = by_digest[answer.request.digest]
            if isinstance(answer, Failed):
                failed[f"{variable.name}: {answer.reason}"] += 1
                continue
            answered.add(one.patient.number)
            models.add(answer.model)
            taken, left = read_codes(
                answer, one.patient, variable, one.candidates, limits, settings.ablation
            )
            not_taken += left
            patients[one.patient.number] = _with(one.patient, variable, taken)
        for one in asked:
            number = one.patient.number
            if number not in answered and rehearsal:
                patients[number] = _with(one.patient, variable, _likely(one))
            elif number not in answered:
                del patients[number]
    ordered = tuple(patients[number] for number in sorted(patients))
    return Dictated(
        ordered, dict(sorted(failed.items())), not_taken, n_requests, tuple(sorted(models)),
        tuple(digests),
    )  # fmt: skip


def _stage(told: Progress, name: str) -> Callable[[int, int], None]:
    return lambda done, total: told(name, done, total)


def _asked(
    patient: Patient,
    variable: CodeSet,
    items: dict[str, tuple[Item, ...]],
    limits: Limits,
    profile: Profile,
    base: KnowledgeBase,
    settings: Settings,
    meanings: dict[Term, Item],
) -> _Asked | None:
    """The request of one patient; None where there is nothing to choose."""
    stream = np.random.SeedSequence(
        settings.seed, spawn_key=(patient.number, profile.code_sets.index(variable))
    )
    random = np.random.Generator(np.random.Philox(stream))
    candidates = candidates_of(
        patient, variable, items[variable.name], limits, settings.reach, random
    )
    number = still_wanted(patient, variable, len(candidates), settings.ablation)
    if not candidates or number == 0:
        return None
    request = request_of(patient, variable, candidates, profile, base, settings.ablation, meanings)
    return _Asked(patient, candidates, request)


def _likely(one: _Asked) -> tuple[str, ...]:
    size = one.request.plain_schema["properties"]["codes"]["maxItems"]
    ranked = sorted(one.candidates, key=lambda item: -np.nan_to_num(item.share))
    return tuple(str(item.term.value) for item in ranked[: min(size, _REHEARSED)])


def _main_only(patient: Patient, variable: CodeSet) -> tuple[str, ...]:
    main = patient.main.get(variable.name, UNLISTED)
    return () if main == UNLISTED else (main,)


def _with(patient: Patient, variable: CodeSet, taken: Sequence[str]) -> Patient:
    return replace(patient, codes={**patient.codes, variable.name: tuple(taken)})
