"""The same passage with other surfaces: a copy that teaches the context, not the word.

Each different surface of a passage is exchanged, with a given probability, for another of its
kind; the same surface gets the same new one everywhere in the passage, in the same case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from llmsyn.notes.pools import SWAPPED, Pools
from llmsyn.notes.types import Note, Span, base_label

SHARE = 0.5
"""Probability of an exchange; 0.5 was measured to help most (docs/ner.md)."""

KNOWN_SHARE = 0.5
"""How often the new surface comes from the knowledge base, where it has the kind."""

_VOWELS = "aeiouAEIOU"


def copies(
    notes: Sequence[Note], pools: Pools, n: int, *, seed: int, share: float = SHARE
) -> Iterator[Note]:
    """Yield ``n`` swapped copies of each note, in rounds over all notes.

    A copy has the id of its note with ``~1``, ``~2`` behind it, and its families.
    """
    for copy in range(1, n + 1):
        for place, note in enumerate(notes):
            stream = np.random.SeedSequence(seed, spawn_key=(copy, place))
            random = np.random.Generator(np.random.PCG64(stream))
            swapped = swap(note, pools, random, share=share)
            yield replace(swapped, note_id=f"{note.note_id}~{copy}")


def swap(note: Note, pools: Pools, random: np.random.Generator, *, share: float = SHARE) -> Note:
    """One copy with other surfaces.

    Spans that overlap are left as they stand.  A code goes where its surface goes.
    """
    chosen: dict[tuple[str, str], str | None] = {}
    pieces: list[str] = []
    spans: list[Span] = []
    at = written = 0
    for span in sorted(note.spans):
        if span.start < at:
            return note  # overlapping: nothing can be moved safely
        before = note.text[at : span.start]
        surface = note.surface(span)
        key = (base_label(span.label), surface.lower())
        if key not in chosen:
            chosen[key] = _other(span, surface, pools, random, share)
        new = chosen[key]
        text, code = (surface, span.code) if new is None else (_like(surface, new, span.label), "")
        if new is not None:
            before = _article(before, text)
        pieces += (before, text)
        start = written + len(before)
        written = start + len(text)
        spans.append(replace(span, start=start, end=written, code=code))
        at = span.end
    pieces.append(note.text[at:])
    return replace(note, text="".join(pieces), spans=tuple(spans))


def _other(
    span: Span, surface: str, pools: Pools, random: np.random.Generator, share: float
) -> str | None:
    if base_label(span.label) not in SWAPPED or random.random() >= share:
        return None
    kind = pools.kind(span.label, surface)
    listed = pools.written.get(kind, ())
    known = pools.known.get(kind, ())
    if known and (not listed or random.random() < KNOWN_SHARE):
        listed = known
    if len(listed) < 2:
        return None
    new = listed[int(random.integers(len(listed)))]
    return None if new.lower() == surface.lower() else new


def _like(surface: str, new: str, label: str = "") -> str:
    """The new surface in the case of the old one; names of drugs keep their capital.

    Examples
    --------
    >>> _like("Asthma", "gout"), _like("ASTHMA ATTACK", "gout"), _like("asthma", "Gout")
    ('Gout', 'GOUT', 'gout')
    >>> _like("asthma", "COPD"), _like("asthma", "Crohn's disease"), _like("x", "Lasix", "DRUG")
    ('COPD', "Crohn's disease", 'Lasix')
    """
    named = "'" in new or any(sign.isupper() for sign in new[1:]) or base_label(label) == "DRUG"
    if surface.isupper() and len(surface) > 6:
        return new.upper()
    if surface[:1].isupper():
        return new[:1].upper() + new[1:]
    return new if named else new[:1].lower() + new[1:]


def _article(before: str, new: str) -> str:
    """``a`` or ``an`` before another surface, English only by the look of it."""
    for old, other in (("a ", "an "), ("an ", "a "), ("A ", "An "), ("An ", "A ")):
        whole = before == old or before.endswith((" " + old, "\n" + old))
        if whole and (new[:1] in _VOWELS) == (other.lower() == "an "):
            return before[: len(before) - len(old)] + other
    return before
