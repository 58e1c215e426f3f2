"""Parsed files are kept beside their hash: fast, and never stale."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from llmsyn.errors import KnowledgeError
from llmsyn.knowledge import parsed
from llmsyn.knowledge.parsed import SMALLEST, read_toml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.fixture(name="cache")
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLMSYN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "knowledge"


def large(word: str) -> str:
    return f'schema = 1\n[record]\nname = "{word}"\ntext = "{"x" * SMALLEST}"\n'


def test_a_kept_file_reads_like_a_parsed_one(tmp_path: Path, cache: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(large("é"), "utf-8")
    first = read_toml(file)
    (kept,) = cache.iterdir()
    assert json.loads(kept.read_text("utf-8"))["content"]["record"]["name"] == "é"
    again = read_toml(file)
    assert first == again == {"record": tomllib.loads(large("é"))["record"]}
    again["record"]["name"] = "changed by its reader"
    assert read_toml(file) == first


def test_the_kept_form_is_used(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.toml"
    file.write_text(large("one"), "utf-8")
    first = read_toml(file)
    monkeypatch.setattr(parsed, "_parsed", lambda raw, file: pytest.fail("parsed again"))
    assert read_toml(file) == first
    assert len(list(cache.iterdir())) == 1


def test_other_bytes_are_parsed_and_take_the_place(tmp_path: Path, cache: Path) -> None:
    file = tmp_path / "a.toml"
    for word in ("one", "two", "one"):
        file.write_text(large(word), "utf-8")
        assert read_toml(file)["record"]["name"] == word
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sha256": "x", "content": {}}', "{}"])
def test_a_damaged_cache_is_passed_over(tmp_path: Path, cache: Path, text: str) -> None:
    file = tmp_path / "a.toml"
    file.write_text(large("one"), "utf-8")
    read_toml(file)
    (kept,) = cache.iterdir()
    kept.write_text(text, "utf-8")
    assert read_toml(file)["record"]["name"] == "one"


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_text("a file where the folder should be", "utf-8")
    file = tmp_path / "a.toml"
    file.write_text(large("one"), "utf-8")
    assert read_toml(file)["record"]["name"] == "one"


def test_small_files_and_dates_are_not_kept(tmp_path: Path, cache: Path) -> None:
    small = tmp_path / "small.toml"
    small.write_text("a = 1\n", "utf-8")
    assert read_toml(small) == {"a": 1}
    dated = tmp_path / "dated.toml"
    dated.write_text(large("one") + "when = 2026-11-21\n", "utf-8")
    assert read_toml(dated)["record"]["when"].year == 2026
    assert not cache.exists()


def test_what_cannot_be_read_is_named(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(KnowledgeError, match=r"none\.toml: cannot be read"):
        read_toml(tmp_path / "none.toml")
    bad = tmp_path / "bad.toml"
    bad.write_text("a = \n" + "#" * SMALLEST, "utf-8")
    with pytest.raises(KnowledgeError, match=r"bad\.toml: is no TOML"):
        read_toml(bad)
    bad.write_text("schema = 2\n", "utf-8")
    with pytest.raises(KnowledgeError, match="schema 2 is not 1"):
        read_toml(bad)
    assert not cache.exists()
