"""How often units of a cohort break soft rules; nothing here fails a check."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from llmsyn.checking.violations import Held
from llmsyn.cohort.types import Cohort
from llmsyn.knowledge.loading import KnowledgeBase
from llmsyn.knowledge.plausibility import Doubts, doubts
from llmsyn.profile.terms import Term
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import UNLISTED
from llmsyn.score import json_number


@dataclass(frozen=True)
class Implausible:
    """One soft rule: in ``broken`` of ``judged`` cases it is broken.

    A case is a unit and a rule, or a unit and a drug.  A unit with codes that nobody can read
    is no case where the rule asks for another code.
    """

    rule: str
    broken: int
    judged: int

    @property
    def share(self) -> float:
        """Share of the cases; NaN where there is none."""
        return self.broken / self.judged if self.judged else math.nan

    def __str__(self) -> str:
        if not self.judged:
            return f"{self.rule}: no case"
        return f"{self.rule}: {self.share:.2%} of {self.judged:,} cases"

    def to_json(self) -> dict[str, Any]:
        """For a script; the share is null where there is no case."""
        return {
            "rule": self.rule,
            "broken": self.broken,
            "judged": self.judged,
            "share": json_number(self.share),
        }


class Plausibility:
    """Counts over batches of a cohort."""

    def __init__(self, profile: Profile, base: KnowledgeBase) -> None:
        self.doubts: Doubts = doubts(profile, base)
        self._drugs = frozenset(v.name for v in profile.code_sets if v.concept == "drugs")
        self._counts = {rule.rule: [0, 0] for rule in self.doubts.rules}

    def add(self, batch: Cohort) -> None:
        """Count one batch."""
        held = Held(batch)
        readable = ~(_any(held, self.doubts.blind, len(batch)) | self._unlisted(held))
        for rule in self.doubts.rules:
            having = _any(held, rule.having, len(batch))
            if rule.wanted:
                having &= readable
            partner = _any(held, rule.partner, len(batch))
            counts = self._counts[rule.rule]
            counts[0] += int((having & (partner != rule.wanted)).sum())
            counts[1] += int(having.sum())

    def found(self) -> tuple[Implausible, ...]:
        """One entry a rule, most often broken first."""
        rows = (Implausible(rule, *counts) for rule, counts in self._counts.items())
        return tuple(sorted(rows, key=lambda row: (-np.nan_to_num(row.share), row.rule)))

    def _unlisted(self, held: Held) -> npt.NDArray[np.bool_]:
        """Units with a diagnosis or procedure that the profile does not list."""
        mask = np.zeros(len(held.batch), bool)
        for name in held.batch.codes:
            if name not in self._drugs:
                mask[held.rows(Term(name, UNLISTED))] = True
        return mask


def implausible(batch: Cohort, profile: Profile, base: KnowledgeBase) -> tuple[Implausible, ...]:
    """How often one batch of a cohort breaks each soft rule of the knowledge base."""
    counted = Plausibility(profile, base)
    counted.add(batch)
    return counted.found()


def _any(held: Held, terms: tuple[Term, ...], n: int) -> npt.NDArray[np.bool_]:
    """Units for which any of the terms holds."""
    mask = np.zeros(n, bool)
    for term in terms:
        if held.is_code(term):
            mask[held.rows(term)] = True
        else:
            mask |= held.mask(term)
    return mask
