r"""What the attackers of aggregates know, and the scores that they give people.

Cells are indexed by j; x is a person's record (units of the person in each cell), p the
averages of a release over n members, q and S averages and correlation over people who are
neither members nor in question.  Everything is standardised by the spread of these people.

Outsiders in question are at the same time the best source of q.  So they are dealt into
folds: a fold's people, and an equal share of the members, are scored with the q and S of
everybody else's.  A fold's scores are centred by the median of its outsiders, since every fold
has its own q.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_solve, cholesky, solve_triangular

from llmsyn.disclosure.risk import RIDGE
from llmsyn.evaluation.intervals import FloatArray, IntArray

FOLDS = 4


@dataclass(frozen=True, eq=False)
class Known:
    """What an attacker knows of the population, from n people.

    Attributes
    ----------
    values : (n, m) records, sparse.
    ridge : share of a single cell's variance that counts as noise, of all cells or of each.
    """

    values: sp.csr_matrix
    ridge: float | FloatArray = RIDGE

    @property
    def n(self) -> int:
        """People it was learnt from."""
        return int(self.values.shape[0])

    @cached_property
    def q(self) -> FloatArray:
        """(m,) averages."""
        return np.asarray(self.values.mean(axis=0)).ravel()

    @cached_property
    def spread(self) -> FloatArray:
        """(m,) standard deviations; at least that of one person's presence in n."""
        square = np.asarray(self.values.multiply(self.values).mean(axis=0)).ravel()
        variance = np.maximum(square - self.q**2, 0.0)
        return np.asarray(np.sqrt(np.maximum(variance, 1.0 / self.n)))

    @cached_property
    def factor(self) -> FloatArray:
        """Lower Cholesky factor of the correlation plus ridge: (m, m)."""
        product = np.asarray((self.values.T @ self.values).todense()) / self.n
        correlation = (product - np.outer(self.q, self.q)) / np.outer(self.spread, self.spread)
        correlation[np.diag_indices_from(correlation)] += self.ridge
        lower: FloatArray = cholesky(correlation, lower=True, overwrite_a=True, check_finite=False)
        return lower

    def direction(self, p: FloatArray) -> FloatArray:
        """(m,) weights w such that (x - q) . w = (x - q)' S^-1 (p - q), standardised."""
        solved = cho_solve((self.factor, True), (p - self.q) / self.spread)
        return np.asarray(solved / self.spread)

    def leverage(self, x: sp.csr_matrix) -> FloatArray:
        """(n_people,) h(x) = x' (S + ridge)^-1 x, standardised."""
        found = np.empty(x.shape[0])
        for start in range(0, x.shape[0], 1000):
            rows = (x[start : start + 1000].toarray() - self.q) / self.spread
            half = solve_triangular(self.factor, rows.T, lower=True, overwrite_b=True)
            found[start : start + 1000] = np.square(half).sum(axis=0)
        return found


def covariance_score(
    known: Known, x: sp.csr_matrix, leverage: FloatArray, p: FloatArray, n: float
) -> FloatArray:
    r"""Log-likelihood ratio of a multivariate normal model.

    .. math:: t(x) = x^\top (S + \lambda I)^{-1} (p - q) - h(x) / 2n

    Parameters
    ----------
    leverage : (n_people,) of the same people, which does not depend on the release.
    """
    w = known.direction(p)
    return np.asarray(x @ w - known.q @ w - leverage / (2 * n))


def likelihood_score(
    known: Known, x: sp.csr_matrix, units: FloatArray, p: FloatArray, n: float, per: float
) -> FloatArray:
    r"""Log-likelihood ratio of independent cells.

    .. math:: t(x) = \sum_j x_j \log \frac{p_j}{q_j}
                   + (u - x_j) \log \frac{1 - p_j}{1 - q_j}

    with u the units of the person; shares are of units, half a unit is added to each count,
    so that nothing is impossible (Homer et al. 2008, doi 10.1371/journal.pgen.1000167, ask the
    same with absolute differences; this is the most powerful such test, Sankararaman et al.
    2009, doi 10.1038/ng.436).

    Parameters
    ----------
    units : (n_people,) units of each person.
    n : people behind p.
    per : units per person of the release.
    """
    theirs, ours = n * per, known.n * per
    p_ = (np.clip(p / per, 0, 1) * theirs + 0.5) / (theirs + 1)
    q_ = (np.clip(known.q / per, 0, 1) * ours + 0.5) / (ours + 1)
    absent = np.log1p(-p_) - np.log1p(-q_)
    present = np.log(p_) - np.log(q_)
    return np.asarray(x @ (present - absent) + units * absent.sum())


def folds_of(n: int, random: np.random.Generator, n_folds: int = FOLDS) -> IntArray:
    """(n,) fold of each person; folds are of equal size."""
    return random.permutation(np.arange(n) % n_folds)
