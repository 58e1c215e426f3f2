"""How much of a profile's codes the knowledge base knows, by share of units' codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llmsyn.knowledge.loading import KnowledgeBase
from llmsyn.knowledge.matching import matcher
from llmsyn.profile.types import Profile


@dataclass(frozen=True)
class Coverage:
    """One code set: ``share`` of the units' listed codes that have a record.

    ``n_codes`` counts listed codes and ``n_known`` those with a record.  ``missing`` holds
    the codes without one and their counts, most frequent first.  Codes with a suppressed
    count weigh nothing.  NaN: the code set lists no code with a count.
    """

    variable: str
    share: float
    n_codes: int
    n_known: int
    missing: tuple[tuple[str, float], ...]


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
        missing = sorted(
            (
                (code, float(count))
                for code, count, ok in zip(variable.codes, counts, known)
                if not ok
            ),
            key=lambda item: (-item[1], item[0]),
        )
        result.append(
            Coverage(
                variable.name,
                float(counts[known].sum()) / total if total else float("nan"),
                len(variable.codes),
                int(known.sum()),
                tuple(missing),
            )
        )
    return tuple(result)
