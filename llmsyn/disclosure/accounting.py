r"""What a differentially private release spends: sensitivities, budget, noise scales.

Two data sets are neighbours when one has one patient more.  Every published array is a sum
over units of vectors of zeros and ones; how many ones a unit has at most is known before any
data are seen (one level, *C* codes, *C (C - 1) / 2* pairs), and a patient has at most *S*
stays.  So an array changes by at most ``S ones`` in L1 and ``S sqrt(ones)`` in L2.

Noise is the discrete Gaussian, accounted in zero-concentrated differential privacy: an array
of L2 sensitivity *D* with noise *sigma* spends :math:`\rho = D^2 / (2 \sigma^2)`, and the
*rho* of all arrays add up.  Nothing here looks at data, so the plan itself may be printed.

Sources: Bun and Steinke 2016, doi:10.1007/978-3-662-53641-4_24 (zCDP); Canonne, Kamath and
Steinke 2020, arXiv:2004.00010 (discrete Gaussian, and the conversion used here).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from llmsyn.errors import InputError, ProfileError
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet

Group = Literal["size", "levels", "codes", "tables", "pairs", "cut", "selection"]

WEIGHTS: Mapping[Group, float] = MappingProxyType(
    {
        "size": 0.03,
        "levels": 0.20,
        "codes": 0.35,
        "tables": 0.20,
        "pairs": 0.15,
        "cut": 0.02,
        "selection": 0.05,
    }
)
"""Share of the budget per group of arrays; groups that are absent leave theirs to the others.

``size``: number of units and patients.  ``levels``: variables with one value a unit.
``codes``: prevalences, main codes and histograms.  ``cut``: how many units the caps touched.
``selection``: which candidate codes are frequent enough to be published.
"""


_PER_PATIENT = ("n_patients", "stays cut")  # a patient counts once, however many stays


@dataclass(frozen=True)
class NoiseLine:
    """One array of a release: what a patient can change in it, and its noise."""

    name: str
    group: Group
    l1: float
    l2: float
    rho: float

    @property
    def sigma(self) -> float:
        """Scale of the discrete Gaussian, in counts."""
        return self.l2 / math.sqrt(2 * self.rho)


@dataclass(frozen=True)
class NoisePlan:
    """How a budget is spent.

    Attributes
    ----------
    rho : total, in zCDP; the sum of the lines.
    max_codes : cap on listed codes (and on unlisted ones) of a unit, by code set.
    max_stays : cap on stays of a patient; 1 where units are patients.
    """

    epsilon: float
    delta: float
    rho: float
    max_codes: Mapping[str, int]
    max_stays: int
    lines: tuple[NoiseLine, ...]

    def __getitem__(self, name: str) -> NoiseLine:
        for line in self.lines:
            if line.name == name:
                return line
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return any(line.name == name for line in self.lines)


def epsilon_of(rho: float, delta: float) -> float:
    r"""The smallest *epsilon* that *rho*-zCDP promises with that *delta*.

    Solves :func:`delta_of` for *epsilon*.

    Examples
    --------
    >>> round(epsilon_of(0.005, 1e-6), 4)
    0.4299
    """
    low, high = 0.0, rho + 2 * math.sqrt(rho * math.log(1 / delta))
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if delta_of(rho, middle) > delta else (low, middle)
    return high


def delta_of(rho: float, epsilon: float) -> float:
    r"""The smallest *delta* that *rho*-zCDP promises with that *epsilon*.

    .. math:: \delta = \inf_{\alpha > 1}
       \frac{e^{(\alpha - 1)(\alpha \rho - \epsilon)}}{\alpha - 1} (1 - 1/\alpha)^\alpha

    Canonne, Kamath and Steinke 2020, corollary 13 (any alpha is a valid bound; the best is
    found by bisection on the derivative of the logarithm).
    """
    low, high = 1.0 + 1e-12, (epsilon + 1) / (2 * rho) + 2
    for _ in range(200):
        alpha = (low + high) / 2
        slope = (2 * alpha - 1) * rho - epsilon + math.log1p(-1 / alpha)
        low, high = (alpha, high) if slope < 0 else (low, alpha)
    alpha = high
    log_delta = (alpha - 1) * (alpha * rho - epsilon) + alpha * math.log1p(-1 / alpha)
    return min(1.0, math.exp(min(log_delta, 700.0)) / (alpha - 1))


def rho_of(epsilon: float, delta: float) -> float:
    """The largest *rho* whose release is (*epsilon*, *delta*)-differentially private.

    Raises
    ------
    InputError : epsilon is not positive, or delta is not between 0 and 1.

    Examples
    --------
    >>> round(rho_of(1.0, 1e-6), 4)
    0.0244
    """
    if not (epsilon > 0 and math.isfinite(epsilon)):
        raise InputError(
            f"epsilon {epsilon:g} is no privacy budget; write a number above 0, such as 1"
        )
    if not 0 < delta < 1:
        raise InputError(
            f"delta {delta:g} is no probability; write a number well below 1 / patients, "
            "such as 1e-6"
        )
    low, high = 0.0, epsilon
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if delta_of(middle, epsilon) <= delta else (low, middle)
    return low * (1 - 1e-9)  # so that rounding in sums of rho never spends more


def plan_noise(
    design: Profile,
    *,
    epsilon: float,
    delta: float,
    max_codes: int | Mapping[str, int],
    max_stays: int = 1,
    public_size: bool = False,
    select_codes: bool = False,
    weights: Mapping[Group, float] = WEIGHTS,
) -> NoisePlan:
    """Spread a budget over the arrays of a design; parameters as in ``release_with_noise``.

    Within a group each array gets the same *rho*, so its noise grows with what a patient can
    change in it.

    Raises
    ------
    InputError : a budget, cap or weight is out of range.
    ProfileError : the design has a kind of table whose sensitivity is not known.
    """
    rho = rho_of(epsilon, delta)
    caps = _caps(design, max_codes)
    if max_stays < 1 or (design.unit == "patient" and max_stays != 1):
        raise InputError(
            f"max_stays {max_stays} does not fit units of {design.unit}; write 1 for patients, "
            "or the number of stays that one patient may contribute"
        )
    ones: list[tuple[str, Group, float]] = []
    if not public_size:
        ones.append(("n_units", "size", 1))
        if design.unit == "stay":
            ones.append(("n_patients", "size", 1))
    for variable in design.variables:
        if not isinstance(variable, CodeSet):
            ones.append((variable.name, "levels", 1))
            continue
        ones.append((variable.name, "codes", caps[variable.name] + _one_hots(variable)))
        ones.append((f"{variable.name} cut", "cut", 1))
        if select_codes:
            ones.append((f"{variable.name} selection", "selection", caps[variable.name]))
    if design.unit == "stay":
        ones.append(("stays cut", "cut", 1))
    for i, table in enumerate(design.tables):
        group: Group = "pairs" if table.is_pairs else "tables"
        ones.append((table_key(i, table), group, _ones_of_table(table, design, caps)))

    present = {group for _, group, _ in ones}
    total = sum(weights.get(group, 0.0) for group in present)
    for group in sorted(present):
        if not weights.get(group, 0.0) > 0:
            raise InputError(
                f"the budget gives nothing to {group}; write a weight above 0, or leave its "
                "tables out of the design"
            )
    members = {group: sum(g == group for _, g, _ in ones) for group in present}
    # With the size public, neighbours differ by exchanging a patient.  Both vectors are
    # non-negative, so their difference is at most sqrt(2) times (in L1: twice) as long.
    l1_factor, l2_factor = (2.0, math.sqrt(2)) if public_size else (1.0, 1.0)
    lines = []
    for name, group, count in ones:
        share = weights[group] / total / members[group]
        times = 1 if name in _PER_PATIENT else max_stays
        l1, l2 = times * count, times * math.sqrt(count)
        lines.append(NoiseLine(name, group, l1_factor * l1, l2_factor * l2, rho * share))
    return NoisePlan(epsilon, delta, rho, MappingProxyType(caps), max_stays, tuple(lines))


def table_key(index: int, table: Table) -> str:
    """Name of a table's line: two tables may have the same axes with other ranges."""
    return f"{table.name} #{index}"


