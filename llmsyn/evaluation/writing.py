"""The three files of a report: a page, its numbers, a datasheet."""

from __future__ import annotations

from pathlib import Path

from llmsyn.errors import OutputError
from llmsyn.evaluation.page import report_html
from llmsyn.evaluation.types import Report
from llmsyn.store import write_json, write_text

FILES = ("report.html", "report.json", "datasheet.md")


def write_report(report: Report, folder: str | Path, *, force: bool = False) -> tuple[Path, ...]:
    """Write ``report.html``, ``report.json`` and ``datasheet.md``.

    Raises
    ------
    OutputError : a report stands there and ``force`` was not given, or nothing can be written.
    """
    place = Path(folder)
    paths = tuple(place / name for name in FILES)
    there = [path for path in paths if path.exists()]
    if there and not force:
        raise OutputError(f"{there[0]} exists; choose another folder or pass --force")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder {place} cannot be made ({error.strerror}); choose another with -o"
        ) from error
    write_text(paths[0], report_html(report))
    write_json(paths[1], report.to_json())
    write_text(paths[2], report.datasheet)
    return paths
