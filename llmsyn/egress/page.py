"""The ledger as a page that a person can read, with everything in it escaped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from llmsyn.egress.ledger import Log, read_ledger
from llmsyn.egress.plain import clean
from llmsyn.store import write_text


def write_page(ledger: Path, page: Path) -> None:
    """Write a ledger as one HTML file without scripts or outside parts.

    Raises
    ------
    InputError : the ledger cannot be read.
    OutputError : the page cannot be written.
    """
    write_text(page, render(read_ledger(ledger)))


def render(log: Log) -> str:
    """The page of a ledger that was read."""
    templates = Environment(
        loader=PackageLoader("llmsyn.egress", "templates"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["plain"] = _plain
    template = templates.get_template("ledger.html")
    return template.render(
        log=log,
        bytes_out=sum(entry.bytes_out for entry in log.entries),
        bytes_in=sum(entry.bytes_in for entry in log.entries),
        tokens=_tokens(log),
        services=sorted({entry.service for entry in log.entries}),
    )


def _tokens(log: Log) -> dict[str, float] | None:
    """Sums of what the answers say of tokens and price; None where none does."""
    names = ("prompt_tokens", "completion_tokens", "usd")
    sums = dict.fromkeys(names, 0.0)
    found = False
    for entry in log.entries:
        for name in names:
            value = entry.detail.get(name)
            if isinstance(value, (int, float)):
                found = True
                sums[name] += value
    if not found:
        return None
    return {**sums, **{name: int(sums[name]) for name in names[:2]}}


def _plain(value: object) -> str:
    """A value as indented text: no sign that would hide or turn text around."""
    return "\n".join(_lines(value))


def _lines(value: object) -> list[str]:
    """Mappings and lists line by line, texts with their own lines, so that prompts can be read."""
    if isinstance(value, str):
        return clean(value).split("\n")
    if isinstance(value, Mapping) and value:
        return [line for key, each in value.items() for line in _item(f"{key}:", each)]
    if isinstance(value, (list, tuple)) and any(isinstance(each, Mapping) for each in value):
        return [line for each in value for line in _item("-", each)]
    return clean(json.dumps(value, ensure_ascii=False)).split("\n")


def _item(head: str, value: object) -> list[str]:
    lines = _lines(value)
    if len(lines) == 1 and not isinstance(value, Mapping):
        return [f"{clean(head)} {lines[0]}"]
    return [clean(head), *(f"  {line}" for line in lines)]
