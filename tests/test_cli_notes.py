"""The commands notes and ner, from a cohort folder to scores."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from notes_toys import NOTE

from llmsyn.cli.main import cli, main
from llmsyn.notes.jsonl import read_notes, write_notes
from llmsyn.profile.reading import find_profile, read_profile
from llmsyn.profile.writing import write_profile
from llmsyn.store import write_json

CODES = {
    "diagnoses": ["4280", "25000", "5849", "(unlisted)"],
    "procedures": ["9671"],
    "drugs": ["furosemide", "heparin"],
}


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Six stays with the shipped profile's columns, written by hand."""
    folder = tmp_path / "cohort"
    n = 6
    ids = [f"s{i}" for i in range(n)]
    units = pa.table(
        {
            "patient_id": [f"p{i}" for i in range(n)],
            "stay_id": ids,
            "sex": ["F", "M"] * 3,
            "age": [50.0 + i for i in range(n)],
            "died": ["yes", "no", "no"] * 2,
            "stay_days": [3.0] * n,
        }
    )
    tables = {"stays": units}
    for name, listed in CODES.items():
        tables[name] = pa.table(
            {
                "stay_id": [one for one in ids for _ in listed],
                "code": listed * n,
                "position": pa.array(list(range(len(listed))) * n, pa.int16()),
            }
        )
    parts = []
    for name, table in tables.items():
        file = folder / name / "part-00000.parquet"
        file.parent.mkdir(parents=True)
        pq.write_table(table, file)
        parts.append({"file": f"{name}/part-00000.parquet"})
    write_profile(read_profile(find_profile("mimic3-demo")), folder / "profile")
    manifest = {"origin": "synthetic", "schema": 1, "unit": "stay", "n": n, "parts": parts,
                "unit_table": "stays", "code_sets": list(CODES)}  # fmt: skip
    write_json(folder / "manifest.json", manifest)
    return folder


def said(*words: object) -> dict:
    result = CliRunner().invoke(cli, [str(w) for w in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_from_a_cohort_to_scores(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "notes.jsonl"
    counts = said("notes", cohort, "-o", out, "--seed", 1, "--json", "--misspelling", 0)
    notes = list(read_notes(out))
    assert counts["notes"] == len(notes) == 6
    assert counts["spans"] == sum(len(n.spans) for n in notes)
    assert {s.code for n in notes for s in n.spans if s.code} <= {
        "icd9cm:4280", "icd9cm:25000", "icd9cm:5849", "icd9proc:9671",
        "ingredient:furosemide", "ingredient:heparin",
    }  # fmt: skip
    assert [n.patient_id for n in notes] == [f"p{i}" for i in range(6)]
    report = said("ner", "evaluate", "gazetteer:en", out, "--policy", "clinical", "--json")
    assert report["spans"]["strict"]["Drug"]["f1"] > 0.7
    tagged = tmp_path / "tagged.jsonl"
    words = ["ner", "predict", "gazetteer:en", out, "-o", tagged, "--policy", "omop"]
    assert main([str(w) for w in words]) == 0
    assert {s.label for n in read_notes(tagged) for s in n.spans} >= {"Drug", "Condition"}


def test_render_skips_and_stops(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "n.jsonl"
    said("notes", "render", cohort, "-o", out, "--skip", 2, "--most", 3, "--json")
    assert [n.patient_id for n in read_notes(out)] == ["p2", "p3", "p4"]
    spanish = said("notes", cohort, "-o", out, "--language", "es", "--policy", "clinical", "--json")
    assert spanish["notes"] == 6
    assert {s.label for n in read_notes(out) for s in n.spans} <= {"Drug", "Disease", "Procedure"}


def test_wrong_input_ends_with_2(cohort: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "x.jsonl")
    assert main(["notes", str(cohort), "-o", out, "--language", "xx"]) == 2
    assert main(["notes", str(cohort), "-o", out, "--kind", "poem"]) == 2
    assert main(["notes", str(tmp_path / "none"), "-o", out]) == 2
    assert main(["ner", "evaluate", "gazetteer:en", out, "--policy", "clinical"]) == 2
    assert main(["notes", "write", "-n", "1"]) == 2


def test_real_notes_are_not_sent_to_a_folder(tmp_path: Path, capsys) -> None:
    file = tmp_path / "own.jsonl"
    file.write_text(json.dumps({"id": 1, "text": "He has gout.", "spans": []}) + "\n", "utf-8")
    words = ["notes", "annotate", str(file), "-o", str(tmp_path / "y.jsonl"), "--batch",
             str(tmp_path / "batch"), "--model", "m", "--cache", str(tmp_path / "cache")]  # fmt: skip
    assert main(words) == 2
    assert "patient's" in capsys.readouterr().err
    kept = [f for f in tmp_path.rglob("*") if f.is_file() and f != file]
    assert not any(b"gout" in f.read_bytes() for f in kept)


def test_convert_split_and_passages(tmp_path: Path) -> None:
    source, target = tmp_path / "n.jsonl", tmp_path / "n.conll"
    write_notes(source, [NOTE])
    counts = said("notes", "convert", source, target, "--to", "conll", "--json")
    assert counts["widened"] == counts["overlapping"] == 0
    bank = tmp_path / "bank.jsonl"
    counts = said("notes", "passages", "-o", bank, "--language", "et", "--copies", 1, "--json")
    assert counts["notes"] % 2 == 0
    assert main(["ner", "split", str(bank), "-o", str(tmp_path / "parts"), "--quiet"]) == 0
    parts = {name: list(read_notes(tmp_path / "parts" / f"{name}.jsonl"))
             for name in ("train", "dev", "test")}  # fmt: skip
    assert sum(map(len, parts.values())) == counts["notes"]
    assert not {n.families for n in parts["train"]} & {n.families for n in parts["test"]}


def test_the_shipped_bank_passes_its_check() -> None:
    for language in ("en", "es", "et"):
        report = said("notes", "bank", "check", "--language", language, "--json")
        assert report["problems"] == []


def test_a_language_without_prose_is_told_which_there_are(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["notes", str(cohort), "-o", str(tmp_path / "n.jsonl"), "--language", "xx"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "no notes in language 'xx'; there are en, es, et" in said and "/" not in said


def test_help_of_groups_is_not_cut() -> None:
    for group in ("profile", "knowledge", "notes", "ner", "export"):
        said = CliRunner().invoke(cli, [group, "--help"], terminal_width=80).output
        commands = said.partition("Commands:")[2]
        assert commands and "..." not in commands, group
