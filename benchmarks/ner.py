r"""Taggers trained on synthetic text only, on real corpora: scores, amount of data, ablation.

\b
    python benchmarks/ner.py --corpora-dir DIR --parts scores
    python benchmarks/ner.py --corpora-dir DIR --parts amount
    python benchmarks/ner.py --corpora-dir DIR --parts ablation

Nothing is tuned on a test set: rounds, rates and votes are the defaults of the commands.  The
real documents of the reference are the first ones of the training split.  With two cores and
all of the bank ``scores`` takes hours; --passages and --rounds make it smaller.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from corpora import CORPORA, corpora_dir_option, corpus_file
from protocol import json_option, log, run_script
from result_files import RESULTS, show, write_result

from llmsyn.ner.encoder import Encoder
from llmsyn.ner.evaluating import evaluate
from llmsyn.ner.fetch import fetch
from llmsyn.ner.fitting import EncoderSettings
from llmsyn.ner.gazetteer import gazetteer
from llmsyn.ner.tagger import VOTE_WEIGHT, Tagger
from llmsyn.ner.training import Added, TrainSettings, as_policy, train
from llmsyn.notes.bank import read_bank
from llmsyn.notes.jsonl import read_notes
from llmsyn.notes.policies import read_policy
from llmsyn.notes.types import Note

REAL = (10, 30, 130)
MIXED_REAL, MIXED_REPEAT = 10, 4
AMOUNTS = (35, 70, 140, 280, 560, 1120)
JUDGED = {"en": ("maccrobat", "ncbi"), "es": ("cantemist",)}


class Bench:
    """What all parts share: corpora, bank, settings."""

    def __init__(self, folder: Path, rounds: int, threads: int | None, passages: int | None,
                 most: int | None, seed: int) -> None:  # fmt: skip
        self.folder, self.most, self.seed = folder, most, seed
        self.settings = TrainSettings(
            rounds=rounds, seed=seed, encoder=fetch(), encoding=EncoderSettings(threads=threads)
        )
        self.passages = passages
        self.rows: list[dict[str, Any]] = []

    def bank(self, language: str, n: int | None = None) -> list[Note]:
        """Passages in random order, so that a smaller number is a part of a larger one."""
        bank = read_bank(language)
        order = np.random.default_rng(self.seed).permutation(len(bank))
        return [bank[int(i)].note() for i in order[: n or self.passages]]

    def real(self, name: str, n: int) -> tuple[Note, ...]:
        notes = list(read_notes(corpus_file(self.folder, name, "train")))[:n]
        return as_policy(notes, read_policy(CORPORA[name].policy))

    def encoder(self, language: str, notes: Sequence[Note], added: Sequence[Added] = (),
                **more: Any) -> Encoder:  # fmt: skip
        started = time.perf_counter()
        model = train(notes, replace(self.settings, language=language, **more), added)
        assert isinstance(model, Encoder)
        log.info("trained on %d notes in %.0f s", len(notes), time.perf_counter() - started)
        return model

    def judge(self, what: str, tagger: Tagger, name: str, **columns: Any) -> None:
        """A row a label: strict and type F1 with the interval, and the record level."""
        corpus = CORPORA[name]
        notes = list(read_notes(corpus_file(self.folder, name, corpus.judged)))[: self.most]
        report = evaluate(tagger, notes, read_policy(corpus.policy))
        for label in read_policy(corpus.policy).labels:
            strict, record = report.spans["strict"][label], report.records[label]
            self.rows.append(
                {
                    "corpus": f"{name} {corpus.judged}",
                    "trained on": what,
                    **columns,
                    "label": label,
                    "strict F1": round(strict.f1, 3),
                    "95% interval": f"{strict.low:.3f} to {strict.high:.3f}",
                    "precision": round(strict.precision, 3),
                    "recall": round(strict.recall, 3),
                    "partial F1": round(report.spans["partial"][label].f1, 3),
                    "type F1": round(report.spans["type"][label].f1, 3),
                    "record F1": round(record.f1, 3),
                    "record accuracy": round(record.accuracy, 3),
                }
            )
            log.info("%s", self.rows[-1])


def scores(bench: Bench) -> None:
    """The table of taggers."""
    for language, names in JUDGED.items():
        notes = bench.bank(language)
        model = bench.encoder(language, notes)
        voting = Encoder(
            model.body, model.head, model.reader.tokenizer, votes=gazetteer(language),
            vote_weight=VOTE_WEIGHT,
        )  # fmt: skip
        for name in names:
            policy = read_policy(CORPORA[name].policy)
            bench.judge("nothing: gazetteer", gazetteer(language), name)
            bench.judge(
                "nothing: gazetteer with the bank", gazetteer(language, with_bank=True), name
            )
            spacy = replace(
                bench.settings, backend="spacy", language=language, policy=policy, rounds=10
            )
            bench.judge(f"{len(notes)} passages, spaCy", train(notes, spacy), name)
            bench.judge(f"{len(notes)} passages, encoder", model, name)
            bench.judge(f"{len(notes)} passages, encoder and votes", voting, name)
            if name != "maccrobat":
                continue
            for n in REAL:
                real = Added(bench.real(name, n), policy)
                only = bench.encoder(language, [], [real], rounds=12, swap=0.0)
                bench.judge(f"{n} real documents", only, name)
                if n == max(REAL):
                    bench.judge(f"{n} real maccrobat documents", only, "ncbi")
            few = Added(bench.real(name, MIXED_REAL), policy, MIXED_REPEAT)
            mixed = bench.encoder(language, notes, [few])
            bench.judge(f"{len(notes)} passages and {MIXED_REAL} real documents", mixed, name)
            bench.judge(f"{len(notes)} passages and {MIXED_REAL} real documents", mixed, "ncbi")


def amount(bench: Bench) -> None:
    """F1 against passages, and against real documents added."""
    policy = read_policy("maccrobat")
    for n in AMOUNTS:
        notes = bench.bank("en", n)
        if len(notes) == n:
            model = bench.encoder("en", notes)
            for name in JUDGED["en"]:
                bench.judge("passages", model, name, n=n)
    for n in (0, *REAL):
        added = [Added(bench.real("maccrobat", n), policy, MIXED_REPEAT)] if n else []
        model = bench.encoder("en", bench.bank("en"), added)
        for name in JUDGED["en"]:
            bench.judge("all passages and real documents", model, name, n=n)


def ablation(bench: Bench) -> None:
    """What each ingredient is worth."""
    notes = bench.bank("en")
    without = {
        "all": (notes, {}),
        "without swapping": (notes, {"swap": 0.0}),
        "case reports only": ([n for n in notes if n.kind == "case_report"], {}),
        "without passages without mentions": ([n for n in notes if n.spans], {}),
        "without other than present mentions": (
            [n for n in notes if all(s.assertion == "present" for s in n.spans)], {},
        ),
    }  # fmt: skip
    model = None
    for what, (chosen, more) in without.items():
        trained = bench.encoder("en", chosen, **more)
        model = model or trained
        for name in JUDGED["en"]:
            bench.judge(what, trained, name, n=len(chosen))
    assert model is not None
    voting = Encoder(model.body, model.head, model.reader.tokenizer, votes=gazetteer("en"),
                     vote_weight=VOTE_WEIGHT)  # fmt: skip
    for name in JUDGED["en"]:
        bench.judge("all, gazetteer votes", voting, name, n=len(notes))


def figure(rows: Sequence[dict[str, Any]]) -> None:
    """F1 against the amount of data, one line a corpus and label."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    for axis, what in zip(axes, ("passages", "all passages and real documents")):
        lines: dict[str, list[tuple[int, float]]] = {}
        for row in rows:
            if row["trained on"] == what:
                lines.setdefault(f"{row['corpus'].split()[0]} {row['label'].lower()}", []).append(
                    (row["n"], row["strict F1"])
                )
        for name, points in lines.items():
            axis.plot(*zip(*sorted(points)), marker="o", label=name)
        axis.set_xlabel("synthetic passages" if what == "passages" else "real documents added")
        axis.grid(alpha=0.3)
    axes[0].set_xscale("log", base=2)
    axes[0].set_ylabel("strict F1")
    axes[0].legend(fontsize=8)
    fig.tight_layout()
    RESULTS.mkdir(exist_ok=True)
    fig.savefig(RESULTS / "ner-amount.svg")


