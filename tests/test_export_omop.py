"""OMOP: the database takes it with every constraint, and its answers are the cohort's counts."""

from __future__ import annotations

import json
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from export_toys import DIAGNOSES, DRUGS, files, toy_cohort, truth
from omop_constraints import broken_dates, load

from llmsyn.errors import InputError
from llmsyn.export.dates import Calendar
from llmsyn.export.omop import write_omop
from llmsyn.export.omop.notes import MAX_LINE_BYTES
from llmsyn.profile.variables import UNLISTED

duckdb = pytest.importorskip("duckdb")
CALENDAR = Calendar(1, date(2021, 1, 1), date(2021, 12, 31))

CONCEPT = """\
concept_id\tconcept_name\tdomain_id\tvocabulary_id\tconcept_class_id\tstandard_concept\tconcept_code\tvalid_start_date\tvalid_end_date\tinvalid_reason
101\tHeart failure, "unspecified"\tCondition\tICD10CM\t4-char billing code\t\tI50.9\t20070101\t20991231\t
102\tPneumonia\tCondition\tICD10CM\t4-char billing code\t\tJ18.9\t20070101\t20991231\t
103\tCHF\tCondition\tICD9CM\t4-dig billing code\t\t428.0\t20070101\t20991231\t
201\tHeart failure\tCondition\tSNOMED\tDisorder\tS\t84114007\t20020131\t20991231\t
202\tOld heart failure\tCondition\tSNOMED\tDisorder\t\t1\t20020131\t20991231\tD
203\tA measurement\tMeasurement\tSNOMED\tProcedure\tS\t2\t20020131\t20991231\t
301\tVentilation\tProcedure\tICD9Proc\t4-dig billing code\tS\t96.71\t20070101\t20991231\t
401\tFurosemide\tDrug\tRxNorm\tIngredient\tS\t4603\t19700101\t20991231\t
402\tfurosemide\tDrug\tRxNorm\tBrand Name\t\t999\t19700101\t20991231\t
"""
RELATIONSHIP = """\
concept_id_1\tconcept_id_2\trelationship_id\tvalid_start_date\tvalid_end_date\tinvalid_reason
101\t202\tMaps to\t19700101\t20991231\t
101\t201\tMaps to\t19700101\t20991231\t
102\t203\tMaps to\t19700101\t20991231\t
103\t201\tMaps to\t19700101\t20991231\tD
103\t203\tIs a\t19700101\t20991231\t
"""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return toy_cohort(tmp_path_factory.mktemp("omop") / "c", n=150, repeats=True)


@pytest.fixture
def athena(tmp_path):
    folder = tmp_path / "athena"
    folder.mkdir()
    (folder / "CONCEPT.csv").write_text(CONCEPT, "utf-8")
    (folder / "CONCEPT_RELATIONSHIP.csv").write_text(RELATIONSHIP, "utf-8")
    (folder / "VOCABULARY.csv").write_text(
        "vocabulary_id\tvocabulary_name\tvocabulary_reference\tvocabulary_version\t"
        "vocabulary_concept_id\nNone\tOMOP\tx\tv5.0 31-AUG-26\t1\n", "utf-8"
    )  # fmt: skip
    return folder


@pytest.fixture
def notes(tmp_path, cohort):
    units, _ = truth(cohort)
    rows = []
    for unit in units[:80:2]:
        text = f"Pt {unit['patient_id']} denies pneumonia; heart failure noted."
        at = text.index("heart failure"), text.index("pneumonia")
        rows.append({"note_id": f"n{unit['patient_id']}", "patient_id": unit["patient_id"],
                     "text": text, "spans": [
            {"start": at[0], "end": at[0] + 13, "label": "diagnosis", "code": DIAGNOSES[0],
             "assertion": "present"},
            {"start": at[1], "end": at[1] + 9, "label": "diagnosis", "code": None,
             "assertion": "absent"}]})  # fmt: skip
    file = tmp_path / "notes.jsonl"
    file.write_text("".join(json.dumps(r) + "\n" for r in rows), "utf-8")
    return file


def one(connection, query):
    return connection.execute(query).fetchone()[0]


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_the_database_takes_it_with_every_constraint(cohort, tmp_path, form):
    write_omop(cohort, tmp_path / "o", CALENDAR, form=form)
    with duckdb.connect() as connection:
        tables = load(connection, tmp_path / "o")
        assert len(tables) == 8 and "note" not in tables
        assert set(broken_dates(connection).values()) == {0}
        visits = one(connection, "SELECT count(*) FROM visit_occurrence")
        later = one(connection, "SELECT count(preceding_visit_occurrence_id) FROM visit_occurrence")
        assert visits > 200 and later == visits - one(connection, "SELECT count(*) FROM person")


