"""Every level and every code of a profile as one column of zeros and ones.

Most measures are functions of sums over units of these columns and of their products, so
the sums are taken once, per group of patients; a measure and its jackknife interval are then
arithmetic on sums, whatever the number of units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from scipy import sparse, stats

from llmsyn.evaluation.intervals import Estimate
from llmsyn.evaluation.samples import FloatArray, IntArray, Sample
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import MISSING, CodeSet, Numeric

N_GROUPS = 20
"""Groups of patients of which the jackknife leaves out one after the other."""

MOST_COLUMNS = 600
"""Most frequent columns whose products are summed; more would not fit into memory."""


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns of a profile.

    Attributes
    ----------
    names : (variable, level or code) of each column.
    variable : (d,) which variable each column belongs to, as an index into ``variables``.
    is_code : (d,) whether it is a code; else a level, of which each unit has exactly one.
    variables : names of the variables, in drawing order.
    """

    names: tuple[tuple[str, str], ...]
    variable: IntArray
    is_code: FloatArray
    variables: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def of(self, variable: str) -> slice:
        """Where the columns of a variable stand."""
        at = np.flatnonzero(self.variable == self.variables.index(variable))
        return slice(int(at[0]), int(at[-1]) + 1) if len(at) else slice(0, 0)


def columns_of(profile: Profile) -> Columns:
    """The columns: a number has one a bin and one for missing, a code set one a code."""
    names: list[tuple[str, str]] = []
    variable: list[int] = []
    is_code: list[bool] = []
    for index, each in enumerate(profile.in_order):
        if isinstance(each, CodeSet):
            labels = each.codes
        elif isinstance(each, Numeric):
            labels = (*each.levels[: len(each.counts)], MISSING)
        else:
            labels = each.levels
        names += [(each.name, label) for label in labels]
        variable += [index] * len(labels)
        is_code += [isinstance(each, CodeSet)] * len(labels)
    order = tuple(v.name for v in profile.in_order)
    return Columns(tuple(names), np.array(variable, dtype=np.int64), np.array(is_code), order)


def indicators(sample: Sample, profile: Profile) -> sparse.csr_array:
    """``(n, d)`` zeros and ones, columns as in :func:`columns_of`."""
    n = len(sample)
    blocks = []
    for variable in profile.in_order:
        if isinstance(variable, CodeSet):
            blocks.append(sample.codes[variable.name])
            continue
        width = len(variable.counts) + isinstance(variable, Numeric)
        ones = np.ones(n, np.float32)
        at = (np.arange(n), sample.levels[variable.name])
        blocks.append(sparse.csr_array((ones, at), shape=(n, width)))
    return sparse.csr_array(sparse.hstack(blocks, format="csr"))


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over the units of one or several groups.

    Attributes
    ----------
    n : units.
    first : (d,) units with each column.
    second : (k, k) units with both of two frequent columns.
    numbers : code set -> (m,) units by number of codes, listed or not.
    """

    n: float
    first: FloatArray
    second: FloatArray
    numbers: Mapping[str, FloatArray]

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.n + other.n,
            self.first + other.first,
            self.second + other.second,
            {k: v + other.numbers[k] for k, v in self.numbers.items()},
        )

    def __sub__(self, other: Sums) -> Sums:
        return Sums(
            self.n - other.n,
            self.first - other.first,
            self.second - other.second,
            {k: v - other.numbers[k] for k, v in self.numbers.items()},
        )

    @property
    def shares(self) -> FloatArray:
        """``(d,)`` share of units with each column."""
        return self.first / self.n


@dataclass(frozen=True, eq=False)
class Grouped:
    """Sums of a sample: of everything, and of each of up to ``N_GROUPS`` groups of patients."""

    total: Sums
    groups: tuple[Sums, ...]


def grouped(
    sample: Sample,
    profile: Profile,
    frequent: IntArray,
    random: np.random.Generator,
    *,
    longest: Mapping[str, int],
) -> Grouped:
    """Sum a sample by groups of patients, drawn at random.

    Parameters
    ----------
    frequent : (k,) columns whose products are wanted.
    longest : code set -> most codes of a unit that a histogram tells apart.
    """
    x = indicators(sample, profile)
    _, who = np.unique(sample.patient, return_inverse=True)
    n_patients = int(who.max(initial=-1)) + 1
    group = (random.permutation(n_patients) % min(N_GROUPS, max(n_patients, 1)))[who]
    numbers = {name: code_numbers(sample, name) for name in sample.codes}
    found = []
    for k in range(min(N_GROUPS, n_patients)):
        rows = np.flatnonzero(group == k)
        part = x[rows]
        few = sparse.csc_array(part[:, frequent])
        found.append(
            Sums(
                float(len(rows)),
                np.asarray(part.sum(0), dtype=float).ravel(),
                (few.T @ few).toarray().astype(float),
                {
                    name: np.bincount(
                        np.minimum(number[rows], longest[name]), minlength=longest[name] + 1
                    ).astype(float)
                    for name, number in numbers.items()
                },
            )
        )
    return Grouped(reduce(add, found), tuple(found))


def code_numbers(sample: Sample, name: str) -> IntArray:
    """``(n,)`` how many codes of a set each unit has, listed or not."""
    listed = np.asarray(sample.codes[name].sum(1)).ravel()
    return (listed + sample.unlisted[name]).astype(np.int64)


def jackknife(
    measure: Callable[[Sums, Sums], FloatArray], real: Grouped, other: Grouped
) -> list[Estimate]:
    """Values of a measure of two samples with 95% intervals.

    Both samples vary: each is divided into G groups of patients, one is left out after the
    other, and the variances ``(G - 1) / G * sum (value_g - mean)**2`` of the two are added
    (delete-a-group jackknife: Kott 2001, Journal of Official Statistics 17, 521).  The t
    quantile has G - 1 degrees of freedom.  For a maximum (a largest error) the interval is
    rough: a jackknife takes it for smooth.

    Parameters
    ----------
    measure : (m,) numbers of two sums; NaN where one is undefined.
    """
    value = measure(real.total, other.total)
    variance = np.zeros(len(value))
    fewest = np.inf
    for side in (0, 1):
        groups = (real, other)[side].groups
        if len(groups) < 2:
            variance += np.nan
            continue
        left = np.array(
            [
                measure(real.total - g, other.total)
                if side == 0
                else measure(real.total, other.total - g)
                for g in groups
            ]
        )
        variance += (len(groups) - 1) / len(groups) * ((left - left.mean(0)) ** 2).sum(0)
        fewest = min(fewest, len(groups))
    half = (stats.t.ppf(0.975, fewest - 1) if np.isfinite(fewest) else np.nan) * np.sqrt(variance)
    return [Estimate(float(v), float(v - h), float(v + h)) for v, h in zip(value, half)]
