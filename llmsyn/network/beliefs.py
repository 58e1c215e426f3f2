"""Associations of the knowledge base as soft targets of the network.

A published cell always wins: knowledge speaks only where nothing is published.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from llmsyn.knowledge.types import Association
from llmsyn.network.cells import cells_from_statements, pair_cells
from llmsyn.network.draft import Draft
from llmsyn.network.factors import code_factor, level_factor, levels_of
from llmsyn.network.model import BoolArray, FloatArray, IntArray, LevelNode, SlotNode
from llmsyn.network.reconcile import fit_table
from llmsyn.network.tables import room
from llmsyn.profile.terms import Term

_ROUNDS = 30
"""Rounds of proportional fitting of statements about two level variables."""

_LEAST_SILENT = 0.5
"""Share of independence that pairs nobody speaks of keep, when a code's companions are many."""


@dataclass(frozen=True)
class _End:
    """One end of an association: a code, or some levels of a variable."""

    time: int
    code_set: int
    code: int
    variable: int
    levels: tuple[int, ...]

    @property
    def is_code(self) -> bool:
        return self.code_set >= 0


def lay_associations(
    made: Draft,
    associations: Sequence[Association],
    log_odds: Callable[[Association], float],
    spoken: dict[int, BoolArray],
) -> None:
    """Lay associations on the network as soft cells.

    Parameters
    ----------
    associations : pairs of terms; those with several given terms are counted and noted.
    log_odds : the marginal log odds ratio of one association, its weight included.
    spoken : cells between lists that something is said of; knowledge adds to them.
    """
    pairs: dict[tuple[_End, _End], float] = {}
    unused = 0
    for association in associations:
        ends = [_find(made, t) for t in (*association.given, association.then)]
        if len(ends) != 2 or ends[0] is None or ends[1] is None:
            unused += 1
            continue
        if ends[0].time == ends[1].time and not (ends[0].is_code and ends[1].is_code):
            unused += 1  # a list and its own main code are drawn together
            continue
        a, b = sorted((ends[0], ends[1]), key=lambda e: (e.time, e.is_code, e.code, e.levels))
        value = log_odds(association)
        if abs(value) > abs(pairs.get((a, b), 0.0)):
            pairs[a, b] = value
    if unused:
        made.ledger.notes.append(
            f"{unused} associations have more than two terms, or terms that are not drawn; not used"
        )
    code_code: list[tuple[_End, _End, float]] = []
    level_code: dict[tuple[int, int], list[tuple[_End, _End, float]]] = defaultdict(list)
    code_level: dict[tuple[int, int], list[tuple[_End, _End, float]]] = defaultdict(list)
    level_level: dict[tuple[int, int], list[tuple[_End, _End, float]]] = defaultdict(list)
    for (a, b), value in pairs.items():
        if a.is_code and b.is_code:
            code_code.append((a, b, value))
        elif b.is_code:
            level_code[a.variable, b.code_set].append((a, b, value))
        elif a.is_code:
            code_level[a.code_set, b.variable].append((a, b, value))
        elif a.variable != b.variable:
            level_level[a.variable, b.variable].append((a, b, value))
    for key, group in level_level.items():
        _levels_on_level(made, *key, group)
    for key, group in level_code.items():
        _levels_on_codes(made, *key, group)
    for key, group in code_level.items():
        _codes_on_level(made, *key, group)
    _codes_on_codes(made, code_code, spoken)


def _find(made: Draft, term: Term) -> _End | None:
    code_set = made.code_set(term.variable)
    if code_set >= 0:
        codes = made.code_lists[code_set].codes
        if term.value not in codes:
            return None
        time = made.times[term.variable]
        return _End(time, code_set, codes.index(str(term.value)), -1, ())
    variable = made.variable(term.variable)
    if variable < 0:
        return None
    levels = levels_of(made.variables[variable], term.value)
    return _End(made.times[term.variable], -1, -1, variable, tuple(levels)) if levels else None


