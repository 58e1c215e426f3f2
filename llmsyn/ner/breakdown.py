"""Where the recall is: by length of a mention, by surfaces seen in training, by record.

The record level is that of an OMOP entity tagger's paper: a record either has an entity of a
kind or not, and either was said to have one.  It is kinder than any count of spans.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from llmsyn.notes.types import Note, Span

LENGTHS = ("1", "2", "3", "4 or more")


@dataclass(frozen=True)
class Recall:
    """Mentions of a group that were found exactly, of all."""

    found: int
    n: int

    @property
    def share(self) -> float:
        """NaN without a mention."""
        return self.found / self.n if self.n else math.nan


@dataclass(frozen=True)
class RecordScore:
    """One label over records.

    Attributes
    ----------
    accuracy, precision, recall, f1 : of "the record has one", NaN where undefined.
    mention_precision, mention_recall, mention_f1 : of the different surfaces of each record.
    """

    accuracy: float
    precision: float
    recall: float
    f1: float
    mention_precision: float
    mention_recall: float
    mention_f1: float
    n_records: int


def recall_by_group(
    gold: Sequence[Note], predicted: Sequence[Sequence[Span]], seen: Collection[str] = ()
) -> dict[str, Recall]:
    """Strict recall by number of words and, where ``seen`` is given, by seen and unseen surface.

    Parameters
    ----------
    seen : lower-case surfaces of the training text.
    """
    totals: dict[str, list[int]] = {}
    for note, spans in zip(gold, predicted):
        exact = {(s.start, s.end, s.label) for s in spans}
        for span in note.spans:
            surface = note.surface(span)
            n_words = min(len(surface.split()), len(LENGTHS))
            groups = [f"words: {LENGTHS[n_words - 1]}"]
            if seen:
                groups.append("surface: " + ("seen" if surface.lower() in seen else "unseen"))
            for group in groups:
                total = totals.setdefault(group, [0, 0])
                total[0] += (span.start, span.end, span.label) in exact
                total[1] += 1
    return {group: Recall(found, n) for group, (found, n) in sorted(totals.items())}


def record_scores(
    gold: Sequence[Note], predicted: Sequence[Sequence[Span]], labels: Sequence[str]
) -> Mapping[str, RecordScore]:
    """Scores at the level of records, by label."""
    return {label: _record_score(gold, predicted, label) for label in labels}


def _record_score(
    gold: Sequence[Note], predicted: Sequence[Sequence[Span]], label: str
) -> RecordScore:
    both = none = missed = spurious = 0
    hits = said = there = 0
    for note, spans in zip(gold, predicted):
        ours = {note.surface(s).lower() for s in note.spans if s.label == label}
        theirs = {note.text[s.start : s.end].lower() for s in spans if s.label == label}
        both += bool(ours and theirs)
        none += not ours and not theirs
        missed += bool(ours and not theirs)
        spurious += bool(theirs and not ours)
        hits += len(ours & theirs)
        there += len(ours)
        said += len(theirs)
    n = len(gold)
    return RecordScore(
        _ratio(both + none, n),
        _ratio(both, both + spurious),
        _ratio(both, both + missed),
        _ratio(2 * both, 2 * both + missed + spurious),
        _ratio(hits, said),
        _ratio(hits, there),
        _ratio(2 * hits, said + there),
        n,
    )


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
