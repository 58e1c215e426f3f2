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
    BoolArray,
    CodeList,
    FloatArray,
    LevelNode,
    LevelVariable,
    SlotNode,
)
from llmsyn.network.reconcile import (
    Ledger,
    fill_margin,
    tilt_to_mean,
    tolerance,
)
from llmsyn.network.settling import settle
from llmsyn.profile.tables import Table
from llmsyn.profile.terms import Range
from llmsyn.profile.totals import nothing_unlisted
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import UNLISTED, Categorical, CodeSet, Numeric

NO_MAIN = "(none)"
"""Level of ``X.main`` for a unit without a main code."""


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


def draft(profile: Profile, cuts: dict[str, set[float]], tables: Iterable[Table] = ()) -> Draft:
    """Lay out the nodes of a profile.

    Parameters
    ----------
    profile : the published numbers.
    tables : that will be laid on them: they say something of suppressed margins too.
    cuts : per numeric variable, numbers at which a rule changes; bins are split there, so
        that no value drawn within a bin can break the rule.
    """
    made = Draft(profile)
    settled = settle(profile, tables)
    for variable in settled.in_order:
        published = profile[variable.name]
        if isinstance(variable, CodeSet):
            assert isinstance(published, CodeSet)
            _note_assumed(made, published)
            _add_code_set(made, variable, published)
            continue
        if isinstance(variable, Numeric):
            level, counts = _split_bins(variable, cuts.get(variable.name, set()))
        else:
            level = LevelVariable(variable.name, variable.levels, "categorical")
            counts = variable.counts
        if not isinstance(published, CodeSet):
            _note_equal(made, published, variable.counts)
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


def _note_equal(made: Draft, published: Categorical | Numeric, settled: FloatArray) -> None:
    """Say that nothing is known of a variable, neither from its margin nor from tables."""
    nothing = len(settled) > 1 and bool(np.isnan(published.counts).all())
    known = settled[~np.isnan(settled)]
    if nothing and (not len(known) or np.ptp(known) < 1e-6 * made.profile.n_units):
        made.ledger.notes.append(
            f"{published.name}: no level is printed; all are drawn equally often"
        )


def _note_assumed(made: Draft, code_set: CodeSet) -> None:
    """Say which distributions of numbers of codes are assumptions."""
    if code_set.total is None and (code_set.listed is None or np.isnan(code_set.listed).all()):
        made.ledger.notes.append(
            f"{code_set.name}: no histogram of codes per unit is printed; its shape is assumed"
        )
    if nothing_unlisted(code_set):
        made.ledger.notes.append(
            f"{code_set.name}: main codes that are not listed are left out, as nothing says how "
            "many such codes units have"
        )
    if code_set.unlisted is None and code_set.unlisted_per_unit and code_set.total is None:
        made.ledger.notes.append(
            f"{code_set.name}: only the mean number of unlisted codes is printed; the shape of "
            "its distribution is assumed"
        )


def _add_code_set(made: Draft, code_set: CodeSet, published: CodeSet) -> None:
    n = made.profile.n_units
    prevalence = code_set.counts / n
    repeats, unlisted_share, tail = False, np.nan, None
    if code_set.listed is not None:
        share = _listed_histogram(made, code_set, published, prevalence)
        if code_set.unlisted is not None:
            tail = fill_margin(code_set.unlisted, n)
    else:
        assert code_set.total is not None  # the profile's histograms were settled before
        repeats = True
        share = fill_margin(code_set.total, n)
        mean = float(share @ np.arange(len(share)))
        unlisted_share = mean - prevalence.sum()
        if unlisted_share < 0:
            made.ledger.bent(f"{code_set.name} (codes per unit)", mean, prevalence.sum(), "codes")
            share = tilt_to_mean(share, np.isnan(code_set.total), float(prevalence.sum()))
            unlisted_share = 0.0
    index = len(made.code_lists)
    made.code_lists.append(CodeList(code_set.name, code_set.codes))
    count = _add_level(made, _numbers(f"{code_set.name}.count", len(share), "count"), share)
    unlisted = None
    if tail is not None:
        name = f"{code_set.name}.unlisted"
        unlisted = _add_level(made, _numbers(name, len(tail), "unlisted"), tail)
    _add_slots(made, code_set, index, prevalence, count, unlisted, repeats, unlisted_share)


def _free(histogram: FloatArray | None, size: int) -> BoolArray:
    """Which of ``size`` numbers of codes are not printed."""
    free = np.ones(size, bool)
    if histogram is not None:
        known = np.isnan(histogram[:size])
        free[: len(known)] = known
    return free


def _listed_histogram(
    made: Draft, code_set: CodeSet, published: CodeSet, prevalence: FloatArray
) -> FloatArray:
    """Shares of the number of listed codes, whose mean is the sum of the prevalences."""
    assert code_set.listed is not None
    share = fill_margin(code_set.listed, made.profile.n_units)
    mean, wanted = float(share @ np.arange(len(share))), float(prevalence.sum())
    if abs(mean - wanted) < 1e-9:
        return share
    slack = len(prevalence) * tolerance(code_set.half_width, code_set.sigma, made.profile.n_units)
    if abs(mean - wanted) > slack:  # the suppressed cells alone cannot bring the mean
        made.ledger.bent(f"{code_set.name} (mean of the histogram)", mean, wanted, "codes")
    free = _free(published.listed, len(share))
    moved = tilt_to_mean(share, free, wanted)
    if abs(float(moved @ np.arange(len(share))) - wanted) > 1e-9:
        moved = tilt_to_mean(share, np.ones(len(share), bool), wanted)
    return moved


def _numbers(name: str, size: int, kind: str) -> LevelVariable:
    return LevelVariable(name, tuple(str(k) for k in range(size)), kind)


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
    j = len(code_set.codes)
    main = None
    share_main = None
    if code_set.main is not None and code_set.main_unlisted is not None:
        n = made.profile.n_units
        share_main = np.append(
            np.minimum(code_set.main / n, prevalence), code_set.main_unlisted / n
        )
    if share_main is not None:
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
