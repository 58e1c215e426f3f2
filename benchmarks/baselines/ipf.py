r"""Baseline: iterative proportional fitting on the published tables of a few hub variables.

Outcome tables have a shape that can be fitted exactly: a few variables (death, age, sex, ...)
stand in nearly all tables, everything else in tables with one of them.  Let h be the joint
state of these *hubs*.  The distribution of greatest entropy that meets the tables is then

.. math::  P(h) \prod_v P(v \mid h),

a junction tree whose cliques are the hubs with one other variable or code each: what
Private-PGM (McKenna, Sheldon and Miklau 2019, arXiv 1901.09136) gives on these tables without
noise.  P(h) is fitted by iterative proportional fitting (Deming and Stephan 1940, doi
10.1214/aoms/1177731829) to the tables among hubs, then each P(v | h) to the tables of v with
single hubs; codes all at once, as odds.

A cell that is not printed is not fitted; what its line has left goes to such cells in the
proportions that the model has so far.  Tables without a hub (pairs of codes), and facets such
as the number of codes, are left out and counted in ``left_out``; codes are independent given
the hubs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from llmsyn.evaluation.independent import draw_unlisted, prevalences
from llmsyn.evaluation.samples import Sample, level_shares, values_in
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.terms import parse_range
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import MISSING, Categorical, CodeSet, Numeric

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MOST_STATES = 6_000
"""Joint states of the hubs."""

ROUNDS = 200
CLOSE = 1e-6  # share of units by which a round may still move a fitted cell
_TINY = 1e-12
_ROWS_AT_ONCE = 20_000


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted junction.

    Attributes
    ----------
    profile : what it was fitted to.
    hubs : names of the hub variables.
    state : (n_states, n_hubs) level of each hub.
    p_state : (n_states,)
    given : variable -> (n_states, n_levels), rows sum to one.
    codes : code set -> (n_states, n_codes) probability of each code.
    left_out : tables that were not fitted.
    """

    profile: Profile
    hubs: tuple[str, ...]
    state: IntArray
    p_state: FloatArray
    given: dict[str, FloatArray]
    codes: dict[str, FloatArray]
    left_out: tuple[str, ...]

    def sample(self, n: int, seed: int) -> Sample:
        """``n`` units."""
        random = np.random.default_rng(seed)
        at = random.choice(len(self.p_state), n, p=self.p_state)
        levels: dict[str, IntArray] = {}
        values: dict[str, FloatArray] = {}
        for variable in self.profile.level_variables:
            name = variable.name
            if name in self.hubs:
                level = self.state[at, self.hubs.index(name)]
            else:
                edges = np.cumsum(self.given[name], axis=1)[at]
                level = (random.random(n)[:, None] > edges[:, :-1]).sum(axis=1)
            levels[name] = level
            if isinstance(variable, Numeric):
                values[name] = values_in(variable, level, random)
        codes, unlisted = {}, {}
        for code_set in self.profile.code_sets:
            p = self.codes[code_set.name]
            parts = [
                sparse.csr_array((random.random((len(part), p.shape[1])) < p[part]).astype("f4"))
                for part in np.array_split(at, max(1, n // _ROWS_AT_ONCE))
            ]
            codes[code_set.name] = sparse.csr_array(sparse.vstack(parts))
            unlisted[code_set.name] = draw_unlisted(code_set, n, random)
        return Sample(levels, values, codes, unlisted, np.arange(n))


def fit(profile: Profile) -> Fit:
    """Fit hubs, then everything else given the hubs."""
    hubs = choose_hubs(profile)
    shapes = [len(level_shares(profile[name])) for name in hubs]  # type: ignore[arg-type]
    # Without a hub there is one state, and everything is independent.
    state = np.indices(shapes).reshape(len(shapes), -1).T if shapes else np.zeros((1, 0), int)
    used: set[int] = set()
    p_state = _fit_hubs(profile, hubs, state, used)
    given, codes = {}, {}
    for variable in profile.variables:
        if variable.name in hubs:
            continue
        tables = _tables_with(profile, variable.name, hubs, used)
        if isinstance(variable, CodeSet):
            codes[variable.name] = _fit_codes(profile, variable, hubs, state, p_state, tables)
        else:
            given[variable.name] = _fit_levels(profile, variable, hubs, state, p_state, tables)
    left = tuple(t.name for i, t in enumerate(profile.tables) if i not in used)
    return Fit(profile, hubs, state, p_state, given, codes, left)


def choose_hubs(profile: Profile) -> tuple[str, ...]:
    """Variables that stand in most tables, as many as leave few enough joint states."""
    level = {v.name for v in profile.level_variables}
    count: Counter[str] = Counter()
    for table in profile.tables:
        if len(table.axes) == 2:
            count.update(a.variable for a in table.axes if a.variable in level)
    hubs: list[str] = []
    states = 1
    outcomes = {v.name for v in profile.outcomes}
    # Outcomes first: the tables are there for their sake.
    order = sorted(count, key=lambda name: (name not in outcomes, -count[name], name))
    for name in order:
        size = len(level_shares(profile[name]))  # type: ignore[arg-type]
        if (count[name] > 1 or name in outcomes) and states * size <= MOST_STATES:
            hubs.append(name)
            states *= size
    return tuple(hubs)


def _fit_hubs(
    profile: Profile, hubs: tuple[str, ...], state: IntArray, used: set[int]
) -> FloatArray:
    margins = [level_shares(profile[name]) for name in hubs]  # type: ignore[arg-type]
    p = np.ones(len(state))
    for k, share in enumerate(margins):
        p *= share[state[:, k]]
    lines: list[tuple[IntArray, FloatArray]] = []
    for i, table in enumerate(profile.tables):
        names = [axis.variable for axis in table.axes]
        if len(names) != 2 or not set(names) <= set(hubs):
            continue
        used.add(i)
        a, b = (
            _labels_of(profile, axis)[state[:, hubs.index(axis.variable)]] for axis in table.axes
        )
        lines.append(_line(a, b, table.counts / profile.n_units))
    for _ in range(ROUNDS):
        before = p
        for k, share in enumerate(margins):
            p = _meet(p, state[:, k], share)
        for cell, target in lines:
            p = _meet(p, cell, target)
        if np.abs(p - before).sum() < CLOSE:
            break
    return np.asarray(p / p.sum())


def _line(a: IntArray, b: IntArray, share: FloatArray) -> tuple[IntArray, FloatArray]:
    """Cell of each state in a table, the last one for all that it does not have."""
    size = share.size
    cell = np.where((a < 0) | (b < 0), size, a * share.shape[1] + b)
    return cell, np.append(share.ravel(), np.nan)


def _meet(p: FloatArray, cell: IntArray, target: FloatArray) -> FloatArray:
    """Scale states so that cells meet their targets; cells without one share what is left."""
    now = np.bincount(cell, p, len(target))
    known = ~np.isnan(target)
    rest = max(p.sum() - target[known].sum(), 0.0)
    unknown = now[~known].sum()
    factor = np.full(len(target), rest / unknown if unknown > _TINY else 1.0)
    factor[known] = target[known] / np.maximum(now[known], _TINY)
    return np.asarray(p * factor[cell])


def _tables_with(
    profile: Profile, name: str, hubs: tuple[str, ...], used: set[int]
) -> list[tuple[Table, int, Axis, Axis]]:
    """Tables of a variable with one hub: (table, hub, axis of the hub, axis of the variable)."""
    found = []
    for i, table in enumerate(profile.tables):
        names = [axis.variable for axis in table.axes]
        if len(names) != 2 or name not in names:
            continue
        other = names[1 - names.index(name)]
        if other in hubs:
            used.add(i)
            at = names.index(name)
            found.append((table, hubs.index(other), table.axes[1 - at], table.axes[at]))
    return found


def _counts(table: Table, axis: Axis) -> FloatArray:
    """Counts with the hub's labels as rows."""
    return table.counts if table.axes[0] is axis else table.counts.T


def _fit_levels(
    profile: Profile,
    variable: Categorical | Numeric,
    hubs: tuple[str, ...],
    state: IntArray,
    p_state: FloatArray,
    tables: list[tuple[Table, int, Axis, Axis]],
) -> FloatArray:
    share = level_shares(variable)
    n_levels = len(share)
    joint = p_state[:, None] * share[None, :]
    lines = [(np.tile(np.arange(n_levels), len(state)), share)]
    own = np.tile(np.arange(n_levels), len(state))
    for table, k, hub_axis, axis in tables:
        row = _labels_of(profile, hub_axis)[state[:, k]].repeat(n_levels)
        column = _labels_of(profile, axis)[own]
        lines.append(_line(row, column, _counts(table, hub_axis) / profile.n_units))
    for _ in range(ROUNDS):
        before = joint
        for cell, target in lines:
            joint = _meet(joint.ravel(), cell, target).reshape(joint.shape)
        # The hubs are fitted already, and stay.
        joint *= (p_state / np.maximum(joint.sum(axis=1), _TINY))[:, None]
        if np.abs(joint - before).sum() < CLOSE:
            break
    total = joint.sum(axis=1, keepdims=True)
    return np.asarray(np.where(total > _TINY, joint / np.maximum(total, _TINY), share))


def _fit_codes(
    profile: Profile,
    codes: CodeSet,
    hubs: tuple[str, ...],
    state: IntArray,
    p_state: FloatArray,
    tables: list[tuple[Table, int, Axis, Axis]],
) -> FloatArray:
    """(n_states, n_codes) probability of each code, fitted as odds."""
    share = np.clip(prevalences(codes, profile.n_units), 0.0, 1.0 - 1e-9)
    odds = np.tile(share / (1 - share), (len(state), 1))
    place = {code: i for i, code in enumerate(codes.codes)}
    lines = []
    for table, k, hub_axis, axis in tables:
        target = np.full((len(hub_axis.labels) + 1, len(share)), np.nan)
        columns = [place[label] for label in axis.labels]
        target[:-1, columns] = _counts(table, hub_axis) / profile.n_units
        label = _labels_of(profile, hub_axis)[state[:, k]]
        row = np.where(label < 0, len(hub_axis.labels), label)
        into = sparse.csr_array((np.ones(len(row)), (row, np.arange(len(row)))),
                                shape=(len(hub_axis.labels) + 1, len(row)))  # fmt: skip
        lines.append((row, into, into @ p_state, target))
    whole = sparse.csr_array(np.ones((1, len(state))))
    lines.append((np.zeros(len(state), np.int64), whole, np.array([1.0]), share[None, :]))
    for _ in range(ROUNDS):
        moved = 0.0
        for row, into, size, target in lines:
            has = into @ (p_state[:, None] * odds / (1 + odds))  # (n_labels, n_codes)
            wanted = _filled(target, has, share)
            wanted = np.clip(wanted, 0.0, size[:, None] * (1 - 1e-9))
            moved = max(moved, float(np.abs(wanted - has).max()))
            ratio = wanted / np.maximum(has, _TINY)
            ratio *= (size[:, None] - has) / np.maximum(size[:, None] - wanted, _TINY)
            odds *= ratio[row]
        if moved < CLOSE:
            break
    return np.asarray(odds / (1 + odds))


def _filled(target: FloatArray, has: FloatArray, share: FloatArray) -> FloatArray:
    """Targets, with what a code has left shared among its cells that are not printed."""
    known = ~np.isnan(target)
    rest = np.maximum(share - np.where(known, target, 0.0).sum(axis=0), 0.0)
    unknown = np.where(known, 0.0, has).sum(axis=0)
    factor = np.where(unknown > _TINY, rest / np.maximum(unknown, _TINY), 1.0)
    return np.where(known, np.nan_to_num(target), has * factor)


def _labels_of(profile: Profile, axis: Axis) -> IntArray:
    """Label of an axis that each level of its variable belongs to; -1 for none."""
    variable = profile[axis.variable]
    if isinstance(variable, Categorical):
        place = {label: i for i, label in enumerate(axis.labels)}
        return np.array([place.get(level, -1) for level in variable.levels])
    assert isinstance(variable, Numeric), "codes are fitted as odds"
    found = np.full(len(variable.counts) + 1, -1)
    for i, label in enumerate(axis.labels):
        covered = parse_range(label)
        if label == MISSING or covered is None:
            found[-1] = i
            continue
        for b, (low, high) in enumerate(zip(variable.edges, variable.edges[1:])):
            if covered.covers(float(low), float(high)):
                found[b] = i
    return found
