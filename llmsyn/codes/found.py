"""What a table says of a code, and of which code it says it: the code, or one near it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from llmsyn.codes.systems import parents
from llmsyn.codes.tables import children, known, least_specific

Value = TypeVar("Value", bound=Hashable)


@dataclass(frozen=True)
class Found(Generic[Value]):
    """A value of a table.

    Attributes
    ----------
    value : what the table says.
    exact : whether the table holds the very code that was asked for.
    code : the code that the value belongs to.  Where it is not the code asked for it is a
        category above it, or the unspecified code that stands for a category.
    """

    value: Value
    exact: bool
    code: str


def look_up(system: str, code: str, value_of: Callable[[str], Value | None]) -> Found[Value] | None:
    """The value of a code, else of what is nearest above it in its hierarchy.

    A code that the table lacks takes the value that all listed codes below its category
    share; where they differ, that of the least specific one; else the next category up is
    tried.

    Parameters
    ----------
    value_of : the value of a listed code, None where the table has none.

    Returns
    -------
    None where nothing up to the three-character category has a value.
    """
    for candidate in (code, *parents(system, code)):
        if not known(system, candidate):
            continue
        below = children(system, candidate)
        own = value_of(candidate) if below[0] == candidate else None
        if own is not None:
            return Found(own, candidate == code, candidate)
        values = {value for each in below if (value := value_of(each)) is not None}
        if len(values) == 1:
            return Found(values.pop(), False, candidate)
        if values:
            least = least_specific(system, candidate)
            value = value_of(least)
            if value is not None:
                return Found(value, False, least)
    return None
