"""spaCy's DocBin (extra ``ner``), with spaCy's own tokens of a blank language."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from llmsyn.errors import InputError, MissingExtra
from llmsyn.notes.tokens import Tagged
from llmsyn.notes.types import Note, Span, without_overlap
from llmsyn.store import atomic


def blank(language: str) -> Any:
    """A spaCy pipeline that only cuts tokens; ``xx`` where spaCy lacks the language.

    Raises
    ------
    MissingExtra : spaCy is not installed.
    """
    try:
        import spacy
    except ImportError as error:
        raise MissingExtra("spaCy", extra="spacy") from error
    try:
        return spacy.blank(language or "xx")
    except ImportError:
        return spacy.blank("xx")


def to_doc(pipeline: Any, note: Note) -> tuple[Any, int, int]:
    """A spaCy document with entities, and how many spans were widened and left out."""
    doc = pipeline.make_doc(note.text)
    kept, overlapping = without_overlap(note.spans)
    entities: list[Any] = []
    widened = 0
    for span in kept:
        entity = doc.char_span(span.start, span.end, span.label, alignment_mode="expand")
        if entity is None or (entities and entity.start < entities[-1].end):
            overlapping += 1
            continue
        widened += entity.start_char != span.start or entity.end_char != span.end
        entities.append(entity)
    doc.ents = entities
    doc.user_data["id"] = note.note_id
    return doc, widened, overlapping


def write_docbin(file: Path, notes: Iterable[Note]) -> Tagged:
    """Write ``.spacy`` for ``spacy train``; returns what was bent."""
    from spacy.tokens import DocBin

    found = DocBin(store_user_data=True)
    pipelines: dict[str, Any] = {}
    widened = overlapping = 0
    for note in notes:
        if note.language not in pipelines:
            pipelines[note.language] = blank(note.language)
        doc, wide, lost = to_doc(pipelines[note.language], note)
        widened, overlapping = widened + wide, overlapping + lost
        found.add(doc)
    with atomic(file) as temporary:
        temporary.write_bytes(found.to_bytes())
    return Tagged((), widened, overlapping)


def read_docbin(file: Path) -> Iterator[Note]:
    """Notes of a ``.spacy`` file.

    Raises
    ------
    InputError : the file is no DocBin.
    """
    pipeline = blank("xx")
    from spacy.tokens import DocBin

    try:
        docs = list(
            DocBin(store_user_data=True).from_bytes(file.read_bytes()).get_docs(pipeline.vocab)
        )
    except (OSError, ValueError, KeyError) as error:
        raise InputError("this is no DocBin of spaCy; export it again", file=file) from error
    for i, doc in enumerate(docs):
        spans = tuple(Span(e.start_char, e.end_char, e.label_) for e in doc.ents)
        yield Note(str(doc.user_data.get("id", i)), doc.text, spans, origin="real")
