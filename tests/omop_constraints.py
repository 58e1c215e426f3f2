"""The keys and required columns of OMOP CDM 5.4, from its specification, as DuckDB tables.

Written apart from the exporter: what it writes is loaded here, and the database refuses it
where a key is missing or twice, a reference leads nowhere, or a required value is absent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

# Every concept that an export without a vocabulary may name.
CONCEPTS = (0, 8507, 8532, 9201, 32880, 32678, 4180186, 756265)

PRIMARY = {
    "person": "person_id",
    "observation_period": "observation_period_id",
    "visit_occurrence": "visit_occurrence_id",
    "condition_occurrence": "condition_occurrence_id",
    "procedure_occurrence": "procedure_occurrence_id",
    "drug_exposure": "drug_exposure_id",
    "note": "note_id",
    "note_nlp": "note_nlp_id",
}

REQUIRED = {
    "person": "gender_concept_id year_of_birth race_concept_id ethnicity_concept_id",
    "observation_period": (
        "person_id observation_period_start_date observation_period_end_date period_type_concept_id"
    ),
    "visit_occurrence": (
        "person_id visit_concept_id visit_start_date visit_end_date visit_type_concept_id"
    ),
    "condition_occurrence": (
        "person_id condition_concept_id condition_start_date condition_type_concept_id"
    ),
    "procedure_occurrence": (
        "person_id procedure_concept_id procedure_date procedure_type_concept_id"
    ),
    "drug_exposure": (
        "person_id drug_concept_id drug_exposure_start_date drug_exposure_end_date "
        "drug_type_concept_id"
    ),
    "death": "person_id death_date",
    "note": (
        "person_id note_date note_type_concept_id note_class_concept_id note_text "
        "encoding_concept_id language_concept_id"
    ),
    "note_nlp": "note_id lexical_variant nlp_date",
    "cdm_source": (
        "cdm_source_name cdm_source_abbreviation cdm_holder source_release_date "
        "cdm_release_date cdm_version_concept_id vocabulary_version"
    ),
}

# varchar(n) of the specification.
LENGTHS = {
    "cdm_source_name": 255, "cdm_source_abbreviation": 25, "cdm_holder": 255,
    "cdm_version": 10, "vocabulary_version": 20, "note_title": 250, "snippet": 250,
    "lexical_variant": 250, "nlp_system": 250, "term_exists": 1, "term_modifiers": 2000,
    "offset": 50,
}  # fmt: skip

REFERENCES = {
    "person_id": "person",
    "visit_occurrence_id": "visit_occurrence",
    "preceding_visit_occurrence_id": "visit_occurrence",
    "note_id": "note",
}


def load(connection: Any, folder: Path, *, concepts: tuple[int, ...] = ()) -> list[str]:
    """Create the tables with all constraints and fill them; the names of the tables."""
    connection.execute("CREATE TABLE concept (concept_id INTEGER PRIMARY KEY)")
    values = ", ".join(f"({c})" for c in sorted({*CONCEPTS, *concepts}))
    connection.execute(f"INSERT INTO concept VALUES {values}")
    loaded = []
    for table, required in REQUIRED.items():
        source = _source(folder, table)
        if source is None:
            continue
        columns = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        connection.execute(
            f"CREATE TABLE {table} ({', '.join(_column(table, required, *c[:2]) for c in columns)})"
        )
        connection.execute(f"INSERT INTO {table} SELECT * FROM {source}")
        loaded.append(table)
    return loaded


def _source(folder: Path, table: str) -> str | None:
    if (folder / table).is_dir():
        return f"read_parquet('{folder}/{table}/*.parquet')"
    if (folder / f"{table}.csv").is_file():
        return f"read_csv('{folder}/{table}.csv', header=true)"
    return None


def _column(table: str, required: str, name: str, kind: str) -> str:
    text = f'"{name}" {kind}'
    if PRIMARY.get(table) == name:
        return text + " PRIMARY KEY"
    if name in required.split():
        text += " NOT NULL"
    if table == "death" and name == "person_id":
        text += " UNIQUE"
    if name.endswith("_concept_id"):
        # CSV readers guess another type than the one of the specification.
        return text.replace(kind, "INTEGER") + " REFERENCES concept (concept_id)"
    other = REFERENCES.get(name)
    # A table that refers to itself is checked by a query: rows arrive in one statement.
    if other is not None and other != table:
        return text + f" REFERENCES {other} ({PRIMARY[other]})"
    length = LENGTHS.get(name, 50 if name.endswith("_source_value") else None)
    if length is not None:
        text += f' CHECK (length("{name}") <= {length})'
    return text


def broken_dates(connection: Any) -> dict[str, int]:
    """Rows whose dates contradict each other, per rule; all should be 0."""
    inside = (
        "SELECT count(*) FROM {table} e JOIN visit_occurrence v USING (visit_occurrence_id) "
        "WHERE e.{begin} < v.visit_start_datetime OR e.{end} > v.visit_end_datetime "
        "OR e.person_id <> v.person_id"
    )
    rules = {
        "visits end before they begin": (
            "SELECT count(*) FROM visit_occurrence WHERE visit_end_datetime < visit_start_datetime"
        ),
        "visits outside the observation period": (
            "SELECT count(*) FROM visit_occurrence v JOIN observation_period p USING (person_id) "
            "WHERE v.visit_start_date < observation_period_start_date "
            "OR v.visit_end_date > observation_period_end_date"
        ),
        "conditions outside their visit": inside.format(
            table="condition_occurrence", begin="condition_start_datetime",
            end="condition_start_datetime"),
        "procedures outside their visit": inside.format(
            table="procedure_occurrence", begin="procedure_datetime", end="procedure_end_datetime"),
        "drugs outside their visit": inside.format(
            table="drug_exposure", begin="drug_exposure_start_datetime",
            end="drug_exposure_end_datetime"),
        "anything after death": (
            "SELECT count(*) FROM visit_occurrence v JOIN death USING (person_id) "
            "WHERE v.visit_end_datetime > death_datetime"
        ),
        "born after the first visit": (
            "SELECT count(*) FROM person JOIN observation_period USING (person_id) "
            "WHERE birth_datetime > observation_period_start_date"
        ),
        "preceding visits that are not earlier ones of the same person": (
            "SELECT count(*) FROM visit_occurrence v LEFT JOIN visit_occurrence b "
            "ON b.visit_occurrence_id = v.preceding_visit_occurrence_id "
            "WHERE v.preceding_visit_occurrence_id IS NOT NULL AND (b.person_id IS NULL "
            "OR b.person_id <> v.person_id OR b.visit_end_datetime > v.visit_start_datetime)"
        ),
    }  # fmt: skip
    return {rule: connection.execute(query).fetchone()[0] for rule, query in rules.items()}
