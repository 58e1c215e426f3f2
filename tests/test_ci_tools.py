"""The scripts beside the code: the verdict of the audit, the pages of the site."""

from __future__ import annotations

import json
import runpy

import pytest


def dependency(name, *flaws, skipped=False):
    if skipped:
        return {"name": name, "skip_reason": "not found"}
    return {"name": name, "version": "1.0", "vulns": [
        {"id": flaw, "fix_versions": ["1.1"]} for flaw in flaws]}  # fmt: skip


@pytest.fixture(scope="module")
def verdict(root):
    return runpy.run_path(str(root / ".ci" / "audit.py"))["verdict"]


@pytest.mark.parametrize(
    ("found", "said", "code"),
    [
        ([dependency("a"), dependency("b")], "2 dependencies looked up, 0 known flaws", 0),
        ([dependency("a", "X-1"), dependency("b")], "a 1.0: X-1, mended in 1.1", 1),
        ([dependency("a"), dependency("b", skipped=True)], "1 dependencies are not in the", 0),
        ([dependency("a", "X-1"), dependency("b", skipped=True)], "1 known flaws", 1),
        ([dependency("a", skipped=True)], "can't be reached", 3),
    ],
)
def test_an_audit_says_what_was_looked_up(verdict, found, said, code):
    text, exit_code = verdict(json.dumps({"dependencies": found}))
    assert said in text and exit_code == code


@pytest.mark.parametrize("output", ["", "Traceback", "[]", '{"x": 1}'])
def test_no_answer_is_no_good_news(verdict, output):
    assert verdict(output) == ("audit: the database of flaws can't be reached; no dependency was "
                               "looked up", 3)  # fmt: skip


def test_the_site_has_every_page_and_what_it_links_to(root, tmp_path, monkeypatch):
    site = runpy.run_path(str(root / "docs" / "site.py"))
    monkeypatch.setitem(site["stage"].__globals__, "SOURCE", tmp_path / "source")
    pages = site["stage"]()
    assert len(pages) > 30
    for page in pages:
        name = "index.md" if str(page) == "README.md" else page
        assert (tmp_path / "source" / name).is_file()
    assert "](../index.md" in (tmp_path / "source" / "docs" / "README.md").read_text("utf-8")
    config = (root / "mkdocs.yml").read_text("utf-8")
    for line in config.split("nav:\n  - Home")[1].splitlines():
        name = line.rpartition(": ")[2]
        if name.endswith(".md"):
            assert (tmp_path / "source" / name).is_file(), name
