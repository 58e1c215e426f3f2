"""The odds-ratio identity: cells from margins and log odds, by formula and by search."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from llmsyn.network.cells import cells_from_log_odds, log_odds_ratio, pair_cells

shares = st.floats(0.001, 0.999)
odds = st.floats(-5, 5)


@given(p=shares, q=shares, value=odds)
def test_a_pair_has_the_odds_ratio_that_was_asked_for(p, q, value):
    joint = pair_cells(np.array([p]), np.array([q]), np.array([value]))
    assert max(0.0, p + q - 1) < joint[0] < min(p, q)
    found = log_odds_ratio(joint, np.array([p]), np.array([q]))[0]
    assert found == pytest.approx(value, abs=1e-4)


@given(p=shares, q=shares, value=odds)
def test_the_root_of_the_quadratic_is_what_a_search_finds(p, q, value):
    low, high = max(0.0, p + q - 1), min(p, q)
    width = (high - low) * 1e-12

    def off(x):
        return np.log(x / (p - x)) - np.log((q - x) / (1 - p - q + x)) - value

    searched = brentq(off, low + width, high - width, xtol=1e-15)
    joint = pair_cells(np.array([p]), np.array([q]), np.array([value]))[0]
    assert joint == pytest.approx(searched, rel=1e-6, abs=1e-9)


@given(p=shares, q=shares, value=odds)
def test_a_pair_is_symmetric_and_turns_with_its_sign(p, q, value):
    a, b, v = np.array([p]), np.array([q]), np.array([value])
    assert pair_cells(a, b, v) == pytest.approx(pair_cells(b, a, v), rel=1e-9)
    # With the complement of q the odds ratio is its inverse.
    assert a - pair_cells(a, b, v) == pytest.approx(pair_cells(a, 1 - b, -v), rel=1e-6, abs=1e-9)


@given(
    raw=st.lists(st.floats(0.02, 1), min_size=2, max_size=6),
    p=st.lists(shares, min_size=1, max_size=4),
    data=st.data(),
)
def test_levels_keep_the_margin_and_differ_by_their_log_odds(raw, p, data):
    share = np.array(raw) / sum(raw)
    margin = np.array(p)
    lean = np.array([[data.draw(odds) for _ in share] for _ in margin])
    cells = cells_from_log_odds(share, margin, lean)
    assert cells.sum(1) == pytest.approx(margin, rel=1e-9)
    assert (cells > 0).all() and (cells < share * (1 + 1e-9)).all()
    logit = np.log(cells / np.maximum(share - cells, 1e-300))
    safe = (share - cells) / share > 1e-6
    for row, given_lean, ok in zip(logit, lean, safe, strict=True):
        moved = (row - given_lean)[ok]
        assert np.ptp(moved) < 1e-3 if len(moved) else True


@given(p=shares, s=shares, value=odds)
def test_two_levels_are_the_pair(p, s, value):
    share = np.array([1 - s, s])
    cells = cells_from_log_odds(share, np.array([p]), np.array([[0.0, value]]))
    joint = pair_cells(np.array([p]), np.array([s]), np.array([value]))
    assert cells[0, 1] == pytest.approx(joint[0], rel=1e-6, abs=1e-10)


def test_a_masked_level_gets_nothing_and_the_others_its_part():
    cells = cells_from_log_odds(
        np.array([0.5, 0.3, 0.2]), np.array([0.1]), np.array([[0.0, 0.0, -40.0]])
    )
    assert cells[0] == pytest.approx([0.0625, 0.0375, 0.0], abs=1e-12)
