"""Which codes a patient may still get: what the rules leave, as many as a prompt holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from llmsyn.dictation.patients import Patient
from llmsyn.elicitation.items import Item
from llmsyn.knowledge.types import Impossible
from llmsyn.profile.terms import Range, Term, parse_range
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet

FREQUENT = 0.7
"""Share of the candidates that are simply the most frequent; the rest is drawn, so that every
code comes up."""


class Limits:
    """What can never be together, by code, ready to be asked for many patients."""

    def __init__(self, profile: Profile, rules: Iterable[Impossible]) -> None:
        self._sets = {v.name for v in profile.code_sets}
        self._by_code: dict[Term, list[tuple[Term, ...]]] = defaultdict(list)
        every = [*(r.terms for r in rules), *(r.never for r in profile.rules)]
        for terms in every:
            plain = tuple(Term(t.variable.removesuffix(".main"), t.value) for t in terms)
            for k, term in enumerate(plain):
                if term.variable in self._sets:
                    self._by_code[term].append((*plain[:k], *plain[k + 1 :]))
        self._selectors = {v.name: v.selector for v in profile.code_sets if v.selector is not None}

    def allows(self, patient: Patient, variable: CodeSet, code: str, held: set[Term]) -> bool:
        """Whether a code may be added to what a patient holds."""
        selector = self._selectors.get(variable.name)
        if selector is not None:
            systems = selector.systems.get(patient.levels.get(selector.variable, ""))
            if systems is not None and variable.system_of(code) not in systems:
                return False
        return not any(
            all(_holds(term, patient, held) for term in rest)
            for rest in self._by_code.get(Term(variable.name, code), ())
        )


def _holds(term: Term, patient: Patient, held: set[Term]) -> bool:
    if isinstance(term.value, Range):
        inside = parse_range(patient.levels.get(term.variable, ""))
        return inside is not None and term.value.covers(inside.low, inside.high)
    return term in held


def candidates_of(
    patient: Patient,
    variable: CodeSet,
    items: Sequence[Item],
    limits: Limits,
    reach: int,
    random: np.random.Generator,
) -> tuple[Item, ...]:
    """Codes that a prompt offers, in random order.

    Parameters
    ----------
    items : all codes of the set, most frequent first.
    reach : how many at most; the most frequent ones, and others drawn by their frequency.
    """
    held = set(patient.terms())
    main = patient.main.get(variable.name)
    free = [
        item
        for item in items
        if item.term.value != main and limits.allows(patient, variable, str(item.term.value), held)
    ]
    if len(free) > reach:
        first = int(FREQUENT * reach)
        share = np.array([item.share for item in free[first:]])
        share = np.where(np.isnan(share), np.nanmin([*share, 1.0]) / 2, share) + 1e-9
        drawn = random.choice(len(share), reach - first, replace=False, p=share / share.sum())
        free = [*free[:first], *(free[first + i] for i in sorted(drawn))]
    return tuple(free[i] for i in random.permutation(len(free)))