def test_the_constraints_can_fail(cohort, tmp_path):
    """A visit of nobody, a person twice, an unknown concept: the database refuses each."""
    write_omop(cohort, tmp_path / "o", CALENDAR)
    for table, column, value in (
        ("visit_occurrence", "person_id", 10**9),
        ("condition_occurrence", "condition_concept_id", 77),
        ("person", "person_id", 1),
        ("drug_exposure", "drug_exposure_end_date", None),
    ):
        part = tmp_path / "o" / table / "part-00000.parquet"
        kept = part.read_bytes()
        whole = pq.read_table(part)
        values = whole[column].to_pylist()
        values[1] = value
        place = whole.schema.get_field_index(column)
        field = pa.field(column, whole.schema.field(column).type)
        pq.write_table(whole.set_column(place, field, pa.array(values, field.type)), part)
        with duckdb.connect() as connection, pytest.raises(duckdb.ConstraintException):
            load(connection, tmp_path / "o")
        part.write_bytes(kept)


def test_cohort_queries_give_the_counts_of_the_cohort(cohort, tmp_path):
    exported = write_omop(cohort, tmp_path / "o", CALENDAR)
    units, codes = truth(cohort)
    kept = {u["patient_id"]: u for u in units if u["age"] is not None}
    assert exported.left_out["persons without a year of birth"] == 1
    unlisted = sum(r["code"] == UNLISTED for rows in codes.values() for r in rows)
    assert exported.left_out["codes that the profile does not name"] >= unlisted > 20
    assert "variables insurance, labs" in exported.left_out
    with duckdb.connect() as db:
        load(db, tmp_path / "o")
        assert one(db, "SELECT count(*) FROM person") == len(kept) == 149
        # Prevalence by sex and age band, per code: persons, not rows (chronic ones repeat).
        for text, written in zip(DIAGNOSES, ("I50.9", "J18.9", "428.0", "486.9"), strict=True):
            have = {r["patient_id"] for r in codes["diagnoses"] if r["code"] == text} & set(kept)
            for gender, level in ((8532, "F"), (8507, "M"), (0, "?")):
                for low, high in ((0, 40), (40, 200)):
                    wanted = sum(
                        kept[p]["sex"] == level and low <= kept[p]["age"] < high for p in have
                    )
                    found = one(
                        db,
                        f"""
                        SELECT count(DISTINCT c.person_id) FROM condition_occurrence c
                        JOIN person p USING (person_id) JOIN observation_period o USING (person_id)
                        WHERE condition_source_value = '{written}' AND gender_concept_id = {gender}
                        AND date_diff('year', birth_datetime::DATE, observation_period_start_date)
                          - (strftime(birth_datetime, '%m%d')
                             > strftime(observation_period_start_date, '%m%d'))::INT
                          BETWEEN {low} AND {high - 1}""",
                    )
                    if written != "486.9" or found or wanted:
                        assert found == wanted, (text, level, low)
        # Mortality, and main diagnoses.
        died = {p for p, u in kept.items() if u["died"] == "yes"}
        assert one(db, "SELECT count(*) FROM death") == len(died) > 10
        main = {r["patient_id"] for r in codes["diagnoses"]
                if r["position"] == 0 and r["code"] == DIAGNOSES[0]} & set(kept)  # fmt: skip
        assert one(db, """SELECT count(DISTINCT person_id) FROM condition_occurrence
            WHERE condition_source_value = 'I50.9' AND condition_status_source_value = 'main'
            """) == len(main) > 5  # fmt: skip


def test_a_drug_after_a_diagnosis_in_the_stay_is_having_both(tmp_path):
    """In a cohort of stays, where everything is in one visit."""
    cohort = toy_cohort(tmp_path / "c", n=200, unit="stay")
    write_omop(cohort, tmp_path / "o", CALENDAR)
    units, codes = truth(cohort)
    kept = {u["patient_id"] for u in units if u["age"] is not None}
    first = {r["patient_id"] for r in codes["diagnoses"] if r["code"] == DIAGNOSES[0]}
    then = {r["patient_id"] for r in codes["drugs"] if r["code"] == DRUGS[0]}
    with duckdb.connect() as db:
        load(db, tmp_path / "o")
        found = one(
            db,
            """
            SELECT count(DISTINCT c.visit_occurrence_id) FROM condition_occurrence c
            JOIN drug_exposure d USING (visit_occurrence_id)
            WHERE condition_source_value = 'I50.9' AND drug_source_value = 'furosemide'
            AND drug_exposure_start_datetime >= condition_start_datetime""",
        )
    assert found == len(first & then & kept) > 10


