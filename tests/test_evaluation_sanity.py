"""Sanity: real units pass, what is broken fails, and what cannot be compared is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_toys import (
    CODES,
    DELIVERY,
    cohort,
    evidence,
    good_report,
    people,
    profile_of,
    sample,
)

from llmsyn.checking import count_violations, rules_of
from llmsyn.errors import CohortError, InputError
from llmsyn.evaluation.attacks.nearest import nearest_neighbour
from llmsyn.evaluation.columns import columns_of
from llmsyn.evaluation.cost import cost
from llmsyn.evaluation.coverage import rare_code_coverage
from llmsyn.evaluation.duplicates import duplicates
from llmsyn.evaluation.fidelity import fidelity
from llmsyn.evaluation.independent import draw_independent
from llmsyn.evaluation.marks import judge, read_marks
from llmsyn.evaluation.page import summary
from llmsyn.evaluation.plausibility import plausibility
from llmsyn.evaluation.reading import gather
from llmsyn.evaluation.types import Evidence, Findings, Report
from llmsyn.knowledge.loading import load_base
from llmsyn.knowledge.rules import impossibles

N = 900


@pytest.fixture(scope="module")
def report() -> Report:
    return good_report(N)


def verdicts(findings: Findings, preset: str = "release") -> dict[tuple[str, str], str]:
    judged = judge(findings.measures, read_marks(preset))
    return {(j.measure.key, j.measure.of): j.measure.score.verdict for j in judged}


def test_real_against_real_is_not_told_apart_and_misses_no_mark(report: Report) -> None:
    for which in ("codes", "all"):
        (found,) = report.of(f"fidelity.discriminator.{which}")
        assert found.ceiling is not None and found.floor is not None
        assert found.score.low <= 0.5 <= found.score.high
        assert found.floor.low > 0.5
    assert report.failed == ()
    assert report.passed


def test_every_measure_of_the_protocol_is_there(report: Report) -> None:
    keys = {m.key for m in report.measures}
    assert {
        "fidelity.variable", "fidelity.dimension_wise.r2", "fidelity.dimension_wise.largest",
        "fidelity.codes_per_unit", "fidelity.pairs.correlation", "fidelity.pairs.sign",
        "fidelity.mmd", "fidelity.rare_codes", "fidelity.sdmetrics.shapes",
        "fidelity.sdmetrics.pair_trends", "privacy.duplicates.exact", "privacy.duplicates.near",
        "plausibility.impossible", "equity.fidelity", "equity.fidelity_gap", "equity.utility",
        "equity.utility_gap", "equity.augmentation", "cost.seconds",
    } <= keys  # fmt: skip
    assert next(row.topic for row in summary(report)) == "privacy"


def test_independent_marginals_miss_the_marks_of_research() -> None:
    given = evidence(N)
    alone = draw_independent(given.profile, N, np.random.default_rng(5))
    found = verdicts(fidelity(replace(given, synthetic=alone)), "research")
    assert found["fidelity.discriminator.codes", ""] == "fail"
    assert found["fidelity.pairs.correlation", ""] == "fail"


def test_copied_members_fail_on_privacy() -> None:
    given = evidence(N)
    found = verdicts(duplicates(replace(given, synthetic=given.members)))
    assert found["privacy.duplicates.exact", ""] == "fail"
    one_in_ten = people(N, 3)
    for name, column in people(N, 1).items():
        one_in_ten[name][: N // 10] = column[: N // 10]
    made = replace(given, synthetic=sample(one_in_ten, given.profile))
    assert verdicts(duplicates(made))["privacy.duplicates.exact", ""] == "fail"
    assert verdicts(duplicates(given))["privacy.duplicates.exact", ""] != "fail"


def test_copied_members_are_found_by_the_nearest_neighbour() -> None:
    given = evidence(N)
    found = nearest_neighbour(replace(given, synthetic=given.members))
    (area,) = [m for m in found.measures if m.key == "privacy.nearest_neighbour.auc"]
    assert area.score.value > 0.9
    assert verdicts(found)[area.key, area.of] == "fail"
    assert verdicts(nearest_neighbour(given))[area.key, area.of] == "pass"


def test_male_pregnancies_fail_on_plausibility() -> None:
    columns = people(N, 3)
    men = np.flatnonzero(columns["sex"] == 1)[: N // 100]
    columns["has"][men, DELIVERY] = True
    found = plausibility(evidence(N, columns))
    (planted,) = [m for m in found.measures if m.of.startswith("sex edit")]
    assert planted.score.value == pytest.approx(len(men) / N)
    assert planted.ceiling is not None and planted.ceiling.value == 0
    assert verdicts(found)[planted.key, planted.of] == "fail"
    assert any("diagnoses=650" in note for note in found.notes)
    fair = verdicts(plausibility(evidence(N)))
    assert set(fair.values()) == {"pass"}


def test_impossible_units_are_those_that_check_counts() -> None:
    columns = people(300, 8)
    columns["has"][:, DELIVERY] |= np.random.default_rng(1).random(300) < 0.2
    columns["home"][columns["died"] == 1] = 1
    profile = profile_of(N, 1)
    rules = (*impossibles(profile, load_base()), *rules_of(profile))
    counts = count_violations([cohort(columns)], rules)
    for rule in rules:
        found = plausibility(evidence(N, columns), [rule])
        assert found.measures[0].score.value * 300 == pytest.approx(counts[rule]), rule


def test_codes_that_are_never_drawn_are_not_covered() -> None:
    columns = people(N, 3)
    columns["has"][:, 6:] = False
    given = evidence(N, columns)
    holdout = people(N, 2)
    rare = holdout["has"].copy()
    rare[:, 6:] &= np.arange(N)[:, None] < 8  # below 1%
    given = replace(given, holdout=sample({**holdout, "has": rare}, given.profile))
    (found,) = rare_code_coverage(
        given, draw_independent(given.profile, N, np.random.default_rng(0))
    )
    assert found.score.value == 0
    assert found.ceiling is not None and found.ceiling.value == 1


def test_a_patient_in_both_is_refused() -> None:
    with pytest.raises(CohortError, match="10 patients are both among the members"):
        gather(
            cohort(people(50, 3)), members=cohort(people(50, 1)),
            holdout=cohort(people(50, 2), 40), profile=profile_of(N, 1),
        )  # fmt: skip


def test_a_split_is_by_patient_and_the_rest_is_the_holdout() -> None:
    found = gather(
        cohort(people(100, 3)), members=cohort(people(200, 1)), profile=profile_of(N, 1), seed=4
    )
    assert len(found.members) + len(found.holdout) == 200
    assert 110 < len(found.members) < 170


def test_too_few_units_are_refused() -> None:
    with pytest.raises(CohortError, match="the holdout sample has 5 units"):
        gather(
            cohort(people(50, 3)), members=cohort(people(50, 1)),
            holdout=cohort(people(5, 2), 900), profile=profile_of(N, 1),
        )  # fmt: skip


def test_without_any_profile_one_is_asked_for() -> None:
    with pytest.raises(InputError, match="name one with --profile"):
        gather(
            cohort(people(50, 3)), members=cohort(people(50, 1)), holdout=cohort(people(50, 2), 90)
        )


def test_streams_are_named() -> None:
    given: Evidence = evidence(N)
    assert given.random("a").random() == given.random("a").random()
    assert given.random("a").random() != given.random("b").random()


def test_cost_is_what_the_run_wrote_down(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    sent = {"event": "sent", "id": "1", "time": "t", "service": "llm", "endpoint": "e",
            "attempt": 1, "left": {}, "digest": "d", "bytes_out": 5}  # fmt: skip
    answered = {"event": "answered", "id": "1", "status": 200, "bytes_in": 9, "seconds": 1.0,
                "problem": "", "detail": {"prompt_tokens": 30, "completion_tokens": 12,
                                          "usd": 0.25}}  # fmt: skip
    ledger.write_text(f"{json.dumps(sent)}\n{json.dumps(answered)}\n")
    run = {"compile_seconds": 2.0, "draw_seconds": 0.5, "machine": "x86_64", "python": "3.11",
           "workers": 2, "peak_bytes": 3 << 29}  # fmt: skip
    found = cost(evidence(N, run=run), ledger)
    values = {m.key: m.score.value for m in found.measures}
    assert values == {"cost.seconds": 2.5, "cost.units_per_second": N / 0.5, "cost.requests": 1,
                      "cost.peak_gib": 1.5, "cost.tokens": 42, "cost.usd": 0.25}  # fmt: skip
    assert any("sum over all processes" in note for note in found.notes)
    assert cost(evidence(N)).measures[0].score.verdict == "undefined"


def test_columns_are_named() -> None:
    assert ("diagnoses", CODES[0]) in columns_of(profile_of(N, 1)).names
