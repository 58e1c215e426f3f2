"""A token classifier on a small pretrained encoder (extra ``ner``: torch, transformers).

The folder of a model holds ``encoder/`` (as transformers writes it), ``head.safetensors``,
``tokenizer.json`` and ``tagger.json``; nothing in it is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from llmsyn.errors import InputError, MissingExtra
from llmsyn.ner.gazetteer import Gazetteer
from llmsyn.ner.reading import Reader, text_windows, trimmed
from llmsyn.ner.targets import (
    FloatArray,
    best_tags,
    fine_tags,
    merging,
    policy_tags,
)
from llmsyn.ner.windows import CONTEXT
from llmsyn.notes.policies import Policy
from llmsyn.notes.tokens import Place, from_tags, to_tags
from llmsyn.notes.types import Span
from llmsyn.store import write_json

META = "tagger.json"
KIND = "encoder"


class Encoder:
    """A trained model.

    Parameters
    ----------
    body, head : torch modules.
    votes, vote_weight : a gazetteer whose finds raise the log odds of their tags by so much.
    """

    name = KIND

    def __init__(
        self,
        body: Any,
        head: Any,
        tokenizer: Any,
        *,
        votes: Gazetteer | None = None,
        vote_weight: float = 0.0,
    ) -> None:
        self.body, self.head = body, head
        self.reader = Reader(tokenizer)
        self.votes, self.vote_weight = votes, vote_weight

    def tag(self, texts: Sequence[str], policy: Policy) -> list[tuple[Span, ...]]:
        """The spans of each text under a policy."""
        matrix, names = merging(policy), policy_tags(policy)
        found = []
        for text, (places, probabilities) in zip(texts, self.probabilities(texts)):
            merged = probabilities @ matrix
            spans = trimmed(text, from_tags(places, best_tags(merged, names)))
            found.append(_cut(text, spans, policy))
        return found

    def probabilities(self, texts: Sequence[str]) -> Iterator[tuple[list[Place], FloatArray]]:
        """Places of the words and ``(n_words, n_fine_tags)`` of each text."""
        import torch

        self.body.eval()
        for text in texts:
            places, pieces, cut = text_windows(self.reader, text, CONTEXT)
            table = np.zeros((len(places), len(fine_tags())), dtype=np.float32)
            rows = [self.reader.row(pieces, window) for window in cut]
            with torch.inference_mode():
                for window, (ids, starts) in zip(cut, rows):
                    logits = self.logits(torch.tensor([ids]), None)[0]
                    chosen = torch.softmax(logits[starts], dim=-1).numpy()
                    skip = window.keep_first - window.first
                    kept = chosen[skip : skip + window.keep_last - window.keep_first]
                    table[window.keep_first : window.keep_last] = kept
            yield places, self._voted(text, places, table)

    def _voted(self, text: str, places: list[Place], table: FloatArray) -> FloatArray:
        if self.votes is None or not self.vote_weight:
            return table
        number = {tag: i for i, tag in enumerate(fine_tags())}
        tags = to_tags(places, self.votes.find(text)).tags
        factor = np.ones_like(table)
        for row, tag in enumerate(tags):
            if tag != "O":
                factor[row, number[tag]] = np.exp(self.vote_weight)
        raised = table * factor
        return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float32)

    def logits(self, ids: Any, mask: Any) -> Any:
        """Scores of every fine tag for every piece."""
        return self.head(self.body(input_ids=ids, attention_mask=mask).last_hidden_state)

    def save(self, folder: Path, meta: dict[str, Any]) -> None:
        """Write the model; ``meta`` says how it came about."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        self.body.save_pretrained(folder / "encoder")
        save_file(
            {name: value.contiguous() for name, value in self.head.state_dict().items()},
            folder / "head.safetensors",
        )
        self.reader.tokenizer.save(str(folder / "tokenizer.json"))
        write_json(folder / META, {"kind": KIND, "tags": list(fine_tags()), **meta})


def load_encoder(folder: Path, meta: dict[str, Any]) -> Encoder:
    """Read a model that :meth:`Encoder.save` wrote.

    Raises
    ------
    InputError : it was trained on another set of labels.
    """
    if tuple(meta.get("tags", ())) != fine_tags():
        raise InputError(
            "the model was trained on other labels than this version has; train it again",
            file=folder / META,
        )
    torch, transformers = libraries()
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    body = transformers.AutoModel.from_pretrained(folder / "encoder", local_files_only=True)
    head = torch.nn.Linear(body.config.hidden_size, len(fine_tags()))
    head.load_state_dict(load_file(folder / "head.safetensors"))
    return Encoder(body, head, Tokenizer.from_file(str(folder / "tokenizer.json")))


def _cut(text: str, spans: Iterable[Span], policy: Policy) -> tuple[Span, ...]:
    """The policy's trimming, on spans that have its labels already."""
    return tuple(policy.trimmed(text, span) for span in spans)


def libraries() -> tuple[Any, Any]:
    """The modules torch and transformers, which download and print nothing from here on.

    Raises
    ------
    MissingExtra : one of them is not installed.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtra("torch or transformers", extra="ner") from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return torch, transformers


def read_meta(folder: Path) -> dict[str, Any]:
    """What a model folder says of itself.

    Raises
    ------
    InputError : the folder holds no tagger of ours.
    """
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            "the folder holds no tagger; train one with llmsyn ner train", file=folder
        ) from error
    if not isinstance(meta, dict) or "kind" not in meta:
        raise InputError("the file says no kind of tagger; train it again", file=folder / META)
    return meta
