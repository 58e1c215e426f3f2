"""Code sets: the codes of each unit, from long tables, wide columns or flags.

Read in record batches into three small arrays (row int32, code int32, position int16), so
ten bytes a code row stay in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmsyn.codes import normalise
from llmsyn.cohort.files import Table, find_table, rows_where, text_values, texts
from llmsyn.cohort.levels import UnitKeys, key_column
from llmsyn.cohort.mapping import CodeSource, CodesSpec, Mapping
from llmsyn.cohort.values import dates
from llmsyn.errors import MappingError

IntArray = npt.NDArray[np.int64]
Normaliser = Callable[[str], str | tuple[str, ...] | None]
"""From a text of the hospital to a code of the system, or to several (a combination product);
None or an empty tuple for what is no code at all."""

_LAST = np.iinfo(np.int16).max
_YES = frozenset({"1", "1.0", "true", "yes", "y", "t"})


@dataclass
class _Rows:
    """What has been read so far of one code set."""

    codes: dict[str, int] = field(default_factory=dict)
    row: list[npt.NDArray[np.int32]] = field(default_factory=list)
    code: list[npt.NDArray[np.int32]] = field(default_factory=list)
    order: list[npt.NDArray[np.int16]] = field(default_factory=list)
    time: list[npt.NDArray[np.datetime64]] = field(default_factory=list)

    def number(self, code: str) -> int:
        return self.codes.setdefault(code, len(self.codes))


def read_codes(
    spec: CodesSpec,
    mapping: Mapping,
    keys: UnitKeys,
    data: Path | None,
    normaliser: Normaliser | None = None,
) -> pa.Table:
    """All codes of one set, each at most once a unit (with its lowest position).

    ``normaliser`` replaces the writing rules of the system ``ingredient``: it is how drug names
    become ingredients.  With ``normalise = "ingredient"`` it replaces those of every system.

    Returns
    -------
    ``row``, ``code``, ``position`` and, where a source has one, ``time``; sorted by row and
    position.  Position 0 is the main code where the set has one: the first that is recorded,
    or the flagged one.
    """
    rows = _Rows()
    for source in spec.sources:
        table = find_table(mapping, source.table or mapping.units.table, data)
        columns = _columns(source, table, mapping, keys)
        base = 0
        for batch in table.batches(columns):
            if table.name == mapping.units.table:
                unit = _own_units(keys, table, batch, mapping, base)
                base += len(unit)
            else:
                unit = keys.owners(table, batch)  # of a patient unit, patients are the units
            _add(rows, spec, source, table, batch, unit, normaliser)
    return _finish(rows, spec)


def _columns(source: CodeSource, table: Table, mapping: Mapping, keys: UnitKeys) -> list[str]:
    own = table.name == mapping.units.table
    key = _unit_key(mapping) if own else key_column(table, keys)
    named = (source.code, source.position, source.main_flag, source.time, source.system_column)
    return [key, *(n for n in named if n), *source.columns, *source.flags, *source.where]


def _unit_key(mapping: Mapping) -> str:
    return mapping.units.stay or mapping.units.patient


def _own_units(
    keys: UnitKeys, table: Table, batch: pa.RecordBatch, mapping: Mapping, base: int
) -> IntArray:
    """Units of the unit table's own rows: by place, since ids may repeat there."""
    unit_of = np.full(base + batch.num_rows, -1, dtype=np.int64)
    inside = (keys.table_row >= base) & (keys.table_row < len(unit_of))
    unit_of[keys.table_row[inside]] = np.flatnonzero(inside)
    return unit_of[base:]


