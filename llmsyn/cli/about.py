"""``llmsyn knowledge about``: what is known of one code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from llmsyn.knowledge.cards import Card

_SYSTEMS = ("icd10cm", "icd9cm", "icd10pcs", "icd9proc", "ingredient", "rxnorm")
_PATH = click.Path(path_type=Path)


@click.command(short_help="What is known of one code: title, text, drugs, procedures, sources.")
@click.argument("code")
@click.option("--system", type=click.Choice(_SYSTEMS), default="icd10cm", show_default=True)
@click.option(
    "--knowledge",
    multiple=True,
    type=_PATH,
    help="Overlay folder over the shipped base; may be repeated.",
)
@click.option(
    "--online",
    is_flag=True,
    help="Ask MedlinePlus Connect for health topics too: the code leaves this machine.",
)
@click.option(
    "--language",
    type=click.Choice(["en", "es"]),
    default="en",
    show_default=True,
    help="Of topics.",
)
@click.option("--cache", type=_PATH, help="Folder for replies  [default: ~/.cache/llmsyn].")
@click.option(
    "--ledger",
    type=_PATH,
    help="JSON Lines file of what left, with a page beside it  [default: in the cache].",
)
@click.option("--service-url", help="Another address of the service.")
@click.option("--prompt", is_flag=True, help="Print the card as it goes into prompts.")
@click.option("--json", "as_json", is_flag=True, help="Print the card as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def about(
    code: str,
    system: str,
    knowledge: tuple[Path, ...],
    online: bool,
    language: str,
    cache: Path | None,
    ledger: Path | None,
    service_url: str | None,
    prompt: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    r"""Show what is known of CODE, offline unless --online is given.

    \b
    Example:
      llmsyn knowledge about I50.9
      llmsyn knowledge about furosemide --system ingredient --json
    """
    from llmsyn.knowledge.cards import about as card_of
    from llmsyn.knowledge.cards import card_json, prompt_text
    from llmsyn.knowledge.loading import load_base

    if not online and (cache or ledger or service_url or language != "en"):
        raise click.UsageError(
            "--cache, --ledger, --service-url and --language go with --online; add it, or leave "
            "them out"
        )
    if prompt and as_json:
        raise click.UsageError("--prompt and --json exclude each other; give one of them")
    base = load_base(knowledge)
    card = card_of(code, system, base)
    if online:
        from llmsyn.egress.cache import default_folder
        from llmsyn.egress.door import LEDGER_NAME, open_door
        from llmsyn.egress.page import write_page
        from llmsyn.knowledge.medlineplus import ADDRESS, listed_codes, with_topics

        folder = cache or default_folder()
        log = ledger or folder / LEDGER_NAME
        door = open_door(folder, log, listed_codes(base))
        try:
            card = with_topics(card, door, language=language, address=service_url or ADDRESS)
        finally:
            if log.exists():  # a failed request left too
                write_page(log, log.with_suffix(".html"))
        if card.topics_problem:
            click.echo(
                f"llmsyn: note: the topics are of {card.topics_retrieved}: {card.topics_problem}",
                err=True,
            )
    if quiet:
        return
    if as_json:
        click.echo(json.dumps(card_json(card), indent=2, ensure_ascii=False))
    elif prompt:
        click.echo(prompt_text(card))
    else:
        _show(card, asked=online)


def _show(card: Card, *, asked: bool) -> None:
    from llmsyn.knowledge.cards import card_text
    from llmsyn.knowledge.medlineplus import ATTRIBUTION

    click.echo(card_text(card))
    for topic in card.topics:
        click.echo(f"\n{topic.title} ({topic.url})\n{topic.summary}")
    if card.topics:
        click.echo(f"\n{ATTRIBUTION}, retrieved {card.topics_retrieved}.")
    elif asked:
        click.echo("\nMedlinePlus has no health topic for it.")
    if card.sources:
        click.echo("\nSources:")
    for source in card.sources:
        click.echo(f"  {source.key}: {source.title} ({source.licence}) {source.url}".rstrip())
