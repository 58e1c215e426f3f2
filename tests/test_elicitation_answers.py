"""Replies to associations: reading, settling, merging, reviewing; and the whole way."""

from __future__ import annotations

import csv
import json
import math
import random
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_doubles import FunctionModel, silent

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

from scripted_expert import ScriptedExpert

from llmsyn.elicitation.asking import Rating, read_reply, request_of
from llmsyn.elicitation.consistency import consistency
from llmsyn.elicitation.eliciting import Settings, elicit
from llmsyn.elicitation.merging import merge, tame_exclusions
from llmsyn.elicitation.overlay import write_overlay
from llmsyn.elicitation.questions import PlanSettings, plan
from llmsyn.elicitation.reviewing import Review, read_review
from llmsyn.elicitation.settling import Opinion, opinions_of, settle
from llmsyn.errors import OutputError
from llmsyn.knowledge.associations import associations
from llmsyn.knowledge.loading import load_base
from llmsyn.knowledge.types import Association
from llmsyn.llm.requests import ModelReply, Usage
from llmsyn.profile.reading import read_profile
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.terms import Term

CLASSES = {-2: math.log(1 / 4), -1: math.log(1 / 2), 0: 0.0, 1: math.log(1.5), 2: math.log(3),
           3: math.log(6)}  # fmt: skip
A, B = Term("diagnoses", "4280"), Term("diagnoses", "42731")


@pytest.fixture(scope="module")
def base():
    return load_base()


@pytest.fixture(scope="module")
def study(toy):
    return read_profile(toy)


def opinion(*effects):
    return Opinion(A, B, tuple(Rating(A, B, e, "first", f"m {k}") for k, e in enumerate(effects)))


# ---- reading -------------------------------------------------------------------------------


@pytest.fixture
def question(study):
    return next(
        q for q in plan(study, PlanSettings(repeat=0)) if q.about == "diagnoses x diagnoses"
    )


def reply(question, study, base, answers):
    request = request_of(question, study, base, "base")
    return ModelReply(request, {"answers": answers}, Usage(), "m", "replay")


def rated(ratings, given_, then):
    return [r.effect for r in ratings if r.given.value == given_ and r.then.value == then]


def test_named_candidates_get_their_class_and_the_others_none(question, study, base):
    one = {"given": "4280", "ratings": [{"class": "+2", "then": ["42731"]},
                                        {"class": "never", "then": ["0389"]}]}  # fmt: skip
    ratings, slips = read_reply(question, reply(question, study, base, [one]))
    assert rated(ratings, "4280", "42731") == [2]
    assert rated(ratings, "4280", "0389") == ["excludes"]
    assert rated(ratings, "4280", "4019") == [0]
    assert slips.unanswered == len(question.givens) - 1
    assert {r.given.value for r in ratings} == {"4280"}  # who was not answered for is not rated


def test_a_candidate_in_two_classes_and_a_given_named_twice_are_not_used(question, study, base):
    one = {"given": "4280", "ratings": [{"class": "+2", "then": ["42731"]},
                                        {"class": "-1", "then": ["42731", "5849"]}]}  # fmt: skip
    again = {"given": "4280", "ratings": [{"class": "+3", "then": ["5849"]}]}
    ratings, slips = read_reply(question, reply(question, study, base, [one, again]))
    assert rated(ratings, "4280", "42731") == []
    assert rated(ratings, "4280", "5849") == [-1]
    assert slips.twice == 2


def test_a_code_beside_itself_is_passed_over_and_counted(question, study, base):
    one = {"given": "4280", "ratings": [{"class": "+3", "then": ["4280"]}]}
    ratings, slips = read_reply(question, reply(question, study, base, [one]))
    assert rated(ratings, "4280", "4280") == []
    assert slips.beside_the_point == 1


# ---- settling ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("effects", "expected"),
    [
        ((2,), (2, 1.0)),
        ((2, 2), (2, 1.0)),
        ((2, 0), (2, 0.5)),
        # log 3 and log 1.5: mean 0.752 of log 3 = 1.0986
        ((2, 1), (2, 0.6845)),
        ((0,), None),
        # log 1.5 over three is nearer to nothing than to log 1.5
        ((1, 0, 0), None),
        # log 3 and log 1/2: mean 0.2027, exactly half of the weakest class
        ((2, -1), (2, 0.1845)),
        ((1, -1), None),
        (("excludes",), (-2, 1.0)),
        (("excludes", "excludes"), ("excludes", 1.0)),
        (("excludes", 0), (-2, 0.5)),
    ],
)
def test_many_ratings_become_one_by_the_stated_rule(effects, expected):
    found = settle(opinion(*effects), CLASSES)
    assert (None if found is None else (found.effect, found.weight)) == expected


