"""Templates to prompt parts: what the template says is our text, what it inserts is typed.

A template is Jinja.  Whatever it prints has to be a typed public value
(:mod:`llmsyn.egress.values`); a plain text or number is refused, so a value cannot lose its
type on the way into a prompt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import replace
from functools import lru_cache
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, TemplateError, Undefined

from llmsyn.egress import plain
from llmsyn.egress.values import (
    PUBLIC_TYPES,
    OwnText,
    Public,
    PublicCode,
    text_of,
)
from llmsyn.errors import InputError

_MARK = "\x00"
_printed: ContextVar[list[Public]] = ContextVar("_printed")


def render(template: str, values: Mapping[str, Any]) -> tuple[Public, ...]:
    r"""Fill a template with typed values.

    Filters: ``line`` (one clean line), ``quoted`` (the same as a JSON string, for labels),
    ``fenced("source")`` (text from outside, in a fence that it cannot leave).

    Parameters
    ----------
    template : Jinja text; ``trim_blocks`` and ``lstrip_blocks`` are on.
    values : typed values, and lists and mappings of them.  Plain values may steer
        (``{% if n > 3 %}``), but not be printed.

    Raises
    ------
    InputError : the template is broken, names a value that is missing, or prints a plain one.

    Examples
    --------
    >>> from llmsyn.egress.values import KnowledgeValue
    >>> parts = render("Rate {{ label | quoted }}.", {"label": KnowledgeValue("A\nB", "x/y")})
    >>> "".join(text_of(part) for part in parts)
    'Rate "A B".'
    >>> [type(part).__name__ for part in parts]
    ['OwnText', 'KnowledgeValue', 'OwnText']
    """
    printed: list[Public] = []
    token = _printed.set(printed)
    try:
        text = _compiled(template).render(values)
    except TemplateError as error:
        raise InputError(f"a prompt template cannot be filled ({error})") from error
    finally:
        _printed.reset(token)
    parts: list[Public] = []
    for place, piece in enumerate(text.split(_MARK)):
        if place % 2:  # between two marks: the number of a printed value
            parts.append(printed[int(piece)])
        elif piece:
            parts.append(OwnText(piece))
    return tuple(parts)


def line(value: Public) -> Public:
    """The value on one line, without invisible signs."""
    return _changed(value, plain.clean_line(text_of(value)))


def quoted(value: Public) -> Public:
    """The value on one line as a JSON string: where it ends is plain to see."""
    return _changed(value, json.dumps(plain.clean_line(text_of(value)), ensure_ascii=False))


def fenced(value: Public, source: str) -> Public:
    """The value inside a fence (:func:`llmsyn.egress.plain.fence`)."""
    return _changed(value, plain.fence(text_of(value), source))


def _changed(value: Public, text: str) -> Public:
    if type(value) not in PUBLIC_TYPES:
        raise _plain_value(value)
    if isinstance(value, PublicCode):
        return value  # a listed code has no signs to clean
    return replace(value, content=text)


@lru_cache(maxsize=256)
def _compiled(template: str) -> Template:
    if _MARK in template:
        raise InputError("a prompt template holds a zero byte; take it out")
    environment = Environment(  # nosec B701
        undefined=StrictUndefined,
        finalize=_typed,
        autoescape=False,  # a prompt is no HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(line=line, quoted=quoted, fenced=fenced)
    return environment.from_string(template)


def _typed(value: Any) -> str:
    """Put a mark where a typed value goes; the value itself is kept aside."""
    if isinstance(value, Undefined):
        return str(value)  # which raises, and names it
    if type(value) not in PUBLIC_TYPES:
        raise _plain_value(value)
    printed = _printed.get()
    printed.append(value)
    return f"{_MARK}{len(printed) - 1}{_MARK}"


def _plain_value(value: Any) -> InputError:
    kind = type(value).__name__
    return InputError(
        f"a prompt template prints a plain {kind}; print typed public values only "
        "(llmsyn/egress/values.py)"
    )
