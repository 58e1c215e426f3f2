"""Published cross-tables as targets of the node that is drawn last among their axes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from llmsyn.network.draft import Draft
from llmsyn.network.factors import (
    Side,
    code_factor,
    find_side,
    group_sums,
    make_factor,
)
from llmsyn.network.model import (
    BoolArray,
    Factor,
    FloatArray,
    IntArray,
    LevelNode,
    Parent,
    SlotNode,
)
from llmsyn.network.reconcile import fit_table, tolerance
from llmsyn.profile.tables import Table

_SMALLEST = 0.2  # units that a suppressed cell stands for at least


def lay_tables(made: Draft, tables: tuple[Table, ...]) -> tuple[Table, ...]:
    """Turn every table into targets; what cannot be used is noted in the ledger."""
    # Small tables first: a larger one takes the joint share of its parents from them.
    used: list[Table] = []
    # Tables of main codes go first: a code is nowhere rarer than as the main one.
    for table in sorted(
        tables, key=lambda t: (len(t.axes), all(a.facet != "main" for a in t.axes))
    ):
        sides = [find_side(made, axis) for axis in table.axes]
        found = [s for s in sides if s is not None]
        if len(found) < len(sides) or not _lay(made, table, found):
            made.ledger.notes.append(f"table {table.name}: cannot be used by the network; left out")
        else:
            used.append(table)
    return tuple(used)


def _lay(made: Draft, table: Table, sides: list[Side]) -> bool:
    shares = table.counts / made.profile.n_units
    code_sides = [s for s in sides if s.code_set >= 0]
    if len(sides) == 2 and len(code_sides) == 2:
        _lay_pairs(made, table, shares, sides)
        return True
    last = max(range(len(sides)), key=lambda i: (sides[i].time, sides[i].code_set >= 0))
    child = sides[last]
    parents = [s for i, s in enumerate(sides) if i != last]
    if any(p.time == child.time for p in parents):
        return False  # a list against its own main code follows from the main slot
    shares = np.moveaxis(shares, last, -1)
    if any(p.code_set >= 0 for p in parents):
        if len(parents) > 1:
            return False
        if child.code_set < 0 and isinstance(made.node_at(child.time), SlotNode):
            return False  # codes of an earlier list against the main code of a later one
        _lay_codes_on_level(made, table, shares, parents[0], child)
        return True
    _lay_levels(made, table, shares, parents, child)
    return True


def _with_rest(shares: FloatArray, sides: list[Side]) -> FloatArray:
    """Pad the axes of levels that no label covers with unknown cells."""
    pad = [(0, int(s.has_rest)) for s in sides]
    return np.pad(shares, pad, constant_values=np.nan)


def _lay_levels(
    made: Draft, table: Table, shares: FloatArray, parents: list[Side], child: Side
) -> None:
    time = child.time
    node = made.node_at(time)
    sides = [*parents, child]
    padded = _with_rest(shares, sides).reshape(-1, shares.shape[-1] + int(child.has_rest))
    if len(parents) > 1 and _joint(made, parents) is None and child.code_set < 0:
        # The table also says how its parents go together, and no other table does.
        joint = shares.sum(-1) * made.profile.n_units
        axes = tuple(a for p in parents for a in table.axes if a.variable == p.name)
        if not child.has_rest and not np.isnan(joint).all():
            _lay(made, replace(table, axes=axes, counts=joint), parents)
    rows = _row_shares(made, parents)
    factor = make_factor(
        made, time, tuple(Parent(p.variable, p.groups, p.n_groups) for p in parents), table.name
    )
    factor.share = rows
    is_main = isinstance(node, SlotNode) and child.code_set < 0
    if isinstance(node, LevelNode):
        columns = group_sums(made.shares[child.variable], child)
        fitted = fit_table(padded, rows, columns, np.outer(rows, columns))
        _note_moves(made, table, padded, fitted)
        within = made.shares[child.variable] / np.where(columns > 0, columns, 1.0)[child.groups]
        factor.target = fitted[:, child.groups] * within
        factor.hard = ~np.isnan(padded)[:, child.groups]
        factor.spans = child.groups
    elif is_main:
        margin = made.shares[child.variable]
        columns = group_sums(margin, child)
        alone = np.outer(rows, columns)
        most = _in_any_place(made, table, padded.shape)
        total = np.where(np.isnan(most), alone, most).sum(0)
        alone = np.where(np.isnan(most), alone, most * columns / np.maximum(total, 1e-15))
        fitted = fit_table(padded, rows, columns, np.fmin(alone, most))
        fitted = np.where(np.isnan(padded), np.fmin(fitted, most), fitted)
        _note_moves(made, table, padded, fitted)
        width = factor.weights.shape[1]
        levels = child.groups[:width]
        factor.target = np.where(
            levels < child.n_labels, fitted[:, np.minimum(levels, child.n_labels - 1)], np.nan
        )
        printed = ~np.isnan(padded)[:, np.minimum(levels, child.n_labels - 1)]
        factor.hard = printed & ~np.isnan(factor.target)
    else:
        assert isinstance(node, SlotNode)
        prevalence = node.share[child.groups]
        as_main, rest = _as_main(node, factor.parents, child.groups)
        alone = as_main.T + np.outer(rest, rows)
        fitted = fit_table(padded.T, prevalence, None, alone)
        least = np.maximum(as_main.T, _least(made, alone))
        fitted = np.where(np.isnan(padded.T), np.maximum(fitted, least), fitted)
        fitted = np.minimum(fitted.T, rows[:, None])
        _note_moves(made, table, padded, fitted)
        factor.target[:, child.groups] = fitted
        factor.hard[:, child.groups] = ~np.isnan(padded)
    _mask_zeros(made, table, factor, padded, child)
    if is_main and isinstance(node, SlotNode):
        node.main_factors.append(factor)
    else:
        node.factors.append(factor)


def _in_any_place(made: Draft, table: Table, shape: tuple[int, ...]) -> FloatArray:
    """Shares of units with a code at all, in the cells of a table of main codes.

    Returns
    -------
    ``shape``, NaN where no table of the same levels prints it: a code is nowhere rarer than as
    the main one, so these are upper bounds.
    """
    most = np.full(shape, np.nan)
    if len(table.axes) != 2:
        return most
    side = next(i for i, axis in enumerate(table.axes) if axis.facet == "main")
    main, levels = table.axes[side], table.axes[1 - side]
    rank = {label: i for i, label in enumerate(main.labels)}
    for other in made.profile.tables:
        names = [axis.variable for axis in other.axes]
        if levels not in other.axes or len(names) != 2:
            continue
        at = next((i for i, n in enumerate(names) if n == main.variable.partition(".")[0]), None)
        if at is None:
            continue
        cells = np.moveaxis(other.counts, at, 1) / made.profile.n_units
        kept = [(i, rank[c]) for i, c in enumerate(other.axes[at].labels) if c in rank]
        if kept:
            mine, its = np.array(kept).T
            most[: cells.shape[0], its] = cells[:, mine]
    return most


def _as_main(
    node: SlotNode, parents: tuple[Parent, ...], codes: IntArray
) -> tuple[FloatArray, FloatArray]:
    """What is known of codes as main ones.

    Returns
    -------
    (n_rows, n_codes) shares of units with the code as the main one, 0 where that is not known,
    and (n_codes,) what is left of the prevalence.
    """
    none = np.zeros((math.prod(p.n_groups for p in parents), len(codes)))
    for factor in node.main_factors:
        if len(factor.parents) == len(parents) and all(
            a.variable == b.variable and np.array_equal(a.groups, b.groups)
            for a, b in zip(factor.parents, parents, strict=True)
        ):
            cells = np.nan_to_num(factor.target[:, codes])
            return cells, np.maximum(node.share[codes] - cells.sum(0), 0.0)
    return none, node.share[codes]


def _row_shares(made: Draft, parents: list[Side]) -> FloatArray:
    """(n_rows,) shares of the combinations of the parents' groups."""
    joint = _joint(made, parents) if len(parents) > 1 else None
    if joint is not None:
        return joint.ravel()
    rows = np.ones(1)
    for p in parents:
        rows = np.multiply.outer(rows, group_sums(made.shares[p.variable], p)).ravel()
    return rows


