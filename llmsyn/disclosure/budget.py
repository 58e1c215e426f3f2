"""Which tables fit a risk budget: the most useful first.

Margins come first, since nothing works without them.  Then tables of an outcome, tables of
age or sex, other tables of levels, other tables of codes; last come pairs of codes, frequent
ones first, as many as still fit.  A table that does not fit is left out whole and the next
one is tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from llmsyn.disclosure.risk import Correlation, Risk
from llmsyn.disclosure.settings import Settings
from llmsyn.disclosure.slots import Slot
from llmsyn.disclosure.statistics import Statistics
from llmsyn.disclosure.system import BoolArray, IntArray
from llmsyn.profile.tables import Table
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet

_BISECTIONS = 8
_PERSONAL = ("age", "sex")


@dataclass(frozen=True)
class Step:
    """One table that was considered, and the predicted risk with it."""

    table: str
    risk: Risk
    taken: bool


@dataclass(frozen=True, eq=False)
class Plan:
    """What a risk budget allows.

    Attributes
    ----------
    withheld : cells that are not to be printed, by slot.
    left_out : what was left out and why, in words.
    risk : predicted for what stays, before suppression takes out more.
    fits : whether the margins alone are within the budget.
    steps : what was considered, in order.
    """

    withheld: Mapping[Slot, BoolArray]
    left_out: tuple[str, ...]
    risk: Risk
    fits: bool = True
    steps: tuple[Step, ...] = field(default=())


def fit_budget(profile: Profile, statistics: Statistics, settings: Settings) -> Plan:
    """Choose the tables whose risk stays within ``settings.max_membership_auc``.

    Parameters
    ----------
    profile : the exact measurement.
    statistics : of the cohort, in the profile's form.
    settings : without a limit nothing is left out.
    """
    correlation = Correlation.of(statistics.values)
    limit = settings.max_membership_auc
    taken = np.array([statistics.slots[s].place == "variable" for s in statistics.slot], dtype=bool)
    if limit is None:
        return Plan({}, (), correlation.risk(np.ones(len(taken), dtype=bool)))
    risk = correlation.risk(taken)
    if risk.auc > limit:
        return Plan({}, (), risk, fits=False)
    withheld: dict[Slot, BoolArray] = {}
    left_out: list[str] = []
    steps: list[Step] = []
    for i in sorted(range(len(profile.tables)), key=lambda i: usefulness(profile, i)):
        table, slot = profile.tables[i], Slot("table", i)
        columns = np.flatnonzero(statistics.slot == statistics.slots.index(slot))
        with_all = correlation.risk(_with(taken, columns))
        if with_all.auc <= limit:
            taken, risk = _with(taken, columns), with_all
            steps.append(Step(table.name, risk, taken=True))
            continue
        keep = columns[:0]
        if _two_code_axes(profile, table):
            keep = _frequent(columns, statistics, correlation, taken, limit)
        if keep.size:
            taken = _with(taken, keep)
            risk = correlation.risk(taken)
            left_out.append(
                f"{table.name}: {len(columns) - len(keep):,} of {len(columns):,} cells, the "
                f"rarest; with all of them the predicted membership AUC is {with_all.auc:.3f}"
            )
        else:
            left_out.append(
                f"{table.name}: the predicted membership AUC with it is {with_all.auc:.3f}, above "
                f"{limit:g}"
            )
        steps.append(Step(table.name, with_all, taken=bool(keep.size)))
        withheld[slot] = _mask(table, statistics.cell[keep])
    return Plan(withheld, tuple(left_out), risk, steps=tuple(steps))


def codes_that_fit(profile: Profile, statistics: Statistics, limit: float) -> int:
    """How many codes of each set, the most frequent ones, leave the margins within a limit.

    Returns
    -------
    0 when no number of codes does.
    """
    correlation = Correlation.of(statistics.values)
    margin = np.array(
        [statistics.slots[s].place == "variable" for s in statistics.slot], dtype=bool
    )
    rank = np.full(len(margin), -1)
    for s, slot in enumerate(statistics.slots):
        holder = profile.variables[slot.index] if slot.place == "variable" else None
        if isinstance(holder, CodeSet) and slot.part in ("counts", "main"):
            order = np.argsort(np.argsort(-holder.counts, kind="stable"), kind="stable")
            mine = statistics.slot == s
            rank[mine] = order[statistics.cell[mine]]
    low, high = 0, int(rank.max(initial=0)) + 1
    while low < high:
        middle = (low + high + 1) // 2
        if correlation.risk(margin & (rank < middle)).auc <= limit:
            low = middle
        else:
            high = middle - 1
    return low


def usefulness(profile: Profile, index: int) -> tuple[int, int]:
    """Rank of a table, smallest first: outcomes, age and sex, levels, codes, pairs of codes."""
    table = profile.tables[index]
    variables = [profile[axis.variable] for axis in table.axes]
    if _two_code_axes(profile, table):
        return 4, index
    if any(v.role == "outcome" for v in variables):
        return 0, index
    if any(v.concept in _PERSONAL for v in variables):
        return 1, index
    return (3 if any(isinstance(v, CodeSet) for v in variables) else 2), index


def _two_code_axes(profile: Profile, table: Table) -> bool:
    codes = [a for a in table.axes if a.facet is None and isinstance(profile[a.variable], CodeSet)]
    return len(codes) > 1


def _with(taken: BoolArray, columns: IntArray) -> BoolArray:
    more = taken.copy()
    more[columns] = True
    return more


def _frequent(
    columns: IntArray,
    statistics: Statistics,
    correlation: Correlation,
    taken: BoolArray,
    limit: float,
) -> IntArray:
    """The most frequent cells of a table that fit, to one part in 2^8."""
    order = columns[np.argsort(-statistics.counts[columns], kind="stable")]
    low, high = 0, len(order)
    for _ in range(_BISECTIONS):
        middle = (low + high) // 2
        if middle == low:
            break
        if correlation.risk(_with(taken, order[:middle])).auc <= limit:
            low = middle
        else:
            high = middle
    return order[:low]


def _mask(table: Table, keep: IntArray) -> BoolArray:
    """Cells of a table that are withheld: all but these (of pairs, and their mirror images)."""
    flat = np.ones(table.counts.size, dtype=bool)
    flat[keep] = False
    mask: BoolArray = flat.reshape(table.counts.shape)
    return mask & mask.T if table.is_pairs else mask
