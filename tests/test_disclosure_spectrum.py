"""The population's effective number from a sample: against populations that are known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import ndtr

from llmsyn.disclosure.risk import RIDGE, predict_risk
from llmsyn.disclosure.spectrum import population_number, population_ridge

SEED = 11


def _population(m: int, random: np.random.Generator) -> tuple[np.ndarray, float]:
    """A factor that makes records of correlation S, and the trace of S (S + ridge)^-1."""
    spectrum = np.geomspace(20.0, 0.02, m)
    turn, _ = np.linalg.qr(random.standard_normal((m, m)))
    covariance = (turn * spectrum) @ turn.T
    spread = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(spread, spread)
    true = float(np.trace(np.linalg.solve(correlation + RIDGE * np.eye(m), correlation)))
    return np.linalg.cholesky(correlation), true


def _gram(factor: np.ndarray, n: int, random: np.random.Generator) -> np.ndarray:
    x = random.standard_normal((n, len(factor))) @ factor.T
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    return np.linalg.eigvalsh(x @ x.T / n)


@pytest.mark.parametrize(("n", "m", "within"), [(300, 30, 0.02), (300, 150, 0.02), (300, 450, 0.15),
                                                (150, 450, 0.25)])  # fmt: skip
def test_the_population_is_found_where_the_sample_fits_itself(
    n: int, m: int, within: float
) -> None:
    random = np.random.default_rng(SEED)
    factor, true = _population(m, random)
    g = _gram(factor, n, random)
    found = population_number(g, n, m, RIDGE)
    of_sample = float((g / (g + RIDGE)).sum())
    assert found == pytest.approx(true, rel=within)
    assert abs(found - true) <= abs(of_sample - true) + 0.01 * true
    assert found <= m


def test_either_side_gives_the_same_number() -> None:
    random = np.random.default_rng(SEED)
    x = (random.random((80, 40)) < 0.3).astype(float)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    one = population_number(np.linalg.eigvalsh(x.T @ x / 80), 80, 40, RIDGE)
    other = population_number(np.linalg.eigvalsh(x @ x.T / 80), 80, 40, RIDGE)
    assert one == pytest.approx(other, rel=1e-6)


def test_a_ridge_on_the_sample_stands_for_a_larger_one() -> None:
    """By hand: eigenvalues 1, 1, 0, 0 and l = 1 give 1/kappa = (1/2 + 1/2 + 1 + 1) / 4."""
    g = np.array([1.0, 1.0, 0.0, 0.0])
    assert population_ridge(g, 1.0) == pytest.approx(4 / 3)
    values = [population_ridge(g, ridge) for ridge in (0.01, 0.1, 1.0, 10.0)]
    assert values == sorted(values) and values[0] > 0.01


def test_many_patients_leave_the_sample_as_it_is() -> None:
    random = np.random.default_rng(SEED)
    x = (random.random((20_000, 30)) < 0.3).astype(float)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    g = np.linalg.eigvalsh(x.T @ x / len(x))
    assert population_number(g, len(x), 30, RIDGE) == pytest.approx(
        float((g / (g + RIDGE)).sum()), rel=1e-3
    )


@pytest.mark.parametrize("n", [2, 3, 5])
def test_a_handful_of_records_gives_a_number(n: int) -> None:
    found = population_number(np.linspace(0.5, 2.0, n), n, 4, RIDGE)
    assert 0 < found <= 4


def test_the_prediction_passes_the_limit_of_the_sample() -> None:
    """From n statistics on, the sample's own number is stuck at n: AUC .76, whatever is printed.

    The attack is written out here, with S known: independent statistics.
    """
    n, m = 200, 600
    random = np.random.default_rng(SEED)
    frequency = random.uniform(0.2, 0.8, m)
    measured, predicted = [], []
    for _ in range(3):
        members, outside = (random.random((n, m)) < frequency for _ in range(2))
        spread = np.sqrt(frequency * (1 - frequency))
        aim = (members.mean(axis=0) - frequency) / spread
        t = [((x - frequency) / spread) @ aim for x in (members, outside)]
        measured.append(float((t[0][:, None] > t[1]).mean()))
        found = predict_risk(sp.csr_matrix(members.astype(float)), np.ones(m, dtype=bool), n)
        predicted.append(found.auc)
    assert np.mean(measured) > 0.85 > ndtr(np.sqrt(0.5))
    assert np.mean(predicted) == pytest.approx(np.mean(measured), abs=0.03)


def test_the_two_ways_to_the_number_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few statistics a patient: the fixed point without eigenvalues is the root."""
    random = np.random.default_rng(SEED)
    x = sp.csr_matrix((random.random((400, 60)) < 0.3).astype(float))
    by_root = predict_risk(x, np.ones(60, dtype=bool), 400)
    monkeypatch.setattr("llmsyn.disclosure.risk._MANY", 10)
    by_steps = predict_risk(x, np.ones(60, dtype=bool), 400)
    assert by_steps.m_eff == pytest.approx(by_root.m_eff, rel=0.01)