def _caps(design: Profile, max_codes: int | Mapping[str, int]) -> dict[str, int]:
    given = max_codes if isinstance(max_codes, Mapping) else {}
    caps = {}
    for codes in design.code_sets:
        cap = given.get(codes.name) if given else max_codes
        if not isinstance(cap, int) or cap < 1:
            raise InputError(
                f"max_codes for {codes.name} is {cap}; write the number of codes, 1 or more, "
                "that a unit may contribute"
            )
        caps[codes.name] = cap
    return caps


def _one_hots(codes: CodeSet) -> int:
    """Arrays of a code set in which a unit stands once: main code and histograms."""
    return sum(x is not None for x in (codes.main, codes.listed, codes.unlisted, codes.total))


def _ones_of_table(table: Table, design: Profile, caps: Mapping[str, int]) -> float:
    """The most cells of a table that one unit stands in."""
    names = [axis.variable for axis in table.axes]
    repeated = {name for name in names if names.count(name) > 1}
    if table.is_pairs:
        cap = caps[table.axes[0].variable]
        return max(cap * (cap - 1) / 2, 1)
    if repeated:
        raise ProfileError(
            f"table {table.name} has the axis {sorted(repeated)[0]} more than once; with noise "
            "only pairs of codes are released, so leave it out of the design"
        )
    return math.prod(_ones_of_axis(axis, design, caps) for axis in table.axes)


def _ones_of_axis(axis: Axis, design: Profile, caps: Mapping[str, int]) -> int:
    is_list = isinstance(design[axis.variable], CodeSet) and axis.facet is None
    return caps[axis.variable] if is_list else 1
