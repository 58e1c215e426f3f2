"""Level variables: one value per unit, wherever its column stands."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from llmsyn.cohort import values
from llmsyn.cohort.files import Table, find_table, texts
from llmsyn.cohort.mapping import CategoricalSpec, Mapping, NumericSpec
from llmsyn.errors import MappingError
from llmsyn.profile.variables import MISSING, FloatArray

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class UnitKeys:
    """Who the units are: ``(n_units,)`` text ids, in the order of the cohort."""

    patient: pa.Array
    stay: pa.Array | None
    table_row: IntArray  # (n_units,) the row of the unit table that each unit is

    def rows(self, table: Table, columns: pa.Table | pa.RecordBatch) -> IntArray:
        """``(n,)`` index of the unit that each row belongs to, -1 for none.

        A table with a stay id joins by stay, any other by patient.
        """
        if table.spec.stay is not None and self.stay is not None:
            name, known = table.spec.stay, self.stay
        else:
            assert table.spec.patient is not None, "read_mapping lets no such table pass"
            name, known = table.spec.patient, self.patient
        found = pc.index_in(id_texts(columns[name]), value_set=known)
        if isinstance(found, pa.ChunkedArray):
            found = found.combine_chunks()
        return np.asarray(found.fill_null(-1)).astype(np.int64)


def id_texts(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Ids as plain text, as the unit table and code tables both write them."""
    if pa.types.is_integer(column.type):
        return column.cast(pa.string())
    return texts(column).cast(pa.string())


def key_column(table: Table, keys_have_stay: bool) -> str:
    """The column that says whose row it is."""
    name = table.spec.stay if table.spec.stay and keys_have_stay else table.spec.patient
    assert name is not None, "read_mapping lets no such table pass"
    return name


def read_levels(mapping: Mapping, keys: UnitKeys, data: Path | None) -> dict[str, pa.Array]:
    """Columns of all level variables, in the order of the mapping.

    Returns
    -------
    Name -> ``(n_units,)`` dictionary-encoded text (missing is a level) or float64 (missing is
    null).
    """
    reader = _Reader(mapping, keys, data)
    columns: dict[str, pa.Array] = {}
    for i, spec in enumerate(mapping.level_variables):
        try:
            if isinstance(spec, CategoricalSpec):
                columns[spec.name] = reader.categorical(spec)
            else:
                columns[spec.name] = reader.numeric(spec)
        except _SeveralRows as error:
            raise MappingError(
                f"table {error.table!r} has several rows for one unit; say which counts with "
                f"pick in variable {spec.name!r}",
                file=mapping.path,
                key=f"variables[{_index(mapping, i)}].pick",
            ) from error
    return columns


class _SeveralRows(Exception):
    def __init__(self, table: str) -> None:
        self.table = table
        super().__init__(table)


