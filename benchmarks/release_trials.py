"""Trials of release_risk.py, and the file in which a run that is killed finds them again."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Trial:
    """One release: risks, and what it is good for; NaN where there is none."""

    predicted: float
    measured: float
    found: float  # members at 1% false alarms
    printed: int
    utility: float
    ceiling: float
    problem: str = ""


@dataclass(frozen=True)
class Kept:
    """Trials that were run, a JSON line each, so that a killed run goes on where it was.

    Attributes
    ----------
    file : None keeps nothing.
    """

    file: Path | None

    def trial(self, key: Sequence[object], run: Callable[[], Trial]) -> Trial:
        """The trial of that key (size, kind, seed, rows), run where it is not there yet."""
        if self.file is not None and self.file.exists():
            for line in self.file.read_text(encoding="utf-8").splitlines():
                said = json.loads(line)
                if said["key"] == list(key):
                    return Trial(**said["trial"])
        found = run()
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps({"key": list(key), "trial": asdict(found)}) + "\n")
        return found


def within_draw(area: float, n_members: int, n_outside: int) -> tuple[float, float]:
    """95% interval of an area over the people in question, for one draw of members.

    Hanley and McNeil 1982, doi 10.1148/radiology.143.1.7063747.

    Examples
    --------
    >>> [round(x, 3) for x in within_draw(0.7, 1000, 1000)]
    [0.677, 0.723]
    """
    pairs, rest = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (
        area * (1 - area) + (n_members - 1) * (pairs - area**2) + (n_outside - 1) * (rest - area**2)
    ) / (n_members * n_outside)
    half = 1.96 * math.sqrt(max(variance, 0.0))
    return max(area - half, 0.0), min(area + half, 1.0)
