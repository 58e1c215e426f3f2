"""anonymeter: said plainly where it is absent, asked and read where it answers."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from attack_worlds import form, people, world

from llmsyn.errors import InputError, MissingExtra, ServiceError
from llmsyn.evaluation.attacks import anonymeter_environment as environment
from llmsyn.evaluation.attacks import harms

SEED = 9
BUILT = os.environ.get(environment.VARIABLE)  # the fixtures of conftest clear it


def _answering(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """A stand-in for anonymeter's script, run by this interpreter."""
    runner = folder / "runner.py"
    runner.write_text(script, encoding="utf-8")
    place = folder / "environment" / "bin"
    place.mkdir(parents=True)
    (place / "python").symlink_to(sys.executable)
    monkeypatch.setenv(environment.VARIABLE, str(folder / "environment"))
    monkeypatch.setattr(harms.anonymeter_run, "__file__", str(runner))


ANSWER = """
import json, sys, pathlib
folder = pathlib.Path(sys.argv[1])
settings = json.loads((folder / "settings.json").read_text())
assert {p.name for p in folder.iterdir()} == {
    "settings.json", "members.parquet", "synthetic.parquet", "holdout.parquet"}
risk = RISK
print(json.dumps({a["name"]: {
    "attack": [0.4, 0.05], "baseline": [0.1, 0.03], "control": [0.2, 0.04], "risk": risk, "n": 100,
} for a in settings["attacks"]}))
"""


def test_absent_it_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(environment.VARIABLE, str(tmp_path / "none"))
    found = harms.three_harms(world())
    assert [m.key for m in found.measures] == [f"privacy.{h}.risk" for h in harms.HARMS]
    for measure in found.measures:
        assert measure.score.verdict == "undefined"
        assert "anonymeter_environment" in measure.score.reason
    with pytest.raises(MissingExtra, match="no environment yet"):
        environment.python()


def test_what_it_answers_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _answering(monkeypatch, tmp_path, ANSWER.replace("RISK", "[0.25, 0.15, 0.35]"))
    found = harms.three_harms(world())
    assert {m.key for m in found.measures} == {f"privacy.{h}.risk" for h in harms.HARMS}
    for measure in found.measures:
        assert (measure.score.value, measure.score.low, measure.score.high) == (0.25, 0.15, 0.35)
        assert {c.role for c in measure.controls} == {
            "baseline", "negative control", "positive control",
        }  # fmt: skip
    secrets = [m.of for m in found.measures if m.key == "privacy.inference.risk"]
    assert secrets[0] == "died" and secrets[1].startswith("diagnoses ")


def test_copies_that_are_not_caught(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _answering(monkeypatch, tmp_path, ANSWER.replace("RISK", "[0.0, 0.0, 0.2]"))
    found = harms.three_harms(world())
    assert all(m.score.verdict == "undefined" for m in found.measures)
    assert "copies of members were not caught" in found.measures[0].score.reason


def test_one_attack_that_fails_does_not_take_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = (
        ANSWER.replace("RISK", "[0.2, 0.1, 0.3]")
        .replace("print(json.dumps(", "found = (")
        .replace('for a in settings["attacks"]}))', "for a in settings['attacks']})")
    )
    script += (
        "found['linkability'] = {'problem': 'ValueError: no columns'}\nprint(json.dumps(found))\n"
    )
    _answering(monkeypatch, tmp_path, script)
    verdicts = {m.key: m.score.verdict for m in harms.three_harms(world()).measures}
    assert verdicts["privacy.linkability.risk"] == "undefined"
    assert verdicts["privacy.singling_out.risk"] == "info"


def test_no_answer_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _answering(monkeypatch, tmp_path, "raise SystemExit('no such package')")
    with pytest.raises(ServiceError, match="no such package"):
        harms.three_harms(world())


def test_tables_have_the_same_columns_and_no_missing_value() -> None:
    tables = harms.tables_of(world())
    names = {tuple(t.column_names) for t in tables.values()}
    assert len(names) == 1 and len(next(iter(names))) == 4 + harms.MOST_CODES
    assert len({len(t) for t in tables.values()}) == 1
    assert all(column.null_count == 0 for t in tables.values() for column in t.columns)
    sample = people(40, np.random.default_rng(SEED))
    table = harms.as_table(sample, form(), [("diagnoses", 2)])
    has = sample.codes["diagnoses"].toarray()[:, 2] > 0
    assert table["diagnoses C02"].to_pylist() == ["yes" if h else "no" for h in has]


def test_an_interpreter_that_cannot_make_environments(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(environment.VARIABLE, str(tmp_path / "e"))
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no venv here >&2\nexit 3\n", encoding="utf-8")
    broken.chmod(0o755)
    with pytest.raises(InputError, match="no venv here"):
        environment.build(str(broken))


@pytest.mark.slow
def test_the_real_one_finds_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Needs the environment: python -m llmsyn.evaluation.attacks.anonymeter_environment."""
    if BUILT is not None:
        monkeypatch.setenv(environment.VARIABLE, BUILT)
    if not (environment.folder() / "bin" / "python").exists():
        pytest.skip(f"no anonymeter in {environment.folder()}; set {environment.VARIABLE}")
    found = {m.key: m for m in harms.three_harms(world(copied=1.0, n_synthetic=300)).measures}
    assert found["privacy.linkability.risk"].score.low > 0.3
    assert json.dumps([m.to_json() for m in found.values()])
