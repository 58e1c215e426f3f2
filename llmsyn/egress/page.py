"""The ledger as a page that a person can read, with everything in it escaped."""

from __future__ import annotations

import json
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
        services=sorted({entry.service for entry in log.entries}),
    )


def _plain(value: object) -> str:
    """Text as it is, everything else as JSON; no sign that would hide or turn text around."""
    if isinstance(value, str):
        return clean(value)
    return clean(json.dumps(value, ensure_ascii=False, indent=1))
