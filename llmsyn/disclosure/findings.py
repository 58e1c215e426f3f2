"""What an audit finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["printed", "a", "b", "group", "certain", "tail", "quantile"]

MEANING: dict[Kind, str] = {
    "printed": "a printed count stands for fewer than T patients",
    "a": "test (a): bounds from the published numbers are too narrow around a small count",
    "b": "test (b): whoever knows the rule can work out a small count",
    "group": "suppressed cells that complete a published number are fewer than T patients together",
    "certain": "the published numbers prove a count between 1 and T - 1",
    "tail": "the first or last bin of a number holds fewer than T patients",
    "quantile": "fewer than T patients lie between two cut points",
}


@dataclass(frozen=True)
class Finding:
    """One count that a release would give away.

    Attributes
    ----------
    kind : which test it fails; :data:`MEANING` says it in words.
    cell : what the count counts.
    lower, upper : the smallest and largest value that the published numbers allow.
    truth : the exact count, where the owner audits; None in an audit from outside.
    unknown : its number in the system of counts.
    proof : published counts from which the bound follows, with the number of statements
        between; without any one of them this proof fails.
    """

    kind: Kind
    cell: str
    lower: float
    upper: float
    truth: float | None = None
    unknown: int = -1
    proof: Mapping[int, int] = field(default_factory=dict)

    def __str__(self) -> str:
        where = f"between {self.lower:g} and {self.upper:g}"
        exact = "" if self.truth is None else f" (it is {self.truth:g})"
        return f"{self.cell}: {where}{exact}; {MEANING[self.kind]}"


@dataclass(frozen=True)
class AuditResult:
    """What was looked at, and what was found.

    Attributes
    ----------
    findings : empty for a release that passes.
    n_printed : printed counts; n_suppressed of the release's cells are not printed.
    n_protected : counts of the system that were tested: printed, suppressed, derivable.
    n_small : of them, counts that the owner knows to be of 1 to T - 1 patients.
    n_blocks, n_cyclic : blocks of tied counts, and those that need linear programs.
    n_programs : linear programs solved.
    seconds : wall time.
    """

    findings: tuple[Finding, ...]
    n_printed: int
    n_suppressed: int
    n_protected: int
    n_small: int
    n_blocks: int
    n_cyclic: int
    n_programs: int
    seconds: float

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.findings
