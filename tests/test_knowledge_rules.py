from __future__ import annotations

import csv

import numpy as np
from toy_knowledge import AGE, SEX, code_set, profile

from llmsyn import codes
from llmsyn.knowledge.loading import load_base
from llmsyn.knowledge.rules import _allowed, _limits, impossibles
from llmsyn.profile.variables import Categorical
from llmsyn.shipped import shipped

BASE = load_base()


def rules(*variables: object, **options: bool) -> set[tuple[str, str, str]]:
    found = impossibles(profile(*variables), BASE, **options)  # type: ignore[arg-type]
    assert all(len(one.terms) == 2 and one.source for one in found)
    return {(one.rule, str(one.terms[0]), str(one.terms[1])) for one in found}


def test_sex_edits_and_their_switch() -> None:
    nine = code_set("dx", ("icd9cm",), {"185": 5, "1749": 5, "4280": 5})
    assert rules(SEX, nine) == {
        ("mce-sex", "dx=185", "sex=F"),
        ("mce-sex", "dx=1749", "sex=M"),
    }
    ten = code_set("dx", ("icd10cm",), {"C61": 5})
    assert rules(SEX, ten) == {("mce-sex", "dx=C61", "sex=F")}
    assert rules(SEX, ten, icd10_sex_edit=False) == set()
    assert len(rules(SEX, nine, icd10_sex_edit=False)) == 2


def test_a_category_is_impossible_only_if_all_its_codes_are() -> None:
    listed = code_set("dx", ("icd9cm",), {"614": 5, "V10": 5, "256": 5, "64": 5, "752": 5, "72": 1})
    assert {item[1] for item in rules(SEX, listed)} == {"dx=614", "dx=256", "dx=64"}


def test_procedures_have_edits_too() -> None:
    assert rules(SEX, code_set("px", ("icd9proc",), {"741": 5, "605": 5, "9671": 5})) == {
        ("mce-sex", "px=741", "sex=M"),
        ("mce-sex", "px=605", "sex=F"),
    }
    ten = code_set("px", ("icd10pcs",), {"10E0XZZ": 5, "0VT00ZZ": 5})
    assert len(rules(SEX, ten)) == 2


def test_age_edits_ban_bins_wholly_outside() -> None:
    # 64 (complicated pregnancy) is 12 to 55 years: [0,20) and [40,60) overlap, [60,80) does not.
    assert rules(AGE, code_set("dx", ("icd9cm",), {"64201": 5})) == {
        ("mce-age", "dx=64201", "age=[60,80)")
    }
    # 765 (prematurity) is age 0: all bins but the first, as one range.
    assert rules(AGE, code_set("dx", ("icd9cm",), {"76510": 5})) == {
        ("mce-age", "dx=76510", "age=[20,80)")
    }
    # The first bin may hold anything below its upper edge, so adults-only codes keep it.
    assert rules(AGE, code_set("dx", ("icd9cm",), {"2900": 5})) == set()


def test_age_levels() -> None:
    age = Categorical(
        "age", "x0", ("[0-10)", "[10-20)", "[50-60)", "60+", "missing"), np.ones(5), concept="age"
    )
    assert {item[2] for item in rules(age, code_set("dx", ("icd9cm",), {"64201": 5}))} == {
        "age=[0-10)",
        "age=60+",
    }
    ten = rules(age, code_set("dx", ("icd10cm",), {"O1002": 5}))
    assert ten == set()  # 9 to 64 in ICD-10: [0-10) holds nine-year-olds, 60+ holds 60 to 64


def test_exclusive_codes() -> None:
    nine = code_set("dx", ("icd9cm",), {"25001": 5, "25010": 5, "25002": 5, "250": 5, "2508": 5})
    assert rules(nine) == {
        ("exclusive", "dx=25001", "dx=25010"),
        ("exclusive", "dx=25001", "dx=25002"),
    }
    ten = code_set("dx", ("icd10cm",), {"E109": 5, "E1165": 5, "E0800": 5, "I10": 5})
    assert len(rules(ten)) == 3
    both = code_set("dx", ("icd9cm", "icd10cm"), {"icd9cm:25001": 5, "icd10cm:E119": 5})
    assert rules(both) == {("exclusive", "dx=icd9cm:25001", "dx=icd10cm:E119")}


def test_prefix_rules_against_brute_force() -> None:
    """For every category: what is allowed is what all its listed codes have in common."""
    limits = _limits(BASE)
    for system in ("icd9cm", "icd9proc"):
        per_code = {
            code: set(_allowed(limits["sex"], system, code)) for code in codes.children(system, "")
        }
        for category in sorted({code[:3] for code in per_code}):
            below = [found for code, found in per_code.items() if code.startswith(category)]
            assert set(_allowed(limits["sex"], system, category)) == set.intersection(*below)


def test_every_edit_names_codes_that_exist() -> None:
    with (shipped("knowledge") / "edits" / "medicare_code_editor.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 1129
    absent = [row["prefix"] for row in rows if not codes.children(row["system"], row["prefix"])]
    assert absent == []
