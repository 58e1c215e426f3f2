"""Notes with gold annotations (JSON lines), as rows of ``note`` and ``note_nlp``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmsyn.errors import InputError

MAX_LINE_BYTES = 4 << 20
"""A note is refused above this size: nobody writes one, and memory is bounded."""

_ABSENT = ("absent", "negated", "no")
_WINDOW = 50
_MAX_VARIANT = 250


@dataclass(frozen=True)
class Span:
    """One annotated place: ``text[start:end]``."""

    start: int
    end: int
    label: str
    code: str
    assertion: str

    @property
    def exists(self) -> str:
        """``Y``, or ``N`` where the note says that the patient does not have it."""
        return "N" if self.assertion.lower() in _ABSENT else "Y"

    @property
    def modifiers(self) -> str:
        """``term_modifiers``: everything the annotation says."""
        said = {"label": self.label, "code": self.code, "assertion": self.assertion}
        return ", ".join(f"{k}={v}" for k, v in said.items() if v)[:2000]


@dataclass(frozen=True)
class Note:
    """One note of one patient."""

    note_id: str
    patient_id: int
    text: str
    spans: tuple[Span, ...]

    def variant(self, span: Span) -> str:
        """The annotated words."""
        return self.text[span.start : span.end][:_MAX_VARIANT]

    def snippet(self, span: Span) -> str:
        """The words with what stands around them."""
        low = max(span.start - _WINDOW, 0)
        return " ".join(self.text[low : span.end + _WINDOW].split())[:_MAX_VARIANT]


class NoteFile:
    """Notes in the order of patients, taken batch by batch: memory holds one batch."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.n_taken = 0
        self._notes = _read(path)
        self._next: Note | None = next(self._notes, None)

    def up_to(self, patient: int) -> list[Note]:
        """Notes of the patients up to this one that were not taken yet."""
        taken = []
        while self._next is not None and self._next.patient_id <= patient:
            taken.append(self._next)
            self.n_taken += 1
            self._next = next(self._notes, None)
        return taken

    def end(self) -> None:
        """Say so if notes are left.

        Raises
        ------
        InputError : the next note is of a patient that the cohort does not have.
        """
        if self._next is not None:
            raise InputError(
                f"note {self._next.note_id!r} is of patient {self._next.patient_id}, whom the "
                "cohort does not have; write the notes of this cohort",
                file=self.path,
            )


def _read(path: Path) -> Iterator[Note]:
    last = None
    try:
        with path.open("rb") as handle:
            for row, line in enumerate(iter(lambda: handle.readline(MAX_LINE_BYTES + 1), b""), 1):
                if len(line) > MAX_LINE_BYTES:
                    raise InputError(
                        f"the line is longer than {MAX_LINE_BYTES >> 20} MB; one line is one note",
                        file=path, row=row,
                    )  # fmt: skip
                if not line.strip():
                    continue
                note = _note(line, path, row)
                if last is not None and note.patient_id < last:
                    raise InputError(
                        "the notes are not in the order of patient_id; sort them by it",
                        file=path, row=row,
                    )  # fmt: skip
                last = note.patient_id
                yield note
    except OSError as error:
        raise InputError(f"the notes cannot be read ({error.strerror})", file=path) from error


def _note(line: bytes, path: Path, row: int) -> Note:
    try:
        given: Any = json.loads(line)
        text = given["text"]
        patient = given["patient_id"]
        if not isinstance(text, str) or isinstance(patient, bool) or not isinstance(patient, int):
            raise TypeError
        spans = tuple(
            Span(
                int(s["start"]), int(s["end"]), str(s.get("label") or ""),
                str(s.get("code") or ""), str(s.get("assertion") or ""),
            )
            for s in given.get("spans", ())
        )  # fmt: skip
        note = Note(str(given["note_id"]), patient, text, spans)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        raise InputError(
            "this is no note; expected an object with note_id, patient_id, text and spans of "
            "start, end, label, code and assertion",
            file=path, row=row,
        ) from None  # fmt: skip
    for span in note.spans:
        if not 0 <= span.start < span.end <= len(text):
            raise InputError(
                f"a span from {span.start} to {span.end} is outside the text of "
                f"{len(text)} characters; write the notes again",
                file=path, row=row,
            )  # fmt: skip
    return note
