"""``llmsyn notes``: records into notes, the prose bank as notes, formats."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llmsyn.cli.lazy import Lazy, LazyGroup

if TYPE_CHECKING:
    from llmsyn.notes.tokens import Tagged
    from llmsyn.notes.types import Note

_FILE = click.Path(path_type=Path)
_FORMATS = ("jsonl", "conll", "tokens", "docbin", "brat", "hf")
_PARTS = ("all", "train", "dev", "test")

LATER = {
    "bank": Lazy("llmsyn.cli.notes_bank:bank", "The prose bank: check it, count it."),
    "write": Lazy("llmsyn.cli.notes_model:write", "A language model writes passages."),
    "paraphrase": Lazy(
        "llmsyn.cli.notes_model:paraphrase", "A language model words notes anew, mentions kept."
    ),
    "annotate": Lazy("llmsyn.cli.notes_model:annotate", "A language model finds mentions."),
    "judge": Lazy("llmsyn.cli.notes_model:judge", "A second tutor reads labels."),
}


class _RendersByDefault(LazyGroup):
    """``llmsyn notes COHORT`` is ``llmsyn notes render COHORT``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command first, where no subcommand is named."""
        if args and args[0] not in ("-h", "--help") and args[0] not in self.list_commands(ctx):
            args = ["render", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_RendersByDefault, lazy=LATER)
def notes() -> None:
    r"""Write clinical notes about the patients of a cohort, every mention annotated.

    `llmsyn notes COHORT -o FILE` is short for `llmsyn notes render COHORT -o FILE`.

    \b
    Example:
      llmsyn notes out/demo -o notes.jsonl --language en --seed 1
    """


@notes.command(short_help="Write one note about each patient of a cohort.")
@click.argument("cohort", type=_FILE)
@click.option("-o", "--out", required=True, type=_FILE, help="File to write.")
@click.option("--language", default="en", show_default=True, help="Folder of knowledge/prose.")
@click.option("--kind", multiple=True, help="Kind of note; may be repeated  [default: all six].")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--most", type=click.IntRange(1), help="Notes at most.")
@click.option(
    "--skip", type=click.IntRange(0), default=0, help="Leave the first so many patients out."
)
@click.option(
    "--misspelling", type=click.FloatRange(0, 1), default=0.01, show_default=True,
    help="Share of long names of drugs and diseases with a slip.",
)  # fmt: skip
@click.option(
    "--part", type=click.Choice(_PARTS), default="all", show_default=True,
    help="Part of the prose bank, so that train and test share no passage.",
)  # fmt: skip
@click.option("--without-prose", is_flag=True, help="Lists and lines only, no passage of the bank.")
@click.option("--policy", help="Label policy, shipped name or .toml  [default: the bank's labels].")
@click.option("--json", "as_json", is_flag=True, help="Print counts as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def render(
    cohort: Path,
    out: Path,
    language: str,
    kind: tuple[str, ...],
    seed: int,
    most: int | None,
    skip: int,
    misspelling: float,
    part: str,
    without_prose: bool,
    policy: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    r"""Write one note about each patient or stay of COHORT, a folder of `llmsyn generate`.

    Kinds: discharge_summary, admission_note, progress_note, case_report, referral_letter,
    abstract.  The same seed gives the same notes.

    \b
    Example:
      llmsyn notes render out/demo -o notes.jsonl --kind discharge_summary --seed 1
    """
    from itertools import islice

    from llmsyn.notes.jsonl import write_notes
    from llmsyn.notes.patients import records
    from llmsyn.notes.policies import read_policy
    from llmsyn.notes.rendering import NoteSettings, Renderer
    from llmsyn.notes.tables import KINDS

    settings = NoteSettings(language, kind or KINDS, seed, misspelling, without_prose, part)
    renderer = Renderer(settings)
    rule = None if policy is None else read_policy(policy)
    tally = _Tally()
    people = islice(records(cohort, renderer.names), skip, None)
    written = islice(renderer.notes(people), most)
    write_notes(out, tally.through(n if rule is None else rule.note(n) for n in written))
    _say(tally.to_json(), f"in {out}", as_json, quiet)


@notes.command()
@click.option("-o", "--out", required=True, type=_FILE, help="File to write.")
@click.option("--language", default="en", show_default=True)
@click.option(
    "--copies", "n_copies", type=click.IntRange(0), default=0, show_default=True,
    help="Copies of each passage with other surfaces.",
)  # fmt: skip
@click.option("--swap", type=click.FloatRange(0, 1), default=0.5, show_default=True)
@click.option("--part", type=click.Choice(_PARTS), default="all", show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print counts as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def passages(
    out: Path, language: str, n_copies: int, swap: float, part: str, seed: int, as_json: bool,
    quiet: bool,
) -> None:  # fmt: skip
    r"""Write the prose bank itself as notes: the best text to train on.

    \b
    Example:
      llmsyn notes passages -o train.jsonl --language en --part train
    """
    from llmsyn.notes.bank import of_part, read_bank
    from llmsyn.notes.jsonl import write_notes
    from llmsyn.notes.pools import make_pools
    from llmsyn.notes.swapping import copies

    bank = read_bank(language)
    chosen = [passage.note() for passage in of_part(bank, part)]

    def both() -> Iterator[Note]:
        yield from chosen
        if n_copies:
            yield from copies(chosen, make_pools(bank, language), n_copies, seed=seed, share=swap)

    tally = _Tally()
    write_notes(out, tally.through(both()))
    _say(tally.to_json(), f"in {out}", as_json, quiet)


@notes.command(short_help="Convert notes to another format.")
@click.argument("source", type=_FILE)
@click.argument("target", type=_FILE)
@click.option(
    "--from", "source_format", type=click.Choice(_FORMATS[:5]), default="jsonl", show_default=True
)
@click.option("--to", "target_format", type=click.Choice(_FORMATS), required=True)
@click.option("--policy", help="Label policy to apply on the way.")
@click.option("--json", "as_json", is_flag=True, help="Print counts as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def convert(
    source: Path, target: Path, source_format: str, target_format: str, policy: str | None,
    as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    r"""Convert notes: jsonl, conll, tokens, docbin (spaCy), brat, hf (Hugging Face layout).

    Spans that overlap or split a token do not fit into formats of tags; they are counted.

    \b
    Example:
      llmsyn notes convert notes.jsonl notes.conll --to conll --policy omop
    """
    from llmsyn.notes.formats import read_format, write_format
    from llmsyn.notes.policies import read_policy

    rule = None if policy is None else read_policy(policy)
    tally = _Tally()
    read = read_format(source_format, source)
    bent = write_format(
        target_format, target, tally.through(n if rule is None else rule.note(n) for n in read)
    )
    _say(tally.to_json() | _bent(bent), f"in {target}", as_json, quiet)


class _Tally:
    """Counts notes on their way, so that none is kept in memory."""

    def __init__(self) -> None:
        self.notes = self.spans = self.words = self.with_prose = 0

    def through(self, notes: Iterable[Note]) -> Iterator[Note]:
        for note in notes:
            self.notes += 1
            self.spans += len(note.spans)
            self.words += len(note.text.split())
            self.with_prose += bool(note.families)
            yield note

    def to_json(self) -> dict[str, Any]:
        return {
            "notes": self.notes,
            "spans": self.spans,
            "words": self.words,
            "with_prose": self.with_prose,
        }


def _bent(bent: Tagged) -> dict[str, int]:
    return {"widened": bent.widened, "overlapping": bent.overlapping}


def _say(counts: dict[str, Any], where: str, as_json: bool, quiet: bool) -> None:
    if as_json:
        click.echo(json.dumps(counts, indent=2))
    elif not quiet:
        said = (
            f"{counts['notes']:,} notes, {counts['words']:,} words, {counts['spans']:,} spans "
            f"{where}"
        )
        lost = counts.get("widened", 0), counts.get("overlapping", 0)
        click.echo(
            said + (f"; {lost[0]:,} spans widened, {lost[1]:,} left out" if any(lost) else "")
        )
