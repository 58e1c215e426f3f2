from __future__ import annotations

from pathlib import Path

import pytest
from toy_knowledge import toy_base

from llmsyn.knowledge.loading import load_base
from llmsyn.knowledge.matching import Matcher, matcher


@pytest.mark.parametrize(
    ("system", "code", "expected"),
    [
        ("icd9cm", "42823", "heart_failure"),
        ("icd9cm", "428", "heart_failure"),
        ("icd9cm", "42731", "fibrillation"),
        ("icd9cm", "427", "fibrillation"),  # declared as its category
        ("icd9cm", "4275", "arrest"),
        ("icd9cm", "4274", "arrest"),  # everything declared below is one record's
        ("icd9cm", "4271", None),
        ("icd10cm", "I50", "heart_failure"),
        ("icd10cm", "I46", None),
        ("icd9proc", "9671", "ventilation"),
        ("icd9proc", "96", None),  # intubation and feeding stand there too
        ("icd9proc", "967", "ventilation"),  # all of its codes
        ("icd10pcs", "5A1955Z", "ventilation"),
        ("icd10pcs", "B245ZZZ", "echo"),
        ("cpt", "93306", None),
        ("ingredient", "furosemide", "furosemide"),
        ("ingredient", "LASIX", "furosemide"),
        ("local", "Furosemide 40 mg/4 mL Vial", "furosemide"),
        ("local", "20 mEq Potassium Chloride / 1000 mL", "potassium chloride"),
        ("ingredient", "kcl", "potassium chloride"),
        ("local", "bag kcl", None),  # a short name inside a text is too likely something else
        ("ingredient", "chloride", None),
        ("ingredient", "", None),
    ],
)
def test_records_of_codes(tmp_path: Path, system: str, code: str, expected: str | None) -> None:
    record = Matcher(toy_base(tmp_path)).record(system, code)
    assert (None if record is None else record.id) == expected


@pytest.mark.parametrize(
    ("system", "code", "expected"),
    [
        ("icd9cm", "427", "atrial_fibrillation"),
        ("icd9cm", "42741", "cardiac_arrest"),
        ("icd9cm", "4271", "ventricular_tachycardia"),
        ("icd9cm", "786", "chest_pain"),
        ("icd9cm", "78650", "chest_pain"),
        ("icd9cm", "78605", "respiratory_symptoms"),
        ("icd9cm", "25013", "diabetic_ketoacidosis"),
        ("icd9cm", "25001", "type1_diabetes"),
        ("icd9cm", "250", "type2_diabetes"),
        ("icd9cm", "40491", "heart_failure"),
        ("icd9cm", "5856", "end_stage_renal_disease"),
        ("icd9cm", "585", "chronic_kidney_disease"),
        ("icd9cm", "V667", "palliative_care"),
        ("icd9cm", "995", "sepsis"),
        ("icd9cm", "99592", "severe_sepsis"),
        ("icd10cm", "R6521", "septic_shock"),
        ("icd10cm", "I130", "heart_failure"),
        ("icd10cm", "N186", "end_stage_renal_disease"),
        ("icd10cm", "E119", "type2_diabetes"),
        ("icd10cm", "I4891", "atrial_fibrillation"),
        ("icd10pcs", "5A1D90Z", "continuous_renal_replacement"),
        ("icd9proc", "3893", "central_line"),
        ("ingredient", "insulin glargine", "insulin glargine"),
        ("ingredient", "Docusate Sodium (Liquid)", "docusate"),
    ],
)
def test_shipped_records_of_codes(system: str, code: str, expected: str) -> None:
    record = matcher(SHIPPED).record(system, code)
    assert record is not None
    assert record.id == expected


SHIPPED = load_base()
