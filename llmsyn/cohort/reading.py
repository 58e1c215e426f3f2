"""Read a hospital's tables by a mapping: files -> units -> levels -> codes."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from llmsyn.cohort.codes import Normaliser, check_selector, read_codes
from llmsyn.cohort.files import Table, find_table, texts
from llmsyn.cohort.levels import UnitKeys, id_texts, read_levels
from llmsyn.cohort.mapping import CodesSpec, Mapping
from llmsyn.cohort.subset import patient_batches, split_cohort
from llmsyn.cohort.types import Cohort
from llmsyn.errors import MappingError

IntArray = npt.NDArray[np.int64]

BATCH_UNITS = 100_000


@dataclass(frozen=True, eq=False)
class RealCohort:
    """A hospital's cohort in memory: units once, ten bytes a code.

    The units of a patient stand together, patients in the order of the unit table.
    """

    mapping: Mapping
    whole: Cohort

    def __len__(self) -> int:
        return len(self.whole)

    def batches(self, size: int = BATCH_UNITS) -> Iterator[Cohort]:
        """Runs of about ``size`` units; the stays of a patient are never apart."""
        return patient_batches(self.whole, size)

    def split(self, *, seed: int, share: float = 0.7) -> tuple[RealCohort, RealCohort]:
        """Members and holdout, by patient."""
        members, holdout = split_cohort(self.whole, seed=seed, share=share)
        return RealCohort(self.mapping, members), RealCohort(self.mapping, holdout)


def read_cohort(
    mapping: Mapping,
    data: str | Path | None = None,
    normalisers: MappingOf[str, Normaliser] | None = None,
) -> RealCohort:
    """Read everything that a mapping names.

    Parameters
    ----------
    mapping : :func:`llmsyn.cohort.mapping.read_mapping`.
    data : folder of the tables; the mapping's own folder without it.
    normalisers : under the key ``ingredient``, a function from drug text to ingredient names,
        for texts whose system is ``ingredient`` and for code sets with
        ``normalise = "ingredient"``; without it, the names of the shipped knowledge base
        (:func:`llmsyn.knowledge.orders.normaliser`).  ``normalise = "none"`` keeps texts as
        they stand, in lower case.

    Raises
    ------
    MappingError : a file, column or value is not what the mapping says.
    """
    folder = None if data is None else Path(data)
    keys = _units(mapping, folder)
    columns: dict[str, pa.Array] = {"patient_id": keys.patient}
    if mapping.unit == "stay":
        columns["stay_id"] = keys.stay
    columns.update(read_levels(mapping, keys, folder))
    codes = {}
    for spec in mapping.code_sets:
        normaliser = _normaliser(spec, normalisers)
        codes[spec.name] = read_codes(spec, mapping, keys, folder, normaliser)
        if spec.selector is not None:
            check_selector(spec, codes[spec.name], columns[spec.selector.variable], mapping)
    return RealCohort(mapping, Cohort("real", mapping.unit, pa.table(columns), codes))


def _normaliser(
    spec: CodesSpec, normalisers: MappingOf[str, Normaliser] | None
) -> Normaliser | None:
    wanted = spec.normalise or ("ingredient" if "ingredient" in spec.systems else "none")
    if wanted == "none":
        return None
    if normalisers and wanted in normalisers:
        return normalisers[wanted]
    from llmsyn.knowledge.loading import load_base  # pydantic; only where drugs are read
    from llmsyn.knowledge.orders import normaliser

    return normaliser(load_base())


def _units(mapping: Mapping, data: Path | None) -> UnitKeys:
    """Find the units and put those of a patient together."""
    units = mapping.units
    table = find_table(mapping, units.table, data)
    named = [units.patient, units.stay, units.order_by if units.keep == "first" else None]
    whole = table.whole([name for name in named if name])
    if whole.num_rows == 0:
        raise table.fault("the table of units has no rows; check the file and the filters")
    patient = _ids(table, whole, units.patient)
    code = np.asarray(pc.dictionary_encode(patient).indices).astype(np.int64)
    order = np.argsort(code, kind="stable")
    if units.keep == "first":
        assert units.order_by is not None, "read_mapping asks for it"
        within = _sortable(whole[units.order_by])
        order = np.lexsort((within, code))
        order = order[np.append(True, np.diff(code[order]) > 0)]
    elif mapping.unit == "patient" and len(code) > code.max() + 1:
        raise MappingError(
            f"{len(code) - int(code.max()) - 1} rows of table {units.table!r} belong to a patient "
            'who has a row already, and the unit is the patient; set keep = "first" with '
            'order_by, or unit = "stay"',
            file=mapping.path,
            key="units.keep",
        )
    stay = None
    if units.stay is not None:
        stay = _ids(table, whole, units.stay)
        if pc.count_distinct(stay).as_py() < len(stay):
            raise table.fault(
                "a stay id stands in two rows; give the table one row a stay", column=units.stay
            )
        stay = stay.take(pa.array(order))
    patient_of = np.cumsum(np.append(False, np.diff(code[order]) > 0))
    return UnitKeys(patient.take(pa.array(order)), stay, patient_of, order)


def _ids(table: Table, whole: pa.Table, column: str) -> pa.Array:
    ids = id_texts(whole[column])
    if isinstance(ids, pa.ChunkedArray):
        ids = ids.combine_chunks()
    if ids.null_count:
        raise table.fault(
            f"{ids.null_count} rows have no id; fill it in or leave them out with where",
            column=column,
        )
    return ids


def _sortable(column: pa.ChunkedArray) -> IntArray:
    """``(n,)`` ranks: by number where every text is one, else as text (so ISO dates sort)."""
    if not isinstance(column.type, pa.DictionaryType) and not pa.types.is_string(column.type):
        return np.asarray(pc.rank(column, "ascending", tiebreaker="dense")).astype(np.int64)
    coded = texts(column)
    try:
        keys = coded.dictionary.cast(pa.float64())
    except pa.ArrowInvalid:
        keys = coded.dictionary
    rank = pc.rank(keys, "ascending", tiebreaker="dense")
    ranks = np.asarray(rank).astype(np.int64)
    index = coded.indices.fill_null(0)
    null = np.asarray(coded.indices.is_null())
    return np.where(null, len(ranks) + 1, ranks[np.asarray(index)])
