"""A second tutor reads labels: which mentions are wrong, which were missed.

Its verdict is a finding for a person; nothing is changed by it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llmsyn.egress.values import LocalText, OwnText, Public, SyntheticValue
from llmsyn.llm.prompts import template
from llmsyn.llm.rendering import render
from llmsyn.llm.requests import Failed, Model, ModelRequest, Progress, Prompt
from llmsyn.notes.annotating import align, text_value
from llmsyn.notes.types import Note, all_labels
from llmsyn.notes.writing import guideline

FAULTS = ("label", "borders", "assertion", "no_mention")
_MOST = 100


@dataclass(frozen=True)
class Verdict:
    """What a second tutor said of one note.

    Attributes
    ----------
    wrong : place of a span -> what is wrong.
    missed : mentions that stand in the text and were missed: label and quote.
    """

    note_id: str
    n_spans: int
    wrong: Mapping[int, str]
    missed: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class Judged:
    """Verdicts, and how much the two agree.

    Attributes
    ----------
    agreement : mentions that both hold right, of all that either holds; NaN without any.
    faults : what is wrong -> mentions.
    """

    verdicts: tuple[Verdict, ...]
    agreement: float
    faults: dict[str, int]
    failed: int


def request_of(note: Note) -> ModelRequest:
    """Word the request for one note."""
    keys = [f"m{i}" for i in range(1, len(note.spans) + 1)]

    def typed(text: str) -> Public:
        return SyntheticValue(text) if note.origin == "synthetic" else LocalText(text)

    rows = [
        {"key": OwnText(key), "label": OwnText(span.label), "quote": typed(note.surface(span)),
         "assertion": OwnText(span.assertion)}
        for key, span in zip(keys, note.spans)
    ]  # fmt: skip
    wrong = {
        "type": "object",
        "properties": {
            "mention": {"type": "string", "enum": keys or ["none"]},
            "what": {"type": "string", "enum": list(FAULTS)},
        },
        "required": ["mention", "what"],
        "additionalProperties": False,
    }
    missed = {
        "type": "object",
        "properties": {"label": {"type": "string"}, "quote": {"type": "string"}},
        "required": ["label", "quote"],
        "additionalProperties": False,
    }
    schema = {
        "type": "object",
        "properties": {
            "wrong": {"type": "array", "items": wrong, "maxItems": _MOST},
            "missed": {"type": "array", "items": missed, "maxItems": _MOST},
        },
        "required": ["wrong", "missed"],
        "additionalProperties": False,
    }
    values = {"guideline": guideline(), "text": text_value(note), "mentions": rows}
    return ModelRequest(
        "notes/judge",
        Prompt.of(
            system=render(template("notes_system"), {}),
            user=render(template("notes_judge"), values),
        ),
        schema,
        "verdict",
        max_tokens=300 + 40 * len(rows),
    )


def judge(notes: Sequence[Note], model: Model, progress: Progress | None = None) -> Judged:
    """Let a tutor read annotated notes.

    Raises
    ------
    InputError : a note is real and the model is not on loopback.
    Stopped : a budget is reached, or a batch folder waits for results.
    """
    with_spans = [note for note in notes if note.spans]
    places: dict[str, list[int]] = {}
    requests: dict[str, ModelRequest] = {}
    for i, note in enumerate(with_spans):
        request = request_of(note)
        requests[request.digest] = request
        places.setdefault(request.digest, []).append(i)
    found: dict[int, Verdict] = {}
    failed = 0
    for answer in model.ask(list(requests.values()), progress):
        for i in places[answer.request.digest]:
            if isinstance(answer, Failed):
                failed += 1
                continue
            note = with_spans[i]
            wrong = {int(w["mention"][1:]) - 1: w["what"] for w in answer.content["wrong"]}
            said = [(m["label"], m["quote"], "present") for m in answer.content["missed"]]
            new, _ = align(note.text, said, all_labels())
            had = {(s.start, s.end) for s in note.spans}
            missed = tuple((s.label, note.surface(s)) for s in new if (s.start, s.end) not in had)
            found[i] = Verdict(note.note_id, len(note.spans), wrong, missed)
    verdicts = tuple(found[i] for i in sorted(found))
    held = sum(v.n_spans + len(v.missed) for v in verdicts)
    right = sum(v.n_spans - len(v.wrong) for v in verdicts)
    faults = Counter(what for v in verdicts for what in v.wrong.values())
    faults["missed"] = sum(len(v.missed) for v in verdicts)
    return Judged(verdicts, right / held if held else math.nan, dict(faults), failed)
