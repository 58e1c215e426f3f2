"""A cohort as CSV files laid out like those of MIMIC-IV's hospital module.

The same tables, column names and joins (``subject_id``, ``hadm_id``, ``seq_num``), so that
code written for MIMIC finds its way; variables of the profile that MIMIC lacks are further
columns of ``admissions``, and ``synthetic`` is 1 in every patient and admission.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from llmsyn.export.about import Exported, write_about
from llmsyn.export.chart import SEXES, Chart, Source, charts, open_source
from llmsyn.export.coding import Code, code_of
from llmsyn.export.dates import Calendar, Events
from llmsyn.export.folder import whole_folder
from llmsyn.export.tables import TableFiles
from llmsyn.profile.variables import Categorical, Numeric

_GENDER = {"female": "F", "male": "M", "unknown": None, "other": None}
_ICD_VERSION = {"icd9cm": 9, "icd9proc": 9, "icd10cm": 10, "icd10pcs": 10}
_SAID = ("sex", "age", "in_hospital_death", "length_of_stay", "visits_per_patient",
         "days_between_visits")  # fmt: skip
_ID, _TEXT, _INT, _TIME = pa.int64(), pa.string(), pa.int32(), pa.timestamp("s")


def write_csv(
    cohort: str | Path, out: str | Path, calendar: Calendar, *, force: bool = False
) -> Exported:
    """Write a cohort folder as MIMIC-like CSV.

    Raises
    ------
    CohortError, OutputError : see :mod:`llmsyn.errors`.
    """
    source = open_source(cohort)
    out = Path(out)
    with whole_folder(out, force=force) as folder:
        with TableFiles(folder, _schemas(source), "csv") as files:
            writer = _Writer(source, files)
            for chart in charts(source, calendar):
                writer.people(chart)
            writer.dictionaries()
        left = {"codes that the profile does not name": writer.unlisted} if writer.unlisted else {}
        exported = Exported(out, "csv", files.rows, left)
        write_about(folder, source, calendar, exported)
    return exported


def _table_of(source: Source, name: str, code: Code) -> str:
    """The file that a code of a set stands in."""
    concept = source.code_set(name).concept
    if concept == "diagnoses":
        return "diagnoses_icd"
    if concept == "procedures":
        return "hcpcsevents" if code.system in ("cpt", "hcpcs") else "procedures_icd"
    return "prescriptions" if concept == "drugs" else name


def _extra_columns(source: Source) -> dict[str, str]:
    """Variable -> its column in admissions."""
    taken = set(_ADMISSIONS.names)
    others = [v.name for v in source.profile.level_variables if v.concept not in _SAID]
    return {name: f"profile_{name}" if name in taken else name for name in others}


def _fields(**types: pa.DataType) -> pa.Schema:
    return pa.schema(list(types.items()))


_PATIENTS = _fields(subject_id=_ID, gender=_TEXT, anchor_age=_INT, anchor_year=_INT,
                    dod=pa.date32(), synthetic=_INT)  # fmt: skip
_ADMISSIONS = _fields(subject_id=_ID, hadm_id=_ID, admittime=_TIME, dischtime=_TIME,
                      deathtime=_TIME, hospital_expire_flag=_INT, synthetic=_INT)  # fmt: skip
_CODED = {
    "diagnoses_icd": _fields(subject_id=_ID, hadm_id=_ID, seq_num=_INT, icd_code=_TEXT,
                             icd_version=_INT),
    "procedures_icd": _fields(subject_id=_ID, hadm_id=_ID, seq_num=_INT, chartdate=pa.date32(),
                              icd_code=_TEXT, icd_version=_INT),
    "hcpcsevents": _fields(subject_id=_ID, hadm_id=_ID, chartdate=pa.date32(), hcpcs_cd=_TEXT,
                           seq_num=_INT, short_description=_TEXT),
    "prescriptions": _fields(subject_id=_ID, hadm_id=_ID, starttime=_TIME, stoptime=_TIME,
                             drug=_TEXT),
}  # fmt: skip
_OTHER = _fields(subject_id=_ID, hadm_id=_ID, seq_num=_INT, charttime=_TIME, code=_TEXT)
_DICTIONARY = _fields(icd_code=_TEXT, icd_version=_INT, long_title=_TEXT)
_DICTIONARIES = {"diagnoses": "d_icd_diagnoses", "procedures": "d_icd_procedures"}


def _schemas(source: Source) -> dict[str, pa.Schema]:
    admissions = _ADMISSIONS
    levels = {v.name: v for v in source.profile.level_variables}
    for name, column in _extra_columns(source).items():
        number = isinstance(levels[name], Numeric)
        admissions = admissions.append(pa.field(column, pa.float64() if number else _TEXT))
    schemas = {"patients": _PATIENTS, "admissions": admissions}
    for codes in source.profile.code_sets:
        for text in codes.codes:
            table = _table_of(source, codes.name, code_of(codes, text))
            schemas[table] = _CODED.get(table, _OTHER)
        if codes.concept in _DICTIONARIES:
            schemas[_DICTIONARIES[codes.concept]] = _DICTIONARY
    return schemas


class _Writer:
    def __init__(self, source: Source, files: TableFiles) -> None:
        self.source, self.files = source, files
        self.extra = _extra_columns(source)
        self.unlisted = 0

    def people(self, chart: Chart) -> None:
        """Patients, admissions and everything coded."""
        visits = chart.visits
        first = visits.admitted[visits.start[:-1]]
        year = first.astype("datetime64[Y]").astype(int) + 1970
        self.files.write("patients", {
            "subject_id": chart.person,
            "gender": [_GENDER[SEXES[s]] for s in chart.sex.tolist()],
            "anchor_age": _whole_years(chart),
            "anchor_year": year,
            "dod": chart.died.astype("datetime64[D]"),
            "synthetic": np.ones(len(chart), int),
        })  # fmt: skip
        died = np.full(len(visits), np.datetime64("NaT"), "datetime64[s]")
        died[visits.start[1:] - 1] = chart.died
        columns: dict[str, Any] = {
            "subject_id": chart.person[visits.row],
            "hadm_id": visits.ids,
            "admittime": visits.admitted,
            "dischtime": visits.discharged,
            "deathtime": died,
            "hospital_expire_flag": (~np.isnat(died)).astype(int),
            "synthetic": np.ones(len(visits), int),
        }
        rows = pa.array(visits.row)
        for name, column in self.extra.items():
            values = chart.units[name].combine_chunks().take(rows)
            coded = pa.types.is_dictionary(values.type)
            columns[column] = values.cast(pa.string()) if coded else values.cast(pa.float64())
            variable = self.source.profile[name]
            if isinstance(variable, Categorical) and variable.missing is not None:
                empty = pc.equal(columns[column], variable.missing)
                columns[column] = pc.if_else(empty, pa.scalar(None, pa.string()), columns[column])
        self.files.write("admissions", columns)
        for name, events in chart.events.items():
            self._events(chart, name, events)

    def _events(self, chart: Chart, name: str, events: Events) -> None:
        codes = [code_of(self.source.code_set(name), text) for text in events.codes]
        listed = np.array([c.listed for c in codes] or [False])[events.code]
        self.unlisted += int((~listed).sum())
        tables = [_table_of(self.source, name, c) if c.listed else "" for c in codes]
        for table in sorted({t for t in tables if t}):
            here = np.array([t == table for t in tables])[events.code]
            visit, code = events.visit[here], events.code[here]
            columns: dict[str, Any] = {
                "subject_id": chart.person[chart.visits.row[visit]],
                "hadm_id": chart.visits.ids[visit],
            }
            bare = np.array([c.bare for c in codes], object)[code]
            version = np.array([_ICD_VERSION.get(c.system, 0) for c in codes])[code]
            if table == "prescriptions":
                columns |= {"starttime": events.time[here], "stoptime": events.end[here],
                            "drug": bare}  # fmt: skip
            else:
                columns["seq_num"] = _sequence(visit)
            if table in ("diagnoses_icd", "procedures_icd"):
                unversioned = version == 0
                columns |= {"icd_code": bare,
                            "icd_version": np.ma.masked_array(version, unversioned)}  # fmt: skip
            if table in ("procedures_icd", "hcpcsevents"):
                columns["chartdate"] = events.time[here].astype("datetime64[D]")
            if table == "hcpcsevents":
                titles = np.array([c.title for c in codes], object)[code]
                columns |= {"hcpcs_cd": bare, "short_description": titles}
            if table not in _CODED:
                columns |= {"charttime": events.time[here], "code": bare}
            self.files.write(table, columns)

    def dictionaries(self) -> None:
        """Titles of the codes that occur in the profile."""
        for codes in self.source.profile.code_sets:
            if codes.concept not in _DICTIONARIES:
                continue
            known = [
                c for c in (code_of(codes, t) for t in codes.codes) if c.system in _ICD_VERSION
            ]
            self.files.write(_DICTIONARIES[codes.concept], {
                "icd_code": [c.bare for c in known],
                "icd_version": [_ICD_VERSION[c.system] for c in known],
                "long_title": [c.title for c in known],
            })  # fmt: skip


def _sequence(visit: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """1, 2, 3, ... within each visit; visits stand together."""
    begins = np.flatnonzero(np.append(True, visit[1:] != visit[:-1]))
    start = np.repeat(begins, np.diff(np.append(begins, len(visit))))
    return np.arange(len(visit)) - start + 1 if len(visit) else np.zeros(0, int)


def _whole_years(chart: Chart) -> np.ndarray[Any, Any]:
    """Age at the first admission; masked where the birth is not known."""
    unknown = np.isnat(chart.born)
    born = np.where(unknown, np.datetime64("2000-01-01"), chart.born)
    day = chart.visits.admitted[chart.visits.start[:-1]].astype("datetime64[D]")
    month_then, month_now = born.astype("datetime64[M]"), day.astype("datetime64[M]")
    months = (month_now - month_then).astype(int)
    earlier = (day - month_now.astype("datetime64[D]")) < (
        born - month_then.astype("datetime64[D]")
    )
    return np.ma.masked_array((months - earlier) // 12, unknown)
