"""Where a number of a profile stands: file and row, or key path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

IntArray: TypeAlias = npt.NDArray[np.int64]

DOCUMENT = "profile.toml"


@dataclass(frozen=True)
class Place:
    """One place in a profile folder; ``row`` is the 1-based line, header included."""

    file: str | None = None
    row: int | None = None
    key: str | None = None


@dataclass(frozen=True, eq=False)
class Rows:
    """The lines of one file that an array of counts was read from.

    ``rows`` has the shape of the counts; 0 where no line stands for an entry.
    """

    file: str
    key: str
    rows: IntArray

    def at(self, *index: int) -> Place:
        """The line of one entry, or the key that names the file where there is no line."""
        row = int(self.rows[index]) if self.rows.ndim == len(index) else 0
        if row:
            return Place(self.file, row)
        return Place(DOCUMENT, None, self.key)

    @property
    def last(self) -> Place:
        """The last line, where the eye looks for a total."""
        row = int(self.rows.max(initial=0))
        return Place(self.file, row) if row else Place(DOCUMENT, None, self.key)


@dataclass(frozen=True)
class Source:
    """Where everything in a profile stands.

    Attributes
    ----------
    keys : key path of each variable (``sex``), table (``#0``) and rule (``!0``).
    rows : lines of each array of counts: ``sex``, ``diagnoses``, ``diagnoses.main`` (its
        last entry is the unlisted code), ``diagnoses.count``, ``diagnoses.unlisted``,
        ``diagnoses.total``, and ``#0`` for the first table.

    A profile that was never on disk has an empty source; its places are key paths.
    """

    keys: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, Rows] = field(default_factory=dict)

    def entry(self, name: str, *index: int) -> Place:
        """Place of one number of an array."""
        return self.rows[name].at(*index) if name in self.rows else self.key(name)

    def last(self, name: str) -> Place:
        """Place of the last number of an array."""
        return self.rows[name].last if name in self.rows else self.key(name)

    def label(self, name: str, axis: int, j: int) -> Place:
        """Place of the first cell of a table that carries label ``j`` of an axis."""
        if name not in self.rows:
            return self.key(name)
        lines = np.asarray(self.rows[name].rows.take(j, axis=axis))
        row = int(lines[lines > 0].min()) if lines.any() else 0
        return Place(self.rows[name].file, row) if row else self.key(name)

    def key(self, name: str, *tail: str) -> Place:
        """Key path of a variable, table or rule, with further parts."""
        plain = name if name.startswith(("#", "!")) else name.partition(".")[0]
        if name.startswith("#"):
            usual = f"tables[{name[1:]}]"
        elif name.startswith("!"):
            usual = f"rules[{name[1:]}]"
        else:
            usual = f"variables.{plain}"
        path = ".".join((self.keys.get(plain, usual), *tail))
        return Place(DOCUMENT if self.keys else None, None, path)
