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
    """Who the units are, in the order of the cohort.

    Attributes
    ----------
    patient, stay : ``(n_units,)`` text ids; ``stay`` is None where the mapping names no stays.
    patient_of : ``(n_units,)`` number of the unit's patient, 0, 1, 2, ... in order.
    table_row : ``(n_units,)`` the row of the unit table that each unit is.
    """

    patient: pa.Array
    stay: pa.Array | None
    patient_of: IntArray
    table_row: IntArray

    def by_stay(self, table: Table) -> bool:
        """Whether the rows of a table belong to stays; else they belong to patients."""
        return table.spec.stay is not None and self.stay is not None

    def owners(self, table: Table, columns: pa.Table | pa.RecordBatch) -> IntArray:
        """``(n,)`` the unit (:meth:`by_stay`) or patient of each row, -1 for none."""
        known = self.stay if self.by_stay(table) else self.patient.unique()
        found = pc.index_in(id_texts(columns[key_column(table, self)]), value_set=known)
        if isinstance(found, pa.ChunkedArray):
            found = found.combine_chunks()
        return np.asarray(found.fill_null(-1)).astype(np.int64)


def id_texts(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Ids as plain text, as the unit table and code tables both write them."""
    if pa.types.is_integer(column.type):
        return column.cast(pa.string())
    return texts(column).cast(pa.string())


def key_column(table: Table, keys: UnitKeys) -> str:
    """The column that says whose row it is."""
    name = table.spec.stay if keys.by_stay(table) else table.spec.patient
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


@dataclass(frozen=True, eq=False)
class _Opened:
    """A table's variables, the owner (unit or patient) of each row, and who the owners are."""

    table: Table
    columns: pa.Table
    owner: IntArray  # (n_rows,), -1 for none
    n_owners: int
    owner_of: IntArray | None  # (n_units,) owner of each unit; None: the owners are the units

    def pick(
        self,
        value: npt.NDArray,  # type: ignore[type-arg]
        known: npt.NDArray[np.bool_],
        pick: str | None,
    ) -> IntArray:
        """``(n_units,)`` the row that counts for each unit, -1 for none."""
        chosen = _pick(self.owner, value, known, self.n_owners, pick, self.table.name)
        return chosen if self.owner_of is None else chosen[self.owner_of]

    @property
    def n_rows(self) -> IntArray:
        """``(n_units,)`` rows of each unit."""
        n = np.bincount(self.owner[self.owner >= 0], minlength=self.n_owners)
        return n if self.owner_of is None else n[self.owner_of]


class _Reader:
    """Reads each table once, and only the columns that variables name."""

    def __init__(self, mapping: Mapping, keys: UnitKeys, data: Path | None) -> None:
        self.mapping, self.keys, self.data = mapping, keys, data
        self._wanted = _columns_by_table(mapping)
        self._tables: dict[str, _Opened] = {}

    def open(self, name: str) -> _Opened:
        if name not in self._tables:
            self._tables[name] = self._open(name)
        return self._tables[name]

    def _open(self, name: str) -> _Opened:
        table, keys, n = (
            find_table(self.mapping, name, self.data),
            self.keys,
            len(self.keys.patient),
        )
        columns = dict.fromkeys(self._wanted[name])
        if name == self.mapping.units.table:
            whole = table.whole([self.mapping.units.patient, *columns])
            owner = np.full(whole.num_rows, -1, dtype=np.int64)
            owner[keys.table_row] = np.arange(n)
            return _Opened(table, whole, owner, n, None)
        whole = table.whole([key_column(table, keys), *columns])
        owner = keys.owners(table, whole)
        if keys.by_stay(table):
            return _Opened(table, whole, owner, n, None)
        return _Opened(table, whole, owner, int(keys.patient_of.max()) + 1, keys.patient_of)

    def categorical(self, spec: CategoricalSpec) -> pa.Array:
        opened = self.open(spec.table or self.mapping.units.table)
        index, labels = values.levels(spec, opened.columns[spec.column], opened.table.spec.missing)
        level = _taken(index, opened.pick(index, index >= 0, spec.pick), -1)
        if spec.absent is not None:
            level = np.where(opened.n_rows > 0, level, labels.index(spec.absent))
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
        opened = self.open(home)
        if spec.pick == "count":
            return opened.n_rows.astype(np.float64)
        column, table = opened.columns[spec.column], opened.table
        number = values.numbers(spec, column, table.spec.missing, table)
        return _taken(number, opened.pick(number, ~np.isnan(number), spec.pick), np.nan)

    def date(self, home: str, place: str, pick: str | None) -> npt.NDArray[np.datetime64]:
        name, column = _place(self.mapping, home, place)
        opened = self.open(name)
        moment = values.dates(opened.columns[column], column, opened.table)
        return _taken(moment, opened.pick(moment, ~np.isnat(moment), pick), np.datetime64("NaT"))


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
