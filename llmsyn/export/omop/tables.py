"""The OMOP CDM 5.4 tables that are written: columns, types, keys.

From the published specification of the Common Data Model (OHDSI, version 5.4).  Ids are
64-bit, so that a billion patients have room; loaders cast them to what their database uses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_TYPES = {
    "id": pa.int64(),
    "concept": pa.int32(),
    "int": pa.int32(),
    "date": pa.date32(),
    "time": pa.timestamp("s"),
    "text": pa.string(),
    "number": pa.float64(),
}

# Column, type, and "!" where the specification wants a value in every row.
_COLUMNS = {
    "person": (
        "person_id id!, gender_concept_id concept!, year_of_birth int!, month_of_birth int, "
        "day_of_birth int, birth_datetime time, race_concept_id concept!, "
        "ethnicity_concept_id concept!, location_id id, provider_id id, care_site_id id, "
        "person_source_value text, gender_source_value text, gender_source_concept_id concept, "
        "race_source_value text, race_source_concept_id concept, ethnicity_source_value text, "
        "ethnicity_source_concept_id concept"
    ),
    "observation_period": (
        "observation_period_id id!, person_id id!, observation_period_start_date date!, "
        "observation_period_end_date date!, period_type_concept_id concept!"
    ),
    "visit_occurrence": (
        "visit_occurrence_id id!, person_id id!, visit_concept_id concept!, "
        "visit_start_date date!, visit_start_datetime time, visit_end_date date!, "
        "visit_end_datetime time, visit_type_concept_id concept!, provider_id id, "
        "care_site_id id, visit_source_value text, visit_source_concept_id concept, "
        "admitted_from_concept_id concept, admitted_from_source_value text, "
        "discharged_to_concept_id concept, discharged_to_source_value text, "
        "preceding_visit_occurrence_id id"
    ),
    "condition_occurrence": (
        "condition_occurrence_id id!, person_id id!, condition_concept_id concept!, "
        "condition_start_date date!, condition_start_datetime time, condition_end_date date, "
        "condition_end_datetime time, condition_type_concept_id concept!, "
        "condition_status_concept_id concept, stop_reason text, provider_id id, "
        "visit_occurrence_id id, visit_detail_id id, condition_source_value text, "
        "condition_source_concept_id concept, condition_status_source_value text"
    ),
    "procedure_occurrence": (
        "procedure_occurrence_id id!, person_id id!, procedure_concept_id concept!, "
        "procedure_date date!, procedure_datetime time, procedure_end_date date, "
        "procedure_end_datetime time, procedure_type_concept_id concept!, "
        "modifier_concept_id concept, quantity int, provider_id id, visit_occurrence_id id, "
        "visit_detail_id id, procedure_source_value text, procedure_source_concept_id concept, "
        "modifier_source_value text"
    ),
    "drug_exposure": (
        "drug_exposure_id id!, person_id id!, drug_concept_id concept!, "
        "drug_exposure_start_date date!, drug_exposure_start_datetime time, "
        "drug_exposure_end_date date!, drug_exposure_end_datetime time, "
        "verbatim_end_date date, drug_type_concept_id concept!, stop_reason text, refills int, "
        "quantity number, days_supply int, sig text, route_concept_id concept, lot_number text, "
        "provider_id id, visit_occurrence_id id, visit_detail_id id, drug_source_value text, "
        "drug_source_concept_id concept, route_source_value text, dose_unit_source_value text"
    ),
    "death": (
        "person_id id!, death_date date!, death_datetime time, death_type_concept_id concept, "
        "cause_concept_id concept, cause_source_value text, cause_source_concept_id concept"
    ),
    "note": (
        "note_id id!, person_id id!, note_date date!, note_datetime time, "
        "note_type_concept_id concept!, note_class_concept_id concept!, note_title text, "
        "note_text text!, encoding_concept_id concept!, language_concept_id concept!, "
        "provider_id id, visit_occurrence_id id, visit_detail_id id, note_source_value text, "
        "note_event_id id, note_event_field_concept_id concept"
    ),
    "note_nlp": (
        "note_nlp_id id!, note_id id!, section_concept_id concept, snippet text, offset text, "
        "lexical_variant text!, note_nlp_concept_id concept, note_nlp_source_concept_id concept, "
        "nlp_system text, nlp_date date!, nlp_datetime time, term_exists text, "
        "term_temporal text, term_modifiers text"
    ),
    "cdm_source": (
        "cdm_source_name text!, cdm_source_abbreviation text!, cdm_holder text!, "
        "source_description text, source_documentation_reference text, cdm_etl_reference text, "
        "source_release_date date!, cdm_release_date date!, cdm_version text, "
        "cdm_version_concept_id concept!, vocabulary_version text!"
    ),
}

NOTE_TABLES = ("note", "note_nlp")

SOURCE_VALUE_LENGTH = 50
"""Characters that a ``*_source_value`` may have; ``snippet`` and ``lexical_variant`` 250."""


def _schema(columns: str) -> pa.Schema:
    fields = []
    for text in columns.split(", "):
        name, kind = text.split()
        fields.append(pa.field(name, _TYPES[kind.rstrip("!")], nullable=not kind.endswith("!")))
    return pa.schema(fields)


SCHEMAS: dict[str, pa.Schema] = {name: _schema(columns) for name, columns in _COLUMNS.items()}
"""Table name -> Arrow schema, in the order in which foreign keys can be checked."""


def schemas(*, notes: bool) -> dict[str, pa.Schema]:
    """The tables of one export; the two about notes only where notes were given."""
    return {k: v for k, v in SCHEMAS.items() if notes or k not in NOTE_TABLES}


def day_of(times: npt.NDArray[np.datetime64]) -> npt.NDArray[np.datetime64]:
    """The day that each time is on."""
    return times.astype("datetime64[D]")


def repeated(value: Any, n: int) -> npt.NDArray[Any]:
    """A column with the same value in every row."""
    return np.full(n, value, dtype=object if isinstance(value, str) else None)
