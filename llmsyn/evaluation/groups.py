"""Groups of units: by sex, age band, ethnicity or race."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmsyn.evaluation.samples import Sample
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet, Numeric

AGE_BANDS = ((0, 18), (18, 45), (45, 65), (65, 80), (80, 200))
"""Years, half-open; bands that the data do not have are left out."""

NAMED = ("race", "ethnicity")
"""Variables of these names are groups even where no concept says so."""

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Group:
    """One group: the variable it comes from, its name, and who is in it."""

    variable: Categorical | Numeric
    name: str
    levels: tuple[int, ...] = ()
    low: float = float("nan")
    high: float = float("nan")

    def mask(self, sample: Sample) -> BoolArray:
        """``(n,)`` units in the group."""
        if isinstance(self.variable, Numeric):
            value = sample.values[self.variable.name]
            return np.asarray((value >= self.low) & (value < self.high))
        return np.isin(sample.levels[self.variable.name], self.levels)


def find_groups(profile: Profile) -> tuple[Group, ...]:
    """The groups of a profile, variable by variable; missing is none."""
    chosen = [
        v
        for v in profile.level_variables
        if v.concept in ("sex", "age", "ethnicity") or v.name.lower() in NAMED
    ]
    found: list[Group] = []
    for variable in chosen:
        assert not isinstance(variable, CodeSet), "level variables have one value a unit"
        if isinstance(variable, Numeric):
            if variable.concept == "age":
                found += [
                    Group(variable, f"{low} to {high - 1}" if high < 200 else f"{low} and over",
                          low=low, high=high)
                    for low, high in AGE_BANDS
                ]  # fmt: skip
            continue
        found += [
            Group(variable, level, (index,))
            for index, level in enumerate(variable.levels)
            if level != variable.missing
        ]
    return tuple(found)
