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
        filled = _scale(filled, left_rows, left_columns)
    return _scale(known + filled, rows, columns)


def _scale(table: FloatArray, rows: FloatArray, columns: FloatArray | None) -> FloatArray:
    for _ in range(_ROUNDS):
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

    low, high = -50.0, 50.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if tilted(middle) @ k < wanted else (low, middle)
    moved = shares.copy()
    moved[free] = tilted((low + high) / 2)
    return moved


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
    from scipy.stats import nbinom, poisson

    mean = min(mean, 0.95 * most)
    variance = max(mean, (mean / 2) ** 2)
    if variance > mean * 1.01:
        shape = nbinom(mean**2 / (variance - mean), mean / variance)
    else:
        shape = poisson(mean)
    keep = min(most, int(shape.isf(1e-6)) + 1)
    share = np.asarray(shape.pmf(np.arange(keep + 1)), float)
    share /= share.sum()
    return tilt_to_mean(share, np.ones(len(share), bool), mean)
