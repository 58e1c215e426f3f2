"""How far the sums of two samples are apart: one variable, one code, one pair at a time.

All functions take :class:`~llmsyn.evaluation.columns.Sums`, so that each can be evaluated
with a group of patients left out at the price of a few array operations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from llmsyn.evaluation.columns import Columns, Sums
from llmsyn.evaluation.samples import FloatArray, IntArray
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet, Numeric

RARE = 0.01
"""Share of units under which a code is rare."""


def variable_distances(profile: Profile, columns: Columns, real: Sums, other: Sums) -> FloatArray:
    """One number a level variable: KS of numbers and ordered levels, else total variation.

    Numbers are compared by the profile's bins; missing is a level, the last one.
    """
    found = []
    for variable in profile.level_variables:
        at = columns.of(variable.name)
        gap = real.shares[at] - other.shares[at]
        ordered = isinstance(variable, Numeric) or variable.ordered
        found.append(np.abs(np.cumsum(gap)).max() if ordered else np.abs(gap).sum() / 2)
    return np.array(found)


def dimension_wise(columns: Columns, real: Sums, other: Sums) -> FloatArray:
    """R2 around the diagonal, and the largest error, of the shares of all codes.

    ``R2 = 1 - sum (p_other - p_real)**2 / sum (p_real - mean)**2``: unlike a squared
    correlation it does not forgive a shift.  Codes that neither sample has are left out.

    Source: dimension-wise probability, Choi et al. 2017 (medGAN), section 4.3.
    """
    p, q = real.shares[columns.is_code], other.shares[columns.is_code]
    seen = (p > 0) | (q > 0)
    if seen.sum() < 2:
        return np.array([math.nan, math.nan])
    p, q = p[seen], q[seen]
    spread = ((p - p.mean()) ** 2).sum()
    r2 = 1 - ((p - q) ** 2).sum() / spread if spread > 0 else math.nan
    return np.array([r2, np.abs(p - q).max()])


def code_number_distances(sets: Sequence[str], real: Sums, other: Sums) -> FloatArray:
    """Wasserstein distance of the number of codes per unit, in codes: one a code set."""
    return np.array(
        [
            np.abs(np.cumsum(real.numbers[s] / real.n - other.numbers[s] / other.n)).sum()
            for s in sets
        ]
    )


def correlations(sums: Sums, frequent: IntArray) -> FloatArray:
    """``(k, k)`` phi coefficients of the frequent columns; 0 where a column is constant."""
    p = sums.shares[frequent]
    sd = np.sqrt(np.maximum(p * (1 - p), 0.0))
    scale = np.outer(sd, sd)
    covariance = sums.second / sums.n - np.outer(p, p)
    found = np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 1e-12)
    return np.asarray(found)


def pair_distances(
    frequent: IntArray, i: IntArray, j: IntArray, associated: FloatArray, real: Sums, other: Sums
) -> FloatArray:
    """Mean absolute difference of correlations, and share of right signs.

    Parameters
    ----------
    i, j : (m,) pairs, as places in ``frequent``.
    associated : (m,) pairs whose sign is judged.
    """
    a, b = (correlations(s, frequent)[i, j] for s in (real, other))
    if not len(a):
        return np.array([math.nan, math.nan])
    same = (np.sign(a) == np.sign(b))[associated]
    return np.array([np.abs(a - b).mean(), same.mean() if len(same) else math.nan])


def mmd2(gap: FloatArray, gamma: float = 0.5) -> float:
    """Squared maximum mean discrepancy of two joint distributions of two nominal variables.

    The kernel is Gaussian on the one-hot levels of both: ``exp(-2 gamma)`` for each variable
    in which two units differ.  With all units of a cell alike, the double sum over units is
    one over cells: ``sum gap * (K gap K')``.

    Parameters
    ----------
    gap : (a, b) joint shares of one sample minus those of the other.

    Source: Gretton et al. 2012, JMLR 13, 723.

    Examples
    --------
    >>> round(mmd2(np.array([[0.5, -0.5], [0.0, 0.0]])), 4)
    0.3161
    """
    far = math.exp(-2 * gamma)
    smoothed = gap
    for axis in (0, 1):  # K = far + (1 - far) * identity, along either axis
        smoothed = (1 - far) * smoothed + far * smoothed.sum(axis, keepdims=True)
    return float((gap * smoothed).sum())


def pair_mmd(
    columns: Columns, places: IntArray, pairs: Sequence[tuple[str, str]], real: Sums, other: Sums
) -> FloatArray:
    """MMD (not squared) of each pair of level variables.

    Parameters
    ----------
    places : (d,) where each column stands among the frequent ones; -1: nowhere.  Levels that
        are not frequent in either sample carry no mass worth a kernel.
    """
    found = []
    for a, b in pairs:
        rows, cols = (places[columns.of(v)] for v in (a, b))
        cells = np.ix_(rows[rows >= 0], cols[cols >= 0])
        gap = real.second[cells] / real.n - other.second[cells] / other.n
        found.append(math.sqrt(max(mmd2(gap), 0.0)))
    return np.array(found)


def associated_pairs(
    columns: Columns, frequent: IntArray, real: Sums
) -> tuple[IntArray, IntArray, FloatArray]:
    """Pairs of frequent columns that can be associated, and those that are (|z| > 3).

    Two levels of one variable exclude each other by definition, so they are no pair.

    Returns
    -------
    i, j : (m,) places in ``frequent``, i < j.
    associated : (m,) whether ``sqrt(n) * |phi| > 3`` in the real units.
    """
    i, j = np.triu_indices(len(frequent), 1)
    variable, code = columns.variable[frequent], np.asarray(columns.is_code[frequent], bool)
    kept = (variable[i] != variable[j]) | code[i]
    i, j = i[kept], j[kept]
    phi = correlations(real, frequent)[i, j]
    return i, j, np.abs(phi) * math.sqrt(real.n) > 3


def frequent_columns(columns: Columns, real: Sums, most: int) -> IntArray:
    """Columns with a share of at least 1%, at most 99%: all levels first, then codes by share."""
    p = real.shares
    known = (p >= RARE) & (p <= 1 - RARE)
    order = np.lexsort((-p, np.asarray(columns.is_code, bool)))
    return np.sort(order[known[order]][:most])


def level_pairs(profile: Profile) -> list[tuple[str, str]]:
    """Pairs of level variables of the first stage, as LLMSYN's Table 4 compares them."""
    first = [
        v.name
        for v in profile.level_variables
        if v.stage == profile.stages[0] and not isinstance(v, CodeSet)
    ]
    return [(a, b) for k, a in enumerate(first) for b in first[k + 1 :]]
