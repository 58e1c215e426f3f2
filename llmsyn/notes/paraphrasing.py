"""A language model words a note anew; every mention is a mark that has to survive.

So the gold spans of the new text are known without anyone annotating it.  A reply that loses
a mark, repeats one or makes one up is dropped and counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from llmsyn.egress.values import OwnText, SyntheticValue
from llmsyn.errors import InputError
from llmsyn.llm.prompts import template
from llmsyn.llm.rendering import render
from llmsyn.llm.requests import Failed, Model, ModelRequest, Progress, Prompt
from llmsyn.notes.types import Note, Span

_MARK = re.compile(r"<(\d+)>")
_SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}


@dataclass(frozen=True, eq=False)
class Paraphrased:
    """New notes, in the order of the old, and reason -> notes that have none."""

    notes: tuple[Note, ...]
    dropped: dict[str, int]


def marked(note: Note) -> str:
    """The text with ``<1>``, ``<2>``, ... in place of its mentions.

    Raises
    ------
    InputError : spans overlap, or the text holds such marks already.

    Examples
    --------
    >>> marked(Note("1", "No asthma.", (Span(3, 9, "DISEASE"),)))
    'No <1>.'
    """
    if _MARK.search(note.text):
        raise InputError(f"note {note.note_id!r} holds marks such as <1> already; leave it out")
    pieces, at = [], 0
    for i, span in enumerate(sorted(note.spans), 1):
        if span.start < at:
            raise InputError(f"spans of note {note.note_id!r} overlap; drop some with a policy")
        pieces += [note.text[at : span.start], f"<{i}>"]
        at = span.end
    return "".join([*pieces, note.text[at:]])


def filled(text: str, note: Note) -> Note | None:
    """The note in new words; None where a mark is lost, doubled or made up."""
    spans = sorted(note.spans)
    if sorted(int(n) for n in _MARK.findall(text)) != list(range(1, len(spans) + 1)):
        return None
    pieces: list[str] = []
    found: list[Span] = []
    at = length = 0
    for mark in _MARK.finditer(text):
        span = spans[int(mark[1]) - 1]
        before, surface = text[at : mark.start()], note.surface(span)
        start = length + len(before)
        length = start + len(surface)
        found.append(replace(span, start=start, end=length))
        pieces += [before, surface]
        at = mark.end()
    pieces.append(text[at:])
    return replace(
        note, note_id=f"{note.note_id}~p", text="".join(pieces), spans=tuple(sorted(found))
    )


def request_of(note: Note) -> ModelRequest:
    """Word the request.

    Raises
    ------
    InputError : the note is real: only what this program wrote is sent.
    """
    if note.origin != "synthetic":
        raise InputError(
            f"note {note.note_id!r} is real, and only synthetic notes are worded anew; give notes "
            "that llmsyn notes wrote"
        )
    text = marked(note)
    values = {"language": OwnText(note.language or "en"), "note": SyntheticValue(text)}
    return ModelRequest(
        "notes/paraphrase",
        Prompt.of(
            system=render(template("notes_system"), {}),
            user=render(template("notes_paraphrase"), values),
        ),
        _SCHEMA,
        "note",
        max_tokens=200 + len(text),
        temperature=1.0,
    )


def paraphrase(
    notes: Sequence[Note], model: Model, progress: Progress | None = None
) -> Paraphrased:
    """Word notes anew.

    Raises
    ------
    InputError : a note is real or cannot be marked.
    Stopped : a budget is reached, or a batch folder waits for results.
    """
    requests = [request_of(note) for note in notes]
    by_digest: dict[str, list[int]] = {}
    for i, request in enumerate(requests):
        by_digest.setdefault(request.digest, []).append(i)
    unique = {request.digest: request for request in requests}
    found: dict[int, Note] = {}
    dropped: Counter[str] = Counter()
    for answer in model.ask(list(unique.values()), progress):
        for i in by_digest[answer.request.digest]:
            if isinstance(answer, Failed):
                dropped["no usable reply"] += 1
                continue
            new = filled(answer.content["text"], notes[i])
            if new is None:
                dropped["marks lost or doubled"] += 1
            else:
                found[i] = new
    return Paraphrased(tuple(found[i] for i in sorted(found)), dict(dropped))
