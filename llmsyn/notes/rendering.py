"""Records to notes, deterministic by seed and the same for any number of workers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from llmsyn.errors import InputError
from llmsyn.notes.bank import PARTS, of_part, read_bank
from llmsyn.notes.drafting import Draft
from llmsyn.notes.lexicon import Lexicon, lexicon
from llmsyn.notes.patients import Record
from llmsyn.notes.prose import Prose, compile_prose
from llmsyn.notes.sections import TELLERS
from llmsyn.notes.tables import KINDS, Language, read_language, read_values
from llmsyn.notes.teller import Teller
from llmsyn.notes.telling import Told, quote, tell
from llmsyn.notes.types import Note

TRIES = 4
"""Passages that are tried for a record before its note does without one."""

MOST_QUOTED, QUOTE_TRIES = 3, 24
"""Single sentences in a note at most, and how many are tried for them."""

SINGLE, SINGLE_SHARE, SINGLE_TRIES = ("negatives", "family", "planned", "aside"), 0.7, 6
"""Sections for which one sentence of the bank may stand, and how often it is tried."""

SKIPPED = {
    "family": 0.5,
    "allergies": 0.3,
    "aside": 0.6,
    "doubt": 0.5,
    "negatives": 0.2,
    "exam": 0.3,
}
"""How often a section that any note can do without is left out."""

_EARLY = ("admission_note",)
_TELLS_OUTCOME = ("discharge_summary", "case_report", "abstract")


@dataclass(frozen=True)
class NoteSettings:
    """How notes are written.

    Attributes
    ----------
    kinds : kinds of notes, one drawn a record.
    misspelling : share of long names with a slip.
    without_prose : leave the bank out: lists and lines only.
    part : part of the bank that is used (:func:`llmsyn.notes.bank.part_of`).
    """

    language: str = "en"
    kinds: tuple[str, ...] = KINDS
    seed: int = 0
    misspelling: float = 0.01
    without_prose: bool = False
    part: str = "all"


@dataclass(frozen=True, eq=False)
class Renderer:
    """Writes notes in one language.

    Raises
    ------
    InputError : there is no such language or kind.
    """

    settings: NoteSettings
    folder: Path | None = None

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.settings.kinds if kind not in KINDS]
        if unknown or not self.settings.kinds:
            raise InputError(
                f"there is no kind of note {(unknown or ['(none)'])[0]!r}; there are "
                + ", ".join(KINDS)
            )
        if self.settings.part not in PARTS:
            raise InputError(
                f"the bank has no part {self.settings.part!r}; there are {', '.join(PARTS)}"
            )

    @cached_property
    def language(self) -> Language:
        """The strings."""
        return read_language(self.settings.language, self.folder)

    @cached_property
    def names(self) -> Lexicon:
        """The names."""
        return lexicon(self.settings.language, self.folder)

    @cached_property
    def prose(self) -> Prose:
        """The passages, cut."""
        passages = of_part(read_bank(self.settings.language, self.folder), self.settings.part)
        return compile_prose(passages, self.names, self.language)

    def notes(self, records: Iterable[Record]) -> Iterator[Note]:
        """One note a record that has anything to write about."""
        for record in records:
            note = self.note(record)
            if note is not None:
                yield note

    def note(self, record: Record) -> Note | None:
        """The note of one record; None where no code of it has a name in the language.

        What is drawn depends on the seed and the record's key alone.
        """
        if not record.conditions and not record.drugs:
            return None
        random = _stream(self.settings.seed, record.note_key)
        kind_name = self.settings.kinds[int(random.integers(len(self.settings.kinds)))]
        kind = self.language.kinds[kind_name]
        early = kind_name in _EARLY
        if early:
            record = _at_admission(record)
        told = quoted = None
        if not self.settings.without_prose:
            told = self._told(record, kind.registers, random)
            quoted = self._quoted(record, random)
        teller = Teller(record, self.names, self.language, read_values(), random, early)
        families: tuple[str, ...] = ()
        draft = self._draft(random)
        heading = teller.pick(kind.heads)
        if heading:
            draft.write(heading)
        titled = not kind.prose
        upper, mark = random.random() < 0.4, (":\n", ": ", "\n")[int(random.integers(3))]
        for section in kind.sections:
            if random.random() < SKIPPED.get(section, 0.0):
                continue
            if section == "outcome" and kind_name not in _TELLS_OUTCOME:
                continue
            if section == "labs" and any(t is not None and t.has_labs for t in (told, quoted)):
                continue
            body = self._draft(random)
            said = False
            prose = {"story": told, "course": quoted}.get(section)
            if (
                section in SINGLE
                and not (early and section == "planned")
                and random.random() < SINGLE_SHARE
            ):
                prose = self._single(section, record, random)
            if prose is not None:
                prose.write(body)
                families += prose.passages
                said = True
            elif section != "course" or told is None:
                said = TELLERS[section](teller, body)
            if not said:
                continue
            gap = ("\n\n" if titled or not draft.spans else " ") if not draft.empty else ""
            draft.write(gap)
            if titled and section in self.language.titles:
                title = teller.pick(self.language.titles[section])
                draft.write((title.upper() if upper else title) + mark)
            _append(draft, body)
        return Note(
            f"{record.note_key}-{kind_name}",
            draft.text,
            tuple(draft.spans),
            patient_id=record.patient_id,
            kind=kind_name,
            language=self.settings.language,
            families=tuple(dict.fromkeys(families)),
        )

    def _draft(self, random: np.random.Generator) -> Draft:
        join = self.language.join
        return Draft(
            random,
            misspelling=self.settings.misspelling,
            comma=join.comma,
            last=join.last,
            before_i=join.before_i,
        )

    def _told(
        self, record: Record, registers: Sequence[str], random: np.random.Generator
    ) -> Told | None:
        """A whole passage for the record's story."""
        age_text = None if record.age is None or record.age < 1 else str(int(record.age))
        candidates = self.prose.candidates(record, registers)
        for _ in range(min(TRIES, len(candidates))):
            # The front of the list has the main condition and the right register.
            chosen = candidates.pop(int(len(candidates) * random.random() ** 2))
            passage = self.prose.passages[chosen]
            told = tell(passage, record, self.names, self.language, age_text)
            if told is not None:
                return told
        return None

    def _single(self, section: str, record: Record, random: np.random.Generator) -> Told | None:
        """One sentence of the bank that says nothing but what the section is for."""
        places = self.prose.purposes.get(section, ())
        if self.settings.without_prose or not places:
            return None
        drawn = random.integers(len(places), size=SINGLE_TRIES)
        chosen = [places[int(i)] for i in drawn]
        return quote(self.prose, chosen, 1, record, self.names, self.language, coded=False)

    def _quoted(self, record: Record, random: np.random.Generator) -> Told | None:
        """A few sentences of the bank about what the record has."""
        places = self.prose.mentioning(record)
        drawn = random.permutation(len(places))[:QUOTE_TRIES]
        most = 1 + int(random.integers(MOST_QUOTED))
        chosen = [places[int(i)] for i in drawn]
        return quote(self.prose, chosen, most, record, self.names, self.language)


def _append(draft: Draft, body: Draft) -> None:
    offset = len(draft.text)
    draft.write(body.text)
    draft.spans += [replace(s, start=s.start + offset, end=s.end + offset) for s in body.spans]


def _at_admission(record: Record) -> Record:
    """What is known on the first day: the main condition and the chronic ones."""
    known = tuple(c for i, c in enumerate(record.conditions) if i == 0 or c.chronic)
    hidden = {c.key for c in record.conditions} - {c.key for c in known}
    # Keys of what comes later stay: it may not be denied either.
    return replace(record, conditions=known, died=None, keys=record.keys | frozenset(hidden))


def _stream(seed: int, key: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}\n{key}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))
