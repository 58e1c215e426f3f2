from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_knowledge import AGE, DIED, SEX, code_set, profile, toy_base

from llmsyn.errors import KnowledgeError
from llmsyn.knowledge.associations import PARTS, associations
from llmsyn.knowledge.bands import bands, level_range
from llmsyn.knowledge.demographics import LARGEST, curve_shares, share_log_odds
from llmsyn.knowledge.records import OutcomeBackground
from llmsyn.knowledge.types import Association
from llmsyn.profile.terms import Range, Term
from llmsyn.profile.variables import Categorical, Numeric, Selector


def pairs(found: tuple[Association, ...]) -> dict[tuple[str, str], float | int | str]:
    """``{(given, then): effect}``; every pair may stand once."""
    result: dict[tuple[str, str], float | int | str] = {}
    for one in found:
        (given_term,) = one.given
        key = (str(given_term), str(one.then))
        assert key not in result
        result[key] = one.effect
    return result


def test_each_pair_of_codes_of_two_records_gets_their_class(tmp_path: Path) -> None:
    diagnoses = code_set("dx", ("icd9cm",), {"4280": 30, "42823": 10, "42731": 20, "4019": 50})
    found = associations(profile(diagnoses), toy_base(tmp_path), parts=("comorbidities",))
    # Class 2 of one end beats class 1 of the other; the two heart failure codes get nothing.
    assert pairs(found) == {("dx=4280", "dx=42731"): 2, ("dx=42823", "dx=42731"): 2}
    assert {one.provenance for one in found} == {"book"}


def test_codes_of_systems_that_exclude_each_other_are_not_paired(tmp_path: Path) -> None:
    selector = Selector("version", {"9": ("icd9cm",), "10": ("icd10cm",)})
    counts = {"icd9cm:4280": 30.0, "icd9cm:42731": 9.0, "icd10cm:I480": 20.0, "icd10cm:I509": 7.0}
    base = toy_base(tmp_path)
    systems = ("icd9cm", "icd10cm")
    apart = associations(
        profile(code_set("dx", systems, counts, selector)), base, parts=("comorbidities",)
    )
    assert set(pairs(apart)) == {
        ("dx=icd9cm:4280", "dx=icd9cm:42731"),
        ("dx=icd10cm:I509", "dx=icd10cm:I480"),
    }
    free = associations(profile(code_set("dx", systems, counts)), base, parts=("comorbidities",))
    assert len(free) == 4


def test_drugs_and_procedures(tmp_path: Path) -> None:
    toy = profile(
        code_set("dx", ("icd9cm",), {"4280": 30}),
        code_set("rx", ("ingredient",), {"furosemide": 40, "potassium chloride": 20}),
        code_set("px", ("icd9proc",), {"8872": 5, "9671": 4}),
    )
    base = toy_base(tmp_path)
    assert pairs(associations(toy, base, parts=("drugs",))) == {
        ("dx=4280", "rx=furosemide"): 3,
        ("rx=furosemide", "rx=potassium chloride"): 2,
        ("px=9671", "rx=furosemide"): -1,
    }
    assert pairs(associations(toy, base, parts=("procedures",))) == {("dx=4280", "px=8872"): 1}


def test_outcomes_and_the_long_stay(tmp_path: Path) -> None:
    stay = Numeric(
        "los", "x9", "days", 0, np.array([0.0, 3, 7, 14, 60]), np.array([40.0, 32, 18, 10]),
        concept="length_of_stay",
    )  # fmt: skip
    toy = profile(code_set("dx", ("icd9cm",), {"4280": 30, "42731": 20}), DIED, stay)
    found = pairs(associations(toy, toy_base(tmp_path), parts=("outcomes",)))
    assert found == {
        ("dx=4280", "died=yes"): 1,
        ("dx=42731", "died=yes"): pytest.approx(math.log(2)),
        ("dx=4280", "los=[7,60)"): 2,  # 28 of 100 units; [14,60) would be 10
    }


def test_scale_turns_classes_into_log_odds(tmp_path: Path) -> None:
    toy = profile(code_set("dx", ("icd9cm",), {"4280": 30, "42731": 20}), DIED)
    base = toy_base(tmp_path)
    doubled = pairs(associations(toy, base, parts=("comorbidities", "outcomes"), scale=2.0))
    assert doubled["dx=4280", "dx=42731"] == pytest.approx(2 * math.log(3))
    assert doubled["dx=42731", "died=yes"] == pytest.approx(2 * math.log(2))
    assert all(isinstance(effect, float) for effect in doubled.values())


def test_parts_add_up_and_unknown_parts_are_refused(tmp_path: Path) -> None:
    toy = profile(SEX, AGE, code_set("dx", ("icd9cm",), {"4280": 30, "42731": 20}), DIED)
    base = toy_base(tmp_path)
    each = [one for part in PARTS for one in associations(toy, base, parts=(part,))]
    assert sorted(map(repr, each)) == sorted(map(repr, associations(toy, base)))
    with pytest.raises(KnowledgeError, match="'weather'"):
        associations(toy, base, parts=("weather",))


