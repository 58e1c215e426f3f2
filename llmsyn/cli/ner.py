"""``llmsyn ner``: train, evaluate and use a tagger of clinical entities."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llmsyn.cli.lazy import Lazy, LazyGroup

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmsyn.ner.evaluating import NerReport
    from llmsyn.notes.types import Note

_FILE = click.Path(path_type=Path)


LATER = {
    "refine": Lazy("llmsyn.cli.ner_refine:refine", "Train again against the errors, in rounds."),
}


@click.group(cls=LazyGroup, lazy=LATER)
def ner() -> None:
    r"""Named entity recognition, trained on synthetic notes.

    A tagger is a folder that train wrote, or gazetteer:LANGUAGE, which needs no training.

    \b
    Example:
      llmsyn ner evaluate gazetteer:en corpus.jsonl --policy clinical
    """


@ner.command()
@click.argument("notes", nargs=-1, type=_FILE)
@click.option("-o", "--out", required=True, type=_FILE, help="Folder of the model.")
@click.option(
    "--backend", type=click.Choice(["encoder", "spacy"]), default="encoder", show_default=True
)
@click.option("--dev", type=_FILE, help="Notes to report on at the end.")
@click.option("--language", default="en", show_default=True, help="Of swapped surfaces.")
@click.option("--policy", help="Labels that spaCy learns, and that --dev is judged by.")
@click.option("--rounds", type=click.IntRange(1, 100), default=5, show_default=True, help="Passes.")
@click.option(
    "--swap", type=click.FloatRange(0, 1), default=0.5, show_default=True,
    help="Probability that a surface is exchanged in all passes but the last.",
)  # fmt: skip
@click.option(
    "--add", type=(_FILE, str), multiple=True, metavar="FILE POLICY",
    help="Further notes in the labels of a policy, such as real ones; may be repeated.",
)  # fmt: skip
@click.option(
    "--repeat", type=click.IntRange(1), default=1, show_default=True, help="Of added notes."
)
@click.option(
    "--encoder", type=_FILE,
    help="Folder of an encoder, or of a model to go on from  [default: fetched MiniLM-L6].",
)  # fmt: skip
@click.option("--threads", type=click.IntRange(1), help="Of torch  [default: its own choice].")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def train(
    notes: tuple[Path, ...], out: Path, backend: str, dev: Path | None, language: str,
    policy: str | None, rounds: int, swap: float, add: tuple[tuple[Path, str], ...], repeat: int,
    encoder: Path | None, threads: int | None, seed: int, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    r"""Train a tagger on NOTES, which have the bank's labels (`llmsyn notes`).

    \b
    Example:
      llmsyn notes passages -o bank.jsonl
      llmsyn ner train bank.jsonl -o model --rounds 5
    """
    from dataclasses import replace

    from llmsyn.errors import OutputError
    from llmsyn.ner.evaluating import evaluate as judge
    from llmsyn.ner.fetch import fetch
    from llmsyn.ner.fitting import EncoderSettings
    from llmsyn.ner.reading import surfaces
    from llmsyn.ner.training import Added, TrainSettings, as_policy
    from llmsyn.ner.training import train as run
    from llmsyn.notes.policies import read_policy
    from llmsyn.store import sha256_file

    if out.exists():
        raise OutputError(f"{out} exists; choose another folder")
    rule = None if policy is None else read_policy(policy)
    base = None if backend == "spacy" else encoder or fetch()
    settings = TrainSettings(
        backend,  # type: ignore[arg-type]  # click has checked it
        language, rounds, swap, seed, base, rule, EncoderSettings(threads=threads),
    )  # fmt: skip
    own = [note for file in notes for note in _read(file)]
    added = []
    for file, name in add:
        labels = read_policy(name)
        added.append(Added(as_policy(_read(file), labels), labels, repeat))
    with _bar("training", quiet or as_json) as told:
        tagger = run(own, settings, added, told)
    meta = {
        "language": language, "rounds": rounds, "swap": swap, "seed": seed, "notes": len(own),
        "trained_on": {f.name: sha256_file(f) for f in (*notes, *(f for f, _ in add))},
        "added": [[part.policy.name, len(part.notes)] for part in added],
    }  # fmt: skip
    tagger.save(out, meta)
    report = None
    if dev is not None:
        seen = surfaces([*own, *(note for part in added for note in part.notes)])
        judged = rule or replace(read_policy("bank"))
        report = judge(tagger, _read(dev), judged, seen=seen)
    if as_json:
        click.echo(
            json.dumps(meta | ({} if report is None else {"dev": report.to_json()}), indent=2)
        )
    elif not quiet:
        click.echo(f"{backend} trained on {len(own):,} notes in {out}")
        if report is not None:
            show(report)


@ner.command(short_help="Scores of a tagger on a corpus, with 95% intervals.")
@click.argument("model")
@click.argument("corpus", type=_FILE)
@click.option("--policy", required=True, help="Label policy, shipped name or .toml.")
@click.option("--most", type=click.IntRange(1), help="First so many notes only.")
@click.option("--votes", is_flag=True, help="Let the gazetteer vote beside an encoder.")
@click.option(
    "--trained-on", multiple=True, type=_FILE, help="Training notes, for unseen surfaces."
)
@click.option("--brief", is_flag=True, help="Strict scores only.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def evaluate(
    model: str, corpus: Path, policy: str, most: int | None, votes: bool,
    trained_on: tuple[Path, ...], brief: bool, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    r"""Score MODEL on CORPUS (JSON Lines): strict, partial and type F1 with 95% intervals.

    \b
    Example:
      llmsyn ner evaluate model corpus.jsonl.gz --policy ncbi
    """
    from llmsyn.ner.evaluating import evaluate as judge
    from llmsyn.ner.reading import surfaces
    from llmsyn.ner.tagger import open_tagger
    from llmsyn.notes.policies import read_policy

    seen = surfaces(note for file in trained_on for note in _read(file))
    gold = _read(corpus)[:most]
    report = judge(open_tagger(model, votes=votes), gold, read_policy(policy), seen=seen)
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=2))
    elif not quiet:
        show(report, brief=brief)


@ner.command()
@click.argument("model")
@click.argument("notes", type=_FILE)
@click.option("-o", "--out", required=True, type=_FILE, help="JSON Lines file to write.")
@click.option("--policy", default="bank", show_default=True)
@click.option("--votes", is_flag=True, help="Let the gazetteer vote beside an encoder.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def predict(model: str, notes: Path, out: Path, policy: str, votes: bool, quiet: bool) -> None:
    r"""Tag NOTES (JSON Lines with a text); nothing leaves this machine.

    With gazetteer:LANGUAGE these are distant labels for text of your own: train on them with
    `ner train --add`.

    \b
    Example:
      llmsyn ner predict gazetteer:en own.jsonl -o own-distant.jsonl --policy clinical
    """
    from dataclasses import replace

    from llmsyn.ner.tagger import open_tagger
    from llmsyn.notes.jsonl import write_notes
    from llmsyn.notes.policies import read_policy

    texts = _read(notes)
    found = open_tagger(model, votes=votes).tag([n.text for n in texts], read_policy(policy))
    write_notes(out, (replace(note, spans=spans) for note, spans in zip(texts, found)))
    if not quiet:
        click.echo(f"{len(texts):,} notes, {sum(map(len, found)):,} spans in {out}")


@ner.command()
@click.argument("notes", type=_FILE)
@click.option("-o", "--out", required=True, type=_FILE, help="Folder for train, dev and test.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def split(notes: Path, out: Path, seed: int, quiet: bool) -> None:
    r"""Split NOTES 60/20/20: no patient and no passage stands in two parts.

    \b
    Example:
      llmsyn ner split bank.jsonl -o parts --seed 1
    """
    from llmsyn.ner.splitting import split as divide
    from llmsyn.notes.jsonl import write_notes

    for name, part in divide(_read(notes), seed=seed).items():
        write_notes(out / f"{name}.jsonl", part)
        if not quiet:
            click.echo(f"{len(part):,} notes in {out / name}.jsonl")


def _read(file: Path) -> list[Note]:
    from llmsyn.notes.jsonl import read_notes

    return list(read_notes(file))


def _bar(label: str, quiet: bool) -> Any:
    """A bar on stderr that also shows the loss."""
    import sys
    from contextlib import contextmanager

    @contextmanager
    def shown() -> Any:
        if quiet or not sys.stderr.isatty():
            yield None
            return
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bars:
            task = bars.add_task(label, total=None)

            def tell(done: int, total: int, loss: float) -> None:
                bars.update(task, completed=done, total=total, description=f"{label} {loss:.2f}")

            told: Callable[[int, int, float], None] = tell
            yield told

    return shown()


def show(report: NerReport, *, brief: bool = False) -> None:
    """Print a report as tables; the strict scores alone where ``brief``."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(
        title=f"{report.tagger}, policy {report.policy}, {report.n_notes:,} notes",
        title_justify="left",
    )
    for name in ("label", "way", "precision", "recall", "F1", "95% interval", "gold", "found"):
        table.add_column(name, justify="left" if name in ("label", "way") else "right")
    for way, scores in report.spans.items():
        if brief and way != "strict":
            continue
        for label, s in scores.items():
            table.add_row(
                label, way, f"{s.precision:.3f}", f"{s.recall:.3f}", f"{s.f1:.3f}",
                f"{s.low:.3f} to {s.high:.3f}", f"{s.n_gold:,}", f"{s.n_predicted:,}",
            )  # fmt: skip
    console.print(table)
    if brief:
        return
    for label, r in report.records.items():
        console.print(
            f"record level, {label}: accuracy {r.accuracy:.3f}, recall {r.recall:.3f}, F1 {r.f1:.3f}; "
            f"different mentions: F1 {r.mention_f1:.3f}"
        )
    for group, recall in report.recall.items():
        console.print(f"strict recall, {group}: {recall.share:.3f} of {recall.n:,}")
