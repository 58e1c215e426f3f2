"""``llmsyn elicit``: ask a language model what goes with what in a profile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llmsyn.cli.model_options import model_options, tally_json, tally_text

if TYPE_CHECKING:
    from llmsyn.elicitation.eliciting import Progress
    from llmsyn.llm.requests import ModelOptions


@click.command(short_help="Ask a language model what goes with what in a profile.")
@click.argument("profile")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Overlay folder to write.")
@click.option(
    "--ablation",
    type=click.Choice(["base", "prior", "full"]),
    default="full",
    show_default=True,
    help="What prompts hold: lists; and published shares; and retrieved knowledge.",
)
@click.option(
    "--reach", type=click.IntRange(2, 500), default=120, show_default=True,
    help="Candidates of one request at most.",
)  # fmt: skip
@click.option(
    "--givens", type=click.IntRange(1, 100), default=20, show_default=True,
    help="Codes or levels that one request rates at most.",
)  # fmt: skip
@click.option(
    "--repeat", type=click.FloatRange(0, 1), default=0.1, show_default=True,
    help="Share of the requests that is asked again, from the other side and reordered.",
)  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of what is asked again.")
@click.option(
    "--merge",
    type=click.Choice(["base", "mean", "model"]),
    default="base",
    show_default=True,
    help="Where the curated base speaks of a pair too: it stands, the mean counts, the model "
    "stands.",
)
@click.option(
    "--review",
    type=click.Choice(["none", "strong", "all"]),
    default="none",
    show_default=True,
    help="Let a second tutor read the strong associations, or all.",
)
@click.option(
    "--tutor-model", metavar="NAME", help="Who the second tutor is  [default: the same model]."
)
@click.option(
    "--knowledge",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Overlay folder of knowledge; may be repeated, later ones win.",
)
@click.option("--no-shipped-knowledge", is_flag=True, help="Leave the shipped base out.")
@model_options
@click.option("--force", is_flag=True, help="Replace a folder that stands there.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def elicit(
    profile: str,
    out: Path | None,
    ablation: str,
    reach: int,
    givens: int,
    repeat: float,
    seed: int,
    merge: str,
    review: str,
    tutor_model: str | None,
    knowledge: tuple[Path, ...],
    no_shipped_knowledge: bool,
    model_options: ModelOptions,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    r"""Ask a language model what goes with what in PROFILE (a shipped name or a folder).

    The answers become a folder that `llmsyn generate --knowledge` reads and that a clinician
    can edit. Nothing but the published profile and the knowledge base is sent.

    \b
    Example:
      llmsyn elicit diabetes130 -o overlay --batch requests --model gpt-5 --max-usd 5
    """
    from llmsyn.elicitation.eliciting import Settings, questions_by_subject
    from llmsyn.elicitation.eliciting import elicit as run
    from llmsyn.elicitation.overlay import write_overlay
    from llmsyn.elicitation.questions import PlanSettings, plan
    from llmsyn.errors import InputError, OutputError
    from llmsyn.knowledge.loading import load_base
    from llmsyn.llm.opening import open_model
    from llmsyn.profile.reading import find_profile, read_profile

    if out is None and not model_options.dry_run:
        raise InputError("no folder is named for the answers; give one with -o")
    if out is not None and out.exists() and not force and not model_options.dry_run:
        raise OutputError(f"{out} exists; choose another folder or pass --force")
    given = read_profile(find_profile(profile))
    base = load_base(knowledge, with_shipped=not no_shipped_knowledge)
    asked = PlanSettings(ablation, reach, givens, repeat=repeat, seed=seed)  # type: ignore[arg-type]
    settings = Settings(asked, merge, review)  # type: ignore[arg-type]
    second = nullcontext(None) if tutor_model is None else open_model(
        _second(model_options, tutor_model)
    )  # fmt: skip
    with open_model(model_options) as model, second as tutor, stage_bars(quiet or as_json) as told:
        try:
            made = run(given, base, model, settings, tutor=tutor, progress=told)
        finally:
            tally = model.tally
    report: dict[str, Any] = {
        "plan": questions_by_subject(plan(given, asked)),
        "tally": tally_json(tally),
    }
    if not model_options.dry_run:
        assert out is not None  # the first lines of this function
        report |= write_overlay(out, made, given, settings, force=force)
    if as_json:
        click.echo(json.dumps(report, indent=2))
    elif not quiet:
        _say(report, out, model_options)
        click.echo(tally_text(tally, model_options))


def _say(report: dict[str, Any], out: Path | None, options: ModelOptions) -> None:
    for subject, number in report["plan"].items():
        click.echo(f"{number:>5}  {subject}")
    if options.dry_run:
        return
    for reason, number in report["failed"].items():
        click.echo(f"note: {number} without a usable reply ({reason})", err=True)
    click.echo(
        f"{report['associations_written']:,} associations in {out} ({report['pairs_rated']:,} "
        f"pairs rated, {report['associations_said']:,} with an effect, "
        f"{report['disagreements']:,} disagreements for a person)"
    )


def _second(options: ModelOptions, name: str) -> ModelOptions:
    """The same place, another model, and a file of its own for kept replies."""
    kept = options.keep_replies
    if kept is not None:
        kept = kept.with_name(f"{kept.stem}-tutor{kept.suffix}")
    return replace(options, model=name, keep_replies=kept)


@contextmanager
def stage_bars(hidden: bool) -> Iterator[Progress | None]:
    """One bar a stage on stderr in a terminal; None, which reports nothing, elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    screen = Console(stderr=True)
    if hidden or not screen.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())  # fmt: skip
    with Progress(*columns, console=screen, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield show
