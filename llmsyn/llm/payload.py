"""A turn as the payload of a chat request, made of typed values only.

Servers differ in what they understand: whether they hold a model to a schema, what the
longest length is called, whether a temperature may be given.  A :class:`Dialect` says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from llmsyn.egress.requests import Payload
from llmsyn.egress.values import PUBLIC_TYPES, Joined, ModelText, OwnText, Public, PublicCode
from llmsyn.errors import InputError
from llmsyn.llm.completion import Turn
from llmsyn.llm.requests import ModelRequest
from llmsyn.llm.schema import check_schema

Form = Literal["strict", "object", "text"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_PURPOSE = re.compile(r"[A-Za-z0-9_./-]{1,80}")
_NAMED = ("properties",)  # keywords whose keys are names, not keywords
_SIZES = ("minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum")
_SHOWN_REPLY = 4000  # characters of a reply that a re-ask shows to the model again


@dataclass(frozen=True)
class Dialect:
    """What a server understands.

    Attributes
    ----------
    form : ``strict``, the server holds the model to the schema; ``object``, to JSON only;
        ``text``, to nothing.  In the last two the schema is told in the prompt.
    length : the name of the longest length.
    temperature, seed : whether they may be given.
    """

    form: Form = "strict"
    length: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: bool = True
    seed: bool = True

    def looser(self) -> Dialect | None:
        """The same with one demand less on the form; None after the last."""
        steps: dict[Form, Form] = {"strict": "object", "object": "text"}
        return replace(self, form=steps[self.form]) if self.form in steps else None

    def after(self, refusal: str) -> Dialect | None:
        """The dialect to try after a server refused this one with a message; None to give up."""
        said = refusal.lower()
        if self.length == "max_tokens" and "max_completion_tokens" in said:
            return replace(self, length="max_completion_tokens")
        if self.temperature and "temperature" in said:
            return replace(self, temperature=False)
        if self.seed and re.search(r"\bseed\b", said):
            return replace(self, seed=False)
        return self.looser()


def payload(turn: Turn, model: str, dialect: Dialect) -> dict[str, Payload]:
    """The body of a chat request, in typed values.

    Raises
    ------
    InputError : the schema holds a text that neither is typed nor stands in the prompt, or a
        keyword that is not checked; or a name is no plain identifier.
    """
    request = turn.request
    schema = typed_schema(request)
    content: dict[str, Payload] = {
        "model": OwnText(model),
        "messages": _messages(turn, schema, told=dialect.form != "strict"),
        dialect.length: OwnText(request.max_tokens),
    }
    if dialect.temperature:
        content["temperature"] = OwnText(float(request.temperature))
    if dialect.seed and request.seed is not None:
        content["seed"] = OwnText(request.seed)
    if dialect.form == "strict":
        content["response_format"] = {
            "type": OwnText("json_schema"),
            "json_schema": {
                "name": OwnText(request.schema_name),
                "strict": OwnText(True),
                "schema": schema,
            },
        }
    elif dialect.form == "object":
        content["response_format"] = {"type": OwnText("json_object")}
    return content


def typed_schema(request: ModelRequest) -> dict[str, Payload]:
    """The schema in typed values.

    Plain text in it counts as ours where it stands in the prompt, whose every sign has a
    type; so a schema says nothing that the prompt does not.

    Raises
    ------
    InputError : as for :func:`payload`.
    """
    if not _NAME.fullmatch(request.schema_name) or not _PURPOSE.fullmatch(request.purpose):
        raise InputError(
            "purpose and schema name of a request are letters, digits and _ (the purpose also . "
            "/ and -); rename them"
        )
    check_schema(request.plain_schema)
    said = f"{request.prompt.system}\n{request.prompt.user}"
    typed = _typed(request.schema, said, "schema")
    assert isinstance(typed, dict)
    return typed


def _typed(value: Any, said: str, place: str) -> Payload:
    if isinstance(value, Mapping):
        typed: dict[str, Payload] = {}
        for key, each in value.items():
            if place.endswith(_NAMED) and (not _NAME.fullmatch(key) or key not in said):
                raise _refused(f"{place}: a name of a property")
            typed[key] = _typed(each, said, f"{place}.{key}")
        return typed
    if isinstance(value, (list, tuple)):
        return tuple(_typed(each, said, f"{place}[{i}]") for i, each in enumerate(value))
    if type(value) in PUBLIC_TYPES:
        return value  # type: ignore[no-any-return]  # the guard looks at it
    if isinstance(value, bool):
        return OwnText(value)
    if isinstance(value, (int, float)):
        if place.rpartition(".")[2] not in _SIZES and str(value) not in said:
            raise _refused(f"{place}: a number")
        return OwnText(value)
    if isinstance(value, str):
        keyword = place.endswith(".type") or value in said
        if not keyword:
            raise _refused(f"{place}: a text")
        return OwnText(value)
    raise _refused(f"{place}: a {type(value).__name__}")


def _refused(what: str) -> InputError:
    return InputError(
        f"{what} in the schema of a reply is neither a typed public value nor part of the prompt; "
        "name it in the prompt"
    )


def _messages(turn: Turn, schema: dict[str, Payload], *, told: bool) -> tuple[Payload, ...]:
    prompt = turn.request.prompt
    user: tuple[Public, ...] = prompt.user_parts
    if told:
        user = (
            *user,
            OwnText("\n\nReply with one JSON object that fits this JSON schema, nothing else:\n"),
            *_json_parts(schema),
        )
    messages = [_message("system", prompt.system_parts)] if prompt.system else []
    messages.append(_message("user", user))
    for reply, problem in turn.earlier:
        messages.append(_message("assistant", (ModelText(reply[:_SHOWN_REPLY]),)))
        correction = (
            OwnText("That reply cannot be used. "),
            ModelText(problem),
            OwnText("\nReply again with one JSON object that fits the schema, nothing else."),
        )
        messages.append(_message("user", correction))
    return tuple(messages)


def _message(role: str, parts: tuple[Public, ...]) -> Payload:
    return {"role": OwnText(role), "content": Joined(parts)}


def _json_parts(value: Payload) -> list[Public]:
    """JSON text of typed values, in parts that keep their types."""
    if isinstance(value, Mapping):
        parts: list[Public] = [OwnText("{")]
        for i, (key, each) in enumerate(value.items()):
            parts += [OwnText(f"{', ' if i else ''}{json.dumps(key)}: "), *_json_parts(each)]
        return [*parts, OwnText("}")]
    if isinstance(value, tuple):
        parts = [OwnText("[")]
        for i, each in enumerate(value):
            parts += [OwnText(", " if i else ""), *_json_parts(each)]
        return [*parts, OwnText("]")]
    assert not isinstance(value, Joined)
    if isinstance(value.content, str):
        # A listed code or label: quotes around the value, which keeps its type.
        quoted = json.dumps(value.content, ensure_ascii=False)
        if quoted == f'"{value.content}"':
            return [OwnText('"'), value, OwnText('"')]
        assert not isinstance(value, PublicCode)  # a listed code holds nothing to escape
        return [replace(value, content=quoted)]
    return [OwnText(json.dumps(value.content))]
