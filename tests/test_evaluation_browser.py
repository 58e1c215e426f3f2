"""The report in a real browser: nothing fetched, nothing complained of, everything drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Browser
from evaluation_toys import good_report

from llmsyn.evaluation import write_report
from llmsyn.evaluation.types import Findings, Report, Roc

pytestmark = pytest.mark.real

SIZES = [pytest.param(1280, 900, False, id="desktop"), pytest.param(390, 844, True, id="phone")]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    made = Browser(tmp_path_factory.mktemp("chromium"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def report() -> Report:
    """With an attack's curves, and a name that would do harm if it were not escaped."""
    made = good_report()
    line = np.linspace(0, 1, 50)
    rocs = (
        Roc("nearest neighbour", "synthetic units", "attack", line, line**0.95),
        Roc("nearest neighbour", "all members copied", "positive control", line, line**0.1),
        Roc("nearest neighbour", "a disjoint split", "negative control", line, line),
    )
    harm = "</title><script>console.error('ran')</script><img src=//evil.example/x>"
    found = Findings("privacy", harm, rocs=rocs, notes=(harm,), does_not_show=harm)
    return replace(made, title=harm, findings=(found, *made.findings))


@pytest.fixture(scope="module")
def page(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(report, tmp_path_factory.mktemp("report"))[0]


def complaints(events: list[dict[str, Any]]) -> list[str]:
    """Errors of the console, exceptions, and requests for anything but the page itself."""
    found = []
    for event in events:
        method, said = event["method"], event.get("params", {})
        if method == "Network.requestWillBeSent":
            url = said["request"]["url"]
            if not url.startswith(("file:", "data:")) or not url.endswith(
                ("report.html", "data:,")
            ):
                found.append(f"request: {url}")
        elif method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            found.append(f"{method}: {said}")
    return found


@pytest.mark.parametrize(("width", "height", "mobile"), SIZES)
def test_everything_is_drawn_and_nothing_is_fetched(
    browser: Browser,
    page: Path,
    report: Report,
    width: int,
    height: int,
    mobile: bool,
    tmp_path: Path,
) -> None:
    browser.show(page, width, height, mobile=mobile)
    assert browser.value("document.title").startswith("Evaluation: </title><script>")
    sizes = browser.value(
        "[...document.querySelectorAll('figure svg')].map(s => { const b = s.getBoundingClientRect();"
        " return [b.width, b.height, s.querySelectorAll('path, rect, circle, line').length] })"
    )
    n_figures = sum(len(f.figures) + len({roc.attack for roc in f.rocs}) for f in report.findings)
    assert len(sizes) == n_figures
    assert all(w > 200 and h > 50 and parts > 3 for w, h, parts in sizes), sizes
    assert browser.value("document.documentElement.scrollWidth") <= width
    small = browser.value(
        "[...document.querySelectorAll('p, td, th, li')].filter(e => e.innerText.trim() &&"
        " parseFloat(getComputedStyle(e).fontSize) < 10).length"
    )
    assert small == 0
    picture = tmp_path / f"report-{width}.png"
    browser.screenshot(picture)
    assert picture.stat().st_size > 50_000  # an empty page has 5,000 bytes
    assert complaints(browser.events) == []


def test_the_verdicts_stand_on_the_first_screen(browser: Browser, page: Path) -> None:
    browser.show(page, 1280, 900)
    bottom = browser.value("document.querySelector('.verdicts').getBoundingClientRect().bottom")
    assert bottom < 900


def test_it_is_read_by_keyboard_and_screen_reader(browser: Browser, page: Path) -> None:
    browser.show(page, 1280, 900)
    browser.press("Tab")
    assert browser.value("document.activeElement.innerText") == "Skip to the verdicts"
    seen = []
    for _ in range(40):
        browser.press("Tab")
        seen.append(browser.value("document.activeElement.tagName"))
    assert {"A", "SUMMARY"} <= set(seen)
    unnamed = browser.value(
        "[...document.querySelectorAll('svg')].filter(s => !s.getAttribute('aria-labelledby')"
        ".split(' ').every(i => document.getElementById(i).textContent.trim())).length"
    )
    assert unnamed == 0
    headless = browser.value(
        "[...document.querySelectorAll('table')].filter(t => !t.querySelector('th[scope]')).length"
    )
    assert headless == 0
    browser.value("document.querySelector('figure summary').focus()")
    browser.press("Enter")
    assert browser.value("document.querySelector('figure details').open") is True


def test_contrast_of_every_badge(browser: Browser, page: Path) -> None:
    """WCAG AA: 4.5 to 1."""
    browser.show(page, 1280, 900)
    pairs = browser.value(
        "[...document.querySelectorAll('.badge')].map(b => { const s = getComputedStyle(b);"
        " return [s.color, s.backgroundColor] })"
    )
    assert pairs

    def light(colour: str) -> float:
        rgb = [int(float(x)) / 255 for x in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [x / 12.92 if x <= 0.03928 else ((x + 0.055) / 1.055) ** 2.4 for x in rgb]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for ink, paper in pairs:
        dark, bright = sorted((light(ink), light(paper)))
        assert (bright + 0.05) / (dark + 0.05) >= 4.5, (ink, paper)


def test_it_prints(browser: Browser, page: Path) -> None:
    browser.show(page, 1280, 900)
    pdf = browser.pdf()
    assert pdf.startswith(b"%PDF")
    assert 3 <= pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") <= 40
