"""Quantiles, means and standard deviations as bins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import truncnorm

from llmsyn.profile.binning import bins_from_mean_sd, bins_from_quantiles


@given(st.floats(20, 90), st.floats(3, 30), st.integers(0, 2))
@settings(max_examples=40)
def test_the_moments_hold_after_the_cut(mu: float, sigma: float, decimals: int) -> None:
    low, high = 18.0, 95.0
    twin = truncnorm((low - mu) / sigma, (high - mu) / sigma, mu, sigma)
    mean, sd = float(twin.mean()), float(twin.std())
    edges, counts = bins_from_mean_sd(mean, sd, low, high, 1000, decimals)
    assert (edges[0], edges[-1]) == (low, high)
    np.testing.assert_allclose(counts, 1000 * np.diff(twin.cdf(edges)), atol=0.05)


def test_a_narrow_number_has_narrow_bins() -> None:
    edges, counts = bins_from_mean_sd(7.4, 0.05, 6.0, 8.0, 100, 2)
    assert np.diff(edges)[counts > 5].max() <= 0.03
    assert counts.sum() == pytest.approx(100)


@pytest.mark.parametrize(
    ("mean", "sd", "message"),
    [(100, 5, "does not lie between"), (6.9, 9, "no normal distribution"), (50, 0.1, "too small")],
)
def test_refused(mean: float, sd: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bins_from_mean_sd(mean, sd, 0, 100, 10, 0)


@given(st.lists(st.integers(0, 100), min_size=3, max_size=8, unique=True))
def test_quantiles_keep_every_unit(values: list[int]) -> None:
    assume(len(values) > 2)
    cuts = np.sort(np.array(values, dtype=float))
    quantiles = np.linspace(0, 1, len(cuts))
    edges, counts, half_width = bins_from_quantiles(quantiles, cuts, 50, 0)
    assert counts.sum() == pytest.approx(50)
    assert edges.tolist() == cuts.tolist()
    assert 0 <= half_width <= counts.max() + 1e-9
