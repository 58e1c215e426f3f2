"""``associations.csv`` of an overlay: what a clinician may write, and how it is put above the base."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_knowledge import AGE, DIED, SEX, code_set, profile, toy_base, write_base

from llmsyn.errors import KnowledgeError
from llmsyn.knowledge.associations import associations
from llmsyn.knowledge.loading import load_base
from llmsyn.knowledge.stated import (
    effect_text,
    parse_effect,
    part_of,
    read_stated,
    write_stated,
)
from llmsyn.knowledge.types import Association
from llmsyn.profile.terms import Range, Term

HEAD = "given,given_title,then,then_title,effect,weight,provenance,note\n"
DX = code_set("dx", ("icd9cm",), {"4280": 30, "42731": 20, "99999": 5}, concept="diagnoses")
DRUGS = code_set("rx", ("ingredient",), {"furosemide": 25}, concept="drugs")
STUDY = profile(AGE, SEX, DIED, DX, DRUGS)


def overlay(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "associations.csv").write_text(HEAD + text, "utf-8")
    return folder


@given(
    st.lists(
        st.builds(
            Association,
            st.tuples(st.sampled_from([Term("dx", "=1+1"), Term("age", Range(0.0, 40.0))])),
            st.sampled_from([Term("dx", "4280"), Term("died", "yes")]),
            st.sampled_from([-2, -1, 0, 1, 2, 3, "excludes"]),
            st.sampled_from([1.0, 0.5, 0.25]),
            st.sampled_from(["", "model a1", "=evil()"]),
        ),
        max_size=6,
    )
)
def test_what_is_written_is_read(tmp_path_factory, stated: list[Association]) -> None:
    folder = tmp_path_factory.mktemp("o")
    write_stated(folder, stated, lambda term: "-title", lambda association: "+note")
    assert read_stated(folder) == tuple(stated)
    text = (folder / "associations.csv").read_text()
    assert ",=" not in text and ",+" not in text


def test_odds_ratios_are_written_as_odds_ratios() -> None:
    assert parse_effect("OR 1.8") == pytest.approx(math.log(1.8))
    assert effect_text(math.log(1.8)) == "OR 1.8"
    assert [parse_effect(t) for t in ("+2", "-1", "excludes")] == [2, -1, "excludes"]


@pytest.mark.parametrize("text", ["4", "-3", "1.5", "OR 0", "OR -1", "OR x", "OR inf", "", "yes"])
def test_other_effects_are_none(text: str) -> None:
    assert parse_effect(text) is None


def test_a_folder_without_the_table_states_nothing(tmp_path: Path) -> None:
    assert read_stated(tmp_path) == ()


@pytest.mark.parametrize(
    ("row", "where", "message"),
    [
        ("dx4280,,rx=furosemide,,2,,,", "row 2, column given", "write it as variable=value"),
        ("dx=4280,,rx=furosemide,,7,,,", "row 2, column effect", "no class from -2 to 3"),
        ("dx=4280,,rx=furosemide,,2,0,,", "row 2, column weight", "above 0 and up to 1"),
        ("dx=4280,,rx=furosemide,,2,much,,", "row 2, column weight", "above 0 and up to 1"),
        ("dx=4280,,rx=a & rx=b,,2,,,", "row 2, column then", "a row for each"),
    ],
)
def test_a_wrong_cell_is_named(tmp_path: Path, row: str, where: str, message: str) -> None:
    with pytest.raises(KnowledgeError, match=message) as caught:
        load_base([overlay(tmp_path / "o", row + "\n")], with_shipped=False)
    assert where in str(caught.value)


def test_wrong_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "associations.csv").write_text("given,then,effect,strength\n", "utf-8")
    with pytest.raises(KnowledgeError, match="column strength: the column is not known"):
        read_stated(tmp_path)
    (tmp_path / "associations.csv").write_text("given,then\n", "utf-8")
    with pytest.raises(KnowledgeError, match="column effect: the column is missing"):
        read_stated(tmp_path)


def both(tmp_path: Path, rows: str, **options) -> list[Association]:
    base = load_base(
        [write_base(tmp_path / "kb"), overlay(tmp_path / "o", rows)], with_shipped=False
    )
    return list(associations(STUDY, base, **options))


def effects(found: list[Association], *terms: Term) -> list[object]:
    return [a.effect for a in found if {*a.given, a.then} == set(terms)]


def test_a_stated_pair_stands_above_the_records_either_way_round(tmp_path: Path) -> None:
    chf, af = Term("dx", "4280"), Term("dx", "42731")
    assert effects(list(associations(STUDY, toy_base(tmp_path / "k"))), chf, af) == [2]
    assert effects(both(tmp_path / "a", "dx=4280,,dx=42731,,-1,,,\n"), chf, af) == [-1]
    assert effects(both(tmp_path / "b", "dx=42731,,dx=4280,,-1,,,\n"), chf, af) == [-1]


def test_other_pairs_of_the_records_stay(tmp_path: Path) -> None:
    before = len(associations(STUDY, toy_base(tmp_path / "k")))
    found = both(tmp_path / "a", "dx=99999,,rx=furosemide,,3,0.5,m 1,\n")
    assert len(found) == before + 1
    assert found[-1] == Association((Term("dx", "99999"),), Term("rx", "furosemide"), 3, 0.5, "m 1")


def test_a_stated_age_replaces_the_whole_age_pattern_of_the_record(tmp_path: Path) -> None:
    found = both(tmp_path, '"age=[60,80)",,dx=4280,,2,,,\n')
    ages = [a for a in found if a.given[0].variable == "age" and a.then == Term("dx", "4280")]
    assert [str(a.given[0]) for a in ages] == ["age=[60,80)"]


def test_of_two_folders_the_later_one_counts(tmp_path: Path) -> None:
    first = overlay(tmp_path / "1", "dx=99999,,rx=furosemide,,3,,,\n")
    second = overlay(tmp_path / "2", "rx=furosemide,,dx=99999,,-1,,,\n")
    base = load_base([write_base(tmp_path / "kb"), first, second], with_shipped=False)
    found = list(associations(STUDY, base))
    assert effects(found, Term("dx", "99999"), Term("rx", "furosemide")) == [-1]


@pytest.mark.parametrize(
    ("given_", "then", "part"),
    [
        (Term("age", Range(0.0, 40.0)), Term("dx", "4280"), "age_sex"),
        (Term("dx", "4280"), Term("dx", "42731"), "comorbidities"),
        (Term("dx", "4280"), Term("rx", "furosemide"), "drugs"),
        (Term("dx", "4280"), Term("died", "yes"), "outcomes"),
        (Term("age", Range(0.0, 40.0)), Term("died", "yes"), "outcomes"),
    ],
)
def test_parts_switch_stated_ones_too(tmp_path: Path, given_: Term, then: Term, part: str) -> None:
    one = Association((given_,), then, 1)
    assert part_of(one, STUDY) == part
    write_stated(tmp_path / "o", [one])
    base = load_base([write_base(tmp_path / "kb"), tmp_path / "o"], with_shipped=False)
    with_part = associations(STUDY, base, parts=[part])
    others = associations(STUDY, base, parts={"age_sex", "drugs", "outcomes"} - {part})
    assert one in with_part and one not in others
