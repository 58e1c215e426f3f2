r"""How long a list is, given the codes of earlier lists.

A table of pairs between two lists also says how many codes of the second go with each code
of the first: :math:`M_c = E[K\,1_c] = \sum_j \pi_{cj}`.  The number of slots is drawn before
the list, so its node must know: it gets one weight per earlier code, a tilt
:math:`\exp(t_c k)`, calibrated to :math:`M_c`.  Cells that neither the profile nor knowledge
speaks of enter the sum at independence.
"""

from __future__ import annotations

import numpy as np

from llmsyn.network.draft import Draft
from llmsyn.network.model import BoolArray, LevelNode, SlotNode, Tilt


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
