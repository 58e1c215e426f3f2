"""Parts of a cohort: a run of units, chosen units, members and holdout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from llmsyn.cohort.types import Cohort

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


def split_patients(ids: Sequence[object], *, seed: int, share: float = 0.7) -> BoolArray:
    """Say who is a member (True) and who is held out.

    The answer for a patient depends on the patient's id, the seed and the share alone: not on
    the order of rows, nor on who else is in the table.

    Parameters
    ----------
    ids : ``(n,)`` patient ids; a patient's rows all get the same answer.
    seed : names the split.
    share : of patients that are members, between 0 and 1.

    Examples
    --------
    >>> split_patients(["a", "b", "c", "a"], seed=1).tolist()
    [True, False, False, True]
    """
    limit = share * 2.0**64
    known = {
        i: int.from_bytes(blake2b(f"{seed}:{i}".encode(), digest_size=8).digest(), "big") < limit
        for i in dict.fromkeys(ids)
    }
    return np.array([known[i] for i in ids], dtype=bool)


def split_cohort(cohort: Cohort, *, seed: int, share: float = 0.7) -> tuple[Cohort, Cohort]:
    """Members and holdout, split by patient (:func:`split_patients`)."""
    members = split_patients(cohort.units["patient_id"].to_pylist(), seed=seed, share=share)
    return take_units(cohort, members), take_units(cohort, ~members)


def take_units(cohort: Cohort, keep: BoolArray) -> Cohort:
    """The units where ``keep`` (n_units,) is true, in their order, with their codes."""
    new_row = np.cumsum(keep) - 1
    codes = {}
    for name, table in cohort.codes.items():
        row = rows_of(table)
        kept = keep[row]
        taken = table.filter(pa.array(kept))
        codes[name] = _with_rows(taken, new_row[row[kept]])
    return replace(cohort, units=cohort.units.filter(pa.array(keep)), codes=codes)


def slice_units(cohort: Cohort, start: int, stop: int) -> Cohort:
    """Units ``start`` to ``stop`` (exclusive), with their codes; nothing else is copied."""
    codes = {}
    for name, table in cohort.codes.items():
        row = rows_of(table)
        first, last = np.searchsorted(row, [start, stop])
        codes[name] = _with_rows(table.slice(first, last - first), row[first:last] - start)
    return replace(cohort, units=cohort.units.slice(start, stop - start), codes=codes)


def patient_batches(cohort: Cohort, size: int) -> Iterator[Cohort]:
    """Runs of about ``size`` units that never split a patient.

    The units of a patient must stand together.
    """
    patient = patient_index(cohort)
    n = len(patient)
    borders = np.append(np.flatnonzero(np.diff(patient)) + 1, n)
    start = 0
    while start < n:
        at = np.searchsorted(borders, min(start + size, n))
        stop = int(borders[at])
        yield slice_units(cohort, start, stop)
        start = stop


def patient_index(cohort: Cohort) -> IntArray:
    """``(n_units,)`` number of each unit's patient, in order of first appearance."""
    column = cohort.units["patient_id"].combine_chunks()
    coded = pc.dictionary_encode(column)
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    return np.asarray(coded.indices).astype(np.int64)


def rows_of(table: pa.Table) -> npt.NDArray[np.int32]:
    """``(n,)`` unit index of each row of a code table."""
    return np.asarray(table["row"].combine_chunks()).astype(np.int32, copy=False)


def _with_rows(table: pa.Table, rows: npt.NDArray[np.int32] | IntArray) -> pa.Table:
    column = pa.array(rows.astype(np.int32))
    return table.set_column(table.schema.get_field_index("row"), "row", column)