def _joint(made: Draft, sides: list[Side]) -> FloatArray | None:
    """Joint shares of level variables from a table laid before; None when there is none."""
    last = max(range(len(sides)), key=lambda i: sides[i].time)
    child, parents = sides[last], [s for i, s in enumerate(sides) if i != last]
    node = made.node_at(child.time)
    if not isinstance(node, LevelNode):
        return None
    for factor in node.factors:
        same = len(factor.parents) == len(parents) and all(
            p.variable == s.variable and np.array_equal(p.groups, s.groups)
            for p, s in zip(factor.parents, parents, strict=True)
        )
        if same and factor.hard.any():
            cells = np.stack([factor.target[:, child.groups == g].sum(1)
                              for g in range(child.n_groups)], axis=-1)  # fmt: skip
            shape = tuple(s.n_groups for s in sides[:last] + sides[last + 1 :])
            return np.moveaxis(cells.reshape(*shape, child.n_groups), -1, last)
    return None


def _mask_zeros(made: Draft, table: Table, factor: Factor, padded: FloatArray, child: Side) -> None:
    """A published count of exactly zero is a mask, where zeros are exact."""
    if table.half_width > 0 or table.sigma > 0:
        return
    zero = padded == 0
    if child.code_set >= 0:
        factor.weights[:, child.groups] = np.where(zero, -np.inf, factor.weights[:, child.groups])
        return
    width = factor.weights.shape[1]
    levels = child.groups[:width]
    inside = levels < zero.shape[1]
    factor.weights[:, inside] = np.where(zero[:, levels[inside]], -np.inf, 0.0)


