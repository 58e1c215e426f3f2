"""From a profile to a folder that reads back as the same profile, bit by bit."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from llmsyn.errors import ProfileError
from llmsyn.profile.file_names import FileNames
from llmsyn.profile.places import DOCUMENT
from llmsyn.profile.schema import SUPPRESSED
from llmsyn.profile.table_files import columns_of
from llmsyn.profile.tables import Table
from llmsyn.profile.toml_text import Value, number_text, section_text
from llmsyn.profile.types import SCHEMA_VERSION, Disclosure, Profile, Provenance
from llmsyn.profile.variables import (
    UNLISTED,
    Categorical,
    CodeSet,
    FloatArray,
    Numeric,
    Variable,
)
from llmsyn.store import spreadsheet_safe, write_folder, write_text

Title = Callable[[str, str], str | None]


def write_profile(
    profile: Profile, folder: Path, *, force: bool = False, title: Title | None = None
) -> None:
    """Write a profile as ``profile.toml`` and CSV files.

    Equal profiles give equal bytes.  The folder is whole or absent.

    Parameters
    ----------
    profile : what to write.
    folder : where to; it must not exist, unless ``force``.
    force : replace the folder, with everything in it.
    title : name of a code of a system (:func:`llmsyn.codes.title`), for a column that
        people read and the program does not.

    Raises
    ------
    OutputError : the folder exists, or cannot be written.
    ProfileError : a text cannot be read back from a CSV file.
    """
    names = FileNames()
    files: dict[str, str] = {}
    sections: list[str] = []
    for variable in profile.variables:
        sections.append(_variable(variable, profile, names, files, title))
    sections += [_table(table, profile, names, files) for table in profile.tables]
    sections += [
        section_text(
            "[[rules]]",
            {
                "never": [str(term) for term in rule.never],
                "reason": rule.reason or None,
                "source": rule.source or None,
            },
        )
        for rule in profile.rules
    ]
    files[DOCUMENT] = "\n".join([*_head(profile), *sections])

    def fill(place: Path) -> None:
        for name, text in files.items():
            write_text(place / name, text)

    write_folder(folder, fill, force=force)


def _head(profile: Profile) -> Iterator[str]:
    patients = None if profile.n_patients == profile.n_units else profile.n_patients
    if profile.unit == "stay":
        patients = profile.n_patients
    yield section_text(
        "",
        {
            "schema": SCHEMA_VERSION,
            "name": profile.name,
            "title": profile.title or None,
            "unit": profile.unit,
            "n_units": profile.n_units,
            "n_patients": patients,
            "stages": list(profile.stages),
        },
    )
    for header, part, usual in (
        ("[provenance]", profile.provenance, Provenance()),
        ("[disclosure]", profile.disclosure, Disclosure()),
    ):
        keys: dict[str, Value | None] = {}
        for name, value in vars(part).items():
            changed = value != getattr(usual, name)
            keys[name] = value if changed or name in {"kind", "method"} else None
        yield section_text(header, keys)


def _variable(
    variable: Variable,
    profile: Profile,
    names: FileNames,
    files: dict[str, str],
    title: Title | None,
) -> str:
    keys: dict[str, Value | None] = {
        "name": variable.name,
        "kind": _kind(variable),
        "stage": variable.stage,
        "label": variable.label or None,
        "concept": variable.concept,
        "role": None if variable.role == "feature" else variable.role,
        "proxy_of": variable.proxy_of,
    }
    file = names.new(variable.name)
    if isinstance(variable, Categorical):
        keys |= {
            "file": file,
            "ordered": variable.ordered or None,
            "missing": variable.missing,
            "means": dict(variable.means) or None,
        }
        rows = zip(map(_text, variable.levels), map(_count, variable.counts))
        files[file] = _csv(("level", "count"), rows)
    elif isinstance(variable, Numeric):
        keys |= _numeric(variable, file)
        numbers = (variable.edges[:-1], variable.edges[1:])
        limits = ([number_text(x) for x in side] for side in numbers)
        files[file] = _csv(("low", "high", "count"), zip(*limits, map(_count, variable.counts)))
    else:
        keys |= _code_set(variable, file, names, files, title)
    keys |= _precision(variable.half_width, variable.sigma, profile)
    return section_text("[[variables]]", keys)


def _kind(variable: Variable) -> str:
    if isinstance(variable, Categorical):
        return "categorical"
    return "numeric" if isinstance(variable, Numeric) else "codes"


def _precision(half_width: float, sigma: float, profile: Profile) -> dict[str, Value | None]:
    """The keys that a reader would not derive from the rounding of the profile."""
    rounding = profile.disclosure.rounding
    usual = rounding / 2 if rounding > 1 else 0.0
    return {
        "half_width": None if half_width == usual else half_width,
        "sigma": sigma or None,
    }


def _numeric(variable: Numeric, file: str) -> dict[str, Value | None]:
    hidden = math.isnan(variable.missing_count)
    return {
        "unit": variable.unit or None,
        "decimals": variable.decimals,
        "file": file,
        "missing_count": SUPPRESSED if hidden else variable.missing_count or None,
        "basis": None if variable.basis == "bins" else variable.basis,
    }


def _code_set(
    codes: CodeSet,
    file: str,
    names: FileNames,
    files: dict[str, str],
    title: Title | None,
) -> dict[str, Value | None]:
    columns: dict[str, list[str]] = {"code": [_text(code) for code in codes.codes]}
    named = (
        codes.titles.get(code) or (title and title(codes.system_of(code), codes.bare(code)))
        for code in codes.codes
    )
    titles = [spreadsheet_safe(name or "") for name in named]
    if any(titles):
        columns["title"] = titles
    columns["count"] = [_count(x) for x in codes.counts]
    if codes.main is not None:
        columns["main_count"] = [_count(x) for x in codes.main]
    elif codes.main_unlisted is not None:
        raise ProfileError(f"{codes.name} has a main count of unlisted codes only; drop it")
    if codes.main_unlisted is not None:
        for name, column in columns.items():
            column.append(
                {"code": UNLISTED, "main_count": _count(codes.main_unlisted)}.get(name, "")
            )
    files[file] = _csv(tuple(columns), zip(*columns.values()))
    histograms = {
        kind: array
        for kind, array in (
            ("listed", codes.listed),
            ("unlisted", codes.unlisted),
            ("total", codes.total),
        )
        if array is not None
    }
    histogram_file = names.new(codes.name, "histograms") if histograms else None
    if histogram_file is not None:
        files[histogram_file] = _histograms(histograms)
    selector: Value | None = None
    if codes.selector is not None:
        systems = {level: list(each) for level, each in codes.selector.systems.items()}
        selector = {"variable": codes.selector.variable, "systems": systems}
    return {
        "systems": list(codes.systems),
        "file": file,
        "histograms": histogram_file,
        "unlisted_per_unit": codes.unlisted_per_unit,
        "selector": selector,
    }


def _histograms(histograms: dict[str, FloatArray]) -> str:
    """One column a histogram; past its end, cells are empty."""
    length = max(len(array) for array in histograms.values())
    columns = [
        [_count(x) for x in array] + [""] * (length - len(array)) for array in histograms.values()
    ]
    return _csv(("number", *histograms), zip(map(str, range(length)), *columns))


def _table(table: Table, profile: Profile, names: FileNames, files: dict[str, str]) -> str:
    axes = tuple(axis.variable for axis in table.axes)
    file = names.new("table", *axes)
    labels = [[_text(label) for label in axis.labels] for axis in table.axes]
    shape = table.counts.shape
    if 0 in shape or (table.is_pairs and shape[0] < 2):
        raise ProfileError(f"the table {table.name} has no cells; drop it")
    rows = (
        (
            *(labels[axis][k] for axis, k in enumerate(cell)),
            _count(table.counts[cell], table.absent),
        )
        for cell in _written_cells(table)
    )
    files[file] = _csv((*columns_of(axes), "count"), rows)
    keys: dict[str, Value | None] = {
        "axes": list(axes),
        "file": file,
        "absent": table.absent,
        "source": table.source or None,
    }
    return section_text("[[tables]]", keys | _precision(table.half_width, table.sigma, profile))


def _written_cells(table: Table) -> Iterator[tuple[int, ...]]:
    """Published cells, and those that bring each label in its order.

    A reader takes labels in the order of their first appearance, so the cells in which all
    indices but one are the first are written even where they are not published.
    """
    written = ~np.isnan(table.counts)
    for axis in range(table.counts.ndim):
        line: list[int | slice] = [0] * table.counts.ndim
        line[axis] = slice(None)
        written[tuple(line)] = True
    if table.is_pairs:
        written = np.triu(written, 1)
    for cell in np.argwhere(written):
        yield tuple(int(k) for k in cell)


def _count(value: float, absent: str = SUPPRESSED) -> str:
    return absent if math.isnan(value) else number_text(value)


def _text(text: str) -> str:
    """A label as a cell.

    Raises
    ------
    ProfileError : it would not be read back as it is.
    """
    if not text or any(sign in text for sign in "\0\r\n"):
        raise ProfileError(f"the label {text!r} is empty or has a line break; rename it")
    return spreadsheet_safe(text)


def _csv(header: Sequence[str], rows: Iterator[tuple[str, ...]] | zip[tuple[str, ...]]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()
