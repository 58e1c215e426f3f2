r"""The membership risk of a set of published statistics, before they are published.

*The attack.*  Somebody holds the record x of a person (an indicator for each published cell)
and the averages q of the population at large, sees the release's averages :math:`\hat p` over
n patients, and scores (Homer et al. 2008, doi 10.1371/journal.pgen.1000167; with the
covariance, which makes it the likelihood-ratio test of a multivariate normal model)

.. math::  t(x) = (x - q)^\top (S + \lambda I)^{-1} (\hat p - q).

*Its power.*  Let x be standardised with correlation S, and :math:`h(x) = x^\top (S + \lambda
I)^{-1} x` its leverage.  :math:`\hat p` has covariance S / n, so

.. math::
    t(x) \mid \text{outsider} \sim N(0, h(x)/n), \qquad
    t(x) \mid \text{member} \sim N(h(x)/n, h(x)/n).

With the record known, the best score is the log-likelihood ratio :math:`t - h/2n`.  For a
member with leverage h and an outsider with h' it differs by (h + h')/2n in the mean with
variance (h + h')/n, hence

.. math::  \mathrm{AUC} = E\, \Phi\left(\sqrt{(h + h') / 4n}\right)
           \le \Phi\left(\sqrt{m_\mathrm{eff} / 2n}\right), \qquad
           m_\mathrm{eff} = E\,h = \operatorname{tr} S (S + \lambda I)^{-1},

the bound by Jensen's inequality.  The bound is METHOD.md's formula.  It is close where
leverages are alike, and too high where few patients carry rare codes: these are found for
sure, all others are hidden, and a mean over patients says so.

*The ridge.*  :math:`\lambda` takes out what is not information: levels that add up to one,
the four cells of a pair, combinations of cells whose variance is below a hundredth of a
single cell's.  :math:`\lambda = 0.01` is that hundredth, stated and not fitted.  The attacker
is taken to know q and S exactly, so a prediction errs on the careful side.

*The owner's S.*  S is estimated from the members, whose sample correlation fits them too
well; :mod:`llmsyn.disclosure.spectrum` says what the population's effective number is, and
leverages are scaled to it.

A patient with several stays counts as the sum of their rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from llmsyn.disclosure.spectrum import population_number
from llmsyn.disclosure.system import BoolArray
from llmsyn.profile.variables import FloatArray

RIDGE = 0.01
"""Variance, in units of one standardised cell, below which a combination of cells is noise."""

WARN_ABOVE = 0.55
"""Predicted area under the curve from which on the officer is warned."""

PATIENTS_PER_STATISTIC = 32
"""n over m_eff at which the bound is 0.55: Phi(sqrt(1 / 64)) = 0.5497."""

_SAMPLE = 4000  # patients whose leverage is computed
_SEED = 1997
_NEGLIGIBLE = 0.005  # effective statistics per patient below which the sample is the population
_MANY = 2000  # statistics from which on eigenvalues take their time


@dataclass(frozen=True)
class Risk:
    """Predicted success of the best known membership attack.

    Attributes
    ----------
    auc : area under its curve; 0.5 is guessing.
    bound : Phi(sqrt(m_eff / 2n)), which it cannot exceed.
    m_eff : effective number of independent published statistics, in the population.
    n_statistics : published cells.
    n_patients : behind them.
    """

    auc: float
    bound: float
    m_eff: float
    n_statistics: int
    n_patients: int

    @property
    def advantage(self) -> float:
        """How much likelier a member is picked than an outsider: 2 AUC - 1."""
        return 2 * self.auc - 1


@dataclass(frozen=True, eq=False)
class Correlation:
    """Correlation of candidate statistics over patients, and some standardised patients.

    Attributes
    ----------
    matrix : (m, m); statistics without variance have a zero row.
    sample : (n_sample, m) standardised.
    n : patients behind the release.
    n_rows : patients that the correlation was estimated from.
    """

    matrix: FloatArray
    sample: FloatArray
    n: int
    n_rows: int

    @classmethod
    def of(cls, statistics: sp.csr_matrix) -> Correlation:
        """Correlate the columns of ``(n_patients, m)`` statistics."""
        n = statistics.shape[0]
        mean = np.asarray(statistics.mean(axis=0)).ravel()
        covariance = np.asarray((statistics.T @ statistics).todense()) / n - np.outer(mean, mean)
        spread = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        inverse = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-12)
        rng = np.random.default_rng(_SEED)
        rows = rng.permutation(n)[:_SAMPLE]
        sample = (np.asarray(statistics[rows].todense()) - mean) * inverse
        return cls(covariance * inverse[:, None] * inverse[None, :], sample, n, n)

    def risk(self, published: BoolArray) -> Risk:
        """Risk of publishing these statistics.

        Parameters
        ----------
        published : (m,)
        """
        columns = np.flatnonzero(published & (np.diag(self.matrix) > 0))
        matrix, rows = self.matrix[np.ix_(columns, columns)], self.sample[:, columns]
        of_sample = effective_number(matrix)
        m_eff = self._of_population(matrix, rows, of_sample)
        h = leverages(matrix, rows) * (m_eff / of_sample if of_sample else 1.0)
        other = np.random.default_rng(_SEED).permutation(h)
        auc = float(_normal_cdf(np.sqrt((h + other) / (4 * self.n))).mean())
        bound = float(_normal_cdf(np.array([np.sqrt(m_eff / (2 * self.n))]))[0])
        return Risk(min(auc, bound), bound, m_eff, int(published.sum()), self.n)

    def under_noise(self, noise: FloatArray, variance: FloatArray) -> Correlation:
        r"""The same statistics, of which noisy counts are published.

        With noise of variance D on the count of a cell of variance v, the attacker's best ridge
        is :math:`\lambda + D / nv`.  Shrinking the cell by the root of :math:`\lambda / (\lambda +
        D / nv)` makes this the leverage with :math:`\lambda` alone.

        Parameters
        ----------
        noise : (m,) standard deviation, in counts.
        variance : (m,) of one patient's part in each cell.
        """
        excess = np.divide(noise**2 / self.n, variance, out=np.zeros(len(noise)),
                           where=variance > 0)  # fmt: skip
        shrunk = np.sqrt(RIDGE / (RIDGE + excess))
        matrix = self.matrix * shrunk[:, None] * shrunk[None, :]
        return replace(self, matrix=matrix, sample=self.sample * shrunk)

    def _of_population(self, matrix: FloatArray, rows: FloatArray, of_sample: float) -> float:
        """Effective number in the population, of which the rows are a sample."""
        m, n = len(matrix), self.n_rows
        if of_sample < _NEGLIGIBLE * n:
            return of_sample
        if m > _MANY and m < n / 4:
            # The root of spectrum.population_number by fixed point, without eigenvalues: each
            # step leaves less than a quarter of the error.
            number = of_sample
            for _ in range(2):
                number = effective_number(matrix, RIDGE * (1 - number / n))
            return number
        small = rows @ rows.T / n if len(rows) == n and n < m else matrix
        eigenvalues = np.asarray(np.linalg.eigvalsh(small), dtype=np.float64)
        return population_number(eigenvalues, n, m, RIDGE)


def predict_risk(
    statistics: sp.csr_matrix,
    published: BoolArray,
    n_patients: int,
    *,
    noise: FloatArray | None = None,
) -> Risk:
    """Membership risk of a release.

    Parameters
    ----------
    statistics : (n_rows, m) value of each candidate statistic for each patient.
    published : (m,) the statistics that the release prints.
    n_patients : patients behind the release; ``n_rows`` may be a sample of them.
    noise : (m,) standard deviation of what was added to each count for privacy.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = sp.csr_matrix((rng.random((2000, 40)) < 0.3).astype(float))
    >>> round(predict_risk(x, np.ones(40, dtype=bool), 2000).m_eff)
    40
    """
    kept = statistics[:, np.flatnonzero(published)]
    found = Correlation.of(kept)
    scaled = replace(found, n=n_patients)
    if noise is not None:
        scaled = scaled.under_noise(noise[published], _variance(kept))
    return scaled.risk(np.ones(kept.shape[1], dtype=bool))


def _variance(statistics: sp.csr_matrix) -> FloatArray:
    mean = np.asarray(statistics.mean(axis=0)).ravel()
    square = np.asarray(statistics.multiply(statistics).mean(axis=0)).ravel()
    variance: FloatArray = np.maximum(square - mean**2, 0.0)
    return variance


def effective_number(correlation: FloatArray, ridge: float = RIDGE) -> float:
    """The trace of S (S + lambda I)^-1.

    Parameters
    ----------
    correlation : (m, m)
    ridge : lambda.

    Examples
    --------
    >>> round(effective_number(np.ones((5, 5))), 2), round(effective_number(np.eye(5)), 2)
    (1.0, 4.95)
    """
    from scipy.linalg.lapack import dpotrf, dpotri

    m = len(correlation)
    if m == 0:
        return 0.0
    factor, _ = dpotrf(correlation + ridge * np.eye(m), lower=1)
    inverse, _ = dpotri(factor, lower=1)
    return float(m - ridge * np.trace(inverse))


def leverages(correlation: FloatArray, rows: FloatArray) -> FloatArray:
    """Leverage of each standardised row: x' (S + lambda I)^-1 x.

    Parameters
    ----------
    correlation : (m, m)
    rows : (n, m)

    Returns
    -------
    (n,)
    """
    from scipy.linalg import cholesky, solve_triangular

    if not len(correlation):
        return np.zeros(len(rows))
    factor = cholesky(correlation + RIDGE * np.eye(len(correlation)), lower=True)
    half = solve_triangular(factor, rows.T, lower=True)
    total: FloatArray = np.square(half).sum(axis=0)
    return total


def _normal_cdf(x: FloatArray) -> FloatArray:
    from scipy.special import ndtr

    found: FloatArray = ndtr(x)
    return found
