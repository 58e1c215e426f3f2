"""Claims, their comparison between two runs, and what the bench collects; no rows."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import bench
import result_files
from bench_collected import GOALS, collected
from bench_collected import SET as COLLECTED
from claims import Claim, of_json, of_score, way
from drift import compare, drifts

from llmsyn.errors import CheckFailed
from llmsyn.score import Score, undefined


def result(*claims: Claim, **changed: Any) -> dict[str, Any]:
    """A result as bench.py writes it, read back from JSON."""
    made = {
        "versions": {"numpy": "2"}, "python": "3.11.7",
        "machine": {"architecture": "x86_64", "cores": 2},
        "settings": {"seed": 1, "claims": [c.to_json() for c in claims]},
    } | changed  # fmt: skip
    loaded: dict[str, Any] = json.loads(json.dumps(made))
    return loaded


numbers = st.floats(-1e6, 1e6)


@given(numbers, st.floats(0, 10), st.floats(0, 10), st.sampled_from(["exact", "interval", "time"]))
def test_two_equal_runs_agree(value: float, below: float, above: float, kind: Any) -> None:
    claim = Claim("a", "b", value, value - below, value + above, kind=kind)
    assert drifts(result(claim), result(claim)) == []


@pytest.mark.parametrize(
    ("kind", "now", "same", "drifted"),
    [
        ("exact", 0.5 + 1e-12, True, False),
        ("exact", 0.5 + 1e-6, True, True),
        ("exact", 0.55, False, False),  # other packages: anywhere in the interval
        ("exact", 0.61, False, True),
        ("interval", 0.6, True, False),
        ("interval", 0.6001, True, True),
        ("time", 100.0, True, False),
        ("exact", math.nan, False, True),
        ("interval", math.nan, True, True),
    ],
)
def test_drift_of_one_line(kind: Any, now: float, same: bool, drifted: bool) -> None:
    was = Claim("a", "b", 0.5, 0.4, 0.6, kind=kind)
    after = Claim("a", "b", now, kind=kind, why="no value")
    assert bool(compare(was, after, same=same)) is drifted


def test_a_number_without_interval_is_equal_everywhere() -> None:
    was, now = (Claim("a", "b", v, kind="interval") for v in (1.0, 1.001))
    assert compare(was, now, same=False)[0].rule == "must be equal to 1e-09"


def test_lines_that_come_and_go_are_drift() -> None:
    one, two = Claim("one", "b", 1.0), Claim("two", "b", 1.0)
    assert [d.key for d in drifts(result(one), result(two))] == ["one", "two"]


def test_settings_are_compared() -> None:
    claim = Claim("one", "b", 1.0)
    other = result(claim)
    other["settings"]["seed"] = 2
    assert [d.key for d in drifts(result(claim), other)] == ["settings.seed"]


def test_both_unmeasurable_agree() -> None:
    claim = Claim("a", "b", math.nan, at_least=1, why="nobody died")
    assert drifts(result(claim), result(claim)) == []
    assert claim.verdict == "not measurable"


@pytest.mark.parametrize(
    ("value", "verdict"), [(0.79, "missed"), (0.8, "met"), (1.2, "met"), (1.21, "missed")]
)
def test_a_goal_with_two_ends(value: float, verdict: str) -> None:
    claim = Claim("z2", "mean z^2", value, at_least=0.8, at_most=1.2)
    assert claim.verdict == verdict
    assert of_json(claim.to_json()) == claim or math.isnan(claim.low)
    assert claim.row()["aim"] == "at least 0.8 and at most 1.2"


def test_a_missing_number_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="say why"):
        Claim("a", "b", math.nan)


def test_an_undefined_score_keeps_its_reason() -> None:
    claim = of_score("a", "b", undefined("auc", "nobody died"), floor=None, ceiling=None)
    assert math.isnan(claim.value)
    assert claim.why == "nobody died"


def test_the_way_from_ceiling_to_floor() -> None:
    floor, ceiling = Score("a", 0.9, 0.88, 0.92), Score("a", 0.5, 0.48, 0.52)
    claim = way("a", "b", Score("a", 0.6, 0.58, 0.62), floor, ceiling, 1 / 3)
    assert (claim.value, claim.low, claim.high) == pytest.approx((0.25, 0.2, 0.3))
    assert claim.verdict == "met"


def test_no_way_where_floor_is_as_good_as_real() -> None:
    near, ceiling = Score("a", 0.53, 0.5, 0.56), Score("a", 0.5, 0.48, 0.52)
    claim = way("a", "b", Score("a", 0.51, 0.5, 0.52), near, ceiling, 1 / 3)
    assert claim.verdict == "not measurable"


def test_what_was_not_run_stays_in_the_table(tmp_path: Path) -> None:
    claims = {c.key: c for c in collected(tmp_path)}
    assert {g.key for g in GOALS} <= set(claims)
    assert all(c.verdict == "not measurable" and "not" in c.why for c in claims.values())


def test_collected_numbers_are_those_of_the_file(tmp_path: Path) -> None:
    rows = [
        {"held-out real rows against": name, "AUC, demographics and codes": auc,
         "95%, demographics and codes": ends}
        for name, auc, ends in (
            ("real against real (ceiling)", 0.5, "0.490-0.510"),
            ("network, all pairs", 0.6, "0.580-0.620"),
            ("independent codes (floor)", 0.9, "0.890-0.910"),
        )
    ]  # fmt: skip
    (tmp_path / "discriminator.json").write_text(json.dumps({"rows": rows}), encoding="utf-8")
    claim = {c.key: c for c in collected(tmp_path)}["discriminator.pairs"]
    assert (claim.value, claim.low, claim.high) == pytest.approx((0.25, 0.2, 0.3))
    assert (claim.floor, claim.ceiling, claim.verdict) == (1.0, 0.0, "met")


def test_the_bench_fails_on_drift_and_keeps_what_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, out = tmp_path / "results", tmp_path / "out"
    monkeypatch.setattr(bench, "RESULTS", results)
    monkeypatch.setattr(bench, "OUT", out)
    monkeypatch.setattr(bench, "read_result", lambda name: result_files.read_result(name, results))
    value = 1.0
    monkeypatch.setattr(bench, "collected", lambda: [Claim("a", "what", value, at_least=1.5)])

    def run(*words: str) -> Any:
        return CliRunner().invoke(bench.main, ["--set", "diabetes130", *words])

    assert run().exit_code == 0  # nothing committed yet: this is the first
    assert run().exit_code == 0  # two runs agree
    value = 2.0
    drifted = run()
    assert isinstance(drifted.exception, CheckFailed)
    assert drifted.exception.exit_code == 4
    assert "committed 1.0, now 2.0" in str(drifted.exception)
    kept = json.loads((results / "bench-diabetes130.json").read_text("utf-8"))
    assert kept["settings"]["claims"][0]["value"] == 1.0
    assert "1 met" in (out / "bench-diabetes130.md").read_text("utf-8")
    assert run("--accept").exit_code == 0
    assert run().exit_code == 0


def test_goals_that_are_missed_are_in_the_table() -> None:
    made = bench.table_of("toy", [Claim("a", "what", 1.0, at_least=2.0), Claim("b", "rest", 3.0)])
    assert [row["verdict"] for row in made["rows"]] == ["missed", "no goal"]
    assert "0 met, 1 missed" in made["title"]


def test_committed_benches_can_be_compared(root: Path) -> None:
    """Each committed bench reads back, and agrees with itself."""
    files = sorted((root / "benchmarks" / "results").glob("bench-*.json"))
    assert files
    for file in files:
        said = json.loads(file.read_text("utf-8"))
        assert drifts(said, said) == []
        assert len(said["settings"]["claims"]) == len(said["rows"])


def test_goals_of_diabetes130_are_those_of_the_results(root: Path) -> None:
    """After a script has written new results: make docs."""
    file = root / "benchmarks" / "results" / f"bench-{COLLECTED}.json"
    committed = [of_json(c) for c in json.loads(file.read_text("utf-8"))["settings"]["claims"]]
    now = list(collected())
    assert [c.key for c in committed] == [c.key for c in now]
    assert [repr(c.value) for c in committed] == [repr(float(c.value)) for c in now]
