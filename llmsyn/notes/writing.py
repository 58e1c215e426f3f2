"""A language model writes passages: how the prose bank grows.

The model sees the guideline, a condition, a register and a language, and nothing of any
corpus or record.  What comes back are lines as a writer hands them in; the same checks and
the same importer (``benchmarks/import_prose.py``) make bank passages of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np

from llmsyn.egress.values import KnowledgeValue, OwnText
from llmsyn.errors import InputError
from llmsyn.llm.prompts import template
from llmsyn.llm.rendering import render
from llmsyn.llm.requests import Failed, Model, ModelReply, ModelRequest, Progress, Prompt
from llmsyn.notes.bank import prose_folder
from llmsyn.notes.tagged import parse

REGISTERS = (
    "case report", "abstract", "discharge summary", "admission note", "progress note",
    "nursing note", "triage note", "referral letter", "clinic letter", "radiology report",
    "pathology report", "operative report", "eligibility criteria", "drug label", "guideline",
    "handover", "telephone note",
)  # fmt: skip

PASSAGE_TOKENS = 1200
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "minLength": 80},
        "sex": {"type": "string", "enum": ["female", "male", "none"]},
        "age_low": {"type": "integer"},
        "age_high": {"type": "integer"},
    },
    "required": ["text", "sex", "age_low", "age_high"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Wanted:
    """A passage to be written.

    ``condition`` is a record of the knowledge base (``conditions/asthma``), named ``name``.
    """

    condition: str
    name: str
    register: str
    language: str
    number: int


@dataclass(frozen=True, eq=False)
class Written:
    """Lines in the writer's form, and what could not be used: reason -> replies."""

    lines: tuple[dict[str, Any], ...]
    dropped: dict[str, int]


def wanted(
    conditions: Sequence[tuple[str, str]],
    language: str,
    n: int,
    *,
    seed: int,
    registers: Sequence[str] = REGISTERS,
) -> list[Wanted]:
    """What to ask for: conditions in random order, registers in turn.

    Parameters
    ----------
    conditions : ``(record, name)``.

    Raises
    ------
    InputError : there is no condition or register.
    """
    if not conditions or not registers:
        raise InputError("there is nothing to write about; name a condition and a register")
    random = np.random.default_rng(seed)

    def endless() -> Iterable[tuple[str, str]]:
        while True:
            yield from (conditions[int(i)] for i in random.permutation(len(conditions)))

    return [
        Wanted(record, name, registers[i % len(registers)], language, i + 1)
        for i, (record, name) in enumerate(islice(endless(), n))
    ]


def request_of(one: Wanted) -> ModelRequest:
    """Word the request for a passage."""
    values = {
        "language": OwnText(one.language),
        "register": OwnText(one.register),
        "condition": KnowledgeValue(one.name, one.condition),
        "guideline": guideline(),
        "number": OwnText(one.number),
    }
    return ModelRequest(
        "notes/passage",
        Prompt.of(
            system=render(template("notes_system"), {}),
            user=render(template("notes_passage"), values),
        ),
        _SCHEMA,
        "passage",
        max_tokens=PASSAGE_TOKENS,
        temperature=1.0,
        seed=one.number,
    )


@lru_cache(maxsize=1)
def guideline() -> KnowledgeValue:
    """The shipped annotation guideline, as a value that may leave."""
    text = (prose_folder() / "GUIDELINE.md").read_text(encoding="utf-8")
    return KnowledgeValue(text, "prose/GUIDELINE.md")


def write_passages(
    asked: Sequence[Wanted], model: Model, progress: Progress | None = None
) -> Written:
    """Ask for passages and keep those whose tags can be read.

    Raises
    ------
    Stopped : a budget is reached, or a batch folder waits for results; nothing is lost.
    """
    requests = {request_of(one).digest: one for one in asked}
    by_number: dict[int, dict[str, Any]] = {}
    dropped: Counter[str] = Counter()
    for answer in model.ask([request_of(one) for one in asked], progress):
        one = requests[answer.request.digest]
        if isinstance(answer, Failed):
            dropped["no usable reply"] += 1
            continue
        line = _line(answer, one)
        if line is None:
            dropped["broken tags"] += 1
        else:
            by_number[one.number] = line
    return Written(tuple(by_number[i] for i in sorted(by_number)), dict(dropped))


def _line(reply: ModelReply, one: Wanted) -> dict[str, Any] | None:
    content = reply.content
    try:
        parse(content["text"])
    except InputError:
        return None
    low, high = content["age_low"], content["age_high"]
    return {
        "style": one.register.replace(" ", "_"),
        "specialty": "",
        "condition": one.name,
        "sex": None if content["sex"] == "none" else content["sex"],
        "age": [low, high] if 0 <= low <= high else None,
        "text": content["text"],
        "model": reply.model,
    }
