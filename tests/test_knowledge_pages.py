"""The generated pages of docs/knowledge are current and whole."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from llmsyn.knowledge.loading import KnowledgeBase, load_base


@pytest.fixture(scope="module", name="base")
def shipped_base() -> KnowledgeBase:
    return load_base()


@pytest.fixture(scope="module", name="pages")
def written_pages(base: KnowledgeBase, root: Path) -> dict[str, str]:
    made: dict[str, str] = runpy.run_path(str(root / "docs" / "families.py"))["pages"](base)
    return made


def test_the_pages_are_current(root: Path, pages: dict[str, str]) -> None:
    """``make docs`` writes them."""
    stale = [path for path, text in pages.items() if (root / path).read_text("utf-8") != text]
    assert stale == []


def test_no_page_is_left_over(root: Path, pages: dict[str, str]) -> None:
    there = {path.relative_to(root).as_posix() for path in (root / "docs/knowledge").iterdir()}
    assert there == {path for path in pages if path.startswith("docs/knowledge/")}


def test_every_condition_and_source_stands_on_a_page(
    pages: dict[str, str], base: KnowledgeBase
) -> None:
    families = "".join(pages.values())
    for record in base.conditions.values():
        assert f"\n## {record.name}\n\n`{record.id}`" in families
    for key, source in base.sources.items():
        assert f"| `{key}` | {source.title}" in pages["docs/knowledge/sources.md"]
        assert source.licence
