"""``llmsyn ner refine``: rounds of training against the errors."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llmsyn.cli.model_options import model_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmsyn.llm.requests import ModelOptions
    from llmsyn.ner.refining import Maker
    from llmsyn.ner.tagger import Tagger
    from llmsyn.notes.types import Note

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("notes", nargs=-1, type=_FILE, required=True)
@click.option("--dev", required=True, type=_FILE, help="Validation notes; never the test set.")
@click.option("-o", "--out", required=True, type=_FILE, help="Folder of the best model.")
@click.option("--policy", required=True, help="Labels by which validation is judged.")
@click.option(
    "--backend", type=click.Choice(["encoder", "spacy"]), default="encoder", show_default=True
)
@click.option("--language", default="en", show_default=True)
@click.option(
    "--rounds", type=click.IntRange(1, 10), default=3, show_default=True, help="Of refinement."
)
@click.option(
    "--passes", type=click.IntRange(1, 100), default=5, show_default=True, help="Of each training."
)
@click.option(
    "--offline", is_flag=True, help="New passages from the bank, without a language model."
)
@click.option("--encoder", type=_FILE, help="Folder of the encoder  [default: fetched MiniLM-L6].")
@click.option("--threads", type=click.IntRange(1), help="Of torch.")
@click.option("--seed", type=int, default=0, show_default=True)
@model_options
@click.option("--json", "as_json", is_flag=True, help="Print the rounds as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def refine(
    notes: tuple[Path, ...], dev: Path, out: Path, policy: str, backend: str, language: str,
    rounds: int, passes: int, offline: bool, encoder: Path | None, threads: int | None, seed: int,
    model_options: ModelOptions, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    r"""Group the errors on --dev, get passages against them, train again; up to three rounds.

    Real validation notes are compared on this machine; a request never holds a word of them.

    \b
    Example:
      llmsyn ner refine train.jsonl --dev dev.jsonl -o model --policy clinical --offline
    """
    from contextlib import ExitStack

    from llmsyn.errors import OutputError
    from llmsyn.llm.opening import open_model
    from llmsyn.ner.explaining import model_maker
    from llmsyn.ner.fetch import fetch
    from llmsyn.ner.fitting import EncoderSettings
    from llmsyn.ner.refining import refine as run
    from llmsyn.ner.training import TrainSettings, train
    from llmsyn.notes.jsonl import read_notes
    from llmsyn.notes.policies import read_policy

    if out.exists():
        raise OutputError(f"{out} exists; choose another folder")
    rule = read_policy(policy)
    base = None if backend == "spacy" else encoder or fetch()
    settings = TrainSettings(
        backend,  # type: ignore[arg-type]  # click has checked it
        language, passes, seed=seed, encoder=base, policy=rule,
        encoding=EncoderSettings(threads=threads),
    )  # fmt: skip
    own = [note for file in notes for note in read_notes(file)]
    judged = list(read_notes(dev))

    def trained(with_new: Sequence[Note]) -> Tagger:
        return train(with_new, settings)

    with ExitStack() as stack:
        maker: Maker
        if offline:
            maker = _from_bank(language, rule, judged, seed)
        else:
            maker = model_maker(
                stack.enter_context(open_model(model_options)), language, dev=judged
            )
        made = run(own, judged, rule, trained, maker, rounds=rounds)
    table: list[dict[str, Any]] = [asdict(one) for one in made.rounds]
    tagger: Any = made.tagger
    tagger.save(out, {"language": language, "rounds": table, "notes": len(made.notes)})
    if as_json:
        click.echo(json.dumps(table, indent=2))
    elif not quiet:
        for one in made.rounds:
            click.echo(
                f"round {one.number}: validation F1 {one.f1:.3f} with {one.n_notes:,} notes; "
                f"{one.n_new} new, {one.usd:.2f} USD"
            )
            for name, n in one.patterns[:5]:
                click.echo(f"    {n:>5}  {name}")


def _from_bank(language: str, rule: Any, judged: Sequence[Note], seed: int) -> Maker:
    """Passages of the bank that are not among the validation notes."""
    from llmsyn.ner.refining import offline_maker
    from llmsyn.notes.bank import read_bank
    from llmsyn.notes.pools import make_pools

    held = {family for note in judged for family in note.families}
    bank = [passage for passage in read_bank(language) if passage.id not in held]
    return offline_maker(bank, make_pools(bank, language), rule, seed=seed)
