"""From the keys and CSV files of a code set to the code set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from llmsyn import codes
from llmsyn.profile.places import IntArray, Rows
from llmsyn.profile.scale import Scale, common
from llmsyn.profile.schema import CodesKeys, SelectorKeys
from llmsyn.profile.sheets import Sheet, read_sheet
from llmsyn.profile.variables import UNLISTED, CodeSet, FloatArray, Selector
from llmsyn.store import spreadsheet_raw

MAX_CODES_PER_UNIT = 100_000


def read_codes(
    keys: CodesKeys, folder: Path, path: str, scale: Scale
) -> tuple[CodeSet, dict[str, Rows]]:
    """Read a code set and the lines of its arrays (see :class:`.places.Source`)."""
    sheet = read_sheet(folder, keys.file, f"{path}.file")
    sheet.expect(("code",), ("title", "count", "share", "main_count", "main_share"))
    names = sheet.once("code")
    listed = np.array([code != UNLISTED for code in names], dtype=bool)
    _check_systems(sheet, names, keys)
    unlisted_at = names.index(UNLISTED) if UNLISTED in names else None
    count_column = sheet.one_of("count", "share")
    if unlisted_at is not None:
        if sheet.columns[count_column][unlisted_at].strip():
            raise sheet.error(
                f"the row {UNLISTED} carries only a main count; leave this cell empty and "
                "give unlisted_per_unit in profile.toml",
                unlisted_at,
                count_column,
            )
        sheet.columns[count_column][unlisted_at] = "0"
    counts, width = scale.column(sheet, "")
    places = {keys.name: Rows(keys.file, f"{path}.file", sheet.lines[listed])}
    main, main_unlisted = None, None
    if "main_count" in sheet or "main_share" in sheet:
        main, main_width = scale.column(sheet, "main_")
        width = max(width, main_width)
        main_unlisted = None if unlisted_at is None else float(main[unlisted_at])
        ends = np.append(
            sheet.lines[listed], 0 if unlisted_at is None else sheet.lines[unlisted_at]
        )
        places[f"{keys.name}.main"] = Rows(keys.file, f"{path}.file", ends)
    elif unlisted_at is not None:
        raise sheet.error(
            f"the row {UNLISTED} needs a column main_count or main_share; add it or leave the "
            "row out",
            unlisted_at,
        )
    histograms: dict[str, FloatArray] = {}
    if keys.histograms is not None:
        histograms, histogram_width, lines = _histograms(keys, folder, path, scale)
        width = max(width, histogram_width)
        for name, facet in (("listed", "count"), ("unlisted", "unlisted"), ("total", "total")):
            if name in histograms:
                places[f"{keys.name}.{facet}"] = Rows(
                    keys.histograms, f"{path}.histograms", lines[: len(histograms[name])]
                )
    variable = CodeSet(
        **common(keys, width),
        systems=tuple(keys.systems),
        codes=tuple(code for code in names if code != UNLISTED),
        counts=counts[listed],
        main=None if main is None else main[listed],
        main_unlisted=main_unlisted,
        listed=histograms.get("listed"),
        unlisted=histograms.get("unlisted"),
        total=histograms.get("total"),
        unlisted_per_unit=keys.unlisted_per_unit,
        selector=None if keys.selector is None else _selector(keys.selector),
    )
    return replace(variable, titles=_own_titles(sheet, names, variable)), places


def _own_titles(sheet: Sheet, listed: list[str], variable: CodeSet) -> dict[str, str]:
    """Titles that the official lists do not give."""
    if "title" not in sheet:
        return {}
    texts = (spreadsheet_raw(text.strip()) for text in sheet.columns["title"])
    return {
        code: text
        for code, text in zip(listed, texts)
        if code != UNLISTED
        and text not in ("", code, codes.title(variable.system_of(code), variable.bare(code)))
    }


def _selector(keys: SelectorKeys) -> Selector:
    return Selector(keys.variable, {level: tuple(s) for level, s in keys.systems.items()})


def _check_systems(sheet: Sheet, names: list[str], keys: CodesKeys) -> None:
    if len(keys.systems) == 1:
        return
    for i, code in enumerate(names):
        system, sign, bare = code.partition(":")
        if code != UNLISTED and (not sign or not bare or system not in keys.systems):
            raise sheet.error(
                f"code '{code}' does not say its system; with several systems write it as "
                f"{keys.systems[0]}:CODE (systems: {', '.join(keys.systems)})",
                i,
                "code",
            )


def _histograms(
    keys: CodesKeys, folder: Path, path: str, scale: Scale
) -> tuple[dict[str, FloatArray], float, IntArray]:
    """Counts of units by number of codes; an empty cell is past the end of its histogram."""
    kinds = ("listed", "unlisted", "total")
    file = keys.histograms or ""
    sheet = read_sheet(folder, file, f"{path}.histograms")
    sheet.expect(("number",), (*kinds, *(f"{kind}_share" for kind in kinds)))
    numbers = sheet.numbers("number", absent=())
    for i, number in enumerate(numbers):
        if number != i or i > MAX_CODES_PER_UNIT:
            raise sheet.error(
                f"number {number:g} where {i} is due; write one row for each number of codes "
                "from 0 on",
                i,
                "number",
            )
    found: dict[str, FloatArray] = {}
    width = 0.0
    for kind in kinds:
        names = [name for name in (kind, f"{kind}_share") if name in sheet]
        if not names:
            continue
        name = sheet.one_of(kind, f"{kind}_share")
        column = sheet.columns[name]
        length = max((i + 1 for i, text in enumerate(column) if text.strip()), default=0)
        if not length:
            raise sheet.error("the column is empty; fill it or leave it out", column=name)
        part = Sheet(file, {name: column[:length]}, sheet.lines[:length])
        values = part.numbers(name, signed=scale.signed)
        if name == kind:
            found[kind], width = values, max(width, scale.rounding)
        else:
            scale.refuse_percentages(part, name, values)
            found[kind] = values * scale.n
            width = max(width, scale.share_width(part.decimals(name)))
    if not found:
        raise sheet.error("there is no histogram; add a column listed, unlisted or total")
    return found, width, sheet.lines
