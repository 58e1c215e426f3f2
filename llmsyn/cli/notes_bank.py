"""``llmsyn notes bank``: the prose bank."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from llmsyn.notes.bank_check import BankReport


@click.group()
def bank() -> None:
    """Look at the prose bank."""


@bank.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--language", default="en", show_default=True)
@click.option(
    "--corpus", multiple=True, type=click.Path(path_type=Path),
    help="Text whose eight-word sequences are looked for; may be repeated.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def check(
    files: tuple[Path, ...], language: str, corpus: tuple[Path, ...], as_json: bool, quiet: bool
) -> None:
    r"""Check the shipped bank, or FILES in its form: tags, offsets, openings, doubles, overlap.

    Ends with 4 where a line is broken or two passages are doubles.

    \b
    Example:
      llmsyn notes bank check --language en --corpus corpus.jsonl.gz
    """
    from llmsyn.errors import CheckFailed
    from llmsyn.notes.bank import prose_folder
    from llmsyn.notes.bank_check import check_bank
    from llmsyn.notes.overlap import read_texts

    chosen = files or tuple(sorted((prose_folder() / language).glob("*.jsonl")))
    report = check_bank(chosen, language, {str(file): read_texts(file) for file in corpus})
    if as_json:
        click.echo(json.dumps(_plain(report), indent=2, ensure_ascii=False))
    elif not quiet:
        _show(report)
    if report.problems:
        more = f" (and {len(report.problems) - 3} more)" if len(report.problems) > 3 else ""
        raise CheckFailed("the bank is to be mended: " + "; ".join(report.problems[:3]) + more)


def _plain(report: BankReport) -> dict[str, Any]:
    overlaps = {
        name: {"shared": list(o.shared), "of": o.n_sequences} for name, o in report.overlaps.items()
    }
    return {
        "passages": report.n_passages,
        "words": report.n_words,
        "without_mentions": report.without_mentions,
        "labels": dict(report.labels),
        "assertions": dict(report.assertions),
        "registers": dict(report.registers),
        "coded": report.coded,
        "problems": list(report.problems),
        "openings": list(report.openings),
        "overlaps": overlaps,
    }


def _show(report: BankReport) -> None:
    click.echo(
        f"{report.n_passages:,} passages, {report.n_words:,} words, "
        f"{sum(report.labels.values()):,} mentions ({report.coded:,} with a code), "
        f"{report.without_mentions} passages without any"
    )
    for title, counts in (
        ("labels", report.labels), ("assertions", report.assertions), ("registers", report.registers),
    ):  # fmt: skip
        click.echo(f"{title}: " + ", ".join(f"{name} {n:,}" for name, n in counts.items()))
    for opening in report.openings[:20]:
        click.echo(f"repeated opening: {opening!r}")
    for name, found in report.overlaps.items():
        click.echo(
            f"{name}: {len(found.shared)} of {found.n_sequences:,} eight-word sequences shared"
            + "".join(f"\n  {run}" for run in found.shared[:10])
        )
