"""Numbers of the pages are those of benchmarks/results/."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "docs"))

from page_numbers import BadMark, apart, fill, follow, main, shown


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "benchmarks" / "results"
    folder.mkdir(parents=True)
    rows = [{"set": "a/b", "auc": 0.52797, "n": 1000}, {"set": "c", "auc": None, "n": 2}]
    said = {"rows": rows, "settings": {"name": "x"}}
    (folder / "toy.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


def test_pages_say_what_the_results_say(root: Path) -> None:
    """``python docs/page_numbers.py`` mends it."""
    assert [page.relative_to(root).as_posix() for page in apart(root)] == []


def test_the_readme_has_marks(root: Path) -> None:
    assert (root / "README.md").read_text("utf-8").count("<!-- n:") >= 3


@pytest.mark.parametrize(
    ("path", "form", "expected"),
    [
        ("rows/[set=a/b]/auc", ".3f", "0.528"),
        ("rows/0/n", ",", "1,000"),
        ("rows/[set=a/b]/auc", ".1%", "52.8%"),
        ("settings/name", "", "x"),
    ],
)
def test_one_number(results: Path, path: str, form: str, expected: str) -> None:
    text = f"before <!-- n:toy:{path}:{form} -->old\ntext<!-- /n --> after"
    right = f"before <!-- n:toy:{path}:{form} -->{expected}<!-- /n --> after"
    assert fill(text, results) == right
    assert fill(right, results) == right


def test_two_marks_in_a_line(results: Path) -> None:
    text = "<!-- n:toy:rows/0/n:d --><!-- /n --> of <!-- n:toy:rows/1/n:d -->7<!-- /n -->"
    assert "-->1000<!-- /n --> of" in fill(text, results)
    assert fill(text, results).endswith("-->2<!-- /n -->")


def test_a_table(results: Path) -> None:
    filled = fill("<!-- n:toy:rows:table --><!-- /n -->", results)
    assert "| set | auc | n |\n|---|---|---|\n| a/b | 0.528 | 1,000 |\n| c |  | 2 |" in filled


@pytest.mark.parametrize(
    "mark",
    [
        "<!-- n:missing:rows/0/n:d --><!-- /n -->",
        "<!-- n:toy:rows/[set=z]/n:d --><!-- /n -->",
        "<!-- n:toy:rows/0/auc:d --><!-- /n -->",  # not a whole number
        "<!-- n:toy:rows/1/auc:.3f --><!-- /n -->",  # not measured
        "<!-- n:toy:settings:table --><!-- /n -->",
        "<!-- n:toy:rows/0/n:d -->1000",
        "<!-- n:toy:rows/0/n --> <!-- n:toy:rows/0/n:d -->1000<!-- /n -->",
    ],
)
def test_marks_that_lead_nowhere_are_refused(results: Path, mark: str) -> None:
    with pytest.raises(BadMark):
        fill(mark, results)


def test_a_page_that_differs_is_named(results: Path) -> None:
    root = results.parent.parent
    page = root / "README.md"
    page.write_text("<!-- n:toy:rows/0/n:, -->999<!-- /n -->", encoding="utf-8")
    assert apart(root) == {page: "<!-- n:toy:rows/0/n:, -->1,000<!-- /n -->"}
    page.write_text("<!-- n:toy:rows/9/n:, -->999<!-- /n -->", encoding="utf-8")
    with pytest.raises(BadMark, match=r"README\.md"):
        apart(root)


def test_the_script_checks_and_mends(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = results.parent.parent
    (root / "README.md").write_text("<!-- n:toy:rows/0/n:, -->999<!-- /n -->", encoding="utf-8")
    assert main(["--check"], root) == 4
    assert "README.md differs" in capsys.readouterr().out
    assert main([], root) == 0
    assert main(["--check"], root) == 0
    (root / "README.md").write_text("<!-- n:toy:nothing:d --><!-- /n -->", encoding="utf-8")
    assert main([], root) == 4
    assert "leads to nothing" in capsys.readouterr().err


def test_paths_and_formats_by_themselves() -> None:
    assert follow([[1, 2]], "0/1") == 2
    assert shown(3, "") == "3"
