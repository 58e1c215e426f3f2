"""Names of the cells that a network is verified by, as people write them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmsyn.network.model import Factor, IntArray, LevelNode, Network, Parent, SlotNode
from llmsyn.profile.variables import UNLISTED

Axes = tuple[Sequence[str], ...]


def axes_of(network: Network, node: LevelNode | SlotNode) -> list[Axes]:
    """Labels of the axes of every array of a node, in the order of its estimates.

    Returns
    -------
    Per array, labels such as ``sex=F`` for each of its dimensions.
    """
    if isinstance(node, LevelNode):
        variable = network.variables[node.variable]
        own = [f"{variable.name}={level}" for level in variable.levels]
        of_factors = [(rows_of(network, f), own) for f in node.factors]
        codes = codes_of(network)
        return [(own,), *of_factors, (codes, own), (codes,)]
    listed = network.code_lists[node.code_set]
    codes = [*listed.codes, UNLISTED]
    own = [f"{listed.name}={code}" for code in codes]
    main = [f"{listed.name}.main={code}" for code in codes]
    return [
        (own,), (main,),
        *((rows_of(network, f), own) for f in node.factors),
        *((rows_of(network, f), main) for f in node.main_factors),
        (codes_of(network), own), (own, own),
    ]  # fmt: skip


def rows_of(network: Network, factor: Factor) -> list[str]:
    """``sex=F & age=[20,40)``: what the rows of a factor stand for."""
    parents = [_groups(network, parent) for parent in factor.parents]
    shape = tuple(len(groups) for groups in parents)
    return [
        " & ".join(groups[i] for groups, i in zip(parents, np.unravel_index(row, shape)))
        for row in range(factor.n_rows)
    ]


def codes_of(network: Network) -> list[str]:
    """All codes of all lists, in their stacked order."""
    return [f"{listed.name}={code}" for listed in network.code_lists for code in listed.codes]


def _groups(network: Network, parent: Parent) -> list[str]:
    variable = network.variables[parent.variable]
    return [
        f"{variable.name}={_together(np.array(variable.levels)[parent.groups == g])}"
        for g in range(parent.n_groups)
    ]


def cell_name(
    what: str, place: Sequence[int] | IntArray, axes: Axes, span: IntArray | None = None
) -> str:
    """``sex=F & drugs=aspirin``.

    Parameters
    ----------
    what : the array, for cells whose place has no label.
    span : group of every label of the last axis, where ``place`` counts groups.
    """
    labels: list[str] = []
    for k, i in enumerate(int(i) for i in place):
        names: Sequence[str] = axes[k] if k < len(axes) else ()
        if span is not None and k == len(axes) - 1:
            inside = [name for name, g in zip(names, span) if g == i]
            variable = names[0].partition("=")[0]
            labels.append(f"{variable}={_together([n.partition('=')[2] for n in inside])}")
        elif i < len(names):
            labels.append(names[i])
        else:
            return f"{what} {tuple(int(j) for j in place)}"
    return " & ".join(labels)


def _together(levels: Sequence[str] | np.ndarray[tuple[int], np.dtype[np.str_]]) -> str:
    """One level, or the first and the last of several."""
    if not len(levels):
        return "(none)"
    return str(levels[0]) if len(levels) == 1 else f"{levels[0]} to {levels[-1]}"
