"""Areas, hits and advantages: against pair by pair counting, and where nothing is told."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsyn.evaluation.attacks.curves import (
    FPR,
    advantage,
    area,
    curve,
    hits,
    rate_at,
    tell,
    thinned,
)

SEED = 3
scores = st.lists(st.integers(0, 8).map(float), min_size=10, max_size=40).map(np.array)


@settings(max_examples=60)
@given(members=scores, outside=scores)
def test_the_area_is_the_share_of_pairs_in_order(members: np.ndarray, outside: np.ndarray) -> None:
    wins = [1.0 if m > o else 0.5 if m == o else 0.0 for m in members for o in outside]
    found = area("auc", members, outside)
    assert found.value == pytest.approx(np.mean(wins))
    assert 0 <= found.low <= found.value <= found.high <= 1
    fpr, tpr = curve(members, outside)
    assert np.trapezoid(tpr, fpr) == pytest.approx(np.mean(wins))


def test_delong_by_hand() -> None:
    """Members 2..11, outsiders 1..10: 45 of 100 pairs in order, 9 ties."""
    members, outside = np.arange(2.0, 12.0), np.arange(1.0, 11.0)
    v = [np.mean([(m > o) + (m == o) / 2 for o in outside]) for m in members]
    w = [np.mean([(m > o) + (m == o) / 2 for m in members]) for o in outside]
    error = math.sqrt(np.var(v, ddof=1) / 10 + np.var(w, ddof=1) / 10)
    found = area("auc", members, outside)
    assert found.value == pytest.approx(np.mean(v))
    assert found.high - found.value == pytest.approx(1.959964 * error, abs=1e-6)


def test_the_interval_covers_the_true_area_as_often_as_it_says() -> None:
    random, covered = np.random.default_rng(SEED), 0
    for _ in range(300):
        members, outside = random.normal(0.5, 1, 60), random.normal(0, 1, 80)
        found = area("auc", members, outside)
        covered += found.low <= 0.63816 <= found.high  # Phi(0.5 / sqrt 2)
    assert 270 <= covered <= 297


def test_nothing_told_and_all_told() -> None:
    flat, low, high = np.zeros(30), np.arange(30.0), np.arange(100.0, 130.0)
    assert area("auc", flat, flat).value == 0.5
    sure = area("auc", high, low)
    assert sure.value == sure.high == 1.0 and 0.8 < sure.low < 1.0
    few = area("auc", flat[:9], flat)
    assert few.verdict == "undefined" and "too few" in few.reason


def test_the_curve_by_hand() -> None:
    """Scores 3 2 2 1 of members, 2 1 0 0 of outsiders."""
    fpr, tpr = curve(np.array([3.0, 2, 2, 1]), np.array([2.0, 1, 0, 0]))
    assert fpr.tolist() == [0, 0, 0.25, 0.5, 1.0]
    assert tpr.tolist() == [0, 0.25, 0.75, 1.0, 1.0]
    assert rate_at(fpr, tpr, [0.0, 0.125, 0.25]).tolist() == [0.25, 0.5, 0.75]


def test_a_thinned_curve_is_the_same_curve() -> None:
    random = np.random.default_rng(SEED)
    fpr, tpr = curve(random.normal(1, 1, 4000), random.normal(0, 1, 4000))
    few = thinned(fpr, tpr)
    assert len(few[0]) <= 200 and few[0][0] == 0 and few[0][-1] == 1
    assert np.trapezoid(few[1], few[0]) == pytest.approx(np.trapezoid(tpr, fpr), abs=0.003)


def test_hits_at_few_false_alarms() -> None:
    """One outsider of 200 above the rest: the threshold lies below two of them."""
    outside = np.arange(200.0)
    members = np.append(np.full(30, 500.0), np.zeros(70))
    found = hits("tpr", members, outside, np.random.default_rng(SEED))
    assert found.value == pytest.approx(0.3)
    assert found.low < 0.3 < found.high and found.reference == FPR
    few = hits("tpr", members, outside[:99], np.random.default_rng(SEED))
    assert few.verdict == "undefined" and "100" in few.reason


def test_equal_scores_hit_as_often_as_they_raise_alarms() -> None:
    random = np.random.default_rng(SEED)
    found = hits("tpr", np.zeros(300), np.zeros(300), random)
    assert found.value == pytest.approx(0.01)


def test_no_advantage_where_there_is_none() -> None:
    """The best threshold of the same people would give 0.03 and more on average."""
    random = np.random.default_rng(SEED)
    found = [
        advantage("a", random.normal(size=400), random.normal(size=400), random) for _ in range(60)
    ]
    assert abs(np.mean([f.value for f in found])) < 0.012
    assert np.mean([f.low <= 0 <= f.high for f in found]) > 0.85


def test_the_advantage_of_two_normal_scores() -> None:
    """Largest distance of two unit normals one apart: 2 Phi(1/2) - 1 = 0.383."""
    random = np.random.default_rng(SEED)
    found = advantage("a", random.normal(1, 1, 20_000), random.normal(0, 1, 20_000), random)
    assert found.value == pytest.approx(0.383, abs=0.02)
    assert found.low < 0.383 < found.high


def test_the_worst_decile_is_that_of_rare_records() -> None:
    """Only the rare are told."""
    random = np.random.default_rng(SEED)
    rare = random.random(2000), random.random(2000)
    members = np.where(rare[0] > 0.9, 5.0, 0.0) + random.normal(size=2000)
    told = tell(members, random.normal(size=2000), random, rarity=rare, name="toy")
    assert told.auc.value == pytest.approx(0.55, abs=0.02)
    assert told.worst_decile.value > 0.97
    nobody = tell(members, members, random)
    assert nobody.worst_decile.verdict == "undefined"
