"""The class scale as prompts and replies write it."""

from __future__ import annotations

from typing import Literal, TypeAlias

from llmsyn.knowledge.types import EXCLUDES

Rated: TypeAlias = "int | Literal['excludes']"
"""A class, 0 for what was offered and not named, or ``excludes``."""

WORDS: dict[str, Rated] = {
    "+3": 3,
    "+2": 2,
    "+1": 1,
    "-1": -1,
    "-2": -2,
    "never": EXCLUDES,
}
UNRELATED = "unrelated"


def word_of(effect: Rated) -> str:
    """How a class is written.

    Examples
    --------
    >>> [word_of(each) for each in (2, 0, "excludes")]
    ['+2', 'unrelated', 'never']
    """
    return next((word for word, rated in WORDS.items() if rated == effect), UNRELATED)
