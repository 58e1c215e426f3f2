"""spaCy's own entity recogniser, trained from nothing (extra ``ner``): fast and small.

It learns the labels of one policy, since spaCy has no tags that allow several; a model for
another policy is another model.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmsyn.errors import InputError, MissingExtra
from llmsyn.ner.reading import trimmed
from llmsyn.notes.docbin import blank, to_doc
from llmsyn.notes.policies import Policy
from llmsyn.notes.types import Note, Span
from llmsyn.store import write_json

KIND = "spacy"
META = "tagger.json"

Progress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class SpacySettings:
    """How the pipeline is trained."""

    batch_words: int = 500
    dropout: float = 0.2
    seed: int = 0


class SpacyTagger:
    """A pipeline that was trained on the labels of one policy."""

    name = KIND

    def __init__(self, pipeline: Any, policy: str) -> None:
        self.pipeline, self.policy = pipeline, policy

    def tag(self, texts: Sequence[str], policy: Policy) -> list[tuple[Span, ...]]:
        """The spans of each text.

        Raises
        ------
        InputError : the model was trained on another policy.
        """
        if policy.name != self.policy:
            raise InputError(
                f"this spaCy model was trained on the policy {self.policy!r}, not "
                f"{policy.name!r}; train one with --policy {policy.name}"
            )
        found = []
        for text, doc in zip(texts, self.pipeline.pipe(texts)):
            spans = [Span(e.start_char, e.end_char, e.label_) for e in doc.ents]
            found.append(tuple(trimmed(text, spans)))
        return found

    def save(self, folder: Path, meta: dict[str, Any]) -> None:
        """Write the pipeline; ``meta`` says how it came about."""
        folder.mkdir(parents=True, exist_ok=True)
        self.pipeline.to_disk(folder / "pipeline")
        write_json(folder / META, {"kind": KIND, "policy": self.policy, **meta})


def load_spacy(folder: Path, meta: dict[str, Any]) -> SpacyTagger:
    """Read what :meth:`SpacyTagger.save` wrote."""
    try:
        import spacy
    except ImportError as error:
        raise MissingExtra("spaCy", extra="spacy") from error
    return SpacyTagger(spacy.load(folder / "pipeline"), str(meta.get("policy", "")))


def train_spacy(
    language: str,
    rounds: Iterable[Sequence[Note]],
    n_rounds: int,
    policy: Policy,
    settings: SpacySettings,
    progress: Progress | None = None,
) -> SpacyTagger:
    """Train a recogniser.

    Parameters
    ----------
    rounds : notes of each pass, with the labels of ``policy`` already.

    Raises
    ------
    InputError : there is no note.
    MissingExtra : spaCy is not installed.
    """
    pipeline = blank(language)
    import spacy
    from spacy.training import Example
    from spacy.util import minibatch

    logging.getLogger("spacy").setLevel(logging.ERROR)
    spacy.util.fix_random_seed(settings.seed)
    recogniser = pipeline.add_pipe("ner")
    for label in policy.labels:
        recogniser.add_label(label)
    optimiser = None
    for i, notes in enumerate(rounds):
        if not notes:
            raise InputError("there is no note to learn from; give a file with notes")
        examples = []
        for note in notes:
            reference, _, _ = to_doc(pipeline, note)
            examples.append(Example(pipeline.make_doc(note.text), reference))
        if optimiser is None:
            optimiser = pipeline.initialize(lambda batch=examples: batch[:100])
        losses: dict[str, float] = {}
        order = _shuffled(examples, settings.seed + i)
        size = max(1, settings.batch_words // max(1, _mean_words(notes)))
        for batch in minibatch(order, size=size):
            pipeline.update(batch, sgd=optimiser, drop=settings.dropout, losses=losses)
        if progress is not None:
            progress(i + 1, n_rounds, float(losses.get("ner", 0.0)))
    return SpacyTagger(pipeline, policy.name)


def _shuffled(examples: Sequence[Any], seed: int) -> list[Any]:
    import numpy as np

    return [examples[int(i)] for i in np.random.default_rng(seed).permutation(len(examples))]


def _mean_words(notes: Sequence[Note]) -> int:
    return sum(len(note.text.split()) for note in notes) // len(notes)
