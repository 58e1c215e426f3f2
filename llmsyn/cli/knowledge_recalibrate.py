"""``llmsyn knowledge recalibrate``: the class scale, fitted to a profile's own tables."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from llmsyn.knowledge.recalibration import Fitted, Recalibration


@click.command(
    short_help="Fit the class scale to the cross-tables of a profile.",
    epilog="Example: llmsyn knowledge recalibrate my-profile -o my-scale",
)
@click.argument("name", metavar="PROFILE")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), required=True, metavar="OVERLAY",
    help="Folder to write; generate --knowledge OVERLAY reads it.",
)  # fmt: skip
@click.option(
    "--knowledge", "folders", multiple=True, metavar="DIR", type=click.Path(path_type=Path),
    help="Lay a folder of records over the shipped base; may be repeated, later ones win.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace an overlay that stands there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
def recalibrate(
    name: str, out: Path, folders: tuple[Path, ...], force: bool, as_json: bool, quiet: bool
) -> None:
    """Fit the class scale to the cross-tables of PROFILE, shrunk towards the shipped scale.

    Each kind of relation gets odds ratios of its own, with 95% intervals; what the tables do
    not speak of keeps the shipped value.  A profile without cross-tables is refused.
    """
    from llmsyn.knowledge.loading import load_base
    from llmsyn.knowledge.recalibration import overlay_text
    from llmsyn.knowledge.recalibration import recalibrate as fit
    from llmsyn.profile.reading import find_profile, read_profile
    from llmsyn.store import write_folder, write_text

    found = fit(read_profile(find_profile(name)), load_base(folders))
    text = overlay_text(found)
    write_folder(out, lambda folder: write_text(folder / "classes.toml", text), force=force)
    if as_json:
        click.echo(json.dumps({"overlay": str(out), **_plain(found)}, indent=2))
    elif not quiet:
        _show(found)
        click.echo(f"wrote {out}; use it with: llmsyn generate PROFILE --knowledge {out} ...")


def _plain(found: Recalibration) -> dict[str, Any]:
    return {**asdict(found), "rows": [_row(row) for row in found.rows]}


def _row(row: Fitted) -> dict[str, Any]:
    """Odds ratios for classes, factors for multipliers."""
    shown: dict[str, Any] = {"relation": row.relation, "class": row.strength}
    for key in ("prior", "value", "low", "high"):
        each = getattr(row, key)
        shown[key] = round(each if row.strength is None else math.exp(each), 4)
    shown |= {"pairs": row.n_pairs, "cells": row.n_cells, "between": round(row.between, 4)}
    return shown


def _show(found: Recalibration) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"Odds ratios before and after, from {found.n_cells:,} cells of {found.n_tables} "
        f"tables of {found.profile}",
        title_justify="left",
    )
    for title in ("relation", "class"):
        table.add_column(title)
    for title in ("before", "after", "95% interval", "pairs", "cells"):
        table.add_column(title, justify="right")
    for row in map(_row, found.rows):
        spoken = bool(row["pairs"])
        table.add_row(
            row["relation"],
            "factor" if row["class"] is None else f"{row['class']:+d}",
            f"{row['prior']:.3g}",
            f"{row['value']:.3g}" if spoken else "as before",
            f"{row['low']:.3g} to {row['high']:.3g}" if spoken else "",
            f"{row['pairs']:,}",
            f"{row['cells']:,}",
        )
    Console().print(table)
    click.echo(
        f"{found.n_unpublished:,} associations have no published cell, and {found.n_small:,} "
        "cells are expected to be too small to use"
    )
