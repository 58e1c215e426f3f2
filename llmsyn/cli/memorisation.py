"""``llmsyn memorisation``: which rows of public data sets a language model knows by heart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from llmsyn.cli.model_options import model_options, progress_bar, tally_json, tally_text

if TYPE_CHECKING:
    from llmsyn.evaluation.types import Measure
    from llmsyn.llm.requests import ModelOptions


@click.command(short_help="Which rows of public data sets a language model knows by heart.")
@click.argument("known", nargs=-1, required=True, metavar="NAME=FILE...")
@model_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def memorisation(
    known: tuple[str, ...], model_options: ModelOptions, as_json: bool, quiet: bool
) -> None:
    r"""Ask a language model for rows of public data sets, and count those that are real.

    NAME is diabetes130 or mimic3-demo, FILE the table that is compared with, here: the model
    is told the name of the set and of its columns, and never sees a row. Keep the replies for
    llmsyn evaluate --memorised NAME=FILE --replies FOLDER.

    \b
    Example:
      llmsyn memorisation diabetes130=diabetic_data.csv --batch requests --model gpt-5-mini
      llmsyn memorisation diabetes130=diabetic_data.csv --replay replies --json
    """
    from llmsyn.evaluation.attacks.known_sets import rows_of
    from llmsyn.evaluation.attacks.memorisation import memorisation as probe
    from llmsyn.llm.opening import open_model

    rows = rows_of(known)
    with open_model(model_options) as model, progress_bar("asked", quiet=quiet or as_json):
        found = probe(model, rows)
    if as_json:
        said = {"measures": [m.to_json() for m in found.measures],
                "tally": tally_json(model.tally)}  # fmt: skip
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
    elif not quiet:
        if not model_options.dry_run:
            for measure in found.measures:
                click.echo(_line(measure))
            click.echo(found.does_not_show)
        click.echo(tally_text(model.tally, model_options))


def _line(measure: Measure) -> str:
    parts: list[Any] = [measure.score]
    if measure.floor is not None:
        parts.append(measure.floor)
    return "; ".join(map(str, [*parts, *(c.score for c in measure.controls)]))
