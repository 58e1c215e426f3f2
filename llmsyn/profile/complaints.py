"""From the parser's error list to one sentence that names the key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from llmsyn.errors import ProfileError

_KINDS = {"categorical", "numeric", "codes"}  # the union's tags, which are no keys

_EXPECTED = {
    "string_type": "a text in quotes",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list in square brackets",
    "dict_type": "a table of keys and values",
    "model_type": "a table of keys and values",
    "model_attributes_type": "a table of keys and values",
    "finite_number": "a finite number",
}
_LIMITS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "above"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "below"),
}


def complain(
    error: ValidationError, data: Mapping[str, Any], model: type[BaseModel], file: str
) -> ProfileError:
    """Say the first problem of a validation error in one sentence.

    Parameters
    ----------
    error : what pydantic found.
    data : the parsed file, to look up neighbouring keys.
    model : the model of the whole file.
    file : its name.
    """
    details = error.errors()
    # Unknown keys first: a misspelt key is also reported as missing, and the spelling is the cause.
    details.sort(key=lambda d: d["type"] != "extra_forbidden")
    first = details[0]
    path = _plain_path(first["loc"], data)
    if first["type"].startswith("union_tag"):
        path.append("kind")
    sentence = _sentence(first, model, data)
    places = {_key_path(_plain_path(d["loc"], data)) for d in details}
    more = len(places) - 1
    if more:
        sentence += f" (and {more} more {'key' if more == 1 else 'keys'} of this file)"
    return ProfileError(sentence, file=file, key=_key_path(path))


def _sentence(detail: ErrorDetails, model: type[BaseModel], data: Mapping[str, Any]) -> str:
    kind, given = detail["type"], detail["input"]
    context = detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(detail["loc"], model, data)
    if kind == "missing":
        return "the key is missing; add it"
    if kind in {"literal_error", "union_tag_invalid"}:
        accepted = str(context.get("expected") or context.get("expected_tags"))
        tag = context.get("tag", given)
        return f"{_shown(tag)} is not accepted; write {_alternatives(accepted)}"
    if kind == "union_tag_not_found":
        return "the key is missing; write 'categorical', 'numeric' or 'codes'"
    if kind in _EXPECTED:
        return f"{_shown(given)} is not accepted; write {_EXPECTED[kind]}"
    if kind in _LIMITS:
        bound, words = _LIMITS[kind]
        return f"{_shown(given)} is out of range; write a number {words} {context[bound]:g}"
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        return (
            f"{_shown(given)} is no name; begin with a letter and use letters, digits, "
            "underscores and hyphens"
        )
    if kind in {"too_short", "string_too_short"}:
        least = context.get("min_length", 1)
        return f"there are too few entries; give at least {least}"
    return f"{_shown(given)} is not accepted: {detail['msg']}"


def _unknown_key(loc: Sequence[int | str], model: type[BaseModel], data: Mapping[str, Any]) -> str:
    known = _keys_at(loc[:-1], model)
    name = str(loc[-1])
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"
    return f"unknown key; {hint}"


def _keys_at(loc: Sequence[int | str], model: type[BaseModel]) -> list[str]:
    """Names of the keys that the model at a location accepts."""
    here = [model]
    for part in loc:
        if isinstance(part, int):
            continue
        if part in _KINDS and len(here) > 1:
            here = [m for m in here if part in get_args(m.model_fields["kind"].annotation)]
        else:
            # A part that is no field is a key of the user's own, such as a table's name.
            here = [m for each in here for m in _models_under(each, part)] or here
    return sorted({f.alias or n for each in here for n, f in each.model_fields.items()})


def _models_under(model: type[BaseModel], key: str) -> list[type[BaseModel]]:
    field = next((f for n, f in model.model_fields.items() if (f.alias or n) == key), None)
    return [] if field is None else _models_in(field.annotation)


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for argument in get_args(annotation) for m in _models_in(argument)]


def _plain_path(loc: Sequence[int | str], data: Any) -> list[int | str]:
    """The location without the tags that pydantic adds for unions."""
    path: list[int | str] = []
    here: Any = data
    for part in loc:
        if isinstance(part, int):
            path.append(part)
            here = here[part] if isinstance(here, list) and part < len(here) else None
        elif part in _KINDS and isinstance(here, dict) and here.get("kind") == part:
            continue
        else:
            path.append(part)
            here = here.get(part) if isinstance(here, dict) else None
    return path


def _key_path(path: Sequence[int | str]) -> str | None:
    """``variables[2].levels`` from its parts; None for the file as a whole."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".") or None


def _shown(value: object) -> str:
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _alternatives(text: str) -> str:
    """``'a', 'b' or 'c'`` from the several ways in which pydantic lists what it accepts."""
    names = re.findall(r"'[^']*'|\b\d+\b", text)
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
