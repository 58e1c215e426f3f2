"""One slip of the pen in a long drug name, read only where one reading is possible.

Names of drugs that look alike are a known danger, so the rule is narrow: the word has eight
letters or more, begins with the right letter, and all names that one change away (a letter
missing, added, wrong, or two neighbours swapped: Damerau 1964, doi 10.1145/363958.363994)
mean the same ingredients.  A word that is itself a name never comes here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

SHORTEST_CORRECTED = 8
"""Fewer letters leave too many names one change away."""


@dataclass(frozen=True, eq=False)
class Speller:
    """Names of one word and the ingredients that each means."""

    names: Mapping[str, tuple[str, ...]]

    def correct(self, word: str) -> str | None:
        """The name that was meant; None where none or more than one could be.

        Examples
        --------
        >>> speller = Speller({"metoprolol": ("metoprolol",), "metformin": ("metformin",)})
        >>> speller.correct("metroprolol"), speller.correct("metopolol"), speller.correct("metfor")
        ('metoprolol', 'metoprolol', None)
        """
        if len(word) < SHORTEST_CORRECTED or not word.isalpha():
            return None
        near = {
            name
            for less in (word, *_shortened(word))
            for name in self._by_shortened.get(less, ())
            if name[0] == word[0] and one_change(word, name)
        }
        if len({self.names[name] for name in near}) != 1:
            return None
        return min(near)

    @cached_property
    def _by_shortened(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self.names:
            if len(name) >= SHORTEST_CORRECTED - 1 and name.isalpha():
                for less in {name, *_shortened(name)}:
                    found.setdefault(less, []).append(name)
        return found


def one_change(a: str, b: str) -> bool:
    """Whether two words differ by one letter added, dropped or wrong, or one swap of neighbours.

    Examples
    --------
    >>> one_change("asprin", "aspirin"), one_change("abdc", "abcd"), one_change("ab", "ab")
    (True, True, False)
    """
    if len(a) > len(b):
        a, b = b, a
    if len(b) - len(a) > 1 or a == b:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), len(a))
    if len(a) < len(b):
        return a[start:] == b[start + 1 :]
    swapped = a[start : start + 2] == b[start : start + 2][::-1]
    return a[start + 1 :] == b[start + 1 :] or (swapped and a[start + 2 :] == b[start + 2 :])


def _shortened(word: str) -> Iterator[str]:
    return (word[:i] + word[i + 1 :] for i in range(len(word)))