def _lay_codes_on_level(
    made: Draft, table: Table, shares: FloatArray, parent: Side, child: Side
) -> None:
    """Codes drawn before a level variable: rows are codes."""
    slots = made.slots(parent.code_set)
    padded = _with_rest(shares, [parent, child])
    rows = slots.share[parent.groups]
    columns = group_sums(made.shares[child.variable], child)
    alone = np.outer(rows, columns)
    fitted = fit_table(padded, rows, None, alone)
    fitted = np.where(np.isnan(padded), np.maximum(fitted, _least(made, alone)), fitted)
    fitted = np.minimum(fitted, columns)
    _note_moves(made, table, padded, fitted)
    within = made.shares[child.variable] / np.where(columns > 0, columns, 1.0)[child.groups]
    factor = code_factor(made, child.time)
    stacked = slots.first_code + parent.groups
    if isinstance(made.node_at(child.time), SlotNode):
        made.ledger.notes.append(f"table {table.name}: cannot be used by the network; left out")
        return
    factor.target[stacked] = fitted[:, child.groups] * within
    factor.hard[stacked] = ~np.isnan(padded)[:, child.groups]
    if table.half_width == 0 and table.sigma == 0:
        zero = (padded == 0)[:, child.groups]
        factor.weights[stacked] = np.where(zero, -np.inf, factor.weights[stacked])


