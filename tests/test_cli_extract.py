"""``llmsyn profile extract``: what it writes, what it refuses, its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from canary_hospital import write_hospital

from llmsyn.cli.main import main
from llmsyn.profile.reading import read_profile


@pytest.fixture(scope="module")
def mapping(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house")
    write_hospital(folder)
    return folder / "mapping.toml"


def _extract(mapping: Path, out: Path, *options: str) -> int:
    return main(["profile", "extract", str(mapping), "-o", str(out), *options])


def _sentence(capsys: pytest.CaptureFixture[str]) -> str:
    """The error: one line, one sentence, nothing on the other channel."""
    said = capsys.readouterr()
    assert said.out == ""
    lines = [line for line in said.err.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 1, said.err
    assert "Traceback" not in said.err
    return lines[0]


def test_a_profile_that_can_be_read(
    mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "profile"
    assert _extract(mapping, out, "--name", "mine") == 0
    said = capsys.readouterr()
    assert "counts printed" in said.out and "(threshold 11); audit of" in said.out
    assert said.err.startswith("warning: predicted membership AUC")
    profile = read_profile(out)
    assert (profile.name, profile.unit) == ("mine", "stay")
    assert (profile.n_units, profile.n_patients) == (160, 80)
    assert profile.disclosure.method == "suppression" and profile.disclosure.threshold == 11
    assert profile.disclosure.predicted_membership_auc is not None
    assert len(profile.provenance.mapping_sha256) == 64
    assert main(["profile", "check", str(out), "--quiet"]) == 0


def test_json_for_scripts(
    mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _extract(mapping, tmp_path / "profile", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["profile"] == "canaries" and said["n_patients"] == 80
    assert said["audit"]["findings"] == []
    assert 0.5 < said["risk"]["auc"] < 1
    assert "removed" not in said  # those are for the report alone


def test_quiet(mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _extract(mapping, tmp_path / "profile", "--quiet", "--tables", "none") == 0
    assert capsys.readouterr().out == ""


def test_the_same_rows_give_the_same_bytes(mapping: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert _extract(mapping, tmp_path / name, "--quiet") == 0
    one, two = (
        {p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("one", "two")
    )
    assert one == two


def test_an_existing_profile_is_replaced_with_force_only(
    mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "profile"
    assert _extract(mapping, out, "--quiet", "--tables", "none") == 0
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    capsys.readouterr()
    assert _extract(mapping, out, "--quiet") == 2
    assert "exists; choose another folder or pass --force" in _sentence(capsys)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before
    assert _extract(mapping, out, "--quiet", "--force") == 0
    assert {p.name for p in out.iterdir()} > set(before)


def test_force_does_not_empty_a_folder_of_other_things(
    mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert _extract(mapping, tmp_path, "--force") == 2
    assert "is no profile, so --force does not replace it" in _sentence(capsys)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_the_report_does_not_go_into_the_profile(
    mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "profile"
    assert _extract(mapping, out, "--report", str(out / "report.html")) == 2
    assert "lies inside of the profile folder" in _sentence(capsys)
    assert not out.exists()


def test_report_and_register(
    mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    register, report = tmp_path / "releases.jsonl", tmp_path / "report.html"
    paths = ["--register", str(register), "--report", str(report), "--json"]
    assert _extract(mapping, tmp_path / "one", *paths, "--tables", "none") == 0
    assert json.loads(capsys.readouterr().out)["register"] == []
    assert _extract(mapping, tmp_path / "two", *paths) == 0
    (earlier,) = json.loads(capsys.readouterr().out)["register"]
    assert earlier["relation"] == "same"
    assert len(register.read_text("utf-8").splitlines()) == 2
    page, data = report.read_text("utf-8"), json.loads(report.with_suffix(".json").read_text())
    assert "Confidential" in page and data["confidential"] is True
    assert data["removed"]


def test_a_risk_limit_that_nothing_meets(
    mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _extract(mapping, tmp_path / "p", "--max-membership-auc", "0.501") in (2, 4)
    sentence = _sentence(capsys)
    assert "the margins alone give a predicted membership AUC of 0." in sentence
    assert "above 0.501; 80 patients are too few for so many variables" in sentence
    assert not (tmp_path / "p").exists()


def test_a_risk_limit_chooses_tables(
    mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _extract(mapping, tmp_path / "p", "--max-membership-auc", "0.64", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["risk"]["auc"] <= 0.64
    left = [line for line in said["left_out"] if "predicted membership AUC" in line]
    assert left
    assert {step["taken"] for step in said["risk_steps"]} == {True, False}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--epsilon", "1"], "differential privacy needs --epsilon, --delta and --like PROFILE"),
        (["--delta", "1e-6"], "differential privacy needs --epsilon, --delta and --like PROFILE"),
        (["--epsilon", "1", "--delta", "1e-6"], "and --like PROFILE, a public profile"),
        (["--threshold", "1"], "threshold 1 protects nobody"),
        (["--max-membership-auc", "0.3"], "no useful limit"),
        (["--max-membership-auc", "1.5"], "no useful limit"),
        (["--data", "no such folder"], "no such folder"),
        (["--epsilon", "1", "--delta", "1e-6", "--like", "no such profile"], "no such profile"),
    ],
)
def test_options_that_make_no_sense(
    mapping: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    sentence: str,
) -> None:
    assert _extract(mapping, tmp_path / "profile", *options) == 2
    assert sentence in _sentence(capsys)
    assert not (tmp_path / "profile").exists()


@pytest.mark.parametrize("options", [
    ["--report", "r.html"], ["--register", "r.jsonl"], ["--max-membership-auc", "0.6"],
    ["--rounding", "5"], ["--zeros"], ["--tables", "pairs"], ["--threshold", "20"],
    ["--population", "x"],
], ids=" ".join)  # fmt: skip
def test_noise_is_not_mixed_with_suppression(
    mapping: Path,
    tmp_path: Path,
    toy: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
) -> None:
    """An option that noise would ignore is refused rather than ignored."""
    noise = ["--epsilon", "1", "--delta", "1e-6", "--like", str(toy)]
    assert _extract(mapping, tmp_path / "profile", *noise, *options) == 2
    assert options[0] in _sentence(capsys)


def test_a_mapping_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _extract(tmp_path / "none.toml", tmp_path / "profile") == 2
    assert "none.toml" in _sentence(capsys)


def test_a_broken_register_stops_before_anything_is_written(
    mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    register = tmp_path / "releases.jsonl"
    register.write_text("not a release\n")
    assert _extract(mapping, tmp_path / "p", "--register", str(register)) == 2
    assert "this line is no release of a register" in _sentence(capsys)
    assert not (tmp_path / "p").exists()


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "extract", "--help"]) == 0
    said = capsys.readouterr().out
    assert "llmsyn profile extract mapping.toml -o profile" in said


def test_the_screen_says_what_a_release_was_checked_against(
    mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    register = ["--register", str(tmp_path / "releases.jsonl"), "--tables", "none"]
    for name, said in (("one", "no earlier release"), ("two", "1 earlier release"),
                       ("three", "2 earlier releases")):  # fmt: skip
        assert _extract(mapping, tmp_path / name, *register) == 0
        assert f"checked against {said} of this population" in " ".join(
            capsys.readouterr().out.split()
        )
