"""From the texts of one column to levels or numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from llmsyn.cohort.files import Table, text_values, texts
from llmsyn.cohort.mapping import CategoricalSpec, NumericSpec
from llmsyn.profile.terms import parse_range
from llmsyn.profile.variables import MISSING, FloatArray

IntArray = npt.NDArray[np.int64]

_DAY = np.timedelta64(1, "D")


def levels(
    spec: CategoricalSpec, column: pa.ChunkedArray, missing: Sequence[str]
) -> tuple[IntArray, list[str]]:
    """Level index of each row (-1: missing) and the names of the levels.

    Names come in the order of the mapping, then those that only the data have, sorted.
    """
    index, names = text_values(texts(column))
    nothing = {*missing, *spec.missing, None}
    wanted = [_level(spec, name, nothing) for name in names]
    found = sorted({w for w in wanted if w is not None} - set(spec.declared))
    labels = [*spec.declared, *found]
    place = {label: i for i, label in enumerate(labels)}
    to_level = np.array([-1 if w is None else place[w] for w in wanted], dtype=np.int64)
    return to_level[index], labels


def _level(spec: CategoricalSpec, text: str | None, nothing: set[str | None]) -> str | None:
    if text is not None and text in spec.levels:
        level = spec.levels[text]
    elif text is None or text in nothing:
        return None
    else:
        level = text if spec.other is None else spec.other
    return None if level == MISSING else level


def numbers(
    spec: NumericSpec, column: pa.ChunkedArray, missing: Sequence[str], table: Table
) -> FloatArray:
    """Number of each row, NaN where missing, on no grid yet.

    Raises
    ------
    MappingError : a text is neither a number (an interval, where the mapping says so) nor
        declared missing.
    """
    index, names = text_values(texts(column))
    nothing = {*missing, *spec.missing, None}
    read = _middle if spec.interval else _number
    values = np.empty(len(names))
    for i, name in enumerate(names):
        try:
            values[i] = np.nan if name is None or name in nothing else read(name)
        except ValueError:
            what = "an interval such as [70-80)" if spec.interval else "a number"
            raise table.fault(
                f"{name!r} is not {what}; correct it or add it to missing of {spec.name}",
                column=spec.column,
            ) from None
    return values[index]


def on_grid(spec: NumericSpec, values: FloatArray) -> FloatArray:
    """Top- and bottom-coded, on the grid of ``decimals``."""
    if spec.top is not None or spec.bottom is not None:
        low = -np.inf if spec.bottom is None else spec.bottom
        high = np.inf if spec.top is None else spec.top
        values = np.clip(values, low, high)
    # Half a unit goes up, also for 0.5 and 2.5: numpy rounds those to even numbers.
    grid = 10.0**spec.decimals
    return np.asarray(np.floor(values * grid + 0.5 + 1e-9) / grid, dtype=np.float64)


def dates(column: pa.ChunkedArray, name: str, table: Table) -> npt.NDArray[np.datetime64]:
    """``(n,)`` moments to the second, NaT where missing.

    Raises
    ------
    MappingError : a text is no ISO date such as 2019-03-31 or 2019-03-31 14:05:00.
    """
    if isinstance(column.type, pa.DictionaryType) or pa.types.is_string(column.type):
        coded = texts(column)
        nothing = pa.array(table.spec.missing, pa.string())
        plain = pc.if_else(
            pc.is_in(coded.dictionary, value_set=nothing),
            pa.scalar(None, pa.string()),
            coded.dictionary,
        )
        try:
            moments = plain.cast(pa.timestamp("s"))
        except pa.ArrowInvalid as error:
            raise table.fault(
                "a text is no date; write dates as 2019-03-31 or 2019-03-31 14:05:00", column=name
            ) from error
        column = moments.take(coded.indices)
    elif not pa.types.is_temporal(column.type):
        raise table.fault("the column holds no dates; name a column of dates", column=name)
    values = column.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False)
    return np.asarray(values.astype("datetime64[s]"))


def years_between(
    birth: npt.NDArray[np.datetime64], start: npt.NDArray[np.datetime64]
) -> FloatArray:
    """Completed years, as ages are counted; NaN where a date is missing.

    Examples
    --------
    >>> years_between(np.array(["2000-05-02"], "M8[s]"), np.array(["2010-05-01"], "M8[s]"))
    array([9.])
    """
    known = ~(np.isnat(birth) | np.isnat(start))
    years = start.astype("M8[Y]").astype(float) - birth.astype("M8[Y]").astype(float)
    before = _day_of_year(start) < _day_of_year(birth)
    return np.where(known, years - before, np.nan)


def days_between(start: npt.NDArray[np.datetime64], end: npt.NDArray[np.datetime64]) -> FloatArray:
    """Days with fractions; NaN where a date is missing."""
    known = ~(np.isnat(start) | np.isnat(end))
    return np.where(known, (end - start) / _DAY, np.nan)


def _day_of_year(moments: npt.NDArray[np.datetime64]) -> IntArray:
    """Month and day as one number, so that 29 February does not shift later birthdays."""
    months = moments.astype("M8[M]")
    day = (moments.astype("M8[D]") - months.astype("M8[D]")).astype(np.int64)
    return np.asarray((months.astype(np.int64) % 12) * 32 + day)


def _number(text: str) -> float:
    value = float(text)
    if not np.isfinite(value):
        raise ValueError(text)
    return value


def _middle(text: str) -> float:
    """The whole number at or below the middle of [70-80), [70,80) or 70-80."""
    inner = text.strip("[]() ")
    ends = parse_range(text)
    low, high = (ends.low, ends.high) if ends else map(float, inner.split("-"))
    return float(np.floor((low + high) / 2))
