"""Drug orders as hospitals write them -> ingredients.

An order is cut into words; the longest runs of words that are exactly a name of an ingredient
(id, alias, brand, salt) or of a product are its ingredients.  Nothing is guessed: a misspelling
counts only where the base lists it.  Words that are neither a name nor a unit, form, route or
the like (``knowledge/orders.toml``) are the *rest*, which is reported.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from llmsyn.errors import KnowledgeError
from llmsyn.knowledge.loading import KnowledgeBase
from llmsyn.knowledge.matching import SHORTEST_NAME

_WORD = re.compile(r"[a-z]+[0-9]*|[0-9]+[a-z]*|\+")
_NUMBER = re.compile(r"[0-9]+[a-z]{0,4}")
_IN = "in"


@dataclass(frozen=True)
class Placement:
    """What an order was read as: ids of ingredients in order, and words not understood."""

    ingredients: tuple[str, ...]
    rest: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Name:
    words: tuple[str, ...]
    ingredients: tuple[str, ...]
    weak: bool  # counts only where nothing is left unexplained


@dataclass(frozen=True, eq=False)
class _Lexicon:
    """Names by their first word, longest first, and the words that name nothing."""

    names: Mapping[str, tuple[_Name, ...]]
    known_words: frozenset[str]
    refuse: frozenset[str]
    carriers: frozenset[str]


def ingredients(text: str, base: KnowledgeBase) -> tuple[str, ...]:
    """Ingredients of an order, as ids of the base's drugs; empty where none is certain.

    Examples
    --------
    >>> from llmsyn.knowledge.loading import load_base
    >>> base = load_base()
    >>> ingredients("1000 ML FLEX CONT : SODIUM CHLORIDE 0.9 % IV SOLN", base)
    ('sodium chloride',)
    >>> ingredients("acetaminophen w/ codeine 300-30 mg tab", base)
    ('acetaminophen', 'codeine')
    >>> ingredients("Vancomycin trough level", base), ingredients("blue pill", base)
    ((), ())
    """
    return place(text, base).ingredients


def place(text: str, base: KnowledgeBase) -> Placement:
    """Ingredients of an order and the words of it that were not understood."""
    return _place(text, _lexicon(base))


def unplaced(strings: Iterable[str], base: KnowledgeBase) -> Counter[str]:
    """Orders without any certain ingredient and how often they stand there."""
    return Counter(text for text in strings if not ingredients(text, base))


def normaliser(base: KnowledgeBase) -> Callable[[str], tuple[str, ...]]:
    """A function for ``normalise = "ingredient"`` of a mapping.

    An order that cannot be placed keeps its own text, in lower case: it stays a code of its
    own, which ``llmsyn knowledge coverage`` lists and disclosure control treats as any other.
    """
    lexicon = _lexicon(base)

    @lru_cache(maxsize=1 << 16)
    def codes_of(text: str) -> tuple[str, ...]:
        found = _place(text, lexicon).ingredients
        own = " ".join(text.lower().split())
        return found or ((own,) if own else ())

    return codes_of


def _place(text: str, lexicon: _Lexicon) -> Placement:
    words = _words(text)
    found: list[str] = []
    rest: list[str] = []
    weak: list[str] = []
    carried = False  # whether what follows is the fluid that the drug is given in
    at = 0
    while at < len(words):
        name = _name_at(words, at, lexicon)
        if name is None:
            word = words[at]
            carried = carried or (word == _IN and bool(found))
            if word not in lexicon.known_words and not _NUMBER.fullmatch(word):
                rest.append(word)
            at += 1
            continue
        for one in name.ingredients:
            if not (carried and one in lexicon.carriers):
                (weak if name.weak else found).append(one)
        at += len(name.words)
    if any(word in lexicon.refuse for word in words):
        return Placement((), tuple(rest))
    if not found and not rest:
        found = weak
    return Placement(tuple(dict.fromkeys(found)), tuple(rest))


def _name_at(words: tuple[str, ...], at: int, lexicon: _Lexicon) -> _Name | None:
    for name in lexicon.names.get(words[at], ()):
        if words[at : at + len(name.words)] == name.words:
            return name
    return None


def _words(text: str) -> tuple[str, ...]:
    """Lower case, without accents; digits and letters apart only where a unit follows."""
    plain = unicodedata.normalize("NFKD", text.lower().replace("_", " "))
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return tuple(_WORD.findall(plain))


@lru_cache(maxsize=4)
def _lexicon(base: KnowledgeBase) -> _Lexicon:
    order_words = base.order_words
    weak_names = {_words(name) for name in order_words.get("weak", ())}
    names: dict[tuple[str, ...], tuple[str, ...]] = {}
    for drug in base.drugs.values():
        names[_words(drug.id)] = (drug.id,)
    for drug in base.drugs.values():
        for name in (drug.name, *drug.salts, *drug.brands, *drug.aliases):
            names.setdefault(_words(name), (drug.id,))
    for name, parts in base.combinations.items():
        missing = [part for part in parts if part not in base.drugs]
        if missing:
            raise KnowledgeError(
                f"there is no drug {missing[0]!r}; write a record or correct the id",
                file="orders.toml",
                key=f"combinations.{name}",
            )
        names[_words(name)] = parts
    names.pop((), None)
    by_first: dict[str, list[_Name]] = {}
    for words, parts in names.items():
        short = sum(map(len, words)) < SHORTEST_NAME
        by_first.setdefault(words[0], []).append(_Name(words, parts, short or words in weak_names))
    known = {
        word
        for key in ("units", "forms", "routes", "salts", "other")
        for word in order_words.get(key, ())
    }
    return _Lexicon(
        {
            first: tuple(sorted(group, key=lambda name: -len(name.words)))
            for first, group in by_first.items()
        },
        frozenset(known),
        frozenset(order_words.get("refuse", ())),
        frozenset(order_words.get("carriers", ())),
    )
