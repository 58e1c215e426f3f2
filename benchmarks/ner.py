r"""Taggers trained on synthetic text only, on real corpora: scores, amounts, ablation, refinement.

\b
    python benchmarks/ner.py --corpora-dir DIR --work-dir WORK --threads 1

Nothing is tuned on a test set: rates, batches, swapping and votes are the defaults of the
commands, and the numbers of passes and passages below were set by the time at hand.  The real
documents are the first ones of the training split.  Trained models and judged rows are kept in
WORK: a run that was cut short goes on where it stopped.  On one core all of it takes two hours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
from corpora import CORPORA, corpora_dir_option
from ner_figure import write_figure
from ner_tables import lines
from ner_work import Bench, Row
from protocol import json_option, run_script
from result_files import show, write_result

from llmsyn.ner.gazetteer import gazetteer
from llmsyn.ner.refining import Refined, offline_maker, refine
from llmsyn.ner.tagger import Tagger
from llmsyn.notes.bank import of_part, read_bank
from llmsyn.notes.policies import read_policy
from llmsyn.notes.pools import make_pools
from llmsyn.notes.types import Note

JUDGED = {"en": ("maccrobat", "ncbi"), "es": ("cantemist",)}
ROUNDS = 5
"""Passes over a whole bank; over parts of it :data:`PART_ROUNDS`."""
PART_ROUNDS = 3
SPACY_ROUNDS = 4
REAL_ROUNDS = {10: 12, 30: 8, 130: 4}
REAL = {10: 4, 30: 2, 130: 1}
"""Real documents, and how often a pass reads each beside passages."""
MIXED_PASSAGES, MIXED_ROUNDS = 280, 2
MIXED_RATE, MIXED_HEAD_RATE = 2e-4, 1e-3
"""Lower than from the start: the model is to learn a corpus's borders and forget nothing."""
AMOUNTS = {35: 8, 70: 6, 140: 4, 280: PART_ROUNDS}
"""Passages, and passes over them: few passages are learned in more passes."""
ABLATED_PASSAGES = 280
REFINED_PASSAGES, VALIDATION_PASSAGES = 140, 80
REFINED_POLICY = "clinical"


def whole(bench: Bench, language: str) -> tuple[str, str, Callable[[], Tagger]]:
    """Key, name and opener of the encoder trained on a whole bank."""
    notes = bench.bank(language)
    key = f"{language}-{len(notes)}"
    return key, f"{len(notes)} passages", lambda: bench.model(key, language, notes, ROUNDS)


def scores(bench: Bench) -> Iterator[list[Row]]:
    """The table of taggers, the most telling rows first."""
    for language, names in JUDGED.items():
        key, what, opened = whole(bench, language)
        for name in names:
            yield bench.judge(key, f"{what}, encoder", opened, name)
        for name in names:
            yield bench.judge(f"{language}-gazetteer", "nothing: gazetteer",
                              lambda lang=language: gazetteer(lang), name)  # fmt: skip
            yield bench.judge(f"{language}-gazetteer-bank", "nothing: gazetteer with the bank",
                              lambda lang=language: gazetteer(lang, with_bank=True), name)  # fmt: skip
    for name in JUDGED["en"]:
        key, what, opened = whole(bench, "en")
        yield bench.judge(f"{key}-votes", f"{what}, encoder and votes",
                          lambda opened=opened: bench.voting(opened(), "en"), name)  # fmt: skip
    for language, names in JUDGED.items():
        notes = bench.bank(language)
        for name in names:
            policy = read_policy(CORPORA[name].policy)
            key = f"{language}-{len(notes)}-spacy-{policy.name}"
            yield bench.judge(
                key, f"{len(notes)} passages, spaCy",
                lambda key=key, language=language, notes=notes, policy=policy: bench.model(
                    key, language, notes, SPACY_ROUNDS, backend="spacy", policy=policy
                ), name,
            )  # fmt: skip
    for name in JUDGED["en"]:
        key, what, opened = mixed(bench, min(REAL))
        yield bench.judge(key, what, opened, name)
    for n in REAL:
        for name in JUDGED["en"]:
            yield bench.judge(f"en-real-{n}", f"{n} real maccrobat documents",
                              real_alone(bench, n), name)  # fmt: skip


