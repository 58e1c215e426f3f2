"""The request plan: which pairs are asked about, and in how many requests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsyn.elicitation.items import code_items
from llmsyn.elicitation.questions import PlanSettings, plan
from llmsyn.profile.reading import read_profile
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet, Numeric, Selector

SEX = Categorical("sex", "x0", ("F", "M"), np.array([500.0, 500.0]), concept="sex")
AGE = Numeric("age", "x0", "years", 0, np.arange(0.0, 101, 10), np.full(10, 100.0), concept="age")
DIED = Categorical("died", "x1", ("no", "yes"), np.array([900.0, 100.0]), role="outcome",
                   means={"yes": "yes"})  # fmt: skip


def codes(n, name="dx", **more):
    counts = np.linspace(900, 20, n).round()
    names = tuple(f"{k:03d}" for k in range(1, n + 1))
    return CodeSet(name, "x2", ("local",), names, counts, **more)


def study(*sets):
    return Profile("s", "patient", 1000, 1000, ("x0", "x1", "x2"), (SEX, AGE, DIED, *sets))


def pairs(questions):
    return {
        frozenset((g.term, c.term)) for q in questions for g in q.givens for c in q.candidates
        if g.beside(c)
    }  # fmt: skip


@given(st.integers(2, 40), st.integers(2, 50), st.integers(1, 20))
@settings(max_examples=25)
def test_each_pair_within_reach_is_asked_about(n, reach, givens):
    profile = study(codes(n))
    asked = plan(profile, PlanSettings(reach=reach, givens=givens, repeat=0))
    within = pairs(q for q in asked if q.about == "dx x dx")
    terms = [item.term for item in code_items(profile, profile["dx"])]
    for i in range(n):
        for j in range(i + 1, n):
            a, b = terms[i], terms[j]
            if i < reach - givens:  # the more frequent one is among the candidates
                assert frozenset((a, b)) in within
    assert all(len(q.candidates) <= reach and len(q.givens) <= givens for q in asked)


def test_every_code_is_rated_for_age_sex_and_outcome():
    profile = study(codes(70))
    asked = plan(profile, PlanSettings(repeat=0))
    rated = [q for q in asked if q.about == "dx x age, sex, outcome"]
    assert sorted(g.key for q in rated for g in q.givens) == sorted(
        i.key for i in code_items(profile, profile["dx"])
    )
    assert {c.term.variable for c in rated[0].candidates} == {"age", "sex", "died"}


def test_between_two_sets_the_cheaper_side_is_given():
    profile = study(codes(300), codes(10, "rx"))
    asked = [q for q in plan(profile, PlanSettings(repeat=0)) if q.about == "dx x rx"]
    assert {g.term.variable for q in asked for g in q.givens} == {"rx"}
    assert len(pairs(asked)) == 3000


def test_a_list_of_five_hundred_codes_fits_the_promised_number_of_requests():
    profile = study(codes(500), codes(14, "rx"))
    assert len(plan(profile, PlanSettings())) <= 150


def test_the_plan_grows_slower_than_the_pairs():
    sizes = [len(plan(study(codes(n)), PlanSettings(repeat=0))) for n in (100, 200, 400)]
    assert sizes[2] < 2.2 * sizes[1] < 2.2 * 2.2 * sizes[0]


def test_codes_of_systems_that_exclude_each_other_are_not_paired():
    version = Categorical("version", "x1", ("nine", "ten"), np.array([500.0, 500.0]))
    selector = Selector("version", {"nine": ("icd9cm",), "ten": ("icd10cm",)})
    mixed = CodeSet("dx", "x2", ("icd9cm", "icd10cm"),
                    ("icd9cm:4280", "icd9cm:42731", "icd10cm:I509", "icd10cm:I4891"),
                    np.array([90.0, 80, 70, 60]), selector=selector)  # fmt: skip
    profile = replace(study(mixed), variables=(SEX, AGE, DIED, version, mixed))
    asked = plan(profile, PlanSettings(repeat=0))
    found = {tuple(sorted(str(t.value) for t in pair)) for pair in pairs(asked)
             if all(t.variable == "dx" for t in pair)}  # fmt: skip
    assert found == {("icd9cm:42731", "icd9cm:4280"), ("icd10cm:I4891", "icd10cm:I509")}
    # The selector is how the data are coded, not something about patients.
    assert not any(i.term.variable == "version" for q in asked for i in (*q.givens, *q.candidates))


def test_repetitions_ask_pairs_of_the_plan_from_the_other_side_and_reordered():
    profile = study(codes(80), codes(10, "rx"))
    asked = plan(profile, PlanSettings(repeat=0.3))
    firsts = {q.number: q for q in asked if q.kind == "first"}
    for question in asked:
        if question.kind == "shuffled":
            source = firsts[question.number]
            assert set(question.givens) == set(source.givens)
            assert set(question.candidates) == set(source.candidates)
        if question.kind == "back":
            source = firsts[question.number]
            assert set(question.givens) <= set(source.candidates)
            assert set(source.givens) <= set(question.candidates)
    assert {q.kind for q in asked} == {"first", "back", "shuffled"}


def test_the_plan_is_the_same_for_the_same_seed(toy):
    profile = read_profile(toy)

    def texts(seed):
        return [
            (q.kind, [i.key for i in q.givens], [i.key for i in q.candidates])
            for q in plan(profile, PlanSettings(repeat=0.5, seed=seed))
        ]

    assert texts(1) == texts(1)
    assert texts(1) != texts(2)


@pytest.mark.parametrize("n", [1, 2])
def test_a_list_of_one_or_two_codes_makes_no_empty_question(n):
    for question in plan(study(codes(n)), PlanSettings()):
        assert question.givens and question.candidates
        assert any(g.beside(c) for g in question.givens for c in question.candidates)