PARTS = {"scores": scores, "amount": amount, "ablation": ablation}


@click.command(help=__doc__)
@corpora_dir_option
@click.option(
    "--parts", multiple=True, type=click.Choice(list(PARTS)), default=("scores",), show_default=True
)
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--passages", type=click.IntRange(1), help="At most so many of the bank.")
@click.option("--most", type=click.IntRange(1), help="At most so many documents of each corpus.")
@click.option("--threads", type=click.IntRange(1))
@click.option("--seed", type=int, default=0, show_default=True)
@json_option
def main(corpora_dir: Path, parts: tuple[str, ...], rounds: int, passages: int | None,
         most: int | None, threads: int | None, seed: int, as_json: bool) -> None:  # fmt: skip
    for part in parts:
        bench = Bench(corpora_dir, rounds, threads, passages, most, seed)
        PARTS[part](bench)
        if part == "amount":
            figure(bench.rows)
        result = write_result(
            f"ner-{part}", f"Taggers trained on synthetic text, on real corpora: {part}",
            bench.rows, notes=["Strict span F1; intervals are a bootstrap over documents."],
            rounds=rounds, passages=passages, most=most, seed=seed,
        )  # fmt: skip
        show(result, as_json=as_json)


if __name__ == "__main__":
    run_script(main)
