"""TOML files as parsed, kept beside their hash so that an unchanged file is parsed once.

Parsing is most of the time that the shipped base takes to load.  What is kept is the parsed
content of one file and the hash of the bytes that it came from; other bytes, other content.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from llmsyn.errors import KnowledgeError, OutputError
from llmsyn.store import parse_toml, read_at_most, write_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SCHEMA_VERSION = 1

MAX_BYTES = 16 << 20
SMALLEST = 4096
"""A file below this many bytes is parsed each time."""

_FORMAT = "1"  # what a kept file looks like; in the hash, so that another form is never read

log = logging.getLogger(__name__)


def read_toml(file: Path) -> dict[str, Any]:
    """The content of a TOML file, without its ``schema``.

    Raises
    ------
    KnowledgeError : the file cannot be read, is no TOML, or is of another schema.
    """
    content = _content(file)
    schema = content.pop("schema", SCHEMA_VERSION)
    if schema != SCHEMA_VERSION:
        raise KnowledgeError(
            f"schema {schema!r} is not {SCHEMA_VERSION}, the one that this version "
            "reads; install a matching llmsyn",
            file=file,
            key="schema",
        )
    return content


def _content(file: Path) -> dict[str, Any]:
    try:
        raw = read_at_most(file, MAX_BYTES, KnowledgeError)
    except OSError as error:
        raise KnowledgeError(
            f"cannot be read ({error.strerror}); check the file", file=file
        ) from error
    if len(raw) < SMALLEST:
        return _parsed(raw, file)
    digest = hashlib.sha256(_FORMAT.encode() + raw).hexdigest()
    place = _place(file)
    kept = _kept(place, digest)
    if kept is None:
        kept = _parsed(raw, file)
        _keep(place, digest, kept)
    return kept


def _parsed(raw: bytes, file: Path) -> dict[str, Any]:
    try:
        return parse_toml(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KnowledgeError(f"is no TOML: {error}", file=file) from error


def _place(file: Path) -> Path:
    """Where the parsed form lies: ``LLMSYN_CACHE``, else the user's cache folder."""
    name = f"{file.stem}-{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:16]}.json"
    if folder := os.environ.get("LLMSYN_CACHE"):
        return Path(folder) / "knowledge" / name
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "llmsyn" / "knowledge" / name


def _kept(place: Path, digest: str) -> dict[str, Any] | None:
    try:
        kept = json.loads(place.read_bytes())
    except (OSError, ValueError):  # absent, or cut off by a full disk: parsed anew
        return None
    if not isinstance(kept, dict) or kept.get("sha256") != digest:
        return None
    content = kept.get("content")
    return content if isinstance(content, dict) else None


def _keep(place: Path, digest: str, content: dict[str, Any]) -> None:
    try:
        text = json.dumps({"sha256": digest, "content": content}, ensure_ascii=False)
        write_text(place, text)
    except (TypeError, OutputError) as error:  # a date in the file; a home that is read-only
        log.debug("%s is not kept as parsed: %s", place.name, error)
