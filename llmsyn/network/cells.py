r"""Knowledge as cells: the joint shares that a marginal log odds ratio stands for.

A class of association says how the odds of *then* change with *given*, margins held.  With
``shares`` of the levels of *given* and log odds :math:`\lambda_l` for each of them, the
cells are

.. math:: \pi_{l} = s_l\,\sigma(\beta + \lambda_l), \qquad \sum_l \pi_l = p,

with the one :math:`\beta` that leaves the margin *p* of *then* as published.  For two
binary terms this is the 2 x 2 table with the given odds ratio (the odds-ratio identity;
Plackett 1965, doi 10.1080/01621459.1965.10480807).
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from llmsyn.network.model import FloatArray


def cells_from_log_odds(shares: FloatArray, p: FloatArray, log_odds: FloatArray) -> FloatArray:
    """Joint shares of the levels of *given* with *then*.

    Parameters
    ----------
    shares : (n_levels,) shares of the levels of *given*, summing to one.
    p : (m,) margins of *then*.
    log_odds : (m, n_levels) log odds of *then* at each level; only differences matter.

    Returns
    -------
    (m, n_levels), row sums ``p``.

    Examples
    --------
    >>> cell = cells_from_log_odds(np.array([0.8, 0.2]), np.array([0.1]), np.log([[1.0, 3.0]]))
    >>> a, b = cell[0, 1], cell[0, 0]
    >>> round(float(a * (0.8 - b) / (b * (0.2 - a))), 6)
    3.0
    """
    p = np.clip(p, 1e-12, 1 - 1e-12)
    low = np.full(len(p), -60.0)
    high = np.full(len(p), 60.0)
    for _ in range(80):  # bisection: monotone in beta, and safe at any margin
        beta = (low + high) / 2
        above = expit(beta[:, None] + log_odds) @ shares > p
        high = np.where(above, beta, high)
        low = np.where(above, low, beta)
    cells: FloatArray = expit(((low + high) / 2)[:, None] + log_odds) * shares
    cells *= (p / np.maximum(cells.sum(1), 1e-300))[:, None]
    return cells


def pair_cells(p: FloatArray, q: FloatArray, log_odds: FloatArray) -> FloatArray:
    """Joint shares of pairs of binary terms with margins ``p``, ``q`` and marginal log odds ratio.

    All arrays ``(m,)``.  The stable root of Plackett's quadratic.

    Examples
    --------
    >>> pair_cells(np.array([0.2]), np.array([0.1]), np.array([0.0])).round(6)
    array([0.02])
    """
    ratio = np.exp(log_odds)
    near_one = np.abs(ratio - 1) < 1e-9
    s = 1 + (p + q) * (ratio - 1)
    root = np.sqrt(np.maximum(s * s - 4 * ratio * (ratio - 1) * p * q, 0.0))
    # 2 r p q / (s + root) is the same root without cancellation.
    joint: FloatArray = np.where(near_one, p * q, 2 * ratio * p * q / (s + root))
    return joint


def log_odds_ratio(joint: FloatArray, p: FloatArray, q: FloatArray) -> FloatArray:
    """Marginal log odds ratio of pairs from their joint share and margins (any shape)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        value: FloatArray = np.log(joint * (1 - p - q + joint) / ((p - joint) * (q - joint)))
    return value
