"""The three kinds of variables of a profile, with their published counts.

Counts are in units of the profile (patients or stays).  They are floats: a typed-in share
becomes ``share * n``.  ``NaN`` stands for a suppressed count.  Each variable says how
precise its counts are: ``half_width`` (a published count c means a true count within
c +- half_width) and ``sigma`` (standard deviation of privacy noise, 0 when there is none).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from llmsyn.profile.terms import Range

FloatArray: TypeAlias = npt.NDArray[np.float64]
Role = Literal["feature", "outcome", "proxy"]

UNLISTED = "(unlisted)"
"""How a code that the profile does not list is written in a cohort."""

MISSING = "missing"
"""Default name of the level that stands for a missing value."""


@dataclass(frozen=True, eq=False)
class Categorical:
    """A variable with named levels.

    ``concept`` says what the variable is to the knowledge base (``sex``, ``age``,
    ``in_hospital_death``, ``readmission_30d``, ...), ``means`` what a level is to it
    (``{"F": "female"}``).  ``proxy_of`` names the outcome that the variable gives away.
    """

    name: str
    stage: str
    levels: tuple[str, ...]
    counts: FloatArray  # (n_levels,)
    ordered: bool = False
    missing: str | None = None  # the level that means missing
    role: Role = "feature"
    proxy_of: str | None = None
    label: str = ""
    concept: str | None = None
    means: Mapping[str, str] = field(default_factory=dict)
    half_width: float = 0.0
    sigma: float = 0.0

    def meaning(self, level: str) -> str:
        """What the level is called by the knowledge base (itself when not said)."""
        return self.means.get(level, level)


@dataclass(frozen=True, eq=False)
class Numeric:
    """A number, published as counts in half-open bins ``[edges[i], edges[i+1])``.

    Values outside the edges are coded into the first or last bin.  Values lie on the grid
    ``10**-decimals``.  ``missing_count`` units have no value.
    """

    name: str
    stage: str
    unit: str
    decimals: int
    edges: FloatArray  # (n_bins + 1,), increasing
    counts: FloatArray  # (n_bins,)
    missing_count: float = 0.0
    role: Role = "feature"
    proxy_of: str | None = None
    label: str = ""
    concept: str | None = None
    half_width: float = 0.0
    sigma: float = 0.0
    basis: Literal["bins", "quantiles", "mean_sd"] = "bins"

    @property
    def levels(self) -> tuple[str, ...]:
        """Bin labels ``[low,high)``, then ``missing`` where a share is missing."""
        bins = tuple(str(Range(float(a), float(b))) for a, b in zip(self.edges, self.edges[1:]))
        return (*bins, MISSING) if self.has_missing else bins

    @property
    def has_missing(self) -> bool:
        """Whether some units have no value (a suppressed count says yes)."""
        return self.missing_count != 0

    @property
    def level_counts(self) -> FloatArray:
        """``(n_levels,)`` counts in the order of :attr:`levels`."""
        return np.append(self.counts, self.missing_count) if self.has_missing else self.counts


@dataclass(frozen=True)
class Selector:
    """A variable drawn before the codes whose level says which code systems may follow.

    A data set that moved from ICD-9 to ICD-10 has stays of either kind, never of both:
    ``Selector("code_version", {"ICD-9": ("icd9cm",), "ICD-10": ("icd10cm",)})``.
    """

    variable: str
    systems: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, eq=False)
class CodeSet:
    """A list of distinct codes per unit: diagnoses, procedures, drugs.

    With more than one code system, codes are written ``system:code``.  The list holds the
    published codes only; whatever else occurs is *unlisted*, and only its amount is said.
    ``titles`` names codes that no official list names, or names otherwise.
    Histograms are counts of units by number of codes, index k = 0, 1, 2, ...
    """

    name: str
    stage: str
    systems: tuple[str, ...]
    codes: tuple[str, ...]
    counts: FloatArray  # (n_codes,) units that have the code
    main: FloatArray | None = None  # (n_codes,) units whose main code it is
    main_unlisted: float | None = None  # units whose main code is not listed
    listed: FloatArray | None = None  # (k_max + 1,) by number of distinct listed codes
    unlisted: FloatArray | None = None  # (u_max + 1,) by number of unlisted codes
    total: FloatArray | None = None  # (t_max + 1,) by number of codes, listed or not
    unlisted_per_unit: float | None = None  # mean number of unlisted codes per unit
    selector: Selector | None = None
    role: Role = "feature"
    proxy_of: str | None = None
    label: str = ""
    concept: str | None = None
    half_width: float = 0.0
    sigma: float = 0.0
    titles: Mapping[str, str] = field(default_factory=dict)  # the owner's own, by code

    def system_of(self, code: str) -> str:
        """The code system of one listed code."""
        return self.systems[0] if len(self.systems) == 1 else code.partition(":")[0]

    def bare(self, code: str) -> str:
        """The code without its system."""
        return code if len(self.systems) == 1 else code.partition(":")[2]


Variable: TypeAlias = Categorical | Numeric | CodeSet
