"""Text to tokens, spans to tags (BIO), and back.

A token is a run of letters and digits, or one sign.  A span that begins or ends within a
token is widened to whole tokens, spans that overlap a longer one are left out; both are
counted, never silent.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from llmsyn.notes.types import Span, without_overlap

_TOKEN = re.compile(r"\w+|[^\w\s]")
OUTSIDE = "O"

Place = tuple[int, int]


@dataclass(frozen=True)
class Tagged:
    """Tags of tokens, and what had to be bent.

    Attributes
    ----------
    widened : spans that did not begin and end with a token.
    overlapping : spans left out for a longer one.
    """

    tags: tuple[str, ...]
    widened: int = 0
    overlapping: int = 0


def tokenise(text: str) -> list[Place]:
    """Start and end of every token.

    Examples
    --------
    >>> tokenise("5 mg/d")
    [(0, 1), (2, 4), (4, 5), (5, 6)]
    """
    return [match.span() for match in _TOKEN.finditer(text)]


def to_tags(tokens: Sequence[Place], spans: Iterable[Span]) -> Tagged:
    """``B-``, ``I-`` and ``O`` tags, one a token.

    Examples
    --------
    >>> to_tags(tokenise("acute asthma"), [Span(0, 12, "DISEASE")]).tags
    ('B-DISEASE', 'I-DISEASE')
    """
    spans = tuple(spans)
    kept, overlapping = without_overlap(spans)
    tags = [OUTSIDE] * len(tokens)
    starts, ends = [a for a, _ in tokens], [b for _, b in tokens]
    widened = 0
    for span in kept:
        first = bisect_right(ends, span.start)
        last = bisect_left(starts, span.end)
        if first >= last:
            overlapping += 1  # blanks only: there is no token to tag
            continue
        if any(tag != OUTSIDE for tag in tags[first:last]):
            overlapping += 1  # widened, it would meet its neighbour
            continue
        widened += starts[first] != span.start or ends[last - 1] != span.end
        tags[first] = f"B-{span.label}"
        tags[first + 1 : last] = [f"I-{span.label}"] * (last - first - 1)
    return Tagged(tuple(tags), widened, overlapping)


def from_tags(tokens: Sequence[Place], tags: Sequence[str]) -> tuple[Span, ...]:
    """The spans of tags; an ``I-`` without its beginning begins a span.

    Examples
    --------
    >>> from_tags([(0, 5), (6, 12)], ["B-X", "I-X"])
    (Span(start=0, end=12, label='X', code='', assertion='present'),)
    """
    found: list[Span] = []
    start = end = 0
    label = ""
    for (first, last), tag in zip(tokens, tags):
        mark, _, name = tag.partition("-")
        if label and (mark != "I" or name != label):
            found.append(Span(start, end, label))
            label = ""
        if mark != OUTSIDE and not label:
            start, label = first, name
        end = last
    if label:
        found.append(Span(start, end, label))
    return tuple(found)
