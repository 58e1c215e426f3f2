"""Attribute inference: what is guessed, of whom, and when nothing can be said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from attack_worlds import CODES, form, people, world

from llmsyn.evaluation.attacks.attribute import (
    Guess,
    attribute_inference,
    carriers,
    choose_codes,
    gain_of,
    guess,
)
from llmsyn.evaluation.attacks.nearest import Neighbours
from llmsyn.evaluation.intervals import auc
from llmsyn.profile.variables import CodeSet

SEED = 6


def test_a_guess_is_the_share_of_the_neighbours() -> None:
    """Two of three neighbours carry the code; half of one more is the share of all."""
    near = Neighbours(np.array([[0, 1, 2], [3, 3, 3]]), np.zeros((2, 3), np.float32))
    made = np.array([[True], [True], [False], [False]])
    found = guess(near, np.array([[True], [False]]), made)
    assert found.score[:, 0] == pytest.approx([(2 + 0.25) / 3.5, (0 + 0.25) / 3.5])


def test_the_gain_is_the_difference_of_mean_areas() -> None:
    random = np.random.default_rng(SEED)
    truth = random.random((80, 3)) < 0.3
    good = Guess(truth + random.random((80, 3)), truth)
    poor = Guess(random.random((80, 3)), truth)
    expected = np.mean([auc(truth[:, c], good.score[:, c]) - auc(truth[:, c], poor.score[:, c])
                        for c in range(3)])  # fmt: skip
    found = gain_of(good, poor, random)
    assert found.value == pytest.approx(expected)
    assert found.low > 0.2 and found.low < found.value < found.high
    nobody = gain_of(Guess(poor.score, np.zeros_like(truth)), poor, random)
    assert nobody.verdict == "undefined"


def test_no_gain_without_copies_and_a_gain_with_them() -> None:
    found = [attribute_inference(world(copied=c)).measures[0].score for c in (0.0, 0.5, 1.0)]
    assert found[0].low <= 0 <= found[0].high
    assert found[1].low > 0
    assert found[2].value > found[1].value > found[0].value
    assert all(f.verdict == "info" for f in found)


def test_controls() -> None:
    measure = attribute_inference(world()).measures[0]
    doses = [c for c in measure.controls if c.role == "positive control"]
    values = [c.score.value for c in doses]
    assert values == sorted(values) and doses[-1].score.low > 0
    (negative,) = (c for c in measure.controls if c.role == "negative control")
    assert negative.score.low <= 0 <= negative.score.high


def test_guesses_that_ignore_the_synthetic_set_are_not_measurable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(SEED)

    def noise(near: Neighbours, truth: np.ndarray, made: np.ndarray) -> Guess:
        return Guess(random.random(truth.shape), truth)

    monkeypatch.setattr("llmsyn.evaluation.attacks.attribute.guess", noise)
    found = attribute_inference(world(copied=1.0))
    assert all(m.score.verdict == "undefined" for m in found.measures)
    assert "NOT MEASURABLE" in found.measures[0].score.reason


def test_sensitive_codes_come_first_then_rare_ones() -> None:
    random = np.random.default_rng(SEED)
    groups = people(400, random), people(400, random)
    plain = choose_codes(form(), groups)
    assert len(plain) == 20 and "diagnoses=C00" not in plain  # the most frequent one
    names = ("042", "29500", *CODES[2:])
    profile = form()
    named = tuple(
        replace(v, codes=names) if isinstance(v, CodeSet) else v for v in profile.variables
    )
    chosen = choose_codes(replace(profile, variables=named), groups)
    assert chosen[:2] == ("diagnoses=29500", "diagnoses=042")  # the rarer one first
    assert choose_codes(form(), (people(5, random), groups[0])) == ()


def test_carriers_have_the_code() -> None:
    sample = people(50, np.random.default_rng(SEED))
    found = carriers(sample, form(), ("diagnoses=C03", "diagnoses=C00"))
    has = sample.codes["diagnoses"].toarray() > 0
    assert np.array_equal(found, has[:, [3, 0]])


def test_codes_that_are_named_are_asked_for() -> None:
    found = attribute_inference(world(), ["diagnoses=C02"])
    assert {m.of for m in found.measures[1:]} == {"diagnoses=C02"}
    assert found.measures[1].ceiling is not None


def test_nobody_to_compare_with() -> None:
    usual = world()
    found = attribute_inference(replace(usual, holdout=usual.holdout.take(np.arange(0))))
    assert found.measures[0].score.verdict == "undefined"
    few = attribute_inference(world(n_members=12, n_holdout=12))
    assert "carriers" in few.measures[0].score.reason
