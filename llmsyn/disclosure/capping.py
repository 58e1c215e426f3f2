"""How much one patient may contribute: caps on stays and on codes.

Which stays and codes are kept depends on the patient's own rows alone, never on others, or
leaving one patient out would change what is kept of another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmsyn.cohort.subset import rows_of, take_units
from llmsyn.cohort.types import Cohort
from llmsyn.profile.variables import UNLISTED

BoolArray = npt.NDArray[np.bool_]


@dataclass
class Capping:
    """Caps, and what they have cut so far (exact numbers: not to be released as they are).

    Attributes
    ----------
    listed : listed codes by code set; all others become ``(unlisted)``.
    max_codes : how many listed codes, and how many unlisted ones, a unit keeps: the main
        code first, then by position.
    max_stays : how many units of a patient are kept, in the order of the rows.
    cut_units : units that lost a code, by code set.
    cut_patients : patients that lost a stay.
    """

    listed: Mapping[str, Collection[str]]
    max_codes: Mapping[str, int]
    max_stays: int = 1
    cut_units: dict[str, int] = field(default_factory=dict)
    cut_patients: int = 0

    def apply(self, batches: Iterable[Cohort]) -> Iterator[Cohort]:
        """Cap one batch after the other; a patient's stays may stand in several batches."""
        seen: dict[Any, int] = {}
        self.cut_units, self.cut_patients = dict.fromkeys(self.max_codes, 0), 0
        for batch in batches:
            yield self.codes_capped(take_units(batch, self._stays_kept(batch, seen)))

    def _stays_kept(self, batch: Cohort, seen: dict[Any, int]) -> BoolArray:
        keep = np.zeros(len(batch), bool)
        for i, patient in enumerate(batch.units["patient_id"].to_pylist()):
            seen[patient] = seen.get(patient, 0) + 1
            keep[i] = seen[patient] <= self.max_stays
            self.cut_patients += seen[patient] == self.max_stays + 1
        return keep

    def codes_capped(self, batch: Cohort) -> Cohort:
        """The batch with at most so many codes a unit."""
        codes = {}
        for name, table in batch.codes.items():
            if name not in self.max_codes:
                continue
            known, kept, touched = _capped(table, self.listed[name], self.max_codes[name])
            self.cut_units[name] = self.cut_units.get(name, 0) + touched
            codes[name] = known.filter(pa.array(kept))
        return replace(batch, codes=codes)


def _capped(table: pa.Table, listed: Collection[str], most: int) -> tuple[pa.Table, BoolArray, int]:
    """The table with unlisted codes named so, which rows are kept, units that lose some."""
    column = table["code"]
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries().combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # no row at all
        return table, np.zeros(0, bool), 0
    names = column.dictionary.to_pylist()
    inside = set(listed)
    targets = [*dict.fromkeys(n for n in names if n in inside), UNLISTED]
    place = {name: i for i, name in enumerate(targets)}
    last = len(targets) - 1
    index = np.asarray(column.indices)
    index = np.array([place.get(n, last) for n in names], np.int32)[index]
    code = pa.DictionaryArray.from_arrays(pa.array(index), pa.array(targets, pa.string()))
    known = table.set_column(table.schema.get_field_index("code"), "code", code)

    row, is_unlisted = rows_of(table), index == last
    position = np.asarray(table["position"].combine_chunks())
    # Rank among the listed (or the unlisted) codes of the same unit, by position.
    order = np.lexsort((position, is_unlisted, row))
    key = row[order].astype(np.int64) * 2 + is_unlisted[order]
    rank = np.empty(len(row), np.int64)
    rank[order] = np.arange(len(row)) - np.searchsorted(key, key)
    kept = rank < most
    return known, kept, len(np.unique(row[~kept]))
