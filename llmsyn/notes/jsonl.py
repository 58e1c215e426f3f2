"""Notes as JSON Lines with character offsets: the form that everything here reads and writes."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from llmsyn.errors import InputError
from llmsyn.notes.types import Note, Span
from llmsyn.store import atomic


def note_line(note: Note) -> str:
    """One note as a line of JSON."""
    body: dict[str, Any] = {"id": note.note_id}
    for key, value in (("patient_id", note.patient_id), ("kind", note.kind),
                       ("language", note.language)):  # fmt: skip
        if value:
            body[key] = value
    body["origin"] = note.origin
    if note.families:
        body["families"] = list(note.families)
    body["text"] = note.text
    body["spans"] = [
        {"start": s.start, "end": s.end, "label": s.label, "code": s.code, "assertion": s.assertion}
        for s in note.spans
    ]
    return json.dumps(body, ensure_ascii=False)


def write_notes(file: Path, notes: Iterable[Note]) -> int:
    """Write notes as they come, whole file or none; returns how many."""
    count = 0
    with atomic(file) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as lines:
        for note in notes:
            lines.write(note_line(note) + "\n")
            count += 1
    return count


def read_notes(file: Path) -> Iterator[Note]:
    """Notes of a JSON Lines file, also gzipped.

    A line without ``origin`` is real: we did not write it.  Besides our own form, ``ents`` as
    ``[start, end, label]`` is read, which corpora often have.

    Raises
    ------
    InputError : the file cannot be read, or a line is no note.
    """
    opened = gzip.open if file.suffix == ".gz" else open
    try:
        with opened(file, "rt", encoding="utf-8") as lines:
            yield from _notes(lines, file)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError("the notes cannot be read; check the file", file=file) from error


def _notes(lines: TextIO | Any, file: Path) -> Iterator[Note]:
    for row, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            body = json.loads(line)
            yield _note(body, row)
        except InputError as error:
            raise InputError(error.problem, file=file, row=row) from error
        except (
            ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError,
        ) as error:  # fmt: skip
            raise InputError(
                f"the line is no note ({type(error).__name__}: {str(error)[:200]}); expected an object with "
                "text and spans",
                file=file,
                row=row,
            ) from error


def _note(body: dict[str, Any], row: int) -> Note:
    if "spans" in body:
        spans = [
            Span(int(s["start"]), int(s["end"]), str(s["label"]), str(s.get("code", "")),
                 str(s.get("assertion", "present")))
            for s in body["spans"]
        ]  # fmt: skip
    else:
        spans = [Span(int(start), int(end), str(label)) for start, end, label in body["ents"]]
    return Note(
        str(body.get("id", row)),
        str(body["text"]),
        tuple(sorted(spans)),
        patient_id=str(body.get("patient_id", "")),
        kind=str(body.get("kind", "")),
        language=str(body.get("language", "")),
        origin="synthetic" if body.get("origin") == "synthetic" else "real",
        families=tuple(map(str, body.get("families", ()))),
    )
