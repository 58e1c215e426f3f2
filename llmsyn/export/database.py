"""A cohort as one database file, DuckDB or SQLite: every variable, visit and code, ready to ask.

Tables: ``patients`` (all variables), ``visits``, one table per code set, ``codes`` (titles) and
``about``.  Nothing is left out; ``(unlisted)`` stands for codes that the profile does not name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa

from llmsyn.errors import InputError, MissingExtra, OutputError
from llmsyn.export.about import Exported, facts, readme
from llmsyn.export.chart import SEXES, Chart, Source, charts, open_source
from llmsyn.export.coding import code_of
from llmsyn.export.dates import Calendar, Events
from llmsyn.export.folder import ABOUT, whole_folder
from llmsyn.store import write_json, write_text

Engine = Literal["duckdb", "sqlite"]
_OWN = ("patients", "visits", "codes", "about")
_PERSON = ("person_id", "synthetic", "sex_standard", "birth_date", "death_time")


class _Database(Protocol):
    def append(self, table: str, rows: pa.Table) -> None: ...


def write_database(
    cohort: str | Path,
    out: str | Path,
    calendar: Calendar,
    *,
    engine: Engine = "duckdb",
    force: bool = False,
) -> Exported:
    """Write a cohort folder as ``cohort.duckdb`` or ``cohort.sqlite`` in a folder.

    Raises
    ------
    MissingExtra : DuckDB is not installed.
    InputError : a code set has the name of a table that is written anyway.
    CohortError, OutputError : see :mod:`llmsyn.errors`.
    """
    source = open_source(cohort)
    for name in source.manifest["code_sets"]:
        if name.lower() in _OWN:
            raise InputError(
                f"a code set is called {name!r}, which is a table of the database; rename it in "
                "the profile and generate again",
                file=source.folder,
            )
    out = Path(out)
    rows: dict[str, int] = {}
    opened = _duckdb if engine == "duckdb" else _sqlite
    with whole_folder(out, force=force) as folder:
        with opened(folder / f"cohort.{engine}") as database:

            def append(table: str, columns: Mapping[str, Any]) -> None:
                batch = pa.table({k: _array(v) for k, v in columns.items()})
                rows[table] = rows.get(table, 0) + batch.num_rows
                database.append(table, batch)

            for chart in charts(source, calendar):
                append("patients", _patients(chart, source))
                append("visits", _visits(chart))
                for name, events in chart.events.items():
                    append(name, _events(chart, source, name, events))
            append("codes", _codes(source))
            exported = Exported(out, "duckdb", rows)
            known = facts(source, calendar, exported, engine=engine)
            append("about", {
                "key": list(known),
                "value": [v if isinstance(v, str) else json.dumps(v) for v in known.values()],
            })  # fmt: skip
        # No hash of the file: DuckDB's blocks are not the same bytes in every run.
        write_text(folder / "README.md", readme(source, exported))
        write_json(folder / ABOUT, facts(source, calendar, exported, engine=engine))
    return exported


def _patients(chart: Chart, source: Source) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "person_id": chart.person,
        "synthetic": np.ones(len(chart), bool),
        "sex_standard": np.array(SEXES, object)[chart.sex],
        "birth_date": chart.born,
        "death_time": chart.died,
    }
    for variable in source.profile.level_variables:
        values = chart.units[variable.name].combine_chunks()
        coded = pa.types.is_dictionary(values.type)
        name = f"profile_{variable.name}" if variable.name.lower() in _PERSON else variable.name
        columns[name] = values.cast(pa.string()) if coded else values.cast(pa.float64())
    return columns


def _visits(chart: Chart) -> dict[str, Any]:
    visits = chart.visits
    return {
        "visit_id": visits.ids,
        "person_id": chart.person[visits.row],
        "visit_number": visits.number + 1,
        "admitted": visits.admitted,
        "discharged": visits.discharged,
    }


def _events(chart: Chart, source: Source, name: str, events: Events) -> dict[str, Any]:
    codes = [code_of(source.code_set(name), text) for text in events.codes]
    coded = pa.array(events.code)
    return {
        "visit_id": chart.visits.ids[events.visit],
        "person_id": chart.person[chart.visits.row[events.visit]],
        "system": _taken([c.system or None for c in codes], coded),
        "code": _taken([c.bare or c.text for c in codes], coded),
        "position": events.position,
        "time": events.time,
        "end_time": events.end,
    }


def _taken(values: list[str | None] | list[str], index: pa.Array) -> pa.Array:
    return pa.array(values, pa.string()).take(index)


def _codes(source: Source) -> dict[str, Any]:
    rows = [
        (codes.name, c.system, c.bare, c.written, c.title)
        for codes in source.profile.code_sets
        for c in (code_of(codes, text) for text in codes.codes)
    ]
    names = ("code_set", "system", "code", "written", "title")
    return {name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(names)}


def _array(values: Any) -> pa.Array:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    return pa.array(values, from_pandas=True)


@contextmanager
def _duckdb(file: Path) -> Iterator[_Database]:
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtra("DuckDB", extra="duckdb") from error
    try:
        connection = duckdb.connect(str(file))
        try:
            yield _DuckDB(connection)
        finally:
            connection.close()
    except duckdb.Error as error:
        raise _cannot(file, error) from error


class _DuckDB:
    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._known: set[str] = set()

    def append(self, table: str, rows: pa.Table) -> None:
        self._connection.register("batch", rows)
        verb = "INSERT INTO" if table in self._known else "CREATE TABLE"
        as_ = "" if table in self._known else "AS "
        # The only piece that a profile decides is a quoted identifier.
        words = f"{verb} {_quoted(table)} {as_}SELECT * FROM batch"
        self._connection.execute(words)
        self._connection.unregister("batch")
        self._known.add(table)


@contextmanager
def _sqlite(file: Path) -> Iterator[_Database]:
    import sqlite3

    try:
        connection = sqlite3.connect(file)
        try:
            yield _SQLite(connection)
            connection.commit()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise _cannot(file, error) from error


def _cannot(file: Path, error: Exception) -> OutputError:
    said = " ".join(str(error).split())[:200]
    return OutputError(
        f"cannot write {file.name}: {said}; free some space or choose another folder"
    )


class _SQLite:
    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._known: set[str] = set()

    def append(self, table: str, rows: pa.Table) -> None:
        names = rows.column_names
        if table not in self._known:
            columns = ", ".join(f"{_quoted(f.name)} {_sqlite_type(f.type)}" for f in rows.schema)
            self._connection.execute(f"CREATE TABLE {_quoted(table)} ({columns})")
            self._known.add(table)
        marks = ", ".join("?" * len(names))
        plain = [_sqlite_values(rows[name]) for name in names]
        # No value stands in the statement: names are quoted, values are bound.
        statement = f"INSERT INTO {_quoted(table)} VALUES ({marks})"
        self._connection.executemany(statement, zip(*plain, strict=True))
        self._connection.commit()


def _sqlite_type(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return "INTEGER"
    return "REAL" if pa.types.is_floating(kind) else "TEXT"


def _sqlite_values(column: pa.ChunkedArray) -> list[Any]:
    """Plain values; times as ISO 8601 texts, which SQLite's date functions read."""
    if pa.types.is_temporal(column.type):
        return [None if t is None else t.isoformat(" ") if hasattr(t, "hour") else t.isoformat()
                for t in column.to_pylist()]  # fmt: skip
    return list(column.to_pylist())


def _quoted(name: str) -> str:
    """An SQL identifier: a name of a profile is never a piece of a statement."""
    return '"' + name.replace('"', '""') + '"'