class _Reader:
    """Reads each table once, and only the columns that variables name."""

    def __init__(self, mapping: Mapping, keys: UnitKeys, data: Path | None) -> None:
        self.mapping, self.keys, self.data = mapping, keys, data
        self.n = len(keys.patient)
        self._wanted = _columns_by_table(mapping)
        self._tables: dict[str, tuple[Table, pa.Table, IntArray]] = {}

    def open(self, name: str) -> tuple[Table, pa.Table, IntArray]:
        """A table's variables, and the unit of each row (-1: none)."""
        if name not in self._tables:
            table = find_table(self.mapping, name, self.data)
            columns = dict.fromkeys(self._wanted[name])
            if name == self.mapping.units.table:
                whole = table.whole([self.mapping.units.patient, *columns])
                unit = np.full(whole.num_rows, -1, dtype=np.int64)
                unit[self.keys.table_row] = np.arange(self.n)
            else:
                key = key_column(table, self.keys.stay is not None)
                whole = table.whole([key, *columns])
                unit = self.keys.rows(table, whole)
            self._tables[name] = table, whole, unit
        return self._tables[name]

    def categorical(self, spec: CategoricalSpec) -> pa.Array:
        table, whole, unit = self.open(spec.table or self.mapping.units.table)
        index, labels = values.levels(spec, whole[spec.column], table.spec.missing)
        chosen = _pick(unit, index, index >= 0, self.n, spec.pick, table.name)
        level = np.where(chosen >= 0, index[np.maximum(chosen, 0)], -1) if len(index) else chosen
        if spec.absent is not None:
            seen = np.zeros(self.n, dtype=bool)
            seen[unit[unit >= 0]] = True
            level = np.where(seen, level, labels.index(spec.absent))
        if MISSING not in labels:
            labels = [*labels, MISSING]
        level = np.where(level < 0, labels.index(MISSING), level)
        used = np.unique(level)  # a level that no unit has is not in the dictionary
        small = np.searchsorted(used, level).astype(np.int32)
        names = pa.array([labels[u] for u in used], pa.string())
        return pa.DictionaryArray.from_arrays(pa.array(small), names)

    def numeric(self, spec: NumericSpec) -> pa.Array:
        home = spec.table or self.mapping.units.table
        if spec.years_between or spec.days_between:
            first, second = (
                self.date(home, place, spec.pick)
                for place in spec.years_between or spec.days_between or ()
            )
            between = values.years_between if spec.years_between else values.days_between
            number = between(first, second)
        else:
            number = self.number(home, spec)
        number = values.on_grid(spec, number)
        return pa.array(number, pa.float64(), mask=np.isnan(number))

    def number(self, home: str, spec: NumericSpec) -> FloatArray:
        table, whole, unit = self.open(home)
        if spec.pick == "count":
            return np.bincount(unit[unit >= 0], minlength=self.n).astype(np.float64)
        number = values.numbers(spec, whole[spec.column], table.spec.missing, table)
        chosen = _pick(unit, number, ~np.isnan(number), self.n, spec.pick, table.name)
        return _taken(number, chosen, np.nan)

    def date(self, home: str, place: str, pick: str | None) -> npt.NDArray[np.datetime64]:
        name, column = _place(self.mapping, home, place)
        table, whole, unit = self.open(name)
        moment = values.dates(whole[column], column, table)
        chosen = _pick(unit, moment, ~np.isnat(moment), self.n, pick, table.name)
        return _taken(moment, chosen, np.datetime64("NaT"))


def _taken(value: npt.NDArray, chosen: IntArray, nothing: object) -> npt.NDArray:  # type: ignore[type-arg]
    """``(n_units,)`` values of the chosen rows, ``nothing`` where no row is chosen."""
    result = np.full(len(chosen), nothing, dtype=value.dtype)
    result[chosen >= 0] = value[chosen[chosen >= 0]]
    return result


def _pick(
    unit: IntArray,
    value: npt.NDArray,  # type: ignore[type-arg]
    known: npt.NDArray[np.bool_],
    n: int,
    pick: str | None,
    table: str,
) -> IntArray:
    """``(n_units,)`` the row that counts for each unit, -1 for none.

    Rows without a value never count.  Without ``pick``, a unit with two rows is an error.
    """
    chosen = np.full(n, -1, dtype=np.int64)
    rows = np.flatnonzero((unit >= 0) & known)
    if pick is None and np.bincount(unit[unit >= 0], minlength=n).max(initial=0) > 1:
        raise _SeveralRows(table)
    if pick in ("min", "any", "max"):
        rows = rows[np.argsort(value[rows], kind="stable")]
    if pick in (None, "first", "min", "any"):
        rows = rows[::-1]
    chosen[unit[rows]] = rows  # of several rows of a unit, the last one written stays
    return chosen


def _place(mapping: Mapping, home: str, place: str) -> tuple[str, str]:
    """``table.column`` or ``column``: the table and the column."""
    table, dot, column = place.partition(".")
    return (table, column) if dot and table in mapping.tables else (home, place)


def _columns_by_table(mapping: Mapping) -> MappingOf[str, list[str]]:
    wanted: dict[str, list[str]] = {name: [] for name in mapping.tables}
    for spec in mapping.level_variables:
        home = spec.table or mapping.units.table
        if spec.column is not None:
            wanted[home].append(spec.column)
        if isinstance(spec, NumericSpec):
            for place in (*(spec.years_between or ()), *(spec.days_between or ())):
                name, column = _place(mapping, home, place)
                wanted[name].append(column)
    return wanted


def _index(mapping: Mapping, level: int) -> int:
    """Place of a level variable among all variables of the mapping."""
    return mapping.variables.index(mapping.level_variables[level])
