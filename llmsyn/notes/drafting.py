"""A text that grows piece by piece and knows where its mentions are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from llmsyn.errors import KnowledgeError
from llmsyn.notes.types import Span

_SLOT = re.compile(r"\{([a-z_0-9]+)\}")
_SOUNDS_I = re.compile(r"h?[ií](?![ae])", re.IGNORECASE)
_SOUNDS_VOWEL = re.compile(r"[aeiou]|8|1[18](?!\d)", re.IGNORECASE)
_ARTICLE = "(n) "
_SHORTEST_MISSPELLED = 7


@dataclass(frozen=True, slots=True)
class Mention:
    """A surface to be written; an empty label is plain text."""

    surface: str
    label: str = ""
    code: str = ""
    assertion: str = "present"


@lru_cache(maxsize=4096)
def pieces(line: str) -> tuple[tuple[str, str], ...]:
    """A line as pairs of literal text and the slot behind it (empty at the end).

    Examples
    --------
    >>> pieces("On {drugs}.")
    (('On ', 'drugs'), ('.', ''))
    """
    found, at = [], 0
    for slot in _SLOT.finditer(line):
        found.append((line[at : slot.start()], slot[1]))
        at = slot.end()
    found.append((line[at:], ""))
    return tuple(found)


@lru_cache(maxsize=4096)
def slots(line: str) -> frozenset[str]:
    """Names of the slots of a line."""
    return frozenset(slot for _, slot in pieces(line) if slot)


class Draft:
    """Text and spans, in the making.

    Parameters
    ----------
    misspelling : share of long names of drugs and diseases with a slip of the pen.
    comma, last, before_i : what stands between members of a list, before the last one, and
        before a last one that begins with the sound i.
    """

    def __init__(
        self,
        random: np.random.Generator,
        *,
        misspelling: float = 0.0,
        comma: str = ", ",
        last: str = " and ",
        before_i: str = "",
    ) -> None:
        self._random = random
        self._misspelling = misspelling
        self._comma, self._last, self._before_i = comma, last, before_i or last
        self._texts: list[str] = []
        self._length = 0
        self.spans: list[Span] = []

    @property
    def text(self) -> str:
        """All text so far."""
        return "".join(self._texts)

    @property
    def empty(self) -> bool:
        """Whether nothing was written yet."""
        return self._length == 0

    def write(self, text: str) -> None:
        """Add plain text."""
        self._texts.append(text)
        self._length += len(text)

    def mention(self, mention: Mention, *, capital: bool = False) -> None:
        """Add a mention and its span."""
        surface = mention.surface
        if self._misspelling and mention.label in ("DRUG", "DISEASE"):
            surface = self._slip(surface)
        if capital:
            surface = surface[:1].upper() + surface[1:]
        if mention.label:
            start, end = self._length, self._length + len(surface)
            self.spans.append(Span(start, end, mention.label, mention.code, mention.assertion))
        self.write(surface)

    def listed(self, mentions: Sequence[Mention], *, capital: bool = False) -> None:
        """Add mentions as a list in a sentence."""
        for i, mention in enumerate(mentions):
            if i:
                self.write(self._joint(mention) if i == len(mentions) - 1 else self._comma)
            self.mention(mention, capital=capital and i == 0)

    def _joint(self, mention: Mention) -> str:
        return self._before_i if _SOUNDS_I.match(mention.surface) else self._last

    def line(
        self, line: str, values: Mapping[str, Sequence[Mention]], *, begins: bool = True
    ) -> None:
        """Add a line with its slots filled; ``a(n)`` before one becomes its article.

        Parameters
        ----------
        begins : whether it begins a sentence, so that a mention there has a capital.

        Raises
        ------
        KnowledgeError : a slot has no value: the caller offered it for the wrong section.
        """
        fresh = begins
        for literal, slot in pieces(line):
            first = values[slot][0].surface if values.get(slot) else ""
            self.write(_articled(literal, first))
            stripped = literal.rstrip()
            if stripped:
                fresh = stripped[-1] in ".?¿!:"
            if not slot:
                continue
            if slot not in values:
                raise KnowledgeError(
                    f"the line {line!r} has a slot {slot!r} that its section does not fill; "
                    f"there are {', '.join(sorted(values))}"
                )
            self.listed(values[slot], capital=fresh)
            fresh = False

    def _slip(self, surface: str) -> str:
        if len(surface) < _SHORTEST_MISSPELLED or self._random.random() >= self._misspelling:
            return surface
        at = int(self._random.integers(2, len(surface) - 2))
        if not surface[at : at + 2].isalpha():
            return surface
        way = int(self._random.integers(3))
        if way == 0:
            return surface[:at] + surface[at + 1 :]
        if way == 1:
            return surface[:at] + surface[at] + surface[at:]
        return surface[:at] + surface[at + 1] + surface[at] + surface[at + 2 :]


def _articled(literal: str, follows: str) -> str:
    """Text whose ``a(n)`` before a slot is the article of what follows.

    Examples
    --------
    >>> _articled("This is a(n) ", "86-year-old"), _articled("A(n) ", "68 y.o.")
    ('This is an ', 'A ')
    """
    if not literal.endswith(_ARTICLE):
        return literal
    return literal.removesuffix(_ARTICLE) + ("n " if _SOUNDS_VOWEL.match(follows) else " ")
