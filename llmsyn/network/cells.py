r"""Knowledge as cells: the joint shares that a marginal log odds ratio stands for.

A class of association says how the odds of *then* change with *given*, margins held.  With
margins :math:`p, q` and odds ratio :math:`r`, the joint share :math:`x` is the one root of

.. math:: x\,(1 - p - q + x) = r\,(p - x)(q - x)

that is a probability (the odds-ratio identity; Plackett 1965, doi
10.1080/01621459.1965.10480807).
"""

from __future__ import annotations

import numpy as np

from llmsyn.network.model import FloatArray

_LEAST_LIFT = 0.05  # of independence, that levels nobody speaks of keep


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


def cells_from_statements(
    shares: FloatArray, p: float, said: list[tuple[tuple[int, ...], float]], allowed: FloatArray
) -> FloatArray:
    """Joint shares of levels with one binary term, each statement against all other levels.

    A log odds ratio of women is one against men: said of both sexes, with opposite signs, it
    is the same fact twice, not a fact twice as strong.  Levels nobody speaks of share what
    is left.

    Parameters
    ----------
    shares : (n_levels,) shares of the levels.
    p : margin of the term.
    said : groups of levels and the log odds ratio of each against the rest.
    allowed : (n_levels,) 0 where a mask forbids the combination, else 1.

    Returns
    -------
    (n_levels,), sum ``p`` as far as the allowed levels have room.

    Examples
    --------
    >>> shares, both = np.array([0.4, 0.6]), [((0,), 1.0), ((1,), -1.0)]
    >>> once = cells_from_statements(shares, 0.1, both[:1], np.ones(2))
    >>> twice = cells_from_statements(shares, 0.1, both, np.ones(2))
    >>> bool(np.allclose(once, twice))
    True
    """
    if p <= 0:  # noise makes codes that nobody has
        return np.zeros(len(shares))
    lift, spoken = np.ones(len(shares)), np.zeros(len(shares), bool)
    for levels, value in said:
        at = list(levels)
        room = float(shares[at].sum())
        if not 0 < room < 1:
            continue
        joint = pair_cells(np.array([p]), np.array([room]), np.array([value]))[0]
        lift[at] *= joint / (p * room)
        spoken[at] = True
    lift *= allowed
    taken, silent = float((shares * lift)[spoken].sum()), ~spoken & (allowed > 0)
    room = float(shares[silent].sum())
    if room > 0:  # noise makes levels that nobody has
        lift[silent] = max((1.0 - taken) / room, _LEAST_LIFT)
    cells: FloatArray = p * shares * lift
    for _ in range(20):  # a level cannot have more than itself
        cells = np.minimum(cells * (p / max(float(cells.sum()), 1e-300)), shares * allowed)
    return cells


def log_odds_ratio(joint: FloatArray, p: FloatArray, q: FloatArray) -> FloatArray:
    """Marginal log odds ratio of pairs from their joint share and margins (any shape)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        value: FloatArray = np.log(joint * (1 - p - q + joint) / ((p - joint) * (q - joint)))
    return value