def _levels_on_level(
    made: Draft, parent: int, child: int, group: list[tuple[_End, _End, float]]
) -> None:
    time = made.times[made.variables[child].name]
    node = made.node_at(time)
    if not isinstance(node, LevelNode) or _is_published(node, parent):
        return
    rows, columns = made.shares[parent], made.shares[child]
    blocks = []
    for a, b, value in group:
        p, q = rows[list(a.levels)].sum(), columns[list(b.levels)].sum()
        if 0 < p < 1 and 0 < q < 1:
            joint = pair_cells(np.array([p]), np.array([q]), np.array([value]))[0]
            blocks.append((np.ix_(a.levels, b.levels), float(joint)))
    factor = level_factor(made, time, parent)
    cells = np.outer(rows, columns) * ~np.isneginf(factor.weights)
    for _ in range(_ROUNDS):
        for block, joint in blocks:
            cells[block] *= joint / max(float(cells[block].sum()), 1e-300)
        cells = fit_table(cells, rows, columns, cells)
    factor.target = cells


def _is_published(node: LevelNode | SlotNode, parent: int) -> bool:
    return any(f.hard.any() and any(p.variable == parent for p in f.parents) for f in node.factors)


def _levels_on_codes(
    made: Draft, parent: int, code_set: int, group: list[tuple[_End, _End, float]]
) -> None:
    slots = made.slots(code_set)
    published = np.zeros(slots.n_codes, bool)
    for factor in slots.factors:
        if any(p.variable == parent for p in factor.parents):
            published |= factor.hard[:, :-1].any(0)
    share = made.shares[parent]
    said: dict[int, list[tuple[tuple[int, ...], float]]] = defaultdict(list)
    for a, b, value in group:
        if not published[b.code]:
            said[b.code].append((a.levels, value))
    if not said:
        return
    factor = level_factor(made, made.times[made.code_lists[code_set].name], parent)
    for code, statements in said.items():
        allowed = (~np.isneginf(factor.weights[:, code])).astype(float)
        margin = float(slots.share[code])
        factor.target[:, code] = cells_from_statements(share, margin, statements, allowed)


def _codes_on_level(
    made: Draft, code_set: int, child: int, group: list[tuple[_End, _End, float]]
) -> None:
    time = made.times[made.variables[child].name]
    if not isinstance(made.node_at(time), LevelNode):
        return
    slots = made.slots(code_set)
    columns = made.shares[child]
    said: dict[int, list[tuple[tuple[int, ...], float]]] = defaultdict(list)
    for a, b, value in group:
        said[a.code].append((b.levels, value))
    factor = code_factor(made, time)
    for code, statements in said.items():
        row = slots.first_code + code
        if factor.hard[row].any():
            continue
        p = float(slots.share[code])
        allowed = (~np.isneginf(factor.weights[row])).astype(float)
        cells = cells_from_statements(columns, p, statements, allowed)
        start = np.array([cells, np.maximum(columns - cells, 1e-15)])
        factor.target[row] = fit_table(start, np.array([p, 1 - p]), columns, start)[0]