def test_sex_gives_the_odds_ratio_of_its_two_by_two_table(tmp_path: Path) -> None:
    toy = profile(SEX, code_set("dx", ("icd9cm",), {"4280": 20}))
    found = pairs(associations(toy, toy_base(tmp_path), parts=("age_sex",)))
    # Of 100 units 20 have it, half of them men: of 40 men 10, of the 60 others 10.
    assert found["sex=M", "dx=4280"] == pytest.approx(math.log((10 / 30) / (10 / 50)))
    assert found["sex=F", "dx=4280"] == pytest.approx(0.0)
    assert ("sex=?", "dx=4280") not in found


def test_age_rises_for_a_disease_of_old_age(tmp_path: Path) -> None:
    toy = profile(AGE, code_set("dx", ("icd9cm",), {"4280": 20}))
    found = pairs(associations(toy, toy_base(tmp_path), parts=("age_sex",)))
    effects = [found[str(Term("age", Range(low, low + 20))), "dx=4280"] for low in (0, 20, 40, 60)]
    assert all(isinstance(effect, float) and abs(effect) <= LARGEST for effect in effects)
    assert effects == sorted(effects)  # type: ignore[type-var]
    # The curve N(75, 10) has 1 - Phi(-1.5) = 0.9332 of its area from 60 on, the profile 0.4.
    expected = share_log_odds(0.4, 0.9332, 0.2)
    assert effects[-1] == pytest.approx(expected, abs=1e-3)


def test_ages_written_as_levels_and_suppressed_levels(tmp_path: Path) -> None:
    age = Categorical(
        "age", "x0", ("[0-50)", "[50-70)", "70+", "missing"), np.array([30.0, np.nan, 40.0, 5.0]),
        ordered=True, missing="missing", concept="age",
    )  # fmt: skip
    toy = profile(age, code_set("dx", ("icd9cm",), {"4280": 20}))
    found = pairs(associations(toy, toy_base(tmp_path), parts=("age_sex",)))
    assert set(found) == {("age=[0-50)", "dx=4280"), ("age=70+", "dx=4280")}


def test_a_suppressed_prevalence_gives_no_age_or_sex(tmp_path: Path) -> None:
    toy = profile(SEX, AGE, code_set("dx", ("icd9cm",), {"4280": float("nan")}))
    assert associations(toy, toy_base(tmp_path), parts=("age_sex",)) == ()


def test_outcome_background_by_age(tmp_path: Path) -> None:
    import dataclasses

    from llmsyn.knowledge.loading import KnowledgeBase

    base: KnowledgeBase = dataclasses.replace(
        toy_base(tmp_path),
        outcomes={
            "in_hospital_death": OutcomeBackground(
                age_odds_ratio_per_decade=2.0, age_from=30, source=("book",)
            )
        },
    )
    found = pairs(associations(profile(AGE, DIED), base, parts=("outcomes",)))
    # Middles 10, 30, 50, 65 (an open band counts ten years): risks 1, 1, 4, 2 ** 3.5.
    rest = (1 * 10 + 1 * 20 + 4 * 30) / 60
    assert found["age=[60,80)", "died=yes"] == pytest.approx(math.log(2**3.5 / rest))


@given(st.floats(0.01, 0.99), st.floats(0, 1), st.floats(0.01, 0.99))
def test_share_log_odds_against_a_table(share: float, within: float, prevalence: float) -> None:
    effect = share_log_odds(share, within, prevalence)
    assert effect is not None
    assert abs(effect) <= LARGEST
    a = prevalence * within
    b, c, d = share - a, prevalence - a, 1 - share - prevalence + a
    if min(a, b, c, d) > 1e-6:
        expected = math.log(a * d / (b * c))
        assert effect == pytest.approx(max(-LARGEST, min(LARGEST, expected)), abs=1e-6)


@given(st.lists(st.integers(1, 30), min_size=2, max_size=12), st.floats(-20, 120))
def test_curve_shares_are_shares(widths: list[int], mean: float) -> None:
    edges = np.cumsum([0, *widths]).astype(float)
    age = Numeric("age", "x0", "years", 0, edges, np.ones(len(widths)))
    shares = curve_shares(bands(age), mean, 15.0)
    assert sum(shares) == pytest.approx(1.0)
    assert min(shares) >= 0


def test_narrow_bins_are_joined() -> None:
    age = Numeric("age", "x0", "years", 0, np.arange(0.0, 26.0), np.ones(25))
    joined = bands(age, width=10)
    assert [str(band.term) for band in joined] == ["age=[0,10)", "age=[10,20)", "age=[20,25)"]
    assert [band.share for band in joined] == pytest.approx([0.4, 0.4, 0.2])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[70-80)", (70, 80)),
        ("[70,80)", (70, 80)),
        ("70-79", (70, 80)),
        ("70 to 79 years", (70, 80)),
        ("[90,inf)", (90, math.inf)),
        (">=80", (80, math.inf)),
        ("80+", (80, math.inf)),
        (">89", (90, math.inf)),
        ("<18", (0, 18)),
        ("0", (0, 1)),
        ("young", None),
        ("80-70", None),
    ],
)
def test_level_ranges(text: str, expected: tuple[float, float] | None) -> None:
    assert level_range(text) == expected
