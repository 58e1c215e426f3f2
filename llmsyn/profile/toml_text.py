"""TOML text of plain values; the standard library only reads TOML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_EXACT = 2.0**53  # whole numbers up to here are written without a point

Value = str | bool | int | float | Sequence["Value"] | Mapping[str, "Value"]


def key_text(key: str) -> str:
    """A key, quoted where it must be."""
    return key if _BARE.fullmatch(key) else value_text(key)


def value_text(value: Value) -> str:
    """A value on one line.

    Examples
    --------
    >>> value_text({"F": "female", "a b": [1.0, 0.25, True]})
    '{F = "female", "a b" = [1, 0.25, true]}'
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for the delete character.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key_text(k)} = {value_text(v)}" for k, v in value.items()) + "}"
    return "[" + ", ".join(value_text(each) for each in value) + "]"


def number_text(value: float) -> str:
    """The shortest text that reads back as the same number, whole numbers without a point."""
    value = float(value)
    return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)


def section_text(header: str, keys: Mapping[str, Value | None]) -> str:
    """A section: its header, then one key a line; keys whose value is None are left out."""
    lines = [f"{key_text(k)} = {value_text(v)}" for k, v in keys.items() if v is not None]
    return "\n".join([*([header] if header else []), *lines]) + "\n"