def real_alone(bench: Bench, n: int) -> Callable[[], Tagger]:
    """Real documents and no passage."""
    return lambda: bench.model(f"en-real-{n}", "en", [], REAL_ROUNDS[n],
                               [bench.real("maccrobat", n)], swap=0.0)  # fmt: skip


def mixed(bench: Bench, n: int) -> tuple[str, str, Callable[[], Tagger]]:
    """The whole bank's model, trained on with some of its passages and real documents."""
    whole_key, what, opened = whole(bench, "en")
    key = f"{whole_key}-real-{n}"

    def trained() -> Tagger:
        opened()
        return bench.model(
            key, "en", bench.bank("en", MIXED_PASSAGES), MIXED_ROUNDS,
            [bench.real("maccrobat", n, REAL[n])], encoder=bench.work / "models" / whole_key,
            encoding=replace(bench.encoding, rate=MIXED_RATE, head_rate=MIXED_HEAD_RATE),
        )  # fmt: skip

    return key, f"{what} and {n} real maccrobat documents", trained


def part(bench: Bench, n: int) -> Callable[[], Tagger]:
    """The first passages of the bank."""
    return lambda: bench.model(f"en-{n}", "en", bench.bank("en", n), AMOUNTS[n])


def amount(bench: Bench) -> Iterator[list[Row]]:
    """F1 against passages, and against real documents added."""
    for n, passes in AMOUNTS.items():
        for name in JUDGED["en"]:
            yield bench.judge(f"en-{n}", "passages", part(bench, n), name,
                              n=n, passes=passes)  # fmt: skip
    key, _, opened = whole(bench, "en")
    n_all = len(bench.bank("en"))
    for name in JUDGED["en"]:
        yield bench.judge(key, "passages", opened, name, n=n_all, passes=ROUNDS)
        yield bench.judge(key, "all passages and real documents", opened, name, n=0,
                          passes=ROUNDS)  # fmt: skip
    for n in REAL:
        for name in JUDGED["en"]:
            yield bench.judge(f"en-real-{n}", "real documents alone", real_alone(bench, n), name,
                              n=n, passes=REAL_ROUNDS[n])  # fmt: skip
    for n in REAL:
        more_key, _, opened = mixed(bench, n)
        for name in JUDGED["en"]:
            yield bench.judge(more_key, "all passages and real documents", opened, name, n=n,
                              passes=ROUNDS + MIXED_ROUNDS)  # fmt: skip


def ablation(bench: Bench) -> Iterator[list[Row]]:
    """What each ingredient is worth, with a part of the bank."""
    n = ABLATED_PASSAGES
    notes = bench.bank("en", n)
    without: dict[str, tuple[str, list[Note], dict[str, Any]]] = {
        "all": (f"en-{n}", notes, {}),
        "without swapping": (f"en-{n}-noswap", notes, {"swap": 0.0}),
        "case reports only": (
            f"en-{n}-reports", [x for x in notes if x.kind == "case_report"], {},
        ),
        "without passages without mentions": (f"en-{n}-full", [x for x in notes if x.spans], {}),
        "only passages whose mentions are all present": (
            f"en-{n}-present",
            [x for x in notes if all(s.assertion == "present" for s in x.spans)], {},
        ),
    }  # fmt: skip
    for what, (key, chosen, more) in without.items():
        for name in JUDGED["en"]:
            yield bench.judge(
                key, what,
                lambda key=key, chosen=chosen, more=more: bench.model(
                    key, "en", chosen, PART_ROUNDS, **more
                ), name, passages=len(chosen),
            )  # fmt: skip
    for name in JUDGED["en"]:
        yield bench.judge(f"en-{n}-votes", "all, and the gazetteer votes",
                          lambda: bench.voting(part(bench, n)(), "en"), name,
                          passages=n)  # fmt: skip


