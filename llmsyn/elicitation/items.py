"""What a prompt may name: codes and levels of a profile, each with a short key.

A reply names keys, and its schema allows no others.  A key is the code itself where a code
system says what codes look like (``4280``, ``furosemide``); anything else (local codes,
levels) gets ``variable.number``, so that no foreign text is ever part of a schema.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from llmsyn import codes
from llmsyn.egress.plain import clean_line, shorten
from llmsyn.egress.values import (
    KnowledgeValue,
    ProfileValue,
    Public,
    PublicCode,
    profile_label,
    profile_share,
)
from llmsyn.knowledge.bands import bands
from llmsyn.profile.terms import Range, Term
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet, Numeric, Variable

TITLE_WORDS = 14
MOST_LEVELS = 12
"""A variable with more levels is asked about in its most frequent ones only."""

AGE_BANDS = 5
HIGH_SHARE = 0.25
"""A number is asked about in one range: its top bins whose share is nearest to this."""

_WORDLESS = ("cpt", "hcpcs", "atc", "ndc", "rxnorm")
_CODE = re.compile(r"[A-Z0-9]{1,11}")
_INGREDIENT = re.compile(r"[a-z0-9][a-z0-9 .%/()_+-]{0,39}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,30}")
_LEFT_OUT = ("other", "unknown")


@dataclass(frozen=True, eq=False)
class Item:
    """One term that a prompt names.

    Attributes
    ----------
    is_code : a code of a code set; else a level or range of a variable.
    key : what stands for it in prompt and reply.
    typed_key : the same as a public value.
    meaning : its title or level; None where the key says it all.
    share : of the profile's units; NaN where it is not published.
    allowed : selector variable and its levels that allow the code; None where all do.
    """

    term: Term
    is_code: bool
    key: str
    typed_key: Public
    meaning: Public | None
    share: float
    shown_share: Public | None
    allowed: tuple[str, frozenset[str]] | None = None

    def beside(self, other: Item) -> bool:
        """Whether a rating of the two means anything.

        It does not for a term and itself, for two levels of one variable, and for codes
        whose systems no unit has together.
        """
        same_variable = self.term.variable == other.term.variable
        if same_variable and (self.term == other.term or not self.is_code):
            return False
        if self.allowed is None or other.allowed is None or self.allowed[0] != other.allowed[0]:
            return True
        return bool(self.allowed[1] & other.allowed[1])

    def row(self, *, with_share: bool) -> dict[str, Any]:
        """The values of the item for a template."""
        return {
            "key": self.typed_key,
            "meaning": self.meaning,
            "share": self.shown_share if with_share else None,
        }


def code_items(profile: Profile, variable: CodeSet) -> tuple[Item, ...]:
    """All codes of a code set, most frequent first; codes with suppressed counts come last.

    Raises
    ------
    InputError : the profile holds exact counts, which may not leave this machine.
    """
    bare = Counter(variable.bare(code) for code in variable.codes)
    found = []
    for number, code in enumerate(variable.codes):
        system, plain = variable.system_of(code), variable.bare(code)
        label = profile_label(profile, variable.name, code)
        key, typed = _key(profile, variable, system, plain, number, unique=bare[plain] == 1)
        share = float(variable.counts[number]) / profile.n_units
        found.append(
            Item(
                Term(variable.name, code),
                True,
                key,
                typed,
                _title(profile, variable, code, None if key == plain else label),
                share,
                None if math.isnan(share) else profile_share(profile, variable.name, code),
                _allowed(variable, system),
            )
        )
    order = np.argsort([-np.nan_to_num(item.share, nan=-1.0) for item in found], kind="stable")
    return tuple(found[i] for i in order)


def _key(
    profile: Profile, variable: CodeSet, system: str, code: str, number: int, *, unique: bool
) -> tuple[str, Public]:
    if unique and codes.known(system, code):
        return code, PublicCode(system, code)
    shape = _INGREDIENT if system == "ingredient" else _CODE if system in _WORDLESS else None
    if unique and shape is not None and shape.fullmatch(code):
        return code, ProfileValue(code, profile.name, variable.name)
    key = f"{_short_name(profile, variable)}.{number + 1}"
    return key, ProfileValue(key, profile.name, variable.name)


def _title(
    profile: Profile, variable: CodeSet, code: str, label: ProfileValue | None
) -> Public | None:
    """The owner's title, else the official one, else the code where the key does not show it."""
    own = variable.titles.get(code)
    if own:
        return ProfileValue(_words(own), profile.name, variable.name)
    system, bare = variable.system_of(code), variable.bare(code)
    official = codes.title(system, bare)
    if official is not None:
        return KnowledgeValue(_words(official), f"codes/{system}")
    return label


def _words(text: str) -> str:
    return shorten(clean_line(text), TITLE_WORDS)