@given(st.lists(st.sampled_from([-2, -1, 0, 1, 2, 3]), min_size=1, max_size=6))
def test_class_times_weight_is_the_mean_of_the_log_odds(effects):
    mean = sum(CLASSES[e] for e in effects) / len(effects)
    found = settle(opinion(*effects), CLASSES)
    if found is None:
        assert abs(mean) < 0.5 * CLASSES[1]
    else:
        assert found.weight * CLASSES[found.effect] == pytest.approx(mean, abs=1e-4)
        assert 0 < found.weight <= 1


def test_both_directions_are_one_pair_in_the_order_of_the_profile(study):
    ratings = [Rating(A, B, 2, "first", "m 1"), Rating(B, A, 1, "back", "m 2")]
    found = opinions_of(ratings, study)
    assert [(o.given, o.then, sorted(o.effects)) for o in found] == [(A, B, [1, 2])]


def test_consistency_counts_pairs_by_how_they_were_asked_again():
    shuffled = Opinion(A, B, (Rating(A, B, 2, "first", "1"), Rating(A, B, 1, "shuffled", "2")))
    back = Opinion(A, B, (Rating(A, B, 2, "first", "1"), Rating(B, A, -1, "back", "2")))
    none = Opinion(A, B, (Rating(A, B, 0, "first", "1"), Rating(A, B, 0, "shuffled", "2")))
    found = consistency([shuffled, back, none], CLASSES)
    assert found["shuffled"] == {
        "compared": 2, "named": 1, "same_class": 0.0, "same_side": 1.0, "opposite": 0.0,
    }  # fmt: skip
    assert found["back"]["opposite"] == 1.0
    assert found["both_sides"]["named"] == 0 and math.isnan(found["both_sides"]["same_class"])


# ---- merging -------------------------------------------------------------------------------


def one(effect, weight=1.0, who="model"):
    return Association((A,), B, effect, weight, who)


def test_three_rules_of_merging(study):
    curated = [one(-1, who="book")]
    for rule, expected in (("base", []), ("model", [2])):
        made, against = merge(study, [one(2)], curated, CLASSES, rule)
        assert [a.effect for a in made] == expected
        assert [(a.effect, b.effect) for a, b in against] == [(-1, 2)]
    made, _ = merge(study, [one(2)], curated, CLASSES, "mean")
    assert made[0].effect == pytest.approx((math.log(3) + math.log(0.5)) / 2)


def test_the_model_speaks_where_the_base_is_silent(study):
    made, against = merge(study, [one(2)], [], CLASSES, "base")
    assert made == [one(2)] and against == []


def test_the_base_says_no_association_and_stands(study):
    made, against = merge(study, [one(2)], [one(0, who="book")], CLASSES, "base")
    assert made == [] and against == []


def test_an_exclusion_that_the_profile_speaks_against_is_taken_back(study):
    kept, listed = tame_exclusions(study, [one("excludes")])  # the toy prints 82 with both
    assert [a.effect for a in kept] == [-2]
    assert "prints units with both" in listed[0].reason
    silent_profile = replace(study, tables=())
    kept, listed = tame_exclusions(silent_profile, [one("excludes")])
    assert [a.effect for a in kept] == ["excludes"] and listed == []


def test_an_exclusion_needs_room_and_published_margins(study):
    crowded = Association((Term("sex", "M"),), Term("diagnoses", "4019"), "excludes")  # 556 + 488
    kept, listed = tame_exclusions(replace(study, tables=()), [crowded])
    assert kept[0].effect == -2 and "more units than there are" in listed[0].reason
    counts = study["diagnoses"].counts.copy()
    counts[1] = np.nan
    hidden = replace(study, tables=(), variables=tuple(
        replace(v, counts=counts) if v.name == "diagnoses" else v for v in study.variables
    ))  # fmt: skip
    kept, listed = tame_exclusions(hidden, [one("excludes")])
    assert kept[0].effect == -2 and listed[0].reason == "a margin is not published"


