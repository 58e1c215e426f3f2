"""``llmsyn knowledge``: check, show, coverage, recalibrate, as the command line gives them."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from toy_knowledge import DIED, SEX, code_set, profile

from llmsyn.checking import count_violations
from llmsyn.cli.knowledge import knowledge
from llmsyn.cli.main import main
from llmsyn.cohort.parts import open_cohort
from llmsyn.errors import ProfileError
from llmsyn.knowledge.coverage import by_concept, concept_of, coverage
from llmsyn.knowledge.loading import load_base
from llmsyn.knowledge.types import Impossible
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.terms import Term
from llmsyn.profile.types import Profile
from llmsyn.profile.writing import write_profile


def run(*arguments: str) -> Result:
    return CliRunner().invoke(knowledge, arguments)


def paired(name: str = "paired") -> Profile:
    """Heart failure and fibrillation of 10,000 patients; both go together, and with death."""
    dx = code_set("dx", ("icd9cm",), {"4280": 2000.0, "42731": 1500.0}, concept="diagnoses")
    sexes = dataclasses.replace(SEX, counts=SEX.counts * 100)
    died = dataclasses.replace(DIED, counts=DIED.counts * 100)
    axis = Axis("dx", ("4280", "42731"))
    pairs = Table((axis, axis), np.array([[np.nan, 800.0], [800.0, np.nan]]))
    deaths = Table(
        (Axis("died", ("no", "yes")), Axis("dx", ("4280",))), np.array([[1400.0], [600.0]])
    )
    made = profile(sexes, died, dx)
    return dataclasses.replace(
        made, name=name, n_units=10_000.0, n_patients=10_000.0, tables=(pairs, deaths)
    )


def test_recalibrate_writes_an_overlay_that_loads(tmp_path: Path) -> None:
    write_profile(paired(), tmp_path / "profile")
    arguments = ("recalibrate", str(tmp_path / "profile"), "-o", str(tmp_path / "scale"))
    result = run(*arguments, "--json")
    assert result.exception is None, result.output
    said = json.loads(result.output)
    (fitted,) = [r for r in said["rows"] if r["relation"] == "comorbidities" and r["class"] == 2]
    assert fitted["prior"] == 3.0
    assert fitted["low"] < fitted["value"] < fitted["high"]
    assert 3.0 < fitted["value"] < 7.0
    base = load_base([tmp_path / "scale"])
    assert base.relations["comorbidities"][2] == pytest.approx(math.log(fitted["value"]), abs=1e-3)
    again = run(*arguments)
    assert again.exit_code != 0
    assert "exists" in str(again.exception)
    shown = run(*arguments, "--force")
    assert shown.exception is None
    assert "95% interval" in shown.output
    assert run(*arguments, "--force", "--quiet").output == ""


def test_recalibrate_refuses_a_profile_without_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_profile(dataclasses.replace(paired(), tables=()), tmp_path / "bare")
    arguments = ["knowledge", "recalibrate", str(tmp_path / "bare"), "-o", str(tmp_path / "out")]
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert "has no cross-table" in message
    assert len(message.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
    assert ProfileError.exit_code == 2


def test_generate_reads_the_overlay(tmp_path: Path) -> None:
    """The margins of the profile, with a scale fitted to its tables: more deaths than before."""
    write_profile(paired(), tmp_path / "profile")
    write_profile(dataclasses.replace(paired(), tables=()), tmp_path / "margins")
    scale = tmp_path / "scale"
    assert run("recalibrate", str(tmp_path / "profile"), "-o", str(scale)).exception is None

    together = []
    for overlay in ((), ("--knowledge", str(scale))):
        out = tmp_path / f"out{len(overlay)}"
        arguments = ["generate", str(tmp_path / "margins"), "-n", "20000", "--seed", "1",
                     "-o", str(out), "--no-cache", "--quiet", *overlay]  # fmt: skip
        assert main(arguments) == 0
        both = Impossible((Term("dx", "4280"), Term("died", "yes")), "both")
        together.append(count_violations(open_cohort(out), [both])[both])
    assert together[1] > 1.1 * together[0]


def test_coverage_names_concepts_whatever_the_sets_are_called() -> None:
    toy = profile(
        code_set("ziektes", ("icd9cm",), {"4280": 30.0, "ZZZ": 10.0}),
        code_set("rx", ("ingredient",), {"furosemide": 40.0}, concept="drugs"),
        code_set("ops", ("icd9proc", "icd10pcs"), {"icd9proc:9671": 5.0}),
        code_set("more", ("icd10cm",), {"I509": 3.0}),
    )
    assert [concept_of(v) for v in toy.code_sets] == [
        "diagnoses",
        "drugs",
        "procedures",
        "diagnoses",
    ]
    found = by_concept(coverage(toy, load_base()))
    assert list(found) == ["diagnoses", "drugs", "procedures", "more"]
    assert found["diagnoses"].share == pytest.approx(0.75)
    (unknown,) = found["diagnoses"].unknown
    assert (unknown.code, unknown.title, unknown.share) == ("ZZZ", None, pytest.approx(0.1))


def test_coverage_says_what_to_write_next(tmp_path: Path) -> None:
    dx = code_set("dx", ("icd9cm",), {"4280": 60.0, "0010": 30.0, "0019": float("nan")})
    write_profile(profile(dx), tmp_path / "profile")
    empty = tmp_path / "kb"
    (empty / "conditions").mkdir(parents=True)
    result = run("coverage", str(tmp_path / "profile"), "--json")
    assert result.exception is None, result.output
    said = json.loads(result.output)["diagnoses"]
    assert 0 < said["share"] <= 1
    assert said["variable"] == "dx"
    known = {each["code"] for each in said["write_next"]}
    assert "4280" not in known
    for each in said["write_next"]:
        assert set(each) == {"code", "title", "count", "share"}


def test_check_reports_rules_sources_and_estimates() -> None:
    said = json.loads(run("check", "--json").output)
    assert said["findings"] == []
    assert said["rules"] >= 10
    assert "newborn" in said["estimated_age_sex"]
    assert "heart_failure" not in said["estimated_age_sex"]
    assert 0 < said["unverified_sources"] < said["sources"]
    assert "0 errors, 0 notes" in run("check").output
    assert run("check", "--quiet").output == ""


def test_show_gives_headings_classes_and_what_the_keys_stand_for() -> None:
    lines = run("show", "I48.91").output.splitlines()
    for heading in ("  goes with", "  drugs", "  procedures", "  outcomes", "  sources"):
        assert heading in lines
    assert max(map(len, lines)) <= 120
    assert any(line.startswith("    af-nis-2017: ") for line in lines)
    assert any("75.7" in line for line in lines)
    assert any("an estimate" in line for line in run("show", "V30.00").output.splitlines())
