"""The odds-ratio identity: cells from margins and log odds, by formula and by search."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from llmsyn.network.cells import cells_from_statements, log_odds_ratio, pair_cells

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


@given(raw=st.lists(st.floats(0.02, 1), min_size=2, max_size=6), p=st.floats(0.001, 0.5),
       value=st.floats(-3, 3), data=st.data())  # fmt: skip
def test_a_statement_about_some_levels_has_its_odds_ratio_against_the_others(raw, p, value, data):
    share = np.array(raw) / sum(raw)
    levels = tuple(range(data.draw(st.integers(1, len(share) - 1))))
    cells = cells_from_statements(share, p, [(levels, value)], np.ones(len(share)))
    assert cells.sum() == pytest.approx(p, rel=1e-9)
    assert (cells > 0).all() and (cells <= share * (1 + 1e-9)).all()
    inside, room = cells[list(levels)].sum(), share[list(levels)].sum()
    joint = pair_cells(np.array([p]), np.array([room]), np.array([value]))[0]
    if (p - joint) / (p * (1 - room)) > 0.06:  # above the least that silent levels keep
        assert inside == pytest.approx(joint, rel=1e-6)


@given(p=shares, s=shares, value=odds)
def test_the_same_fact_said_of_both_levels_counts_once(p, s, value):
    share = np.array([1 - s, s])
    both = [((0,), -value), ((1,), value)]
    cells = cells_from_statements(share, p, both, np.ones(2))
    joint = pair_cells(np.array([p]), np.array([s]), np.array([value]))
    assert cells[1] == pytest.approx(joint[0], rel=1e-6, abs=1e-9)


def test_a_masked_level_gets_nothing_and_the_others_its_part():
    share, allowed = np.array([0.5, 0.3, 0.2]), np.array([1.0, 1.0, 0.0])
    cells = cells_from_statements(share, 0.1, [], allowed)
    assert cells == pytest.approx([0.0625, 0.0375, 0.0], abs=1e-12)


def test_a_level_that_nobody_has_takes_nothing():
    # A noisy release prints levels with a share of zero.
    cells = cells_from_statements(np.array([0.4, 0.6, 0.0]), 0.1, [((0,), 1.0), ((1,), -1.0)],
                                  np.ones(3))  # fmt: skip
    assert cells.sum() == pytest.approx(0.1)
    assert cells[2] == 0


def test_a_code_that_nobody_has_is_with_no_level():
    cells = cells_from_statements(np.array([0.4, 0.6]), 0.0, [((0,), 1.0)], np.ones(2))
    assert not cells.any()
