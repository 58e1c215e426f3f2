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

from llmsyn.network.draft import Draft
from llmsyn.network.factors import identity_parent, level_factor, make_factor
from llmsyn.network.model import BoolArray, FloatArray, LevelNode, Parent, SlotNode, Tilt
from llmsyn.network.reconcile import fit_table


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
        told = {p.variable for f in count.factors if f.hard.any() for p in f.parents}
        for variable in {f.parents[0].variable for f in node.factors if len(f.parents) == 1}:
            if variable not in told and made.times[made.variables[variable].name] < time:
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
    factor.moment = number - float(slots @ number) / max(float(slots.sum()), 1e-12)
    node.factors.append(factor)


def _length_by_level(
    made: Draft, node: SlotNode, count: LevelNode, time: int, variable: int
) -> None:
    share, histogram = made.shares[variable], count.share
    number = np.arange(len(histogram))
    allowed = np.ones((len(share), node.n_codes), bool)
    cells = np.full((len(share), node.n_codes), np.nan)
    for factor in node.factors:
        if len(factor.parents) != 1 or factor.parents[0].variable != variable:
            continue
        groups = factor.parents[0].groups
        allowed &= ~np.isneginf(factor.weights[groups][:, :-1])
        within = share / np.where(factor.share > 0, factor.share, 1.0)[groups]
        said = factor.target[groups][:, :-1] * within[:, None]
        cells = np.where(np.isnan(said), cells, said)
    if allowed.all() and np.isnan(cells).all():
        return
    room = np.maximum(share @ allowed, 1e-12)
    independent = np.outer(share, node.share[:-1]) * allowed / room
    cells = np.where(np.isnan(cells), independent, cells) * allowed
    cells *= node.share[:-1] / np.maximum(cells.sum(0), 1e-12)
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
    start: FloatArray, rows: FloatArray, columns: FloatArray, means: FloatArray
) -> FloatArray:
    """The table nearest to ``start`` with these margins and these means in each row.

    ``start`` (n_rows, n_numbers) is multiplied by row, column and ``exp(t_row k)`` factors;
    the last are found by Newton steps.  Means are met as far as the margins allow.
    """
    table, number = start, np.arange(len(columns))
    for _ in range(100):
        table = fit_table(table, rows, columns, table)
        total = np.maximum(table.sum(1), 1e-15)
        mean = table @ number / total
        spread = np.maximum(table @ number**2 / total - mean**2, 1e-3)
        step = np.clip((means - mean) / spread, -0.5, 0.5)
        if np.abs(step * spread).max() < 1e-6:
            break
        table = table * np.exp(step[:, None] * (number - mean[:, None]))
    return fit_table(table, rows, columns, table)


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
        most = before * (len(count.share) - 1) * 0.98
        wanted = np.where(known.any(1), np.minimum(wanted, most), np.nan)
        count.tilt = Tilt(np.zeros(len(before)), wanted, before)


def spoken_cells(made: Draft) -> dict[int, BoolArray]:
    """Which cells between lists are published, by drawing rank of the later list."""
    return {
        time: node.links.hard[:, :-1].copy()
        for time, node in enumerate(made.nodes)
        if isinstance(node, SlotNode) and node.links is not None
    }
