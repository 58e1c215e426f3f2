"""Age and sex of conditions: where the numbers come from, and what becomes of them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from toy_knowledge import AGE, CONDITIONS, SEX, code_set, profile, toy_base

from llmsyn.knowledge.associations import PARTS, associations
from llmsyn.knowledge.demographics import share_log_odds
from llmsyn.knowledge.loading import load_base

BASE = load_base()
PATTERN = "profile = { age_mean = 75, age_sd = 10, share_male = 0.5, source"
UNPUBLISHED = {"curator"}


def test_every_condition_has_an_age_and_sex_profile() -> None:
    assert [r.id for r in BASE.conditions.values() if r.profile is None] == []


def test_every_profile_is_published_or_says_that_it_is_an_estimate() -> None:
    for record in BASE.conditions.values():
        pattern = record.profile
        assert pattern is not None
        cited = {key.partition(":")[0] for key in pattern.source}
        assert cited <= set(BASE.sources), record.id
        assert pattern.unverified or not cited & UNPUBLISHED, record.id
        assert pattern.unverified or all(":" in key for key in pattern.source), record.id
        for key in cited - UNPUBLISHED:
            source = BASE.sources[key]
            assert source.url.startswith("http"), key
            assert source.year > 1900, key


def test_some_of_them_are_published() -> None:
    published = [r for r in BASE.conditions.values() if r.profile and not r.profile.unverified]
    assert len(published) >= 20


def test_a_condition_that_follows_its_hospital_says_nothing(tmp_path: Path) -> None:
    follows = CONDITIONS.replace(
        PATTERN, PATTERN.replace("source", "follows_hospital = true, source")
    )
    assert follows != CONDITIONS
    toy = profile(SEX, AGE, code_set("dx", ("icd9cm",), {"4280": 20}))
    own = associations(toy, toy_base(tmp_path / "a"), parts=("age_sex",))
    none = associations(toy, toy_base(tmp_path / "b", conditions=follows), parts=("age_sex",))
    assert len(own) == 6  # four bands of age, two sexes
    assert none == ()


def test_age_and_sex_can_be_switched_off_and_carry_their_source(tmp_path: Path) -> None:
    toy = profile(SEX, AGE, code_set("dx", ("icd9cm",), {"4280": 20}))
    base = toy_base(tmp_path)
    with_it = associations(toy, base)
    assert {one.relation for one in with_it} == {"age_sex"}
    assert {one.provenance for one in with_it} == {"book"}
    assert associations(toy, base, parts=[p for p in PARTS if p != "age_sex"]) == ()


def test_every_shipped_association_names_its_source() -> None:
    codes = {"4280": 30, "42731": 20, "5849": 15, "0389": 10, "25000": 25}
    found = associations(profile(SEX, AGE, code_set("dx", ("icd9cm",), codes)), BASE)
    assert len(found) > 20
    assert all(one.provenance and one.relation for one in found)


def test_shares_too_small_to_multiply_have_a_log_odds_ratio() -> None:
    value = share_log_odds(0.5, 5e-324, 0.5)
    assert value is not None
    assert math.isfinite(value)


@pytest.mark.parametrize("name", ["newborn", "heart_failure", "pregnancy_delivery"])
def test_patterns_point_the_right_way(name: str) -> None:
    pattern = BASE.conditions[name].profile
    assert pattern is not None
    assert pattern.age_mean is not None
    low, high = {"newborn": (0, 1), "heart_failure": (65, 80), "pregnancy_delivery": (25, 33)}[name]
    assert low <= pattern.age_mean <= high
