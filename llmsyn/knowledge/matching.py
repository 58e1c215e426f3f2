"""Which record a code stands for.

Diagnoses: a category printed alone (``427``) goes to the record that declares it in
``category_codes``.  Else the longest declared prefix over the whole base wins.  Else, for a
code above all prefixes, the record that owns everything declared below it, when that is one
record; else none.  Drug names: an id, alias, brand or salt; else the longest run of whole words
of the text that is one (``Heparin Sodium (Porcine)`` is heparin).  Procedures: the
longest match of a pattern; a category goes to a concept only if all its codes do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from llmsyn import codes
from llmsyn.knowledge.loading import KnowledgeBase
from llmsyn.knowledge.records import Condition, Drug, Procedure

DIAGNOSIS_SYSTEMS = ("icd9cm", "icd10cm")
DRUG_SYSTEMS = ("ingredient", "local")

SHORTEST_NAME = 4
"""A shorter drug name (``ns``) counts only where it is the whole text."""

_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True)
class Matcher:
    """Look-ups over one base; build it once, then ask for many codes."""

    base: KnowledgeBase

    def record(self, system: str, code: str) -> Condition | Drug | Procedure | None:
        """The record of a code, of whatever kind its system holds; None if there is none."""
        if system in DIAGNOSIS_SYSTEMS:
            return self.condition(system, code)
        if system in DRUG_SYSTEMS:
            return self.drug(code)
        return self.procedure(system, code)

    def condition(self, system: str, code: str) -> Condition | None:
        """The condition that a diagnosis code stands for."""
        prefixes = self._prefixes.get(system, {})
        owner = self._categories.get(system, {}).get(code)
        for size in range(len(code), 0, -1):
            if owner is None:
                owner = prefixes.get(code[:size])
        if owner is None:
            below = {name for prefix, name in prefixes.items() if prefix.startswith(code)}
            owner = below.pop() if len(below) == 1 else None
        return None if owner is None else self.base.conditions[owner]

    def drug(self, name: str) -> Drug | None:
        """The ingredient that a name stands for."""
        words = _words(name)
        for size in range(len(words), 0, -1):
            for start in range(len(words) - size + 1):
                run = " ".join(words[start : start + size])
                if run in self._drug_names and (size == len(words) or len(run) >= SHORTEST_NAME):
                    return self.base.drugs[self._drug_names[run]]
        return None

    def procedure(self, system: str, code: str) -> Procedure | None:
        """The procedure concept that a code stands for."""
        found = self._longest(system, code)
        if found is None:
            below = {self._longest(system, full) for full in codes.children(system, code)}
            found = below.pop() if len(below) == 1 else None
        return None if found is None else self.base.procedures[found]

    def _longest(self, system: str, code: str) -> str | None:
        best, size = None, 0
        for pattern, name in self._patterns.get(system, ()):
            match = pattern.match(code)
            if match and match.end() > size:
                best, size = name, match.end()
        return best

    @cached_property
    def _prefixes(self) -> dict[str, dict[str, str]]:
        return _by_code(self.base.conditions, lambda record: record.codes)

    @cached_property
    def _categories(self) -> dict[str, dict[str, str]]:
        return _by_code(self.base.conditions, lambda record: record.category_codes)

    @cached_property
    def _drug_names(self) -> dict[str, str]:
        names: dict[str, str] = {}
        for record in self.base.drugs.values():
            names[" ".join(_words(record.id))] = record.id
        for record in self.base.drugs.values():
            for text in (record.name, *record.salts, *record.brands, *record.aliases):
                if text:
                    names.setdefault(" ".join(_words(text)), record.id)
        return names

    @cached_property
    def _patterns(self) -> dict[str, list[tuple[re.Pattern[str], str]]]:
        found: dict[str, list[tuple[re.Pattern[str], str]]] = {}
        for record in self.base.procedures.values():
            for system, patterns in record.patterns.items():
                for text in patterns:
                    found.setdefault(system, []).append((re.compile(text), record.id))
        return found


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _by_code(
    records: Mapping[str, Condition], listed: Callable[[Condition], Mapping[str, tuple[str, ...]]]
) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for record in records.values():
        for system, texts in listed(record).items():
            found.setdefault(system, {}).update(dict.fromkeys(texts, record.id))
    return found


@lru_cache(maxsize=4)
def matcher(base: KnowledgeBase) -> Matcher:
    """The matcher of a base, built once."""
    return Matcher(base)