def refinement(bench: Bench) -> Iterator[list[Row]]:
    """Rounds of `ner refine --offline`; corpora are judged beside it and decide nothing."""
    policy = read_policy(REFINED_POLICY)
    bank = read_bank("en")
    own = [p.note() for p in of_part(bank, "train")][:REFINED_PASSAGES]
    dev = [p.note() for p in of_part(bank, "dev")][:VALIDATION_PASSAGES]
    rest = of_part(bank, "train")
    taken: list[str] = []

    def trained(notes: Any) -> Tagger:
        key = f"en-refined-{len(taken)}"
        taken.append(key)
        return bench.model(key, "en", notes, PART_ROUNDS)

    made: Refined = refine(
        own, dev, policy, trained,
        offline_maker(rest, make_pools(rest, "en"), policy, seed=bench.seed),
    )  # fmt: skip
    for key, one in zip(taken, made.rounds):
        patterns = "; ".join(f"{name} {n}" for name, n in one.patterns[:3])
        columns = {k: v for k, v in asdict(one).items() if k in ("n_notes", "n_new", "usd")}
        for name in JUDGED["en"]:
            yield bench.judge(
                key, f"after {one.number - 1} rounds", lambda key=key: _kept(bench, key), name,
                **columns, **{"validation F1": round(one.f1, 3), "errors next": patterns},
            )  # fmt: skip


def _kept(bench: Bench, key: str) -> Tagger:
    return bench.model(key, "en", [], PART_ROUNDS)


PARTS = {"scores": scores, "amount": amount, "ablation": ablation, "refinement": refinement}
NOTES = (
    "Strict span F1; intervals are a bootstrap over documents.",
    f"Encoder: MiniLM-L6, {ROUNDS} passes over a whole bank; real documents alone: "
    + ", ".join(f"{k} passes over {n}" for n, k in REAL_ROUNDS.items())
    + ".",
    f"Real documents are added to the whole bank's model: {MIXED_ROUNDS} more passes over "
    f"{MIXED_PASSAGES} of its passages and the real documents, "
    + ", ".join(f"{n} of them {k} times" if k > 1 else f"{n} once" for n, k in REAL.items())
    + " a pass.",
    f"spaCy: from nothing, {SPACY_ROUNDS} passes, one model a policy.",
)


@click.command(help=__doc__)
@corpora_dir_option
@click.option("--work-dir", "work", required=True, type=click.Path(path_type=Path, file_okay=False),
              help="Folder for trained models and judged rows.")  # fmt: skip
@click.option(
    "--parts", multiple=True, type=click.Choice(list(PARTS)), default=tuple(PARTS),
    show_default=True,
)  # fmt: skip
@click.option("--most", type=click.IntRange(1), help="At most so many documents of each corpus.")
@click.option("--threads", type=click.IntRange(1))
@click.option("--seed", type=int, default=0, show_default=True)
@json_option
def main(corpora_dir: Path, work: Path, parts: tuple[str, ...], most: int | None,
         threads: int | None, seed: int, as_json: bool) -> None:  # fmt: skip
    bench = Bench(corpora_dir, work, threads, most, seed)
    for name in parts:
        rows: list[Row] = []
        for more in PARTS[name](bench):
            rows += more
            result = write_part(name, rows, most, seed)
        show(result, as_json=as_json)


def write_part(name: str, rows: list[Row], most: int | None, seed: int) -> dict[str, Any]:
    """All rows of a part, and its table for the page; the figure where there is one."""
    title = f"Taggers trained on synthetic text, on real corpora: {name}"
    settings = {"most": most, "seed": seed}
    write_result(f"ner-{name}", title, rows, notes=NOTES, **settings)
    if name == "amount":
        write_figure(rows)
    table = lines(rows, intervals=name == "scores")
    return write_result(f"ner-{name}-table", title, table, notes=NOTES, **settings)


if __name__ == "__main__":
    run_script(main)
