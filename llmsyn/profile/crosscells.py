"""Findings on cross-tables: cells that no population with these margins can have."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

from llmsyn.profile.finding import Finding, error_at
from llmsyn.profile.margins import Margin, margin_of, slack_of
from llmsyn.profile.places import Source
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.totals import share_text, tolerance
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet, FloatArray

MOST = 20
"""Findings of one kind that are listed for one table; the rest is counted."""


def cell_findings(profile: Profile, source: Source) -> Iterator[Finding]:
    """Cells, sums and rules that contradict the margins.

    Parameters
    ----------
    profile : its tables name known variables and labels only.
    source : where its numbers stand.
    """
    for i, table in enumerate(profile.tables):
        margins = [margin_of(profile, axis) for axis in table.axes]
        yield from _capped(_cells(profile, table, margins, i, source), i, source)
        yield from _capped(_sums(profile, table, margins, i, source), i, source)
        if table.is_pairs:
            yield from _all_pairs(profile, table, i, source)
    yield from _rules(profile, source)


def _capped(findings: Iterator[Finding], i: int, source: Source) -> Iterator[Finding]:
    """The first few, then how many there are more."""
    more = 0
    for k, finding in enumerate(findings):
        if k < MOST:
            yield finding
        else:
            more += 1
    if more:
        yield error_at(source.key(f"#{i}"), f"{more} more findings of the same kind in this table")


def _cells(
    profile: Profile, table: Table, margins: list[Margin], i: int, source: Source
) -> Iterator[Finding]:
    """Cells above a margin, or below what the margins force (the Frechet bounds)."""
    own = tolerance(profile, table.half_width, table.sigma, 1)
    counts = np.triu(table.counts, 1) if table.is_pairs else table.counts
    grids = [_along(m.counts, axis, counts.ndim) for axis, m in enumerate(margins)]
    slacks = [_along(m.slack, axis, counts.ndim) for axis, m in enumerate(margins)]
    for axis, (grid, slack) in enumerate(zip(grids, slacks)):
        for cell in _where(counts > grid + slack + own):
            label = table.axes[axis].labels[cell[axis]]
            margin = float(margins[axis].counts[cell[axis]])
            yield error_at(
                source.entry(f"#{i}", *cell),
                f"{_name(table, cell)}: count {counts[cell]:,.6g} is above the {margin:,.6g} of "
                f"{table.axes[axis].variable}={label}; correct one of the two",
            )
    for cell in _where(counts < -own):
        yield error_at(
            source.entry(f"#{i}", *cell),
            f"{_name(table, cell)}: count {counts[cell]:,.6g} is below 0; correct it",
        )
    least = np.asarray(sum(grids) - (counts.ndim - 1) * profile.n_units)
    short = np.asarray(counts < least - sum(slacks) - own)
    if table.is_pairs:
        short = np.triu(short, 1)
    for cell in _where(short):
        yield error_at(
            source.entry(f"#{i}", *cell),
            f"{_name(table, cell)}: count {counts[cell]:,.6g} is too small, as the counts of its "
            f"labels overlap in at least {float(least[cell]):,.6g} units; correct one of them",
        )


def _sums(
    profile: Profile, table: Table, margins: list[Margin], i: int, source: Source
) -> Iterator[Finding]:
    """Sums over the other axes against the margin of one axis."""
    if table.is_pairs:
        return
    for axis, margin in enumerate(margins):
        others = tuple(k for k in range(table.counts.ndim) if k != axis)
        if not all(margins[k].exclusive for k in others):
            continue
        total = np.nansum(table.counts, axis=others)
        n_terms = (~np.isnan(table.counts)).sum(axis=others)
        whole = np.asarray(~np.isnan(table.counts).any(axis=others))
        whole &= all(margins[k].complete for k in others)
        slack = margin.slack + [
            tolerance(profile, table.half_width, table.sigma, int(n)) for n in n_terms
        ]
        off = (total > margin.counts + slack) | (whole & (total < margin.counts - slack))
        # One cell above the margin is said as a cell already.
        off &= ~(
            np.nanmax(np.where(np.isnan(table.counts), 0, table.counts), axis=others)
            > margin.counts + slack
        )
        for j in np.flatnonzero(off):
            label = table.axes[axis].labels[j]
            most = "" if whole[j] else "at most "
            yield error_at(
                source.label(f"#{i}", axis, int(j)),
                f"the cells of {table.axes[axis].variable}={label} add up to {total[j]:,.6g} and "
                f"should add up to {most}{margin.counts[j]:,.6g}; correct a cell or the margin",
            )


def _all_pairs(profile: Profile, table: Table, i: int, source: Source) -> Iterator[Finding]:
    """A unit with k codes has k(k-1)/2 pairs, so the histogram bounds the sum of all pairs."""
    codes = profile[table.axes[0].variable]
    if not isinstance(codes, CodeSet) or codes.listed is None or np.isnan(codes.listed).any():
        return
    k = np.arange(len(codes.listed))
    pairs = k * (k - 1) / 2
    cells = np.triu(table.counts, 1)
    total, most = float(np.nansum(cells)), float(pairs @ codes.listed)
    known = int((~np.isnan(cells)).sum())
    slack = tolerance(profile, table.half_width, table.sigma, known)
    slack += tolerance(profile, codes.half_width, codes.sigma, pairs)
    if total > most + slack:
        yield error_at(
            source.last(f"#{i}"),
            f"the pairs add up to {total:,.6g} and the histogram of listed codes leaves room for "
            f"{most:,.6g}; correct a pair or the histogram",
        )


def _rules(profile: Profile, source: Source) -> Iterator[Finding]:
    """Rules that a published number contradicts."""
    for i, rule in enumerate(profile.rules):
        axes = [Axis(term.variable, (str(term.value),)) for term in rule.never]
        margins = [margin_of(profile, axis) for axis in axes]
        total = sum(float(m.counts[0]) for m in margins)
        slack = sum(float(m.slack[0]) for m in margins) + tolerance(profile, 0, 0, 0)
        most = (len(axes) - 1) * profile.n_units
        if total > most + slack:
            yield error_at(
                source.key(f"!{i}"),
                f"the rule never holds together, but its terms count {share_text(profile, total)} "
                f"and at most {most:,.6g} could exclude each other; correct the rule or a count",
            )
        for first, second in combinations(axes, 2):
            if len(axes) == 2:
                yield from _ruled_cell(profile, first, second, i, source)


def _ruled_cell(
    profile: Profile, first: Axis, second: Axis, i: int, source: Source
) -> Iterator[Finding]:
    for t, table in enumerate(profile.tables):
        names = [axis.variable for axis in table.axes]
        if len(names) != 2 or {first.variable, second.variable} != set(names):
            continue
        ordered = (first, second) if names[0] == first.variable else (second, first)
        if any(a.labels[0] not in axis.labels for a, axis in zip(ordered, table.axes)):
            continue
        cell = tuple(axis.labels.index(a.labels[0]) for a, axis in zip(ordered, table.axes))
        if table.counts[cell] > slack_of(table.half_width, table.sigma):
            yield error_at(
                source.entry(f"#{t}", *cell),
                f"{_name(table, cell)}: count {table.counts[cell]:,.6g}, but rule {i} says that "
                "this never happens; correct the cell or the rule",
            )


def _along(values: FloatArray, axis: int, ndim: int) -> FloatArray:
    shape = [1] * ndim
    shape[axis] = -1
    return values.reshape(shape)


def _where(mask: npt.NDArray[np.bool_]) -> Iterator[tuple[int, ...]]:
    for cell in np.argwhere(mask):
        yield tuple(int(k) for k in cell)


def _name(table: Table, cell: tuple[int, ...]) -> str:
    return " x ".join(f"{axis.variable}={axis.labels[k]}" for axis, k in zip(table.axes, cell))
