"""``llmsyn evaluate``: synthetic units beside real ones; verdicts and a report."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from llmsyn.evaluation import Report
    from llmsyn.evaluation.marks import Judged

_TOLD = ("fail", "warn", "undefined")
_STYLES = {"pass": "green", "fail": "bold red", "warn": "yellow", "undefined": "magenta"}


@click.command(short_help="Fidelity, utility, privacy and equity of a synthetic cohort.")
@click.argument("synthetic", type=click.Path(path_type=Path))
@click.option("--members", type=click.Path(path_type=Path), required=True,
              help="Real units that made it: a mapping file or a cohort folder.")  # fmt: skip
@click.option("--holdout", type=click.Path(path_type=Path),
              help="Real units that had no part in it.")  # fmt: skip
@click.option("--split", is_flag=True, help="Split --members by patient; the rest is the holdout.")
@click.option("--share", type=click.FloatRange(0.1, 0.9), default=0.7, show_default=True,
              help="Share of patients that are members, with --split.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
              help="Of the split, as in profile extract, and of every random choice.")  # fmt: skip
@click.option("--profile", help="Whose columns are compared (default: the cohort's own).")
@click.option("--data", type=click.Path(path_type=Path), help="Tables that mapping files name.")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True,
              help="Folder of the report.")  # fmt: skip
@click.option("--preset", default="release", show_default=True,
              help="Marks to judge by: release, research, strict.")  # fmt: skip
@click.option("--marks", type=click.Path(path_type=Path), help="Own marks, laid over the shipped.")
@click.option("--task", "tasks", multiple=True,
              help="Outcome, phenotype or main:PREFIX to predict; may be repeated.")  # fmt: skip
@click.option("--privacy/--no-privacy", default=True, show_default=True, help="Attack it.")
@click.option("--quick", is_flag=True, help="A first look in about a minute.")
@click.option("--ledger", type=click.Path(path_type=Path),
              help="Ledger of the requests that were sent, for their cost.")  # fmt: skip
@click.option("--memorised", multiple=True, metavar="NAME=FILE",
              help="Public data set whose rows llmsyn memorisation asked for; may be repeated.")  # fmt: skip
@click.option("--replies", type=click.Path(path_type=Path),
              help="What the language model answered, for --memorised.")  # fmt: skip
@click.option("--strict", is_flag=True, help="End with 4 where a mark is missed.")
@click.option("--force", is_flag=True, help="Replace a report that stands there.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def evaluate(**given: Any) -> None:
    r"""Compare SYNTHETIC with the real units that made it, and with ones that did not.

    Writes report.html (one file, no request), report.json and datasheet.md.

    \b
    Example:
      llmsyn profile extract mapping.toml --split train --seed 1 -o profile
      llmsyn generate ./profile -n 10000 --seed 1 -o out/cohort
      llmsyn evaluate out/cohort --members mapping.toml --split --seed 1 -o out/report
    """
    from llmsyn.errors import CheckFailed, InputError, OutputError
    from llmsyn.evaluation import evaluate as run
    from llmsyn.evaluation import write_report
    from llmsyn.evaluation.writing import FILES

    if given["split"] == (given["holdout"] is not None):
        raise InputError(
            "the real units that had no part are needed once: give either --holdout or --split"
        )
    there = [name for name in FILES if (given["out"] / name).exists()]
    if there and not given["force"]:
        raise OutputError(
            f"{given['out'] / there[0]} exists; choose another folder or pass --force"
        )
    report = run(
        given["synthetic"], members=given["members"], holdout=given["holdout"],
        profile=given["profile"], data=given["data"], share=given["share"], seed=given["seed"],
        preset=given["preset"], marks=given["marks"], tasks=given["tasks"],
        with_privacy=given["privacy"], quick=given["quick"], ledger=given["ledger"],
        memorised=given["memorised"], replies=given["replies"],
        progress=_progress(given["quiet"] or given["as_json"]),
    )  # fmt: skip
    paths = write_report(report, given["out"], force=given["force"])
    if given["as_json"]:
        click.echo(json.dumps(report.to_json(), indent=2, ensure_ascii=False))
    elif not given["quiet"]:
        _show(report)
        click.echo("written: " + ", ".join(map(str, paths)))
    if given["strict"] and report.failed:
        worst = "; ".join(str(m.score) for m in report.failed[:3])
        more = f" (and {len(report.failed) - 3} more)" if len(report.failed) > 3 else ""
        raise CheckFailed(f"marks of the preset {report.preset} are missed: {worst}{more}")


def _progress(quiet: bool) -> Any:
    """Names of the parts on stderr, where a person is looking."""
    if quiet or not sys.stderr.isatty():
        return None
    return lambda part: click.echo(f"{part} ...", err=True)


def _why(judged: Judged) -> str:
    """One line on what decides a part."""
    from llmsyn.evaluation.page import interval, number

    score = judged.measure.score
    name = score.metric
    if judged.measure.of and judged.measure.of not in name:
        name += f", {judged.measure.of}"
    if score.verdict == "undefined":
        return f"{name}: {score.reason}"
    within = f" ({interval(score)})" if interval(score) else ""
    return f"{name}: {number(score.value)}{within}; must be {judged.mark}"


def _show(report: Report) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from llmsyn.evaluation.page import summary

    table = Table(title=f"{report.title}, preset {report.preset}", title_justify="left")
    for head in ("question", "verdict", "numbers", "what decides it"):
        table.add_column(head, overflow="fold")
    for row in summary(report):
        deciding = "\n".join(_why(j) for j in row.deciding) if row.verdict in _TOLD else ""
        style = _STYLES.get(row.verdict)
        table.add_row(row.title, f"[{style}]{row.word}[/]" if style else row.word, row.counts,
                      escape(deciding))  # fmt: skip
    Console().print(table)
