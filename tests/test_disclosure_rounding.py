"""Rounding: the same multiple for the same count, half a base from the truth at most."""

from __future__ import annotations

import numpy as np
import pytest
from disclosure_toys import Form, Kind, measured
from hypothesis import given
from hypothesis import strategies as st

from llmsyn.disclosure.audit import audit
from llmsyn.disclosure.release import disclose
from llmsyn.disclosure.rounding import rounded, rounded_mean
from llmsyn.disclosure.settings import Settings

FIVE = Settings(threshold=11, rounding=5, zeros_published=True)


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=30))
def test_rounding_keeps_within_half_a_base(counts: list[int]) -> None:
    exact = np.array(counts, dtype=float)
    once = rounded(exact, FIVE)
    assert (once % 5 == 0).all()
    assert (np.abs(once - exact) <= FIVE.half_width).all()
    assert np.array_equal(rounded(once, FIVE), once)
    assert np.array_equal(rounded(exact, Settings()), exact)


def test_what_is_not_printed_stays_so() -> None:
    assert np.isnan(rounded(np.array([np.nan]), FIVE)).all()


def test_means_are_rounded_too() -> None:
    assert rounded_mean(2.345678) == 2.35


def test_a_rounded_release_says_how_precise_it_is() -> None:
    form = Form({"ward": ("u", "v", "w")}, {}, {}, ())
    people: list[Kind] = [({"ward": w}, n) for w, n in zip("uvw", (101, 33, 12), strict=True)]
    release = disclose(measured(form, people), FIVE)
    ward = release.profile["ward"]
    assert ward.counts.tolist() == [100, 35, 10]  # 12 patients print as 10
    assert ward.half_width == 2.5
    assert release.profile.disclosure.rounding == 5
    assert release.profile.n_units == 146  # shares need it


@pytest.mark.parametrize(("small", "survives"), [(5, False), (8, False), (14, True)])
def test_intervals_protect_no_less(small: int, survives: bool) -> None:
    """With F rounded, M is known to within five: as good as printed where it is small."""
    form = Form({"sex": ("F", "M")}, {}, {})
    exact = measured(form, [({"sex": "F"}, 90), ({"sex": "M"}, small)])
    release = disclose(exact, FIVE)
    sex = release.profile["sex"].counts
    assert np.isnan(sex).all() != survives
    assert audit(release.profile, FIVE, units=exact.profile).clean
