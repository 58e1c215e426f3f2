from __future__ import annotations

import math
from pathlib import Path

import pytest
from toy_knowledge import CONDITIONS, toy_base, write_base

from llmsyn.errors import KnowledgeError
from llmsyn.knowledge.loading import load_base, log_odds


def test_toy_base(tmp_path: Path) -> None:
    base = toy_base(tmp_path)
    assert list(base.conditions) == ["heart_failure", "fibrillation", "arrest"]
    record = base.conditions["heart_failure"]
    assert (record.id, record.family, record.file) == (
        "heart_failure",
        "toy",
        "conditions/toy.toml",
    )
    assert base.classes[2] == pytest.approx(math.log(3))


def test_an_overlay_replaces_records_whole_and_classes_by_key(tmp_path: Path) -> None:
    below = write_base(tmp_path / "below")
    above = tmp_path / "above"
    (above / "conditions").mkdir(parents=True)
    (above / "conditions" / "mine.toml").write_text(
        '[arrest]\nname = "Mine"\nchronic = true\ncodes = { icd10cm = ["I46"] }\n'
    )
    (above / "classes.toml").write_text("[odds_ratios]\n2 = 4.0\n")
    base = load_base([below, above], with_shipped=False)
    assert base.conditions["arrest"].name == "Mine"
    assert "icd9cm" not in base.conditions["arrest"].codes
    assert base.classes[2] == pytest.approx(math.log(4))
    assert base.classes[3] == pytest.approx(math.log(6))
    assert load_base([above, below], with_shipped=False).conditions["arrest"].name == "Arrest"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("chronic = false", "chronik = false\nchronic = false", "arrest.chronik: the key is not"),
        ("strength = 2, ids", "strength = 7, ids", "heart_failure.comorbid.0.strength"),
        ("strength = 2, ids", "ids", "write strength"),
        ("odds_ratio = 2.0", "odds_ratio = -2.0", "fibrillation.mortality.odds_ratio"),
        ("age_sd = 10, ", "", "age_mean and age_sd go together"),
        ("schema = 1", "schema = 2", "schema 2 is not 1"),
        ("[arrest]", "[arrest", "is no TOML"),
        ('name = "Arrest"', 'name = "Arrest"\nid = "x"', "leave that key out"),
    ],
)
def test_broken_records_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in CONDITIONS
    with pytest.raises(KnowledgeError, match="toy.toml") as caught:
        toy_base(tmp_path, conditions=CONDITIONS.replace(old, new, 1))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_record_twice_in_one_folder_is_refused(tmp_path: Path) -> None:
    write_base(tmp_path)
    (tmp_path / "conditions" / "zwei.toml").write_text(
        '[arrest]\nname = "again"\nchronic = true\ncodes = {}\n'
    )
    with pytest.raises(KnowledgeError, match=r"zwei.toml, key arrest.*conditions/toy.toml"):
        load_base([tmp_path], with_shipped=False)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match="no folder"):
        load_base([tmp_path / "none"])


def test_log_odds() -> None:
    classes = {1: math.log(1.5)}
    assert log_odds(1, classes, 2.0) == pytest.approx(2 * math.log(1.5))
    assert log_odds(1.0, classes, 0.5) == 0.5  # a float is a log odds ratio, not a class
    assert log_odds("excludes", classes, 0.5) == -math.inf
    with pytest.raises(KnowledgeError, match="class 3"):
        log_odds(3, classes)
