"""The commands of ``llmsyn profile``: what they print, and their exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from llmsyn.cli.main import main
from llmsyn.profile import reading
from llmsyn.profile.reading import read_profile


@pytest.fixture
def shelf(tmp_path: Path, toy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped profiles that holds the toy only."""
    shutil.copytree(toy, tmp_path / "shelf" / "stats" / "toy")
    monkeypatch.setattr(reading.shipped, "shipped", lambda folder: tmp_path / "shelf" / folder)
    return tmp_path / "shelf"


def test_list(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "list"]) == 0
    assert "1,000 patients" in capsys.readouterr().out
    assert main(["profile", "list", "--quiet"]) == 0
    assert capsys.readouterr().out == "toy\n"
    assert main(["profile", "list", "--json"]) == 0
    (only,) = json.loads(capsys.readouterr().out)
    assert only == {
        "name": "toy",
        "title": "Invented patients for the tests",
        "unit": "patient",
        "n_units": 1000.0,
    }


def test_the_template_passes_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my hospital"
    assert main(["profile", "init", str(folder)]) == 0
    assert f"llmsyn profile check {folder}" in capsys.readouterr().out
    assert main(["profile", "check", "--strict", "--json", str(folder)]) == 0
    assert json.loads(capsys.readouterr().out) == {"errors": 0, "warnings": 0, "findings": []}
    assert read_profile(folder).name == "my hospital"
    assert main(["profile", "init", str(folder)]) == 2
    assert "exists; choose another folder or pass --force" in capsys.readouterr().err
    assert main(["profile", "init", "--force", "--quiet", str(folder)]) == 0
    assert capsys.readouterr().out == ""


def _break(folder: Path) -> None:
    path = folder / "sex.csv"
    path.write_text(path.read_text().replace("M,556", "M,606"))


def test_check_ends_with_4_at_an_error(toy_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "check", str(toy_copy)]) == 0
    assert "nothing to complain about" in capsys.readouterr().out
    _break(toy_copy)
    assert main(["profile", "check", str(toy_copy)]) == 4
    out, err = capsys.readouterr()
    assert out.startswith("error sex.csv, row 3: the counts of sex add up to 1,050")
    assert err == "llmsyn: error: toy: 3 errors, 0 warnings\n"
    assert main(["profile", "check", "--json", str(toy_copy)]) == 4
    found = json.loads(capsys.readouterr().out)
    assert found["errors"] == 3
    assert (found["findings"][0]["file"], found["findings"][0]["row"]) == ("sex.csv", 3)
    assert main(["profile", "check", "--quiet", str(toy_copy)]) == 4
    assert capsys.readouterr().out == ""


def test_warnings_fail_only_when_asked(toy_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = toy_copy / "profile.toml"
    path.write_text(path.read_text().replace('"outcome"]', '"outcome", "labs"]'))
    assert main(["profile", "check", str(toy_copy)]) == 0
    assert "warning profile.toml, key stages" in capsys.readouterr().out
    assert main(["profile", "check", "--strict", str(toy_copy)]) == 4


def test_check_of_no_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "check", str(tmp_path)]) == 2
    assert "begin one with llmsyn profile init" in capsys.readouterr().err


def test_show(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "show", "toy", "--top", "2"]) == 0
    out = capsys.readouterr().out
    for words in (
        "1,000 patients; drawn in the order demographics > diagnoses > drugs > outcome",
        "disclosure: none",
        "Coronary atherosclerosis of native coronary artery",
        "... 4 more",
        "diagnoses x diagnoses",
        "15 of 15",
    ):
        assert words in out
    assert "Atrial fibrillation" not in out  # fourth in frequency
    assert main(["profile", "show", "toy", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["variables"][2]["labels"][0] == {
        "label": "4019", "title": "Unspecified essential hypertension", "share": 0.488,
    }  # fmt: skip
    assert main(["profile", "show", "toy", "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_diff(toy: Path, toy_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "diff", str(toy), str(toy_copy)]) == 0
    assert capsys.readouterr().out == "no difference in 102 cells\n"
    _break(toy_copy)
    assert main(["profile", "diff", str(toy), str(toy_copy)]) == 0
    out = capsys.readouterr().out
    assert "sex=M" in out
    assert "+0.0500" in out
    assert "102 cells are published by both; the largest difference of a share is 0.0500" in out
    assert main(["profile", "diff", "--json", str(toy), str(toy_copy)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [cell["cell"] for cell in found["cells"]] == ["sex=M"]
    assert main(["profile", "diff", "--quiet", str(toy), str(toy_copy)]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("command", ["list", "init", "check", "show", "diff"])
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", command, "--help"]) == 0
    assert f"Example: llmsyn profile {command}" in capsys.readouterr().out
