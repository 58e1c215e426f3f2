"""CSV like MIMIC's, one database file, and the folders that all exports are written into."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from datetime import date

import pytest
from click.testing import CliRunner
from export_toys import DIAGNOSES, DRUGS, LABELLED, files, toy_cohort, truth

from llmsyn.cli import main
from llmsyn.errors import InputError, OutputError
from llmsyn.export import csv as csv_export
from llmsyn.export.database import write_database
from llmsyn.export.dates import Calendar
from llmsyn.export.folder import whole_folder
from llmsyn.profile.variables import UNLISTED

CALENDAR = Calendar(1, date(2021, 1, 1), date(2021, 12, 31))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return toy_cohort(tmp_path_factory.mktemp("tables") / "c", n=100, repeats=True)


def rows(file):
    with file.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


# --- CSV ----------------------------------------------------------------------------------


def test_csv_has_the_tables_and_joins_of_mimic(cohort, tmp_path):
    csv_export.write_csv(cohort, tmp_path / "o", CALENDAR)
    units, codes = truth(cohort)
    patients = rows(tmp_path / "o" / "patients.csv")
    assert [p["subject_id"] for p in patients] == [str(u["patient_id"]) for u in units]
    assert [p["anchor_age"] for p in patients] == [
        "" if u["age"] is None else str(u["age"]) for u in units
    ]
    assert {p["synthetic"] for p in patients} == {"1"}
    admissions = {r["hadm_id"]: r for r in rows(tmp_path / "o" / "admissions.csv")}
    assert len(admissions) == sum(u["visits"] for u in units) > 100
    assert sum(int(a["hospital_expire_flag"]) for a in admissions.values()) == sum(
        u["died"] == "yes" for u in units
    )
    diagnoses = rows(tmp_path / "o" / "diagnoses_icd.csv")
    for text in DIAGNOSES:
        system, _, bare = text.partition(":")
        version = {"icd10cm": "10", "icd9cm": "9"}[system]
        found = {r["subject_id"] for r in diagnoses
                 if (r["icd_code"], r["icd_version"]) == (bare, version)}  # fmt: skip
        wanted = {str(r["patient_id"]) for r in codes["diagnoses"] if r["code"] == text}
        assert found == wanted
    for table in ("diagnoses_icd", "procedures_icd", "hcpcsevents", "prescriptions"):
        for row in rows(tmp_path / "o" / f"{table}.csv"):
            assert admissions[row["hadm_id"]]["subject_id"] == row["subject_id"]
    per_stay = Counter()
    for row in diagnoses:
        per_stay[row["hadm_id"]] += 1
        assert int(row["seq_num"]) == per_stay[row["hadm_id"]]
    assert len(rows(tmp_path / "o" / "d_icd_diagnoses.csv")) == 4


def test_no_cell_of_a_csv_runs(cohort, tmp_path):
    csv_export.write_csv(cohort, tmp_path / "o", CALENDAR)
    drugs = {r["drug"] for r in rows(tmp_path / "o" / "prescriptions.csv")}
    assert drugs == {DRUGS[0], "'" + DRUGS[1]}
    assert LABELLED in {r["insurance"] for r in rows(tmp_path / "o" / "admissions.csv")}
    assert {r["ethnicity"] for r in rows(tmp_path / "o" / "admissions.csv")} == {
        "", "Hispanic", "other",
    }  # fmt: skip


# --- one file -----------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
def test_the_database_answers_with_the_counts_of_the_cohort(cohort, tmp_path, engine):
    if engine == "duckdb":
        duckdb = pytest.importorskip("duckdb")
        connect = duckdb.connect
    else:
        connect = sqlite3.connect
    write_database(cohort, tmp_path / "o", CALENDAR, engine=engine)
    units, codes = truth(cohort)
    db = connect(str(tmp_path / "o" / f"cohort.{engine}"))
    try:

        def ask(query):
            return db.execute(query).fetchall()

        assert ask("SELECT count(*), sum(synthetic::INT) FROM patients" if engine == "duckdb"
                   else "SELECT count(*), sum(synthetic) FROM patients") == [(100, 100)]  # fmt: skip
        assert dict(ask("SELECT insurance, count(*) FROM patients GROUP BY 1")) == Counter(
            u["insurance"] for u in units
        )
        for name, listed in codes.items():
            wanted = Counter((r["patient_id"], r["code"].rpartition(":")[2]) for r in listed)
            found = ask(
                f"SELECT person_id, code, count(DISTINCT position) FROM {name} GROUP BY 1, 2"
            )
            assert {(p, c) for p, c, _ in found} == set(wanted)
        assert ask("SELECT value FROM about WHERE key = 'origin'") == [("synthetic",)]
        assert ask("SELECT count(*) FROM visits v LEFT JOIN patients p USING (person_id) "
                   "WHERE p.person_id IS NULL OR v.discharged < v.admitted") == [(0,)]  # fmt: skip
        assert ask("SELECT written FROM codes WHERE code = 'I509'") == [("I50.9",)]
        unlisted = sum(r["code"] == UNLISTED for r in codes["drugs"])
        assert ask(f"SELECT count(*) FROM drugs WHERE code = '{UNLISTED}'") == [(unlisted,)]
    finally:
        db.close()


def test_a_code_set_named_like_our_table_is_refused(cohort, tmp_path):
    from dataclasses import replace

    from export_toys import toy_profile

    from llmsyn.profile.writing import write_profile

    copy = toy_cohort(tmp_path / "c", n=10)
    profile = toy_profile()
    variables = tuple(
        replace(v, name="Visits") if v.name == "drugs" else v for v in profile.variables
    )
    write_profile(replace(profile, variables=variables), copy / "profile", force=True)
    manifest = json.loads((copy / "manifest.json").read_text("utf-8"))
    manifest["code_sets"][-1] = "Visits"
    (copy / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(InputError, match="'Visits', which is a table"):
        write_database(copy, tmp_path / "o", CALENDAR, engine="sqlite")


# --- folders ------------------------------------------------------------------------------


def test_a_folder_is_whole_or_absent(tmp_path):
    with pytest.raises(RuntimeError), whole_folder(tmp_path / "o", force=False) as folder:
        (folder / "a").write_text("x")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with whole_folder(tmp_path / "o", force=False) as folder:
        (folder / "export.json").write_text("{}")
        assert not (tmp_path / "o").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["o"]


def test_what_stands_there_is_kept(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    for force in (False, True):
        with (
            pytest.raises(OutputError, match="no export of ours"),
            whole_folder(tmp_path / "mine", force=force),
        ):
            raise AssertionError
    assert (tmp_path / "mine" / "thesis.tex").exists()
    (tmp_path / "o").mkdir()  # an empty folder may be used
    with whole_folder(tmp_path / "o", force=False) as folder:
        (folder / "export.json").write_text("1")
    with pytest.raises(OutputError, match="--force"), whole_folder(tmp_path / "o", force=False):
        raise AssertionError
    with whole_folder(tmp_path / "o", force=True) as folder:
        (folder / "export.json").write_text("2")
    assert (tmp_path / "o" / "export.json").read_text() == "2"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine", "o"]


def test_two_runs_do_not_write_into_one_folder(tmp_path):
    with (
        (tmp_path / ".o.lock").open("w") as lock,
        pytest.raises(OutputError, match="another run is writing"),
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        with whole_folder(tmp_path / "o", force=False):
            raise AssertionError


def test_what_a_killed_run_left_is_swept(cohort, tmp_path):
    stale = tmp_path / ".o.abc.part"
    stale.mkdir()
    (stale / "half").write_text("x")
    csv_export.write_csv(cohort, tmp_path / "o", CALENDAR)
    csv_export.write_csv(cohort, tmp_path / "p", CALENDAR)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o", "p"]
    assert files(tmp_path / "o") == files(tmp_path / "p")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_place_is_named(tmp_path):
    (tmp_path / "shut").mkdir(mode=0o500)
    with (
        pytest.raises(OutputError, match="cannot write"),
        whole_folder(tmp_path / "shut" / "o", force=False),
    ):
        raise AssertionError


def test_a_place_below_a_file_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match="cannot write"),
        whole_folder(tmp_path / "file" / "o", force=False),
    ):
        raise AssertionError


def test_a_full_disk_is_an_error_of_ours_and_leaves_nothing(cohort, tmp_path, root):
    """The kernel refuses to let a file grow: EFBIG, which is what a full disk looks like."""

    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, 3_000))

    forms = ["csv", "fhir", "meds", "omop", "duckdb --engine sqlite"]
    with suppress(ImportError):
        import duckdb  # noqa: F401

        forms.append("duckdb")
    for form in forms:
        run = subprocess.run(
            [sys.executable, "-m", "llmsyn", "export", *form.split(), str(cohort), "-o", str(tmp_path / "o")],
            cwd=root, preexec_fn=small_files, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert run.returncode == 2, run.stderr
        assert "cannot write" in run.stderr and "Traceback" not in run.stderr
        assert list(tmp_path.iterdir()) == []


# --- command line -------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["omop", "fhir", "meds", "csv", "duckdb"])
def test_the_command_line(cohort, tmp_path, form):
    given = ["export", form, str(cohort), "-o", str(tmp_path / "o"), "--from", "2019-05-01"]
    given += ["--engine", "sqlite"] if form == "duckdb" else []
    result = CliRunner().invoke(main.cli, [*given, "--json"])
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["format"] == form and sum(said["rows"].values()) > 300
    about = json.loads((tmp_path / "o" / "export.json").read_text("utf-8"))
    assert about["dates"]["first"] == "2019-05-01" and about["dates"]["seed"] == 0
    assert about["statement"].startswith("Synthetic data. Nobody")
    again = CliRunner().invoke(main.cli, given)
    assert isinstance(again.exception, OutputError)
    loud = CliRunner().invoke(main.cli, [*given, "--force", "--seed", "4"])
    assert loud.exit_code == 0 and " rows in " in loud.output
