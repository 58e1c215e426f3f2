"""Nearest-neighbour membership inference: a double loop, doses, controls, broken attacks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from attack_worlds import ETHNICITIES, form, people, world

from llmsyn.evaluation.attacks.membership import why_not_measurable
from llmsyn.evaluation.attacks.nearest import (
    SAID,
    attack,
    calibrated_score,
    nearest,
    nearest_neighbour,
    nearest_neighbour_calibrated,
    neighbours,
    plain_score,
)
from llmsyn.evaluation.attacks.people import as_rows, by_person, question_of, rarity
from llmsyn.evaluation.marks import judge, read_marks
from llmsyn.evaluation.samples import joined
from llmsyn.evaluation.types import Control, Evidence
from llmsyn.score import Score, undefined

SEED = 2


def differences(a: dict[str, object], b: dict[str, object]) -> float:
    """Squared distance of two units, one variable after the other."""
    total = sum(a[name] != b[name] for name in ("sex", "ethnicity", "died"))
    total += len(a["codes"] ^ b["codes"])  # type: ignore[operator]
    x, y = a["age"], b["age"]
    if np.isnan(x) and np.isnan(y):  # type: ignore[call-overload]
        return float(total)
    if np.isnan(x) or np.isnan(y):  # type: ignore[call-overload]
        known = y if np.isnan(x) else x  # type: ignore[call-overload]
        return total + 0.75 + (known / 100 - 0.5) ** 2  # type: ignore[operator]
    return float(total + ((x - y) / 100) ** 2)  # type: ignore[operator]


def units(sample: object) -> list[dict[str, object]]:
    has = sample.codes["diagnoses"].toarray()  # type: ignore[attr-defined]
    return [
        {
            **{n: int(sample.levels[n][i]) for n in ("sex", "ethnicity", "died")},  # type: ignore[attr-defined]
            "age": sample.values["age"][i],  # type: ignore[attr-defined]
            "codes": set(np.flatnonzero(has[i])),
        }
        for i in range(len(sample))  # type: ignore[arg-type]
    ]


def test_distances_are_those_of_a_double_loop() -> None:
    random = np.random.default_rng(SEED)
    a, b = people(40, random), people(60, random)
    found = nearest(as_rows(a, form()), as_rows(b, form()))
    slow = [min(differences(x, y) for y in units(b)) for x in units(a)]
    assert found == pytest.approx(slow, abs=2e-3)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(SEED)
    a, b = (as_rows(people(n, random), form()) for n in (50, 90))
    whole, list_of = nearest(a, b), neighbours(a, b, 7)
    monkeypatch.setattr("llmsyn.evaluation.attacks.nearest._ROWS", 7)
    monkeypatch.setattr("llmsyn.evaluation.attacks.nearest._COLUMNS", 11)
    assert nearest(a, b) == pytest.approx(whole, abs=2e-3)
    again = neighbours(a, b, 7)
    assert np.sort(again.distance, axis=1) == pytest.approx(
        np.sort(list_of.distance, axis=1), abs=1e-4
    )


def test_neighbours_are_the_nearest_and_merge() -> None:
    random = np.random.default_rng(SEED)
    a, b = (random.normal(size=(n, 5)).astype(np.float32) for n in (20, 50))
    distance = np.square(a[:, None, :] - b[None, :, :]).sum(axis=2)
    slow = np.argsort(distance, axis=1)[:, :6]
    whole = neighbours(a, b, 6)
    parts = neighbours(a, b[:30], 6).nearest_of_both(neighbours(a, b[30:], 6, 30), 6)
    for found in (whole, parts):
        assert np.array_equal(np.sort(found.index, axis=1), np.sort(slow, axis=1))
    assert neighbours(a, b[:3], 6).index.shape == (20, 3)


def test_nobody_near_is_infinitely_far() -> None:
    assert np.isinf(nearest(np.zeros((2, 3), np.float32), np.zeros((0, 3), np.float32))).all()


def test_copies_are_found_in_proportion() -> None:
    areas = [nearest_neighbour(world(copied=c)).measures[0].score for c in (0.0, 0.2, 0.6, 1.0)]
    assert areas[0].low <= 0.5 <= areas[0].high
    assert [a.value for a in areas] == sorted(a.value for a in areas)
    assert areas[-1].value > 0.9
    assert all(a.verdict == "info" for a in areas)


def test_a_copied_member_set_fails_the_marks() -> None:
    found = nearest_neighbour(world(n_members=500, n_holdout=500, copied=1.0))
    marks = read_marks("release")
    verdicts = {j.measure.key: j.measure.score.verdict for j in judge(found.measures, marks)}
    assert verdicts["privacy.nearest_neighbour.auc"] == "fail"
    fresh = nearest_neighbour(world(n_members=500, n_holdout=500))
    verdicts = {j.measure.key: j.measure.score.verdict for j in judge(fresh.measures, marks)}
    assert verdicts["privacy.nearest_neighbour.auc"] == "pass"


def test_the_positive_controls_rise_with_their_dose() -> None:
    for run in (nearest_neighbour, nearest_neighbour_calibrated):
        found = run(world())
        doses = [c for c in found.measures[0].controls if c.role == "positive control"]
        assert [c.dose for c in doses] == [0.01, 0.1, 1.0]
        values = [c.score.value for c in doses]
        assert values == sorted(values) and values[-1] > 0.8
        (negative,) = (c for c in found.measures[0].controls if c.role == "negative control")
        assert negative.score.low <= 0.5 <= negative.score.high
        assert {r.role for r in found.rocs} >= {"attack", "positive control", "negative control"}


def test_a_broken_attack_is_not_measurable() -> None:
    """Scores of no one in particular tell nothing, and the positive control says so."""
    random = np.random.default_rng(SEED)
    found = attack(world(copied=1.0), SAID, lambda s, r: random.normal(size=len(s)))
    for measure in found.measures:
        assert measure.score.verdict == "undefined"
        assert "positive control" in measure.score.reason
    backwards = attack(world(copied=1.0), SAID, lambda s, r: -plain_score(s, r))
    assert backwards.measures[0].score.verdict == "undefined"


def test_members_of_another_population_are_not_measurable() -> None:
    """Members with fewer codes than the holdout lie nearer to everything."""
    random = np.random.default_rng(SEED)
    usual = world(n_members=400, n_holdout=400)
    thin = people(400, random)
    cut = thin.codes["diagnoses"].toarray()
    cut[:, ::2] = 0
    healthy = replace(thin, codes={"diagnoses": type(thin.codes["diagnoses"])(cut)})
    found = nearest_neighbour(replace(usual, members=healthy))
    assert found.measures[0].score.verdict == "undefined"
    assert "NOT MEASURABLE" in found.measures[0].score.reason


def test_without_a_holdout_nothing_is_said() -> None:
    usual = world()
    nobody = usual.holdout.take(np.arange(0))
    found = nearest_neighbour(replace(usual, holdout=nobody))
    assert found.measures[0].score.verdict == "undefined"
    assert "holdout" in found.measures[0].score.reason


def test_the_same_seed_gives_the_same_findings() -> None:
    first, second = (nearest_neighbour(world()) for _ in range(2))
    assert [m.to_json() for m in first.measures] == [m.to_json() for m in second.measures]


def test_calibration_forgives_the_rare() -> None:
    assert calibrated_score(np.array([9.0, 1.0]), np.array([9.0, 1.0])).tolist() == [0.0, 0.0]


def test_a_person_is_as_near_as_their_nearest_stay() -> None:
    stays = world(n_members=60, n_holdout=80)
    twice = replace(stays.members, patient=np.repeat(np.arange(30), 2))
    evidence = replace(stays, members=twice)
    question = question_of(evidence, "x")
    assert question.members.n_patients == 30 and len(question.members) == 60
    assert by_person(np.array([3.0, 1.0, 2.0]), np.array([0, 1, 1])).tolist() == [3.0, 2.0]


def test_rarity_by_hand() -> None:
    random = np.random.default_rng(SEED)
    reference, one = people(99, random), people(1, random)
    expected = 0.0
    for name in ("sex", "ethnicity", "age", "died"):
        same = (reference.levels[name] == one.levels[name][0]).sum()
        expected -= np.log((same + 0.5) / 100)
    counts = np.asarray(reference.codes["diagnoses"].sum(axis=0)).ravel()
    for code in np.flatnonzero(one.codes["diagnoses"].toarray()[0]):
        expected -= np.log((counts[code] + 0.5) / 100)
    assert rarity(one, reference, form()) == pytest.approx([expected])
    both = joined([reference, one])
    among = rarity(both.take(np.array([99])), both, form(), among=True)
    assert among == pytest.approx([expected])
    assert len(ETHNICITIES) == 4


def _control(role: str, value: float, width: float, dose: float = float("nan")) -> Control:
    score = Score("AUC", value, value - width, value + width)
    return Control(role, f"dose {dose}", score, dose)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("controls", "why"),
    [
        ([_control("positive control", 0.9, 0.02, 1.0)], ""),
        ([_control("positive control", 0.9, 0.02, 1.0), _control("negative control", 0.5, 0.1)], ""),
        ([], "no positive control"),
        ([_control("positive control", 0.54, 0.02, 1.0)], "not caught"),
        ([_control("positive control", 0.9, 0.02, 1.0), _control("negative control", 0.6, 0.05)],
         "does not cover"),
        ([_control("positive control", 0.9, 0.02, 0.1), _control("positive control", 0.7, 0.02, 1)],
         "caught less"),
        ([Control("positive control", "x", undefined("AUC", "too few"), 1.0)], "not caught"),
        ([_control("positive control", 0.9, 0.02, 1.0), _control("baseline", 0.54, 0.02)], ""),
        ([_control("positive control", 0.9, 0.02, 1.0), _control("baseline", 0.7, 0.02)],
         "no random split"),
    ],
)  # fmt: skip
def test_what_controls_say(controls: list[Control], why: str) -> None:
    said = why_not_measurable(controls)
    assert (why in said and said.startswith("NOT MEASURABLE")) if why else said == ""


def test_quick_looks_at_fewer_people() -> None:
    quick: Evidence = replace(world(), quick=True)
    assert question_of(quick, "x").members.n_patients <= 1000
