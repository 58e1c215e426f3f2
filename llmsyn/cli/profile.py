"""``llmsyn profile``: list, init, check, show and compare aggregate statistics."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from llmsyn.errors import CheckFailed


@click.group()
def profile() -> None:
    """Aggregate statistics: the input, where no patient is."""


_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
_quiet = click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")


def _print(renderable: Any) -> None:
    from rich.console import Console

    console = Console()
    # Lines that go into a file or a pipe are not broken at 80 characters.
    console.print(renderable, soft_wrap=not console.is_terminal)


def _print_json(value: Any) -> None:
    click.echo(json.dumps(_plain(value), indent=2, ensure_ascii=False))


def _plain(value: Any) -> Any:
    """JSON has no NaN; a number that is not published is null."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value


@profile.command("list", epilog="Example: llmsyn profile list --json")
@_json
@_quiet
def list_profiles(as_json: bool, quiet: bool) -> None:
    """Name the profiles that ship with the program.

    With --quiet only their names are printed, one a line.
    """
    from llmsyn.profile.reading import read_profile, shipped_profiles

    found = [(name, read_profile(folder)) for name, folder in shipped_profiles().items()]
    if as_json:
        _print_json(
            [
                {"name": name, "title": p.title, "unit": p.unit, "n_units": p.n_units}
                for name, p in found
            ]
        )
    elif quiet:
        for name, _ in found:
            click.echo(name)
    else:
        from llmsyn.cli.profile_view import profiles_view

        _print(profiles_view((name, f"{p.n_units:,.6g} {p.unit}s", p.title) for name, p in found))


@profile.command(epilog="Example: llmsyn profile init my-hospital")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace the folder if it exists.")
@_quiet
def init(folder: Path, force: bool, quiet: bool) -> None:
    """Write a commented template to type published tables into.

    FOLDER is made; it must not exist.
    """
    from llmsyn.profile.template import write_template

    write_template(folder, force=force)
    if not quiet:
        click.echo(f"Wrote {folder}; edit its files, then run: llmsyn profile check {folder}")


@profile.command(epilog="Example: llmsyn profile check ./my-hospital")
@click.argument("name", metavar="PROFILE")
@click.option("--strict", is_flag=True, help="Fail at warnings, too.")
@_json
@_quiet
def check(name: str, strict: bool, as_json: bool, quiet: bool) -> None:
    """Look for contradictions in a profile.

    PROFILE is a folder or the name of a shipped profile. Every finding names file and row,
    or the key in profile.toml. Ends with 4 when there are errors and with 2 when the
    profile cannot be read.
    """
    from llmsyn.profile.findings import check_profile
    from llmsyn.profile.reading import find_profile, read_profile_with_rows

    read, source = read_profile_with_rows(find_profile(name))
    findings = check_profile(read, source)
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = len(findings) - errors
    if as_json:
        _print_json(
            {"errors": errors, "warnings": warnings, "findings": [asdict(f) for f in findings]}
        )
    elif not quiet:
        from llmsyn.cli.profile_view import findings_view

        if findings:
            _print(findings_view(findings))
        else:
            click.echo(f"{read.name}: nothing to complain about")
    if errors or (strict and warnings):
        raise CheckFailed(
            f"{read.name}: {_number(errors, 'error')}, {_number(warnings, 'warning')}"
        )


def _number(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


@profile.command(epilog="Example: llmsyn profile show mimic4-demo --top 20")
@click.argument("name", metavar="PROFILE")
@click.option(
    "--top",
    default=10,
    show_default=True,
    type=click.IntRange(min=0),
    help="Codes listed of each code set, most frequent first.",
)
@_json
@_quiet
def show(name: str, top: int, as_json: bool, quiet: bool) -> None:
    """Print what a profile says, in short.

    PROFILE is a folder or the name of a shipped profile. With --quiet it is read and
    nothing is printed.
    """
    from llmsyn.codes import title
    from llmsyn.profile.reading import find_profile, read_profile
    from llmsyn.profile.summary import summarise

    summary = summarise(read_profile(find_profile(name)), top=top, title=title)
    if as_json:
        _print_json(asdict(summary))
    elif not quiet:
        from llmsyn.cli.profile_view import summary_view

        _print(summary_view(summary))


@profile.command(
    short_help="Compare two profiles.",
    epilog="Example: llmsyn profile diff ./january ./february --top 50",
)
@click.argument("a")
@click.argument("b")
@click.option(
    "--top",
    default=20,
    show_default=True,
    type=click.IntRange(min=0),
    help="Cells listed, largest difference first.",
)
@_json
@_quiet
def diff(a: str, b: str, top: int, as_json: bool, quiet: bool) -> None:
    """Compare two profiles: variables, tables, and the share in every published cell.

    A and B are folders or names of shipped profiles. With --json all cells that differ are
    printed.
    """
    from llmsyn.profile import difference
    from llmsyn.profile.reading import find_profile, read_profile

    found = difference.diff(read_profile(find_profile(a)), read_profile(find_profile(b)))
    if as_json:
        cells = [{**asdict(cell), "difference": cell.difference} for cell in found.cells]
        _print_json({**asdict(found), "cells": cells, "largest": found.largest})
    elif not quiet:
        if found.is_empty:
            click.echo(f"no difference in {found.n_cells:,} cells")
        else:
            from llmsyn.cli.profile_view import difference_view

            _print(difference_view(found, Path(a).name, Path(b).name, top))
