"""``llmsyn profile extract`` and ``llmsyn profile measure``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from llmsyn.errors import InputError

_OF_SUPPRESSION = (
    "threshold", "rounding", "zeros", "tables", "max_membership_auc", "population", "register",
    "report",
)  # fmt: skip


@click.command(short_help="Patient tables to a profile that may leave the house.")
@click.argument("mapping", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Profile folder.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the mapping's files.")
@click.option("--split", type=click.Choice(["all", "train", "test"]), default="all",
              show_default=True, help="Part of the patients to measure.")  # fmt: skip
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Of the split; never of noise."
)
@click.option("--threshold", type=int, default=11, show_default=True,
              help="Fewest distinct patients behind a count.")  # fmt: skip
@click.option("--rounding", type=click.Choice(["1", "5"]), default="1", show_default=True)
@click.option("--zeros", is_flag=True, help="Print counts of zero.")
@click.option("--tables", type=click.Choice(["none", "outcome", "pairs", "all"]),
              default="outcome", show_default=True, help="Cross-tables to release.")  # fmt: skip
@click.option("--max-membership-auc", type=float, help="Release only tables that fit this risk.")
@click.option("--population", default="", help="Name of the people, for the register.")
@click.option("--register", type=click.Path(path_type=Path), help="The owner's list of releases.")
@click.option("--report", type=click.Path(path_type=Path),
              help="Confidential report for a signature (HTML), outside the profile.")  # fmt: skip
@click.option("--epsilon", type=float, help="Differential privacy; needs --delta and --like.")
@click.option("--delta", type=float, help="Differential privacy.")
@click.option("--like", help="Public profile whose levels, bins, codes and tables are used.")
@click.option("--max-codes", type=int, default=10, show_default=True,
              help="Codes a patient contributes to each list, with --epsilon.")  # fmt: skip
@click.option("--max-stays", type=int, default=1, show_default=True,
              help="Stays a patient contributes, with --epsilon.")  # fmt: skip
@click.option("--name", help="Name of the profile, instead of the mapping's.")
@click.option("--force", is_flag=True, help="Replace a profile that stands there.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors and warnings.")
def extract(**given: Any) -> None:
    r"""Read patient tables by MAPPING (TOML) and write the profile that may leave the house.

    Small counts, and counts from which small ones could be worked out, are left out; the exact
    measurement never touches the disk.

    \b
    Example:
      llmsyn profile extract mapping.toml -o profile --report report.html --register releases.jsonl
    """
    from llmsyn.cohort.mapping import read_mapping
    from llmsyn.cohort.reading import read_cohort
    from llmsyn.store import sha256_file

    _refuse_existing(given["out"], given["force"])
    if given["epsilon"] is not None or given["delta"] is not None:
        _refuse_with_noise()
    mapping = read_mapping(given["mapping"])
    cohort = read_cohort(mapping, given["data"])
    if given["split"] != "all":
        members, holdout = cohort.split(seed=given["seed"])
        cohort = members if given["split"] == "train" else holdout
    batches = list(cohort.batches())
    hashed = sha256_file(given["mapping"])
    if given["epsilon"] is not None or given["delta"] is not None:
        _with_noise(batches, given, hashed)
    else:
        _with_suppression(batches, mapping, given, hashed)


def _refuse_with_noise() -> None:
    """Options of suppression are refused beside noise rather than ignored."""
    from click.core import ParameterSource

    context = click.get_current_context()
    for name in _OF_SUPPRESSION:
        if context.get_parameter_source(name) == ParameterSource.COMMANDLINE:
            option = "--" + name.replace("_", "-")
            raise InputError(
                f"{option} belongs to suppression and does nothing beside --epsilon; leave it out"
            )


def _refuse_existing(out: Path, force: bool) -> None:
    from llmsyn.errors import OutputError

    if not out.exists():
        return
    if not force:
        raise OutputError(f"{out} exists; choose another folder or pass --force")
    if not (out / "profile.toml").is_file() and any(out.iterdir()):
        raise OutputError(f"{out} is no profile, so --force does not replace it; choose another")


def _with_suppression(batches: list[Any], mapping: Any, given: dict[str, Any], hashed: str) -> None:
    from llmsyn import codes
    from llmsyn.disclosure.extraction import extract as run
    from llmsyn.disclosure.register import Register
    from llmsyn.disclosure.report import report_json, write_report
    from llmsyn.disclosure.settings import Settings
    from llmsyn.profile.writing import write_profile

    register = None if given["register"] is None else Register(given["register"])
    settings = Settings(
        threshold=given["threshold"],
        rounding=int(given["rounding"]),
        zeros_published=given["zeros"],
        max_membership_auc=given["max_membership_auc"],
        tables=given["tables"],
        population=given["population"],
    )
    done = run(batches, mapping, settings, register)
    profile = done.release.profile
    profile = replace(
        profile,
        name=given["name"] or profile.name,
        provenance=replace(profile.provenance, mapping_sha256=hashed),
    )
    if given["report"] is not None:
        write_report(done.release, given["report"], given["out"], done.plan)
    write_profile(profile, given["out"], force=given["force"], title=codes.title)
    if register is not None:
        register.append(done.release.entry())
    if done.warning:
        click.echo(f"warning: {done.warning}", err=True)
    # Removed counts go into the report alone: a terminal is copied more easily than a file.
    said = report_json(done.release, done.plan)
    data = {k: v for k, v in said.items() if k not in ("removed", "confidential")}
    if given["as_json"]:
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
    elif not given["quiet"]:
        audit, risk = data["audit"], data["risk"]
        click.echo(
            f"{given['out']}: {audit['n_printed']:,} counts printed, {audit['n_suppressed']:,} left "
            f"out (threshold {settings.threshold}); audit of {audit['n_protected']:,} counts clean; "
            f"predicted membership AUC {risk['auc']:.3f}"
        )
        if register is not None:
            earlier = len(data["register"])
            some = f"{earlier} earlier release{'s' if earlier > 1 else ''}"
            click.echo(
                f"{register.path}: checked against {some if earlier else 'no earlier release'} of "
                "this population, and this one is remembered"
            )
        for line in data["left_out"][:10]:
            click.echo(f"left out: {line}")


def _with_noise(batches: list[Any], given: dict[str, Any], hashed: str) -> None:
    from llmsyn import codes
    from llmsyn.disclosure.noise import release_with_noise
    from llmsyn.profile.reading import find_profile, read_profile
    from llmsyn.profile.types import Provenance
    from llmsyn.profile.writing import write_profile

    if given["epsilon"] is None or given["delta"] is None or given["like"] is None:
        raise InputError(
            "differential privacy needs --epsilon, --delta and --like PROFILE, a public profile "
            "whose levels, bins, codes and tables are used (its counts are not)"
        )
    like = read_profile(find_profile(given["like"]))
    if given["name"]:
        like = replace(like, name=given["name"])
    profile = release_with_noise(
        batches,
        like,
        epsilon=given["epsilon"],
        delta=given["delta"],
        max_codes=given["max_codes"],
        max_stays=given["max_stays"],
    )
    profile = replace(
        profile,
        provenance=Provenance(
            kind="extract",
            source=like.provenance.source,
            licence=like.provenance.licence,
            mapping_sha256=hashed,
        ),
    )
    write_profile(profile, given["out"], force=given["force"], title=codes.title)
    data = {
        "profile": profile.name,
        "epsilon": given["epsilon"],
        "delta": given["delta"],
        "max_codes": given["max_codes"],
        "n_units": profile.n_units,
        "left_out": list(profile.disclosure.left_out),
    }
    if given["as_json"]:
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
    elif not given["quiet"]:
        click.echo(
            f"{given['out']}: differentially private, epsilon {given['epsilon']:g}, delta "
            f"{given['delta']:g}; about {profile.n_units:,.0f} {profile.unit}s"
        )


@click.command(short_help="Measure a synthetic cohort, in the form of a profile.")
@click.argument("cohort", type=click.Path(path_type=Path))
@click.option(
    "--like", required=True, help="Profile whose variables, codes and tables are counted."
)
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Profile folder.")
@click.option("--force", is_flag=True, help="Replace a profile that stands there.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def measure(cohort: Path, like: str, out: Path, force: bool, as_json: bool, quiet: bool) -> None:
    r"""Count a synthetic COHORT in the form of a profile.

    Real tables go through ``llmsyn profile extract``, which protects small counts.

    \b
    Example:
      llmsyn profile measure out/demo --like diabetes130 -o out/measured
    """
    from llmsyn.cohort.parts import open_cohort
    from llmsyn.measurement import measure as count
    from llmsyn.profile.reading import find_profile, read_profile
    from llmsyn.profile.types import Disclosure, Provenance
    from llmsyn.profile.writing import write_profile

    if not cohort.is_dir():
        raise InputError(
            "this is no synthetic cohort folder; real tables go through llmsyn profile extract",
            file=cohort,
        )
    _refuse_existing(out, force)
    published = read_profile(find_profile(like))
    measured = count(open_cohort(cohort), published).profile
    measured = replace(
        measured,
        provenance=Provenance("invented", f"synthetic cohort made from {published.name}"),
        disclosure=Disclosure(),
    )
    write_profile(measured, out, force=force)
    data = {"folder": str(out), "n_units": measured.n_units, "unit": measured.unit}
    if as_json:
        click.echo(json.dumps(data, indent=2))
    elif not quiet:
        click.echo(f"{out}: {measured.n_units:,.0f} synthetic {measured.unit}s counted")
