"""What ``knowledge check`` finds beyond single records."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_knowledge import CONDITIONS, toy_base, write_base

from llmsyn.knowledge.findings import findings
from llmsyn.knowledge.loading import load_base
from llmsyn.knowledge.review import LEAST, review

BASE = load_base()


def errors(folder: Path, text: str) -> list[str]:
    return [str(f) for f in findings(toy_base(folder, conditions=text)) if f.level == "error"]


def notes(folder: Path, text: str) -> list[str]:
    return [str(f) for f in review(toy_base(folder, conditions=text))]


def condition(name: str, code: str, *lines: str) -> str:
    body = "\n".join(lines)
    return (
        f'[{name}]\nname = "{name}"\nchronic = false\ncodes = {{ icd9cm = ["{code}"] }}\n{body}\n'
    )


def likes(*names: str, strength: int = 2) -> str:
    listed = ", ".join(f'"{name}"' for name in names)
    return f'comorbid = [{{ strength = {strength}, ids = [{listed}], source = ["book"] }}]'


def test_the_shipped_base_needs_no_review() -> None:
    assert [str(finding) for finding in review(BASE)] == []


def test_edges_of_a_constraint_that_excludes_them(tmp_path: Path) -> None:
    text = condition("a", "428", likes("b")) + condition(
        "b", "427", likes("a"), 'constraints = { excludes = ["a"] }'
    )
    found = errors(tmp_path, text)
    assert len(found) == 2
    assert "key a.comorbid: 'b' is more likely here, and a constraint excludes it" in found[0]


def test_edges_between_the_sexes(tmp_path: Path) -> None:
    text = condition("a", "185", likes("b"), 'constraints = { sex = "male" }')
    text += condition("b", "179", 'constraints = { sex = "female" }')
    (found,) = errors(tmp_path, text)
    assert "different sexes" in found


def test_edges_that_an_exclusive_rule_forbids(tmp_path: Path) -> None:
    folder = write_base(tmp_path, conditions=condition("a", "25001", likes("b"))
                        + condition("b", "25002", likes("a", strength=-2)))  # fmt: skip
    (folder / "edits").mkdir()
    (folder / "edits" / "exclusive.toml").write_text(
        '[[exclusive]]\nname = "types"\nfirst = { icd9cm = ["250\\\\d[13]"] }\n'
        'second = { icd9cm = ["250\\\\d[02]"] }\nsource = ["book"]\n',
        "utf-8",
    )
    found = [str(f) for f in findings(load_base([folder], with_shipped=False))]
    assert any("the rule 'types' excludes it" in line for line in found)
    assert any("less likely here and more likely" in line for line in found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('first = { icd9cm = ["Q9.*"] }\nsecond = { icd9cm = ["428.*"] }\nsource = ["book"]',
         "no icd9cm code matches 'Q9.*'"),
        ('first = { icd9cm = ["427.*"] }\nsecond = { icd9cm = ["428.*"] }\nsource = ["web"]',
         "source 'web' is not in sources.toml"),
    ],
)  # fmt: skip
def test_rules_without_codes_or_sources(tmp_path: Path, text: str, message: str) -> None:
    folder = write_base(tmp_path)
    (folder / "edits").mkdir()
    (folder / "edits" / "exclusive.toml").write_text(
        f'[[exclusive]]\nname = "r"\n{text}\n', "utf-8"
    )
    found = [str(f) for f in findings(load_base([folder], with_shipped=False))]
    assert any(message in line for line in found), found


def test_one_sided_edges(tmp_path: Path) -> None:
    text = condition("a", "428", likes("b")) + condition("b", "427")
    assert any("'b' does not list it; add it there" in line for line in notes(tmp_path, text))
    weak = condition("a", "428", likes("b", strength=1)) + condition("b", "427")
    assert not any("does not list it" in line for line in notes(tmp_path / "weak", weak))
    far = condition("a", "428", likes("b", strength=3)) + condition(
        "b", "427", likes("a", strength=1)
    )
    assert any("+3 here and +1 there" in line for line in notes(tmp_path / "far", far))


def test_thin_records_and_those_that_are_thin_by_nature(tmp_path: Path) -> None:
    thin = notes(tmp_path, condition("a", "428"))
    assert sum("edges of this kind" in line for line in thin) == len(LEAST)
    assert any("no age and sex" in line for line in thin)
    allowed = condition("a", "428", 'few = ["comorbid", "drug", "procedure"]')
    assert not any("edges of this kind" in line for line in notes(tmp_path / "few", allowed))
    drugs = ", ".join(f'"d{i}"' for i in range(5))
    wrong = condition(
        "a", "428", 'few = ["drug"]', f'drug = [{{ strength = 1, ids = [{drugs}], source = ["book"] }}]'
    )  # fmt: skip
    assert any("'drug' is named and has 5" in line for line in notes(tmp_path / "wrong", wrong))


def test_doubled_names_prefixes_and_records(tmp_path: Path) -> None:
    twice = CONDITIONS.replace('aliases = ["AF"]', 'aliases = ["chf"]')
    assert any("'chf' also names 'heart_failure'" in line for line in notes(tmp_path, twice))
    below = CONDITIONS.replace('["428"]', '["428", "4280"]')
    assert any("'4280' lies below '428'" in line for line in notes(tmp_path / "below", below))
    # A prefix of another record in between makes it needed.
    between = condition("a", "428", "") + condition("b", "4282", "")
    between = between.replace('["428"]', '["428", "42823"]')
    assert not any("lies below" in line for line in notes(tmp_path / "between", between))
    same = likes(*(f"x{i}" for i in range(8)))
    alike = condition("a", "428", same) + condition("b", "427", same)
    assert any("are these two conditions?" in line for line in notes(tmp_path / "alike", alike))
