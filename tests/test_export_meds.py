"""MEDS: the meds package's schema, the order of events, and no outcome before its time."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import date

import numpy as np
import pyarrow.parquet as pq
import pytest
from export_toys import DIAGNOSES, files, toy_cohort, truth

from llmsyn.export.dates import Calendar
from llmsyn.export.meds import MEDS_VERSION, write_meds
from llmsyn.profile.variables import UNLISTED

CALENDAR = Calendar(1, date(2021, 1, 1), date(2021, 12, 31))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return toy_cohort(tmp_path_factory.mktemp("meds") / "c", n=120, repeats=True)


@pytest.fixture(scope="module")
def dataset(cohort, tmp_path_factory):
    out = tmp_path_factory.mktemp("meds-out") / "o"
    write_meds(cohort, out, CALENDAR)
    return out


def test_the_meds_package_takes_every_file(dataset):
    meds = pytest.importorskip("meds")
    assert meds.__version__.split(".")[:2] == MEDS_VERSION.split(".")[:2]
    parts = sorted((dataset / "data").glob("*.parquet"))
    assert len(parts) == 3
    for part in parts:
        meds.DataSchema.validate(pq.read_table(part))
    meds.CodeMetadataSchema.validate(pq.read_table(dataset / meds.code_metadata_filepath))
    meds.SubjectSplitSchema.validate(pq.read_table(dataset / meds.subject_splits_filepath))
    about = json.loads((dataset / meds.dataset_metadata_filepath).read_text("utf-8"))
    meds.DatasetMetadataSchema.validate(about)
    assert about["dataset_name"] == "SYNTHETIC: Toy of exports"


def test_the_schema_can_fail(dataset):
    meds = pytest.importorskip("meds")
    table = pq.read_table(next((dataset / "data").glob("*.parquet")))
    with pytest.raises(Exception, match="subject_id"):
        meds.DataSchema.validate(table.drop_columns(["subject_id"]))


def test_subjects_are_whole_and_sorted_by_time(dataset):
    seen = set()
    for part in sorted((dataset / "data").glob("*.parquet")):
        table = pq.read_table(part)
        subject = table["subject_id"].to_numpy()
        assert (np.diff(subject) >= 0).all()
        assert not seen & set(subject.tolist())
        seen |= set(subject.tolist())
        time = table["time"].to_numpy()
        same = subject[1:] == subject[:-1]
        static = np.isnat(time)
        assert not (same & ~static[:-1] & static[1:]).any()  # what has no time stands first
        both = same & ~static[:-1] & ~static[1:]
        assert (time[1:][both] >= time[:-1][both]).all()
    assert seen == set(range(1, 121))


def test_counts_are_those_of_the_cohort(dataset, cohort):
    units, codes = truth(cohort)
    rows = pq.read_table(dataset / "data").to_pylist()
    having = defaultdict(set)
    for row in rows:
        having[row["code"]].add(row["subject_id"])
    for text, name in zip(
        DIAGNOSES,
        ("icd10cm//I50.9", "icd10cm//J18.9", "icd9cm//428.0", "icd9cm//486.9"),
        strict=True,
    ):
        wanted = {r["patient_id"] for r in codes["diagnoses"] if r["code"] == text}
        assert having[f"DIAGNOSIS//{name}"] == wanted and wanted
    assert having["MEDS_DEATH"] == {u["patient_id"] for u in units if u["died"] == "yes"}
    assert having["MEDS_BIRTH"] == {u["patient_id"] for u in units if u["age"] is not None}
    assert having["GENDER//female"] == {u["patient_id"] for u in units if u["sex"] == "F"}
    assert len(having["HOSPITAL_ADMISSION"]) == 120
    labs = {r["subject_id"]: r["numeric_value"] for r in rows if r["code"] == "labs"}
    assert labs == pytest.approx({u["patient_id"]: u["labs"] for u in units})
    assert not any(UNLISTED in code for code in having)
    described = set(pq.read_table(dataset / "metadata" / "codes.parquet")["code"].to_pylist())
    assert set(having) <= described
    assert "ethnicity//missing" not in having


def test_no_event_gives_an_outcome_away(dataset):
    """Everything about death and length of stay is said by the last events alone."""
    for row in pq.read_table(dataset / "data").to_pylist():
        assert not row["code"].startswith(("died", "stay_days", "visits", "gap"))
    by_subject = defaultdict(list)
    for row in pq.read_table(dataset / "data").to_pylist():
        by_subject[row["subject_id"]].append(row["code"])
    for codes in by_subject.values():
        if "MEDS_DEATH" in codes:
            assert codes[-1] == "MEDS_DEATH" and codes[-2] == "HOSPITAL_DISCHARGE"


def test_splits_are_eight_to_one_to_one_and_do_not_depend_on_parts(tmp_path):
    found = []
    for parts in (1, 5):
        cohort = toy_cohort(tmp_path / f"c{parts}", n=3_000, parts=parts)
        write_meds(cohort, tmp_path / f"o{parts}", CALENDAR)
        table = pq.read_table(tmp_path / f"o{parts}" / "metadata" / "subject_splits.parquet")
        found.append(dict(zip(*table.to_pydict().values(), strict=True)))
    assert found[0] == found[1]
    shares = Counter(found[0].values())
    assert shares["train"] / 3_000 == pytest.approx(0.8, abs=0.03)
    assert shares["tuning"] / 3_000 == pytest.approx(0.1, abs=0.02)


def test_equal_exports_are_equal_bytes(cohort, dataset, tmp_path):
    write_meds(cohort, tmp_path / "again", CALENDAR)
    assert files(tmp_path / "again") == files(dataset)
