"""A token classifier on a small pretrained encoder (extra ``ner``: torch, transformers).

The folder of a model holds ``encoder/`` (as transformers writes it), ``head.safetensors``,
``tokenizer.json`` and ``tagger.json``; nothing in it is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llmsyn.errors import InputError, MissingExtra
from llmsyn.ner.gazetteer import Gazetteer
from llmsyn.ner.reading import IGNORED, Reader, examples, text_windows, trimmed
from llmsyn.ner.targets import (
    FloatArray,
    Targets,
    best_tags,
    fine_tags,
    merging,
    policy_tags,
)
from llmsyn.ner.windows import CONTEXT
from llmsyn.notes.policies import Policy
from llmsyn.notes.tokens import Place, from_tags, to_tags
from llmsyn.notes.types import Note, Span
from llmsyn.store import write_json

META = "tagger.json"
KIND = "encoder"
Progress = Callable[[int, int, float], None]
"""Told step, steps and loss."""


@dataclass(frozen=True)
class EncoderSettings:
    """How a model is trained.

    Attributes
    ----------
    rate, head_rate : highest learning rates of encoder and head; a tenth of the steps rise to
        them, the rest fall to zero.
    batch_pieces : subwords in a batch, padding included.
    threads : of torch; None leaves it to torch.
    """

    rate: float = 5e-4
    head_rate: float = 2e-3
    batch_pieces: int = 2048
    dropout: float = 0.1
    weight_decay: float = 0.01
    seed: int = 0
    threads: int | None = None


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
                    logits = self._logits(torch.tensor([ids]), None)[0]
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

    def _logits(self, ids: Any, mask: Any) -> Any:
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
    torch, transformers = _libraries()
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    body = transformers.AutoModel.from_pretrained(folder / "encoder", local_files_only=True)
    head = torch.nn.Linear(body.config.hidden_size, len(fine_tags()))
    head.load_state_dict(load_file(folder / "head.safetensors"))
    return Encoder(body, head, Tokenizer.from_file(str(folder / "tokenizer.json")))


def train_encoder(
    base: Path,
    rounds: Iterable[Sequence[tuple[Sequence[Note], Policy | None]]],
    n_rounds: int,
    settings: EncoderSettings,
    progress: Progress | None = None,
) -> Encoder:
    """Fine-tune an encoder.

    Parameters
    ----------
    base : folder with ``config.json``, ``model.safetensors`` and ``tokenizer.json``.
    rounds : what each pass over the data reads: notes, and the policy whose labels they have
        (None: the bank's own).  Passes may differ: each can have fresh surfaces.
    n_rounds : how many passes there are.

    Raises
    ------
    InputError : the folder is no encoder, or there is nothing to learn.
    MissingExtra : torch or transformers is not installed.
    """
    torch, transformers = _libraries()
    from tokenizers import Tokenizer

    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        if not (base / name).is_file():
            raise InputError(
                f"the folder has no {name}, so it is no encoder; run python -m llmsyn.ner.fetch",
                file=base,
            )
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    body = transformers.AutoModel.from_pretrained(
        base, local_files_only=True, add_pooling_layer=False,
        hidden_dropout_prob=settings.dropout, attention_probs_dropout_prob=settings.dropout,
    )  # fmt: skip
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    model = Encoder(body, torch.nn.Linear(body.config.hidden_size, len(fine_tags())), tokenizer)
    optimiser = torch.optim.AdamW(
        [{"params": body.parameters(), "lr": settings.rate},
         {"params": model.head.parameters(), "lr": settings.head_rate}],
        weight_decay=settings.weight_decay,
    )  # fmt: skip
    highest = [group["lr"] for group in optimiser.param_groups]
    random = np.random.default_rng(settings.seed)
    done = 0
    body.train()
    for i, parts in enumerate(rounds):
        targets = Targets()
        rows = [
            row for notes, policy in parts for row in examples(model.reader, notes, targets, policy)
        ]
        if not rows:
            raise InputError("there is no text to learn from; give notes with tokens in them")
        masks = torch.from_numpy(targets.masks)
        batches = _batches(rows, settings.batch_pieces, random)
        total = done + len(batches) * (n_rounds - i)
        for batch in batches:
            share = done / max(total, 1)
            scale = min(share / 0.1, (1 - share) / 0.9)
            for group, rate in zip(optimiser.param_groups, highest):
                group["lr"] = rate * max(scale, 0.01)
            loss = _loss(model, [rows[j] for j in batch], masks)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(body.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            done += 1
            if progress is not None:
                progress(done, total, float(loss.detach()))
    body.eval()
    return model


def _loss(model: Encoder, rows: Sequence[tuple[list[int], list[int]]], masks: Any) -> Any:
    """Minus the log of the total probability of what each gold tag allows, mean over words."""
    import torch

    size = max(len(ids) for ids, _ in rows)
    ids = torch.zeros((len(rows), size), dtype=torch.long)
    gold = torch.full((len(rows), size), IGNORED, dtype=torch.long)
    seen = torch.zeros((len(rows), size), dtype=torch.long)
    for i, (row, tags) in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        gold[i, : len(row)] = torch.tensor(tags)
        seen[i, : len(row)] = 1
    judged = gold != IGNORED
    logits = model._logits(ids, seen)[judged]
    allowed = logits.masked_fill(~masks[gold[judged]], -torch.inf)
    return (torch.logsumexp(logits, -1) - torch.logsumexp(allowed, -1)).mean()


def _batches(
    rows: Sequence[tuple[list[int], list[int]]], pieces: int, random: np.random.Generator
) -> list[list[int]]:
    """Rows of about the same length together, batches in random order."""
    sizes = np.array([len(ids) for ids, _ in rows])
    order = np.argsort(sizes + random.uniform(-0.1, 0.1, len(sizes)) * sizes, kind="stable")
    batches: list[list[int]] = []
    longest = 0
    for i in order.tolist():
        longest = max(longest, int(sizes[i]))
        if not batches or longest * (len(batches[-1]) + 1) > pieces:
            batches.append([])
            longest = int(sizes[i])
        batches[-1].append(i)
    return [batches[i] for i in random.permutation(len(batches))]


def _cut(text: str, spans: Iterable[Span], policy: Policy) -> tuple[Span, ...]:
    """The policy's trimming, on spans that have its labels already."""
    return tuple(policy.trimmed(text, span) for span in spans)


def _libraries() -> tuple[Any, Any]:
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