def _codes_on_codes(
    made: Draft,
    group: list[tuple[_End, _End, float]],
    spoken: dict[int, BoolArray],
) -> None:
    # A suppressed pair is below the threshold, whatever knowledge says of it.
    bound = max(made.profile.disclosure.threshold - 1, 1) / made.profile.n_units
    by_sets: dict[tuple[int, int], list[tuple[_End, _End, float]]] = defaultdict(list)
    for a, b, value in group:
        by_sets[a.code_set, b.code_set].append((a, b, value))
    for (r, s), edges in by_sets.items():
        first, second = made.slots(r), made.slots(s)
        i = np.array([a.code for a, _, _ in edges])
        j = np.array([b.code for _, b, _ in edges])
        values = np.array([v for _, _, v in edges])
        joint = _within_selector(made, first, second, i, j, values)
        if r == s:
            free = ~first.pair_hard[i, j] & ~np.isneginf(first.pairs[i, j])
            joint = np.where(np.isnan(first.pair_target[i, j]), joint, np.minimum(joint, bound))
            soft = np.full(first.pairs.shape, np.nan)
            soft[i[free], j[free]] = soft[j[free], i[free]] = joint[free]
            soft = _fit_list(made, first, soft)
            first.pair_target = np.where(np.isnan(soft), first.pair_target, soft)
            continue
        time = made.times[made.code_lists[s].name]
        factor = code_factor(made, time)
        rows = first.first_code + i
        free = ~factor.hard[rows, j] & ~np.isneginf(factor.weights[rows, j])
        joint = np.where(np.isnan(factor.target[rows, j]), joint, np.minimum(joint, bound))
        factor.target[rows[free], j[free]] = joint[free]
        said = spoken.setdefault(time, np.zeros((len(factor.share), second.n_codes), bool))
        said[rows[free], j[free]] = True


def _fit_list(made: Draft, slots: SlotNode, soft: FloatArray) -> FloatArray:
    r"""Pairs that knowledge asks for, made to fit into lists of the published length.

    All pairs together have the mass :math:`E[K(K-1)]`.  Where lists are short (three codes a
    patient) that is less than independence would give, and odds ratios can only be meant on
    top of it; and no code can have more companions than its lists have room for.

    Parameters
    ----------
    soft : (n_codes, n_codes) symmetric joint shares, NaN where knowledge is silent.
    """
    share = slots.share[:-1]
    histogram = made.shares[slots.count_variable]
    k = np.arange(len(histogram))
    mean, pairs = float(histogram @ k), float(histogram @ (k * (k - 1)))
    listed = min(float(share.sum()) / max(mean, 1e-12), 1.0)  # the rest of the slots is unlisted
    alone = max(mean**2 - float(share @ share), 1e-12)  # of independent codes
    crowding = min(1.0, pairs / alone)
    soft = soft * crowding
    room = share * np.maximum(pairs / max(mean, 1e-12), crowding * (mean - share)) * listed
    silent = np.isnan(soft) & ~slots.pair_hard & ~np.isneginf(slots.pairs)
    np.fill_diagonal(silent, False)
    least = _LEAST_SILENT * crowding * np.where(silent, np.outer(share, share), 0.0).sum(1)
    fixed = np.where(slots.pair_hard, slots.pair_target, 0.0).sum(1)
    room = np.maximum(room - fixed - least, 0.2 * room)
    asked = np.nan_to_num(soft)
    scale = np.ones(len(share))
    for _ in range(60):
        row = scale * (asked @ scale)
        with np.errstate(divide="ignore", invalid="ignore"):
            shrink = np.where(row > room, room / row, 1.0)
        scale *= np.sqrt(shrink)
    return np.asarray(soft * np.outer(scale, scale), float)


def _within_selector(
    made: Draft,
    first: SlotNode,
    second: SlotNode,
    i: IntArray,
    j: IntArray,
    log_odds: FloatArray,
) -> FloatArray:
    """Joint shares of pairs of codes, odds ratios taken within each level of the selector."""
    p, q = first.share[i], second.share[j]
    selector = made.profile.code_sets[first.code_set].selector
    variable = -1 if selector is None else made.variable(selector.variable)
    if variable < 0:
        return pair_cells(p, q, log_odds)
    level = made.shares[variable]
    rooms = [room(made, slots, variable) for slots in (first, second)]
    joint = np.zeros(len(i))
    for k, share in enumerate(level):
        pk = p * rooms[0][k, i] / np.maximum(level @ rooms[0], 1e-12)[i]
        qk = q * rooms[1][k, j] / np.maximum(level @ rooms[1], 1e-12)[j]
        joint += share * pair_cells(np.minimum(pk, 1 - 1e-9), np.minimum(qk, 1 - 1e-9), log_odds)
    return joint
