"""How many of the rare codes of real units synthetic ones have, at equal n."""

from __future__ import annotations

import numpy as np

from llmsyn.evaluation.columns import columns_of, indicators
from llmsyn.evaluation.distances import RARE
from llmsyn.evaluation.intervals import Estimate
from llmsyn.evaluation.measured import measure
from llmsyn.evaluation.samples import Sample
from llmsyn.evaluation.types import Evidence, Measure
from llmsyn.score import wilson


def rare_code_coverage(evidence: Evidence, independent: Sample) -> list[Measure]:
    """Share of the holdout's rare codes that occur among as many units of another sample.

    Rare: below 1% of the holdout.  With more units any sample covers more, so all are cut to
    the same number.  The interval is Wilson's, over codes.
    """
    columns = columns_of(evidence.profile)
    code = np.asarray(columns.is_code, bool)
    random = evidence.random("coverage")
    others = (evidence.synthetic, evidence.members, independent)
    n = min(len(evidence.holdout), *(len(o) for o in others))

    def present(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        rows = np.sort(random.permutation(len(sample))[:n])
        counts = np.asarray(indicators(sample.take(rows), evidence.profile).sum(0)).ravel()[code]
        return counts > 0, counts / max(n, 1)

    has, share = present(evidence.holdout)
    rare = has & (share < RARE)
    tried = int(rare.sum())
    found = []
    for other in others:
        covered = int((rare & present(other)[0]).sum())
        low, high = wilson(covered, tried)
        found.append(Estimate(covered / tried if tried else float("nan"), low, high))
    return [
        measure(
            "fidelity.rare_codes", "rare codes covered", *found, least=0, most=1,
            why="no listed code occurs in fewer than 1% of the held-out units",
            reason=f"of {tried} codes, among {n:,} units",
        )
    ]  # fmt: skip
