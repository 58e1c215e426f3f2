"""The pages say what is there: links lead somewhere, targets exist, the commands are current."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = ("*.md", "docs/**/*.md", "benchmarks/*.md", "examples/*.md", "stats/**/*.md")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def pages(root: Path) -> list[Path]:
    return sorted({page for pattern in PAGES for page in root.glob(pattern)})


def test_links_lead_somewhere(root: Path) -> None:
    links = [
        (page, link.partition("#")[0])
        for page in pages(root)
        for link in LINK.findall(page.read_text("utf-8"))
        if not link.startswith(("http://", "https://", "mailto:", "#"))
    ]
    assert len(links) > 5
    dead = [(p.relative_to(root).as_posix(), link) for p, link in links
            if not (p.parent / link).exists()]  # fmt: skip
    assert dead == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", ".ci/run"])
def test_make_targets_exist(root: Path, page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(
        re.findall(r"(?:^|`)make ([a-z-]+)", (root / page).read_text("utf-8"), re.MULTILINE)
    )
    assert named
    assert named <= targets


def test_the_page_of_commands_is_current(root: Path) -> None:
    """``make docs`` writes it, in a process where no other test has touched the commands."""
    script = "import runpy, sys; print(runpy.run_path(sys.argv[1])['reference'](), end='')"
    written = subprocess.run(
        [sys.executable, "-c", script, str(root / "docs" / "commands.py")],
        capture_output=True, check=True, text=True, encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
    ).stdout  # fmt: skip
    assert (root / "docs" / "commands.md").read_text("utf-8") == written
