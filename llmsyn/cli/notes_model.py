"""``llmsyn notes write|paraphrase|annotate|judge``: what a language model can do for notes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llmsyn.cli.model_options import model_options, progress_bar, tally_json, tally_text

if TYPE_CHECKING:
    from llmsyn.llm.requests import ModelOptions
    from llmsyn.notes.types import Note

_FILE = click.Path(path_type=Path)
_OUT = click.option("-o", "--out", type=_FILE, help="JSON Lines file to write.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
_QUIET = click.option("--quiet", is_flag=True, help="Print nothing but errors.")
_MOST = click.option("--most", type=click.IntRange(1), help="First so many notes only.")


@click.command()
@_OUT
@click.option("-n", "number", type=click.IntRange(1), default=20, show_default=True)
@click.option("--language", default="English", show_default=True, help="As the model is told.")
@click.option("--condition", multiple=True, help="Record of the knowledge base  [default: all].")
@click.option("--register", multiple=True, help="Register  [default: all in turn].")
@click.option("--seed", type=int, default=0, show_default=True)
@model_options
@_JSON
@_QUIET
def write(
    out: Path | None, number: int, language: str, condition: tuple[str, ...],
    register: tuple[str, ...], seed: int, model_options: ModelOptions, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    r"""Ask for tagged passages; benchmarks/import_prose.py makes bank passages of them.

    The model sees the guideline, a condition, a register and a language, nothing else.

    \b
    Example:
      llmsyn notes write -o new.jsonl -n 200 --language Spanish --batch requests --model gpt-5
    """
    from llmsyn.errors import InputError
    from llmsyn.knowledge.loading import load_base
    from llmsyn.llm.opening import open_model
    from llmsyn.notes.writing import REGISTERS, wanted, write_passages
    from llmsyn.store import write_text

    _need(out, model_options)
    base = load_base()
    unknown = [name for name in condition if name not in base.conditions]
    if unknown:
        raise InputError(
            f"there is no condition {unknown[0]!r}; llmsyn knowledge show lists the records"
        )
    named = [
        (f"conditions/{record.id}", record.name)
        for record in base.conditions.values()
        if (record.id in condition if condition else record.family != "factors")
    ]
    asked = wanted(named, language, number, seed=seed, registers=register or REGISTERS)
    with (
        open_model(model_options) as model,
        progress_bar("passages", quiet=quiet or as_json) as told,
    ):
        made = write_passages(asked, model, told)
    if out is not None and not model_options.dry_run:
        write_text(out, "".join(json.dumps(x, ensure_ascii=False) + "\n" for x in made.lines))
    result = {"passages": len(made.lines), "dropped": made.dropped}
    _say(result, model.tally, model_options, as_json, quiet)


@click.command()
@click.argument("notes", type=_FILE)
@_OUT
@_MOST
@model_options
@_JSON
@_QUIET
def paraphrase(
    notes: Path, out: Path | None, most: int | None, model_options: ModelOptions, as_json: bool,
    quiet: bool,
) -> None:  # fmt: skip
    r"""Word synthetic NOTES anew around their mentions, which all have to survive.

    \b
    Example:
      llmsyn notes paraphrase notes.jsonl -o new.jsonl --llm-url http://127.0.0.1:8000/v1 --model m
    """
    from llmsyn.llm.opening import open_model
    from llmsyn.notes.jsonl import write_notes
    from llmsyn.notes.paraphrasing import paraphrase as run

    _need(out, model_options)
    given = _read(notes, most)
    with open_model(model_options) as model, progress_bar("notes", quiet=quiet or as_json) as told:
        made = run(given, model, told)
    if out is not None and not model_options.dry_run:
        write_notes(out, made.notes)
    result = {"notes": len(made.notes), "dropped": made.dropped}
    _say(result, model.tally, model_options, as_json, quiet)


@click.command()
@click.argument("notes", type=_FILE)
@_OUT
@_MOST
@click.option(
    "--way", type=click.Choice(["list", "tagged", "json"]), default="json", show_default=True
)
@click.option("--examples", type=click.IntRange(0, 10), default=0, show_default=True)
@click.option("--label", multiple=True, help="Label of the bank  [default: the main ones].")
@model_options
@_JSON
@_QUIET
def annotate(
    notes: Path, out: Path | None, most: int | None, way: str, examples: int,
    label: tuple[str, ...], model_options: ModelOptions, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    r"""Let a language model find the mentions of NOTES (JSON Lines with a text).

    Text that llmsyn did not write is sent to a server on 127.0.0.1, ::1 or localhost only.

    \b
    Example:
      llmsyn notes annotate own.jsonl -o own-labelled.jsonl --llm-url http://127.0.0.1:8000/v1 --model m
    """
    from llmsyn.llm.opening import open_model
    from llmsyn.notes.annotating import annotate as run
    from llmsyn.notes.bank import read_bank
    from llmsyn.notes.jsonl import write_notes
    from llmsyn.notes.types import LABELS

    _need(out, model_options)
    given = _read(notes, most)
    language = next((n.language for n in given if n.language), "en")
    shown = [p for p in read_bank(language) if p.spans][:examples] if examples else []
    with open_model(model_options) as model, progress_bar("notes", quiet=quiet or as_json) as told:
        made = run(given, model, way, label or tuple(LABELS), shown, told)  # type: ignore[arg-type]
    if out is not None and not model_options.dry_run:
        write_notes(out, made.notes)
    result = {
        "notes": len(made.notes),
        "spans": sum(len(n.spans) for n in made.notes),
        "dropped": made.dropped,
        "failed": made.failed,
    }
    _say(result, model.tally, model_options, as_json, quiet)


@click.command()
@click.argument("notes", type=_FILE)
@_OUT
@_MOST
@model_options
@_JSON
@_QUIET
def judge(
    notes: Path, out: Path | None, most: int | None, model_options: ModelOptions, as_json: bool,
    quiet: bool,
) -> None:  # fmt: skip
    r"""Let a second tutor read the labels of NOTES; its agreement is reported.

    \b
    Example:
      llmsyn notes judge notes.jsonl -o verdicts.jsonl --most 50 --llm local
    """
    from llmsyn.llm.opening import open_model
    from llmsyn.notes.judging import judge as run
    from llmsyn.store import write_text

    _need(out, model_options)
    with open_model(model_options) as model, progress_bar("notes", quiet=quiet or as_json) as told:
        made = run(_read(notes, most), model, told)
    if out is not None and not model_options.dry_run:
        lines = (json.dumps(asdict(v), ensure_ascii=False) + "\n" for v in made.verdicts)
        write_text(out, "".join(lines))
    agreement = None if made.agreement != made.agreement else made.agreement
    result = {
        "notes": len(made.verdicts), "agreement": agreement, "faults": made.faults,
        "failed": made.failed,
    }  # fmt: skip
    _say(result, model.tally, model_options, as_json, quiet)


def _need(out: Path | None, options: ModelOptions) -> None:
    from llmsyn.errors import InputError

    if out is None and not options.dry_run:
        raise InputError("no file is named for the answers; give one with -o")


def _read(file: Path, most: int | None) -> list[Note]:
    from itertools import islice

    from llmsyn.notes.jsonl import read_notes

    return list(islice(read_notes(file), most))


def _say(
    result: dict[str, Any], tally: Any, options: ModelOptions, as_json: bool, quiet: bool
) -> None:
    if as_json:
        click.echo(json.dumps(result | {"tally": tally_json(tally)}, indent=2))
    elif not quiet:
        if not options.dry_run:
            click.echo(", ".join(f"{key}: {value}" for key, value in result.items()))
        click.echo(tally_text(tally, options))