def test_concepts_come_from_the_users_vocabulary(cohort, tmp_path, athena):
    write_omop(cohort, tmp_path / "o", CALENDAR, vocabulary=athena)
    with duckdb.connect() as db:
        ids = (101, 102, 103, 201, 301, 401)
        load(db, tmp_path / "o", concepts=ids)
        pairs = db.execute("""SELECT DISTINCT condition_source_value, condition_concept_id,
            condition_source_concept_id FROM condition_occurrence ORDER BY 1""").fetchall()
        # A target that is deprecated, of another domain, or whose map was ended is none.
        assert pairs == [("428.0", 0, 103), ("486.9", 0, 0), ("I50.9", 201, 101), ("J18.9", 0, 102)]
        drugs = dict(
            db.execute("""SELECT DISTINCT drug_source_value, drug_concept_id
            FROM drug_exposure""").fetchall()
        )
        assert drugs == {"furosemide": 401, "=cmd|calc": 0}
        assert set(
            db.execute("""SELECT DISTINCT procedure_source_value, procedure_concept_id
            FROM procedure_occurrence WHERE procedure_concept_id > 0""").fetchall()
        ) == {("96.71", 301)}
        assert one(db, "SELECT vocabulary_version FROM cdm_source") == "v5.0 31-AUG-26"
    about = json.loads((tmp_path / "o" / "export.json").read_text("utf-8"))
    assert about["settings"]["mapped"]["diagnoses"] == {"codes": 4, "source": 3, "standard": 1}


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("CONCEPT_RELATIONSHIP.csv", None, "no such file; unpack the whole download"),
        ("CONCEPT.csv", "concept_id,concept_name\n1,x\n", "not as Athena writes it"),
        ("CONCEPT.csv", CONCEPT.replace("101\t", "1x\t"), "concept id is '1x'"),
    ],
)
def test_a_vocabulary_folder_must_be_whole(cohort, tmp_path, athena, file, text, message):
    if text is None:
        (athena / file).unlink()
    else:
        (athena / file).write_text(text, "utf-8")
    with pytest.raises(InputError, match=message):
        write_omop(cohort, tmp_path / "o", CALENDAR, vocabulary=athena)
    assert not (tmp_path / "o").exists()


def test_notes_with_their_annotations(cohort, tmp_path, athena, notes):
    exported = write_omop(cohort, tmp_path / "o", CALENDAR, vocabulary=athena, notes=notes)
    assert exported.rows["note"] == 39 and exported.rows["note_nlp"] == 78
    assert exported.left_out["notes of persons without a year of birth"] == 1
    with duckdb.connect() as db:
        load(db, tmp_path / "o", concepts=(101, 102, 103, 201, 301, 401))
        wrong = one(
            db,
            """SELECT count(*) FROM note_nlp s JOIN note n USING (note_id) WHERE
            substr(note_text, "offset"::INT + 1, length(lexical_variant)) <> lexical_variant""",
        )
        assert wrong == 0
        rows = db.execute("""SELECT lexical_variant, term_exists, note_nlp_concept_id, count(*)
            FROM note_nlp GROUP BY ALL ORDER BY 1""").fetchall()
        assert rows == [("heart failure", "Y", 201, 39), ("pneumonia", "N", 0, 39)]
        assert (
            one(
                db,
                """SELECT count(*) FROM note JOIN visit_occurrence v
            USING (visit_occurrence_id) WHERE note_datetime = visit_end_datetime""",
            )
            == 39
        )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("no json", "row 2: this is no note"),
        ('{"note_id": 1, "patient_id": "1", "text": "x"}', "row 2: this is no note"),
        ('{"note_id": 1, "patient_id": 0, "text": "x"}', "row 2: the notes are not in the order"),
        ('{"note_id": 1, "patient_id": 2, "text": "x", "spans": [{"start": 0, "end": 2}]}',
         "row 2: a span from 0 to 2 is outside the text of 1 characters"),
        ('{"note_id": "m", "patient_id": 999, "text": "x"}', "note 'm' is of patient 999, whom"),
        ("[" * 100_000, "row 2: this is no note"),
        ('"' + "x" * MAX_LINE_BYTES + '"', "row 2: the line is longer than 4 MB"),
    ],
)  # fmt: skip
def test_broken_notes_are_named(cohort, tmp_path, line, message):
    file = tmp_path / "n.jsonl"
    file.write_text('{"note_id": 0, "patient_id": 1, "text": "x", "spans": []}\n' + line, "utf-8")
    with pytest.raises(InputError, match=message):
        write_omop(cohort, tmp_path / "o", CALENDAR, notes=file)
    assert not (tmp_path / "o").exists()


def test_a_profile_without_ages_is_refused(tmp_path):
    cohort = toy_cohort(tmp_path / "c", age=False)
    with pytest.raises(InputError, match="no number with concept age, and OMOP wants"):
        write_omop(cohort, tmp_path / "o", CALENDAR)


def test_equal_exports_are_equal_bytes_and_say_that_they_are_synthetic(cohort, tmp_path, notes):
    for name in ("a", "b"):
        write_omop(cohort, tmp_path / name, CALENDAR, notes=notes)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    source = pq.read_table(tmp_path / "a" / "cdm_source").to_pylist()
    assert len(source) == 1 and source[0]["cdm_source_name"] == "SYNTHETIC: Toy of exports"
    assert "Nobody in it exists" in source[0]["source_description"]
    person = pq.read_table(tmp_path / "a" / "person")["person_source_value"].to_pylist()
    assert all(p.startswith("synthetic-") for p in person)
    readme = (tmp_path / "a" / "README.md").read_text("utf-8")
    assert readme.startswith("# SYNTHETIC: Toy of exports, as omop")
    about = json.loads((tmp_path / "a" / "export.json").read_text("utf-8"))
    assert about["origin"] == "synthetic" and len(about["files"]) > 20
