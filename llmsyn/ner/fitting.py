"""Fine-tune an encoder on windows of notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llmsyn.errors import InputError
from llmsyn.ner.encoder import META, Encoder, libraries, load_encoder, read_meta
from llmsyn.ner.reading import IGNORED, examples
from llmsyn.ner.targets import Targets, fine_tags
from llmsyn.notes.policies import Policy
from llmsyn.notes.types import Note

SMALLEST_BATCH = 512
Progress = Callable[[int, int, float], None]
"""Told step, steps and loss."""


@dataclass(frozen=True)
class EncoderSettings:
    """How a model is trained.

    Attributes
    ----------
    rate, head_rate : highest learning rates of encoder and head; a tenth of the steps rise to
        them, the rest fall to zero.
    batch_pieces : subwords in a batch at most, padding included.
    least_steps : where all passes together come to fewer, batches are made smaller, down to
        :data:`SMALLEST_BATCH`: little text is learned in small steps or not at all.
    dropout : of hidden units.  Attention has none: it would keep torch from its fused kernels
        and cost a third of the time.
    threads : of torch; None leaves it to torch.
    """

    rate: float = 5e-4
    head_rate: float = 2e-3
    batch_pieces: int = 2048
    least_steps: int = 400
    dropout: float = 0.1
    weight_decay: float = 0.01
    seed: int = 0
    threads: int | None = None


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
    base : folder with ``config.json``, ``model.safetensors`` and ``tokenizer.json``, or a model
        that :meth:`Encoder.save` wrote: then its training goes on.
    rounds : what each pass over the data reads: notes, and the policy whose labels they have
        (None: the bank's own).  Passes may differ: each can have fresh surfaces.
    n_rounds : how many passes there are.

    Raises
    ------
    InputError : the folder is no encoder, or there is nothing to learn.
    MissingExtra : torch or transformers is not installed.
    """
    torch, _ = libraries()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    model = _begun(base, settings)
    body = model.body
    optimiser = torch.optim.AdamW(
        [{"params": body.parameters(), "lr": settings.rate},
         {"params": model.head.parameters(), "lr": settings.head_rate}],
        weight_decay=settings.weight_decay, fused=True,
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
        batches = _batches(rows, _batch_size(rows, n_rounds, settings), random)
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


def _begun(base: Path, settings: EncoderSettings) -> Encoder:
    """The model before its first step."""
    torch, transformers = libraries()
    from tokenizers import Tokenizer

    if (base / META).is_file():
        return load_encoder(base, read_meta(base))
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        if not (base / name).is_file():
            raise InputError(
                f"the folder has no {name}, so it is no encoder; run python -m llmsyn.ner.fetch",
                file=base,
            )
    body = transformers.AutoModel.from_pretrained(
        base, local_files_only=True, add_pooling_layer=False,
        hidden_dropout_prob=settings.dropout, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return Encoder(body, torch.nn.Linear(body.config.hidden_size, len(fine_tags())), tokenizer)


def _batch_size(
    rows: Sequence[tuple[list[int], list[int]]], n_rounds: int, settings: EncoderSettings
) -> int:
    pieces = sum(len(ids) for ids, _ in rows) * n_rounds
    wanted = pieces // max(1, settings.least_steps)
    return min(settings.batch_pieces, max(SMALLEST_BATCH, wanted))


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
    logits = model.logits(ids, seen)[judged]
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
