"""Schemas of replies: each keyword has a value that it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsyn.errors import InputError
from llmsyn.llm.schema import ReplyError, check_schema, misfit, parse

CASES: list[tuple[dict[str, Any], Any, Any]] = [
    ({"type": "object"}, {}, []),
    ({"type": "array"}, [], {}),
    ({"type": "string"}, "a", 1),
    ({"type": "integer"}, 3, 3.5),
    ({"type": "integer"}, 3.0, True),
    ({"type": "number"}, 3.5, "3.5"),
    ({"type": "number"}, 3, False),
    ({"type": "boolean"}, True, 1),
    ({"type": "null"}, None, 0),
    ({"enum": ["a", 1]}, "a", "b"),
    ({"enum": [1, 0]}, 0, False),
    ({"const": 2}, 2, 3),
    ({"minimum": -2, "maximum": 3}, 3, 4),
    ({"minimum": -2, "maximum": 3}, -2, -3),
    ({"minLength": 2}, "ab", "a"),
    ({"maxLength": 2}, "ab", "abc"),
    ({"items": {"type": "string"}}, ["a"], ["a", 1]),
    ({"minItems": 1}, [1], []),
    ({"maxItems": 1}, [1], [1, 2]),
    ({"uniqueItems": True}, [1, 2], [1, 1]),
    ({"uniqueItems": True}, [{"a": 1}], [{"a": 1, "b": 2}, {"b": 2, "a": 1}]),
    ({"required": ["a"]}, {"a": 1}, {"b": 1}),
    ({"properties": {"a": {"type": "string"}}}, {"a": "x"}, {"a": 1}),
    ({"properties": {"a": {}}, "additionalProperties": False}, {"a": 1}, {"a": 1, "b": 1}),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, None, 1),
]


@pytest.mark.parametrize(("schema", "good", "bad"), CASES)
def test_each_keyword(schema: dict[str, Any], good: Any, bad: Any) -> None:
    assert misfit(good, schema) is None
    problem = misfit(bad, schema)
    assert problem is not None
    assert problem.startswith("reply")


def test_an_error_says_where() -> None:
    schema = {"properties": {"a": {"items": {"properties": {"b": {"enum": [1]}}}}}}
    assert misfit({"a": [{"b": 1}, {"b": 2}]}, schema) == "reply.a[1].b: 2 is not one of 1"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array"},
        {},
        {"type": "object", "pattern": "x"},
        {"type": "object", "properties": {"a": {"$ref": "#"}}},
        {"type": "object", "properties": {"a": {"type": "text"}}},
        {"type": "object", "properties": {"a": {"items": {"format": "date"}}}},
    ],
)
def test_a_keyword_that_is_not_checked_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        check_schema(schema)


@pytest.mark.parametrize(
    "text",
    ['{"a": 1}', 'Here:\n```json\n{"a": 1}\n```\nDone.', '\n {"a":1} {"a":2}'],
)
def test_the_first_object_counts(text: str) -> None:
    assert parse(text, {"type": "object"}) == {"a": 1}


@pytest.mark.parametrize(
    "text", ["", "no", "[1]", '{"a": ', '{"a": Infinity}', "{" * 100_000, '{"a": "\\udc00"}']
)
def test_what_is_no_object_is_a_reply_error(text: str) -> None:
    with pytest.raises(ReplyError):
        parse(text, {"type": "object"})


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), _json), st.text())
def test_any_object_comes_back(value: dict[str, Any], after: str) -> None:
    assert parse(json.dumps(value) + after, {"type": "object"}) == value


@given(st.text())
def test_no_text_crashes(text: str) -> None:
    try:
        parse(text, {"type": "object", "required": ["a"]})
    except ReplyError as error:
        assert str(error).startswith("reply")
