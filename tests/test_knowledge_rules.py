from __future__ import annotations

import csv

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_knowledge import AGE, SEX, code_set, profile

from llmsyn import codes
from llmsyn.checking import Implausible, Plausibility, implausible
from llmsyn.cohort.types import Cohort
from llmsyn.errors import KnowledgeError
from llmsyn.knowledge.associations import COMPETES, associations
from llmsyn.knowledge.loading import load_base
from llmsyn.knowledge.plausibility import CONSTRAINT, NO_INDICATION, doubts
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


def test_edits_can_be_switched_off_one_by_one() -> None:
    nine = code_set("dx", ("icd9cm",), {"185": 5, "64201": 5, "25001": 5, "25002": 5})
    both = impossibles(profile(SEX, AGE, nine), BASE)
    assert {one.rule for one in both} == {"mce-sex", "mce-age", "exclusive"}
    for edit, rule in (("sex", "mce-sex"), ("age", "mce-age"), ("exclusive", "exclusive")):
        only = impossibles(profile(SEX, AGE, nine), BASE, edits=[edit])
        assert {one.rule for one in only} == {rule}
        assert set(only) < set(both)
    assert impossibles(profile(SEX, AGE, nine), BASE, edits=()) == ()
    with pytest.raises(KnowledgeError, match="no edit 'weather'"):
        impossibles(profile(SEX, AGE, nine), BASE, edits=["weather"])


def test_a_mother_and_a_newborn_are_two_records() -> None:
    ten = code_set("dx", ("icd10cm",), {"Z3800": 5, "O80": 5, "Z370": 5, "P0739": 5})
    assert rules(ten) == {
        ("exclusive", "dx=Z3800", "dx=O80"),
        ("exclusive", "dx=Z3800", "dx=Z370"),
    }
    nine = code_set("dx", ("icd9cm",), {"V3000": 5, "650": 5, "76519": 5})
    assert rules(nine) == {("exclusive", "dx=V3000", "dx=650")}


def test_soft_rules_compete_and_forbid_nothing() -> None:
    ten = code_set("dx", ("icd10cm",), {"E119": 30, "E1122": 10, "E1165": 10, "E1021": 5})
    assert ("exclusive", "dx=E119", "dx=E1122") not in rules(ten)
    found = {
        (str(one.given[0]), str(one.then)): one.effect
        for one in associations(profile(ten), BASE, parts=("comorbidities",))
    }
    assert found["dx=E119", "dx=E1122"] == found["dx=E119", "dx=E1165"] == COMPETES
    # Two complications of one patient may well stand together.
    assert max(v for (a, b), v in found.items() if "E119" not in a + b) > 0


def patients(dx: list[list[str]], rx: list[list[str]], sexes: list[str]) -> Cohort:
    def table(lists: list[list[str]]) -> pa.Table:
        rows = [(i, c, k) for i, codes in enumerate(lists) for k, c in enumerate(codes)]
        return pa.table(
            {
                "row": pa.array([r[0] for r in rows], pa.int32()),
                "code": pa.array([r[1] for r in rows]).dictionary_encode(),
                "position": pa.array([r[2] for r in rows], pa.int16()),
            }
        )

    units = pa.table(
        {
            "patient_id": [str(i) for i in range(len(sexes))],
            "sex": pa.array(sexes).dictionary_encode(),
        }
    )
    return Cohort("synthetic", "patient", units, {"dx": table(dx), "rx": table(rx)})


TOY = profile(
    SEX,
    code_set("dx", ("icd9cm",), {"25000": 9, "25060": 9, "4280": 9, "V270": 9, "ZZZ": 9},
             concept="diagnoses"),
    code_set("rx", ("ingredient",), {"furosemide": 9, "donepezil": 9, "sodium chloride": 9},
             concept="drugs"),
)  # fmt: skip


def counted(*units: tuple[list[str], list[str]], sexes: str = "") -> dict[str, tuple[int, int]]:
    batch = patients([u[0] for u in units], [u[1] for u in units], list(sexes or "F" * len(units)))
    return {row.rule: (row.broken, row.judged) for row in implausible(batch, TOY, BASE)}


def test_implausible_shares_by_hand() -> None:
    found = counted(
        (["4280"], ["furosemide", "sodium chloride"]),  # all is well
        (["25000", "25060"], ["donepezil"]),  # competing codes; no dementia
        (["25000", "ZZZ"], ["donepezil"]),  # nobody knows what ZZZ is: not judged
        (["25000", "(unlisted)"], ["donepezil"]),  # nor what is not listed
        (["V270"], []),  # outcome of delivery, no delivery
    )
    assert found["diabetes without and with complications"] == (1, 3)
    assert found[NO_INDICATION] == (1, 2)  # furosemide has a reason, donepezil once not
    assert found["outcome of delivery without an obstetric code"] == (1, 1)


def test_ward_universal_drugs_need_no_indication() -> None:
    assert BASE.drugs["sodium chloride"].universal
    assert not BASE.drugs["donepezil"].universal
    assert counted((["4280"], ["sodium chloride"]))[NO_INDICATION] == (0, 0)
    having = {str(t) for r in doubts(TOY, BASE).rules for t in r.having if r.rule == NO_INDICATION}
    assert having == {"rx=furosemide", "rx=donepezil"}


def test_a_record_of_one_sex_on_the_other() -> None:
    found = counted((["V270"], []), (["V270"], []), sexes="MF")
    assert found[CONSTRAINT] == (1, 2)


def test_batches_add_up_and_an_empty_one_counts_nothing() -> None:
    counts = Plausibility(TOY, BASE)
    batch = patients([["25000", "25060"], ["4280"]], [["donepezil"], []], ["F", "F"])
    counts.add(batch)
    once = {row.rule: (row.broken, row.judged) for row in counts.found()}
    counts.add(batch)
    counts.add(patients([], [], []))
    twice = {row.rule: (row.broken, row.judged) for row in counts.found()}
    assert twice == {rule: (2 * a, 2 * b) for rule, (a, b) in once.items()}
    assert sum(b for _, b in once.values()) > 0


def test_a_rule_says_its_share_or_that_there_is_no_case() -> None:
    assert str(Implausible("x", 1, 4)) == "x: 25.00% of 4 cases"
    assert str(Implausible("x", 0, 0)) == "x: no case"
    assert Implausible("x", 0, 0).to_json()["share"] is None


CODES = ["25000", "25060", "4280", "V270", "ZZZ", "(unlisted)"]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(CODES), unique=True, max_size=4),
            st.lists(st.sampled_from(["furosemide", "donepezil"]), unique=True, max_size=2),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_counts_against_a_slow_twin(units: list[tuple[list[str], list[str]]]) -> None:
    made = doubts(TOY, BASE)
    blind = {str(t.value) for t in made.blind} | {"(unlisted)"}
    expected: dict[str, list[int]] = {rule.rule: [0, 0] for rule in made.rules}
    for dx, rx in units:
        holds = {("dx", c) for c in dx} | {("rx", c) for c in rx} | {("sex", "F")}
        for rule in made.rules:
            if not any((t.variable, str(t.value)) in holds for t in rule.having):
                continue
            if rule.wanted and set(dx) & blind:
                continue
            found = any((t.variable, str(t.value)) in holds for t in rule.partner)
            expected[rule.rule][0] += found != rule.wanted
            expected[rule.rule][1] += 1
    assert counted(*units) == {rule: tuple(each) for rule, each in expected.items()}
