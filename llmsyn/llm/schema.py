"""JSON schemas of replies: the few keywords that are needed, and whether a reply fits.

A validator of our own, since the keywords that servers support in their strict mode are few,
and a schema with any other must not look as if it were checked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llmsyn.errors import InputError

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_KEYWORDS = {
    "type",
    "enum",
    "const",
    "description",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "anyOf",
}
_SHOWN = 200  # characters of a value that an error shows


class ReplyError(ValueError):
    """A reply does not fit its schema; the message says where, for the model to read."""


def check_schema(schema: Mapping[str, Any], *, place: str = "schema") -> None:
    """Refuse a schema with keywords that :func:`misfit` does not check.

    Raises
    ------
    InputError : an unknown keyword or type, or an outermost type that is no object.
    """
    if place == "schema" and schema.get("type") != "object":
        raise InputError("the schema of a reply has to be of type object", key=place)
    unknown = sorted(set(schema) - _KEYWORDS)
    if unknown:
        raise InputError(
            f"keyword {unknown[0]!r} is not one of {', '.join(sorted(_KEYWORDS))}", key=place
        )
    if "type" in schema and schema["type"] not in _TYPES:
        raise InputError(f"type {schema['type']!r} is not one of {', '.join(_TYPES)}", key=place)
    for name, inner in schema.get("properties", {}).items():
        check_schema(inner, place=f"{place}.{name}")
    if "items" in schema:
        check_schema(schema["items"], place=f"{place}.items")
    for i, inner in enumerate(schema.get("anyOf", ())):
        check_schema(inner, place=f"{place}.anyOf[{i}]")


def parse(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    r"""Read a reply and check it.

    A code fence around the object, and prose before or after it, are passed over: models
    without a strict mode write them.

    Raises
    ------
    ReplyError : no JSON object, or one that does not fit.

    Examples
    --------
    >>> schema = {"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"]}
    >>> parse('Sure!\n```json\n{"a": 1}\n```', schema)
    {'a': 1}
    >>> parse('{"a": 3}', schema)
    Traceback (most recent call last):
    ...
    llmsyn.llm.schema.ReplyError: reply.a: 3 is not one of 1, 2
    """
    value = _object(text)
    problem = misfit(value, schema)
    if problem is not None:
        raise ReplyError(problem)
    return value


def misfit(value: Any, schema: Mapping[str, Any], place: str = "reply") -> str | None:
    """Where and why a value does not fit a schema; None where it does."""
    if "anyOf" in schema:
        problems = [misfit(value, inner, place) for inner in schema["anyOf"]]
        if all(problems):
            return problems[0]
    return (
        _wrong_type(value, schema, place)
        or _wrong_choice(value, schema, place)
        or _wrong_size(value, schema, place)
        or (_wrong_object(value, schema, place) if isinstance(value, dict) else None)
        or (_wrong_array(value, schema, place) if isinstance(value, list) else None)
    )


def _wrong_type(value: Any, schema: Mapping[str, Any], place: str) -> str | None:
    if "type" not in schema:
        return None
    wanted = schema["type"]
    fits = isinstance(value, _TYPES[wanted])
    if isinstance(value, bool):  # Python counts it among the integers, JSON does not
        fits = wanted == "boolean"
    if wanted == "integer" and isinstance(value, float) and value.is_integer():
        fits = True
    return None if fits else f"{place}: {_short(value)} is not of type {wanted}"


def _wrong_choice(value: Any, schema: Mapping[str, Any], place: str) -> str | None:
    choices = [schema["const"]] if "const" in schema else schema.get("enum")
    if choices is None or any(_same(value, each) for each in choices):
        return None
    return f"{place}: {_short(value)} is not one of {_short_list(choices)}"


def _wrong_size(value: Any, schema: Mapping[str, Any], place: str) -> str | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value)
        if not schema.get("minimum", number) <= number <= schema.get("maximum", number):
            return f"{place}: {_short(value)} is outside {_range(schema, 'minimum', 'maximum')}"
    if isinstance(value, str):
        size = len(value)
        if not schema.get("minLength", 0) <= size <= schema.get("maxLength", size):
            allowed = _range(schema, "minLength", "maxLength")
            return f"{place}: {size} characters are outside {allowed}"
    return None


def _wrong_object(value: dict[str, Any], schema: Mapping[str, Any], place: str) -> str | None:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            return f"{place}: the property {name!r} is missing"
    for name, each in value.items():
        if name in properties:
            problem = misfit(each, properties[name], f"{place}.{name}")
            if problem:
                return problem
        elif schema.get("additionalProperties", True) is False:
            return f"{place}: the property {_short(name)} is not one of {_short_list(properties)}"
    return None


def _wrong_array(value: list[Any], schema: Mapping[str, Any], place: str) -> str | None:
    size = len(value)
    if not schema.get("minItems", 0) <= size <= schema.get("maxItems", size):
        return f"{place}: {size} items are outside {_range(schema, 'minItems', 'maxItems')}"
    if schema.get("uniqueItems"):
        seen = [json.dumps(each, sort_keys=True) for each in value]
        if len(set(seen)) < size:
            return f"{place}: an item stands twice"
    for i, each in enumerate(value):
        problem = misfit(each, schema.get("items", {}), f"{place}[{i}]")
        if problem:
            return problem
    return None


def _object(text: str) -> dict[str, Any]:
    decoder = json.JSONDecoder(parse_constant=_no_constant)
    start = text.find("{")
    if start < 0:
        raise ReplyError(f"reply: {_short(text)} holds no JSON object")
    try:
        value, _ = decoder.raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        raise ReplyError(f"reply: the JSON object cannot be read ({error})") from None
    assert isinstance(value, dict)  # it starts with a brace
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ReplyError("reply: a text holds half of a character pair") from None
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _same(a: Any, b: Any) -> bool:
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def _range(schema: Mapping[str, Any], low: str, high: str) -> str:
    return f"{schema.get(low, '...')} to {schema.get(high, '...')}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _short_list(values: Any) -> str:
    text = ", ".join(json.dumps(value, ensure_ascii=False) for value in values)
    return text if len(text) <= 5 * _SHOWN else text[: 5 * _SHOWN] + ", ..."
