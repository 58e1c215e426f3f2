"""``llmsyn knowledge``: check the base, show what it says of a code, coverage of a profile."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llmsyn.cli.knowledge_orders import orders_command
from llmsyn.cli.knowledge_recalibrate import recalibrate
from llmsyn.errors import CheckFailed, KnowledgeError

if TYPE_CHECKING:
    from llmsyn.knowledge.records import Condition


@click.group()
def knowledge() -> None:
    """The medical knowledge base that joins what the profile leaves unpublished."""


_overlays = click.option(
    "--knowledge",
    "folders",
    multiple=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Lay a folder of records over the shipped base; may be repeated, later ones win.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
_quiet = click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")


@knowledge.command(epilog="Example: llmsyn knowledge check --knowledge ./my-overlay")
@_overlays
@_json
@_quiet
def check(folders: tuple[Path, ...], as_json: bool, quiet: bool) -> None:
    """Check every record: targets, codes, sources, contradictions, breadth, doubles.

    Ends with exit code 4 when there is an error; notes alone do not fail.
    """
    from llmsyn.knowledge.findings import findings
    from llmsyn.knowledge.loading import load_base
    from llmsyn.knowledge.review import review

    base = load_base(folders)
    found = (*findings(base), *review(base))
    n_errors = sum(finding.level == "error" for finding in found)
    unverified = [record.id for record in base.conditions.values() if _is_estimate(record)]
    if as_json:
        _print_json(
            {
                "conditions": len(base.conditions),
                "drugs": len(base.drugs),
                "procedures": len(base.procedures),
                "edits": len(base.edits),
                "rules": len(base.exclusives) + len(base.needs),
                "sources": len(base.sources),
                "unverified_sources": sum(each.unverified for each in base.sources.values()),
                "estimated_age_sex": unverified,
                "findings": [asdict(finding) for finding in found],
            }
        )
    elif not quiet:
        for finding in found:
            click.echo(f"{finding.level}: {finding}")
        click.echo(
            f"{len(base.conditions)} conditions, {len(base.drugs)} drugs, "
            f"{len(base.procedures)} procedures, {len(base.edits)} sex and age rules, "
            f"{len(base.sources)} sources: {n_errors} errors, "
            f"{len(found) - n_errors} notes"
        )
        click.echo(
            f"age and sex of {len(unverified)} conditions are estimates without a publication "
            "behind the numbers"
        )
    if n_errors:
        raise CheckFailed(
            f"the knowledge base has {n_errors} errors; correct the records named "
            "above" + (" (run without --quiet to see them)" if quiet else "")
        )


def _is_estimate(record: Condition) -> bool:
    return record.profile is not None and record.profile.unverified


@knowledge.command(
    short_help="The record of a code or a drug, with every edge.",
    epilog="Example: llmsyn knowledge show 428.0 --system icd9cm",
)
@click.argument("code")
@click.option(
    "--system",
    default=None,
    metavar="SYSTEM",
    help="icd9cm, icd10cm, icd9proc, icd10pcs or ingredient; default: the first of "
    "them that knows the code.",
)
@_overlays
@_json
@_quiet
def show(
    code: str, system: str | None, folders: tuple[Path, ...], as_json: bool, quiet: bool
) -> None:
    """Show the record that CODE (or a drug name) stands for, with every edge and source."""
    from llmsyn.knowledge.loading import load_base
    from llmsyn.knowledge.showing import find, record_lines

    base = load_base(folders)
    hit = find(base, code, system)
    if hit is None:
        raise KnowledgeError(
            f"the knowledge base has no record for {code!r}"
            f"{f' in {system}' if system else ''}; give another code, or write "
            "a record into an overlay"
        )
    if as_json:
        _print_json(
            {
                "system": hit.system,
                "code": hit.code,
                "title": hit.title,
                "record": hit.record.model_dump(mode="json"),
            }
        )
    elif not quiet:
        for line in record_lines(hit, base):
            click.echo(line)


@knowledge.command(epilog="Example: llmsyn knowledge coverage diabetes130 --json")
@click.argument("name", metavar="PROFILE")
@_overlays
@_json
@_quiet
def coverage(name: str, folders: tuple[Path, ...], as_json: bool, quiet: bool) -> None:
    """Say how much of PROFILE's codes the base knows, and what to write next.

    Shares count patients' codes: a code of many patients weighs more.  With --json the keys
    are diagnoses, procedures and drugs, however the profile names its code sets.
    """
    from llmsyn.knowledge.coverage import by_concept
    from llmsyn.knowledge.coverage import coverage as measure
    from llmsyn.knowledge.loading import load_base
    from llmsyn.profile.reading import find_profile, read_profile

    base = load_base(folders)
    covered = by_concept(measure(read_profile(find_profile(name)), base))
    if as_json:
        _print_json(
            {
                concept: {
                    "variable": item.variable,
                    "share": item.share,
                    "n_codes": item.n_codes,
                    "n_known": item.n_known,
                    "write_next": [asdict(each) for each in item.unknown],
                }
                for concept, item in covered.items()
            }
        )
    elif not quiet:
        for concept, item in covered.items():
            named = "" if item.variable == concept else f" ({item.variable})"
            click.echo(
                f"{concept}{named}: {item.share:.1%} of codes carried, "
                f"{item.n_known} of {item.n_codes} listed codes"
            )
            for each in item.unknown[:10]:
                title = f" {each.title}" if each.title else ""
                click.echo(f"  write next: {each.code}{title}, {each.share:.2%} of patients")


def _print_json(value: Any) -> None:
    click.echo(json.dumps(_plain(value), indent=2, ensure_ascii=False))


def _plain(value: Any) -> Any:
    """JSON has no NaN; a share of nothing is null."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value


knowledge.add_command(recalibrate)
knowledge.add_command(orders_command)
