"""What a tagger gets wrong, sorted into kinds: offline, from the spans alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from llmsyn.notes.types import Note, Span

Kind = Literal["missed", "spurious", "borders", "label"]

_EXAMPLES = 5
_AROUND = 40


@dataclass(frozen=True)
class Slip:
    """One error: what was there, what was said, and the words around it."""

    kind: Kind
    label: str
    gold: str
    said: str
    context: str


@dataclass(frozen=True)
class Pattern:
    """Errors of one kind and label.

    Attributes
    ----------
    detail : what they share: ``short`` (abbreviations), ``long`` (four words or more), ``neg``
        and other assertions, or nothing.
    share : of all errors.
    """

    kind: Kind
    label: str
    detail: str
    n: int
    share: float
    examples: tuple[Slip, ...]

    @property
    def name(self) -> str:
        """``missed DISEASE (short)``."""
        return f"{self.kind} {self.label}" + (f" ({self.detail})" if self.detail else "")


def slips(note: Note, found: Sequence[Span]) -> list[tuple[Slip, str]]:
    """Errors in one note, each with the detail that it is grouped by."""
    gold = {(s.start, s.end): s for s in note.spans}
    said = {(s.start, s.end): s for s in found}
    errors: list[tuple[Slip, str]] = []
    matched: set[tuple[int, int]] = set()
    for place, span in gold.items():
        other = said.get(place)
        near = next((s for p, s in said.items() if p[0] < place[1] and place[0] < p[1]), None)
        surface = note.surface(span)
        if other is not None:
            matched.add(place)
            if other.label != span.label:
                errors.append((_slip("label", span, surface, other.label, note), other.label))
        elif near is not None and near.label == span.label:
            matched.add((near.start, near.end))
            text = note.text[near.start : near.end]
            detail = "too long" if len(text) > len(surface) else "too short"
            errors.append((_slip("borders", span, surface, text, note), detail))
        else:
            errors.append((_slip("missed", span, surface, "", note), _detail(span, surface)))
    for place, span in said.items():
        overlaps = any(p[0] < place[1] and place[0] < p[1] for p in gold)
        if place not in matched and not overlaps:
            surface = note.text[span.start : span.end]
            errors.append((_slip("spurious", span, "", surface, note), _detail(span, surface)))
    return errors


def patterns(notes: Sequence[Note], found: Sequence[Sequence[Span]]) -> list[Pattern]:
    """Errors grouped, the most frequent first."""
    groups: dict[tuple[Kind, str, str], list[Slip]] = defaultdict(list)
    for note, spans in zip(notes, found):
        for slip, detail in slips(note, spans):
            groups[slip.kind, slip.label, detail].append(slip)
    total = sum(map(len, groups.values()))
    listed = [
        Pattern(kind, label, detail, len(all_), len(all_) / total, _common(all_))
        for (kind, label, detail), all_ in groups.items()
    ]
    return sorted(listed, key=lambda p: (-p.n, p.name))


def _common(errors: Sequence[Slip]) -> tuple[Slip, ...]:
    """The errors whose surface occurs most, one a surface."""
    counts = Counter((s.gold or s.said).lower() for s in errors)
    first = {(s.gold or s.said).lower(): s for s in reversed(errors)}
    return tuple(first[surface] for surface, _ in counts.most_common(_EXAMPLES))


def _slip(kind: Kind, span: Span, gold: str, said: str, note: Note) -> Slip:
    before = note.text[max(0, span.start - _AROUND) : span.start]
    after = note.text[span.end : span.end + _AROUND]
    context = " ".join(f"{before}{note.text[span.start : span.end]}{after}".split())
    return Slip(kind, span.label, gold, said, context)


def _detail(span: Span, surface: str) -> str:
    if span.assertion != "present":
        return span.assertion
    if surface.isupper() and " " not in surface:
        return "short"
    return "long" if len(surface.split()) >= 4 else ""
