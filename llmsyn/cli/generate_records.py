"""``llmsyn generate --method records``: a language model writes each patient."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llmsyn.cli.elicit import stage_bars
from llmsyn.cli.model_options import tally_json, tally_text

if TYPE_CHECKING:
    from llmsyn.generation.records import RecordsResult
    from llmsyn.llm.requests import ModelOptions


def write_records(
    profile: str,
    n: int | None,
    seed: int,
    out: Path,
    options: ModelOptions,
    *,
    as_json: bool,
    quiet: bool,
    force: bool,
    cache: bool,
    **settings: Any,
) -> None:
    """Run records mode, or reckon what it would cost, and say what came of it."""
    from llmsyn.generation.records import DEFAULT_N, generate_records, rehearse
    from llmsyn.llm.opening import open_model
    from llmsyn.profile.reading import find_profile, read_profile

    given, size = read_profile(find_profile(profile)), n or DEFAULT_N
    if options.dry_run:
        with open_model(options) as model:
            tally = rehearse(given, size, seed=seed, model=model, **settings)
        click.echo(json.dumps(tally_json(tally), indent=2) if as_json
                   else tally_text(tally, options))  # fmt: skip
        return
    with open_model(options) as model, stage_bars(quiet or as_json) as told:
        result = generate_records(
            given, size, seed=seed, out=out, model=model, force=force, cache=cache, progress=told,
            **settings,
        )  # fmt: skip
        tally = model.tally
    if as_json:
        records = result.manifest["records"]
        shown = {"folder": str(result.folder), "n": size, "records": records}
        click.echo(json.dumps({**shown, "tally": tally_json(tally)}, indent=2))
    elif not quiet:
        _say(result, size)
        click.echo(tally_text(tally, options))


def _say(result: RecordsResult, n: int) -> None:
    records = result.manifest["records"]
    for reason, number in records["failed"].items():
        click.echo(f"note: {number} patients left out ({reason})", err=True)
    gap = records["gap"]
    click.echo(
        f"{n:,} synthetic {result.manifest['unit']}s in {result.folder} from "
        f"{records['completed']:,} proposals, {records['distinct']:,} of them used; mean gap to "
        f"{gap['cells']:,.0f} published cells {gap['mean_drawn']:.4f}, largest "
        f"{gap['largest_drawn']:.4f} (raking.csv)"
    )
