"""From the keys and the CSV file of a cross-table to the table."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import numpy as np

from llmsyn.errors import ProfileError
from llmsyn.profile.places import DOCUMENT, Rows
from llmsyn.profile.scale import Scale
from llmsyn.profile.schema import TableKeys
from llmsyn.profile.sheets import Sheet, read_sheet
from llmsyn.profile.tables import Axis, Table

MAX_CELLS = 20_000_000
"""Cells of one table, published or not: 160 MB as an array."""

SECOND = ".2"
"""Ending of the second column of a table of pairs: ``diagnoses``, ``diagnoses.2``."""

Absent = Literal["suppressed", "unknown"]

ABSENT: tuple[Absent, ...] = ("suppressed", "unknown")


def columns_of(axes: tuple[str, ...]) -> tuple[str, ...]:
    """Column names of the axes of a table.

    Examples
    --------
    >>> columns_of(("diagnoses", "diagnoses")), columns_of(("died", "diagnoses.main"))
    (('diagnoses', 'diagnoses.2'), ('died', 'diagnoses.main'))
    """
    if len(axes) == 2 and axes[0] == axes[1]:
        return (axes[0], axes[0] + SECOND)
    return axes


def read_table(keys: TableKeys, folder: Path, path: str, scale: Scale) -> tuple[Table, Rows]:
    """Read the file of a cross-table.

    Labels are in the order in which they first appear; a cell without a row is not
    published, like one that says ``suppressed`` or ``unknown``.

    Parameters
    ----------
    keys : its table in ``profile.toml``.
    folder : the profile's folder.
    path : key path of that table.
    scale : how numbers become counts.

    Raises
    ------
    ProfileError : the file cannot be read, or says a cell twice.
    """
    axes = tuple(keys.axes)
    if len(set(axes)) < len(axes) and len(axes) != 2:
        raise ProfileError(
            "an axis stands twice; only a table of pairs has the same axis twice",
            file=DOCUMENT,
            key=f"{path}.axes",
        )
    sheet = read_sheet(folder, keys.file, f"{path}.file")
    columns = columns_of(axes)
    sheet.expect(columns, ("count", "share"))
    if not len(sheet):
        raise sheet.error("there is no row below the header; write one row a cell")
    values, width = scale.column(sheet, "", absent=ABSENT)
    texts = [sheet.texts(column) for column in columns]
    pairs = columns != axes
    if pairs:
        labels = list(dict.fromkeys(text for both in zip(*texts) for text in both))
        order = [labels, labels]
    else:
        order = [list(dict.fromkeys(column)) for column in texts]
    shape = tuple(len(each) for each in order)
    if math.prod(shape) > MAX_CELLS:
        raise sheet.error(
            f"the table has {math.prod(shape):,} cells and the limit is {MAX_CELLS:,}; "
            "publish fewer labels"
        )
    ranks = [{label: i for i, label in enumerate(each)} for each in order]
    index = tuple(
        np.fromiter(map(rank.__getitem__, column), dtype=np.int64, count=len(sheet))
        for rank, column in zip(ranks, texts)
    )
    if pairs:
        index = _upper(index, sheet, texts, columns)
    _refuse_twice(index, shape, sheet, texts)
    counts = np.full(shape, np.nan)
    rows = np.zeros(shape, dtype=np.int64)
    counts[index], rows[index] = values, sheet.lines
    if pairs:
        counts[index[::-1]], rows[index[::-1]] = values, sheet.lines
    table = Table(
        axes=tuple(Axis(name, tuple(each)) for name, each in zip(axes, order)),
        counts=counts,
        absent=_absent(keys, sheet, path),
        half_width=width if keys.half_width is None else keys.half_width,
        sigma=keys.sigma,
        source=keys.source,
    )
    return table, Rows(keys.file, f"{path}.file", rows)


def _upper(
    index: tuple[np.ndarray, ...],
    sheet: Sheet,
    texts: list[list[str]],
    columns: tuple[str, ...],
) -> tuple[np.ndarray, ...]:
    """Each pair with its earlier label first, so that both orders are one cell."""
    same = np.flatnonzero(index[0] == index[1])
    if len(same):
        i = int(same[0])
        raise sheet.error(
            f"'{texts[0][i]}' is paired with itself; leave the row out, its count stands with "
            "the variable",
            i,
            columns[1],
        )
    return (np.minimum(*index), np.maximum(*index))


def _refuse_twice(
    index: tuple[np.ndarray, ...],
    shape: tuple[int, ...],
    sheet: Sheet,
    texts: list[list[str]],
) -> None:
    flat = np.ravel_multi_index(index, shape)
    order = np.argsort(flat, kind="stable")
    again = np.flatnonzero(np.diff(flat[order]) == 0)
    if len(again):
        second, first = max((int(order[k + 1]), int(order[k])) for k in again)
        cell = " x ".join(column[second] for column in texts)
        raise sheet.error(
            f"the cell {cell} stands twice, first in row {int(sheet.lines[first])}; keep one",
            second,
        )


def _absent(keys: TableKeys, sheet: Sheet, path: str) -> Absent:
    name = sheet.one_of("count", "share")
    cells = [text.strip() for text in sheet.columns[name]]
    said = {word: cells.index(word) for word in ABSENT if word in cells}
    first: list[Absent] = sorted(said, key=lambda word: said[word])
    wanted = keys.absent or [*first, ABSENT[1]][0]
    for word, i in said.items():
        if word != wanted:
            raise sheet.error(
                f"the cell says {word} and others of this table are {wanted}; use one word, "
                f"and the same for absent in {DOCUMENT} ({path})",
                i,
                name,
            )
    return wanted
