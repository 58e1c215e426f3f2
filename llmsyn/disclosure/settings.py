"""What the data owner asks of a release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llmsyn.errors import InputError

Tables = Literal["none", "outcome", "pairs", "all"]

DEFAULT_THRESHOLD = 11
"""Fewest distinct patients behind a printed count (the cell-size rule of US Medicare data)."""


@dataclass(frozen=True)
class Settings:
    """Rules of one release.

    Attributes
    ----------
    threshold : T, the fewest distinct patients that a printed or derivable count may stand
        for.
    rounding : 1 prints counts as they are, 5 prints the nearest multiple of five.
    zeros_published : whether a count of zero is printed.  If not, zeros are left out together
        with small counts, so that a missing cell does not say "at least one".
    max_membership_auc : highest predicted area under the curve of a membership attack; None
        sets no limit (and warns above 0.55).
    tables : which cross-tables are wanted.
    population : the owner's name for the people behind the release.  Releases that share it
        are checked for differencing; different names promise that nobody is in both.

    Raises
    ------
    InputError : a threshold below 2, a base other than 1 or 5, an area outside (0.5, 1).
    """

    threshold: int = DEFAULT_THRESHOLD
    rounding: int = 1
    zeros_published: bool = False
    max_membership_auc: float | None = None
    tables: Tables = "all"
    population: str = ""

    def __post_init__(self) -> None:
        if self.threshold < 2:
            raise InputError(
                f"threshold {self.threshold} protects nobody; write a whole number from 2 on",
                key="threshold",
            )
        if self.rounding not in (1, 5):
            raise InputError(
                f"rounding base {self.rounding} is not known; write 1 (none) or 5", key="rounding"
            )
        limit = self.max_membership_auc
        if limit is not None and not 0.5 < limit < 1:
            raise InputError(
                f"max_membership_auc {limit:g} is no useful limit; write a number between 0.5 "
                "(guessing) and 1 (certainty)",
                key="max_membership_auc",
            )

    @property
    def half_width(self) -> float:
        """A printed count c stands for a true count within c +- half_width."""
        return self.rounding / 2 if self.rounding > 1 else 0.0
