"""Records mode: completed patients as a cohort, and the drawn ones as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from llmsyn.cohort.types import Cohort
from llmsyn.dictation.patients import Patient
from llmsyn.generation.chunks import UNIT_TABLE, column
from llmsyn.generation.starts import Starts
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import UNLISTED
from llmsyn.raking import Raked
from llmsyn.store import atomic, sha256_file


def proposals_of(
    profile: Profile, starts: Starts, patients: Sequence[Patient], random: np.random.Generator
) -> Cohort:
    """Completed patients as a cohort; numbers are drawn uniformly in their bins."""
    chosen = np.array([patient.number for patient in patients], dtype=np.int64)
    ids = pa.array(np.arange(1, len(chosen) + 1, dtype=np.int64))
    columns: dict[str, pa.Array] = {"patient_id": ids}
    if profile.unit == "stay":
        columns["stay_id"] = ids
    plain = {v.name for v in profile.level_variables}
    network = starts.compiled.network
    for variable, levels in zip(network.variables, starts.drawn.levels, strict=True):
        if variable.name in plain:
            columns[variable.name] = column(variable, levels, random).take(pa.array(chosen))
    codes = {}
    for listed in profile.code_sets:
        extra = starts.unlisted.get(listed.name)
        texts: list[str] = []
        rows: list[int] = []
        positions: list[int] = []
        for row, patient in enumerate(patients):
            one = list(patient.codes.get(listed.name, ()))
            n_unlisted = 0 if extra is None else int(extra[patient.number])
            if patient.main.get(listed.name) == UNLISTED:
                one, n_unlisted = [UNLISTED, *one], max(n_unlisted - 1, 0)
            one += [UNLISTED] * n_unlisted
            texts += one
            rows += [row] * len(one)
            positions += range(len(one))
        names = [*listed.codes, UNLISTED]
        place = {name: i for i, name in enumerate(names)}
        index = pa.array([place[text] for text in texts], pa.int16())
        codes[listed.name] = pa.table(
            {
                "row": pa.array(rows, pa.int32()),
                "code": pa.DictionaryArray.from_arrays(index, pa.array(names, pa.string())),
                "position": pa.array(positions, pa.int16()),
            }
        )
    return Cohort("synthetic", profile.unit, pa.table(columns), codes)


def write_drawn(
    folder: Path, profile: Profile, proposals: Cohort, raked: Raked
) -> dict[str, dict[str, Any]]:
    """Write the drawn proposals as one part, a copy a row, under new ids."""
    source = np.repeat(np.arange(len(proposals)), raked.copies)
    keys = ["patient_id", "stay_id"] if profile.unit == "stay" else ["patient_id"]
    ids = pa.array(np.arange(1, len(source) + 1, dtype=np.int64))
    units = proposals.units.take(pa.array(source))
    for key in keys:
        units = units.set_column(units.column_names.index(key), key, ids)
    tables = {UNIT_TABLE[profile.unit]: units}
    first = np.cumsum(raked.copies) - raked.copies  # the first copy of each proposal
    for name, table in proposals.codes.items():
        row = table["row"].to_numpy()
        copies = raked.copies[row]
        taken = np.repeat(np.arange(len(row)), copies)
        number = np.arange(len(taken)) - np.repeat(np.cumsum(copies) - copies, copies)
        unit = first[row[taken]] + number
        order = np.lexsort((taken, unit))
        owner = pa.array(unit[order] + 1)
        drawn = table.take(pa.array(taken[order]))
        tables[name] = pa.table(
            {**dict.fromkeys(keys, owner), "code": drawn["code"], "position": drawn["position"]}
        )
    written = {}
    for name, table in tables.items():
        file = f"{name}/part-00000.parquet"
        with atomic(folder / file) as temporary:
            pq.write_table(table, temporary, compression="snappy", write_statistics=False)
        written[file] = {"rows": table.num_rows, "sha256": sha256_file(folder / file)}
    return written
