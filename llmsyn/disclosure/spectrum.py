r"""How many independent statistics a population has, told from a sample of it.

*Why.*  The attacker knows the correlation S of the population; the owner has n members and
their sample correlation :math:`S_n`, which fits these n people too well: the trace of
:math:`S_n (S_n + \lambda I)^{-1}` is below n whatever is published, while that of S may be
several times n (diabetes130, n = 1,000, all pairs: 969 from the members, 1,645 from the
population; the attack reaches 0.82 where 969 predicts 0.757).

*What is known.*  Ridge regression on a sample acts like ridge regression on the population
with a larger ridge (Silverstein 1995, doi 10.1006/jmva.1995.1083; Dobriban and Wager 2018, doi
10.1214/17-AOS1549): with :math:`g_1, ..., g_n` the eigenvalues of the Gram matrix of the n
standardised records, zeros included, and any :math:`l > 0`,

.. math::
    \frac{1}{\kappa(l)} = \frac{1}{n} \sum_i \frac{1}{g_i + l}, \qquad
    \operatorname{tr} S (S + \kappa I)^{-1} \approx \sum_i \frac{g_i}{g_i + l}
        = n \left(1 - \frac{l}{\kappa(l)}\right).

So the population's effective number at a ridge :math:`\lambda` is that of the sample at the l
with :math:`\kappa(l) = \lambda`.

*Where there is no such l.*  :math:`\kappa` is never below :math:`\kappa(0)`, which is above
:math:`\lambda` once more statistics than members are published.  The effective number is then
known at every :math:`\kappa \ge \kappa(0)` only.  It is a mixture of :math:`s / (s + \kappa)`
over the m eigenvalues s of S, so a distribution of eigenvalues on a grid is fitted to what is
known, with the sum that the sample's have (El Karoui 2008, doi 10.1214/07-AOS581), and read
at :math:`\lambda`.

What this does not do: say *who* has which leverage, or correct for cells that are published
because their count is high (measured AUCs are about 0.01 above the prediction for that).
"""

from __future__ import annotations

import math

import numpy as np

from llmsyn.profile.variables import FloatArray

_BISECTIONS = 60
_N_RIDGES = 40  # points at which the effective number is known
_N_EIGENVALUES = 80  # points of the grid of eigenvalues
_FIRMNESS = 30.0  # weight of the two sums beside a relative error of one point
_SMALLEST_RIDGE, _LARGEST_RIDGE = 1e-3, 30.0


def population_number(
    eigenvalues: FloatArray, n_rows: int, n_statistics: int, ridge: float
) -> float:
    """The trace of S (S + ridge I)^-1 of the population.

    Parameters
    ----------
    eigenvalues : of the sample correlation, or of the Gram matrix of standardised records
        over n_rows; zeros may be left out.
    n_rows : records that the sample correlation is of.
    n_statistics : m, its size; without columns that have no variance.
    ridge : above 0.

    Returns
    -------
    At most m.  Without a single degree of freedom (fewer than three records) the sample's own.

    Examples
    --------
    A hundred records of 150 independent statistics say 97 of themselves:

    >>> x = np.random.default_rng(0).standard_normal((100, 150))
    >>> x = (x - x.mean(axis=0)) / x.std(axis=0)
    >>> g = np.linalg.eigvalsh(x @ x.T / 100)
    >>> round(float((g / (g + 0.01)).sum())), round(population_number(g, 100, 150, 0.01))
    (97, 149)
    """
    kept = np.sort(np.maximum(eigenvalues, 0.0))[::-1]
    n = n_rows - 1  # one is lost to the mean
    if n < 2 or not n_statistics:
        return float((kept / (kept + ridge)).sum())
    g = np.zeros(n)
    g[: min(n, len(kept))] = kept[:n]
    # Rounding leaves zeros of 1e-16, which would be taken for eigenvalues.
    g[g < 1e-10 * g[0]] = 0.0
    if not g[-1] or 1 / np.mean(1 / g) < ridge:
        number = n * (1 - _sample_ridge(g, ridge) / ridge)
    else:
        number = max(_extrapolated(g, n_statistics, float(kept.sum()), ridge), float(n))
    return min(number, float(n_statistics))


def population_ridge(g: FloatArray, sample_ridge: float) -> float:
    """The population's ridge that a ridge on the sample stands for: kappa(l).

    Parameters
    ----------
    g : (n,) eigenvalues of the Gram matrix, zeros included.
    sample_ridge : l, above 0.
    """
    return float(1 / np.mean(1 / (g + sample_ridge)))


def _sample_ridge(g: FloatArray, ridge: float) -> float:
    """The l with kappa(l) = ridge; kappa rises, and kappa(l) is never below l."""
    low, high = math.log(ridge) - 40.0, math.log(ridge)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if population_ridge(g, math.exp(middle)) > ridge:
            high = middle
        else:
            low = middle
    return math.exp((low + high) / 2)


def _extrapolated(g: FloatArray, n_statistics: int, trace: float, ridge: float) -> float:
    """The effective number at a ridge below kappa(0), from a fitted spectrum."""
    from scipy.optimize import nnls

    n, m = len(g), n_statistics
    sample = np.geomspace(_SMALLEST_RIDGE, _LARGEST_RIDGE, _N_RIDGES)
    kappa = np.array([population_ridge(g, float(ridge_)) for ridge_ in sample])
    known = n * (1 - sample / kappa)  # (n_ridges,)
    s = np.append(0.0, np.geomspace(1e-4, 2 * g[0], _N_EIGENVALUES))
    share = s / (s + kappa[:, None])  # (n_ridges, n_eigenvalues + 1)
    sums = _FIRMNESS / m * np.vstack([np.ones_like(s), s])
    left = np.vstack([share / known[:, None], sums])
    right = np.append(np.ones(_N_RIDGES), [_FIRMNESS, _FIRMNESS * trace / m])
    weight, _ = nnls(left, right)
    return float((weight * s / (s + ridge)).sum())
