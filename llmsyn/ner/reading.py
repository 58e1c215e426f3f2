"""Notes to numbers for a token classifier: subwords, windows, gold tags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from llmsyn.ner.targets import Targets
from llmsyn.ner.windows import Window, windows
from llmsyn.notes.policies import Policy
from llmsyn.notes.tokens import Place, to_tags, tokenise
from llmsyn.notes.types import Note, Span

IGNORED = -100
MOST_PIECES = 32
"""Subwords of one word that are read; a longer one is a number or a code, not a name."""


@dataclass(frozen=True)
class Reader:
    """Cuts texts into words and words into the pieces of an encoder.

    ``tokenizer`` is one of the ``tokenizers`` library.
    """

    tokenizer: Any

    def words(self, text: str) -> tuple[list[Place], list[list[int]]]:
        """Places of the words, and the pieces of each."""
        places = tokenise(text)
        encoded = self.tokenizer.encode_batch(
            [text[a:b] for a, b in places], add_special_tokens=False
        )
        unknown = self.tokenizer.token_to_id("[UNK]")
        return places, [each.ids[:MOST_PIECES] or [unknown] for each in encoded]

    def row(self, pieces: Sequence[Sequence[int]], window: Window) -> tuple[list[int], list[int]]:
        """Piece ids of a window with its marks, and where each of its words begins."""
        ids = [self.tokenizer.token_to_id("[CLS]")]
        starts = []
        for word in pieces[window.first : window.last]:
            starts.append(len(ids))
            ids.extend(word)
        ids.append(self.tokenizer.token_to_id("[SEP]"))
        return ids, starts


def sentence_ends(text: str, places: Sequence[Place]) -> list[bool]:
    """Whether a word ends a sentence or a line."""
    found = []
    for i, (start, end) in enumerate(places):
        gap = text[end : places[i + 1][0]] if i + 1 < len(places) else "\n"
        found.append("\n" in gap or (text[start:end] in (".", "?", "!") and bool(gap)))
    return found


def text_windows(
    reader: Reader, text: str, context: int
) -> tuple[list[Place], list[list[int]], list[Window]]:
    """Places, pieces and windows of a text."""
    places, pieces = reader.words(text)
    cut = windows([len(p) for p in pieces], context=context, ends=sentence_ends(text, places))
    return places, pieces, cut


def examples(
    reader: Reader, notes: Iterable[Note], targets: Targets, policy: Policy | None
) -> Iterator[tuple[list[int], list[int]]]:
    """Piece ids and gold numbers (:data:`IGNORED` off the beginnings of words) of each window.

    Parameters
    ----------
    policy : the policy whose labels the notes have; None for the bank's own.
    """
    for note in notes:
        places, pieces, cut = text_windows(reader, note.text, context=0)
        tags = to_tags(places, note.spans).tags
        for window in cut:
            ids, starts = reader.row(pieces, window)
            gold = [IGNORED] * len(ids)
            for start, tag in zip(starts, tags[window.first : window.last]):
                gold[start] = targets.number(tag, policy)
            yield ids, gold


def surfaces(notes: Iterable[Note]) -> set[str]:
    """Lower-case surfaces of all mentions: what a model has seen."""
    return {note.surface(span).lower() for note in notes for span in note.spans}


def trimmed(text: str, spans: Iterable[Span]) -> list[Span]:
    """Spans that hold at least one letter or digit."""
    return [s for s in spans if any(sign.isalnum() for sign in text[s.start : s.end])]
