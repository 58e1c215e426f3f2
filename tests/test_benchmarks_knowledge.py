"""What the knowledge benchmarks compute, on numbers that can be worked out by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

from knowledge_value import WHOLE, calibration, only_conditions, table_of, variants
from signs import agreement, log_odds_ratios

from llmsyn.knowledge.associations import PARTS
from llmsyn.knowledge.loading import load_base


def test_predictions_that_are_too_extreme_have_a_slope_below_one():
    truth = np.repeat([0.2, 0.5, 0.8], 1000)
    y = np.concatenate([np.arange(1000) < 1000 * share for share in (0.2, 0.5, 0.8)]).astype(int)
    odds = truth / (1 - truth)
    extreme = odds**2 / (1 + odds**2)
    slope, intercept = calibration(y, extreme)
    assert slope == pytest.approx(0.5, abs=1e-6)
    assert intercept == pytest.approx(0.0, abs=1e-6)
    shifted = 0.5 * odds / (1 + 0.5 * odds)
    slope, intercept = calibration(y, shifted)
    assert slope == pytest.approx(1.0, abs=1e-6)
    assert intercept == pytest.approx(np.log(2), abs=1e-6)


def test_log_odds_ratios_are_those_of_each_two_by_two_table():
    random = np.random.default_rng(3)
    has = (random.random((400, 5)) < [0.1, 0.2, 0.3, 0.5, 0.9]).astype(float)
    both, value = log_odds_ratios(sparse.csr_array(has))
    for i in range(5):
        for j in range(5):
            if i == j:
                continue
            a = (has[:, i] * has[:, j]).sum()
            b = (has[:, i] * (1 - has[:, j])).sum()
            c = ((1 - has[:, i]) * has[:, j]).sum()
            d = ((1 - has[:, i]) * (1 - has[:, j])).sum()
            assert both[i, j] == a
            expected = np.log((a + 0.5) * (d + 0.5) / ((b + 0.5) * (c + 0.5)))
            assert value[i, j] == pytest.approx(expected)


def test_signs_are_judged_on_clear_frequent_pairs_only():
    both = np.array([[99, 60, 60, 10], [60, 99, 60, 60], [60, 60, 99, 60], [10, 60, 60, 99.0]])
    value = np.array([[0, 1, -1, 9], [1, 0, 0.4, -2], [-1, 0.4, 0, 2], [9, -2, 2, 0.0]])
    drawn = np.array([[0, 0.1, 0.1, -9], [0.1, 0, -1, -1], [0.1, -1, 0, 1], [-9, -1, 1, 0.0]])
    found = agreement((both, value), drawn)
    assert found["pairs"] == 4  # 0-1, 0-2, 1-3, 2-3
    assert found["right"] == 0.75
    assert found["positive pairs"] == 2
    assert found["right of positive"] == 1.0
    assert found["right of negative"] == 0.5


def test_every_part_is_left_out_once_and_stands_alone_once():
    given = dict(variants(Path("thirty")))
    assert [v.get("parts") for k, v in given.items() if k.startswith("without")] == [
        tuple(p for p in PARTS if p != part) for part in PARTS
    ]
    assert [v["parts"] for k, v in given.items() if k.endswith("alone")] == [(p,) for p in PARTS]


def test_a_base_of_some_conditions_has_no_others(tmp_path):
    whole = load_base()
    cut = load_base([only_conditions(tmp_path / "cut", {"98", "108"})], with_shipped=False)
    expected = {
        c.id for c in whole.conditions.values() if {"98", "108"} & set(c.groupers.get("ccs", ()))
    }
    assert set(cut.conditions) == expected
    assert 1 < len(expected) < 10
    assert cut.drugs.keys() == whole.drugs.keys()


def test_differences_are_taken_split_by_split():
    found = [
        {WHOLE: {"AUROC": a, "slope": 1.0, "intercept": 0.0},
         "x": {"AUROC": a - 0.1, "slope": 0.5, "intercept": 1.0}}
        for a in (0.7, 0.9)
    ]  # fmt: skip
    row = table_of(found)[1]
    assert row["to the whole base"] == pytest.approx(-0.1)
    assert row["95% of that"] == "-0.100 to -0.100"
    assert row["AUROC"] == pytest.approx(0.7)
