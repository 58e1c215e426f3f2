"""``llmsyn check``: a cohort beside its profile, published cell by published cell."""

from __future__ import annotations

import json
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

    from llmsyn.checking import CheckReport
    from llmsyn.profile.types import Profile

_STYLES = {"pass": "green", "fail": "bold red", "warn": "yellow"}


@click.command(short_help="Compare a cohort with a profile, published cell by published cell.")
@click.argument("cohort", type=click.Path(path_type=Path))
@click.argument("profile")
@click.option("--data", type=click.Path(path_type=Path), help="Tables that a mapping file names.")
@click.option(
    "--top", type=click.IntRange(0), default=20, show_default=True, help="Worst cells shown."
)
@click.option(
    "--knowledge",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Overlay folder whose rules are looked for too; may be repeated.",
)
@click.option("--no-shipped-knowledge", is_flag=True, help="Leave the shipped rules out.")
@click.option("--strict", is_flag=True, help="Judge by the cohort's own n beyond 100,000 too.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def check(
    cohort: Path,
    profile: str,
    data: Path | None,
    top: int,
    knowledge: tuple[Path, ...],
    no_shipped_knowledge: bool,
    strict: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    r"""Measure COHORT in the form of PROFILE and compare every published number.

    COHORT is a folder that generate wrote, or the mapping file of a real one.  Tables that
    the cohort was not asked to meet are not compared; a re-weighted cohort is compared with
    what follows from the profile for its new share, where anything does.  Ends with 4 where a cell, a variable
    or a rule is beyond its tolerance.

    \b
    Example:
      llmsyn check out/demo diabetes130
    """
    from llmsyn.checking import Plausibility, count_violations, expected, rules_of
    from llmsyn.checking import check as compare
    from llmsyn.cohort.parts import open_cohort, read_manifest
    from llmsyn.errors import CheckFailed
    from llmsyn.knowledge.loading import load_base
    from llmsyn.knowledge.rules import impossibles
    from llmsyn.measurement import Counts
    from llmsyn.profile.condition import Reweight
    from llmsyn.profile.reading import find_profile, read_profile

    manifest: dict[str, Any] = {} if cohort.suffix == ".toml" else read_manifest(cohort)
    settings, network = manifest.get("settings", {}), manifest.get("network", {})
    published = _asked_for(read_profile(find_profile(profile)), network.get("tables"))
    base = load_base(knowledge, with_shipped=not no_shipped_knowledge)
    sex_edit = bool(settings.get("icd10_sex_edit", True))
    rules = (*impossibles(published, base, icd10_sex_edit=sex_edit), *rules_of(published))

    counts, broken = Counts(published), dict.fromkeys(rules, 0)
    soft = Plausibility(published, base)
    for batch in open_cohort(cohort, data):
        counts.add(batch)
        soft.add(batch)
        for rule, units in count_violations([batch], rules).items():
            broken[rule] += units
    wanted = settings.get("reweight")
    changed = None
    if wanted:
        changed = expected(published, Reweight.from_json(wanted), network.get("unmet", ()))
    report = compare(
        counts.measurement().profile,
        published if changed is None else changed.profile,
        n=counts.n_units,
        impossibles=rules,
        violation_counts=broken,
        waived=network.get("unmet", ()),
        independent=bool(manifest) and not wanted and not settings.get("quotas", False),
        strict=strict,
        magnified=1.0 if changed is None else changed.magnified,
        top=top,
    )
    if as_json:
        said = {**report.to_json(), "implausible": [row.to_json() for row in soft.found()]}
        if changed is not None:
            cells = {"compared": changed.followed, "left_out": changed.left_out}
            said["reweighted"] = {**wanted, **cells}
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
    elif not quiet:
        if changed is not None:
            click.echo(
                f"re-weighted: {Reweight.from_json(wanted)}; {changed.followed:,} published cells "
                f"are compared with what follows from that, and {changed.left_out:,} left out, "
                "because the profile does not say how they depend on it"
            )
        named = "published" if changed is None else "expected"
        _show(report, f"{cohort} beside {published.name}", named)
        for row in soft.found():
            click.echo(f"unlikely, not judged: {row}")
    if report.failed:
        worst = "; ".join(str(score) for score in report.failed[:3])
        more = f" (and {len(report.failed) - 3} more)" if len(report.failed) > 3 else ""
        raise CheckFailed(f"{cohort} is beyond tolerance: {worst}{more}")


def _asked_for(profile: Profile, names: list[str] | None) -> Profile:
    """The profile with the tables that the network was compiled from."""
    from dataclasses import replace

    if names is None:
        return profile
    return replace(profile, tables=tuple(t for t in profile.tables if t.name in set(names)))


def _show(report: CheckReport, title: str, named: str) -> None:
    from rich.console import Console

    console = Console()
    console.print(f"{title}: {report.n:,} units, {report.n_cells:,} cells, z* = {report.limit:.2f}")
    if report.worst:
        console.print(_cell_table(report, named))
    console.print(_score_table(report))
    for each in report.broken[:20]:
        console.print(f"impossible ({each.rule}): {each.terms}: {each.units:,} units", markup=False)
    for cell in report.contradictory[:20]:
        console.print(
            f"{cell.cell}: published {cell.published:.4f}, here {cell.measured:.4f}; {cell.status}",
            markup=False,
        )
    verdict = "[green]passed[/]" if report.passed else "[bold red]failed[/]"
    console.print(f"check {verdict}")


def _cell_table(report: CheckReport, named: str) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="Cells furthest from what is published", title_justify="left")
    table.add_column("cell", overflow="fold")
    for name in (named, "here", "error", "z"):
        table.add_column(name, justify="right")
    table.add_column("")
    for cell in report.worst:
        style = "bold red" if cell in report.beyond else None
        numbers = (f"{cell.published:.5f}", f"{cell.measured:.5f}", f"{cell.error:.5f}")
        status = "" if cell.status == "met" else cell.status
        table.add_row(escape(cell.cell), *numbers, f"{cell.z:+.2f}", status, style=style)
    return table


def _score_table(report: CheckReport) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="Verdicts", title_justify="left")
    table.add_column("what", overflow="fold")
    table.add_column("value", justify="right")
    table.add_column("reference", justify="right")
    table.add_column("verdict")
    table.add_column("", overflow="fold")
    for score in report.scores:
        value, reference = ("" if isnan(x) else f"{x:.4g}" for x in (score.value, score.reference))
        style = _STYLES.get(score.verdict)
        table.add_row(
            escape(score.metric), value, reference, score.verdict, escape(score.reason), style=style
        )
    return table
