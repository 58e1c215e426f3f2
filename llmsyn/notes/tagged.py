"""Text with tags in it, ``[[LABEL|surface]]`` or ``[[LABEL|surface|ASSERTION]]``, and back.

The form in which passages are written by people and language models alike: a tag stands
where the mention stands, so that no one has to count characters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from llmsyn.errors import InputError
from llmsyn.notes.types import ASSERTIONS, Span, known_label

_TAG = re.compile(r"\[\[([A-Z_]+(?::[a-z_]+)?)\|([^\[\]|]+?)(?:\|([a-z]+))?\]\]")
_STRAY = ("[[", "]]", "|")


def parse(tagged: str) -> tuple[str, tuple[Span, ...]]:
    """The plain text and its spans.

    Raises
    ------
    InputError : a tag is broken, has an unknown label or assertion, or a blank at its edge.

    Examples
    --------
    >>> text, spans = parse("No [[DISEASE|asthma|neg]] so far.")
    >>> text, spans[0].start, spans[0].end, spans[0].assertion
    ('No asthma so far.', 3, 9, 'neg')
    """
    pieces: list[str] = []
    spans: list[Span] = []
    at = written = 0
    for tag in _TAG.finditer(tagged):
        before = tagged[at : tag.start()]
        label, surface, assertion = tag[1], tag[2], tag[3] or "present"
        fault = _fault(label, surface, assertion)
        if fault:
            raise InputError(f"{fault} in the tag {tag[0]!r}; write [[LABEL|surface|ASSERTION]]")
        start = written + len(before)
        written = start + len(surface)
        spans.append(Span(start, written, label, assertion=assertion))
        pieces += (before, surface)
        at = tag.end()
    text = "".join([*pieces, tagged[at:]])
    for sign in _STRAY:
        place = text.find(sign)
        if place >= 0:
            around = text[max(0, place - 20) : place + 30]
            raise InputError(f"a stray {sign!r} stands near {around!r}; close or remove the tag")
    return text, tuple(spans)


def write(text: str, spans: Sequence[Span]) -> str:
    """The tagged form of a text; spans may not overlap.

    Raises
    ------
    InputError : spans overlap, or text or label hold a sign that tags are made of.

    Examples
    --------
    >>> write("No asthma.", [Span(3, 9, "DISEASE", assertion="neg")])
    'No [[DISEASE|asthma|neg]].'
    """
    pieces: list[str] = []
    at = 0
    for span in sorted(spans):
        if span.start < at:
            raise InputError(
                f"spans overlap at character {span.start}, and tags do not nest; write a format "
                "with offsets, such as jsonl"
            )
        end = "" if span.assertion == "present" else f"|{span.assertion}"
        pieces.append(text[at : span.start])
        pieces.append(f"[[{span.label}|{text[span.start : span.end]}{end}]]")
        at = span.end
    tagged = "".join([*pieces, text[at:]])
    # Not by looking for signs: "[40 mg]" is a text like any other, "[[40 mg]]" is none.
    uncoded = tuple(sorted(replace(span, code="") for span in spans))
    if _round_trip(tagged) != (text, uncoded):
        raise InputError(
            "the text holds signs that tags are made of; write a format with offsets, such as jsonl"
        )
    return tagged


def _round_trip(tagged: str) -> tuple[str, tuple[Span, ...]] | None:
    try:
        return parse(tagged)
    except InputError:
        return None


def _fault(label: str, surface: str, assertion: str) -> str:
    if not known_label(label):
        return f"unknown label {label!r}"
    if assertion not in ASSERTIONS:
        return f"unknown assertion {assertion!r}"
    if surface != surface.strip():
        return "a blank at the edge of the surface"
    return ""
