"""Files that are whole or absent, text for spreadsheets, and limits on what is read whole."""

from __future__ import annotations

import gzip
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsyn.cohort.mapping import read_mapping
from llmsyn.cohort.parts import read_manifest
from llmsyn.errors import CohortError, InputError, KnowledgeError, MappingError, OutputError
from llmsyn.knowledge.parsed import read_toml
from llmsyn.llm import results
from llmsyn.store import (
    atomic,
    parse_toml,
    read_at_most,
    sha256_file,
    sha256_folder,
    spreadsheet_raw,
    spreadsheet_safe,
    write_folder,
    write_json,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def test_a_file_is_whole_or_absent(tmp_path):
    with pytest.raises(RuntimeError), atomic(tmp_path / "a") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with atomic(tmp_path / "below" / "a") as temporary:
        temporary.write_text("whole")
        assert not (tmp_path / "below" / "a").exists()
    assert (tmp_path / "below" / "a").read_text() == "whole"
    assert (tmp_path / "below" / "a").stat().st_mode & 0o777 == 0o644


def test_an_old_file_stays_until_the_new_one_is_whole(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(RuntimeError), atomic(tmp_path / "a") as temporary:
        temporary.write_text("ne")
        raise RuntimeError
    assert (tmp_path / "a").read_text() == "old"


def test_a_full_disk_is_an_error_of_ours(tmp_path):
    def full() -> None:
        with atomic(tmp_path / "a") as temporary:
            temporary.write_text("x")
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left on device; free some space"):
        full()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_whole_or_absent(tmp_path):
    def half(folder):
        (folder / "a").write_text("x")
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left"):
        write_folder(tmp_path / "f", half)
    assert list(tmp_path.iterdir()) == []
    write_folder(tmp_path / "f", lambda folder: None)
    with pytest.raises(OutputError, match="exists"):
        write_folder(tmp_path / "f", lambda folder: None)


def test_hashes_are_of_names_and_bytes(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_json(tmp_path / name / "a.json", {"b": 1, "a": "ä"})
    assert sha256_folder(tmp_path / "one") == sha256_folder(tmp_path / "two")
    (tmp_path / "two" / ".hidden").touch()
    assert sha256_folder(tmp_path / "one") == sha256_folder(tmp_path / "two")
    (tmp_path / "two" / "a.json").rename(tmp_path / "two" / "b.json")
    assert sha256_folder(tmp_path / "one") != sha256_folder(tmp_path / "two")
    assert sha256_file(tmp_path / "one" / "a.json") == sha256_file(tmp_path / "two" / "b.json")


@given(st.text())
def test_a_cell_comes_back_as_it_was_and_never_runs(text):
    safe = spreadsheet_safe(text)
    assert spreadsheet_raw(safe) == text
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_what_is_read_whole_has_a_limit(tmp_path):
    file = tmp_path / "x"
    file.write_bytes(b"12345678")
    assert read_at_most(file, 8) == b"12345678"
    with pytest.raises(KnowledgeError, match="which is the limit"):
        read_at_most(file, 7, KnowledgeError)


@pytest.mark.parametrize(
    ("name", "mb", "read", "kind"),
    [
        ("mapping.toml", 4, read_mapping, MappingError),
        ("renal.toml", 16, read_toml, KnowledgeError),
        ("manifest.json", 256, lambda file: read_manifest(file.parent), CohortError),
    ],
)
def test_each_kind_of_file_has_its_limit(tmp_path, name, mb, read, kind):
    file = tmp_path / name
    with file.open("wb") as handle:
        handle.truncate((mb << 20) + 1)  # a hole: no disk is used
    with pytest.raises(kind, match=f"more than {mb} MB"):
        read(file)


def test_an_archive_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "MAX_BYTES", 1 << 20)
    file = tmp_path / "bomb.jsonl.gz"
    file.write_bytes(gzip.compress(b"\n" * (8 << 20)))
    assert file.stat().st_size < 10_000
    with pytest.raises(InputError, match="more than 1 MB"):
        results.read_results(file)


@pytest.mark.parametrize("text", ["a = " + "[" * 10_000, "a = " + "9" * 5_000, "a = {b = " * 9_999])
def test_toml_has_one_error(text):
    with pytest.raises(tomllib.TOMLDecodeError):
        parse_toml(text)


def test_messages_are_for_reading():
    error = InputError("x" * 10**6, file="f", key="k" * 10**6)
    assert len(str(error)) < 1_500
    assert str(InputError("short", key="k")) == "key k: short"
