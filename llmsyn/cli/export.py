"""``llmsyn export``: a synthetic cohort in the formats of the field."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from llmsyn.export.about import Exported
    from llmsyn.export.dates import Calendar

Command = TypeVar("Command", bound=Callable[..., Any])
_DAY = click.DateTime(["%Y-%m-%d"])


@click.group(short_help="Write a cohort as OMOP, FHIR, MEDS, CSV or one database file.")
def export() -> None:
    """Write a synthetic cohort in a format of the field; every format says that it is synthetic.

    Dates are made up from the seed: only lengths of stay, gaps and the order of events mean
    something.  Real tables are never exported.
    """


def _options(command: Command) -> Command:
    """What every format takes."""
    for option in reversed([
        click.argument("cohort", type=click.Path(path_type=Path)),
        click.option("-o", "--out", type=click.Path(path_type=Path), required=True,
                     help="Output folder."),
        click.option("--from", "first", type=_DAY, default="2020-01-01", show_default=True,
                     help="First day of admissions."),
        click.option("--to", "last", type=_DAY, default="2020-12-31", show_default=True,
                     help="Last day of (first) admissions."),
        click.option("--stay-days", type=float, default=3.0, show_default=True,
                     help="Length of stay where the profile gives none."),
        click.option("--gap-days", type=float, default=180.0, show_default=True,
                     help="Days between visits where the profile gives none."),
        click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Of the dates  [default: the cohort's]."),
        click.option("--force", is_flag=True, help="Replace an export that stands there."),
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
        click.option("--quiet", is_flag=True, help="Print nothing but errors."),
    ]):  # fmt: skip
        command = option(command)
    return command


@export.command()
@_options
@click.option("--vocabulary", type=click.Path(path_type=Path), help="Folder unpacked from Athena.")
@click.option("--notes", type=click.Path(path_type=Path), help="Notes with spans, as JSON lines.")
@click.option("--as", "form", type=click.Choice(["parquet", "csv"]), default="parquet",
              show_default=True, help="File format of the tables.")  # fmt: skip
def omop(vocabulary: Path | None, notes: Path | None, form: str, **shared: Any) -> None:
    r"""Write COHORT as OMOP CDM 5.4.

    Concept ids of codes come from your own Athena download; without it they are 0 beside the
    source values.

    \b
    Example:
      llmsyn export omop out/demo -o out/omop --vocabulary athena/
    """
    from llmsyn.export.omop import write_omop

    _run(shared, lambda *given, force: write_omop(
        *given, vocabulary=vocabulary, notes=notes, form=form, force=force))  # type: ignore[arg-type]  # fmt: skip


@export.command()
@_options
@click.option("--bundles", is_flag=True, help="One transaction Bundle a patient.")
def fhir(bundles: bool, **shared: Any) -> None:
    r"""Write COHORT as FHIR R4, newline-delimited JSON for bulk import.

    \b
    Example:
      llmsyn export fhir out/demo -o out/fhir
    """
    from llmsyn.export.fhir import write_fhir

    _run(shared, lambda *given, force: write_fhir(*given, bundles=bundles, force=force))


@export.command()
@_options
def meds(**shared: Any) -> None:
    r"""Write COHORT as a MEDS 0.4 dataset.

    \b
    Example:
      llmsyn export meds out/demo -o out/meds
    """
    from llmsyn.export.meds import write_meds

    _run(shared, write_meds)


@export.command()
@_options
def csv(**shared: Any) -> None:
    r"""Write COHORT as CSV files laid out like MIMIC-IV.

    \b
    Example:
      llmsyn export csv out/demo -o out/csv
    """
    from llmsyn.export.csv import write_csv

    _run(shared, write_csv)


@export.command()
@_options
@click.option("--engine", type=click.Choice(["duckdb", "sqlite"]), default="duckdb",
              show_default=True, help="Kind of database.")  # fmt: skip
def duckdb(engine: str, **shared: Any) -> None:
    r"""Write COHORT as one database file, DuckDB or SQLite.

    \b
    Example:
      llmsyn export duckdb out/demo -o out/db
    """
    from llmsyn.export.database import write_database

    _run(shared, lambda *given, force: write_database(*given, engine=engine, force=force))  # type: ignore[arg-type]


def _run(shared: dict[str, Any], write: Callable[..., Exported]) -> None:
    exported = write(shared["cohort"], shared["out"], _calendar(shared), force=shared["force"])
    if shared["as_json"]:
        click.echo(json.dumps({
            "folder": str(exported.place), "format": exported.format,
            "rows": dict(exported.rows), "left_out": dict(exported.left_out),
        }, indent=2))  # fmt: skip
    elif not shared["quiet"]:
        for what, rows in exported.left_out.items():
            count = f" ({rows:,} rows)" if rows else ""
            click.echo(f"note: left out {what}{count}", err=True)
        total = sum(exported.rows.values())
        click.echo(f"{total:,} rows in {len(exported.rows)} tables in {exported.place}")


def _calendar(shared: dict[str, Any]) -> Calendar:
    from llmsyn.cohort.parts import read_manifest
    from llmsyn.export.dates import Calendar

    seed = shared["seed"]
    if seed is None:
        seed = int(read_manifest(shared["cohort"])["seed"])
    return Calendar(
        seed, _day(shared["first"]), _day(shared["last"]), shared["stay_days"], shared["gap_days"]
    )


def _day(moment: datetime) -> date:
    return moment.date()