def _add(
    rows: _Rows,
    spec: CodesSpec,
    source: CodeSource,
    table: Table,
    batch: pa.RecordBatch,
    unit: IntArray,
    normaliser: Normaliser | None,
) -> None:
    """Append one batch."""
    keep = unit >= 0
    filtered = rows_where(batch, source.where)
    if filtered is not None:
        keep &= filtered
    for code, order in _shapes(rows, spec, source, table, batch, normaliser):
        found = np.flatnonzero(keep & (code >= 0))
        rows.row.append(unit[found].astype(np.int32))
        rows.code.append(code[found].astype(np.int32))
        rows.order.append(order[found].astype(np.int16))
        if any(s.time for s in spec.sources):
            moment = (
                dates(pa.chunked_array([batch.column(source.time)]), source.time, table)
                if source.time
                else np.full(len(code), "NaT", dtype="M8[s]")
            )
            rows.time.append(moment[found])


def _shapes(
    rows: _Rows,
    spec: CodesSpec,
    source: CodeSource,
    table: Table,
    batch: pa.RecordBatch,
    normaliser: Normaliser | None,
) -> Iterator[tuple[IntArray, IntArray]]:
    """Code number (-1: none) and rank within the unit, for each row; one pair a column."""
    nothing = {None, *source.missing, *table.spec.missing}
    n = batch.num_rows
    if source.flags:
        for column in source.flags:
            index, names = text_values(texts(batch.column(column)))
            no = nothing | set(source.absent)
            has = np.array([t not in no for t in names])[index]
            given = source.names.get(column, column)
            for name in [given] if isinstance(given, str) else given:
                for text in _written(spec, source, source.all_systems[0], name, normaliser):
                    yield np.where(has, rows.number(text), -1), np.zeros(n, dtype=np.int64)
        return
    system, systems = _systems(source, table, batch)
    for place, column in enumerate(source.columns or [source.code or ""]):
        index, names = text_values(texts(batch.column(column)))
        both = system * len(names) + index
        pairs, inverse = np.unique(both, return_inverse=True)
        written = [
            ()
            if names[p % len(names)] in nothing
            else _written(spec, source, systems[p // len(names)], names[p % len(names)], normaliser)
            for p in pairs.tolist()
        ]
        order = _order(source, table, batch, place)
        for k in range(max(map(len, written), default=0)):  # one round, but for combinations
            numbers = [rows.number(texts_[k]) if k < len(texts_) else -1 for texts_ in written]
            yield np.array(numbers, np.int64)[inverse], order


def _systems(
    source: CodeSource, table: Table, batch: pa.RecordBatch
) -> tuple[IntArray, Sequence[str]]:
    """``(n,)`` index of each row's code system, and the systems."""
    if source.system_column is None:
        return np.zeros(batch.num_rows, dtype=np.int64), source.all_systems
    index, names = text_values(texts(batch.column(source.system_column)))
    used = [names[i] for i in np.unique(index)]
    for name in used:
        if name not in source.systems:
            shown = "an empty text" if name is None else repr(name)
            raise table.fault(
                f"{shown} is no code system that the mapping knows; add it to systems, or leave "
                "its rows out with where",
                column=source.system_column,
            )
    systems = source.all_systems
    place = [systems.index(source.systems[n]) if n in source.systems else 0 for n in names]
    return np.array(place, dtype=np.int64)[index], systems


def _order(source: CodeSource, table: Table, batch: pa.RecordBatch, place: int) -> IntArray:
    """``(n,)`` rank of each row within its unit; equal ranks keep the order of the file."""
    if source.main_flag:
        index, names = text_values(texts(batch.column(source.main_flag)))
        flagged = np.array([t is not None and t.lower() in _YES for t in names])[index]
        return np.where(flagged, 0, 1).astype(np.int64)
    if source.position:
        index, names = text_values(texts(batch.column(source.position)))
        try:
            ranks = [_LAST if t is None else min(int(float(t)), _LAST) for t in names]
        except ValueError:
            raise table.fault(
                "a position is not a whole number; write 1 for the main code, then 2, 3, ...",
                column=source.position,
            ) from None
        return np.array(ranks, dtype=np.int64)[index]
    return np.full(batch.num_rows, place, dtype=np.int64)


def _written(
    spec: CodesSpec,
    source: CodeSource,
    system: str,
    text: str | None,
    normaliser: Normaliser | None,
) -> tuple[str, ...]:
    """One text as its codes: with zeros, normalised, cut to a category, system in front."""
    assert text is not None, "missing texts are no codes"
    if source.pad and text[:1].isdigit():
        root, dot, rest = text.partition(".")
        text = root.zfill(source.pad) + dot + rest
    drug = system == "ingredient" or spec.normalise == "ingredient"
    found = normaliser(text) if normaliser and drug else normalise(system, text)
    codes = []
    for full in (found,) if isinstance(found, str) else found or ():
        # External causes of ICD-9-CM have a letter more: E888 is a whole category.
        longer = system == "icd9cm" and full.startswith("E")
        cut = full[: source.truncate + longer] if source.truncate else full
        code = cut.lower() if source.lower else cut
        if code:
            codes.append(code if len(spec.systems) == 1 else f"{system}:{code}")
    return tuple(codes)


def _finish(rows: _Rows, spec: CodesSpec) -> pa.Table:
    """Sort by unit and rank, drop repeats, number positions."""
    row = _joined(rows.row, np.int32)
    code = _joined(rows.code, np.int32)
    order = _joined(rows.order, np.int16)
    by_rank = np.argsort(row.astype(np.int64) << 16 | order.astype(np.int64), kind="stable")
    row, code, order = row[by_rank], code[by_rank], order[by_rank]
    width = max(len(rows.codes), 1)
    _, first = np.unique(row.astype(np.int64) * width + code, return_index=True)
    first.sort()
    row, code, order = row[first], code[first], order[first]
    starts = np.searchsorted(row, row)  # index of the first row of the same unit
    position = np.arange(len(row)) - starts
    if any(s.main_flag for s in spec.sources):
        position += order[starts] > 0 if len(row) else 0  # nothing flagged: no main code
    names = sorted(rows.codes)
    rank = {name: i for i, name in enumerate(names)}
    new = np.array([rank[name] for name in rows.codes], dtype=np.int32)
    code = new[code] if len(code) else code
    columns = {
        "row": pa.array(row),
        "code": pa.DictionaryArray.from_arrays(pa.array(code), pa.array(names, pa.string())),
        "position": pa.array(np.minimum(position, _LAST).astype(np.int16)),
    }
    if rows.time:
        columns["time"] = pa.array(np.concatenate(rows.time)[by_rank][first])
    return pa.table(columns)


def _joined(parts: list[npt.NDArray], dtype: type) -> npt.NDArray:  # type: ignore[type-arg]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=dtype)


def check_selector(
    spec: CodesSpec, table: pa.Table, level: pa.DictionaryArray, mapping: Mapping
) -> None:
    """Every code must belong to a system that its unit's level allows.

    Raises
    ------
    MappingError : some do not, or a level is not listed.
    """
    assert spec.selector is not None, "called for sets with a selector"
    here = f"variables[{mapping.variables.index(spec)}].selector.systems"
    levels = level.dictionary.to_pylist()
    for name in levels:
        if name not in spec.selector.systems:
            raise MappingError(
                f"level {name!r} of {spec.selector.variable!r} has no code systems; add it with "
                "a list of systems (an empty one if it can have no codes)",
                file=mapping.path,
                key=here,
            )
    coded = table["code"].combine_chunks()
    names = coded.dictionary.to_pylist()
    of_code = [n.partition(":")[0] if len(spec.systems) > 1 else spec.systems[0] for n in names]
    allowed = np.array(
        [[s in spec.selector.systems[name] for s in of_code] for name in levels]
    ).reshape(len(levels), len(names))
    unit_level = np.asarray(level.indices)[np.asarray(table["row"].combine_chunks())]
    wrong = ~allowed[unit_level, np.asarray(coded.indices)]
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        system = of_code[int(np.asarray(coded.indices)[at])]
        raise MappingError(
            f"{int(wrong.sum())} codes, of system {system!r} for one, stand in units whose "
            f"{spec.selector.variable!r} is {levels[int(unit_level[at])]!r}, which does not list "
            "it; add the system there or leave the rows out with where",
            file=mapping.path,
            key=here,
        )
