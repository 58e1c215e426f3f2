"""Attacks on averages: formulas by hand, planted releases, prediction, broken attacks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from attack_worlds import N_CODES, form, people, release_of, world
from scipy.special import ndtr

from llmsyn.disclosure.risk import RIDGE
from llmsyn.evaluation.attacks.aggregates import (
    People,
    attack,
    covariance_release,
    covariance_synthetic,
    likelihood_release,
    likelihood_synthetic,
    scores_of,
)
from llmsyn.evaluation.attacks.cells import cells_of, says_main
from llmsyn.evaluation.attacks.scoring import Known, covariance_score, folds_of, likelihood_score
from llmsyn.evaluation.attacks.shadow import Rehearsal, rehearse, shadow_releases

SEED = 4
ATTACKS = (likelihood_release, covariance_release, likelihood_synthetic, covariance_synthetic)


def test_cells_count_what_the_release_prints() -> None:
    """Summed over the members, every printed cell is the printed count."""
    members = people(200, np.random.default_rng(SEED))
    profile = release_of(members, pairs=True)
    cells = cells_of(profile)
    total = np.asarray(cells.of(members).sum(axis=0)).ravel()
    assert total / 200 == pytest.approx(cells.released)
    assert cells.made(members) == pytest.approx(cells.released)
    has = members.codes["diagnoses"].toarray()
    pair = float((has[:, 0] * has[:, 1]).sum())
    assert profile.tables[1].counts[0, 1] == pair
    dead = members.levels["died"] == 1
    assert profile.tables[0].counts[1, 2] == has[dead, 2].sum()
    assert cells.is_margin.sum() == 2 + 4 + 6 + N_CODES + 2  # sex, ethnicity, age, codes, died


def test_without_main_codes_their_cells_are_left_out() -> None:
    members = people(100, np.random.default_rng(SEED))
    silent = replace(members, main={})
    profile = release_of(members)
    assert says_main(members, profile) and not says_main(silent, profile)
    assert len(cells_of(profile, main=False)) < len(cells_of(profile))
    assert len(cells_of(profile, tables=False)) < len(cells_of(profile))


def _population(n: int, m: int, random: np.random.Generator) -> sp.csr_matrix:
    burden = random.gamma(3, 1 / 3, n)[:, None]
    return sp.csr_matrix(
        (random.random((n, m)) < np.geomspace(0.4, 0.05, m) * burden).astype(float)
    )


def test_the_likelihood_ratio_by_hand() -> None:
    """Two people, three cells, cell by cell."""
    known = Known(_population(50, 3, np.random.default_rng(SEED)))
    x = sp.csr_matrix(np.array([[1.0, 0, 1], [0, 0, 0]]))
    p = np.array([0.5, 0.2, 0.1])
    found = likelihood_score(known, x, np.ones(2), p, 40, 1.0)
    p_, q_ = (40 * p + 0.5) / 41, (50 * known.q + 0.5) / 51
    slow = [
        sum(
            np.log(p_[j] / q_[j]) if row[j] else np.log((1 - p_[j]) / (1 - q_[j])) for j in range(3)
        )
        for row in x.toarray()
    ]
    assert found == pytest.approx(slow)


def test_the_covariance_score_by_its_formula() -> None:
    random = np.random.default_rng(SEED)
    known, x = Known(_population(400, 12, random)), _population(5, 12, random)
    p = random.uniform(0.05, 0.5, 12)
    leverage = known.leverage(x)
    matrix = np.corrcoef(known.values.toarray().T) + RIDGE * np.eye(12)
    spread = known.values.toarray().std(axis=0)
    rows = (x.toarray() - known.q) / spread
    slow = rows @ np.linalg.solve(matrix, (p - known.q) / spread)
    h = np.einsum("ij,ij->i", rows @ np.linalg.inv(matrix), rows)
    assert leverage == pytest.approx(h)
    assert covariance_score(known, x, leverage, p, 70) == pytest.approx(slow - h / 140)


def test_the_attack_reaches_what_theory_says() -> None:
    """Forty independent cells, n = 200: Phi(sqrt(40 / 400)) = 0.624."""
    random, n, m = np.random.default_rng(SEED), 200, 40
    prevalence = np.full(m, 0.3)
    members, outside, others = (
        sp.csr_matrix((random.random((k, m)) < prevalence).astype(float)) for k in (n, 4000, 20_000)
    )
    known = Known(others)
    p = np.asarray(members.mean(axis=0)).ravel()
    t = [covariance_score(known, x, known.leverage(x), p, n) for x in (members, outside)]
    reached = float((t[0][:, None] > t[1]).mean())
    assert reached == pytest.approx(ndtr(np.sqrt(m / (2 * n))), abs=0.04)


@pytest.mark.parametrize("run", ATTACKS)
def test_planted_releases_are_caught_the_more_the_smaller(run: object) -> None:
    found = run(world(n_members=400, n_holdout=600, pairs=True))  # type: ignore[operator]
    doses = [c for c in found.measures[0].controls if c.role == "positive control"]
    assert [c.dose for c in doses] == sorted(c.dose for c in doses)
    values = [c.score.value for c in doses]
    assert values[-1] > values[0] + 0.1 and values[-1] > 0.75
    (negative,) = (c for c in found.measures[0].controls if c.role == "negative control")
    assert negative.score.low <= 0.5 <= negative.score.high
    assert all(m.score.verdict != "undefined" for m in found.measures[:1])


def test_a_release_of_few_is_told_and_the_synthetic_set_of_others_is_not() -> None:
    evidence = world(n_members=120, n_holdout=1200, pairs=True, n_synthetic=3000)
    release, synthetic = (run(evidence).measures[0].score for run in
                          (covariance_release, covariance_synthetic))  # fmt: skip
    assert release.low > 0.6
    assert synthetic.low <= 0.5 <= synthetic.high


def test_the_prediction_is_near_the_measurement() -> None:
    """For an attacker who knows the population from the holdout."""
    measured, predicted = [], []
    for seed in range(4):
        evidence = world(n_members=150, n_holdout=2000, pairs=True, seed=seed)
        found = {m.key.rpartition(".")[2]: m.score for m in covariance_release(evidence).measures}
        measured.append(found["auc"].value)
        predicted.append(found["predicted_auc_here"].value)
        assert found["predicted_auc_here"].value < found["predicted_auc"].value
    assert np.mean(predicted) == pytest.approx(np.mean(measured), abs=0.04)


def test_a_broken_attack_is_not_measurable() -> None:
    random = np.random.default_rng(SEED)

    def shuffled(
        people: People, statistic: object, p: np.ndarray, n: float, per: float
    ) -> tuple[np.ndarray, np.ndarray]:
        both = np.concatenate(scores_of(people, statistic, p, n, per))  # type: ignore[arg-type]
        mixed = random.permutation(both)
        return mixed[: people.members.shape[0]], mixed[people.members.shape[0] :]

    evidence = world(n_members=100, n_holdout=1000, pairs=True)
    found = attack(evidence, "covariance", "release", scores=shuffled)
    assert all(m.score.verdict == "undefined" for m in found.measures)
    assert "NOT MEASURABLE" in found.measures[0].score.reason


def test_what_was_not_released_is_not_attacked() -> None:
    found = covariance_release(replace(world(), released=False))
    assert found.measures[0].score.verdict == "undefined"
    assert (
        shadow_releases(replace(world(), released=False)).measures[0].score.verdict == "undefined"
    )


def test_too_few_people_are_said_to_be_too_few() -> None:
    found = likelihood_release(world(n_members=6, n_holdout=6))
    assert found.measures[0].score.verdict == "undefined"


def test_stays_of_a_patient_count_together() -> None:
    """Patients with two stays each: records are sums, and cells are counted per patient."""
    members = people(200, np.random.default_rng(SEED))
    stays = replace(members, patient=np.repeat(np.arange(100), 2))
    profile = replace(release_of(members), unit="stay", n_patients=100.0, n_units=200.0)
    cells = cells_of(profile)
    x = cells.of(stays)
    assert x.shape[0] == 100 and x.max() == 2.0
    assert np.asarray(x.mean(axis=0)).ravel() == pytest.approx(cells.released)
    assert cells.made(stays) == pytest.approx(cells.released)


def test_folds_are_even() -> None:
    fold = folds_of(103, np.random.default_rng(SEED))
    assert sorted(np.bincount(fold).tolist()) == [25, 26, 26, 26]


# -- shadows -------------------------------------------------------------------------------


def test_shadows_tell_the_effective_number() -> None:
    """Thirty independent cells."""
    random = np.random.default_rng(SEED)
    records = sp.csr_matrix((random.random((900, 30)) < 0.3).astype(float))
    found = rehearse(records, random, 12)
    assert (found.n, found.n_known) == (300, 300)
    mean = float(found.areas.mean())
    assert found.effective(mean) == pytest.approx(30, rel=0.3)
    assert found.area_at(300, mean) == pytest.approx(ndtr(np.sqrt(30 / 600)), abs=0.03)
    assert found.outside.mean() == pytest.approx(0, abs=0.1)
    assert found.outside.std() == pytest.approx(1, abs=0.2)  # S of 300 people is rough


def test_a_guess_stands_for_no_statistics() -> None:
    found = Rehearsal(np.array([0.48]), np.zeros(3), 100, 100)
    assert found.effective(0.48) == 0 and found.area_at(1000, 0.48) == 0.5


def test_the_threshold_of_shadows_keeps_its_promise() -> None:
    found = shadow_releases(world(n_members=150, n_holdout=1500, pairs=True))
    said = {m.key.rpartition(".")[2]: m.score for m in found.measures}
    assert said["false_alarms"].value < 0.03
    assert said["found"].value > said["false_alarms"].value
    assert said["predicted_auc"].value > 0.6


def test_shadows_that_do_not_stand_for_the_release_are_not_measurable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A threshold that everybody passes."""
    monkeypatch.setattr("llmsyn.evaluation.attacks.shadow.FPR", 0.9)
    evidence = world(n_members=150, n_holdout=1500, pairs=True)
    fair = {m.key.rpartition(".")[2]: m.score for m in shadow_releases(evidence).measures}
    assert fair["found"].verdict != "undefined"
    monkeypatch.setattr("llmsyn.evaluation.attacks.shadow.in_deviations",
                        lambda t, h, n, known: (t[0] * 0, t[1] * 0 + (known > 900)))  # fmt: skip
    monkeypatch.setattr("llmsyn.evaluation.attacks.shadow.FPR", 0.01)
    off = {m.key.rpartition(".")[2]: m.score for m in shadow_releases(evidence).measures}
    assert off["found"].verdict == "undefined" and "false alarms" in off["found"].reason


def test_few_people_cast_no_shadow() -> None:
    assert shadow_releases(world(n_holdout=50)).measures[0].score.verdict == "undefined"
    assert form().name == "toy"
