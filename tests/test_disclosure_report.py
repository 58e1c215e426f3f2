"""The officer's report: what it says, that nothing in it is run or fetched, where it may lie."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from disclosure_toys import Form, Kind, measured

from llmsyn.disclosure.budget import Plan, Step
from llmsyn.disclosure.findings import MEANING
from llmsyn.disclosure.register import Register
from llmsyn.disclosure.release import Release, Removed, disclose
from llmsyn.disclosure.report import (
    REASONS,
    SHOWN,
    refuse_inside,
    report_html,
    report_json,
    warnings,
    write_report,
)
from llmsyn.disclosure.risk import Risk
from llmsyn.disclosure.settings import Settings
from llmsyn.errors import OutputError

FORM = Form({"sex": ("F", "M", "X"), "ward": ("u", "v", "w")}, {}, {}, (("sex", "ward"),))
RISK = Risk(auc=0.6123, bound=0.62, m_eff=40.0, n_statistics=60, n_patients=323)


class _Tags(HTMLParser):
    """All tags with their attributes, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def _people(small: int) -> list[Kind]:
    return [
        ({"sex": s, "ward": w}, small if (s, w) == ("F", "u") else 40) for s in "FMX" for w in "uvw"
    ]


@pytest.fixture(scope="module")
def release() -> Release:
    return disclose(measured(FORM, _people(3)), Settings(threshold=11)).with_risk(RISK)


def _parsed(page: str) -> _Tags:
    found = _Tags()
    found.feed(page)
    found.text = " ".join(found.text.split())
    return found


def test_it_says_what_was_left_out_and_why(release: Release) -> None:
    text = _parsed(report_html(release)).text
    assert text.count("Confidential") >= 2  # in the title and on top
    assert "323 patients" in text and "11 distinct patients behind each count" in text
    for reason in ("small", "complementary"):
        assert reason in text and REASONS[reason] in text
    assert "sex=F & ward=u" in text
    assert "The predicted membership AUC is 0.612, above 0.55" in text
    assert "picks the right one 61 times in 100" in text
    assert "None of this population is known." in text
    for word in ("Decision", "Name and office", "Place and date", "Signature"):
        assert word in text


def test_the_json_file_says_the_same(release: Release) -> None:
    data = json.loads(json.dumps(report_json(release), allow_nan=False))
    assert data["confidential"] is True
    assert data["removed_by_reason"] == {"complementary": 3, "small": 1}
    assert {r["cell"]: (r["count"], r["reason"]) for r in data["removed"]}["sex=F & ward=u"] == (
        3,
        "small",
    )
    assert data["risk"]["auc"] == RISK.auc
    assert data["risk"]["advantage"] == pytest.approx(2 * RISK.auc - 1)
    assert data["audit"]["findings"] == []


def test_nothing_is_fetched_or_run(release: Release) -> None:
    page = report_html(release)
    found = _parsed(page)
    assert {tag for tag, _ in found.tags}.isdisjoint(
        {"script", "link", "img", "iframe", "object", "embed", "form", "a", "svg", "base"}
    )
    for _, attributes in found.tags:
        assert not {k for k in attributes if k.startswith("on") or k in ("src", "href", "style")}
    assert "url(" not in page and "@import" not in page and "http" not in page


def test_texts_of_the_data_are_text(release: Release) -> None:
    """A level or a title may hold anything; it is never markup."""
    evil = "<script>alert(1)</script><img src=x onerror=y>'\""
    profile = replace(release.profile, title=evil, name=evil)
    removed = (Removed(evil, 4.0, 4.0, "small", evil),)
    page = report_html(
        replace(release, profile=profile, removed=removed, left_out=(evil,), population=evil)
    )
    assert "<script" not in page and "<img" not in page
    assert _parsed(page).text.count(evil) >= 6


def test_a_long_list_is_cut_and_says_so(release: Release) -> None:
    """Hundreds of thousands of removed counts must not make a page that nobody can open."""
    many = tuple(Removed(f"pair {i}", 3.0, 3.0, "small") for i in range(20_000))
    left = tuple(f"table {i}: " + "x" * 300 for i in range(100))
    long = replace(release, removed=many, left_out=left)
    page = report_html(long)
    assert len(page) < 300_000
    assert f"These are the first {SHOWN} of 20,000" in _parsed(page).text
    assert "pair 499<" in page and "pair 500<" not in page
    assert len(report_json(long)["removed"]) == 20_000


