"""Marks and verdicts."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from llmsyn.errors import InputError
from llmsyn.evaluation.marks import Mark, Marks, judge, read_marks
from llmsyn.evaluation.page import worst
from llmsyn.evaluation.types import Measure
from llmsyn.score import Score, undefined

INF = math.inf


def verdict(
    value: float, low: float, high: float, mark: Mark, ceiling: float = 0.1, floor: float = 0.5
) -> str:
    measure = Measure(
        "a.b", Score("m", value, low, high), "", Score("m", ceiling, ceiling, ceiling),
        Score("m", floor, floor, floor),
    )  # fmt: skip
    return judge([measure], Marks("p", "", (mark,)))[0].measure.score.verdict


def mark(
    judges: str = "value", at_least: float = -INF, at_most: float = INF, careful: bool = False
):  # type: ignore[no-untyped-def]
    return Mark("a.b", judges, at_least, at_most, careful, "convention", "nobody")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        (0.3, 0.2, 0.4, "pass"),
        (0.55, 0.45, 0.65, "warn"),  # beyond, but the interval is not
        (0.7, 0.6, 0.8, "fail"),
        (0.45, 0.35, 0.55, "pass"),
        (0.7, math.nan, math.nan, "fail"),  # no interval: the number alone
        (0.5, 0.5, 0.5, "pass"),
    ],
)
def test_verdicts_look_at_the_interval(
    value: float, low: float, high: float, expected: str
) -> None:
    assert verdict(value, low, high, mark(at_most=0.5)) == expected
    assert verdict(-value, -high, -low, mark(at_least=-0.5)) == expected


def test_a_careful_mark_wants_the_whole_interval() -> None:
    careful = mark(at_most=0.5, careful=True)
    assert verdict(0.45, 0.35, 0.55, careful) == "warn"
    assert verdict(0.45, 0.40, 0.50, careful) == "pass"
    assert verdict(0.7, 0.6, 0.8, careful) == "fail"


def test_excess_and_way_are_told_from_ceiling_and_floor() -> None:
    assert verdict(0.2, 0.2, 0.2, mark("excess", at_most=0.11)) == "pass"
    assert verdict(0.3, 0.3, 0.3, mark("excess", at_most=0.11)) == "fail"
    # from 0.1 to 0.5 the way is 0.4 long
    assert verdict(0.2, 0.2, 0.2, mark("way", at_most=0.26)) == "pass"
    assert verdict(0.3, 0.3, 0.3, mark("way", at_most=0.26)) == "fail"


def test_a_floor_that_is_as_good_as_real_measures_nothing() -> None:
    measure = Measure(
        "a.b", Score("m", 0.1, 0.1, 0.1), "", Score("m", 0.1, 0.05, 0.15),
        Score("m", 0.12, 0.08, 0.16),
    )  # fmt: skip
    (found,) = judge([measure], Marks("p", "", (mark("way", at_most=0.5),)))
    assert found.measure.score.verdict == "undefined"
    assert "as good as real" in found.measure.score.reason


def test_what_could_not_be_measured_is_never_judged() -> None:
    not_caught = Score("auc", 0.5, 0.4, 0.6, verdict="undefined", reason="control not caught")
    for score in (undefined("auc", "no rows"), not_caught):
        (found,) = judge([Measure("a.b", score)], Marks("p", "", (mark(at_most=0.9),)))
        assert found.measure.score.verdict == "undefined"
        assert found.measure.score.reason == score.reason


def test_a_tool_that_is_not_there_decides_nothing() -> None:
    optional = Mark("a.b", "value", -INF, 0.09, True, "standard", "somebody", optional=True)
    absent = Measure("a.b", undefined("risk", "the tool is not installed"))
    not_caught = Measure("a.b", Score("risk", 0.0, 0.0, 0.1, verdict="undefined", reason="control"))
    found = judge([absent, not_caught], Marks("p", "", (optional,)))
    assert [j.mark for j in found] == [None, optional]
    assert worst(found[:1]) == "info"
    private = replace(not_caught, key="privacy.x.risk")
    (judged,) = judge([private], Marks("p", "", (replace(optional, key="privacy.*.risk"),)))
    fine = replace(judged, measure=Measure("privacy.y", Score("s", 0.0, verdict="pass")))
    assert worst([judged, fine]) == "undefined"


def test_without_a_mark_it_is_for_information() -> None:
    (found,) = judge([Measure("x.y", Score("m", 1.0, verdict="pass"))], Marks("p", "", ()))
    assert found.measure.score.verdict == "info"
    assert found.to_json()["mark"] is None


def test_shipped_marks_name_their_source_and_every_preset_has_some() -> None:
    for preset in ("release", "research", "strict"):
        marks = read_marks(preset)
        assert len(marks.marks) > 8
        assert all(m.source and m.kind in ("standard", "convention") for m in marks.marks)
    exact = read_marks("release").of("privacy.duplicates.exact")
    assert exact is not None and exact.careful
    any_attack = read_marks("strict").of("privacy.nearest_neighbour.auc")
    assert any_attack is not None and any_attack.at_most == 0.55
    assert read_marks("release").of("fidelity.pairs.sign") is None
    assert read_marks("research").of("fidelity.pairs.sign") is not None


def test_own_marks_lie_over_the_shipped(tmp_path: Path) -> None:
    own = tmp_path / "marks.toml"
    own.write_text(
        'schema = 1\n[presets]\nours = "Our hospital."\n[[marks]]\n'
        'key = "plausibility.impossible"\njudges = "value"\nat_most = {ours = 0.01}\n'
        'kind = "convention"\nsource = "the board"\n'
    )
    marks = read_marks("ours", own)
    assert marks.meaning == "Our hospital."
    found = marks.of("plausibility.impossible")
    assert found is not None and found.at_most == 0.01
    assert marks.of("privacy.duplicates.exact") is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schema = 2\nmarks = []", "Input should be 1"),
        ("schema = 1\nmarks = [{key='a', judges='value', at_mots=1, kind='standard', source='x'}]",
         "at_mots.*Extra inputs"),
        ("schema = 1\nmarks = [{key='a', judges='taste', kind='standard', source='x'}]",
         "judges.*'value', 'excess' or 'way'"),
        ("schema = [", "no TOML"),
        ("schema = 1\nmarks = [{key='a', judges='value', at_most={relaese=1}, kind='standard', "
         "source='x'}]", "names the preset 'relaese'"),
    ],
)  # fmt: skip
def test_wrong_marks_are_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "marks.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        read_marks("release", file)


def test_a_preset_that_is_not_there_names_the_others() -> None:
    with pytest.raises(InputError, match="choose from release, research, strict"):
        read_marks("relaxed")