def _lay_pairs(made: Draft, table: Table, shares: FloatArray, sides: list[Side]) -> None:
    """Pairs of codes, within one list or between two."""
    a, b = sides
    if a.time > b.time:
        a, b, shares = b, a, shares.T
    first, second = made.slots(a.code_set), made.slots(b.code_set)
    p, q = first.share[a.groups][:, None], second.share[b.groups][None, :]
    capped = np.clip(shares, np.maximum(p + q - 1, 0.0), np.minimum(p, q))
    _note_moves(made, table, shares, capped)
    hard = ~np.isnan(capped)
    exact_zero = (capped == 0) & (table.half_width == 0) & (table.sigma == 0)
    aims = capped
    if table.absent == "suppressed":
        bound = max(made.profile.disclosure.threshold - 1, 1) / made.profile.n_units
        aims = np.where(hard, capped, np.minimum(_independent(made, a, b), bound / 2))
    if first is second:
        np.fill_diagonal(aims, np.nan)
        if table.absent == "suppressed":
            aims = _meet_total(made, first, aims, hard, bound)
        grid = np.ix_(a.groups, b.groups)
        first.pair_target[grid] = aims
        first.pair_hard[grid] = hard
        first.pairs[grid] = np.where(exact_zero, -np.inf, first.pairs[grid])
        return
    factor = code_factor(made, b.time)
    grid = np.ix_(first.first_code + a.groups, b.groups)
    factor.target[grid] = aims
    factor.hard[grid] = hard
    factor.weights[grid] = np.where(exact_zero, -np.inf, factor.weights[grid])


def _independent(made: Draft, a: Side, b: Side) -> FloatArray:
    """Shares of pairs if codes were independent within each level of the selector."""
    first, second = made.slots(a.code_set), made.slots(b.code_set)
    p, q = first.share[a.groups], second.share[b.groups]
    selected = made.profile.code_sets[a.code_set].selector
    variable = -1 if selected is None else made.variable(selected.variable)
    if variable < 0:
        return np.outer(p, q)
    rooms = [room(made, slots, variable) for slots in (first, second)]
    level = made.shares[variable]
    total = np.zeros((len(p), len(q)))
    eligible = [r.T @ level for r in rooms]
    for k, share in enumerate(level):
        pk = p * rooms[0][k, a.groups] / np.maximum(eligible[0][a.groups], 1e-12)
        qk = q * rooms[1][k, b.groups] / np.maximum(eligible[1][b.groups], 1e-12)
        total += share * np.outer(pk, qk)
    return total


def room(made: Draft, slots: SlotNode, variable: int) -> FloatArray:
    """(n_levels, n_codes) 1 where the level of a selector allows the code."""
    n_levels = len(made.variables[variable].levels)
    for factor in slots.factors:
        parents = factor.parents
        if (
            len(parents) == 1
            and parents[0].variable == variable
            and parents[0].n_groups == n_levels
        ):
            return np.asarray(~np.isneginf(factor.weights[:, : slots.n_codes]), dtype=float)
    return np.ones((n_levels, slots.n_codes))


def _meet_total(
    made: Draft, slots: SlotNode, aims: FloatArray, hard: BoolArray, bound: float
) -> FloatArray:
    """Scale the suppressed pairs to what the published ones leave of E[K (K - 1)]."""
    if slots.unlisted_repeats:
        return aims
    histogram = made.shares[slots.count_variable]
    k = np.arange(len(histogram))
    left = float(histogram @ (k * (k - 1))) - float(np.nansum(np.where(hard, aims, 0.0)))
    unknown = ~hard & ~np.isnan(aims)
    total = float(aims[unknown].sum())
    if total <= 0 or left <= 0:
        return aims
    scaled = np.minimum(aims * (left / total), bound)
    return np.where(unknown, scaled, aims)


def _least(made: Draft, alone: FloatArray) -> FloatArray:
    """What a suppressed cell is aimed at least: a little, or a zero would be forced on it."""
    return np.minimum(_SMALLEST / made.profile.n_units, alone)


def _note_moves(made: Draft, table: Table, published: FloatArray, used: FloatArray) -> None:
    """Name the cells that had to move by more than their interval."""
    n = made.profile.n_units
    slack = tolerance(table.half_width, table.sigma, n) + 0.01 * np.nan_to_num(published)
    with np.errstate(invalid="ignore"):
        moved = np.argwhere(np.abs(used - published) > slack)
    for cell in moved[:20]:
        where = tuple(int(i) for i in cell)
        name = f"{table.name} {where}"
        made.ledger.bent(name, float(published[where]) * n, float(used[where]) * n)
    if len(moved) > 20:
        made.ledger.notes.append(f"table {table.name}: {len(moved) - 20} more such cells")
