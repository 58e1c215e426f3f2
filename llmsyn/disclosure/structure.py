"""Cells that are empty by logic, not by chance: rules of the profile, and code versions.

Nobody is protected by hiding that nobody who died was readmitted.  Such cells need no
suppression, and the audit lets the attacker know them.
"""

from __future__ import annotations

import numpy as np

from llmsyn.disclosure.atoms import interval
from llmsyn.disclosure.system import Grid, IntArray
from llmsyn.profile.terms import Range, Term
from llmsyn.profile.types import Profile, Rule
from llmsyn.profile.variables import CodeSet, Numeric


def impossible(grid: Grid, profile: Profile) -> list[IntArray]:
    """Unknowns of a grid that must be zero, one array for each rule and code version."""
    found = [_forbidden(grid, rule, profile) for rule in profile.rules]
    for code_set in profile.code_sets:
        if code_set.name in grid.codes and code_set.selector is not None:
            found += _other_version(grid, code_set)
    return [ids for ids in found if ids.size]


def _forbidden(grid: Grid, rule: Rule, profile: Profile) -> IntArray:
    """Cells in which every term of a rule holds."""
    mask = np.ones(grid.ids.shape, dtype=bool)
    for term in rule.never:
        mask &= _holds(grid, term, profile)
    return grid.ids[mask]


def _holds(
    grid: Grid, term: Term, profile: Profile
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Where in the grid a term holds for certain (broadcast to the grid's shape)."""
    holds = np.zeros(grid.ids.shape, dtype=bool)
    n = len(grid.codes)
    for i, code_set in enumerate(grid.codes):
        if code_set == term.variable:
            rows = [k for k, labels in enumerate(grid.stack) if labels[i] == term.value]
            index: list[object] = [slice(None)] * holds.ndim
            index[0], index[1 + i] = rows, 0
            holds[tuple(index)] = True  # type: ignore[index]
    for i, side in enumerate(grid.sides):
        if side.variable != term.variable:
            continue
        parts = [k for k, part in enumerate(side.parts) if _covers(term, part, profile)]
        index = [slice(None)] * holds.ndim
        index[1 + n + i] = parts
        holds[tuple(index)] = True  # type: ignore[index]
    return holds


def _covers(term: Term, part: frozenset[str], profile: Profile) -> bool:
    if isinstance(term.value, str):
        return part == frozenset({term.value})
    variable = profile[term.variable]
    if not isinstance(variable, Numeric):
        return False
    wanted = interval(str(term.value), variable.edges)
    ranges = [interval(atom, variable.edges) for atom in part]
    return wanted is not None and all(r is not None and Range(*wanted).covers(*r) for r in ranges)


def _other_version(grid: Grid, codes: CodeSet) -> list[IntArray]:
    """Codes of one version in units that are coded in another."""
    selector = codes.selector
    found: list[IntArray] = []
    axis = grid.codes.index(codes.name)
    for i, side in enumerate(grid.sides):
        if selector is None or side.variable != selector.variable:
            continue
        for k, part in enumerate(side.parts):
            allowed = {s for level in part for s in selector.systems.get(level, codes.systems)}
            rows = [
                r
                for r, labels in enumerate(grid.stack)
                if codes.system_of(labels[axis]) not in allowed
            ]
            cells = np.take(grid.ids[rows], 0, axis=1 + axis)
            found.append(np.take(cells, k, axis=len(grid.codes) + i).ravel())
    return found