def test_a_zero_in_a_table_confirms_an_exclusion(study):
    axes = (Axis("diagnoses", ("4280",)), Axis("drugs", ("furosemide", "metoprolol")))
    table = Table(axes, np.array([[0.0, 4.0]]))
    profile = replace(study, tables=(table,))
    said = [Association((A,), Term("drugs", d), "excludes") for d in ("furosemide", "metoprolol")]
    kept, _ = tame_exclusions(profile, said)
    assert [a.effect for a in kept] == ["excludes", -2]


# ---- two tutors ----------------------------------------------------------------------------


def reviewed(associations_, entries):
    review = Review({f"a{k}": a for k, a in enumerate(associations_, start=1)})
    answer = ModelReply(None, {"disagree": entries}, Usage(), "second", "replay")
    return read_review(review, answer, CLASSES)


def test_what_the_second_tutor_leaves_out_it_agrees_with():
    changed, listed = reviewed([one(3)], [])
    assert listed == []
    assert changed[one(3)] == one(3, who="model; reviewed by second")


@pytest.mark.parametrize(
    ("first", "word", "expected"),
    [
        (3, "unrelated", (3, 0.5)),
        (3, "+1", (3, round((math.log(6) + math.log(1.5)) / 2 / math.log(6), 4))),
        (2, "-1", (2, 0.1845)),
        (1, "-2", (-2, round((math.log(1.5) - math.log(4)) / 2 / -math.log(4), 4))),
        ("excludes", "unrelated", (-2, 0.5)),
    ],
)
def test_a_correction_counts_as_much_as_the_first_word(first, word, expected):
    entry = {"statement": "a1", "class": word, "reason": "as I\nsee it"}
    changed, listed = reviewed([one(first)], [entry])
    found = changed[one(first)]
    assert (found.effect, found.weight) == expected
    assert (listed[0].between, listed[0].reason) == ("first and second tutor", "as I see it")


def test_an_exclusion_that_the_second_tutor_lets_stand_stands():
    changed, _ = reviewed([one("excludes")], [])
    assert changed[one("excludes")].effect == "excludes"


# ---- the whole way -------------------------------------------------------------------------


def truth_of(profile, base):
    return {
        frozenset((*a.given, a.then)): a.effect
        for a in associations(profile, base)
        if isinstance(a.effect, int) and a.effect != 0
    }


def expert(profile, base, settings, **more):
    questions = plan(profile, settings.plan)
    ablation = settings.plan.ablation
    by_digest = {request_of(q, profile, base, ablation).digest: q for q in questions}
    return ScriptedExpert(by_digest, truth_of(profile, base), **more)


@pytest.fixture(scope="module")
def no_base(tmp_path_factory):
    """Classes alone: everything has to come from the model."""
    folder = tmp_path_factory.mktemp("classes")
    rows = "\n".join(f"{k} = {math.exp(v):.6g}" for k, v in CLASSES.items())
    (folder / "classes.toml").write_text(f"[odds_ratios]\n{rows}\n")
    return load_base([folder], with_shipped=False)


def test_an_expert_who_is_right_gives_the_truth_back(study, base, no_base):
    settings = Settings(PlanSettings(ablation="prior", repeat=1.0))
    double = expert(study, base, settings)
    made = elicit(study, no_base, double, settings)
    truth = truth_of(study, base)
    assert made.failed == {} and made.n_replies == made.n_requests
    found = {frozenset((*a.given, a.then)): (a.effect, a.weight) for a in made.associations}
    asked = {pair for q in double.questions.values() for pair in (
        frozenset((g.term, c.term)) for g in q.givens for c in q.candidates if g.beside(c)
    )}  # fmt: skip
    assert found == {pair: (effect, 1.0) for pair, effect in truth.items() if pair in asked}
    assert len(found) > 10
    named = [k for k, v in made.consistency.items() if v["named"]]
    assert named and all(made.consistency[k]["same_class"] == 1.0 for k in named)


def test_quality_goes_down_with_q(study, base, no_base):
    settings = Settings(PlanSettings(ablation="prior", repeat=0))
    truth = truth_of(study, base)

    def sign_accuracy(q):
        hits = total = 0
        for seed in range(8):
            made = elicit(study, no_base, expert(study, base, settings, q=q, seed=seed), settings)
            for a in made.associations:
                true = truth.get(frozenset((*a.given, a.then)))
                if true is not None:
                    total += 1
                    hits += (true > 0) == (a.effect > 0)
        return hits / total

    assert sign_accuracy(1.0) == 1.0
    assert abs(sign_accuracy(0.75) - 0.75) < 0.1
    assert abs(sign_accuracy(0.5) - 0.5) < 0.12


