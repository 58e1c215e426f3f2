"""Drug orders as hospitals write them -> ingredients.

An order is cut into words; the longest runs of words that are exactly a name of an ingredient
(id, alias, brand, salt) or of a product are its ingredients.  A misspelling counts where the
base lists it, or where a long word is one change away from one drug only
(:mod:`llmsyn.knowledge.spelling`); nothing else is guessed.  Words that are neither a name nor
a unit, form, route or the like (``knowledge/orders.toml``) are the *rest*, which is reported.

A product of several ingredients that has a record of its own (``oxycodone-acetaminophen``) is
that one; any other is its ingredients.  Doses and strengths are not read.
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
from llmsyn.knowledge.spelling import Speller

# A word and a dose without a blank between them (lasix40mg) are two words from four letters
# on (b12 is one); a number and a unit of up to three letters (40mg) are one.
_WORD = re.compile(r"[a-z]{4,}|[a-z]+[0-9]*|[0-9]+[a-z]{1,3}(?![a-z])|[0-9]+|%")
_NUMBER = re.compile(r"[0-9]+[a-z]{0,3}|%")
_IN = "in"


@dataclass(frozen=True)
class Placement:
    """What an order was read as.

    Attributes
    ----------
    ingredients : ids of drugs, in the order in which they are written; empty: not placed.
    rest : words that were not understood.
    corrected : misspelled words and the names that they were read as.
    """

    ingredients: tuple[str, ...]
    rest: tuple[str, ...] = ()
    corrected: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Name:
    words: tuple[str, ...]
    ingredients: tuple[str, ...]
    weak: bool  # counts only where nothing else is named or left unexplained


@dataclass(frozen=True, eq=False)
class _Lexicon:
    """Names by their first word, longest first, and the words that name nothing."""

    names: Mapping[str, tuple[_Name, ...]]
    known_words: frozenset[str]
    units: frozenset[str]
    refuse: frozenset[str]
    carriers: frozenset[str]
    speller: Speller


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
    """What an order is read as, the words of it that were not understood, and corrections."""
    return _place(text, _lexicon(base))


def unplaced(strings: Iterable[str], base: KnowledgeBase) -> Counter[str]:
    """Orders without any certain ingredient and how often they stand there."""
    lexicon = _lexicon(base)
    written = Counter(strings)
    return Counter(
        {text: n for text, n in written.items() if not _place(text, lexicon).ingredients}
    )


def normaliser(base: KnowledgeBase) -> Callable[[str], tuple[str, ...]]:
    """The function that makes ingredients of the drug texts that a mapping names.

    An order that cannot be placed keeps its own text, in lower case: it stays a code of its
    own, which ``llmsyn knowledge coverage`` lists and disclosure control treats as any other.
    Each text is read once, however often it stands there.
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
    weak: list[tuple[str, bool]] = []  # and whether the name has another meaning in orders
    rest: list[str] = []
    corrected: list[tuple[str, str]] = []
    carried = False  # whether what follows is the fluid that the drug is given in
    refused = False
    at = 0
    while at < len(words):
        word = words[at]
        name, end = _name_at(words, at, lexicon)
        if name is None and not _says_nothing(word, lexicon):
            meant = lexicon.speller.correct(word)
            if meant is None:
                rest.append(word)
            else:
                corrected.append((word, meant))
                words = (*words[:at], meant, *words[at + 1 :])
                name, end = _name_at(words, at, lexicon)
        if name is None:
            carried = carried or (word == _IN and bool(found))
            refused = refused or word in lexicon.refuse
            at = end
            continue
        kept = [one for one in name.ingredients if not (carried and one in lexicon.carriers)]
        if name.weak:
            also = all(_says_nothing(word, lexicon) for word in name.words)
            weak.extend((one, also) for one in kept)
        else:
            found.extend(kept)
        at = end
    if refused:
        return Placement((), tuple(rest))
    if not found and not rest:
        # "saline inh" is saline that is inhaled, "inh" alone is isoniazid.
        found = [one for one, also in weak if not also] or [one for one, _ in weak]
    return Placement(tuple(dict.fromkeys(found)), tuple(rest), tuple(corrected))


def _says_nothing(word: str, lexicon: _Lexicon) -> bool:
    return word in lexicon.known_words or _NUMBER.fullmatch(word) is not None


def _name_at(
    words: tuple[str, ...], at: int, lexicon: _Lexicon
) -> tuple[_Name, int] | tuple[None, int]:
    """The longest name that begins at a word, and the place after it."""
    for name in lexicon.names.get(words[at], ()):
        end = _end(words, at, name, lexicon)
        if end is not None:
            return name, end
    return None, at + 1


def _end(words: tuple[str, ...], at: int, name: _Name, lexicon: _Lexicon) -> int | None:
    """The place after a name; doses may stand within it (``amoxicillin 250 mg / clavulanate``)."""
    for k, word in enumerate(name.words):
        while k and at < len(words) and words[at] != word:
            if words[at] not in lexicon.units and not _NUMBER.fullmatch(words[at]):
                return None
            at += 1
        if at == len(words) or words[at] != word:
            return None
        at += 1
    return at


def _words(text: str) -> tuple[str, ...]:
    """Lower case, without accents, possessives and punctuation.

    Examples
    --------
    >>> _words("Ringer's 0.9% FUROSEMIDE40MG")
    ('ringers', '0', '9', '%', 'furosemide', '40mg')
    """
    plain = unicodedata.normalize("NFKD", text.lower().replace("_", " ").replace("'s", "s"))
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return tuple(_WORD.findall(plain))


@lru_cache(maxsize=4)
def _lexicon(base: KnowledgeBase) -> _Lexicon:
    words_of = {key: frozenset(listed) for key, listed in base.order_words.items()}
    weak_names = {_words(name) for name in words_of.get("weak", ())}
    names = _all_names(base)
    by_first: dict[str, list[_Name]] = {}
    for words, parts in names.items():
        by_first.setdefault(words[0], []).append(_Name(words, parts, words in weak_names))
    said = (
        words_of.get(key, frozenset()) for key in ("units", "forms", "routes", "salts", "other")
    )
    return _Lexicon(
        {
            first: tuple(sorted(group, key=lambda name: -len(name.words)))
            for first, group in by_first.items()
        },
        frozenset[str]().union(*said),
        words_of.get("units", frozenset()),
        words_of.get("refuse", frozenset()),
        words_of.get("carriers", frozenset()),
        Speller(
            {
                words[0]: parts
                for words, parts in names.items()
                if len(words) == 1 and words not in weak_names
            }
        ),
    )


def _all_names(base: KnowledgeBase) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Ingredients by the words of each name: ids first, then other names, then products."""
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
    return names
