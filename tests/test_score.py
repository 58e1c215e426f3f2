import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from llmsyn.score import Score, json_number, proportion, undefined, wilson


def test_wilson_is_scipys_interval():
    for successes, trials in [(0, 1), (1, 1), (3, 10), (87, 263), (263, 263)]:
        theirs = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
        assert wilson(successes, trials) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_its_share_and_stays_inside(pair):
    successes, trials = pair
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    assert low < high


def test_wilson_without_trials_is_undefined_and_bad_counts_are_refused():
    assert all(map(math.isnan, wilson(0, 0)))
    with pytest.raises(ValueError, match="3 successes of 2 trials"):
        wilson(3, 2)
    with pytest.raises(ValueError, match="confidence 1"):
        wilson(1, 2, 1)
    assert proportion("coverage", 0, 0).verdict == "undefined"
    assert proportion("coverage", 5, 10).value == 0.5


def test_a_score_is_never_nan_without_a_reason():
    with pytest.raises(ValueError, match="auc is undefined; give the reason"):
        Score("auc", math.nan)
    with pytest.raises(ValueError, match="cannot pass"):
        Score("auc", math.nan, verdict="pass", reason="x")
    with pytest.raises(ValueError, match="outside its interval"):
        Score("auc", 0.5, 0.6, 0.7)
    assert undefined("auc", "one class").reason == "one class"


def test_a_score_says_all_it_knows_and_json_can_hold_it():
    score = Score("ks age", 0.25, 0.2, 0.3, 0.01, "fail", "at most 0.01")
    assert str(score) == "ks age 0.25 [0.2, 0.3] (reference 0.01): fail, at most 0.01"
    assert Score("z", math.inf, reference=4.0).to_json()["value"] == "inf"
    assert undefined("auc", "one class").to_json()["value"] is None
    assert json_number(-math.inf) == "-inf"
    assert json_number("text") == "text"
