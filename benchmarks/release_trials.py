"""Trials of release_risk.py, and the file in which a run that is killed finds them again."""

from __future__ import annotations

import json
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
