"""Refinement: look at the errors, get passages against them, train again, stop in time.

Each round: the tagger tags the validation notes; its errors are grouped into patterns; for
each of the most frequent patterns new passages are made; the tagger is trained again with
them.  It ends after so many rounds, or when validation no longer improves.  The test set is
never read here: it is not even a parameter.

Validation notes are synthetic, or real ones that stay on this machine: they are compared
here, and nothing of a real one goes into a request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from llmsyn.ner.errors_found import Pattern, patterns
from llmsyn.ner.scoring import ALL, count, scores
from llmsyn.ner.tagger import Tagger
from llmsyn.ner.training import as_policy
from llmsyn.notes.bank import Passage
from llmsyn.notes.policies import Policy
from llmsyn.notes.pools import Pools
from llmsyn.notes.swapping import swap
from llmsyn.notes.types import Note, Span

ROUNDS = 3
PATTERNS = 8
PER_PATTERN = 3
"""New examples for each error pattern, as the OMOP entity tagger's authors have them."""

LEAST_GAIN = 0.001

Trainer = Callable[[Sequence[Note]], Tagger]
Maker = Callable[[Sequence[Pattern], int], "Made"]


@dataclass(frozen=True, eq=False)
class Made:
    """New notes for patterns, and what they cost in US dollars (0 offline, NaN unknown)."""

    notes: tuple[Note, ...]
    usd: float = 0.0


@dataclass(frozen=True)
class Round:
    """What a round came to.

    Attributes
    ----------
    f1 : strict micro F1 on the validation notes, before this round's new notes.
    patterns : the most frequent error patterns, with their numbers of errors.
    """

    number: int
    f1: float
    n_notes: int
    n_new: int
    usd: float
    patterns: tuple[tuple[str, int], ...]


@dataclass(frozen=True, eq=False)
class Refined:
    """The best tagger, the notes that it was trained on, and the table of the rounds."""

    tagger: Tagger
    notes: tuple[Note, ...]
    rounds: tuple[Round, ...]


def refine(
    notes: Sequence[Note],
    dev: Sequence[Note],
    policy: Policy,
    train: Trainer,
    make: Maker,
    *,
    rounds: int = ROUNDS,
    n_patterns: int = PATTERNS,
) -> Refined:
    """Train, and train again with new notes against the errors.

    Parameters
    ----------
    notes : to begin with, in the bank's labels.
    dev : validation notes; only their errors are looked at.
    train, make : train a tagger on notes; make new notes for patterns in a round.

    Returns
    -------
    The tagger of the round with the best validation F1.
    """
    gold = as_policy(dev, policy)
    own = tuple(notes)
    tagger = train(own)
    found = tagger.tag([note.text for note in gold], policy)
    best_f1, best, best_notes = _f1(gold, found, policy), tagger, own
    table: list[Round] = []
    f1 = best_f1
    for number in range(1, rounds + 1):
        seen = patterns(gold, found)[:n_patterns]
        if not seen:
            break  # nothing is wrong any more
        made = make(seen, number)
        table.append(
            Round(
                number, f1, len(own), len(made.notes), made.usd,
                tuple((p.name, p.n) for p in seen),
            )
        )  # fmt: skip
        if not made.notes:
            return Refined(best, best_notes, tuple(table))
        own = (*own, *made.notes)
        tagger = train(own)
        found = tagger.tag([note.text for note in gold], policy)
        f1 = _f1(gold, found, policy)
        if f1 < best_f1 + LEAST_GAIN:
            break
        best_f1, best, best_notes = f1, tagger, own
    table.append(Round(len(table) + 1, f1, len(own), 0, 0.0, ()))
    return Refined(best, best_notes, tuple(table))


def offline_maker(
    passages: Sequence[Passage], pools: Pools, policy: Policy, *, seed: int,
    per_pattern: int = PER_PATTERN,
) -> Maker:  # fmt: skip
    """Make notes without a language model: passages rich in what goes wrong, surfaces swapped.

    For a pattern of missed or mislabelled mentions, passages with many mentions of that label
    and detail; for spurious ones, passages with none of it.
    """

    def make(seen: Sequence[Pattern], number: int) -> Made:
        random = np.random.default_rng([seed, number])
        new: list[Note] = []
        for p, pattern in enumerate(seen):
            weights = np.array([_weight(passage, pattern, policy) for passage in passages])
            if not weights.sum():
                continue
            n = min(per_pattern, int((weights > 0).sum()))
            chosen = random.choice(len(passages), size=n, replace=False, p=weights / weights.sum())
            for i in chosen:
                note = swap(passages[int(i)].note(), pools, random)
                named = f"{note.note_id}~r{number}.{p}"
                new.append(Note(named, note.text, note.spans, kind=note.kind,
                                language=note.language, families=note.families))  # fmt: skip
        return Made(tuple(new))

    return make


def _weight(passage: Passage, pattern: Pattern, policy: Policy) -> float:
    spans = policy.spans(passage.text, passage.spans)
    held = sum(s.label == pattern.label and _fits(s, passage.text, pattern) for s in spans)
    if pattern.kind == "spurious":
        return 1.0 if not any(s.label == pattern.label for s in spans) else 0.0
    return float(held)


def _fits(span: Span, text: str, pattern: Pattern) -> bool:
    surface = text[span.start : span.end]
    if pattern.detail == "short":
        return surface.isupper() and " " not in surface
    if pattern.detail in ("long", "too short", "too long"):
        return len(surface.split()) >= 3
    return not pattern.detail or pattern.kind == "label" or span.assertion == pattern.detail


def _f1(gold: Sequence[Note], found: Sequence[Sequence[Span]], policy: Policy) -> float:
    counts = count([note.spans for note in gold], found, policy.labels)
    return scores(counts)[ALL].f1
