r"""Baseline: a Gaussian copula fitted to nothing but a profile.

Each level variable and each code is a cut latent normal.  The correlation of two of them is
the one under which their published table is most likely: tetrachoric for two codes, where
one cell and two margins fix it, polychoric else (Olsson 1979, doi 10.1007/BF02296207), with
the Poisson likelihood of its cells.  A suppressed cell counts as what the network aims it at
(independence, or half its bound where that is less), and a weak normal prior keeps rare
cells from saying +-1.  What is not published has correlation 0.  The matrix is then made
positive definite by clipping its eigenvalues.

A latent normal needs an order: levels of nominal variables stand by the rate of the outcome
where its table is published, which favours this baseline.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.special import ndtr, ndtri

from llmsyn.evaluation.independent import draw_unlisted, prevalences
from llmsyn.evaluation.samples import FloatArray, IntArray, Sample, joined, level_shares, values_in
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.terms import parse_range
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import MISSING, Categorical, CodeSet, Numeric

LARGEST = 0.95
"""Correlations are searched in +-LARGEST."""

PRIOR_SD = 0.3
"""Standard deviation of the prior of a polychoric correlation.

Set while the script was tried on diabetes130, so in favour of this baseline there.
"""

_GRID = np.linspace(-LARGEST, LARGEST, 77)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_FAR = 8.0  # stands for infinity: beyond it a normal has no mass that double precision sees
_ROWS_AT_ONCE = 20_000
_SMALLEST_EIGENVALUE = 1e-4


@dataclass(frozen=True, eq=False)
class Copula:
    """A fitted copula.

    Attributes
    ----------
    profile : what it was fitted to.
    order : level variable -> level indices in the order of its latent normal.
    cuts : level variable -> (n_levels + 1,) cut points, from -8 to 8.
    thresholds : code set -> (n_codes,) a unit has the code where its normal is above.
    correlation : (d, d), level variables first, then codes, in the profile's order.
    n_fitted : pairs of normals with a published table.
    """

    profile: Profile
    order: dict[str, IntArray]
    cuts: dict[str, FloatArray]
    thresholds: dict[str, FloatArray]
    correlation: FloatArray
    n_fitted: int


def bivariate_normal(h: FloatArray, k: FloatArray, rho: FloatArray) -> FloatArray:
    """P(X < h, Y < k) for standard normals with correlation rho; arrays broadcast.

    Integrates the derivative by the correlation (Drezner and Wesolowsky 1990, doi
    10.1080/00949659008811236).  For abs(rho) up to 0.95 errors are below 2e-5.

    Examples
    --------
    >>> float(bivariate_normal(np.array(0.0), np.array(0.0), np.array(0.5)).round(6))
    0.333333
    """
    angle = np.arcsin(rho)
    total = np.zeros(np.broadcast_shapes(np.shape(h), np.shape(k), np.shape(rho)))
    for node, weight in zip(_NODES, _WEIGHTS):
        theta = angle * (node + 1) / 2
        cos2 = np.cos(theta) ** 2
        total += weight * np.exp(-(h * h + k * k - 2 * h * k * np.sin(theta)) / (2 * cos2))
    return np.asarray(ndtr(h) * ndtr(k) + total * angle / (4 * np.pi))


def fit_copula(profile: Profile, outcome: str | None = None) -> Copula:
    """Fit a copula to the margins and tables of a profile."""
    made = _Fit(profile, outcome)
    for table in profile.tables:
        made.lay(table)
    return Copula(
        profile,
        made.order,
        made.cuts,
        made.thresholds,
        positive_definite(made.correlation),
        int(made.fitted.sum()) // 2,
    )


def draw_copula(copula: Copula, n: int, random: np.random.Generator) -> Sample:
    """``n`` units from a fitted copula."""
    lower = np.linalg.cholesky(copula.correlation)
    parts = []
    for start in range(0, n, _ROWS_AT_ONCE):
        rows = min(_ROWS_AT_ONCE, n - start)
        normal = random.standard_normal((rows, len(lower))) @ lower.T
        parts.append(_cut(copula, normal, random))
    return replace(joined(parts), patient=np.arange(n))


def positive_definite(matrix: FloatArray) -> FloatArray:
    """The matrix with its small eigenvalues raised, and its diagonal back at one."""
    values, vectors = np.linalg.eigh(matrix)
    raised = (vectors * np.maximum(values, _SMALLEST_EIGENVALUE)) @ vectors.T
    scale = 1 / np.sqrt(np.diag(raised))
    return np.asarray(raised * scale[:, None] * scale)


def _cut(copula: Copula, normal: FloatArray, random: np.random.Generator) -> Sample:
    n = len(normal)
    levels, values, codes, unlisted = {}, {}, {}, {}
    column = 0
    for variable in copula.profile.level_variables:
        inner = copula.cuts[variable.name][1:-1]
        level = copula.order[variable.name][np.searchsorted(inner, normal[:, column])]
        levels[variable.name] = level
        if isinstance(variable, Numeric):
            values[variable.name] = values_in(variable, level, random)
        column += 1
    for code_set in copula.profile.code_sets:
        threshold = copula.thresholds[code_set.name]
        has = normal[:, column : column + len(threshold)] > threshold
        codes[code_set.name] = sparse.csr_array(has.astype(np.float32))
        unlisted[code_set.name] = draw_unlisted(code_set, n, random)
        column += len(threshold)
    return Sample(levels, values, codes, unlisted, np.arange(n))


class _Fit:
    """Cut points, and the correlations as tables are laid in."""

    def __init__(self, profile: Profile, outcome: str | None) -> None:
        self.profile = profile
        self.order: dict[str, IntArray] = {}
        self.cuts: dict[str, FloatArray] = {}
        self.thresholds: dict[str, FloatArray] = {}
        self.first: dict[str, int] = {}
        size = 0
        for variable in profile.level_variables:
            self.order[variable.name] = _level_order(profile, variable, outcome)
            shares = level_shares(variable)[self.order[variable.name]]
            ends = np.clip(np.append(0.0, np.cumsum(shares)), 0.0, 1.0)
            self.cuts[variable.name] = np.clip(ndtri(ends), -_FAR, _FAR)
            self.first[variable.name] = size
            size += 1
        for code_set in profile.code_sets:
            p = prevalences(code_set, profile.n_units)
            self.thresholds[code_set.name] = np.clip(ndtri(1 - p), -_FAR, _FAR)
            self.first[code_set.name] = size
            size += len(p)
        self.correlation = np.eye(size)
        self.fitted = np.zeros((size, size), bool)

    def lay(self, table: Table) -> None:
        """Fit what a table of two variables says; tables of facets or more are passed over."""
        if len(table.axes) != 2 or any(axis.facet for axis in table.axes):
            return
        at_a, low_a, high_a = self._intervals(table.axes[0])
        at_b, low_b, high_b = self._intervals(table.axes[1])
        sets = [isinstance(self.profile[axis.variable], CodeSet) for axis in table.axes]
        if all(sets):
            self._lay_codes(table, at_a, at_b, low_a, low_b)
        elif any(sets):  # one fit a code: the codes of a set are separate normals
            counts = table.counts if sets[1] else table.counts.T
            level = (at_a, low_a, high_a) if sets[1] else (at_b, low_b, high_b)
            code = (at_b, low_b) if sets[1] else (at_a, low_a)
            p = _strip(level[1], level[2], code[1])
            self._put(level[0][0], code[0], self._most_likely(counts, p, (0,)))
        else:
            p = _rectangles(low_a, high_a, low_b, high_b)
            self._put(at_a[0], at_b[0], self._most_likely(table.counts, p, (0, 1)))

    def _intervals(self, axis: Axis) -> tuple[IntArray, FloatArray, FloatArray]:
        """Of each label: which normal it is about, and where that lies."""
        variable = self.profile[axis.variable]
        if isinstance(variable, CodeSet):
            place = {code: i for i, code in enumerate(variable.codes)}
            index = np.array([place[label] for label in axis.labels], dtype=np.int64)
            low = self.thresholds[variable.name][index]
            return self.first[variable.name] + index, low, np.full(len(low), _FAR)
        cuts = self.cuts[variable.name]
        rank = np.argsort(self.order[variable.name])
        ends = np.array([_levels_of(variable, label) for label in axis.labels], dtype=np.int64)
        at = np.full(len(ends), self.first[variable.name])
        return at, cuts[rank[ends[:, 0]]], cuts[rank[ends[:, 1]] + 1]

    def _lay_codes(
        self, table: Table, at_a: IntArray, at_b: IntArray, h: FloatArray, k: FloatArray
    ) -> None:
        """Both codes present is one cell: solve for its correlation by bisection."""
        known = ~np.isnan(table.counts) & (at_a[:, None] != at_b)
        i, j = np.nonzero(known)
        target = table.counts[i, j] / self.profile.n_units
        x, y = -h[i], -k[j]  # P(X > h, Y > k) = P(X < -h, Y < -k)
        low, high = np.full(len(i), -LARGEST), np.full(len(i), LARGEST)
        for _ in range(18):
            middle = (low + high) / 2
            above = bivariate_normal(x, y, middle) > target
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        self._put(at_a[i], at_b[j], (low + high) / 2)

    def _most_likely(self, counts: FloatArray, p: FloatArray, over: tuple[int, ...]) -> FloatArray:
        """Correlation of highest posterior, a parabola refining the grid.

        ``counts`` are those of the cells, ``p`` (cells, n_grid) what each correlation says of
        them; ``over`` are the axes of ``counts`` that belong to one correlation.
        """
        n = self.profile.n_units
        independent = p[..., len(_GRID) // 2] * n
        half_bound = max(self.profile.disclosure.threshold - 1, 1) / 2
        filled = np.where(np.isnan(counts), np.minimum(independent, half_bound), counts)
        mean = np.maximum(p * n, 1e-6)
        posterior = (filled[..., None] * np.log(mean) - mean).sum(over)
        posterior -= _GRID**2 / (2 * PRIOR_SD**2)
        best = np.clip(posterior.argmax(-1), 1, len(_GRID) - 2)
        left, middle, right = (
            np.take_along_axis(posterior, (best + step)[..., None], -1)[..., 0]
            for step in (-1, 0, 1)
        )
        bend = np.minimum(left - 2 * middle + right, -1e-12)
        shift = np.clip((left - right) / (2 * bend), -1, 1)
        return np.asarray(_GRID[best] + shift * (_GRID[1] - _GRID[0]))

    def _put(self, a: IntArray | int, b: IntArray | int, rho: FloatArray | float) -> None:
        self.correlation[a, b] = self.correlation[b, a] = rho
        self.fitted[a, b] = self.fitted[b, a] = True


def _level_order(
    profile: Profile, variable: Categorical | Numeric, outcome: str | None
) -> IntArray:
    n_levels = len(level_shares(variable))
    as_listed = np.arange(n_levels)
    if isinstance(variable, Numeric) or variable.ordered or variable.name == outcome:
        return as_listed
    for table in profile.tables:
        names = [axis.variable for axis in table.axes]
        if outcome is None or sorted(names) != sorted([variable.name, outcome]):
            continue
        counts = table.counts if names[0] == variable.name else table.counts.T
        if counts.shape[0] != n_levels:
            continue
        last = np.nan_to_num(counts[:, -1], nan=0.0)
        return np.argsort(last / np.maximum(variable.counts, 1.0), kind="stable")
    return as_listed


def _levels_of(variable: Categorical | Numeric, label: str) -> tuple[int, int]:
    """First and last level that a label of a table covers."""
    if isinstance(variable, Categorical):
        index = variable.levels.index(label)
        return index, index
    if label == MISSING:
        return len(variable.counts), len(variable.counts)
    covered = parse_range(label)
    assert covered is not None, "read_profile lets no such label pass"
    inside = [
        i
        for i, (low, high) in enumerate(zip(variable.edges[:-1], variable.edges[1:]))
        if covered.covers(float(low), float(high))
    ]
    return inside[0], inside[-1]


def _rectangles(
    low_a: FloatArray, high_a: FloatArray, low_b: FloatArray, high_b: FloatArray
) -> FloatArray:
    """(n_a, n_b, n_grid) probability of every cell at every correlation."""

    def corner(h: FloatArray, k: FloatArray) -> FloatArray:
        return bivariate_normal(h[:, None, None], k[None, :, None], _GRID)

    return (
        corner(high_a, high_b)
        - corner(low_a, high_b)
        - corner(high_a, low_b)
        + corner(low_a, low_b)
    )


def _strip(low: FloatArray, high: FloatArray, threshold: FloatArray) -> FloatArray:
    """(n_levels, n_codes, n_grid) probability of a level together with a code."""
    below = bivariate_normal(high[:, None, None], threshold[None, :, None], _GRID)
    below -= bivariate_normal(low[:, None, None], threshold[None, :, None], _GRID)
    return (ndtr(high) - ndtr(low))[:, None, None] - below
