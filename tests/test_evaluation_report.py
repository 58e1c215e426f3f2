"""The report: a page that stands alone, its numbers, a datasheet."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from evaluation_toys import (
    evidence,
    good_report,
)

from llmsyn.errors import InputError, OutputError
from llmsyn.evaluation import write_report
from llmsyn.evaluation.drawing import draw
from llmsyn.evaluation.duplicates import duplicates
from llmsyn.evaluation.marks import judge, read_marks
from llmsyn.evaluation.numbers import numbers_of
from llmsyn.evaluation.page import report_html, verdict_table
from llmsyn.evaluation.repeats import combine
from llmsyn.evaluation.types import Findings, Report, Roc

N = 900


@pytest.fixture(scope="module")
def report() -> Report:
    return good_report(N)


class Seen(HTMLParser):
    """Tags, attributes that load something, and what stands open."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "action", "data") and value is not None:
                self.loads.append(value)
            if name == "id" and value is not None:
                self.ids.append(value)


def seen(html: str) -> Seen:
    parser = Seen()
    parser.feed(html)
    return parser


def test_the_page_stands_alone_and_escapes_what_it_was_given(report: Report) -> None:
    html = report_html(report)
    found = seen(html)
    assert "script" not in found.tags
    assert all(link.startswith(("#", "data:")) for link in found.loads)
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", html)
    assert len(html.encode()) < 5_000_000
    assert "A made-up hospital <b>" not in html
    assert "A made-up hospital &lt;b&gt;" in html
    assert len(found.ids) == len(set(found.ids))
    assert found.tags.count("h1") == 1 and "main" in found.tags


def test_every_figure_is_drawn_and_has_its_numbers(report: Report) -> None:
    html = report_html(report)
    figures = [figure for f in report.findings for figure in f.figures]
    kinds = {type(figure).__name__ for figure in figures}
    assert kinds >= {"Scatter", "HeatMaps", "LearningCurve", "Bars", "Pyramids", "Forest"}
    assert (
        html.count("<figure")
        == html.count("<svg")
        == len(figures) + sum(len({r.attack for r in f.rocs}) for f in report.findings)
    )
    for figure in figures:
        assert "nan" not in draw(figure).lower().replace("nancy", "")
        assert numbers_of(figure).rows


def test_curves_of_an_attack_are_one_figure(report: Report) -> None:
    line = np.linspace(0, 1, 5)
    rocs = (
        Roc("nearest", "synthetic", "attack", line, line),
        Roc("nearest", "all copied", "positive control", line, line**0.1),
    )
    with_rocs = replace(
        report, findings=(Findings("privacy", "nearest", rocs=rocs), *report.findings)
    )
    html = report_html(with_rocs)
    assert html.count("ROC: nearest</strong>") == 1
    assert "positive control: all copied" in html


def test_a_figure_of_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(TypeError, match="no drawing of str"):
        draw("a figure")
    with pytest.raises(TypeError, match="no table of str"):
        numbers_of("a figure")


def test_the_first_screen_names_what_was_missed(report: Report) -> None:
    given = evidence(N)
    bad = duplicates(replace(given, synthetic=given.members))
    judged = judge(bad.measures, read_marks("release"))
    failed = replace(report, judged=judged, findings=(bad,))
    assert not failed.passed
    table = verdict_table(failed)
    assert "FAIL" in table and "exact duplicates of members" in table and "at most 0.01" in table
    assert failed._repr_html_() == table


def test_files_are_written_once(report: Report, tmp_path: Path) -> None:
    paths = write_report(report, tmp_path / "out")
    assert [p.name for p in paths] == ["report.html", "report.json", "datasheet.md"]
    said = json.loads(paths[1].read_text("utf-8"))
    assert said["passed"] is True
    assert len(said["measures"]) == len(report.measures)
    sheet = paths[2].read_text("utf-8")
    for heading in ("Motivation", "Composition", "Collection process", "Uses", "Distribution",
                    "Maintenance", "Preprocessing, cleaning, labelling"):  # fmt: skip
        assert f"## {heading}\n" in sheet
    assert "\\<b\\>" in sheet
    with pytest.raises(OutputError, match="exists; choose another folder or pass --force"):
        write_report(report, tmp_path / "out")
    write_report(report, tmp_path / "out", force=True)


def test_scores_are_found_by_key(report: Report) -> None:
    assert report.score("fidelity.dimension_wise.r2").value > 0.9
    assert report.score("fidelity.variable", "sex").value < 0.1
    with pytest.raises(KeyError, match="8 measures|7 measures|6 measures"):
        report.score("fidelity.variable")
    assert {m.of for m in report.of("fidelity.variable")} >= {"sex", "age"}


def test_splits_are_joined_with_the_interval_that_knows_the_overlap(report: Report) -> None:
    def shifted(by: float) -> Report:
        judged = []
        for j in report.judged:
            score = j.measure.score
            if j.measure.key == "fidelity.dimension_wise.r2":
                score = replace(score, value=0.9 + by, low=math.nan, high=math.nan)
            judged.append(replace(j, measure=replace(j.measure, score=score)))
        return replace(report, judged=tuple(judged))

    whole = combine([shifted(0.0), shifted(0.02), shifted(0.04)], test_share=0.3)
    score = whole.score("fidelity.dimension_wise.r2")
    error = 0.02 * math.sqrt(1 / 3 + 0.3 / 0.7)
    assert score.value == pytest.approx(0.92)
    assert score.value - score.low == pytest.approx(4.302653 * error, rel=1e-5)
    assert whole.facts["splits"] == 3
    with pytest.raises(InputError, match="1 report is no repetition"):
        combine([report])
