"""Whatever tags: a trained model in a folder, or the gazetteer of a language."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from llmsyn.errors import InputError
from llmsyn.ner.encoder import KIND as ENCODER
from llmsyn.ner.encoder import load_encoder, read_meta
from llmsyn.ner.gazetteer import gazetteer
from llmsyn.ner.spacy_tagger import KIND as SPACY
from llmsyn.ner.spacy_tagger import load_spacy
from llmsyn.notes.bank import languages
from llmsyn.notes.policies import Policy
from llmsyn.notes.types import Span

GAZETTEER = "gazetteer"
VOTE_WEIGHT = 1.5
"""Log odds that a find of the gazetteer adds, where it votes."""


class Tagger(Protocol):
    """Finds spans in texts, in the labels of a policy."""

    @property
    def name(self) -> str:
        """What kind of tagger it is."""
        ...

    def tag(self, texts: Sequence[str], policy: Policy) -> list[tuple[Span, ...]]:
        """The spans of each text."""
        ...


def open_tagger(model: str, *, votes: bool = False) -> Tagger:
    """Open a tagger.

    Parameters
    ----------
    model : a folder that ``llmsyn ner train`` wrote, or ``gazetteer:LANGUAGE`` (names of the
        knowledge base), or ``gazetteer:LANGUAGE+bank`` (and surfaces of the prose bank).
    votes : let the gazetteer vote beside an encoder.

    Raises
    ------
    InputError : there is no such folder or language, or the model is of another kind.
    """
    if model.partition(":")[0] == GAZETTEER:
        language, _, more = (model.partition(":")[2] or "en").partition("+")
        if language not in languages() or more not in ("", "bank"):
            raise InputError(
                f"there is no tagger {model!r}; write gazetteer:LANGUAGE or "
                f"gazetteer:LANGUAGE+bank with one of {', '.join(languages())}"
            )
        return gazetteer(language, with_bank=bool(more))
    folder = Path(model)
    meta = read_meta(folder)
    if meta["kind"] == ENCODER:
        tagger = load_encoder(folder, meta)
        if votes:
            tagger.votes = gazetteer(str(meta.get("language") or "en"))
            tagger.vote_weight = VOTE_WEIGHT
        return tagger
    if votes:
        raise InputError("the gazetteer votes beside an encoder only; leave --votes out")
    if meta["kind"] == SPACY:
        return load_spacy(folder, meta)
    raise InputError(f"{meta['kind']!r} is no kind of tagger; train it again", file=folder)
