"""Published numbers made consistent: margins, tables, histograms, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from network_toys import QUICK, drawn_rows, population, profile_of, quick_compiling

from llmsyn.network.calibration import Settings
from llmsyn.network.compiling import compile_network
from llmsyn.network.reconcile import (
    Ledger,
    fill_margin,
    fit_table,
    poisson_binomial,
    tilt_to_mean,
    tolerance,
)

counts = st.lists(st.floats(0, 1000), min_size=1, max_size=8)


@given(known=counts, hidden=st.integers(0, 3), more=st.floats(0, 500))
def test_a_margin_sums_to_one_and_keeps_what_is_published(known, hidden, more):
    values = np.array([*known, *[np.nan] * hidden])
    n = sum(known) + more
    share = fill_margin(values, n)
    assert share.sum() == pytest.approx(1)
    assert (share >= 0).all()
    if hidden and n > 0:
        assert share[: len(known)] == pytest.approx(np.array(known) / n)
        assert np.ptp(share[len(known) :]) < 1e-12  # nothing tells the suppressed ones apart


def test_a_margin_of_nothing_is_even():
    assert fill_margin(np.zeros(4), 10.0).tolist() == [0.25] * 4


sizes = st.tuples(st.integers(2, 5), st.integers(2, 5))


@given(size=sizes, seed=st.integers(0, 10**6), hide=st.sampled_from([0.0, 0.3, 0.9]))
def test_a_consistent_table_is_filled_to_its_margins(size, seed, hide):
    random = np.random.default_rng(seed)
    truth = random.dirichlet(np.ones(size[0] * size[1])).reshape(size)
    rows, columns = truth.sum(1), truth.sum(0)
    table = np.where(random.random(size) < hide, np.nan, truth)
    fitted = fit_table(table, rows, columns, np.outer(rows, columns))
    assert not np.isnan(fitted).any() and (fitted >= 0).all()
    assert fitted.sum(1) == pytest.approx(rows, abs=1e-9)  # rows are scaled last
    if not np.isnan(table).any():
        assert fitted == pytest.approx(truth, abs=1e-9)
    free = fit_table(table, rows, None, np.outer(rows, columns))
    assert free.sum(1) == pytest.approx(rows, abs=1e-9)


@given(size=sizes, seed=st.integers(0, 10**6))
def test_fitting_moves_other_margins_and_zeros_stay(size, seed):
    random = np.random.default_rng(seed)
    table = random.dirichlet(np.ones(size[0] * size[1])).reshape(size)
    table[0, 0] = 0.0
    rows, columns = random.dirichlet(np.full(size[0], 5)), random.dirichlet(np.full(size[1], 5))
    if size == (2, 2):  # with a zero in it only some margins are possible
        rows[0] = 0.5 * columns[1]
        rows[1] = 1 - rows[0]
    fitted = fit_table(table, rows, columns, np.outer(rows, columns))
    assert fitted[0, 0] == 0
    assert fitted.sum(1) == pytest.approx(rows, abs=1e-9)
    if (rows[0] < 0.9 * columns[1:].sum()) and (columns[0] < 0.9 * rows[1:].sum()):
        assert fitted.sum(0) == pytest.approx(columns, abs=1e-3)


def test_unknown_cells_follow_what_is_expected_of_them():
    table = np.array([[0.3, np.nan, np.nan], [0.1, 0.2, 0.1]])
    expected = np.array([[0.0, 0.05, 0.15], [0, 0, 0]])
    fitted = fit_table(table, np.array([0.6, 0.4]), None, expected)
    assert fitted[0] == pytest.approx([0.3, 0.075, 0.225])


@given(
    raw=st.lists(st.floats(0.01, 1), min_size=2, max_size=10),
    at=st.floats(0.05, 0.95),
    seed=st.integers(0, 1000),
)
def test_a_tilted_histogram_has_the_mean_and_keeps_the_rest(raw, at, seed):
    share = np.array(raw) / sum(raw)
    free = np.random.default_rng(seed).random(len(share)) < 0.6
    used = free if free.any() else np.ones(len(share), bool)
    number = np.arange(len(share))
    fixed = share[~used] @ number[~used]
    lowest, highest = number[used].min(), number[used].max()
    mean = fixed + share[used].sum() * (lowest + at * (highest - lowest))
    moved = tilt_to_mean(share, free, mean)
    assert moved.sum() == pytest.approx(1) and (moved >= 0).all()
    assert moved[~used] == pytest.approx(share[~used])
    assert moved @ number == pytest.approx(mean, abs=1e-6)


def test_a_mean_out_of_reach_is_met_as_far_as_it_goes():
    moved = tilt_to_mean(np.array([0.5, 0.5, 0.0]), np.array([True, True, False]), 5.0)
    assert moved == pytest.approx([0, 1, 0])


def test_a_tilt_is_the_smallest_change():
    """Log ratios of new to old are a straight line in the number."""
    share = np.array([0.1, 0.4, 0.3, 0.2])
    moved = tilt_to_mean(share, np.ones(4, bool), 1.2)
    assert np.diff(np.log(moved / share), 2) == pytest.approx([0, 0], abs=1e-9)


@given(st.lists(st.floats(0, 1), max_size=9))
def test_the_number_of_independent_codes(prevalence):
    p = np.array(prevalence)
    share = poisson_binomial(p)
    number = np.arange(len(share))
    assert share.sum() == pytest.approx(1) and len(share) <= len(p) + 1
    assert share @ number == pytest.approx(p.sum(), abs=1e-7)
    assert share @ number**2 - p.sum() ** 2 == pytest.approx((p * (1 - p)).sum(), abs=1e-6)


def test_what_was_bent_is_named_with_its_amount():
    ledger = Ledger()
    ledger.bent("sex x died (0, 1)", 40.0, 55.0)
    assert ledger.unmet == {"sex x died (0, 1)"}
    assert "published 40 units" in ledger.notes[0] and "difference +15" in ledger.notes[0]
    assert tolerance(2.5, 0.0, 1000) > 2.5 / 1000
    assert tolerance(0.0, 3.0, 1000) > 12 / 1000


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compiling():
        yield


# --- in a whole compile -------------------------------------------------------------------

SHORT = Settings(rounds=100, last_pilot=6_000)


@pytest.fixture(scope="module")
def rows():
    return population(5_000)


def change(profile, name, **more):
    return replace(
        profile,
        variables=tuple(replace(v, **more) if v.name == name else v for v in profile.variables),
    )


def test_a_table_that_contradicts_a_margin_is_named_and_the_rest_is_met(rows):
    table = rows.table("sex", "died")
    wrong = table.counts.copy()
    wrong[0, 1] += 150  # the margin of sex and of died say otherwise
    tables = [replace(table, counts=wrong), rows.table("sex", "dx")]
    made = compile_network(profile_of(rows, tables), settings=SHORT)
    assert "sex x died (0, 1)" in made.unmet
    note = next(n for n in made.network.notes if n.startswith("sex x died (0, 1)"))
    assert f"published {wrong[0, 1]:,.6g} units" in note and "difference -" in note
    assert not any(name.startswith("sex x dx") for name in made.unmet)
    drawn = drawn_rows(made.network, 50_000)
    for axes in (tables[1].axes, (tables[1].axes[0],), (table.axes[1],)):
        assert np.abs(drawn.counts(*axes) / 50_000 - rows.counts(*axes) / 5_000).max() < 0.01


def test_consistent_and_rounded_tables_are_not_complained_of(rows):
    exact = [rows.table(*a) for a in (("sex", "died"), ("sex", "dx"), ("dx", "dx"), ("age", "dx.count"))]  # fmt: skip
    rounded = [replace(t, counts=5 * np.round(t.counts / 5), half_width=2.5) for t in exact]
    for tables in (exact, rounded):
        made = compile_network(profile_of(rows, tables), settings=QUICK)
        assert not made.unmet and not made.network.notes


def test_a_pair_above_a_margin_is_named(rows):
    table = rows.table("dx", "dx")
    wrong = table.counts.copy()
    wrong[0, 4] = wrong[4, 0] = profile_of(rows)["dx"].counts[4] + 100
    made = compile_network(profile_of(rows, [replace(table, counts=wrong)]), settings=QUICK)
    assert made.unmet == {"dx x dx (0, 4)", "dx x dx (4, 0)"}


def test_a_histogram_of_another_mean_is_named_and_moved(rows):
    profile = profile_of(rows)
    listed = profile["dx"].listed.copy()
    listed[1] -= 400
    listed[4] += 400
    made = compile_network(change(profile, "dx", listed=listed), settings=SHORT)
    assert made.unmet == {"dx (mean of the histogram)"}
    drawn = drawn_rows(made.network, 50_000)
    share = profile["dx"].counts / 5_000
    assert drawn.columns["dx"].mean(0) == pytest.approx(share, abs=0.01)  # prevalences win


def test_suppressed_cells_of_a_histogram_take_the_difference(rows):
    profile = profile_of(rows)
    listed = profile["dx"].listed.copy()
    listed[4:] = np.nan
    made = compile_network(change(profile, "dx", listed=listed), settings=QUICK)
    assert not made.unmet
    drawn = drawn_rows(made.network, 50_000)
    found = np.bincount(drawn.columns["dx"].sum(1)) / 50_000
    assert found[:4] == pytest.approx(profile["dx"].listed[:4] / 5_000, abs=0.01)


def test_a_total_of_levels_that_is_not_n_is_named(rows):
    profile = profile_of(rows)
    counts_of_sex = profile["sex"].counts + np.array([300.0, 0.0])
    made = compile_network(change(profile, "sex", counts=counts_of_sex), settings=QUICK)
    assert made.unmet == {"sex (total of its levels)"}
    assert "published 5,300 units" in made.network.notes[0]


def test_what_the_network_assumes_is_said(rows):
    profile = change(profile_of(rows), "drug", listed=None)
    profile = change(profile, "dx", unlisted=None, unlisted_per_unit=1.1)
    notes = " ".join(compile_network(profile, settings=QUICK).network.notes)
    assert "drug: no histogram" in notes
    assert "dx: only the mean number of unlisted codes" in notes
    assert "no level is printed" not in notes and "main codes that are not" not in notes
    silent = change(profile_of(rows), "dx", unlisted=None)
    notes = " ".join(compile_network(silent, settings=QUICK).network.notes)
    assert "dx: main codes that are not listed are left out" in notes
    hidden = change(profile_of(rows), "sex", counts=np.full(2, np.nan))
    notes = " ".join(compile_network(hidden, settings=QUICK).network.notes)
    assert "sex: no level is printed; all are drawn equally often" in notes


def test_tables_that_cannot_be_used_are_named(rows):
    tables = [rows.table("dx.main", "dx"), rows.table("dx", "drug", "died")]
    notes = compile_network(profile_of(rows, tables), settings=QUICK).network.notes
    assert len(notes) == 2 and all("left out" in note for note in notes)


def test_privacy_noise_is_no_contradiction_until_it_is(rows):
    random = np.random.default_rng(0)
    table = rows.table("sex", "died")
    noisy = replace(table, counts=table.counts + random.normal(0, 20, (2, 2)), sigma=20.0)
    assert not compile_network(profile_of(rows, [noisy]), settings=QUICK).unmet
    far = replace(noisy, counts=table.counts + np.array([[0, 400.0], [0, 0]]))
    assert compile_network(profile_of(rows, [far]), settings=QUICK).unmet
