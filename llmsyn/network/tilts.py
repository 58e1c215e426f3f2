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
from llmsyn.network.factors import level_factor
from llmsyn.network.model import BoolArray, LevelNode, SlotNode, Tilt
from llmsyn.network.reconcile import fit_table, tilt_to_mean


def lay_lengths(made: Draft) -> None:
    """Tell the count nodes what levels drawn before say of the length of their lists."""
    for node in list(made.nodes):
        if not isinstance(node, SlotNode):
            continue
        name = made.variables[node.count_variable].name
        time = made.times[name]
        count = made.node_at(time)
        assert isinstance(count, LevelNode)
        told = {p.variable for f in count.factors if f.hard.any() for p in f.parents}
        for variable in {f.parents[0].variable for f in node.factors if len(f.parents) == 1}:
            if variable not in told and made.times[made.variables[variable].name] < time:
                _length_by_level(made, node, count, time, variable)


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
    start = np.zeros((len(share), len(number)))
    for level, p in enumerate(share):
        mean = min(cells[level].sum() / max(p, 1e-12) + outside, float(most[level]))
        fits = np.where(number <= most[level], np.maximum(histogram, 1e-12), 0.0)
        shape = fits / fits.sum()
        start[level] = p * tilt_to_mean(shape, shape > 0, mean)
    factor.target = fit_table(start, share, histogram, start)


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
