"""What a table says of a code, and of which code it says it: the code, or one near it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from llmsyn.codes.systems import parents
from llmsyn.codes.tables import children, known, least_specific, normalise

Value = TypeVar("Value", bound=Hashable)

Level = Literal["code", "above", "category", "unspecified", "prefix"]


@dataclass(frozen=True)
class Found(Generic[Value]):
    """A value of a table.

    Attributes
    ----------
    value : what the table says.
    level : whose value it is. ``code``: of the code that was asked for. ``above``: of a listed
        code above it. ``category``: all listed codes of the category share it.
        ``unspecified``: they differ, so it is that of the least specific one. ``prefix``: the
        code is not listed, but the table names the beginning of it.
    code : the code or category that the value belongs to.
    """

    value: Value
    level: Level
    code: str

    @property
    def exact(self) -> bool:
        """Whether the table holds the very code that was asked for."""
        return self.level == "code"


def look_up(system: str, text: str, value_of: Callable[[str], Value | None]) -> Found[Value] | None:
    """The value of a code, else of what is nearest above it in its hierarchy.

    A code that the table lacks takes the value that all listed codes below its category
    share; where they differ, that of the least specific one; else the next category up is
    tried.

    Parameters
    ----------
    text : a code, with or without dots, in either case.
    value_of : the value of a listed code, None where the table has none.

    Returns
    -------
    None where nothing up to the three-character category has a value.
    """
    code = normalise(system, text)
    for candidate in (code, *parents(system, code)):
        if not known(system, candidate):
            continue
        below = children(system, candidate)
        own = value_of(candidate) if below[0] == candidate else None
        if own is not None:
            return Found(own, "code" if candidate == code else "above", candidate)
        values = {value for each in below if (value := value_of(each)) is not None}
        if len(values) == 1:
            return Found(values.pop(), "category", candidate)
        if values:
            least = least_specific(system, candidate)
            value = value_of(least)
            if value is not None:
                return Found(value, "unspecified", least)
    return None
