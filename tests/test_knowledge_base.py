"""The base that ships: clean, whole, fast, and readable from the command line."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from toy_knowledge import CONDITIONS, DRUGS, PROCEDURES, code_set, profile, toy_base, write_base

from llmsyn.cli.knowledge import knowledge
from llmsyn.errors import CheckFailed, KnowledgeError
from llmsyn.knowledge.coverage import coverage
from llmsyn.knowledge.findings import findings
from llmsyn.knowledge.loading import load_base

BASE = load_base()


def test_the_shipped_base_is_clean() -> None:
    assert [str(finding) for finding in findings(BASE)] == []


def test_the_shipped_base_is_whole() -> None:
    assert len(BASE.conditions) >= 30
    assert len(BASE.drugs) >= 100
    assert len(BASE.procedures) >= 60
    assert sorted(BASE.classes) == [-2, -1, 0, 1, 2, 3]
    for record in BASE.conditions.values():
        assert record.aliases or record.prompt, record.id
        assert record.prompt is not None, record.id
        assert record.mortality is not None, record.id


def test_the_shipped_base_loads_fast() -> None:
    start = time.process_time()
    load_base()
    assert time.process_time() - start < 0.4  # 0.2 s is the aim; coverage and busy runners are slow


def problems(folder: Path, **changed: str) -> list[str]:
    return [str(finding) for finding in findings(toy_base(folder, **changed))]


@pytest.mark.parametrize(
    ("kind", "old", "new", "message"),
    [
        ("conditions", 'ids = ["fibrillation"]', 'ids = ["gout"]', "no record 'gout'"),
        ("conditions", 'ids = ["furosemide"]', 'ids = ["lasix"]', "no record 'lasix' under drugs"),
        ("conditions", 'ids = ["echo"]', 'ids = ["x-ray"]', "no record 'x-ray' under procedures"),
        ("conditions", 'ids = ["fibrillation"]', 'ids = ["heart_failure"]', "own companion"),
        ("conditions", '"428"', '"42899"', "no icd9cm code begins with '42899'"),
        ("conditions", '"4275", ', '"4273", ', "also stands in 'fibrillation'"),
        ("conditions", '["book:1.5"]', '["web"]', "source 'web' is not in sources.toml"),
        ("conditions", '["book:1.5"]', "[]", "no source is given"),
        ("conditions", "strength = 1, ids = [\"heart", "strength = -1, ids = [\"heart", "make them agree"),
        ("drugs", '["kcl"]', '["lasix"]', "'lasix' also names 'furosemide'"),
        ("procedures", '"8872"', '"88(72"', "no regular expression"),
        ("procedures", '"8872"', '"10000"', "no icd9proc code matches"),
        ("conditions", 'category_codes = { icd9cm = ["427"] }', "", "declare it in category_codes"),
    ],
)  # fmt: skip
def test_findings(tmp_path: Path, kind: str, old: str, new: str, message: str) -> None:
    text = {"conditions": CONDITIONS, "drugs": DRUGS, "procedures": PROCEDURES}[kind]
    assert old in text
    found = problems(tmp_path, **{kind: text.replace(old, new, 1)})
    assert any(message in line for line in found), found


def test_the_toy_base_is_clean(tmp_path: Path) -> None:
    assert problems(tmp_path) == []


def test_long_texts_are_found(tmp_path: Path) -> None:
    text = CONDITIONS + '[arrest.prompt]\ntext = "' + "word " * 121 + '"\n'
    assert any("121 words" in line for line in problems(tmp_path, conditions=text))


def test_coverage(tmp_path: Path) -> None:
    toy = profile(
        code_set("dx", ("icd9cm",), {"4280": 30, "4019": 8, "042": 2, "25000": float("nan")}),
        code_set("rx", ("ingredient",), {}),
    )
    diagnoses, drugs = coverage(toy, toy_base(tmp_path))
    assert diagnoses.share == pytest.approx(0.75)
    assert (diagnoses.n_codes, diagnoses.n_known) == (4, 1)
    assert diagnoses.missing == (("4019", 8.0), ("042", 2.0), ("25000", 0.0))
    assert drugs.share != drugs.share  # NaN: nothing to cover


def run(*arguments: str) -> tuple[str, Exception | None]:
    result = CliRunner().invoke(knowledge, arguments)
    return result.output, result.exception if isinstance(result.exception, Exception) else None


def test_check_command(tmp_path: Path) -> None:
    output, error = run("check", "--json")
    assert error is None
    assert json.loads(output)["findings"] == []
    broken = write_base(tmp_path, conditions=CONDITIONS.replace('["book:1.5"]', '["web"]'))
    output, error = run("check", "--knowledge", str(broken))
    assert isinstance(error, CheckFailed)
    assert error.exit_code == 4
    assert "source 'web'" in output


def test_show_command() -> None:
    output, error = run("show", "428.0")
    assert error is None
    assert "Heart failure [heart_failure]" in output
    assert "<aha-hf-2022>" in output
    output, _ = run("show", "Lasix", "--json")
    assert json.loads(output)["record"]["id"] == "furosemide"
    output, _ = run("show", "96.71", "--system", "icd9proc")
    assert "mechanical_ventilation" in output
    _, error = run("show", "zzzz")
    assert isinstance(error, KnowledgeError)


def test_coverage_command() -> None:
    output, error = run("coverage", "mimic3-published", "--json")
    assert error is None
    assert all(0 <= item["share"] <= 1 for item in json.loads(output).values())
