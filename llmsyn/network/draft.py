"""The nodes of a profile, in drawing order, before any table or knowledge is laid on them.

Margins are reconciled here: suppressed levels get what is left, and the histogram of codes
per unit is moved to the mean that the prevalences imply.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from llmsyn.network.model import (
    CodeList,
    FloatArray,
    LevelNode,
    LevelVariable,
    SlotNode,
)
from llmsyn.network.reconcile import (
    Ledger,
    fill_margin,
    poisson_binomial,
    spread_numbers,
    tilt_to_mean,
    tolerance,
)
from llmsyn.profile.terms import Range, parse_range
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import UNLISTED, CodeSet, Numeric

NO_MAIN = "(none)"
"""Level of ``X.main`` for a unit without a main code."""


SHORT = 2.0
"""Mean number of codes up to which lists are taken to be those of independent codes."""


@dataclass
class Draft:
    """Nodes under construction, with what is needed to find one's way in them.

    ``times`` gives the drawing rank of a variable, facet or code set; ``shares`` the
    reconciled margin of a level variable; ``eligible`` per code the share of units that the
    selector allows to have it, by selector level.
    """

    profile: Profile
    variables: list[LevelVariable] = field(default_factory=list)
    shares: list[FloatArray] = field(default_factory=list)
    code_lists: list[CodeList] = field(default_factory=list)
    nodes: list[LevelNode | SlotNode] = field(default_factory=list)
    times: dict[str, int] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)

    def variable(self, name: str) -> int:
        """Index of a level variable by name; -1 when there is none."""
        return next((i for i, v in enumerate(self.variables) if v.name == name), -1)

    def code_set(self, name: str) -> int:
        """Index of a code set by name; -1 when there is none."""
        return next((i for i, c in enumerate(self.code_lists) if c.name == name), -1)

    def slots(self, code_set: int) -> SlotNode:
        """The slot node of a code set."""
        return next(n for n in self.nodes if isinstance(n, SlotNode) and n.code_set == code_set)

    def node_at(self, time: int) -> LevelNode | SlotNode:
        """The node of that drawing rank."""
        return self.nodes[time]

    def codes_before(self, time: int) -> int:
        """How many codes (all lists stacked) are drawn before that rank."""
        return sum(n.n_codes for n in self.nodes[:time] if isinstance(n, SlotNode))


def draft(profile: Profile, cuts: dict[str, set[float]]) -> Draft:
    """Lay out the nodes of a profile.

    Parameters
    ----------
    profile : the published numbers.
    cuts : per numeric variable, numbers at which a rule changes; bins are split there, so
        that no value drawn within a bin can break the rule.
    """
    made = Draft(profile)
    for variable in profile.in_order:
        if isinstance(variable, CodeSet):
            _add_code_set(made, variable)
            continue
        if isinstance(variable, Numeric):
            level, counts = _split_bins(variable, cuts.get(variable.name, set()))
        else:
            level = LevelVariable(variable.name, variable.levels, "categorical")
            counts = variable.counts
        _warn_total(made, variable.name, counts, variable.half_width, variable.sigma)
        _add_level(made, level, fill_margin(counts, profile.n_units))
    return made


def _warn_total(
    made: Draft, name: str, counts: FloatArray, half_width: float, sigma: float
) -> None:
    n = made.profile.n_units
    if np.isnan(counts).any():
        return
    total = float(counts.sum())
    if abs(total - n) / n > len(counts) * tolerance(half_width, sigma, n):
        made.ledger.bent(f"{name} (total of its levels)", total, n)


def _add_level(made: Draft, variable: LevelVariable, share: FloatArray) -> int:
    made.times[variable.name] = len(made.nodes)
    made.variables.append(variable)
    made.shares.append(share)
    index = len(made.variables) - 1
    with np.errstate(divide="ignore"):
        made.nodes.append(LevelNode(index, np.log(share), share))
    return index


def on_grid(number: float, decimals: int) -> float:
    """The smallest number of the grid ``10**-decimals`` that is not below ``number``.

    Examples
    --------
    >>> on_grid(64.5, 0), on_grid(0.3, 1), on_grid(math.inf, 0)
    (65.0, 0.3, inf)
    """
    if math.isinf(number):
        return number
    return round(math.ceil(number * 10.0**decimals - 1e-9) / 10.0**decimals, decimals)


def _split_bins(variable: Numeric, cuts: Iterable[float]) -> tuple[LevelVariable, FloatArray]:
    # A rule may start between two values that can occur: at 64.5 years, say.
    cuts = {on_grid(c, variable.decimals) for c in cuts}
    edges, counts = [float(variable.edges[0])], []
    for low, high, count in zip(variable.edges, variable.edges[1:], variable.counts, strict=False):
        parts = [*sorted(c for c in cuts if low < c < high), float(high)]
        start = float(low)
        for end in parts:
            counts.append(count * (end - start) / (high - low))
            edges.append(end)
            start = end
    labels = tuple(str(Range(a, b)) for a, b in pairwise(edges))
    values = np.array(counts)
    if variable.has_missing:
        labels, values = (*labels, "missing"), np.append(values, variable.missing_count)
    level = LevelVariable(
        variable.name,
        labels,
        "numeric",
        np.array(edges),
        variable.decimals,
        bool(variable.has_missing),
    )
    return level, values


def _add_code_set(made: Draft, code_set: CodeSet) -> None:
    n = made.profile.n_units
    prevalence = code_set.counts / n
    small = max(made.profile.disclosure.threshold - 1, 1) / 2 / n
    prevalence = np.where(np.isnan(prevalence), small, prevalence)
    repeats, unlisted_share = False, np.nan
    if code_set.listed is not None and not np.isnan(code_set.listed).all():
        share = _listed_histogram(made, code_set, prevalence)
    elif code_set.total is not None:
        repeats = True
        share = fill_margin(code_set.total, n)
        mean = float(share @ np.arange(len(share)))
        unlisted_share = mean - prevalence.sum()
        if unlisted_share < 0:
            made.ledger.bent(f"{code_set.name} (codes per unit)", mean, prevalence.sum(), "codes")
            share = tilt_to_mean(share, np.isnan(code_set.total), float(prevalence.sum()))
            unlisted_share = 0.0
    else:
        share = _assumed_histogram(made, code_set, prevalence)
    index = len(made.code_lists)
    made.code_lists.append(CodeList(code_set.name, code_set.codes))
    count = _add_level(made, _numbers(f"{code_set.name}.count", len(share), "count"), share)
    unlisted = None
    tail = _unlisted_histogram(made, code_set)
    if tail is not None and not repeats:
        name = f"{code_set.name}.unlisted"
        unlisted = _add_level(made, _numbers(name, len(tail), "unlisted"), tail)
    _add_slots(made, code_set, index, prevalence, count, unlisted, repeats, unlisted_share)


def _assumed_histogram(made: Draft, code_set: CodeSet, prevalence: FloatArray) -> FloatArray:
    """How many listed codes a unit has, where no histogram is printed.

    With few codes, that of independent codes; with more, a spread of half the mean, as lists
    of codes have in most hospitals; then moved to the ranges that cross-tables print.
    """
    mean = float(prevalence.sum())
    share = spread_numbers(mean, len(prevalence)) if mean > SHORT else poisson_binomial(prevalence)
    ranges = _printed_ranges(made.profile, f"{code_set.name}.count")
    for _ in range(50):
        for span, mass in ranges:
            number = np.arange(len(share))
            inside = (number >= span.low) & (number < span.high)
            now = float(share[inside].sum())
            if 0 < now < 1 and mass < 1:
                share = np.where(inside, share * mass / now, share * (1 - mass) / (1 - now))
        share = tilt_to_mean(share, np.ones(len(share), bool), mean)
    made.ledger.notes.append(
        f"{code_set.name}: no histogram of codes per unit is printed; its shape is assumed"
    )
    return share


def _printed_ranges(profile: Profile, name: str) -> list[tuple[Range, float]]:
    """Ranges of a number of codes whose share follows from a table that is printed whole."""
    for table in profile.tables:
        if len(table.axes) != 2 or name not in (axis.variable for axis in table.axes):
            continue
        side = 0 if table.axes[0].variable == name else 1
        sums = table.counts.sum(axis=1 - side)
        labels = table.axes[side].labels
        spans = [parse_range(label) for label in labels]
        found = [
            (span, float(count) / profile.n_units)
            for span, count in zip(spans, sums, strict=True)
            if span is not None and not np.isnan(count)
        ]
        if found:
            return found
    return []


def _numbers(name: str, size: int, kind: str) -> LevelVariable:
    return LevelVariable(name, tuple(str(k) for k in range(size)), kind)


def _listed_histogram(made: Draft, code_set: CodeSet, prevalence: FloatArray) -> FloatArray:
    assert code_set.listed is not None
    n = made.profile.n_units
    share = fill_margin(code_set.listed, n)
    mean, wanted = float(share @ np.arange(len(share))), float(prevalence.sum())
    slack = len(prevalence) * tolerance(code_set.half_width, code_set.sigma, n)
    free = np.isnan(code_set.listed)
    if abs(mean - wanted) > 1e-9:
        if not free.any() and abs(mean - wanted) > slack:
            made.ledger.bent(f"{code_set.name} (mean of the histogram)", mean, wanted, "codes")
        share = tilt_to_mean(share, free, wanted)
        mean = float(share @ np.arange(len(share)))
        if abs(mean - wanted) > slack:  # the suppressed cells alone cannot bring the mean
            made.ledger.bent(f"{code_set.name} (mean of the histogram)", mean, wanted, "codes")
            share = tilt_to_mean(share, np.ones(len(share), bool), wanted)
    return share


def _unlisted_histogram(made: Draft, code_set: CodeSet) -> FloatArray | None:
    printed = code_set.unlisted is not None and not np.isnan(code_set.unlisted).all()
    if code_set.unlisted is not None and printed:
        share = fill_margin(code_set.unlisted, made.profile.n_units)
        if code_set.unlisted_per_unit is not None and np.isnan(code_set.unlisted).any():
            share = tilt_to_mean(share, np.isnan(code_set.unlisted), code_set.unlisted_per_unit)
        return share
    if code_set.unlisted_per_unit:
        mean = code_set.unlisted_per_unit
        made.ledger.notes.append(
            f"{code_set.name}: only the mean number of unlisted codes is printed; the shape of "
            "its distribution is assumed"
        )
        return spread_numbers(mean, int(10 * mean) + 10)
    return None


def _add_slots(
    made: Draft,
    code_set: CodeSet,
    index: int,
    prevalence: FloatArray,
    count: int,
    unlisted: int | None,
    repeats: bool,
    unlisted_share: float,
) -> None:
    n = made.profile.n_units
    j = len(code_set.codes)
    main, share_main = None, None
    if code_set.main is not None:
        shares = code_set.main / n
        left = 1.0 if code_set.main_unlisted is None else code_set.main_unlisted / n
        if code_set.main_unlisted is None or np.isnan(left):
            known = np.nansum(shares)
            none = float(made.shares[count][0]) if unlisted is None and not repeats else 0.0
            left = max(1.0 - known - none, 0.0) if (unlisted is not None or repeats) else 0.0
        unknown = np.isnan(shares)
        if unknown.any():
            room = max(1.0 - float(np.nansum(shares)) - left, 0.0)
            shares = np.where(unknown, min(room / unknown.sum(), 5 / n), shares)
        share_main = np.append(np.minimum(shares, prevalence), left)
        made.variables.append(
            LevelVariable(f"{code_set.name}.main", (*code_set.codes, UNLISTED, NO_MAIN), "main")
        )
        made.shares.append(np.append(share_main, max(1.0 - share_main.sum(), 0.0)))
        main = len(made.variables) - 1
        made.times[f"{code_set.name}.main"] = len(made.nodes)
    made.times[code_set.name] = len(made.nodes)
    with np.errstate(divide="ignore"):
        base = np.log(np.append(prevalence, unlisted_share if repeats else 0.0))
        base_main = None if share_main is None else np.log(share_main)
    made.nodes.append(
        SlotNode(
            code_set=index,
            first_code=made.codes_before(len(made.nodes)),
            n_codes=j,
            count_variable=count,
            unlisted_variable=unlisted,
            main_variable=main,
            base=base,
            share=np.append(prevalence, unlisted_share),
            base_main=base_main,
            share_main=share_main,
            pairs=np.zeros((j, j)),
            pair_target=np.full((j, j), np.nan),
            pair_hard=np.zeros((j, j), bool),
            unlisted_repeats=repeats,
        )
    )
