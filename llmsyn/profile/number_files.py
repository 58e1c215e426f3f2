"""From the keys and the CSV file of a number to the variable."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from llmsyn.errors import ProfileError
from llmsyn.profile.binning import bins_from_mean_sd, bins_from_quantiles
from llmsyn.profile.places import DOCUMENT, Rows
from llmsyn.profile.scale import Scale, common
from llmsyn.profile.schema import NumericKeys
from llmsyn.profile.sheets import Sheet, decimals_of, read_sheet
from llmsyn.profile.variables import FloatArray, Numeric


def read_number(
    keys: NumericKeys, folder: Path, path: str, scale: Scale
) -> tuple[Numeric, dict[str, Rows]]:
    """Read a number and the lines of its bins, the missing ones last (see :class:`.places.Source`)."""
    basis: Literal["bins", "quantiles", "mean_sd"]
    missing, missing_width = _missing(keys, scale)
    present = scale.n - missing
    if keys.file is None:
        edges, counts, width = _from_mean_sd(keys, path, present)
        lines, basis = np.zeros(len(counts), dtype=np.int64), "mean_sd"
    else:
        sheet = read_sheet(folder, keys.file, f"{path}.file")
        if "quantile" in sheet:
            edges, counts, width = _from_quantiles(sheet, keys, path, present)
            basis = "quantiles"
            ends = sheet.lines if len(sheet) == len(edges) else np.append(sheet.lines, 0)
            lines = ends[-len(counts) :]
        else:
            edges = _bin_edges(sheet)
            counts, width = scale.column(sheet, "")
            lines, basis = sheet.lines, keys.basis or "bins"
    if keys.basis is not None and keys.basis != basis:
        raise ProfileError(
            f"basis = '{keys.basis}' contradicts the columns of the file; leave basis out",
            file=DOCUMENT,
            key=f"{path}.basis",
        )
    variable = Numeric(
        **common(keys, max(width, missing_width)),
        unit=keys.unit,
        decimals=keys.decimals,
        edges=edges,
        counts=counts,
        missing_count=missing,
        basis=basis,
    )
    rows = Rows(keys.file or DOCUMENT, path, np.append(lines, 0))
    return variable, {keys.name: rows}


def _missing(keys: NumericKeys, scale: Scale) -> tuple[float, float]:
    """Count of units without a value, and its half-width."""
    if keys.missing_share is not None:
        decimals = decimals_of(repr(keys.missing_share))
        return keys.missing_share * scale.n, scale.share_width(decimals)
    return keys.missing_count or 0.0, 0.0


def _from_mean_sd(keys: NumericKeys, path: str, n: float) -> tuple[FloatArray, FloatArray, float]:
    mean, sd, low, high = keys.mean, keys.sd, keys.low, keys.high
    if mean is None or sd is None or low is None or high is None:
        raise AssertionError("the schema asks for all four")
    _refuse_unknown_number(n, path)
    try:
        edges, counts = bins_from_mean_sd(mean, sd, low, high, n, keys.decimals)
    except ValueError as error:
        raise ProfileError(
            f"{error}; correct them, or give a file of bins or quantiles",
            file=DOCUMENT,
            key=f"{path}.mean",
        ) from None
    # As exact as the printed mean: the densest bin, moved by half a unit of its last decimal.
    shift = 0.5 * 10.0 ** -decimals_of(repr(mean))
    return edges, counts, float(min(1.0, shift / np.diff(edges).min()) * counts.max())


def _from_quantiles(
    sheet: Sheet, keys: NumericKeys, path: str, n: float
) -> tuple[FloatArray, FloatArray, float]:
    sheet.expect(("quantile", "value"))
    _refuse_unknown_number(n, path)
    quantiles = sheet.numbers("quantile", absent=())
    values = sheet.numbers("value", signed=True, absent=())
    for column, array in (("quantile", quantiles), ("value", values)):
        falling = np.flatnonzero(np.diff(array) <= 0)
        if len(falling):
            i = int(falling[0]) + 1
            raise sheet.error(
                f"{array[i]:g} is not above {array[i - 1]:g} of the row before; sort the rows, "
                "and give bins instead where many units share one value",
                i,
                column,
            )
    for key, end, at in (("low", 0.0, 0), ("high", 1.0, -1)):
        limit = getattr(keys, key)
        has_end = len(quantiles) > 0 and quantiles[at] == end
        if has_end == (limit is not None):
            raise ProfileError(
                f"quantile {end:g} is the {'smallest' if key == 'low' else 'largest'} value; "
                f"give it either as a row of {keys.file} or as {key}",
                file=DOCUMENT,
                key=f"{path}.{key}",
            )
        if limit is not None:
            where = 0 if key == "low" else len(quantiles)
            quantiles = np.insert(quantiles, where, end)
            values = np.insert(values, where, limit)
    if (np.diff(values) <= 0).any() or (quantiles > 1).any():
        raise sheet.error(
            "quantiles must lie between 0 and 1 and values between low and high; correct them"
        )
    return bins_from_quantiles(quantiles, values, n, keys.decimals)


def _refuse_unknown_number(n: float, path: str) -> None:
    if not n > 0:  # NaN included
        raise ProfileError(
            "without a known number of units that have a value there are no counts; give "
            "missing_count or missing_share as a number below all units",
            file=DOCUMENT,
            key=path,
        )


def _bin_edges(sheet: Sheet) -> FloatArray:
    sheet.expect(("low", "high"), ("count", "share"))
    low = sheet.numbers("low", signed=True, absent=())
    high = sheet.numbers("high", signed=True, absent=())
    if not len(sheet):
        raise sheet.error("there is no row below the header; write one row a bin")
    for i in range(len(sheet)):
        if low[i] >= high[i]:
            raise sheet.error(f"low {low[i]:g} is not below high {high[i]:g}; swap them", i, "low")
        if i and low[i] != high[i - 1]:
            raise sheet.error(
                f"low {low[i]:g} is not the high {high[i - 1]:g} of the row before; bins follow "
                "each other without gap or overlap",
                i,
                "low",
            )
    return np.append(low, high[-1])
