"""``llmsyn evaluate``: files, exit codes, what it asks for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from evaluation_toys import (
    profile_of,
)
from network_toys import QUICK, quick_compiling

from llmsyn.cli.main import main
from llmsyn.generation import generate, pipeline

N = 900


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three synthetic cohorts of one network: what is judged, members, holdout."""
    folder = tmp_path_factory.mktemp("cohorts")
    with quick_compiling(), pytest.MonkeyPatch.context() as patched:
        patched.setenv("LLMSYN_CACHE", str(folder / "cache"))
        patched.setattr(pipeline, "Settings", lambda: QUICK)
        for seed, name in enumerate(("synthetic", "members", "holdout")):
            generate(profile_of(N, 1), 200, seed=seed, out=folder / name)
    return folder


def test_a_synthetic_folder_is_judged_by_its_own_profile(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "evaluate", str(drawn / "synthetic"), "--members", str(drawn / "members"),
        "--holdout", str(drawn / "holdout"),
    ]  # fmt: skip
    out = tmp_path / "report"
    assert main([*arguments, "-o", str(out), "--quick", "--task", "died", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["facts"]["made by"].startswith("llmsyn")
    assert "cost.seconds" in {m["key"] for m in said["measures"]}
    assert (out / "report.html").is_file() and (out / "datasheet.md").is_file()
    # it stands there now
    assert main([*arguments, "-o", str(out), "--quick"]) == 2
    assert "pass --force" in capsys.readouterr().err


def test_strict_ends_with_4_where_a_mark_is_missed(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "marks.toml"
    own.write_text(
        'schema = 1\n[[marks]]\nkey = "fidelity.dimension_wise.r2"\njudges = "value"\n'
        'at_least = 2.0\nkind = "convention"\nsource = "nobody reaches it"\n'
    )
    arguments = [
        "evaluate", str(drawn / "synthetic"), "--members", str(drawn / "members"), "--holdout", str(drawn / "holdout"), "--quick",
        "--task", "died", "--no-privacy", "--marks", str(own), "-o", str(tmp_path / "r"),
    ]  # fmt: skip
    assert main([*arguments, "--strict"]) == 4
    captured = capsys.readouterr()
    assert "marks of the preset release are missed: dimension-wise R2" in captured.err
    assert "Fidelity" in captured.out and "FAIL" in captured.out
    said = json.loads((tmp_path / "r" / "report.json").read_text("utf-8"))
    assert not any(m["key"].startswith("privacy") for m in said["measures"])
    assert said["facts"]["privacy"] == "not evaluated, as asked"


@pytest.mark.parametrize("extra", [[], ["--split", "--holdout", "x"]])
def test_the_holdout_is_said_once(
    extra: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "s", "--members", "m", "-o", str(tmp_path), *extra]) == 2
    assert "give either --holdout or --split" in capsys.readouterr().err
