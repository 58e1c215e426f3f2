"""The pages say what is there: links lead somewhere, targets exist, the commands are current."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
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


def _fenced(text: str) -> Iterator[str]:
    """Lines of plain code blocks, joined where a backslash ends them."""
    for block in re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from block.replace("\\\n", " ").splitlines()


@pytest.mark.parametrize(
    "page", ["README.md", "docs/exports.md", "docs/scale.md", "docs/tutorials/data-owner.md",
             "docs/tutorials/modeler.md", "docs/tutorials/engineer.md"],
)  # fmt: skip
def test_commands_in_pages_can_be_given(root: Path, page: str) -> None:
    """Every command exists and takes these options; nothing is run."""
    from llmsyn.cli.main import cli

    lines = [x for x in _fenced((root / page).read_text("utf-8")) if x.startswith("llmsyn ")]
    assert lines
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        command: click.Command = cli
        context = click.Context(cli, info_name="llmsyn")
        while isinstance(command, click.Group):
            found = command.get_command(context, words[0])
            assert found is not None, line
            command, words = found, words[1:]
        command.make_parser(context).parse_args(list(words))
