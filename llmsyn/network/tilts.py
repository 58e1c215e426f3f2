r"""How long a list is, given the levels and the codes drawn before it.

The number of slots is drawn before the list, so what is said of its codes must reach its
length.  Where levels of a variable are tied to codes (by a mask, a table or knowledge) and no
table of the number by that variable is published, the mean number at each level is the sum
of the cells, :math:`E[K\,1_l] = \sum_j \pi_{lj}`, codes that nothing is said of being
independent of it; the histogram is tilted to that mean.

A table of pairs between two lists also says how many codes of the second go with each code
of the first: :math:`M_c = E[K\,1_c] = \sum_j \pi_{cj}`.  The number of slots is drawn before
the list, so its node must know: it gets one weight per earlier code, a tilt
:math:`\exp(t_c k)`, calibrated to :math:`M_c`.  Cells that neither the profile nor knowledge
speaks of enter the sum at independence.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from llmsyn.network.draft import Draft
from llmsyn.network.factors import identity_parent, level_factor, make_factor
from llmsyn.network.model import (
    BoolArray,
    Factor,
    FloatArray,
    IntArray,
    LevelNode,
    Parent,
    SlotNode,
    Tilt,
)
from llmsyn.network.reconcile import fit_table, scale

_STEEPEST = 1.0  # tilt inside the ranges of a published table of lengths
_REACHED = 0.5  # of the way to the longest lists that a code may be aimed at
_SMALLEST = 0.2  # units that a suppressed cell stands for at least


def lay_lengths(made: Draft) -> None:
    """Tell the count nodes what levels drawn before say of the length of their lists."""
    for node in list(made.nodes):
        if not isinstance(node, SlotNode):
            continue
        name = made.variables[node.count_variable].name
        time = made.times[name]
        count = made.node_at(time)
        assert isinstance(count, LevelNode)
        _none_without_main(made, node)
        _codes_by_length(made, node)
        told = {f.parents[0].variable: f for f in count.factors
                if f.hard.any() and len(f.parents) == 1}  # fmt: skip
        joint = {p.variable for f in count.factors if f.hard.any() for p in f.parents}
        for variable in {f.parents[0].variable for f in node.factors if len(f.parents) == 1}:
            if made.times[made.variables[variable].name] >= time:
                continue
            if variable in told:
                _within_spans(made, node, count, told[variable])
            elif variable not in joint:
                _length_by_level(made, node, count, time, variable)


def _none_without_main(made: Draft, node: SlotNode) -> None:
    """Where main codes are published, who has no code at all is who has no main code.

    The number of unlisted codes follows the number of listed ones, so it is told how often
    both are zero.
    """
    if node.share_main is None or node.unlisted_variable is None:
        return
    count, further = node.count_variable, node.unlisted_variable
    time = made.times[made.variables[further].name]
    unlisted = made.node_at(time)
    assert isinstance(unlisted, LevelNode)
    if any(p.variable == count and f.hard.any() for f in unlisted.factors for p in f.parents):
        return  # the table of both numbers is published
    groups = np.minimum(np.arange(len(made.shares[count])), 1)
    factor = make_factor(made, time, (Parent(count, groups, 2),), "no code at all")
    rows, columns = factor.share, made.shares[further]
    none = max(1.0 - float(node.share_main.sum()), 0.0)
    none = min(max(none, rows[0] + columns[0] - 1.0), rows[0], columns[0])
    first = np.array([[none, rows[0] - none], [columns[0] - none, 0.0]])
    first[1, 1] = max(1.0 - first.sum(), 0.0)
    within = columns[1:] / max(float(columns[1:].sum()), 1e-12)
    factor.target = np.column_stack([first[:, 0], first[:, 1:] * within])
    if none * made.profile.n_units < 0.5:
        factor.weights[0, 0] = -np.inf
    unlisted.factors.append(factor)


def _codes_by_length(made: Draft, node: SlotNode) -> None:
    r"""Where pairs within a list are published, how a code goes with the length of its list.

    The row of a code says in how long lists it stands: :math:`\sum_j \pi_{ij} = E[(K-1) 1_i]`.
    Pairs alone could not reach that where the main slot fills most of a list.
    """
    count = node.count_variable
    time = made.times[made.code_lists[node.code_set].name]
    known = any(f.hard.any() and any(p.variable == count for p in f.parents) for f in node.factors)
    if not node.pair_hard.any() or node.unlisted_repeats or known:
        return
    share, number = node.share[:-1], np.arange(len(made.shares[count]))
    slots = made.shares[count] * number
    others = np.where(np.isnan(node.pair_target), np.outer(share, share), node.pair_target)
    np.fill_diagonal(others, 0.0)
    row = others.sum(1)
    row *= float(slots @ (number - 1)) / max(float(row.sum()), 1e-12)
    start = np.outer(share, slots[1:])
    table = meet_means(start, share, slots[1:], row / np.maximum(share, 1e-12))
    factor = make_factor(made, time, (identity_parent(made, count),), "length of the list")
    factor.target[1:, :-1] = np.minimum(table, made.shares[count][None, 1:]).T
    centre = float(slots @ number) / max(float(slots.sum()), 1e-12)
    factor.moment = np.asarray(number - centre, float)
    node.factors.append(factor)


def _cells_of(
    made: Draft, node: SlotNode, parent: Parent
) -> tuple[FloatArray, BoolArray, BoolArray]:
    """What is said of the codes of a list at each group of a level variable.

    Returns
    -------
    (n_groups, n_codes) joint shares, at independence where nothing is said; whether each is
    said (published or knowledge) and whether a mask allows it.
    """
    share = made.shares[parent.variable]
    total = np.bincount(parent.groups, weights=share, minlength=parent.n_groups)
    allowed = np.ones((len(share), node.n_codes), bool)
    fine = np.full((len(share), node.n_codes), np.nan)
    for factor in node.factors:
        if len(factor.parents) != 1 or factor.parents[0].variable != parent.variable:
            continue
        groups = factor.parents[0].groups
        allowed &= ~np.isneginf(factor.weights[groups][:, :-1])
        within = share / np.where(factor.share > 0, factor.share, 1.0)[groups]
        said = factor.target[groups][:, :-1] * within[:, None]
        fine = np.where(np.isnan(said), fine, said)
    room = np.maximum(share @ allowed, 1e-12)
    alone = np.outer(share, node.share[:-1]) * allowed / room
    member = np.eye(parent.n_groups)[parent.groups].T  # (n_groups, n_levels)
    cells = member @ (np.where(np.isnan(fine), alone, fine) * allowed)
    cells *= node.share[:-1] / np.maximum(cells.sum(0), 1e-12)
    cells = np.minimum(cells, total[:, None])
    return cells, member @ ~np.isnan(fine) > 0, member @ allowed > 0


def _within_spans(made: Draft, node: SlotNode, count: LevelNode, factor: Factor) -> None:
    """A published table of the number by level leaves open what goes on inside its ranges.

    There the number follows the codes: its mean at each level is the sum of their cells.
    What is not published of the codes at a level then follows the length that came out.
    """
    parent = factor.parents[0]
    cells, _, allowed = _cells_of(made, node, parent)
    number = np.arange(len(count.share))
    outside = 0.0 if np.isnan(node.share[-1]) else float(node.share[-1])
    share = np.maximum(factor.share, 1e-12)
    most = np.full(len(share), len(number)) if node.unlisted_repeats else allowed.sum(1)
    factor.weights[number[None, :] > most[:, None]] = -np.inf
    assert factor.spans is not None
    spans = np.eye(int(factor.spans.max()) + 1)[factor.spans]  # (n_numbers, n_spans)
    start = np.where(np.isneginf(factor.weights), 0.0, np.maximum(factor.target, 1e-15))
    means = np.minimum(cells.sum(1) / share + outside, most)
    printed = np.where(factor.hard @ spans > 0, factor.target @ spans, np.nan)
    factor.target = meet_means(start, factor.share, count.share, means, (printed, factor.spans))
    if not node.unlisted_repeats:
        _follow_length(node, parent, factor.target @ number, made.profile.n_units)


def _follow_length(node: SlotNode, parent: Parent, codes: FloatArray, n_units: float) -> None:
    """Scale the unpublished cells of codes by level to the number of codes at each level.

    Parameters
    ----------
    codes : (n_groups,) E[K 1_group].
    """
    for factor in node.factors:
        other = factor.parents[0]
        if len(factor.parents) != 1 or other.variable != parent.variable:
            continue
        if not np.array_equal(other.groups, parent.groups):
            continue
        target, free = factor.target[:, :-1], ~factor.hard[:, :-1]
        if np.isnan(target).any() or not free.any():
            continue
        share = node.share[:-1]
        as_main = _main_cells(node, parent)
        left = np.maximum(codes - np.where(free, 0.0, target).sum(1), 0.0)
        columns = np.maximum(share - np.where(free, 0.0, target).sum(0), 0.0)
        fitted = scale(np.where(free, np.maximum(target, 1e-12), 0.0), left, columns)
        fitted = scale(fitted.T, columns, left, 1).T
        least = np.minimum(_SMALLEST / n_units, np.outer(factor.share, share))
        least = np.maximum(least, as_main)
        fitted = np.clip(fitted, least, 0.98 * factor.share[:, None])
        factor.target[:, :-1] = np.where(free, fitted, target)


def _main_cells(node: SlotNode, parent: Parent) -> FloatArray:
    """(n_groups, n_codes) shares of codes as main ones at each group; 0 where not known."""
    for factor in node.main_factors:
        other = factor.parents[0]
        same = len(factor.parents) == 1 and other.variable == parent.variable
        if same and np.array_equal(other.groups, parent.groups):
            return np.nan_to_num(factor.target[:, : node.n_codes])
    return np.zeros((parent.n_groups, node.n_codes))


def _length_by_level(
    made: Draft, node: SlotNode, count: LevelNode, time: int, variable: int
) -> None:
    share, histogram = made.shares[variable], count.share
    number = np.arange(len(histogram))
    cells, said, allowed = _cells_of(made, node, identity_parent(made, variable))
    if allowed.all() and not said.any():
        return
    factor = level_factor(made, time, variable)
    most = allowed.sum(1) if not node.unlisted_repeats else np.full(len(share), len(number))
    factor.weights[number[None, :] > most[:, None]] = -np.inf
    outside = 0.0 if np.isnan(node.share[-1]) else float(node.share[-1])
    given = np.minimum(cells / np.maximum(share, 1e-12)[:, None], 1.0)
    start = share[:, None] * number_of_codes(given, len(number) - 1)
    if outside > 0:  # unlisted codes fill slots too: their number has the histogram's shape
        start = share[:, None] * np.maximum(histogram, 1e-12)[None, :]
    start = np.where(number[None, :] <= most[:, None], np.maximum(start, 1e-15), 0.0)
    means = np.minimum(cells.sum(1) / np.maximum(share, 1e-12) + outside, most)
    factor.target = meet_means(start, share, histogram, means)


def number_of_codes(given: FloatArray, most: int) -> FloatArray:
    """Distribution of the number of codes, were codes independent at each level.

    Parameters
    ----------
    given : (n_levels, n_codes) probability of each code at each level.
    most : largest number; what lies beyond is put on it.

    Returns
    -------
    (n_levels, most + 1), rows sum to one (Poisson-binomial, by recursion).

    Examples
    --------
    >>> number_of_codes(np.array([[0.5, 0.5]]), 2)
    array([[0.25, 0.5 , 0.25]])
    """
    shares = np.zeros((given.shape[0], most + 1))
    shares[:, 0] = 1.0
    for p in given.T:
        moved = shares * p[:, None]
        shares -= moved
        shares[:, 1:] += moved[:, :-1]
        shares[:, -1] += moved[:, -1]
    return shares


def meet_means(
    start: FloatArray,
    rows: FloatArray,
    columns: FloatArray,
    means: FloatArray,
    blocks: tuple[FloatArray, IntArray] | None = None,
) -> FloatArray:
    """The table nearest to ``start`` with these margins and these means in each row.

    ``start`` (n_rows, n_numbers) is multiplied by row, column and ``exp(t_row k)`` factors;
    the last are found by Newton steps.  Means are met as far as the margins allow.

    Parameters
    ----------
    blocks : sums that are known besides: (n_rows, n_spans), NaN unknown, and the (n_numbers,)
        span of each number; they win over the means.
    """
    table: FloatArray = start
    number = np.arange(len(columns))
    tilt = np.zeros(len(means))
    for _ in range(100):
        table = fit_table(table, rows, columns, table)
        table = _meet_blocks(table, blocks)
        total = np.maximum(table.sum(1), 1e-15)
        mean = table @ number / total
        spread = np.maximum(table @ number**2 / total - mean**2, 1e-3)
        step = np.clip((means - mean) / spread, -0.5, 0.5)
        if blocks is not None:  # a mean that the blocks leave no room for is not forced
            step = np.clip(tilt + step, -_STEEPEST, _STEEPEST) - tilt
        if np.abs(step * spread).max() < 1e-6:
            break
        tilt += step
        table = table * np.exp(step[:, None] * (number - mean[:, None]))
    for _ in range(50 if blocks else 1):
        table = fit_table(_meet_blocks(table, blocks), rows, columns, table)
    return table


def _meet_blocks(table: FloatArray, blocks: tuple[FloatArray, IntArray] | None) -> FloatArray:
    if blocks is None:
        return table
    sums, spans = blocks
    now = table @ np.eye(sums.shape[1])[spans]
    ratio = np.where((now > 0) & ~np.isnan(sums), sums / np.where(now > 0, now, 1.0), 1.0)
    return np.asarray(table * ratio[:, spans], float)


def lay_tilts(made: Draft, informed: dict[int, BoolArray]) -> None:
    """Give the count nodes their tilts.

    Parameters
    ----------
    informed : per slot node (drawing rank), (n_codes_before, n_codes) cells that the profile
        or knowledge speaks of (suppressed cells do not count).
    """
    for time, node in enumerate(made.nodes):
        if not isinstance(node, SlotNode) or node.links is None:
            continue
        known = informed.get(time)
        if known is None or not known.any():
            continue
        count = made.node_at(made.times[made.variables[node.count_variable].name])
        assert isinstance(count, LevelNode)
        if count.codes is not None and count.codes.hard.any():
            continue  # a table of this number by code is published
        before, share = node.links.share, node.share[:-1]
        cells = np.where(known, node.links.target[:, :-1], np.outer(before, share))
        number = np.arange(len(count.share))
        mean = float(count.share @ number)
        outside = mean - share.sum()  # unlisted codes that fill slots
        wanted = cells.sum(1) + before * max(outside, 0.0)
        low, high = _reach(count.share, before)
        wanted = np.where(known.any(1), np.clip(wanted, low, high), np.nan)
        count.tilt = Tilt(np.zeros(len(before)), wanted, before)


def _reach(histogram: FloatArray, share: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Least and largest E[K 1_c] that a code of that share can have, short of the extremes.

    The extremes are a code that only the longest (or only the shortest) lists have.
    """
    number = np.arange(len(histogram))

    def best(order: npt.NDArray[np.int64]) -> FloatArray:
        mass = np.append(0.0, np.cumsum(histogram[order]))
        codes = np.append(0.0, np.cumsum(histogram[order] * number[order]))
        return np.asarray(np.interp(share, mass, codes), float)

    alone = share * float(histogram @ number)
    least, most = best(number), best(number[::-1])
    return alone + _REACHED * (least - alone), alone + _REACHED * (most - alone)


def spoken_cells(made: Draft) -> dict[int, BoolArray]:
    """Which cells between lists are published, by drawing rank of the later list."""
    return {
        time: node.links.hard[:, :-1].copy()
        for time, node in enumerate(made.nodes)
        if isinstance(node, SlotNode) and node.links is not None
    }
