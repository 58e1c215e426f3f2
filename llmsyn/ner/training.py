"""From notes to a tagger: passes with fresh surfaces, real notes mixed in, either back end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from llmsyn.errors import InputError
from llmsyn.ner.encoder import Encoder
from llmsyn.ner.fitting import EncoderSettings, train_encoder
from llmsyn.ner.spacy_tagger import SpacySettings, SpacyTagger, train_spacy
from llmsyn.notes.bank import languages, read_bank
from llmsyn.notes.policies import Policy
from llmsyn.notes.pools import Pools, make_pools
from llmsyn.notes.swapping import SHARE, copies
from llmsyn.notes.types import Note, Span

Backend = Literal["encoder", "spacy"]
BACKENDS: tuple[Backend, ...] = ("encoder", "spacy")
Progress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Added:
    """Further notes, in the labels of a policy: a site's own, or a corpus.

    ``repeat`` is how often each pass reads them: a few real notes beside many others.
    """

    notes: tuple[Note, ...]
    policy: Policy
    repeat: int = 1


@dataclass(frozen=True)
class TrainSettings:
    """How a tagger is trained.

    Attributes
    ----------
    rounds : passes over the notes; the last one reads them as they stand, the others with
        fresh surfaces where ``swap`` is above 0.
    swap : probability that a surface is exchanged.
    encoder : folder of the encoder.
    policy : labels that spaCy learns.
    """

    backend: Backend = "encoder"
    language: str = "en"
    rounds: int = 5
    swap: float = SHARE
    seed: int = 0
    encoder: Path | None = None
    policy: Policy | None = None
    encoding: EncoderSettings = field(default_factory=EncoderSettings)
    spacy: SpacySettings = field(default_factory=SpacySettings)


def train(
    notes: Sequence[Note],
    settings: TrainSettings,
    added: Sequence[Added] = (),
    progress: Progress | None = None,
) -> Encoder | SpacyTagger:
    """Train on notes in the bank's labels, and on what is added.

    Raises
    ------
    InputError : there is nothing to learn from, no encoder, or no policy for spaCy.
    MissingExtra : the extra ``ner`` is not installed.
    """
    if not notes and not added:
        raise InputError("there is no note to learn from; give at least one file of notes")
    if settings.backend == "spacy":
        return _spacy(notes, settings, added, progress)
    if settings.encoder is None:
        raise InputError("no encoder is named; give its folder, or run python -m llmsyn.ner.fetch")

    def passes() -> Iterator[list[tuple[Sequence[Note], Policy | None]]]:
        for own in _rounds(notes, settings):
            extra = [(part.notes * part.repeat, part.policy) for part in added]
            yield [(own, None), *extra]

    encoding = replace(settings.encoding, seed=settings.seed)
    return train_encoder(settings.encoder, passes(), settings.rounds, encoding, progress)


def _spacy(
    notes: Sequence[Note],
    settings: TrainSettings,
    added: Sequence[Added],
    progress: Progress | None,
) -> SpacyTagger:
    policy = settings.policy
    if policy is None:
        raise InputError("spaCy learns the labels of one policy; name it with --policy")
    for part in added:
        if part.policy.name != policy.name:
            raise InputError(
                f"notes in the labels of {part.policy.name!r} cannot train a spaCy model of "
                f"{policy.name!r}; use the encoder, which can mix them"
            )

    def passes() -> Iterator[list[Note]]:
        for own in _rounds(notes, settings):
            extra = [note for part in added for note in part.notes * part.repeat]
            yield [*(policy.note(note) for note in own), *extra]

    spacy = replace(settings.spacy, seed=settings.seed)
    return train_spacy(settings.language, passes(), settings.rounds, policy, spacy, progress)


def _rounds(notes: Sequence[Note], settings: TrainSettings) -> Iterator[list[Note]]:
    pools = _pools(settings) if settings.swap > 0 and settings.rounds > 1 else None
    for i in range(settings.rounds):
        if pools is None or i == settings.rounds - 1:
            yield list(notes)
        else:
            yield list(copies(notes, pools, 1, seed=settings.seed + i, share=settings.swap))


def _pools(settings: TrainSettings) -> Pools:
    if settings.language not in languages():
        raise InputError(
            f"surfaces cannot be swapped in {settings.language!r}, since the bank has no such "
            "language; pass --swap 0"
        )
    return make_pools(read_bank(settings.language), settings.language)


def as_policy(notes: Sequence[Note], policy: Policy) -> tuple[Note, ...]:
    """Notes of a corpus in the labels of a policy.

    Labels that the policy makes already stay; others are merged as its file says, without
    trimming: a corpus's own borders are what it wants.
    """
    return tuple(replace(note, spans=_merged(note.spans, policy)) for note in notes)


def _merged(spans: Sequence[Span], policy: Policy) -> tuple[Span, ...]:
    found = []
    for span in spans:
        label = policy.label(span.label) or (span.label if span.label in policy.labels else "")
        if label:
            found.append(replace(span, label=label))
    return tuple(found)
