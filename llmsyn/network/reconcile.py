r"""Published numbers made consistent with each other, before anything is calibrated.

A published count stands for an interval (rounding, privacy noise), a suppressed one for an
unknown.  Margins win over tables: a table is filled and scaled until its sums are its
margins (iterative proportional fitting, Deming and Stephan 1940, doi
10.1214/aoms/1177731829), and what had to move by more than its interval is named.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from llmsyn.network.model import FloatArray

_ROUNDS = 200
_CLOSE = 1e-10
_SIGMAS = 4.0  # noise beyond which two noisy numbers are said to contradict each other


@dataclass
class Ledger:
    """What could not hold together: sentences, and the names of the cells that were bent."""

    notes: list[str] = field(default_factory=list)
    unmet: set[str] = field(default_factory=set)

    def bent(self, name: str, published: float, used: float, unit: str = "units") -> None:
        """Record that a published count was replaced by another."""
        self.unmet.add(name)
        self.notes.append(
            f"{name}: published {published:,.6g} {unit} contradicts the other numbers; "
            f"{used:,.6g} used instead (difference {used - published:+,.4g})"
        )


def fill_margin(counts: FloatArray, n_units: float) -> FloatArray:
    """Shares of the levels of one variable; suppressed ones share what is left.

    Parameters
    ----------
    counts : (n_levels,) published counts, NaN where suppressed.
    n_units : total.

    Returns
    -------
    (n_levels,) shares that sum to one.

    Examples
    --------
    >>> fill_margin(np.array([60.0, np.nan, np.nan]), 100.0)
    array([0.6, 0.2, 0.2])
    """
    unknown = np.isnan(counts)
    known = float(np.nansum(counts))
    filled = np.where(unknown, 0.0, counts)
    if unknown.any():
        filled[unknown] = max(n_units - known, 0.0) / unknown.sum()
    total = filled.sum()
    if total <= 0:
        return np.full(len(counts), 1.0 / max(len(counts), 1))
    shares: FloatArray = filled / total
    return shares


def fit_table(
    table: FloatArray,
    rows: FloatArray,
    columns: FloatArray | None,
    expected: FloatArray,
) -> FloatArray:
    """Fill the unknown cells of a table and scale it to its margins.

    Parameters
    ----------
    table : (n_rows, n_columns) published shares, NaN unknown.
    rows : (n_rows,) row sums to meet.
    columns : (n_columns,) column sums to meet; None when they are not known.
    expected : (n_rows, n_columns) what an unknown cell is in proportion to.

    Returns
    -------
    (n_rows, n_columns) without NaN; sums meet the margins as far as the zeros allow.
    """
    unknown = np.isnan(table)
    known = np.where(unknown, 0.0, table)
    filled = np.where(unknown, np.maximum(expected, 1e-15), 0.0)
    if unknown.any():
        left_rows = np.maximum(rows - known.sum(1), 0.0)
        left_columns = None if columns is None else np.maximum(columns - known.sum(0), 0.0)
        filled = scale(filled, left_rows, left_columns)
    return scale(known + filled, rows, columns)


def scale(
    table: FloatArray, rows: FloatArray, columns: FloatArray | None, rounds: int = _ROUNDS
) -> FloatArray:
    """Iterative proportional fitting; the last step meets the rows."""
    for _ in range(rounds):
        if columns is not None:
            sums = table.sum(0)
            table = table * np.where(sums > 0, columns / np.where(sums > 0, sums, 1.0), 1.0)
        sums = table.sum(1)
        table = table * np.where(sums > 0, rows / np.where(sums > 0, sums, 1.0), 1.0)[:, None]
        if columns is None or np.abs(table.sum(0) - columns).max(initial=0.0) < _CLOSE:
            break
    return table


def tolerance(half_width: float, sigma: float, n_units: float) -> float:
    """How far a published share may be moved before it counts as contradicted."""
    return (half_width + _SIGMAS * sigma + 0.5 + 1e-6 * n_units) / n_units


def tilt_to_mean(shares: FloatArray, free: npt.NDArray[np.bool_], mean: float) -> FloatArray:
    """Move the free cells of a histogram until its mean is right; total and others stay.

    The free cells are tilted, ``p_k -> p_k exp(t k)``, and renormalised to their own mass
    (the smallest change in the sense of Kullback and Leibler).  When no cell is free, all
    are.  The mean is met as far as the free cells allow.

    Examples
    --------
    >>> p = tilt_to_mean(np.array([0.5, 0.3, 0.2]), np.array([True, True, True]), 1.0)
    >>> round(float(p @ np.arange(3)), 6), round(float(p.sum()), 6)
    (1.0, 1.0)
    """
    if not free.any():
        free = np.ones(len(shares), bool)
    number = np.arange(len(shares), dtype=float)
    mass = shares[free].sum()
    if mass <= 0:
        return shares
    wanted = mean - float(shares[~free] @ number[~free])
    k, p = number[free], np.maximum(shares[free], 1e-15)

    def tilted(t: float) -> FloatArray:
        logits = np.log(p) + t * k
        q = np.exp(logits - logits.max())
        result: FloatArray = mass * q / q.sum()
        return result

    low, high, t = -50.0, 50.0, 0.0
    for _ in range(100):  # Newton's steps, and halving where they leave the bracket
        q = tilted(t)
        off = float(q @ k) - wanted
        if abs(off) < 1e-13 * max(wanted, 1.0) or high - low < 1e-15:
            break
        low, high = (low, t) if off > 0 else (t, high)
        slope = float(q @ k**2) - float(q @ k) ** 2 / mass
        step = t - off / slope if slope > 1e-300 else low
        t = step if low < step < high else (low + high) / 2
    moved = shares.copy()
    moved[free] = tilted(t)
    return moved


SHORT = 2.0
"""Mean number of codes up to which lists are taken to be those of independent codes."""


def assumed_numbers(prevalence: FloatArray) -> FloatArray:
    """How many codes a unit has, where only prevalences are known: ``(most + 1,)`` shares.

    With few codes, those of independent codes; with more, a spread of half the mean, as lists
    of codes have in most hospitals.
    """
    mean = float(prevalence.sum())
    return spread_numbers(mean, len(prevalence)) if mean > SHORT else poisson_binomial(prevalence)


def poisson_binomial(prevalence: FloatArray) -> FloatArray:
    """Distribution of the number of codes if codes were independent: ``(n + 1,)`` shares."""
    shares = np.ones(1)
    for p in prevalence:
        shares = np.append(shares * (1 - p), 0.0) + np.append(0.0, shares * p)
    keep = int(np.searchsorted(np.cumsum(shares), 1 - 1e-9)) + 1
    kept = shares[: keep + 1]
    result: FloatArray = kept / kept.sum()
    return result


def spread_numbers(mean: float, most: int) -> FloatArray:
    """A distribution on 0..most with that mean and a spread of half of it, or Poisson's.

    Negative binomial where half the mean is more than Poisson's spread; cut off at ``most``
    and tilted back to the mean.

    Examples
    --------
    >>> p = spread_numbers(12.0, 60)
    >>> round(float(p @ np.arange(len(p))), 3)
    12.0
    """
    from scipy.special import gammaln

    mean = min(mean, 0.95 * most)
    variance = max(mean, (mean / 2) ** 2)
    k = np.arange(min(most, int(mean + 10 * variance**0.5) + 10) + 1.0)
    if variance > mean * 1.01:
        shape, success = mean**2 / (variance - mean), mean / variance
        ways = gammaln(k + shape) - gammaln(shape) - gammaln(k + 1)
        share = np.exp(ways + shape * np.log(success) + k * np.log1p(-success))
    else:
        share = np.exp(k * np.log(max(mean, 1e-300)) - mean - gammaln(k + 1))
    likely = np.flatnonzero(np.cumsum(share) < (1 - 1e-6) * share.sum())
    share = share[: len(likely) + 2]
    share /= share.sum()
    return tilt_to_mean(share, np.ones(len(share), bool), mean)
