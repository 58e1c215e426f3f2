"""``llmsyn knowledge orders``: which drug orders of a table become ingredients."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llmsyn.errors import MappingError

if TYPE_CHECKING:
    from llmsyn.knowledge.order_report import Order, OrderReport

_PATH = click.Path(path_type=Path)


@click.command(
    "orders",
    short_help="Which drug orders of a table become ingredients, and which do not.",
    epilog="Example: llmsyn knowledge orders prescriptions.csv --column drug --patient person_id",
)
@click.argument("file", type=_PATH)
@click.option("--column", required=True, metavar="NAME", help="Column with the orders.")
@click.option("--patient", metavar="NAME", help="Column with the patient: shares by patient too.")
@click.option("--delimiter", default=",", show_default=True, help="Of a CSV file.")
@click.option("--top", default=20, show_default=True, help="How many of each kind to print.")
@click.option(
    "--knowledge",
    "folders",
    multiple=True,
    metavar="DIR",
    type=_PATH,
    help="Lay a folder of records over the shipped base; may be repeated, later ones win.",
)
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON for a script.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
def orders_command(
    file: Path,
    column: str,
    patient: str | None,
    delimiter: str,
    top: int,
    folders: tuple[Path, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Say which orders of FILE (CSV or Parquet) the knowledge base can place.

    Texts are printed as they stand in the file, most frequent first: free text may name
    people, so look before you pass it on.
    """
    from llmsyn.knowledge.loading import load_base
    from llmsyn.knowledge.order_report import order_report

    counts, patients = _counted(file, column, patient, delimiter)
    report = order_report(counts, load_base(folders), patients)
    if as_json:
        click.echo(json.dumps(_as_json(report), indent=2, ensure_ascii=False))
    elif not quiet:
        _print(report, top)


def _counted(
    file: Path, column: str, patient: str | None, delimiter: str
) -> tuple[Counter[str], Counter[str] | None]:
    """How often each text stands in the column, and for how many patients."""
    from llmsyn.cohort.files import Table, text_values, texts
    from llmsyn.cohort.mapping import TableFile

    if not file.is_file():
        raise MappingError("there is no such file; give a CSV or Parquet file", file=file)
    table = Table("orders", TableFile(file=file.name, delimiter=delimiter), (file,), file)
    counts: Counter[str] = Counter()
    pairs: set[tuple[str, str | None]] = set()
    for batch in table.batches([column, *([patient] if patient else [])]):
        index, names = text_values(texts(batch.column(column)))
        written = [names[i] for i in index.tolist()]
        counts.update(text for text in written if text is not None)
        if patient:
            whose, ids = text_values(texts(batch.column(patient)))
            pairs.update(
                (text, ids[i]) for text, i in zip(written, whose.tolist()) if text is not None
            )
    return counts, Counter(text for text, _ in pairs) if patient else None


def _as_json(report: OrderReport) -> dict[str, Any]:
    by_patient = report.share_by_patient
    return {
        "n_orders": report.n_orders,
        "n_texts": len(report.orders),
        "share": report.share if report.n_orders else None,
        "share_by_patient": by_patient if report.n_orders else None,
        "placed": [_row(order) for order in report.placed],
        "not_placed": [_row(order) for order in report.not_placed],
    }


def _row(order: Order) -> dict[str, Any]:
    return {
        "text": order.text,
        "count": order.count,
        "patients": order.patients,
        "ingredients": list(order.placement.ingredients),
        "not_understood": list(order.placement.rest),
        "corrected": dict(order.placement.corrected),
    }


def _print(report: OrderReport, top: int) -> None:
    by_patient = report.share_by_patient
    click.echo(
        f"{report.n_orders:,} orders, {len(report.orders):,} different texts: "
        f"{report.share:.1%} placed"
        + ("" if by_patient is None else f", {by_patient:.1%} of texts once a patient")
    )
    _print_part("placed", report.placed, top)
    _print_part("not placed", report.not_placed, top)


def _print_part(title: str, orders: Sequence[Order], top: int) -> None:
    if not orders:
        return
    click.echo(f"{title}:")
    for order in orders[:top]:
        reading = ", ".join(order.placement.ingredients)
        rest = " ".join(order.placement.rest)
        click.echo(
            f"  {order.count:>8,}  {order.text}"
            + (f" -> {reading}" if reading else "")
            + (f"  (not understood: {rest})" if rest else "")
        )
    if len(orders) > top:
        click.echo(f"  and {len(orders) - top:,} more (--top prints more, --json all)")
