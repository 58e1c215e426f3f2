"""Utility: predictions, learning curve, tasks, regression; and what must fail does."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from evaluation_toys import CODES, INFARCTION, evidence, people, profile_of, sample
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

from llmsyn.errors import InputError
from llmsyn.evaluation.equity import equity
from llmsyn.evaluation.equivalent import Curve, isotonic, read_off
from llmsyn.evaluation.groups import find_groups
from llmsyn.evaluation.learners import fit_few, fit_logistic
from llmsyn.evaluation.marks import judge, read_marks
from llmsyn.evaluation.predictions import Predictions, bootstrapped, patient_weights
from llmsyn.evaluation.regression import logistic, regression
from llmsyn.evaluation.tasks import feature_names, find_tasks
from llmsyn.evaluation.types import Findings, Measure
from llmsyn.evaluation.utility import utility

PROFILE = profile_of(1200, 1)
ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.1, 0.3, 0.3001, 0.5, 0.9]), st.integers(0, 3)),
    min_size=2, max_size=25,
)  # fmt: skip


def numbers(findings: Findings, key: str, of: str) -> Measure:
    (found,) = [m for m in findings.measures if m.key == key and m.of == of]
    return found


@given(ROWS)
def test_areas_are_those_of_scikit_learn(rows: list[tuple[int, float, int]]) -> None:
    y, p, w = (np.array(column) for column in zip(*rows))
    weight = w.astype(float)
    made = Predictions(y, p)
    both = (w * y).sum() > 0 and (w * (1 - y)).sum() > 0
    if both:
        assert made.auroc(weight) == pytest.approx(roc_auc_score(y, p, sample_weight=w))
        assert made.auprc(weight) == pytest.approx(average_precision_score(y, p, sample_weight=w))
    else:
        assert math.isnan(made.auroc(weight))


def test_calibration_finds_what_was_done_to_the_risks() -> None:
    random = np.random.default_rng(1)
    odds = random.normal(-1, 1.5, 20_000)
    y = (random.random(20_000) < 1 / (1 + np.exp(-odds))).astype(int)
    slope, large = Predictions(y, 1 / (1 + np.exp(-odds))).calibration()
    assert slope == pytest.approx(1, abs=0.06)
    assert large == pytest.approx(0, abs=0.06)
    too_extreme = Predictions(y, 1 / (1 + np.exp(-2 * odds))).calibration()
    assert too_extreme[0] == pytest.approx(0.5, abs=0.04)
    too_low = Predictions(y, 1 / (1 + np.exp(-(odds - 1)))).calibration()
    assert too_low[1] == pytest.approx(1, abs=0.06)


def test_calibration_of_one_class_is_not_defined() -> None:
    assert all(map(math.isnan, Predictions(np.zeros(5, int), np.full(5, 0.3)).calibration()))


def test_resamples_draw_whole_patients() -> None:
    patient = np.array([0, 0, 0, 1, 2])
    weights = patient_weights(patient, 50, np.random.default_rng(0))
    assert (weights[:, 0] == weights[:, 1]).all()
    per_patient = weights[:, [0, 3, 4]]
    assert (per_patient.sum(1) == 3).all()


def test_a_bootstrap_may_hold_infinite_values() -> None:
    values = iter([math.inf, *([math.inf] * 5 + [10.0] * 45)])
    found = bootstrapped(lambda w: {"n": next(values)}, np.ones((50, 2)))["n"]
    assert (found.value, found.low, found.high) == (math.inf, 10.0, math.inf)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_rising_fit_is_that_of_scikit_learn(values: list[float]) -> None:
    twin = IsotonicRegression().fit_transform(np.arange(len(values)), values)
    assert isotonic(values) == pytest.approx(twin)


@given(st.lists(st.floats(0.4, 0.9), min_size=2, max_size=8), st.floats(0.3, 1.0))
def test_reading_off_gives_the_area_back(heights: list[float], area: float) -> None:
    curve = Curve(np.geomspace(100, 10_000, len(heights)), np.array(heights))
    n = read_off(curve, area)
    rising = curve.rising
    if n == 0:
        assert area < rising[0]
    elif math.isinf(n):
        assert area > rising[-1]
    else:
        assert np.interp(np.log(n), np.log(curve.n), rising) == pytest.approx(area, abs=1e-6)


def test_regression_is_maximum_likelihood() -> None:
    random = np.random.default_rng(4)
    x = random.normal(size=(3000, 2))
    y = (random.random(3000) < 1 / (1 + np.exp(1 - x @ [1.0, -0.5]))).astype(int)
    fit = logistic(x, y)
    assert fit is not None
    twin = LogisticRegression(C=np.inf, tol=1e-10).fit(x, y)
    assert fit.beta == pytest.approx(twin.coef_[0], abs=1e-3)
    p = twin.predict_proba(x)[:, 1]
    whole = np.column_stack([np.ones(3000), x])
    errors = np.sqrt(np.diag(np.linalg.inv((whole * (p * (1 - p))[:, None]).T @ whole)))
    assert fit.error == pytest.approx(errors[1:], rel=1e-3)
    assert fit.covers(fit.beta + 1.9 * fit.error).all()
    assert not fit.covers(fit.beta + 2.0 * fit.error).any()


def test_ridge_regression_survives_empty_and_constant_columns() -> None:
    x = np.array([[1, np.nan, 5], [0, np.nan, 5], [1, np.nan, 5], [0, np.nan, 5]], np.float32)
    p = fit_logistic(x, np.array([1, 0, 1, 0]), c=1.0)(x)
    assert p[0] > 0.5 > p[1]


def test_few_rows_choose_a_learner() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(120, 4)).astype(np.float32)
    y = (x[:, 0] + random.normal(size=120) * 0.5 > 0).astype(int)
    predict, chosen = fit_few(x, y, seed=0)
    assert chosen["learner"] == "logistic"
    assert roc_auc_score(y, predict(x)) > 0.9


def test_tasks_are_found_and_proxies_are_not_features() -> None:
    tasks = {task.name: task for task in find_tasks(PROFILE)}
    assert list(tasks) == ["Died in hospital", "days", "acute myocardial infarction"]
    for task in tasks.values():
        names = {v.name for v in task.features}
        assert names == {"sex", "age", "race", "diagnoses", "drugs"}
    columns = people(80, 7)
    made = sample(columns, PROFILE)
    assert tasks["Died in hospital"].target(made).tolist() == columns["died"].tolist()
    long = tasks["days"]
    assert long.target(made).tolist() == (columns["days"] >= long.above).astype(int).tolist()
    assert long.above in (2, 4, 8)
    infarction = tasks["acute myocardial infarction"]
    expected = (columns["first"] == INFARCTION).astype(int)
    assert infarction.target(made).tolist() == expected.tolist()


def test_a_phenotype_cannot_be_read_off_its_own_code() -> None:
    (task,) = find_tasks(PROFILE, ("acute myocardial infarction",))
    names = task.feature_names()
    assert f"diagnoses {CODES[INFARCTION]}" not in names
    assert "diagnoses (number)" not in names
    assert "diagnoses 4280" in names
    x = task.matrix(sample(people(30, 1), PROFILE))
    assert x.shape == (30, len(names))
    assert len(feature_names(task.features)) == len(names) + 2


def test_a_main_diagnosis_may_be_asked_for_and_nonsense_is_refused() -> None:
    (task,) = find_tasks(PROFILE, ("main:428",))
    assert "4280" in task.about
    assert [t.name for t in find_tasks(PROFILE, ("died",))] == ["Died in hospital"]
    with pytest.raises(InputError, match="no task 'main:999'; this profile has Died in hospital"):
        find_tasks(PROFILE, ("main:999",))


@pytest.fixture(scope="module")
def good() -> Findings:
    """A third real sample in place of synthetic units."""
    return utility(evidence(1200), ("died",))[0]


def test_a_real_sample_is_as_good_as_the_members(good: Findings) -> None:
    tstr = numbers(good, "utility.tstr.auroc", "Died in hospital")
    assert tstr.ceiling is not None and tstr.floor is not None
    baseline = next(c.score for c in tstr.controls if c.role == "baseline")
    assert tstr.score.low < baseline.value < tstr.score.high
    assert tstr.ceiling.value > 0.75
    assert tstr.floor.value < tstr.score.low
    permuted = next(c.score for c in tstr.controls if c.role == "negative control")
    assert permuted.value < 0.65
    ratio = numbers(good, "utility.ratio", "Died in hospital")
    assert ratio.score.value == pytest.approx(1, abs=0.25)


def test_all_of_utility_is_measured(good: Findings) -> None:
    keys = {m.key for m in good.measures}
    assert {
        "utility.tstr.auroc", "utility.tstr.auprc", "utility.tstr.slope", "utility.ratio",
        "utility.tstr.intercept", "utility.augmentation", "utility.trts.auroc",
        "utility.equivalent_n", "utility.importance", "utility.regression.coverage",
        "utility.regression.bias",
    } <= keys  # fmt: skip
    assert all(not math.isnan(m.score.value) for m in good.measures), [
        str(m.score) for m in good.measures if math.isnan(m.score.value)
    ]
    worth = numbers(good, "utility.equivalent_n", "Died in hospital").score
    assert worth.value > 100


def test_a_permuted_target_fails() -> None:
    columns = people(1200, 3)
    random = np.random.default_rng(0)
    columns["died"] = random.permutation(columns["died"])
    found = utility(evidence(1200, columns), ("died",))[0]
    judged = judge(found.measures, read_marks("research"))
    verdicts = {j.measure.key: j.measure.score.verdict for j in judged}
    assert verdicts["utility.ratio"] == "fail"
    assert numbers(found, "utility.equivalent_n", "Died in hospital").score.value == 0


def test_a_task_with_too_few_outcomes_is_not_measured() -> None:
    columns = people(60, 2)
    given_ = evidence(1200)
    few = replace(given_, holdout=sample({**columns, "died": np.zeros(60, int)}, given_.profile))
    found = utility(few, ("died",))[0]
    score = numbers(found, "utility.tstr.auroc", "Died in hospital").score
    assert score.verdict == "undefined"
    assert "0 of the holdout are with the outcome" in score.reason


def test_one_answer_among_synthetic_units_is_nothing_to_learn_from() -> None:
    columns = people(1200, 3)
    columns["died"][:] = 0
    found = utility(evidence(1200, columns), ("died",))[0]
    score = numbers(found, "utility.tstr.auroc", "Died in hospital").score
    assert score.verdict == "undefined" and "single answer" in score.reason


def test_a_wrong_coefficient_is_not_covered() -> None:
    columns = people(1200, 3)
    columns["died"] = (columns["sex"] == 0).astype(int)
    flipped = np.random.default_rng(0).random(1200) < 0.2
    columns["died"][flipped] = 1 - columns["died"][flipped]
    tasks = find_tasks(PROFILE, ("died",))
    bad = {m.key: m.score.value for m in regression(evidence(1200, columns), tasks)}
    fair = {m.key: m.score.value for m in regression(evidence(1200), tasks)}
    assert bad["utility.regression.bias"] > 2 * fair["utility.regression.bias"]
    assert bad["utility.regression.coverage"] < fair["utility.regression.coverage"]


def test_groups_by_sex_age_and_ethnicity() -> None:
    names = [(g.variable.name, g.name) for g in find_groups(PROFILE)]
    assert ("sex", "F") in names and ("race", "black") in names and ("age", "80 and over") in names
    columns = people(100, 1)
    made = sample(columns, PROFILE)
    young = next(g for g in find_groups(PROFILE) if g.name == "18 to 44")
    expected = (columns["age"] >= 18) & (columns["age"] < 45)
    assert young.mask(made).tolist() == expected.tolist()


def test_what_is_wrong_for_one_group_shows_in_the_gap() -> None:
    columns = people(1200, 3)
    black = columns["race"] == 1
    columns["has"][black] = np.random.default_rng(1).random((int(black.sum()), 8)) < 0.5
    bad = equity(evidence(1200, columns), ())
    gap = numbers(bad, "equity.fidelity_gap", "race").score
    assert gap.low > 0.05
    assert "worst black" in gap.reason
    fair = numbers(equity(evidence(1200), ()), "equity.fidelity_gap", "race").score
    assert fair.low < 0.02
