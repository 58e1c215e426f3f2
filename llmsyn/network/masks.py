"""Hard masks: what can never be drawn.

Rules of the knowledge base and of the profile, the selector of code systems, and published
zeros become weights of ``-inf``.  A mask wins over every number; a published number above
what the masks leave is an error that names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from llmsyn.errors import InfeasibleError
from llmsyn.knowledge.types import Impossible
from llmsyn.network.draft import Draft
from llmsyn.network.factors import (
    code_factor,
    identity_parent,
    level_factor,
    levels_of,
    make_factor,
)
from llmsyn.network.model import (
    CodeList,
    Factor,
    FloatArray,
    LevelNode,
    LevelVariable,
    Parent,
    SlotNode,
)
from llmsyn.network.reconcile import tolerance
from llmsyn.profile.terms import Range, Term
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import UNLISTED


def cut_points(impossibles: Iterable[Impossible], profile: Profile) -> dict[str, set[float]]:
    """Numbers at which a rule about a numeric variable starts or ends, by variable."""
    cuts: dict[str, set[float]] = {}
    for terms in _all_rules(impossibles, profile):
        for term in terms:
            if isinstance(term.value, Range):
                cuts.setdefault(term.variable, set()).update((term.value.low, term.value.high))
    return cuts


def lay_masks(made: Draft, impossibles: Sequence[Impossible]) -> None:
    """Write every rule into the weights of the node that is drawn last among its terms.

    Raises
    ------
    InfeasibleError : a published prevalence is above the share of units that may have it.
    """
    _mask_selectors(made)
    skipped = sum(not _mask(made, terms) for terms in _all_rules(impossibles, made.profile))
    if skipped:
        made.ledger.notes.append(
            f"{skipped} rules name terms that are not drawn, or combine them in a way that the "
            "network cannot hold; not used"
        )
    _check_room(made)


def _all_rules(impossibles: Iterable[Impossible], profile: Profile) -> Iterable[tuple[Term, ...]]:
    yield from (i.terms for i in impossibles)
    yield from (r.never for r in profile.rules)


def _mask_selectors(made: Draft) -> None:
    for code_set in made.profile.code_sets:
        selector = code_set.selector
        if selector is None:
            continue
        parent, time = made.variable(selector.variable), made.times[code_set.name]
        if parent < 0 or made.times[selector.variable] > time:
            made.ledger.notes.append(
                f"{code_set.name}: its selector {selector.variable!r} is not drawn before it; "
                "not used"
            )
            continue
        factor = level_factor(made, time, parent)
        for row, level in enumerate(made.variables[parent].levels):
            allowed = selector.systems.get(level, code_set.systems)
            for j, code in enumerate(code_set.codes):
                if code_set.system_of(code) not in allowed:
                    factor.weights[row, j] = -np.inf


def _mask(made: Draft, terms: tuple[Term, ...]) -> bool:
    """Mask one combination; False when a term is unknown or the kind is not supported."""
    found = []
    for term in terms:
        code_set = made.code_set(term.variable)
        if code_set >= 0:
            codes = made.code_lists[code_set].codes
            if term.value not in codes:
                return False
            found.append((made.times[term.variable], code_set, -1, [codes.index(str(term.value))]))
            continue
        variable = made.variable(term.variable)
        levels = levels_of(made.variables[variable], term.value) if variable >= 0 else []
        if not levels:
            return False
        found.append((made.times[term.variable], -1, variable, levels))
    found.sort(key=lambda side: (side[0], side[1] < 0))
    time, code_set, _, columns = found[-1]
    node = made.node_at(time)
    earlier_codes = [side for side in found[:-1] if side[1] >= 0]
    earlier_levels = [side for side in found[:-1] if side[1] < 0]
    if earlier_codes and (earlier_levels or len(earlier_codes) > 1):
        return False
    if isinstance(node, SlotNode) and code_set < 0:
        return not earlier_codes and _mask_main(made, node, terms, earlier_levels, columns)
    if earlier_codes:
        _, other, _, rows = earlier_codes[0]
        if isinstance(node, SlotNode) and other == code_set:
            node.pairs[rows[0], columns[0]] = node.pairs[columns[0], rows[0]] = -np.inf
        else:
            first = made.node_at(earlier_codes[0][0])
            assert isinstance(first, SlotNode)
            code_factor(made, time).weights[first.first_code + rows[0], columns] = -np.inf
        return True
    if not earlier_levels:
        node.base[columns] = -np.inf
        if isinstance(node, SlotNode) and node.base_main is not None:
            node.base_main[columns] = -np.inf
        return True
    if len(earlier_levels) == 1:
        _, _, variable, rows = earlier_levels[0]
        factor = level_factor(made, time, variable)
        factor.weights[np.ix_(rows, columns)] = -np.inf
        return True
    node.factors.append(_mask_factor(made, time, terms, earlier_levels, columns))
    return True


_Side = tuple[int, int, int, list[int]]  # time, code set, variable, levels or codes


def _mask_factor(
    made: Draft, time: int, terms: tuple[Term, ...], parents: list[_Side], columns: list[int]
) -> Factor:
    groups = tuple(identity_parent(made, side[2]) for side in parents)
    factor = make_factor(made, time, groups, " x ".join(str(t) for t in terms))
    shape = tuple(p.n_groups for p in groups)
    grid = np.ix_(*(side[3] for side in parents))
    rows = np.ravel_multi_index(np.broadcast_arrays(*grid), shape).ravel().tolist()
    factor.weights[np.ix_(rows, columns)] = -np.inf
    return factor


def _mask_main(
    made: Draft, node: SlotNode, terms: tuple[Term, ...], parents: list[_Side], columns: list[int]
) -> bool:
    """Mask main codes, and leave the same codes further down the list alone."""
    if node.base_main is None or max(columns) > node.n_codes:
        return False
    if parents:
        time = made.nodes.index(node)
        node.main_factors.append(_mask_factor(made, time, terms, parents, columns))
    else:
        node.base_main[columns] = -np.inf
    return True


def _check_room(made: Draft) -> None:
    """A prevalence or level share may not be above the share of units that may have it.

    What is above it by no more than rounding and noise explain is lowered to what is possible.
    """
    n = made.profile.n_units
    for node in made.nodes:
        _check_never(made, node, node.base, node.share, "")
        if isinstance(node, SlotNode) and node.base_main is not None:
            _check_never(made, node, node.base_main, node.share_main, " as the main code")
        for factor in node.factors:
            if len(factor.parents) != 1:
                continue
            room = np.where(np.isneginf(factor.weights), 0.0, factor.share[:, None]).sum(0)
            share = node.share[: len(room)]
            slack = _slack(made, node) + _slack(made, factor.parents[0])
            over = [
                int(k) for k in np.flatnonzero(share > room + 1.0 / n + 1e-9)
                if not (isinstance(node, SlotNode) and k == node.n_codes)
            ]  # fmt: skip
            for k in over:
                if share[k] > room[k] + slack:
                    raise InfeasibleError(
                        f"{_column_name(made, node, int(k))} is published for {share[k]:.4g} of "
                        f"the units, but {factor.name} leaves only {room[k]:.4g} that may have "
                        "it; correct the profile or switch off the rule"
                    )
            _lower(node, over, room)


def _lower(node: LevelNode | SlotNode, over: list[int], room: FloatArray) -> None:
    """Give the columns ``over`` what is possible; other levels of a variable get the rest."""
    if not over:
        return
    share = node.share
    before = float(share.sum())
    share[over] = room[over]
    if isinstance(node, LevelNode):
        others = np.setdiff1d(np.arange(len(share)), over)
        left = float(share[others].sum())
        if left > 0:
            share[others] *= 1 + (before - float(share.sum())) / left


def _slack(made: Draft, of: LevelNode | SlotNode | Parent) -> float:
    """By how much rounding and noise may have moved a share."""
    n = made.profile.n_units
    column: LevelVariable | CodeList = (
        made.code_lists[of.code_set] if isinstance(of, SlotNode) else made.variables[of.variable]
    )
    known = [v for v in made.profile.variables if v.name == column.name]
    if not known or not (known[0].half_width or known[0].sigma):
        return 1.0 / n
    return max(tolerance(known[0].half_width, known[0].sigma, n), 1.0 / n)


def _check_never(
    made: Draft, node: LevelNode | SlotNode, base: FloatArray, share: FloatArray | None, what: str
) -> None:
    if share is None:
        return
    never = np.flatnonzero(np.isneginf(base) & (share > 1.0 / made.profile.n_units + 1e-9))
    for k in never:
        if share[k] > _slack(made, node) + 1e-9:
            raise InfeasibleError(
                f"{_column_name(made, node, int(k))} is published for {share[k]:.4g} of the "
                f"units{what}, but a rule says that none may have it; correct the profile or "
                "switch off the rule"
            )
    if share is node.share:
        _lower(node, never.tolist(), np.zeros(len(share)))


def _column_name(made: Draft, node: LevelNode | SlotNode, column: int) -> str:
    if isinstance(node, SlotNode):
        listed = made.code_lists[node.code_set]
        return f"{listed.name}={(*listed.codes, UNLISTED)[column]}"
    variable = made.variables[node.variable]
    return f"{variable.name}={variable.levels[column]}"
