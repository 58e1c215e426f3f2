"""Baselines of the benchmarks, on a profile that is small enough to work out by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

from copula import bivariate_normal, draw_copula, fit_copula, positive_definite
from profile_score import profile_score

from llmsyn.evaluation.independent import draw_independent
from llmsyn.evaluation.samples import Sample, feature_matrix, level_shares, outcome_of
from llmsyn.knowledge.types import Association
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.terms import Range, Term
from llmsyn.profile.types import Disclosure, Profile
from llmsyn.profile.variables import Categorical, CodeSet, Numeric

NAN = float("nan")
SEX = Categorical("sex", "first", ("female", "male"), np.array([500.0, 500.0]))
AGE = Numeric(
    "age",
    "first",
    "years",
    0,
    np.array([0.0, 50, 100]),
    np.array([300.0, 600.0]),
    missing_count=100.0,
)
DIED = Categorical(
    "died", "last", ("no", "yes"), np.array([800.0, 200.0]), role="outcome",
    concept="in_hospital_death", means={"yes": "yes", "no": "no"},
)  # fmt: skip
CODES = CodeSet(
    "diagnoses", "codes", ("local",), ("A", "B", "C"), np.array([200.0, 100.0, NAN]),
    unlisted=np.array([500.0, 500.0]),
)  # fmt: skip
DIED_AXIS = Axis("died", ("no", "yes"))
TABLES = (
    Table((DIED_AXIS, Axis("diagnoses", ("A", "B"))), np.array([[100.0, 80], [100, 20]])),
    Table((Axis("sex", ("female", "male")), DIED_AXIS), np.array([[450.0, 50], [350, 150]])),
    Table(
        (Axis("diagnoses", ("A", "B")), Axis("diagnoses", ("A", "B"))),
        np.array([[NAN, 60], [60, NAN]]),
    ),
)
PROFILE = Profile(
    "toy", "patient", 1000, 1000, ("first", "codes", "last"), (SEX, AGE, DIED, CODES), TABLES,
    disclosure=Disclosure("suppression", threshold=11),
)  # fmt: skip


def test_independent_units_have_the_margins_and_nothing_else() -> None:
    drawn = draw_independent(PROFILE, 40_000, np.random.default_rng(1))
    has = drawn.codes["diagnoses"].toarray()
    assert has.mean(0) == pytest.approx([0.2, 0.1, 0.0], abs=0.01)
    assert (has[:, 0] * has[:, 1]).mean() == pytest.approx(0.02, abs=0.004)
    assert np.bincount(drawn.levels["age"]) / 40_000 == pytest.approx([0.3, 0.6, 0.1], abs=0.01)
    assert np.isnan(drawn.values["age"]).mean() == pytest.approx(0.1, abs=0.01)
    assert drawn.unlisted["diagnoses"].mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("rho", [-0.95, -0.4, 0.0, 0.7, 0.95])
def test_bivariate_normal_agrees_with_scipy(rho: float) -> None:
    points = np.array([[-1.5, 0.3], [0.0, 0.0], [1.2, -2.0], [8.0, 0.5]])
    exact = stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]])
    found = bivariate_normal(points[:, 0], points[:, 1], np.full(4, rho))
    assert found == pytest.approx([exact.cdf(p) for p in points], abs=2e-5)


def test_copula_has_the_margins_and_the_published_pair() -> None:
    made = fit_copula(PROFILE, "died")
    drawn = draw_copula(made, 60_000, np.random.default_rng(2))
    has, died = drawn.codes["diagnoses"].toarray(), outcome_of(drawn, DIED)
    assert has.mean(0) == pytest.approx([0.2, 0.1, 0.0], abs=0.01)
    assert (has[:, 0] * has[:, 1]).mean() == pytest.approx(0.06, abs=0.006)
    assert died[has[:, 0] == 1].mean() == pytest.approx(0.5, abs=0.04)
    assert died[drawn.levels["sex"] == 1].mean() == pytest.approx(0.3, abs=0.03)
    # died and A, died and B, died and sex, A and B
    assert made.n_fitted == 4


def test_positive_definite_keeps_what_is_already() -> None:
    good = np.array([[1.0, 0.5], [0.5, 1.0]])
    assert positive_definite(good) == pytest.approx(good)
    bad = np.array([[1.0, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    found = positive_definite(bad)
    assert np.linalg.eigvalsh(found).min() > 0
    assert np.diag(found) == pytest.approx(np.ones(3))


def _score(associations: list[Association], tables: tuple[Table, ...]) -> tuple[float, ...]:
    made = profile_score(
        PROFILE, DIED, [SEX, AGE, CODES], associations, lambda a: float(a.effect), tables
    )
    return made.levels["sex"][1], made.levels["age"][1], made.codes["diagnoses"][0]


def test_score_adds_log_odds_of_published_tables() -> None:
    sex, age, code = _score([], TABLES)
    assert sex == pytest.approx(np.log((150.5 / 350.5) / (200 / 800)))
    assert age == 0
    assert code == pytest.approx(np.log((100.5 / 100.5) / (100.5 / 700.5)))


def test_knowledge_speaks_where_no_table_does() -> None:
    said = [
        Association((Term("age", Range(50, float("inf"))),), Term("died", "yes"), 0.7),
        Association((Term("sex", "male"),), Term("died", "yes"), 9.0),
        Association((Term("diagnoses", "A"),), Term("sex", "male"), 9.0),
        Association((Term("diagnoses", "A"),), Term("died", "no"), 9.0),
    ]
    sex, age, code = _score(said, TABLES[1:2])
    assert sex == pytest.approx(np.log((150.5 / 350.5) / (200 / 800)))
    assert age == 0.7
    assert code == 0


def test_features_of_units() -> None:
    drawn = draw_independent(PROFILE, 50, np.random.default_rng(1))
    plain = feature_matrix(drawn, [SEX, AGE, CODES])
    assert plain.shape == (50, 2 + 1 + 3 + 1)
    assert (plain[:, :2].sum(1) == 1).all()
    assert (plain[:, 6] == plain[:, 3:6].sum(1)).all()
    assert (
        feature_matrix(drawn, [CODES], unlisted=True)[:, 4].tolist()
        == drawn.unlisted["diagnoses"].tolist()
    )
    coarse = feature_matrix(drawn, [AGE], coarse=True)[:, 0]
    assert set(coarse[~np.isnan(coarse)]) == {0.0, 1.0}
    assert np.isnan(coarse).tolist() == np.isnan(drawn.values["age"]).tolist()


def test_taking_units_keeps_them_whole() -> None:
    drawn: Sample = draw_independent(PROFILE, 30, np.random.default_rng(1))
    rows = np.array([7, 3])
    taken = drawn.take(rows)
    assert len(taken) == 2
    assert taken.patient.tolist() == [7, 3]
    assert (taken.codes["diagnoses"].toarray() == drawn.codes["diagnoses"].toarray()[rows]).all()


def test_suppressed_levels_do_not_make_shares_negative() -> None:
    shares = level_shares(Categorical("a", "s", ("x", "y"), np.array([10.0, NAN])))
    assert shares.tolist() == [1.0, 0.0]
