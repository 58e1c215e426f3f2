"""Predicted membership risk: against a simulated attack, its limits, and the choice of tables."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from disclosure_toys import Form, Kind, cohort
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.stats import norm

from llmsyn.disclosure.budget import codes_that_fit, fit_budget, usefulness
from llmsyn.disclosure.risk import RIDGE, Correlation, effective_number, leverages, predict_risk
from llmsyn.disclosure.settings import Settings
from llmsyn.disclosure.slots import Slot, printed, slots
from llmsyn.disclosure.statistics import Statistics, statistics_of
from llmsyn.measurement import Measurement, measure

SEED = 5


def _records(n: int, m: int, random: np.random.Generator) -> np.ndarray:
    """Records of a population with few frequent, many rare and some dependent indicators."""
    frequency = np.geomspace(0.4, 0.02, m)
    burden = random.gamma(4.0, 0.25, n)
    x = random.random((n, m)) < np.minimum(frequency * burden[:, None], 1.0)
    x[:, 1] |= x[:, 0]
    return x.astype(float)


def _attack_auc(members: np.ndarray, outside: np.ndarray, others: np.ndarray) -> float:
    """The covariance-aware attack of METHOD.md section 2, written from its formula."""
    q, p = others.mean(axis=0), members.mean(axis=0)
    spread = others.std(axis=0)
    matrix = np.corrcoef(others.T) + RIDGE * np.eye(len(q))
    aim = np.linalg.solve(matrix, (p - q) / spread)
    scores = [((x - q) / spread) @ aim for x in (members, outside)]
    less = scores[1][None, :] < scores[0][:, None]
    return float(less.mean())


@pytest.mark.parametrize(("n", "m"), [(400, 60), (2000, 60), (2000, 150)])
def test_the_prediction_is_what_an_attack_reaches(n: int, m: int) -> None:
    random = np.random.default_rng(SEED)
    measured, predicted = [], []
    for _ in range(4):
        members, outside = _records(n, m, random), _records(n, m, random)
        others = _records(20_000, m, random)
        measured.append(_attack_auc(members, outside, others))
        found = predict_risk(sp.csr_matrix(members), np.ones(m, dtype=bool), n)
        predicted.append(found.auc)
    assert np.mean(predicted) == pytest.approx(np.mean(measured), abs=0.02)


def test_against_the_formula() -> None:
    """Independent statistics: m_eff is m / (1 + lambda), the bound Phi(sqrt(m_eff / 2n))."""
    random = np.random.default_rng(SEED)
    x = sp.csr_matrix((random.random((50_000, 80)) < 0.3).astype(float))
    found = predict_risk(x, np.ones(80, dtype=bool), 1000)
    assert found.m_eff == pytest.approx(80 / (1 + RIDGE), rel=0.01)
    assert found.bound == pytest.approx(norm.cdf(math.sqrt(found.m_eff / 2000)), abs=1e-9)
    assert found.auc == pytest.approx(found.bound, abs=0.002)
    assert found.advantage == pytest.approx(2 * found.auc - 1)
    assert (found.n_statistics, found.n_patients) == (80, 1000)


def test_what_says_the_same_twice_counts_once() -> None:
    random = np.random.default_rng(SEED)
    x = (random.random((5000, 20)) < 0.3).astype(float)
    once = predict_risk(sp.csr_matrix(x), np.ones(20, dtype=bool), 5000)
    twice = predict_risk(sp.csr_matrix(np.hstack([x, 1 - x])), np.ones(40, dtype=bool), 5000)
    assert twice.m_eff == pytest.approx(once.m_eff, rel=0.02)
    constant = np.hstack([x, np.ones((5000, 3))])
    more = predict_risk(sp.csr_matrix(constant), np.ones(23, dtype=bool), 5000)
    assert more.auc == pytest.approx(once.auc, abs=1e-9)


def test_nothing_printed_is_no_risk() -> None:
    x = sp.csr_matrix(np.eye(30))
    nothing = predict_risk(x, np.zeros(30, dtype=bool), 30)
    assert (nothing.auc, nothing.m_eff, nothing.n_statistics) == (0.5, 0.0, 0)


@hypothesis_settings(max_examples=30)
@given(n=st.integers(5, 60), m=st.integers(1, 20), keep=st.integers(0, 20), seed=st.integers(0, 99))
def test_more_statistics_more_risk_and_more_patients_less(
    n: int, m: int, keep: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    x = sp.csr_matrix((random.random((n, m)) < random.random(m)).astype(float))
    fewer = np.arange(m) < keep
    found = Correlation.of(x)
    some, everything = found.risk(fewer), found.risk(np.ones(m, dtype=bool))
    assert 0.5 <= some.auc <= some.bound <= 1
    assert some.m_eff <= everything.m_eff + 1e-6
    assert 0 <= everything.m_eff <= m
    larger = replace(found, n=10 * n).risk(np.ones(m, dtype=bool))
    assert larger.auc <= everything.auc
    assert larger.m_eff == pytest.approx(everything.m_eff)


def test_leverages_add_up_to_the_effective_number() -> None:
    random = np.random.default_rng(SEED)
    x = _records(3000, 25, random)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    s = np.corrcoef(x.T)
    h = leverages(s, x)
    direct = np.einsum("ij,ij->i", x @ np.linalg.inv(s + RIDGE * np.eye(25)), x)
    assert np.allclose(h, direct)
    assert h.mean() == pytest.approx(effective_number(s), rel=1e-6)


# -- each patient's part in each cell ------------------------------------------------------

FORM = Form(
    {"sex": ("F", "M"), "died": ("no", "yes")},
    {"age": (0, 40, 100)},
    {"dx": ("a", "b", "c")},
    (("died", "dx"), ("sex", "age"), ("dx", "dx")),
)


def _hospital() -> tuple[Measurement, Statistics]:
    people: list[Kind] = [
        ({"sex": s, "died": d, "age": a, "dx": tuple(c)}, 12 + 5 * k, 4 + k)
        for k, (s, d, a, c) in enumerate(
            [("F", "no", 30, "ab"), ("M", "no", 50, "a"), ("F", "yes", 70, "bc"),
             ("M", "yes", 20, ""), ("F", "no", 60, "abc"), ("M", "no", 80, "cz")]
        )
    ]  # fmt: skip
    rows = cohort(FORM, people)
    exact = measure([rows], FORM.profile("stay"))
    return exact, statistics_of([rows], exact.profile, exact.patients, 5)


def test_parts_of_patients_add_up_to_the_counts() -> None:
    exact, statistics = _hospital()
    assert statistics.values.shape[0] == exact.profile.n_patients
    total = np.asarray(statistics.values.sum(axis=0)).ravel()
    assert np.array_equal(total, statistics.counts)
    for i, slot in enumerate(statistics.slots):
        mine = statistics.slot == i
        flat = printed(exact.profile, slot).ravel()
        assert np.array_equal(flat[statistics.cell[mine]], statistics.counts[mine])
        people = np.asarray((statistics.values[:, mine] > 0).sum(axis=0)).ravel()
        behind = printed(exact.patients, slot).ravel()[statistics.cell[mine]]
        assert np.array_equal(people, behind) and (behind >= 5).all()
    assert statistics.n_dropped == 0


def test_which_columns_a_profile_prints() -> None:
    exact, statistics = _hospital()
    everything = {slot: ~np.isnan(printed(exact.profile, slot)) for slot in slots(exact.profile)}
    assert statistics.where(everything).all()
    assert not statistics.where({}).any()
    only = statistics.where({Slot("variable", 0): np.array([True, False])})
    assert only.sum() == 1


# -- the budget ----------------------------------------------------------------------------


def _auc_of(tables: bool) -> float:
    _, statistics = _hospital()
    is_table = np.array([statistics.slots[s].place == "table" for s in statistics.slot])
    return Correlation.of(statistics.values).risk(~is_table | tables).auc


def test_a_budget_takes_the_most_useful_first() -> None:
    exact, statistics = _hospital()
    outcome = replace(exact.profile.variables[1], role="outcome", concept="in_hospital_death")
    profile = replace(
        exact.profile,
        variables=(exact.profile.variables[0], outcome, *exact.profile.variables[2:]),
    )
    order = sorted(range(3), key=lambda i: usefulness(profile, i))
    assert [profile.tables[i].name for i in order] == ["died x dx", "sex x age", "dx x dx"]
    free = fit_budget(profile, statistics, Settings(threshold=5))
    assert free.fits and not free.withheld and not free.left_out
    assert free.risk.auc == pytest.approx(_auc_of(True))
    tight = Settings(threshold=5, max_membership_auc=_auc_of(False) + 1e-6)
    plan = fit_budget(profile, statistics, tight)
    assert plan.fits and plan.risk.auc <= tight.max_membership_auc
    assert [step.table for step in plan.steps] == ["died x dx", "sex x age", "dx x dx"]
    for step in plan.steps:
        assert step.taken == (step.risk.auc <= tight.max_membership_auc) or step.table == "dx x dx"
    assert len(plan.left_out) == len(plan.withheld) > 0
    assert all("predicted membership AUC" in line for line in plan.left_out)


def test_margins_that_do_not_fit_say_so() -> None:
    exact, statistics = _hospital()
    plan = fit_budget(exact.profile, statistics, Settings(threshold=5, max_membership_auc=0.501))
    assert not plan.fits and plan.risk.auc > 0.501
    assert codes_that_fit(exact.profile, statistics, 0.501) == 0
    assert codes_that_fit(exact.profile, statistics, 0.999) >= 3


# -- noise ---------------------------------------------------------------------------------


def test_noise_lowers_the_prediction_to_what_a_noise_aware_attack_reaches() -> None:
    random = np.random.default_rng(SEED)
    n, m, sigma = 400, 60, 12.0
    measured, predicted = [], []
    everything = np.ones(m, dtype=bool)
    for _ in range(6):
        members, outside = _records(n, m, random), _records(n, m, random)
        others = _records(20_000, m, random)
        q, spread = others.mean(axis=0), others.std(axis=0)
        p = members.mean(axis=0) + random.normal(0, sigma / n, m)
        ridge = RIDGE + sigma**2 / (n * spread**2)
        aim = np.linalg.solve(np.corrcoef(others.T) + np.diag(ridge), (p - q) / spread)
        inside, out = (((x - q) / spread) @ aim for x in (members, outside))
        measured.append(float((out[None, :] < inside[:, None]).mean()))
        x = sp.csr_matrix(members)
        noisy = predict_risk(x, everything, n, noise=np.full(m, sigma))
        predicted.append(noisy.auc)
        plain = predict_risk(x, everything, n)
        assert noisy.auc < plain.auc - 0.03 and noisy.m_eff < plain.m_eff
        silent = predict_risk(x, everything, n, noise=np.zeros(m))
        assert silent.auc == pytest.approx(plain.auc)
    assert np.mean(predicted) == pytest.approx(np.mean(measured), abs=0.02)
