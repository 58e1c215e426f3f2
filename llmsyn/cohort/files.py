"""A hospital's table, CSV or Parquet, in record batches of the columns that are asked for.

CSV columns come as text, dictionary-encoded; Parquet columns as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from llmsyn.cohort.mapping import Mapping, TableFile
from llmsyn.errors import MappingError

_BLOCK_BYTES = 8 << 20
_BATCH_ROWS = 262_144


@dataclass(frozen=True)
class Table:
    """One table of a mapping: its files, found on disk, and how to read them."""

    name: str
    spec: TableFile
    files: tuple[Path, ...]
    mapping: Path

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Record batches with these columns, rows that ``where`` leaves out removed.

        Raises
        ------
        MappingError : a column is missing, or a file cannot be read.
        """
        wanted = list(dict.fromkeys([*columns, *self.spec.where]))
        for file in self.files:
            parquet = file.suffix in (".parquet", ".pq")
            read = _parquet_batches if parquet else _csv_batches
            for batch in read(file, self, wanted):
                keep = rows_where(batch, self.spec.where)
                yield batch if keep is None else batch.filter(pa.array(keep))

    def whole(self, columns: Sequence[str]) -> pa.Table:
        """All rows of these columns."""
        batches = list(self.batches(columns))
        if not batches:
            return pa.table({c: pa.array([], pa.string()) for c in columns})
        return pa.Table.from_batches(batches).unify_dictionaries().combine_chunks()

    def fault(self, problem: str, column: str | None = None) -> MappingError:
        """An error about this table's content."""
        return MappingError(problem, file=self.files[0], column=column)


def find_table(mapping: Mapping, name: str, data: Path | None) -> Table:
    """Look up the files of a table.

    Raises
    ------
    MappingError : no file of that name.
    """
    spec = mapping.tables[name]
    folder = mapping.path.parent if data is None else Path(data)
    files = tuple(sorted(p for p in folder.glob(spec.file) if p.is_file()))
    if not files:
        raise MappingError(
            f"there is no file {spec.file!r} in {folder}; put it there, or say with --data which "
            "folder holds the tables",
            file=mapping.path,
            key=f"tables.{name}.file",
        )
    return Table(name, spec, files, mapping.path)


def texts(column: pa.Array | pa.ChunkedArray) -> pa.DictionaryArray:
    """A column as dictionary-encoded text without blanks around it; empty text is null.

    Whole numbers stored as floats lose their ``.0``: 1.0 and 1 are the same text.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.unify_dictionaries().combine_chunks()
    coded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
    values = coded.dictionary
    if pa.types.is_floating(values.type):
        whole = pc.all(pc.equal(values, pc.round(values))).as_py()
        values = values.cast(pa.int64()) if whole and len(values) else values
    if not pa.types.is_string(values.type):
        values = values.cast(pa.string())
    trimmed = pc.utf8_trim_whitespace(values)
    trimmed = pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)
    return pa.DictionaryArray.from_arrays(coded.indices, trimmed)


def text_values(column: pa.DictionaryArray) -> tuple[npt.NDArray[np.int64], list[str | None]]:
    """``(n,)`` index of each row's text, and the texts; null rows point at the last, None."""
    names: list[str | None] = [*column.dictionary.to_pylist(), None]
    index = column.indices.cast(pa.int64()).fill_null(len(names) - 1)
    return np.asarray(index), names


def rows_where(batch: pa.RecordBatch, where: dict[str, list[str]]) -> npt.NDArray[np.bool_] | None:
    """``(n,)`` rows whose columns have one of the texts; None when there is no filter."""
    keep: npt.NDArray[np.bool_] | None = None
    for name, accepted in where.items():
        index, names = text_values(texts(batch.column(name)))
        here = np.array([text in accepted for text in names])[index]
        keep = here if keep is None else keep & here
    return keep


def _parquet_batches(file: Path, table: Table, columns: list[str]) -> Iterator[pa.RecordBatch]:
    try:
        source = pq.ParquetFile(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise MappingError(
            "this is no readable Parquet file; export it again", file=file
        ) from error
    with source:
        _need_columns(source.schema_arrow.names, columns, file, table)
        yield from source.iter_batches(_BATCH_ROWS, columns=columns)


def _csv_batches(file: Path, table: Table, columns: list[str]) -> Iterator[pa.RecordBatch]:
    options = {
        "read_options": pacsv.ReadOptions(
            use_threads=False, block_size=_BLOCK_BYTES, encoding=table.spec.encoding
        ),
        "parse_options": pacsv.ParseOptions(
            delimiter=table.spec.delimiter, newlines_in_values=True
        ),
    }
    try:
        with pacsv.open_csv(file, **options) as head:
            _need_columns(head.schema.names, columns, file, table)
        text = pa.dictionary(pa.int32(), pa.string())
        options["convert_options"] = pacsv.ConvertOptions(
            include_columns=columns,
            column_types=dict.fromkeys(columns, text),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        )
        with pacsv.open_csv(file, **options) as reader:
            yield from reader
    except (pa.ArrowInvalid, LookupError, UnicodeDecodeError, OSError) as error:
        # Arrow's own message quotes the row, and the row is a patient's.
        raise _csv_fault(file, table, error) from None


# Only the numbers of Arrow's message are used: the rest of it quotes the row.
_RAGGED = re.compile(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)")


def _csv_fault(file: Path, table: Table, error: Exception) -> MappingError:
    ragged = _RAGGED.search(str(error))
    if ragged:
        row, expected, actual = ragged.groups()
        return MappingError(
            f"the row has {actual} columns where the header has {expected}; mend the row or set "
            "the table's delimiter",
            file=file,
            row=None if row is None else int(row),
        )
    if isinstance(error, LookupError | UnicodeDecodeError) or "UTF8" in str(error):
        return MappingError(
            f"the text is not in encoding {table.spec.encoding!r}; set encoding to the one it was "
            "written in",
            file=file,
        )
    if "Empty CSV" in str(error):
        return MappingError("the file is empty; export the table again", file=file)
    return MappingError("this is no readable CSV file; export it again", file=file)


def _need_columns(present: list[str], wanted: list[str], file: Path, table: Table) -> None:
    for column in wanted:
        if column not in present:
            shown = ", ".join(present[:30]) + (", ..." if len(present) > 30 else "")
            raise MappingError(
                f"there is no column {column!r}; the columns are {shown}: name one of them in "
                f"{table.mapping.name}",
                file=file,
                column=column,
            )
