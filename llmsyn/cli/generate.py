"""``llmsyn generate``: a profile in, a folder of synthetic patients out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmsyn.cli.model_options import model_options

if TYPE_CHECKING:
    from llmsyn.llm.requests import ModelOptions


@click.command(short_help="Draw synthetic patients from a profile.")
@click.argument("profile")
@click.option(
    "-n", "n", type=int, help="Number of patients (or stays)  [default of records: 1500]."
)
@click.option("--seed", type=int, required=True, help="Same seed, same files.")
@click.option(
    "-o", "--out", required=True, metavar="PLACE",
    help="Output folder, or a URL of an object store (s3://bucket/name).",
)  # fmt: skip
@click.option(
    "--method",
    type=click.Choice(["network", "records"]),
    default="network",
    show_default=True,
    help="network: code draws; records: a language model writes each patient (model options).",
)
@click.option(
    "--ablation",
    type=click.Choice(["base", "prior", "full"]),
    default="full",
    show_default=True,
    help="records: what prompts hold.",
)
@click.option(
    "--proposals", type=click.FloatRange(1, 100), default=1.2, show_default=True,
    help="records: patients written for each that is kept.",
)  # fmt: skip
@model_options
@click.option(
    "--tables",
    type=click.Choice(["none", "outcome", "pairs", "all"]),
    default="all",
    show_default=True,
    help="Which published cross-tables to meet.",
)
@click.option(
    "--knowledge",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Overlay folder of knowledge; may be repeated, later ones win.",
)
@click.option("--no-shipped-knowledge", is_flag=True, help="Leave the shipped base out.")
@click.option(
    "--no-associations", is_flag=True, help="Use the rules of the base, not its associations."
)
@click.option(
    "--knowledge-scale", type=float, default=1.0, show_default=True,
    help="Multiply every log odds ratio of the base.",
)  # fmt: skip
@click.option("--no-icd10-sex-edit", is_flag=True, help="CMS stopped this edit on 2024-10-01.")
@click.option("--quotas", is_flag=True, help="Margins of the run as whole numbers.")
@click.option(
    "--reweight", type=(str, float), metavar="CONDITION SHARE",
    help="Let SHARE of the units meet CONDITION (died=yes 0.3), the rest following from it.",
)  # fmt: skip
@click.option("--workers", type=int, default=1, show_default=True, help="Processes.")
@click.option(
    "--engine", type=click.Choice(["local", "dask", "ray", "spark"]), default="local",
    show_default=True, help="Who runs the workers; same bytes on each.",
)  # fmt: skip
@click.option(
    "--cluster", metavar="ADDRESS", help="Of a cluster that runs; else one is started here."
)
@click.option("--force", is_flag=True, help="Replace a cohort that stands there.")
@click.option("--no-cache", is_flag=True, help="Calibrate anew; keep nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def generate(
    profile: str,
    n: int | None,
    seed: int,
    out: str,
    method: str,
    ablation: str,
    proposals: float,
    model_options: ModelOptions,
    tables: str,
    knowledge: tuple[Path, ...],
    no_shipped_knowledge: bool,
    no_associations: bool,
    knowledge_scale: float,
    no_icd10_sex_edit: bool,
    quotas: bool,
    reweight: tuple[str, float] | None,
    workers: int,
    engine: str,
    cluster: str | None,
    force: bool,
    no_cache: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    r"""Draw N synthetic patients from PROFILE (a shipped name or a folder).

    A run that was cut goes on where it stopped when the same command is given again.

    \b
    Example:
      llmsyn generate diabetes130 -n 10000 --seed 1 -o out/demo
    """
    if method == "records":
        if reweight is not None:
            raise click.UsageError("--reweight is for the network; leave out --method records")
        if "://" in out:
            raise click.UsageError("records are written to a folder: -o takes no URL here")
        from llmsyn.cli.generate_records import write_records

        write_records(
            profile, n, seed, Path(out), model_options,
            ablation=ablation, over=proposals, knowledge=knowledge,
            with_shipped=not no_shipped_knowledge, icd10_sex_edit=not no_icd10_sex_edit,
            force=force, cache=not no_cache, as_json=as_json, quiet=quiet,
        )  # fmt: skip
        return
    if model_options.chosen or model_options.dry_run:
        raise click.UsageError("the network asks no model: add --method records, or elicit first")
    if n is None:
        raise click.UsageError("Missing option '-n'.")
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from llmsyn.generation import generate as run
    from llmsyn.knowledge.associations import PARTS

    screen = Console(stderr=True)
    hidden = quiet or as_json or not screen.is_terminal
    bar = Progress(
        TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), console=screen, transient=True, disable=hidden,
    )  # fmt: skip
    with bar:
        tasks: dict[str, object] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done)  # type: ignore[arg-type]

        result = run(
            profile,
            n,
            seed=seed,
            out=out,
            tables=tables,  # type: ignore[arg-type]
            knowledge=knowledge,
            with_shipped=not no_shipped_knowledge,
            parts=() if no_associations else PARTS,
            scale=knowledge_scale,
            icd10_sex_edit=not no_icd10_sex_edit,
            quotas=quotas,
            reweight=reweight,
            workers=workers,
            engine=engine,  # type: ignore[arg-type]
            cluster=cluster,
            force=force,
            cache=not no_cache,
            progress=show,
        )
    network = result.manifest["network"]
    if as_json:
        click.echo(
            json.dumps(
                {
                    "folder": result.place,
                    "n": n,
                    "unit": result.manifest["unit"],
                    "compile_seconds": round(result.compile_seconds, 3),
                    "draw_seconds": round(result.draw_seconds, 3),
                    "units_per_second": round(n / max(result.draw_seconds, 1e-9)),
                    "largest_bias": network["largest_bias"],
                    "misses": len(network["misses"]),
                    "unmet": network["unmet"],
                    "notes": network["notes"],
                    "reweighted": result.manifest.get("reweighted"),
                },
                indent=2,
            )
        )
        return
    if quiet:
        return
    if reweight is not None:
        found = result.manifest["reweighted"]
        natural = found.get("published_share")
        was = "" if natural is None else f" ({100 * natural:.3g}% in the profile)"
        click.echo(f"re-weighted: {found['units']:,} of {n:,} have {found['condition']}{was}")
    for note in network["notes"]:
        click.echo(f"note: {note}", err=True)
    if misses := network["misses"]:
        worst, more = misses[0], f" and {len(misses) - 1} more cells" if misses[1:] else ""
        click.echo(
            f"note: {worst['cell']} is drawn for {worst['estimate']:.4f} of the units, published "
            f"is {worst['target']:.4f}{more}: manifest.json, network.misses",
            err=True,
        )
    click.echo(
        f"{n:,} synthetic {result.manifest['unit']}s in {result.place} "
        f"(network {result.compile_seconds:.1f} s, drawing {result.draw_seconds:.1f} s; "
        f"{network['verified_cells']:,} published cells, largest bias {network['largest_bias']:.5f})"
    )
