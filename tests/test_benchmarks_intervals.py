"""The arithmetic of the benchmarks: areas, intervals, tables."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

from result_files import markdown, table

from llmsyn.evaluation.intervals import auc, bootstrap_auc, over_splits


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=20
    )
)
def test_area_is_the_share_of_ordered_pairs(rows: list[tuple[bool, int, int]]) -> None:
    y, score, weight = (np.array(column) for column in zip(*rows))
    wins = total = 0.0
    for i in np.flatnonzero(y):
        for j in np.flatnonzero(~y.astype(bool)):
            both = float(weight[i] * weight[j])
            total += both
            wins += both * ((score[i] > score[j]) + 0.5 * (score[i] == score[j]))
    found = auc(y, score, weight)
    if total == 0:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(wins / total)


def test_bootstrap_interval_covers_chance_for_noise_and_narrows_with_n() -> None:
    random = np.random.default_rng(3)

    def interval(n: int) -> tuple[float, float, float]:
        y, score = random.integers(0, 2, n), random.random(n)
        fold = random.integers(0, 5, n)
        found = bootstrap_auc(y, score, group=np.arange(n), fold=fold, random=random)
        return found.value, found.low, found.high

    value, low, high = interval(2000)
    assert low <= value <= high
    assert low < 0.5 < high
    _, low_small, high_small = interval(200)
    assert high_small - low_small > 1.5 * (high - low)


def test_whole_patients_are_drawn_again() -> None:
    random = np.random.default_rng(1)
    y, score = np.repeat([0, 1], 30), random.random(60)
    fold = np.zeros(60, dtype=int)
    apart = bootstrap_auc(y, score, group=np.arange(60), fold=fold, random=random)
    # Ten patients with six equal rows each know less than sixty.
    y6, score6, group6 = np.repeat(y[::6], 6), np.repeat(score[::6], 6), np.repeat(np.arange(10), 6)
    together = bootstrap_auc(y6, score6, group=group6, fold=fold, random=random)
    assert together.high - together.low > apart.high - apart.low


def test_interval_over_splits_counts_their_overlap() -> None:
    found = over_splits([0.80, 0.82, 0.84], test_share=0.3)
    error = 0.02 * math.sqrt(1 / 3 + 0.3 / 0.7)
    assert found.value == pytest.approx(0.82)
    assert found.high - found.value == pytest.approx(4.302653 * error, rel=1e-5)
    assert found.value - found.low == pytest.approx(found.high - found.value)


def test_one_split_has_no_interval() -> None:
    found = over_splits([0.8], test_share=0.3)
    assert found.value == 0.8
    assert math.isnan(found.low) and math.isnan(found.high)


def test_table_has_a_column_for_every_key() -> None:
    rows = [{"a": 1234567, "b": 0.123456}, {"a": 1, "c": True, "b": math.nan}, {"c": "x|y"}]
    assert table(rows).splitlines() == [
        "| a | b | c |",
        "|---|---|---|",
        "| 1,234,567 | 0.1235 |  |",
        "| 1 | not measurable | yes |",
        "|  |  | x\\|y |",
    ]


def test_page_says_how_it_was_made() -> None:
    page = markdown(
        {
            "title": "T", "rows": [{"a": 1}], "notes": ["n"], "versions": {"numpy": "2"},
            "command": "python benchmarks/cells.py --seed 2", "commit": "abc", "date": "2026-01-01",
            "python": "3.11", "machine": {"architecture": "x86_64", "cores": 2},
        }
    )  # fmt: skip
    assert page.startswith("# T\n")
    assert "python benchmarks/cells.py --seed 2" in page
    assert "commit abc" in page and "- n" in page
