"""A language model annotates text: three ways to ask, answers aligned to offsets.

The ways are those of synthetic Estonian notes (Suvalov et al. 2025, doi 10.2196/66279): a
plain list, tagged text, JSON with quotes; without and with examples.  An answer that does not
stand in the text is dropped and counted, never guessed.  Text that we did not write is sent
to a server on this machine's loopback address only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from llmsyn.egress.values import KnowledgeValue, LocalText, OwnText, Public, SyntheticValue
from llmsyn.errors import InputError
from llmsyn.llm.prompts import template
from llmsyn.llm.rendering import render
from llmsyn.llm.requests import Failed, Model, ModelRequest, Progress, Prompt
from llmsyn.notes.bank import Passage
from llmsyn.notes.tagged import parse, write
from llmsyn.notes.types import ASSERTIONS, Note, Span, in_order, known_label
from llmsyn.notes.writing import guideline

Way = Literal["list", "tagged", "json"]
WAYS: tuple[Way, ...] = get_args(Way)

_WORD = {"type": "string"}
_MENTION = {
    "type": "object",
    "properties": {"label": _WORD, "quote": _WORD, "assertion": _WORD},
    "required": ["label", "quote", "assertion"],
    "additionalProperties": False,
}
_PROPERTIES: dict[Way, dict[str, Any]] = {
    "list": {"list": {"type": "array", "items": _WORD}},
    "tagged": {"tagged": _WORD},
    "json": {"mentions": {"type": "array", "items": _MENTION}},
}

Answer = tuple[str, str, str]  # label, quote, assertion


@dataclass(frozen=True, eq=False)
class Annotated:
    """Notes with the spans that a model found.

    Attributes
    ----------
    dropped : reason -> mentions of replies that could not be placed.
    failed : notes without a usable reply; they keep no span.
    """

    notes: tuple[Note, ...]
    dropped: dict[str, int]
    failed: int


def text_value(note: Note) -> Public:
    """A note's text as a value: synthetic text may be sent, any other to loopback only."""
    if note.origin == "synthetic":
        return SyntheticValue(note.text)
    return LocalText(note.text)


def request_of(
    note: Note, way: Way, labels: Sequence[str], examples: Sequence[Passage] = ()
) -> ModelRequest:
    """Word the request for one note.

    Raises
    ------
    InputError : there is no such way of asking.
    """
    if way not in WAYS:
        raise InputError(f"there is no way of asking {way!r}; there are {', '.join(WAYS)}")
    shown = [
        {"text": KnowledgeValue(p.text, f"prose/{p.id}"), "answer": _answer(p, way)}
        for p in examples
    ]
    values = {
        "labels": OwnText(", ".join(labels)),
        "guideline": guideline(),
        "examples": shown,
        "text": text_value(note),
    }
    name = next(iter(_PROPERTIES[way]))
    return ModelRequest(
        f"notes/annotate-{way}",
        Prompt.of(
            system=render(template("notes_system"), {}),
            user=render(template("notes_annotate_frame", f"notes_annotate_{way}"), values),
        ),
        {
            "type": "object",
            "properties": _PROPERTIES[way],
            "required": [name],
            "additionalProperties": False,
        },
        "mentions",
        max_tokens=400 + len(note.text),
    )


def annotate(
    notes: Sequence[Note],
    model: Model,
    way: Way,
    labels: Sequence[str],
    examples: Sequence[Passage] = (),
    progress: Progress | None = None,
) -> Annotated:
    """Annotate notes; spans that they have are replaced.

    Raises
    ------
    InputError : a note is real and the model is not on loopback; nothing of it was sent.
    Stopped : a budget is reached, or a batch folder waits for results.
    """
    places: dict[str, list[int]] = {}
    requests: dict[str, ModelRequest] = {}
    for i, note in enumerate(notes):
        request = request_of(note, way, labels, examples)
        requests[request.digest] = request
        places.setdefault(request.digest, []).append(i)
    found = [replace(note, spans=()) for note in notes]
    dropped: Counter[str] = Counter()
    failed = 0
    for answer in model.ask(list(requests.values()), progress):
        for i in places[answer.request.digest]:
            if isinstance(answer, Failed):
                failed += 1
                continue
            spans, lost = align(notes[i].text, answers(answer.content, way), labels)
            found[i] = replace(found[i], spans=spans)
            dropped.update(lost)
    return Annotated(tuple(found), dict(dropped), failed)


def answers(content: dict[str, Any], way: Way) -> list[Answer]:
    """The mentions of a reply, in its order; a line that is no mention has an empty label."""
    if way == "json":
        return [(m["label"], m["quote"], m["assertion"]) for m in content["mentions"]]
    if way == "list":
        rows = [[part.strip() for part in line.split("|")] for line in content["list"]]
        return [(r[0], r[1], r[2] if len(r) > 2 else "present") if len(r) > 1 else ("", "", "")
                for r in rows]  # fmt: skip
    try:
        text, spans = parse(content["tagged"])
    except InputError:
        return [("", "", "")]
    return [(s.label, text[s.start : s.end], s.assertion) for s in spans]


def align(
    text: str, found: Iterable[Answer], labels: Sequence[str]
) -> tuple[tuple[Span, ...], Counter[str]]:
    """Put mentions in their places, in the order of the answer, and count what has none.

    A quote is looked for behind the mention before it, then from the beginning; blanks may
    differ, letters and their case may not.

    Examples
    --------
    >>> align("Fever, then more fever.", [("SYMPTOM", "Fever", "present")], ["SYMPTOM"])[0]
    (Span(start=0, end=5, label='SYMPTOM', code='', assertion='present'),)
    """
    spans: list[Span] = []
    lost: Counter[str] = Counter()
    taken: set[tuple[int, int]] = set()
    at = 0
    for label, quote, assertion in found:
        if label not in labels or not known_label(label):
            lost["unknown label"] += 1
            continue
        words = quote.split()
        if not words or assertion not in ASSERTIONS:
            lost["empty quote or unknown assertion"] += 1
            continue
        pattern = re.compile(r"(?<!\w)" + r"\s+".join(map(re.escape, words)) + r"(?!\w)")
        places = [m.span() for m in pattern.finditer(text) if m.span() not in taken]
        place = next((p for p in places if p[0] >= at), places[0] if places else None)
        if place is None:
            lost["not in the text"] += 1
            continue
        taken.add(place)
        at = place[1]
        spans.append(Span(place[0], place[1], label, "", assertion))
    return in_order(spans), lost


def agreement(first: Sequence[Note], second: Sequence[Note]) -> float:
    """F1 of two annotations of the same notes, label and borders equal; NaN without a span."""
    same = total = 0
    for one, other in zip(first, second):
        ours = {(s.start, s.end, s.label) for s in one.spans}
        theirs = {(s.start, s.end, s.label) for s in other.spans}
        same += len(ours & theirs)
        total += len(ours) + len(theirs)
    return 2 * same / total if total else float("nan")


def _answer(passage: Passage, way: Way) -> Public:
    """How an example is to be answered, as a value of the bank."""
    import json

    said = [(s.label, passage.text[s.start : s.end], s.assertion) for s in passage.spans]
    if way == "json":
        content: dict[str, Any] = {
            "mentions": [{"label": a, "quote": b, "assertion": c} for a, b, c in said]
        }
    elif way == "list":
        content = {"list": [" | ".join(each) for each in said]}
    else:
        content = {"tagged": write(passage.text, passage.spans)}
    return KnowledgeValue(json.dumps(content, ensure_ascii=False), f"prose/{passage.id}")
