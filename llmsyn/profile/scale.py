"""How a written number becomes a count of units, and how exact it then is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from llmsyn.profile.schema import SUPPRESSED, VariableKeys
from llmsyn.profile.sheets import Sheet
from llmsyn.profile.variables import FloatArray


@dataclass(frozen=True)
class Scale:
    """What turns the numbers of a column into counts.

    Attributes
    ----------
    n : units; a share is multiplied by it.
    rounding : half the base that the profile's counts are rounded to.
    signed : whether counts may be below 0 (privacy noise was added).
    """

    n: float
    rounding: float
    signed: bool = False

    def column(
        self, sheet: Sheet, stem: str, absent: tuple[str, ...] = (SUPPRESSED,)
    ) -> tuple[FloatArray, float]:
        """Counts and half-width from the one column ``<stem>count`` or ``<stem>share``."""
        name = sheet.one_of(f"{stem}count", f"{stem}share")
        values = sheet.numbers(name, signed=self.signed, absent=absent)
        if name == f"{stem}count":
            return values, self.rounding
        self.refuse_percentages(sheet, name, values)
        return values * self.n, self.share_width(sheet.decimals(name))

    def share_width(self, decimals: int) -> float:
        """Half a unit of the last decimal of a share, in counts."""
        return float(0.5 * 10.0**-decimals * self.n)

    def refuse_percentages(self, sheet: Sheet, column: str, values: FloatArray) -> None:
        """Raise at the first share above 1."""
        above = np.flatnonzero(values > 1)
        if len(above):
            i = int(above[0])
            raise sheet.error(
                f"share {values[i]:g} is above 1; write a share between 0 and 1", i, column
            )


def common(keys: VariableKeys, half_width: float) -> dict[str, Any]:
    """What all kinds of variables have; a half-width in the keys goes before the derived one."""
    return {
        "name": keys.name,
        "stage": keys.stage,
        "role": keys.role,
        "proxy_of": keys.proxy_of,
        "label": keys.label,
        "concept": keys.concept,
        "half_width": half_width if keys.half_width is None else keys.half_width,
        "sigma": keys.sigma,
    }
