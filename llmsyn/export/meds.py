"""A cohort as a MEDS 0.4 dataset: one event a row, by subject and time.

``data/part-*.parquet``, ``metadata/codes.parquet``, ``metadata/dataset.json`` and
``metadata/subject_splits.parquet``, as the Medical Event Data Standard lays them out.  What is
known before a stay is dated at admission and what is known after it at discharge, so that a
model which reads up to a time sees no outcome.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from llmsyn import __version__
from llmsyn.export.about import Exported, write_about
from llmsyn.export.chart import SEXES, Chart, Source, charts, open_source, texts
from llmsyn.export.coding import OMOP_VOCABULARIES, code_of
from llmsyn.export.dates import Calendar, Events
from llmsyn.export.folder import whole_folder
from llmsyn.export.uniforms import uniforms
from llmsyn.profile.variables import Categorical, Numeric
from llmsyn.store import write_json

MEDS_VERSION = "0.4.1"
DATA = pa.schema([
    pa.field("subject_id", pa.int64(), nullable=False),
    pa.field("time", pa.timestamp("us")),
    pa.field("code", pa.string(), nullable=False),
    pa.field("numeric_value", pa.float32()),
    pa.field("text_value", pa.large_string()),
])  # fmt: skip
CODES = pa.schema([
    pa.field("code", pa.string(), nullable=False),
    pa.field("description", pa.string()),
    pa.field("parent_codes", pa.list_(pa.string())),
])  # fmt: skip
SPLITS = pa.schema([
    pa.field("subject_id", pa.int64(), nullable=False),
    pa.field("split", pa.string(), nullable=False),
])  # fmt: skip
_SPLIT_NAMES = np.array(["train", "tuning", "held_out"], object)
_SPLIT_ENDS = (0.8, 0.9)
_KINDS = {"diagnoses": "DIAGNOSIS", "procedures": "PROCEDURE", "drugs": "DRUG"}
_SAID_BY_EVENTS = ("sex", "age", "in_hospital_death", "length_of_stay", "visits_per_patient",
                   "days_between_visits")  # fmt: skip

# Order of events at the same moment.
_STATIC, _BIRTH, _ADMISSION, _KNOWN_BEFORE, _CODES, _KNOWN_AFTER, _DISCHARGE, _DEATH = range(8)

Rows = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any] | None, int]
"""Persons (index), times, codes, numbers or None, and the order at the same moment."""


def write_meds(
    cohort: str | Path, out: str | Path, calendar: Calendar, *, force: bool = False
) -> Exported:
    """Write a cohort folder as MEDS.

    Raises
    ------
    CohortError, OutputError : see :mod:`llmsyn.errors`.
    """
    source = open_source(cohort)
    out = Path(out)
    n_events = n_subjects = unlisted = 0
    with whole_folder(out, force=force) as folder:
        (folder / "data").mkdir()
        (folder / "metadata").mkdir()
        splits = folder / "metadata" / "subject_splits.parquet"
        with pq.ParquetWriter(splits, SPLITS) as split_writer:
            for number, chart in enumerate(charts(source, calendar)):
                table, left_out = events_table(chart, source)
                pq.write_table(table, folder / "data" / f"part-{number:05d}.parquet")
                split_writer.write_table(_splits(chart, calendar.seed))
                n_events += table.num_rows
                n_subjects += len(chart)
                unlisted += left_out
        codes = _code_table(source)
        pq.write_table(codes, folder / "metadata" / "codes.parquet")
        write_json(
            folder / "metadata" / "dataset.json",
            {
                "dataset_name": f"SYNTHETIC: {source.label}",
                "dataset_version": str(source.manifest["network"]["key"])[:16]
                if "network" in source.manifest
                else str(source.manifest["profile"]["sha256"])[:16],
                "etl_name": "llmsyn export meds",
                "etl_version": __version__,
                "meds_version": MEDS_VERSION,
                "license": source.profile.provenance.licence or "not stated",
            },
        )
        rows = {"data": n_events, "subject_splits": n_subjects, "codes": codes.num_rows}
        left = {"codes that the profile does not name": unlisted} if unlisted else {}
        exported = Exported(out, "meds", rows, left)
        write_about(folder, source, calendar, exported, meds_version=MEDS_VERSION)
    return exported


def events_table(chart: Chart, source: Source) -> tuple[pa.Table, int]:
    """All events of a chart by subject and time, and how many rows had no code to write."""
    parts = [*_people(chart), *_variables(chart, source)]
    unlisted = 0
    for name, events in chart.events.items():
        rows, skipped = _events(chart, source, name, events)
        parts.append(rows)
        unlisted += skipped
    person = np.concatenate([p[0] for p in parts]).astype(np.int64)
    time = np.concatenate([p[1].astype("datetime64[us]") for p in parts])
    code = np.concatenate([p[2] for p in parts])
    number = np.concatenate([np.full(len(p[0]), np.nan) if p[3] is None else p[3] for p in parts])
    rank = np.concatenate([np.full(len(p[0]), p[4]) for p in parts])
    moment = np.where(np.isnat(time), np.iinfo(np.int64).min, time.astype(np.int64))
    order = np.lexsort((rank, moment, person))
    numbers = pa.array(number[order].astype(np.float32), mask=np.isnan(number[order]))
    return pa.Table.from_arrays(
        [
            pa.array(chart.person[person[order]]),
            pa.array(time[order], pa.timestamp("us")),
            pa.array(code[order], pa.string()),
            numbers,
            pa.nulls(len(order), pa.large_string()),
        ],
        schema=DATA,
    ), unlisted


def _people(chart: Chart) -> Iterator[Rows]:
    n, visits = len(chart), chart.visits
    everyone = np.arange(n)
    never = np.full(n, np.datetime64("NaT"), "datetime64[us]")
    sexes = np.array([f"GENDER//{name}" for name in SEXES], object)
    yield everyone, never, sexes[chart.sex], None, _STATIC
    born = np.flatnonzero(~np.isnat(chart.born))
    yield born, chart.born[born], _all("MEDS_BIRTH", len(born)), None, _BIRTH
    dead = np.flatnonzero(~np.isnat(chart.died))
    yield dead, chart.died[dead], _all("MEDS_DEATH", len(dead)), None, _DEATH
    inpatient = _all("HOSPITAL_ADMISSION", len(visits))
    yield visits.row, visits.admitted, inpatient, None, _ADMISSION
    left = _all("HOSPITAL_DISCHARGE", len(visits))
    yield visits.row, visits.discharged, left, None, _DISCHARGE


def _variables(chart: Chart, source: Source) -> Iterator[Rows]:
    """Every variable that no event says, known before or after the stay by its role."""
    visits = chart.visits
    before, after = visits.admitted[visits.start[:-1]], visits.discharged[visits.start[1:] - 1]
    for variable in source.profile.level_variables:
        if variable.concept in _SAID_BY_EVENTS:
            continue
        feature = variable.role == "feature"
        time, rank = (before, _KNOWN_BEFORE) if feature else (after, _KNOWN_AFTER)
        if isinstance(variable, Numeric):
            column = chart.units[variable.name].combine_chunks().cast(pa.float64())
            values = np.array(column.fill_null(np.nan))
            known = np.flatnonzero(~np.isnan(values))
            yield known, time[known], _all(variable.name, len(known)), values[known], rank
        else:
            levels = texts(chart.units, variable.name)
            known = np.flatnonzero(levels != variable.missing)
            codes = np.array([f"{variable.name}//{level}" for level in levels[known]], object)
            yield known, time[known], codes, None, rank


def _events(chart: Chart, source: Source, name: str, events: Events) -> tuple[Rows, int]:
    names = [meds_code(source, name, text) for text in events.codes]
    listed = np.array([bool(n) for n in names] or [False])[events.code]
    person = chart.visits.row[events.visit][listed]
    codes = np.array(names or [""], object)[events.code[listed]]
    return (person, events.time[listed], codes, None, _CODES), int((~listed).sum())


def meds_code(source: Source, name: str, text: str) -> str:
    """``DIAGNOSIS//icd10cm//I50.9``; empty for codes that the profile does not name."""
    codes = source.code_set(name)
    code = code_of(codes, text)
    kind = _KINDS.get(codes.concept or "", name.upper())
    return f"{kind}//{code.system}//{code.written}" if code.listed else ""


