"""How much of a profile's codes the knowledge base knows, by share of units' codes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from llmsyn import codes
from llmsyn.knowledge.loading import KnowledgeBase
from llmsyn.knowledge.matching import DIAGNOSIS_SYSTEMS, matcher
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet

CONCEPTS = ("diagnoses", "procedures", "drugs")

_DRUGS = ("ingredient", "atc", "ndc", "rxnorm", "local")


@dataclass(frozen=True)
class Unknown:
    """A listed code without a record: ``share`` of the units have it (NaN: suppressed)."""

    code: str
    title: str | None
    count: float
    share: float


@dataclass(frozen=True)
class Coverage:
    """One code set: ``share`` of the units' listed codes that have a record.

    ``concept`` is ``diagnoses``, ``procedures`` or ``drugs``, as the profile says or as its
    code systems tell.  ``n_codes`` counts listed codes and ``n_known`` those with a record.
    ``missing`` holds the codes without one and their counts, most frequent first, and
    ``unknown`` the same with titles.  Codes with a suppressed count weigh nothing.  NaN: the
    code set lists no code with a count.
    """

    variable: str
    share: float
    n_codes: int
    n_known: int
    missing: tuple[tuple[str, float], ...]
    concept: str = ""
    unknown: tuple[Unknown, ...] = ()


def coverage(profile: Profile, base: KnowledgeBase) -> tuple[Coverage, ...]:
    """Coverage of each code set of a profile.  Unlisted codes are not part of it."""
    look = matcher(base)
    result = []
    for variable in profile.code_sets:
        known = np.array(
            [
                look.record(variable.system_of(code), variable.bare(code)) is not None
                for code in variable.codes
            ],
            dtype=bool,
        )
        counts = np.nan_to_num(variable.counts, nan=0.0)
        total = float(counts.sum())
        unknown = sorted(
            (
                Unknown(
                    code,
                    codes.title(variable.system_of(code), variable.bare(code)),
                    float(count),
                    float(printed) / profile.n_units,
                )
                for code, count, printed, ok in zip(variable.codes, counts, variable.counts, known)
                if not ok
            ),
            key=lambda item: (-item.count, item.code),
        )
        result.append(
            Coverage(
                variable.name,
                float(counts[known].sum()) / total if total else float("nan"),
                len(variable.codes),
                int(known.sum()),
                tuple((item.code, item.count) for item in unknown),
                concept_of(variable),
                tuple(unknown),
            )
        )
    return tuple(result)


def concept_of(variable: CodeSet) -> str:
    """What a code set is to the knowledge base, by its concept, else by its code systems."""
    if variable.concept in CONCEPTS:
        return str(variable.concept)
    systems = set(variable.systems)
    if systems & set(DIAGNOSIS_SYSTEMS):
        return "diagnoses"
    return "drugs" if systems & set(_DRUGS) else "procedures"


def by_concept(covered: Iterable[Coverage]) -> dict[str, Coverage]:
    """Coverages under their concept; a second code set of one concept under its own name."""
    found: dict[str, Coverage] = {}
    for item in covered:
        found[item.variable if item.concept in found else item.concept] = item
    return found
