"""Exports of one cohort: seconds, validator errors, and cohort queries beside the cohort's counts.

\b
    python benchmarks/standards.py                       10,000 stays of mimic4-demo
    python benchmarks/standards.py --cohort out/demo

OMOP is loaded into DuckDB with the keys of CDM 5.4; every FHIR resource goes through
fhir.resources, every MEDS file through the meds package (pip install '.[duckdb,standards]').
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import pyarrow.parquet as pq
from protocol import json_option, log, run_script
from result_files import show, write_result

from llmsyn.cohort.parts import synthetic_parts
from llmsyn.export.chart import Source, categorical, open_source, texts
from llmsyn.export.coding import code_of
from llmsyn.export.csv import write_csv
from llmsyn.export.database import write_database
from llmsyn.export.dates import Calendar
from llmsyn.export.fhir import RESOURCES, write_fhir
from llmsyn.export.meds import write_meds
from llmsyn.export.omop import write_omop
from llmsyn.generation import generate

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from omop_constraints import broken_dates, load

Rows = list[dict[str, Any]]
_TOP = 20


@click.command(help=__doc__)
@click.option("--cohort", type=click.Path(path_type=Path), help="A finished cohort folder.")
@click.option("-n", "n", default=10_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
@json_option
def main(cohort: Path | None, n: int, seed: int, as_json: bool) -> None:
    with TemporaryDirectory() as work:
        if cohort is None:
            cohort = Path(work) / "cohort"
            generate("mimic4-demo", n, seed=seed, out=cohort)
        source = open_source(cohort)
        rows = list(measured(source, Path(work)))
    result = write_result(
        "standards", "Exports, their validators, and cohort queries", rows,
        notes=[
            "Errors: rows that the validator refused; for OMOP also rows with contradicting dates.",
            "Queries: cells compared with the counts of the cohort's own Parquet parts, and how "
            "many differ.",
        ],
        cohort=source.profile.name, n=source.manifest["n"], seed=source.manifest["seed"],
    )  # fmt: skip
    show(result, as_json=as_json)


def measured(source: Source, work: Path) -> Iterator[dict[str, Any]]:
    """One line a format."""
    calendar = Calendar(1, date(2020, 1, 1), date(2020, 12, 31))
    formats: dict[str, tuple[Callable[..., Any], Callable[[Source, Path], dict[str, Any]]]] = {
        "omop": (write_omop, check_omop),
        "fhir": (write_fhir, check_fhir),
        "meds": (write_meds, check_meds),
        "csv": (write_csv, unchecked),
        "duckdb": (write_database, unchecked),
    }
    for name, (write, check) in formats.items():
        log.info("export %s", name)
        begun = time.perf_counter()
        exported = write(source.folder, work / name, calendar)
        seconds = time.perf_counter() - begun
        n_bytes = sum(f.stat().st_size for f in (work / name).rglob("*") if f.is_file())
        yield {
            "format": name,
            "rows": sum(exported.rows.values()),
            "seconds": round(seconds, 2),
            "units/s": round(source.manifest["n"] / seconds),
            "MB": round(n_bytes / 1e6, 1),
            **check(source, work / name),
        }


def unchecked(source: Source, folder: Path) -> dict[str, Any]:
    """No validator exists; the tests compare counts."""
    return {"validated": 0, "errors": "", "queries": 0, "differ": ""}


def check_fhir(source: Source, folder: Path) -> dict[str, Any]:
    """Every resource through fhir.resources."""
    validated = errors = 0
    for name in RESOURCES:
        kind = getattr(importlib.import_module(f"fhir.resources.R4B.{name.lower()}"), name)
        with (folder / f"{name}.ndjson").open(encoding="utf-8") as lines:
            for line in lines:
                validated += 1
                try:
                    kind.model_validate(json.loads(line))
                except ValueError as error:
                    errors += 1
                    log.warning(f"{name}: {error}")
    return {"validated": validated, "errors": errors, "queries": 0, "differ": ""}


def check_meds(source: Source, folder: Path) -> dict[str, Any]:
    """Every file through the meds package, and the order of rows."""
    import meds

    rows = errors = 0
    for part in sorted((folder / "data").glob("*.parquet")):
        table = pq.read_table(part)
        meds.DataSchema.validate(table)
        rows += table.num_rows
        subject, moment = table["subject_id"].to_numpy(), table["time"].to_numpy()
        same = subject[1:] == subject[:-1]
        errors += int((subject[1:] < subject[:-1]).sum())
        errors += int((same & (moment[1:] < moment[:-1])).sum())
    meds.CodeMetadataSchema.validate(pq.read_table(folder / meds.code_metadata_filepath))
    meds.SubjectSplitSchema.validate(pq.read_table(folder / meds.subject_splits_filepath))
    return {"validated": rows, "errors": errors, "queries": 0, "differ": ""}


def check_omop(source: Source, folder: Path) -> dict[str, Any]:
    """Into DuckDB with every key; then a page of cohort queries."""
    import duckdb

    with duckdb.connect() as db:
        tables = load(db, folder)
        loaded = sum(_one(db, f"SELECT count(*) FROM {t}") for t in tables)
        errors = sum(broken_dates(db).values())
        compared = list(queries(db, source))
    for what, found, wanted in compared:
        if found != wanted:
            log.warning(f"{what}: {found} in OMOP, {wanted} in the cohort")
    differ = sum(found != wanted for _, found, wanted in compared)
    return {"validated": loaded, "errors": errors, "queries": len(compared), "differ": differ}


def queries(db: Any, source: Source) -> Iterator[tuple[str, int, int]]:
    """What is asked, OMOP's answer, the cohort's count."""
    truth = Truth(source)
    yield "deaths", _one(db, "SELECT count(*) FROM death"), int(truth.died.sum())
    diagnoses, drugs = truth.top("diagnoses"), truth.top("drugs")
    for code, has in diagnoses.items():
        for gender, sex in ((8532, "female"), (8507, "male")):
            for low, high in ((0, 50), (50, 65), (65, 80), (80, 200)):
                found = _one(
                    db,
                    f"""
                    SELECT count(DISTINCT c.person_id) FROM condition_occurrence c
                    JOIN person p USING (person_id) JOIN observation_period o USING (person_id)
                    WHERE condition_source_value = '{code}' AND gender_concept_id = {gender}
                    AND date_diff('year', birth_datetime::DATE, observation_period_start_date)
                      - (strftime(birth_datetime, '%m%d')
                         > strftime(observation_period_start_date, '%m%d'))::INT
                      BETWEEN {low} AND {high - 1}""",
                )
                band = (truth.age >= low) & (truth.age < high) & (truth.sex == sex)
                yield f"{code}, {sex}, {low}-{high}", found, int((has & band).sum())
        dead = _one(
            db,
            f"""SELECT count(DISTINCT person_id) FROM death
            JOIN condition_occurrence USING (person_id)
            WHERE condition_source_value = '{code}'""",
        )
        yield f"deaths with {code}", dead, int((has & truth.died).sum())
        for drug, given in list(drugs.items())[:5]:
            found = _one(
                db,
                f"""
                SELECT count(DISTINCT c.visit_occurrence_id) FROM condition_occurrence c
                JOIN drug_exposure d USING (visit_occurrence_id)
                WHERE condition_source_value = '{code}' AND drug_source_value = '{drug}'
                AND drug_exposure_start_datetime >= condition_start_datetime""",
            )
            yield f"{drug} after {code} in the stay", found, int((has & given).sum())


class Truth:
    """Columns of the cohort, read from its own parts."""

    def __init__(self, source: Source) -> None:
        self.source = source
        parts = list(synthetic_parts(source.folder))
        age = source.profile.by_concept("age")[0].name
        sex, died = (categorical(source.profile, c) for c in ("sex", "in_hospital_death"))
        assert sex is not None
        assert died is not None
        self.age = np.concatenate([np.asarray(p.units[age], float) for p in parts])
        levels = np.concatenate([texts(p.units, sex.name) for p in parts])
        self.sex = np.array([sex.meaning(level) for level in levels])
        levels = np.concatenate([texts(p.units, died.name) for p in parts])
        self.died = np.array([died.meaning(level) == "yes" for level in levels])
        self._parts = parts

    def top(self, concept: str) -> dict[str, Any]:
        """Written code -> ``(n,)`` who has it, for the most frequent ones."""
        codes = next(c for c in self.source.profile.code_sets if c.concept == concept)
        order = np.argsort(-np.nan_to_num(codes.counts))[:_TOP]
        found = {}
        for place in order:
            text = codes.codes[place]
            columns = []
            for part in self._parts:
                table = part.codes[codes.name]
                has = np.zeros(len(part), bool)
                coded = table["code"].combine_chunks()
                index = coded.dictionary.to_pylist().index(text)
                has[np.asarray(table["row"])[np.asarray(coded.indices) == index]] = True
                columns.append(has)
            found[code_of(codes, text).written] = np.concatenate(columns)
        return found


def _one(db: Any, query: str) -> int:
    (value,) = db.execute(query).fetchone()
    return int(value)


if __name__ == "__main__":
    run_script(main)
