"""k-anonymity counts and closest records, by hand and by double loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from attack_worlds import ETHNICITIES, N_CODES, form, people, world

from llmsyn.errors import InputError
from llmsyn.evaluation.attacks import ATTACKS, attack_of, run_attacks
from llmsyn.evaluation.attacks.closest import closer_share, closest_record
from llmsyn.evaluation.attacks.k_anonymity import grouping, groups, k_anonymity, violations
from llmsyn.evaluation.attacks.nearest import nearest_neighbour

SEED = 8


def test_groups_are_those_of_a_double_loop() -> None:
    sample = people(80, np.random.default_rng(SEED))
    sample = replace(sample, patient=np.repeat(np.arange(40), 2))  # two stays each
    by = grouping(form())
    assert by is not None and by.name == "ethnicity"
    has = sample.codes["diagnoses"].toarray() > 0
    slow = np.zeros((len(ETHNICITIES), N_CODES), int)
    for e in range(len(ETHNICITIES)):
        for c in range(N_CODES):
            mine = has[:, c] & (sample.levels["ethnicity"] == e)
            slow[e, c] = len(set(sample.patient[mine]))
    assert np.array_equal(groups(sample, form(), by), slow)
    assert violations(slow, 7) == sum(0 < n < 7 for n in slow.ravel())


def test_violations_of_equal_samples_are_alike_and_copies_show_them_all() -> None:
    found = {(m.key.rpartition(".")[2], m.of): m for m in k_anonymity(world(copied=1.0,
             n_synthetic=300)).measures}  # fmt: skip
    for k in ("k=7", "k=15"):
        counted = found["violations", k]
        assert counted.ceiling is not None and counted.score.value == counted.ceiling.value
        assert found["shown", k].score.value == 1.0
    fresh = {(m.key.rpartition(".")[2], m.of): m for m in k_anonymity(world()).measures}
    shown = fresh["shown", "k=7"]
    assert shown.ceiling is not None
    assert shown.score.low <= shown.ceiling.value <= shown.score.high


def test_without_ethnicity_there_are_no_groups() -> None:
    usual = world()
    bare = replace(
        usual.profile,
        variables=tuple(v for v in usual.profile.variables if v.name != "ethnicity"),
        tables=(),
    )
    assert k_anonymity(replace(usual, profile=bare)).measures[0].score.verdict == "undefined"


def test_who_is_closer_by_hand() -> None:
    found = closer_share(np.array([0.0, 3.0, 1.0]), np.array([1.0, 2.0, 1.0]))
    assert found.value == pytest.approx(0.5)


def test_copies_are_closer_to_members() -> None:
    found = [closest_record(world(copied=c)).measures[0].score for c in (0.0, 0.5, 1.0)]
    assert found[0].low <= 0.5 <= found[0].high
    assert found[0].value < found[1].value < found[2].value and found[1].low > 0.5
    assert all(f.verdict == "info" for f in found)


def test_copies_have_controls() -> None:
    measure = closest_record(world()).measures[-1]
    doses = [c.score.value for c in measure.controls if c.role == "positive control"]
    assert doses == sorted(doses) and doses[-1] > 0.9
    assert measure.controls[-1].score.low <= 0.5 <= measure.controls[-1].score.high


def test_distances_that_see_nothing_are_not_measurable(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(SEED)
    monkeypatch.setattr("llmsyn.evaluation.attacks.closest._share",
                        lambda near, far, confidence: closer(random, len(near)))  # fmt: skip
    found = closest_record(world(copied=1.0))
    assert all(m.score.verdict == "undefined" for m in found.measures)


def closer(random: np.random.Generator, n: int) -> object:
    from llmsyn.score import proportion

    return proportion("closer to members", int(random.binomial(n, 0.5)), n)


def test_few_people_are_said_to_be_few() -> None:
    assert closest_record(world(n_holdout=10)).measures[0].score.verdict == "undefined"


def test_every_attack_has_a_name_and_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMSYN_ANONYMETER", "/nowhere")
    found = run_attacks(replace(world(pairs=True), quick=True))
    assert len(found) == len(ATTACKS) == len({f.name for f in found})
    assert all(f.topic == "privacy" and f.measures and f.does_not_show for f in found)
    keys = {m.key for f in found for m in f.measures}
    assert all(key.startswith("privacy.") for key in keys)
    assert attack_of("nearest_neighbour") is nearest_neighbour
    with pytest.raises(InputError, match="there is no attack 'x'"):
        attack_of("x")
