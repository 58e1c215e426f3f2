"""A tagger beside a corpus: all scores in one report."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from llmsyn.ner.breakdown import Recall, RecordScore, recall_by_group, record_scores
from llmsyn.ner.scoring import F1, WAYS, count, scores
from llmsyn.ner.tagger import Tagger
from llmsyn.ner.training import as_policy
from llmsyn.notes.policies import Policy
from llmsyn.notes.types import Note


@dataclass(frozen=True)
class NerReport:
    """Scores of one tagger on one corpus.

    Attributes
    ----------
    spans : way of counting -> label -> score; ``(all)`` is the micro average.
    records : label -> record-level score.
    recall : group -> strict recall.
    """

    tagger: str
    policy: str
    n_notes: int
    spans: dict[str, dict[str, F1]]
    records: dict[str, RecordScore]
    recall: dict[str, Recall]

    def to_json(self) -> dict[str, Any]:
        """Plain values; undefined ones are null."""
        recall = {group: {**asdict(r), "share": r.share} for group, r in self.recall.items()}
        content = {**asdict(self), "recall": recall}
        plain = _plain(content)
        assert isinstance(plain, dict)
        return plain


def evaluate(
    tagger: Tagger, notes: Sequence[Note], policy: Policy, *, seen: Collection[str] = (),
    seed: int = 0,
) -> NerReport:  # fmt: skip
    """Tag a corpus and compare.

    Parameters
    ----------
    notes : gold; labels that the policy does not know are left out.
    seen : lower-case surfaces of the training text, for the recall of unseen ones.
    """
    gold = as_policy(notes, policy)
    found = tagger.tag([note.text for note in gold], policy)
    counts = count([note.spans for note in gold], found, policy.labels)
    return NerReport(
        tagger.name,
        policy.name,
        len(gold),
        {way: scores(counts, way, seed=seed) for way in WAYS},
        dict(record_scores(gold, found, policy.labels)),
        recall_by_group(gold, found, seen),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
