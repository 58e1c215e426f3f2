"""brat standoff: one ``.txt`` and one ``.ann`` a note, in a folder.

Assertion and code of a span are an attribute (``A1``) and a normalisation-like note (``#1``)
below it.  A span over a line end is written in fragments, as brat wants it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from llmsyn.errors import InputError
from llmsyn.notes.types import ASSERTIONS, Note, Span
from llmsyn.store import write_text

_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_KIND = ("-", ":")  # brat types have no colon


def write_brat(folder: Path, notes: Iterable[Note]) -> int:
    """Write a folder; returns the number of notes.

    Raises
    ------
    InputError : two notes have the same file name.
    """
    seen: set[str] = set()
    labels: set[str] = set()
    for note in notes:
        name = _NAME.sub("_", note.note_id) or "note"
        if name in seen:
            raise InputError(f"two notes are called {name!r}; give them ids that differ")
        seen.add(name)
        labels |= {span.label for span in note.spans}
        (folder / f"{name}.txt").parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.txt").write_text(note.text, encoding="utf-8", newline="")
        write_text(folder / f"{name}.ann", _ann(note))
    types = "\n".join(sorted(label.replace(":", "-") for label in labels))
    values = "|".join(ASSERTIONS[1:])
    write_text(
        folder / "annotation.conf",
        f"[entities]\n{types}\n[relations]\n[events]\n[attributes]\n"
        f"Assertion Arg:<ENTITY>, Value:{values}\n",
    )
    return len(seen)


def read_brat(folder: Path) -> Iterator[Note]:
    """Notes of a brat folder, fragments of a span joined to one.

    Raises
    ------
    InputError : a text has no ``.ann``, or a line of it is broken.
    """
    for file in sorted(folder.glob("*.txt")):
        ann = file.with_suffix(".ann")
        if not ann.is_file():
            raise InputError("the text has no .ann beside it; annotate it", file=file)
        with file.open(encoding="utf-8", newline="") as handle:
            text = handle.read()
        yield Note(file.stem, text, _spans(ann), origin="real")


def _ann(note: Note) -> str:
    lines = []
    for i, span in enumerate(note.spans, 1):
        surface = note.surface(span)
        parts, at = [], span.start
        for piece in surface.split("\n"):
            if piece:
                parts.append(f"{at} {at + len(piece)}")
            at += len(piece) + 1
        shown = " ".join(piece for piece in surface.split("\n") if piece)
        lines.append(f"T{i}\t{span.label.replace(':', '-')} {';'.join(parts)}\t{shown}")
        if span.assertion != "present":
            lines.append(f"A{i}\tAssertion T{i} {span.assertion}")
        if span.code:
            lines.append(f"#{i}\tAnnotatorNotes T{i}\t{span.code}")
    return "\n".join(lines) + "\n" if lines else ""


def _spans(ann: Path) -> tuple[Span, ...]:
    found: dict[str, Span] = {}
    assertions: dict[str, str] = {}
    codes: dict[str, str] = {}
    for row, line in enumerate(ann.read_text(encoding="utf-8").splitlines(), 1):
        try:
            if line.startswith("T"):
                key, middle, _ = line.split("\t", 2)
                label, places = middle.split(" ", 1)
                numbers = [int(n) for part in places.split(";") for n in part.split()]
                found[key] = Span(min(numbers), max(numbers), label.replace(*_KIND, 1))
            elif line.startswith("A"):
                name, key, value = line.split("\t")[1].split(" ")
                if name == "Assertion":
                    assertions[key] = value
            elif line.startswith("#"):
                _, middle, code = line.split("\t", 2)
                codes[middle.split(" ")[1]] = code
        except (ValueError, IndexError) as error:
            raise InputError(
                "the line is no brat annotation; mend it", file=ann, row=row
            ) from error
    return tuple(
        sorted(
            Span(s.start, s.end, s.label, codes.get(key, ""), assertions.get(key, "present"))
            for key, s in found.items()
        )
    )