class Mixed(ScriptedExpert):
    """Answers in another order each time."""

    order = 0

    def ask(self, requests, progress=None):
        found = list(super().ask(requests, progress))
        random.Random(self.order).shuffle(found)
        yield from found


def test_the_order_of_the_replies_changes_nothing(study, base, no_base, tmp_path):
    settings = Settings(PlanSettings(repeat=0.5))
    texts = []
    for order in (1, 2):
        double = expert(study, base, settings, q=0.8)
        mixed = Mixed(double.questions, double.truth, 0.8)
        mixed.order = order
        folder = tmp_path / str(order)
        # The base differs from the one that the digests were made with only in its records.
        requests = {
            request_of(q, study, no_base, "full").digest: q for q in plan(study, settings.plan)
        }
        mixed.questions = requests
        write_overlay(folder, elicit(study, no_base, mixed, settings), study, settings)
        texts.append({p.name: p.read_bytes() for p in folder.iterdir()})
    assert texts[0] == texts[1]


def test_failed_replies_are_counted_and_nothing_is_made_up(study, base, no_base):
    settings = Settings(PlanSettings(ablation="prior", repeat=0))
    lost = []

    def fails(digest):
        return digest in lost

    double = expert(study, base, settings, fails=fails)
    whole = elicit(study, no_base, double, settings)
    lost += [d for d, q in double.questions.items() if q.about == "diagnoses x drugs"]
    double.asked.clear()
    made = elicit(study, no_base, double, settings)
    assert sum(made.failed.values()) == len(lost) > 0
    assert all(reason.endswith("scripted to fail") for reason in made.failed)

    def subject(a):
        return {a.given[0].variable, a.then.variable}

    assert any(subject(a) == {"diagnoses", "drugs"} for a in whole.associations)
    assert not any(subject(a) == {"diagnoses", "drugs"} for a in made.associations)
    others = [a for a in whole.associations if subject(a) != {"diagnoses", "drugs"}]
    assert list(made.associations) == others


def test_a_model_that_names_nothing_adds_nothing(study, base):
    made = elicit(study, base, FunctionModel(silent), Settings(PlanSettings(repeat=0)))
    assert made.associations == () and made.n_pairs > 0


def test_a_second_tutor_is_asked_and_heard(study, base, no_base):
    settings = Settings(PlanSettings(ablation="prior", repeat=0), review="strong")
    first = expert(study, base, settings)

    def rejects_all(request):
        keys = request.plain_schema["properties"]["disagree"]["items"]["properties"]["statement"]
        return {"disagree": [{"statement": key, "class": "unrelated", "reason": "no"}
                             for key in keys["enum"]]}  # fmt: skip

    second = FunctionModel(rejects_all, name="second")
    made = elicit(study, no_base, first, settings, tutor=second)
    strong = [a for a in made.associations if abs(a.effect) >= 2]
    assert len(second.asked) == 1 and strong
    assert all(a.weight == 0.5 and a.provenance.endswith("reviewed by second") for a in strong)
    assert all(a.weight == 1.0 for a in made.associations if abs(a.effect) < 2)
    assert len(made.disagreements) == len(strong)


def test_the_overlay_is_read_back_by_generate(study, base, no_base, tmp_path):
    settings = Settings(PlanSettings(ablation="prior", repeat=0))
    made = elicit(study, no_base, expert(study, base, settings), settings)
    report = write_overlay(tmp_path / "o", made, study, settings)
    over = load_base([tmp_path / "o"], with_shipped=False)
    assert over.stated == made.associations
    stored = json.loads((tmp_path / "o" / "elicitation.json").read_text())
    assert stored == report
    assert stored["replies"] == made.n_replies and stored["models"] == ["scripted-expert-q1"]
    with (tmp_path / "o" / "associations.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    heart = next(r for r in rows if r["then"] == "drugs=furosemide" and "4280" in r["given"])
    assert heart["given_title"] == "Congestive heart failure, unspecified"
    with pytest.raises(OutputError, match="exists"):
        write_overlay(tmp_path / "o", made, study, settings)
