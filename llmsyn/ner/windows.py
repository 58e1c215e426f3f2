"""Long texts in windows that a model can read, with words around them for context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LIMIT = 200
CONTEXT = 40


@dataclass(frozen=True)
class Window:
    """Words ``first`` to ``last`` are read, those from ``keep_first`` to ``keep_last`` judged.

    Ends are exclusive.
    """

    first: int
    last: int
    keep_first: int
    keep_last: int


def windows(
    sizes: Sequence[int], limit: int = LIMIT, context: int = CONTEXT, ends: Sequence[bool] = ()
) -> list[Window]:
    """Cut words into windows.

    Parameters
    ----------
    sizes : pieces (subwords) that each word has.
    limit, context : pieces judged in a window, and read on either side of it, at most.
    ends : whether a word ends a sentence; a window ends there where its last third has one.

    Returns
    -------
    Windows whose judged parts cover every word once.

    Examples
    --------
    >>> [(w.keep_first, w.keep_last) for w in windows([1] * 5, limit=2, context=1)]
    [(0, 2), (2, 4), (4, 5)]
    """
    found: list[Window] = []
    at = 0
    while at < len(sizes):
        last, pieces = at, 0
        while last < len(sizes) and (last == at or pieces + sizes[last] <= limit):
            pieces += sizes[last]
            last += 1
        if ends and last < len(sizes):
            stops = [i + 1 for i in range(at + 2 * (last - at) // 3, last) if ends[i]]
            last = stops[-1] if stops else last
        found.append(Window(_back(sizes, at, context), _forth(sizes, last, context), at, last))
        at = last
    return found


def _back(sizes: Sequence[int], at: int, context: int) -> int:
    first = at
    while first > 0 and context >= sizes[first - 1]:
        context -= sizes[first - 1]
        first -= 1
    return first


def _forth(sizes: Sequence[int], at: int, context: int) -> int:
    last = at
    while last < len(sizes) and context >= sizes[last]:
        context -= sizes[last]
        last += 1
    return last