def test_without_risk_and_without_removals() -> None:
    bare = disclose(measured(FORM, _people(40)), Settings(threshold=11, rounding=5))
    text = _parsed(report_html(bare)).text
    assert "Nothing had to be left out." in text and "None but zeros." in text
    assert "Not predicted." in text and "multiple of 5" in text
    assert "The membership risk was not predicted." in warnings(bare)


def test_a_prediction_from_too_few_patients_says_so(release: Release) -> None:
    few = release.with_risk(replace(RISK, m_eff=300.0))
    assert any("the least that the attack reaches" in line for line in warnings(few))
    assert not any("the least that the attack reaches" in line for line in warnings(release))


def test_tables_that_a_budget_weighed(release: Release) -> None:
    steps = (Step("died x age", RISK, True), Step("dx x dx", replace(RISK, auc=0.71), False))
    text = _parsed(report_html(release, Plan({}, (), RISK, steps=steps))).text
    assert "died x age0.612taken" in text.replace(" ", "").replace("diedxage", "died x age")
    assert re.search(r"dx x dx ?0\.710 ?left out", text)


def test_counts_of_patients_may_be_open(release: Release) -> None:
    removed = (Removed("derived", 5.0, float("nan"), "complementary"),)
    page = report_html(replace(release, removed=removed))
    assert "–" in _parsed(page).text
    assert report_json(replace(release, removed=removed))["removed"][0]["patients_at_least"] is None


def test_earlier_releases_are_named(tmp_path: Path) -> None:
    register = Register(tmp_path / "r.jsonl")
    first = disclose(measured(FORM, _people(40)), Settings(threshold=11), register)
    register.append(first.entry())
    more = [(kind, n + (5 if i == 0 else 30)) for i, (kind, n, *_) in enumerate(_people(40))]
    second = disclose(measured(FORM, more), Settings(threshold=11), register)
    text = _parsed(report_html(second)).text
    assert "one population contains the other" in text and first.date in text
    assert "No earlier release of this population was known" not in text


def test_it_is_written_outside_of_the_profile(release: Release, tmp_path: Path) -> None:
    page, data = write_report(release, tmp_path / "r" / "report.html", tmp_path / "profile")
    assert page.read_text("utf-8").startswith("<!doctype html>")
    assert json.loads(data.read_text("utf-8"))["profile"] == "toy"
    for inside in ("profile/report.html", "profile/a/b/report.html", "profile", "x/../profile/r"):
        with pytest.raises(OutputError, match="lies inside of the profile folder"):
            write_report(release, tmp_path / inside, tmp_path / "profile")
    refuse_inside(tmp_path / "profile.html", tmp_path / "profile")


def test_a_link_does_not_lead_into_the_profile(release: Release, tmp_path: Path) -> None:
    (tmp_path / "profile").mkdir()
    (tmp_path / "elsewhere").symlink_to(tmp_path / "profile")
    with pytest.raises(OutputError, match="lies inside of the profile folder"):
        write_report(release, tmp_path / "elsewhere" / "report.html", tmp_path / "profile")


def test_each_kind_of_finding_has_words() -> None:
    assert all(len(words) > 20 for words in MEANING.values())
    assert {"printed", "a", "b", "group", "certain", "tail", "quantile"} == set(MEANING)


@pytest.mark.slow
def test_it_fits_a_phone(release: Release, tmp_path: Path) -> None:
    """In a real browser, no part of the page is wider than the window."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no chromium")
    long = "diagnoses=" + "5" * 60
    many = tuple(Removed(f"{long} & ward={i}", 3.0, 3.0, "complementary", long) for i in range(50))
    page = report_html(replace(release, removed=many, left_out=(long * 3,)))
    probe = "<script>document.title = document.documentElement.scrollWidth</script>"
    path = tmp_path / "report.html"
    path.write_text(page.replace("</body>", probe + "</body>"), encoding="utf-8")
    dom = subprocess.run(
        [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=500,800",
         f"--user-data-dir={tmp_path / 'browser'}", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=60, check=False,
    ).stdout  # fmt: skip
    width = re.search(r"<title>(\d+)</title>", dom)
    assert width is not None
    assert int(width[1]) <= 500


def test_counts_are_written_as_people_write_them(release: Release) -> None:
    big = replace(release, removed=(Removed("c", 1234567.0, 1234.5, "small"),))
    assert np.isfinite(big.removed[0].count)
    text = _parsed(report_html(big)).text
    assert "1,234,567" in text and "1,234.5" in text
