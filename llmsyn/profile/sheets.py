"""One CSV file of a profile: its columns as texts and numbers, and the line of each row.

Reads what a spreadsheet saves (byte-order mark, CRLF, empty lines at the end) and refuses,
with the line, what would be read wrongly: semicolons, decimal commas, thousands separators,
texts such as ``<11`` in a column of numbers.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

from llmsyn.errors import ProfileError
from llmsyn.profile.places import IntArray
from llmsyn.profile.schema import SUPPRESSED
from llmsyn.profile.variables import FloatArray
from llmsyn.store import spreadsheet_raw

MAX_BYTES = 64 * 2**20  # a profile is read whole; published tables are far smaller
MAX_ROWS = 2_000_000

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, eq=False)
class Sheet:
    """A CSV file as texts.

    Attributes
    ----------
    file : name within the profile's folder.
    columns : column name -> texts, all of one length.
    lines : (n_rows,) 1-based line where each row begins, header included.
    """

    file: str
    columns: dict[str, list[str]]
    lines: IntArray

    def __len__(self) -> int:
        return len(self.lines)

    def __contains__(self, column: str) -> bool:
        return column in self.columns

    def error(self, problem: str, i: int | None = None, column: str | None = None) -> ProfileError:
        """An error at row ``i`` (0-based) of this file."""
        row = None if i is None else int(self.lines[i])
        return ProfileError(problem, file=self.file, row=row, column=column)

    def _header_error(self, problem: str) -> ProfileError:
        return ProfileError(problem, file=self.file, row=1)

    def expect(self, required: Collection[str], optional: Collection[str] = ()) -> None:
        """Check the column names.

        Raises
        ------
        ProfileError : a column is missing or unknown.
        """
        accepted = ", ".join([*required, *optional])
        for name in required:
            if name not in self.columns:
                raise self._header_error(f"there is no column {name}; accepted are {accepted}")
        for name in self.columns:
            if name not in required and name not in optional:
                raise self._header_error(f"unknown column '{name}'; accepted are {accepted}")

    def one_of(self, *names: str) -> str:
        """The one column of several that is there.

        Raises
        ------
        ProfileError : none or more than one of them is there.
        """
        found = [name for name in names if name in self.columns]
        if len(found) != 1:
            here = " and ".join(found) if found else "neither"
            wanted = " or ".join(names)
            raise self._header_error(f"there must be one column {wanted}, not {here}; give one")
        return found[0]

    def texts(self, column: str) -> list[str]:
        """Texts of a column, as they were before spreadsheet marks.

        Raises
        ------
        ProfileError : a text is empty.
        """
        for i, text in enumerate(self.columns[column]):
            if not text:
                raise self.error(f"the {column} is empty; give it a name", i, column)
        return [spreadsheet_raw(text) for text in self.columns[column]]

    def once(self, column: str) -> list[str]:
        """Texts of a column in which none may stand twice.

        Raises
        ------
        ProfileError : a text is empty or stands twice.
        """
        texts = self.texts(column)
        seen: dict[str, int] = {}
        for i, text in enumerate(texts):
            if text in seen:
                first = int(self.lines[seen[text]])
                raise self.error(
                    f"{column} '{text}' stands twice, first in row {first}; keep one", i, column
                )
            seen[text] = i
        return texts

    def numbers(
        self, column: str, *, signed: bool = False, absent: Collection[str] = (SUPPRESSED,)
    ) -> FloatArray:
        """Numbers of a column; NaN where one of the words ``absent`` stands.

        Parameters
        ----------
        column : its name.
        signed : whether numbers below 0 are accepted.
        absent : words that stand for a number that is not published (empty: none).

        Raises
        ------
        ProfileError : an entry is neither a number nor such a word.
        """
        values = np.empty(len(self))
        for i, cell in enumerate(self.columns[column]):
            text = cell.strip()
            if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
                values[i] = float(text)
                if values[i] < 0 and not signed:
                    raise self.error(f"{text} is below 0; write 0 or more", i, column)
            elif text in absent:
                values[i] = math.nan
            else:
                raise self.error(_no_number(text, absent), i, column)
        return values

    def decimals(self, column: str) -> int:
        """Largest number of decimals in a column (a spreadsheet drops trailing zeros)."""
        texts = [text.strip() for text in self.columns[column]]
        return max((decimals_of(t) for t in texts if _NUMBER.fullmatch(t)), default=0)


def decimals_of(text: str) -> int:
    """Decimals of a number as written: 3 for ``0.120``, 0 for ``12``."""
    exponent = Decimal(text).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _no_number(text: str, absent: Collection[str]) -> str:
    words = " or ".join(f"the word {word}" for word in absent)
    instead = f"a number{f' or {words}' if absent else ''}"
    if not text:
        return f"the number is missing; write {instead}"
    if re.fullmatch(r"[0-9]+,[0-9]{1,2}|0,[0-9]+", text):
        return f"'{text}' has a decimal comma; write it with a point"
    if re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?", text):
        return f"'{text}' has thousands separators; write it without"
    if text.endswith("%"):
        return f"'{text}' is a percentage; write a share between 0 and 1"
    return f"'{text}' is no number; write {instead}"


def read_sheet(folder: Path, file: str, key: str) -> Sheet:
    """Read a CSV file of a profile.

    Parameters
    ----------
    folder : the profile's folder.
    file : name of the file within it.
    key : key path that names the file, for messages.

    Raises
    ------
    ProfileError : the file is absent, outside the folder, too large, or no such CSV.
    """
    if "\0" in file:  # no path may hold it, and the system's answer is no error of ours
        raise ProfileError(
            f"{file!r} is no name of a file; correct it", file="profile.toml", key=key
        )
    path = folder / file
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ProfileError(
            f"'{file}' lies outside the profile's folder; put the file into it",
            file="profile.toml",
            key=key,
        )
    if not path.is_file():
        raise ProfileError(
            f"there is no file '{file}' in the folder; add it or correct the name",
            file="profile.toml",
            key=key,
        )
    rows, lines = _records(_text(path, file), file)
    if not rows:
        raise ProfileError("the file is empty; write a header and one row an entry", file=file)
    header = [name.strip() for name in rows[0]]
    _check_header(header, file)
    body, at = [], []
    for row, line in zip(rows[1:], lines[1:]):
        if not any(cell.strip() for cell in row):
            continue  # spreadsheets leave empty lines behind
        if len(row) != len(header):
            raise ProfileError(
                f"{len(row)} cells where the header has {len(header)}; quote texts that "
                "contain a comma",
                file=file,
                row=line,
            )
        body.append(row)
        at.append(line)
    columns = {name: [row[j] for row in body] for j, name in enumerate(header)}
    return Sheet(file, columns, np.array(at, dtype=np.int64))


def _text(path: Path, file: str) -> str:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ProfileError(
            f"the file has {size / 2**20:.0f} MB and the limit is {MAX_BYTES >> 20} MB; "
            "publish fewer cells",
            file=file,
        )
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = (
            None
            if data[:2] in {b"\xff\xfe", b"\xfe\xff"}
            else data.count(b"\n", 0, error.start) + 1
        )
        raise ProfileError(
            "the text is not UTF-8; save the file as 'CSV UTF-8'", file=file, row=row
        ) from None


def _records(text: str, file: str) -> tuple[list[list[str]], list[int]]:
    """Rows and the line where each begins."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    while True:
        line = reader.line_num + 1
        try:
            rows.append(next(reader))
        except StopIteration:
            return rows, lines
        except csv.Error:
            raise ProfileError(
                "the row is no CSV; check its quotation marks", file=file, row=line
            ) from None
        lines.append(line)
        if len(rows) > MAX_ROWS + 1:
            raise ProfileError(
                f"the file has more than {MAX_ROWS:,} rows; publish fewer cells", file=file
            )


def _check_header(header: list[str], file: str) -> None:
    if len(header) == 1:
        for sign, name in ((";", "semicolons"), ("\t", "tabs")):
            if sign in header[0]:
                raise ProfileError(
                    f"the cells are separated by {name}; save the file with commas "
                    "(and decimal points)",
                    file=file,
                    row=1,
                )
    for name in header:
        if header.count(name) > 1:
            raise ProfileError(
                f"column '{name}' stands twice; keep one", file=file, row=1, column=name
            )
