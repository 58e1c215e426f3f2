"""What every export says of itself: that it is synthetic, from what, with which choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmsyn import __version__
from llmsyn.export.chart import Source
from llmsyn.export.dates import Calendar
from llmsyn.export.folder import ABOUT
from llmsyn.store import sha256_file, write_json, write_text

SCHEMA = 1
TAG_SYSTEM = "urn:llmsyn:origin"
SYNTHETIC = "Synthetic data. Nobody in it exists; no row was copied from a patient's record."

_DATES = (
    "Dates come from a function of the seed and the patient's number. Only what the profile "
    "publishes (length of stay, visits per patient, gaps) and the order of events in a stay is "
    "meant; no calendar date, weekday or hour means anything."
)


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Attributes
    ----------
    place : the folder or file.
    format : ``omop``, ``fhir``, ``meds``, ``csv`` or ``duckdb``.
    rows : table or file -> rows.
    left_out : what the format has no place for -> how many rows, or 0 where rows don't count.
    """

    place: Path
    format: str
    rows: Mapping[str, int]
    left_out: Mapping[str, int] = field(default_factory=dict)


def facts(
    source: Source, calendar: Calendar, exported: Exported, **settings: Any
) -> dict[str, Any]:
    """The content of ``export.json``: equal for equal exports."""
    return {
        "schema": SCHEMA,
        "origin": "synthetic",
        "statement": SYNTHETIC,
        "format": exported.format,
        "cohort": {
            "manifest_sha256": sha256_file(source.folder / "manifest.json"),
            "profile": source.manifest["profile"],
            "n": source.manifest["n"],
            "unit": source.manifest["unit"],
            "seed": source.manifest["seed"],
            "reweighted": source.manifest.get("reweighted"),
        },
        "dates": {
            "seed": calendar.seed,
            "first": calendar.first.isoformat(),
            "last": calendar.last.isoformat(),
            "stay_days": calendar.stay_days,
            "gap_days": calendar.gap_days,
        },
        "settings": settings,
        "rows": dict(exported.rows),
        "left_out": dict(exported.left_out),
        "llmsyn": __version__,
    }


def write_about(
    folder: Path, source: Source, calendar: Calendar, exported: Exported, **settings: Any
) -> None:
    """Write ``export.json`` and ``README.md`` into an export folder."""
    known = facts(source, calendar, exported, **settings)
    known["files"] = {
        file.relative_to(folder).as_posix(): sha256_file(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
    write_text(folder / "README.md", readme(source, exported))
    write_json(folder / ABOUT, known)


def readme(source: Source, exported: Exported) -> str:
    """Markdown that stands beside the tables."""
    lines = [
        f"# SYNTHETIC: {_plain(source.label)}, as {exported.format}",
        "",
        SYNTHETIC,
        "",
        f"{source.manifest['n']:,} synthetic {source.manifest['unit']}s drawn by llmsyn from the "
        f"profile {_plain(source.profile.name)} with seed {source.manifest['seed']}; "
        "`export.json` says the rest.",
        "",
        *_reweighted(source),
        _DATES,
        "",
        "| table | rows |",
        "|---|---:|",
        *(f"| {_plain(name)} | {rows:,} |" for name, rows in exported.rows.items()),
    ]
    if exported.left_out:
        lines += ["", "Left out, because this format has no place for it:", ""]
        lines += [
            f"- {_plain(what)}" + (f": {n:,} rows" if n else "")
            for what, n in exported.left_out.items()
        ]
    return "\n".join(lines) + "\n"


def _reweighted(source: Source) -> list[str]:
    found = source.manifest.get("reweighted")
    if not found:
        return []
    return [
        f"Re-weighted: {found['units']:,} of them have {_plain(found['condition'])}, on purpose; no "
        "rate of these tables is one of the population.",
        "",
    ]


def _plain(text: object) -> str:
    """One line without Markdown or HTML meaning: profiles are typed by strangers."""
    line = " ".join(str(text).split())
    for sign in "\\`*[]<>|#":
        line = line.replace(sign, "\\" + sign)
    return line