def _allowed(variable: CodeSet, system: str) -> tuple[str, frozenset[str]] | None:
    if variable.selector is None:
        return None
    levels = (level for level, systems in variable.selector.systems.items() if system in systems)
    return variable.selector.variable, frozenset(levels)


def level_items(profile: Profile, variable: Categorical | Numeric) -> tuple[Item, ...]:
    """The levels of a variable that are worth asking about.

    Of a variable with two levels one is enough; of a number, its top range; of age, some
    bands.  Missing and other are left out.

    Raises
    ------
    InputError : the profile holds exact counts, which may not leave this machine.
    """
    terms = _number_terms(variable) if isinstance(variable, Numeric) else _level_terms(variable)
    name, items = _short_name(profile, variable), []
    what = variable.label or variable.name.replace("_", " ")
    for number, (term, share, text) in enumerate(terms, start=1):
        profile_label(profile, variable.name, variable.levels[0])  # refuses exact profiles
        shown = None if math.isnan(share) else f"{100 * share:.3g}%"
        items.append(
            Item(
                term,
                False,
                f"{name}.{number}",
                ProfileValue(f"{name}.{number}", profile.name, variable.name),
                ProfileValue(clean_line(f"{what}: {text}"), profile.name, variable.name),
                share,
                None if shown is None else ProfileValue(shown, profile.name, variable.name),
            )
        )
    return tuple(items)


def _level_terms(variable: Categorical) -> list[tuple[Term, float, str]]:
    total = float(np.nansum(variable.counts)) or 1.0
    words = [variable.meaning(level) for level in variable.levels]
    if len(set(words)) < len(words):  # two levels mean the same: the owner's words tell them apart
        words = list(variable.levels)
    found = [
        (Term(variable.name, level), float(count) / total, word)
        for level, count, word in zip(variable.levels, variable.counts, words)
        if level != variable.missing and level.lower() not in _LEFT_OUT
    ]
    if len(found) == 2 and len(variable.levels) == 2:
        yes = [each for each in found if each[2].lower() in ("yes", "female")]
        return yes[:1] or [min(found, key=lambda each: np.nan_to_num(each[1]))]
    found.sort(key=lambda each: -np.nan_to_num(each[1]))
    return found[:MOST_LEVELS]


def _number_terms(variable: Numeric) -> list[tuple[Term, float, str]]:
    n_bins, edges = len(variable.counts), variable.edges.astype(float)
    if n_bins < 2:
        return []
    total = float(np.nansum(variable.counts)) or 1.0
    if variable.concept == "age":
        width = max(10.0, float(edges[-1] - edges[0]) / AGE_BANDS)
        ranges = [band.term.value for band in bands(variable, width=width)]
    else:
        tops = [float(np.nansum(variable.counts[i:])) / total for i in range(n_bins)]
        start = min(range(1, n_bins), key=lambda i: abs(tops[i] - HIGH_SHARE))
        ranges = [Range(float(edges[start]), float(edges[-1]))]
    found = []
    for each in ranges:
        assert isinstance(each, Range)
        inside = [each.covers(float(a), float(b)) for a, b in pairwise(edges)]
        share = float(variable.counts[inside].sum()) / total  # NaN where a bin is suppressed
        last = each.high == edges[-1]
        unit = f" {variable.unit}" if variable.unit else ""
        text = f"{each.low:g} or more" if last else f"{each.low:g} to under {each.high:g}"
        found.append((Term(variable.name, each), share, text + unit))
    return found


def _short_name(profile: Profile, variable: Variable) -> str:
    if _NAME.fullmatch(variable.name):
        return variable.name
    return f"v{profile.variables.index(variable) + 1}"


def population(profile: Profile) -> list[tuple[Public, ...]]:
    """What a prompt says of the population: its title, its size, who they are, how they fare."""

    def value(text: str) -> ProfileValue:
        return ProfileValue(clean_line(text), profile.name, "")

    rows: list[tuple[Public, ...]] = [
        (value(profile.title or profile.name),),
        (value(f"{profile.n_units:,.0f} {profile.unit}s"),),
    ]
    for variable in profile.level_variables:
        if variable.concept in ("age", "sex") or variable.role == "outcome":
            for item in level_items(profile, variable):
                if item.meaning is not None and item.shown_share is not None:
                    rows.append((item.meaning, item.shown_share))
    return rows


def level_items_of(profile: Profile) -> tuple[list[Item], list[Item]]:
    """Items of age, sex and outcomes; and of all other variables, without selectors."""
    selectors = {s.selector.variable for s in profile.code_sets if s.selector is not None}
    core: list[Item] = []
    others: list[Item] = []
    for variable in profile.level_variables:
        if variable.name in selectors:
            continue
        is_core = variable.concept in ("age", "sex") or variable.role == "outcome"
        (core if is_core else others).extend(level_items(profile, variable))
    return core, others
