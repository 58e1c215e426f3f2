r"""Units of a chunk drawn so that a wanted number of them meets a condition.

The network draws units as ever; those that meet the condition and those that do not are
collected apart until there are enough of each (rejection).  Both groups are then exact draws
from the network given the condition, and given its absence: nobody is copied, and nothing
but the share of the condition changes,

.. math:: P'(x) = q\,P(x \mid C) + (1 - q)\,P(x \mid \neg C).

How many units of a chunk meet it follows from the numbers of its first and last unit, so
chunks need nothing of each other and the share of the run is met to the nearest whole unit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from llmsyn.errors import InfeasibleError
from llmsyn.network.drawing import Drawn
from llmsyn.network.model import LevelVariable, Network
from llmsyn.profile.condition import Reweight
from llmsyn.profile.terms import Range, Term

BATCH = 50_000
"""Units that are drawn at a time, at most."""

PATIENCE = 10_000_000
"""Units that are drawn without one more of those that are sought before giving up."""

_FIRST = 2_000
_SPARE = 1.05  # batches ask for a little more than is expected to be enough
_DUST = 1e-9  # an end of a range that differs by less is the same


def draw_reweighted(
    network: Network,
    reweight: Reweight,
    start: int,
    n: int,
    random: np.random.Generator,
    draw: Callable[[int], Drawn],
) -> Drawn:
    """``n`` units, of which the wanted number meets the condition, in random order.

    Parameters
    ----------
    start : units of the run before these.
    random : the stream of the chunk, which ``draw`` uses too.
    draw : draws that many units from the network.

    Raises
    ------
    InfeasibleError : the network all but never draws units of one of the two groups.
    """
    having = reweight.units(start + n) - reweight.units(start)
    wanted = np.array([n - having, having])
    found = np.zeros(2, np.int64)
    drawn_units, since = 0, 0
    kept: list[Drawn] = []
    groups: list[npt.NDArray[np.int64]] = []
    while (found < wanted).any():
        batch = draw(_batch_size(wanted, found, drawn_units))
        group = meets(network, batch, reweight.term).astype(np.int64)
        drawn_units += len(group)
        before = int(np.minimum(found, wanted).sum())
        take = np.zeros(len(group), bool)
        for g in (0, 1):
            place = np.flatnonzero(group == g)
            take[place[: max(int(wanted[g] - found[g]), 0)]] = True
            found[g] += len(place)
        kept.append(_rows(batch, np.flatnonzero(take)))
        groups.append(group[take])
        since = 0 if int(np.minimum(found, wanted).sum()) > before else since + len(group)
        if since >= PATIENCE:
            which = "without" if found[0] < wanted[0] else "with"
            raise InfeasibleError(
                f"among {since:,} units that were drawn there was none {which} {reweight.term}; "
                "the network cannot be re-weighted by it"
            )
    whole = _joined(kept)
    # Within each group units stay as they came; where the groups lie is random.
    order = np.empty(n, np.int64)
    group = np.concatenate(groups)
    place = random.permutation(n)
    order[np.sort(place[: wanted[1]])] = np.flatnonzero(group == 1)
    order[np.sort(place[wanted[1] :])] = np.flatnonzero(group == 0)
    return _rows(whole, order)


def _batch_size(wanted: npt.NDArray[np.int64], found: npt.NDArray[np.int64], drawn: int) -> int:
    """Units that are expected to give what is still missing."""
    if drawn == 0:
        return int(min(max(wanted.sum(), _FIRST), BATCH))
    share = np.maximum(found, 1) / drawn
    missing = np.maximum(wanted - found, 0)
    return int(np.clip(np.max(_SPARE * missing / share), _FIRST, BATCH))


def meets(network: Network, drawn: Drawn, term: Term) -> npt.NDArray[np.bool_]:
    """``(n,)`` of which units the term holds."""
    for index, variable in enumerate(network.variables):
        if variable.name == term.variable:
            of_units: npt.NDArray[np.bool_] = _levels(variable, term)[drawn.levels[index]]
            return of_units
    first_code = 0
    for k, listed in enumerate(network.code_lists):
        if listed.name == term.variable:
            code = first_code + listed.codes.index(str(term.value))
            slot = np.arange(drawn.events.shape[1])
            inside = (slot >= drawn.starts[k][:, None]) & (slot < drawn.starts[k + 1][:, None])
            held: npt.NDArray[np.bool_] = (inside & (drawn.events == code)).any(1)
            return held
        first_code += len(listed.codes)
    raise InfeasibleError(f"the network does not draw {term.variable}; name another variable")


def _levels(variable: LevelVariable, term: Term) -> npt.NDArray[np.bool_]:
    """Which levels of a variable a term covers."""
    inside = np.zeros(len(variable.levels), bool)
    if isinstance(term.value, Range) and variable.edges is not None:
        low, high = variable.edges[:-1], variable.edges[1:]
        inside[: len(low)] = (low >= term.value.low - _DUST) & (high <= term.value.high + _DUST)
    else:
        inside[variable.levels.index(str(term.value))] = True
    return inside


def _rows(drawn: Drawn, rows: npt.NDArray[np.int64]) -> Drawn:
    return Drawn(
        drawn.levels[:, rows], drawn.events[rows], drawn.starts[:, rows],
        drawn.unlisted[:, rows], drawn.short,
    )  # fmt: skip


def _joined(parts: list[Drawn]) -> Drawn:
    return Drawn(
        np.concatenate([p.levels for p in parts], axis=1),
        np.concatenate([p.events for p in parts]),
        np.concatenate([p.starts for p in parts], axis=1),
        np.concatenate([p.unlisted for p in parts], axis=1),
        sum(p.short for p in parts),
    )
