"""Tables written batch by batch: Parquet parts, or one CSV file a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from llmsyn.store import spreadsheet_safe

Form = Literal["parquet", "csv"]


class TableFiles:
    """Tables of one export, in the order in which they are first written.

    Parquet: ``<table>/part-00000.parquet``, one part a batch.  CSV: ``<table>.csv``, grown
    batch by batch; texts that a spreadsheet would run get a leading quote mark.
    """

    def __init__(self, folder: Path, schemas: Mapping[str, pa.Schema], form: Form) -> None:
        self.folder, self.schemas, self.form = folder, dict(schemas), form
        self.rows = dict.fromkeys(self.schemas, 0)
        self._parts = dict.fromkeys(self.schemas, 0)
        self._csv: dict[str, pacsv.CSVWriter] = {}

    def __enter__(self) -> TableFiles:
        """Open nothing yet: files appear with their first batch."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close; a table that got no batch is written empty, so that loaders find it."""
        if error[0] is None:
            for name, parts in self._parts.items():
                if not parts:
                    self.write(name, {})
        for writer in self._csv.values():
            writer.close()

    def write(self, name: str, columns: Mapping[str, Any]) -> None:
        """Append rows; columns of the schema that are not given are null.

        Parameters
        ----------
        columns : name -> array of equal lengths; nothing at all is a batch without rows.
        """
        schema = self.schemas[name]
        n = len(next(iter(columns.values()))) if columns else 0
        unknown = set(columns) - set(schema.names)
        assert not unknown, f"{name} has no column {unknown}"
        arrays = [
            pa.array(columns[f.name], f.type, from_pandas=True)
            if f.name in columns
            else pa.nulls(n, f.type)
            for f in schema
        ]
        table = pa.Table.from_arrays(arrays, schema=schema)
        self.rows[name] += n
        part = self._parts[name]
        self._parts[name] += 1
        if self.form == "parquet":
            file = self.folder / name / f"part-{part:05d}.parquet"
            file.parent.mkdir(exist_ok=True)
            pq.write_table(table, file, compression="snappy", write_statistics=False)
            return
        if name not in self._csv:
            self._csv[name] = pacsv.CSVWriter(
                str(self.folder / f"{name}.csv"), schema,
                write_options=pacsv.WriteOptions(quoting_style="needed"),
            )  # fmt: skip
        self._csv[name].write_table(_safe(table))


def _safe(table: pa.Table) -> pa.Table:
    """The same table whose texts no spreadsheet runs."""
    for i, field in enumerate(table.schema):
        if pa.types.is_string(field.type) and table.num_rows:
            coded = table.column(i).combine_chunks().dictionary_encode()
            texts = [
                None if t is None else spreadsheet_safe(t) for t in coded.dictionary.to_pylist()
            ]
            decoded = pa.DictionaryArray.from_arrays(coded.indices, pa.array(texts, pa.string()))
            table = table.set_column(i, field, decoded.cast(pa.string()))
    return table