def _code_table(source: Source) -> pa.Table:
    rows: list[tuple[str, str, list[str] | None]] = [
        ("MEDS_BIRTH", "Birth", None),
        ("MEDS_DEATH", "Death", None),
        ("HOSPITAL_ADMISSION", "Admission to hospital", None),
        ("HOSPITAL_DISCHARGE", "Discharge from hospital", None),
        *((f"GENDER//{sex}", f"Sex: {sex}", None) for sex in SEXES),
    ]
    for variable in source.profile.level_variables:
        if variable.concept in _SAID_BY_EVENTS:
            continue
        label = variable.label or variable.name
        if isinstance(variable, Categorical):
            rows += [
                (f"{variable.name}//{level}", f"{label}: {level}", None)
                for level in variable.levels
                if level != variable.missing
            ]
        else:
            rows.append((variable.name, f"{label}, {variable.unit}", None))
    for codes in source.profile.code_sets:
        for text in codes.codes:
            code = code_of(codes, text)
            known = code.system in OMOP_VOCABULARIES and code.system != "ingredient"
            parents = [f"{OMOP_VOCABULARIES[code.system]}/{code.written}"] if known else None
            rows.append((meds_code(source, codes.name, text), code.title, parents))
    code_names, descriptions, parents_of = zip(*rows, strict=True)
    arrays = [pa.array(code_names), pa.array(descriptions), pa.array(parents_of, CODES[2].type)]
    return pa.Table.from_arrays(arrays, schema=CODES)


def _splits(chart: Chart, seed: int) -> pa.Table:
    place = np.searchsorted(_SPLIT_ENDS, uniforms(seed, "split", chart.person), side="right")
    return pa.Table.from_arrays(
        [pa.array(chart.person), pa.array(_SPLIT_NAMES[place], pa.string())], schema=SPLITS
    )


def _all(text: str, n: int) -> npt.NDArray[np.object_]:
    return np.full(n, text, object)
