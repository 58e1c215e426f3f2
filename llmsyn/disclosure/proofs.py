"""From a bound back to the published counts that it follows from.

Propagation notes in which step each bound came to its value.  A statement proves a bound if
it implies it from bounds of earlier steps; those have proofs of their own, down to what was
given.  What was given and is printed are the leaves.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from llmsyn.disclosure.bounds import Bounds
from llmsyn.disclosure.system import BoolArray, N, System
from llmsyn.disclosure.triangles import Triangles

Side = Literal["lower", "upper"]


def proof(
    system: System,
    bounds: Bounds,
    known: BoolArray,
    triangles: Triangles,
    unknown: int,
    side: Side,
) -> dict[int, int]:
    """Why an unknown is not smaller, or not larger.

    Parameters
    ----------
    bounds : as propagated.
    known : (n_unknowns,) printed counts.
    triangles : as last looked at, for bounds that no single statement proves.

    Returns
    -------
    printed counts that the bound follows from, with the number of statements between: 1 for
    those in one statement with the unknown.
    """
    leaves: dict[int, int] = {}
    # That nobody is beyond a histogram follows from its last cell, if that is printed.
    ends = {beyond: last for last, beyond in system.beyond.items() if known[last]}
    seen: set[tuple[int, Side]] = set()
    front: list[tuple[int, Side]] = [(unknown, side)]
    depth = 0
    while front:
        depth += 1
        behind: list[tuple[int, Side]] = []
        for goal in front:
            if goal in seen:
                continue
            seen.add(goal)
            for reason in _reasons(system, bounds, triangles, *goal):
                if known[reason[0]] or reason[0] == N:
                    leaves.setdefault(reason[0], depth)
                elif reason[0] in ends and _step(bounds, *reason) == 0:
                    leaves.setdefault(ends[reason[0]], depth)
                else:
                    behind.append(reason)
        front = [goal for goal in behind if goal not in seen and _step(bounds, *goal) > 0]
    leaves.pop(N, None)
    leaves.pop(unknown, None)
    return leaves


def _step(bounds: Bounds, unknown: int, side: Side) -> int:
    steps = bounds.lower_step if side == "lower" else bounds.upper_step
    return int(steps[unknown])


def _reasons(
    system: System, bounds: Bounds, triangles: Triangles, unknown: int, side: Side
) -> list[tuple[int, Side]]:
    """Bounds that the first statement found needs to prove this one."""
    mine_at = _step(bounds, unknown, side)
    if mine_at == 0:
        return []
    target = bounds.lower[unknown] if side == "lower" else bounds.upper[unknown]
    for row in system.statements_of(unknown):
        start, stop = system.matrix.indptr[row : row + 2]
        members, a = system.matrix.indices[start:stop], system.matrix.data[start:stop]
        mine = a[members == unknown][0]
        others, a = members[members != unknown], a[members != unknown] / -mine
        # x = sum of a * others: its lower bound needs lower bounds where a > 0, else upper ones.
        use_lower = (a > 0) == (side == "lower")
        value = np.where(use_lower, bounds.lower[others], bounds.upper[others])
        step = np.where(use_lower, bounds.lower_step[others], bounds.upper_step[others])
        implied = float(a @ value)
        implies = implied > target - 1 + 1e-6 if side == "lower" else implied < target + 1 - 1e-6
        if implies and (step < mine_at).all():
            return [
                (int(m), "lower" if low else "upper") for m, low in zip(others, use_lower.tolist())
            ]
    pairs = triangles.behind(unknown, upper=side == "upper")
    ends: tuple[Side, Side] = ("lower", "upper")
    return [(p, end) for p in pairs for end in ends]
