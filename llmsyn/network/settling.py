r"""Suppressed margins, from everything that is printed about them.

Where a level's count is suppressed, tables of the variable with others may still print most
of its units, and the prevalences of codes give the mean of the number of codes.  All of it
was counted on the same people, so one set of shares meets it all.  It is found by averaged
projections: each table is filled by iterative proportional fitting to its present margins,
printed cells kept; the sums that come out are proposals for the margins, which are averaged,
and put back on what is printed of the margin itself (levels, total, mean).  For projections
in the sense of Kullback and Leibler this converges to a point of the intersection where
there is one (Csiszar 1975, doi 10.1214/aop/1176996454; averaged, as in Censor and Segal 2009,
doi 10.1515/9783110213362); where there is none, the compile names the contradiction later.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from llmsyn.network.model import BoolArray, FloatArray
from llmsyn.network.printed import half_threshold, prevalences, printed_of_levels
from llmsyn.network.reconcile import assumed_numbers, scale, spread_numbers, tilt_to_mean
from llmsyn.profile.margins import cover_of
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import UNLISTED, Categorical, CodeSet, Numeric, Variable

ROUNDS = 400
"""Averaged projections at most."""

_CLOSE = 1e-6
_INNER = 4  # proportional fits of a table in each round: the margins move all the time
_FULL = 0.8  # of its length that the mean of a tail may be
_NOBODY = 0.3  # units, fewer of which are nobody
_FLOOR = 1e-9  # share below which a level is left alone


@dataclass
class _Margin:
    """Shares of the levels of one variable on their way; ``printed`` ones stay."""

    share: FloatArray  # (n_levels,)
    printed: FloatArray  # (n_levels,) NaN where suppressed
    mean: float | None = None  # of the numbers 0, 1, 2, ... that the levels stand for

    def settle(self, proposal: FloatArray) -> float:
        """Take a proposal as far as printed levels, total and mean allow; how far it moved."""
        free = np.isnan(self.printed)
        left = max(1.0 - float(np.nansum(self.printed)), 0.0)
        wanted = np.where(free, np.maximum(proposal, _FLOOR), 0.0)
        moved = np.where(free, wanted * left / wanted.sum(), self.printed)
        if self.mean is not None and left > 0:
            moved = tilt_to_mean(moved, free, self.mean)
        distance = float(np.abs(moved - self.share).max())
        self.share = moved
        return distance


@dataclass(eq=False)
class _Link:
    """A table between two margins; a last label stands for levels that none covers."""

    names: tuple[str, str]
    covers: tuple[FloatArray, FloatArray]  # (n_labels, n_levels) of either axis
    printed: FloatArray  # (n_rows, n_columns) shares, NaN where suppressed
    fitted: FloatArray | None = None  # suppressed cells as they were fitted last

    def propose(self, margins: dict[str, _Margin]) -> tuple[FloatArray, FloatArray]:
        """Shares of both margins that would go with the table: (n_levels,) each."""
        shares = [margins[name].share for name in self.names]
        sums = [cover @ share for cover, share in zip(self.covers, shares, strict=True)]
        unknown = np.isnan(self.printed)
        known = np.where(unknown, 0.0, self.printed)
        rows = np.maximum(sums[0] - known.sum(1), _FLOOR)
        columns = np.maximum(sums[1] - known.sum(0), _FLOOR)
        # Each fit goes on from the last: fits that begin anew and end early drift, round by round.
        start = np.outer(rows, columns) if self.fitted is None else self.fitted
        free = np.where(unknown, start, 0.0)
        by_rows = scale(free, rows, columns, _INNER)
        by_columns = scale(free.T, columns, rows, _INNER).T
        self.fitted = (by_rows + by_columns) / 2
        wanted = known.sum(1) + by_columns.sum(1), known.sum(0) + by_rows.sum(0)
        first, second = (
            share * (cover.T @ (want / np.maximum(total, _FLOOR)))
            for share, cover, want, total in zip(shares, self.covers, wanted, sums, strict=True)
        )
        return first, second


def settle(profile: Profile, tables: Iterable[Table]) -> Profile:
    """Fill the suppressed counts of levels and the histograms of codes per unit.

    Parameters
    ----------
    profile : with suppressed counts (NaN), or histograms that are not printed at all.
    tables : that the network will be given; two-way tables of levels are read.

    Returns
    -------
    The profile with complete margins.  A count that was printed is as it was; so is a
    variable of which neither a histogram nor a mean is known.
    """
    tables = tuple(tables)
    published = profile
    profile = replace(
        profile, variables=tuple(_with_counts(profile, v, tables) for v in profile.variables)
    )
    guessed = {
        c.name: np.isnan(published[c.name].counts) & (c.counts <= half_threshold(profile))
        for c in profile.code_sets
    }
    margins = _margins(profile, guessed, tables)
    hidden = {name for name, margin in margins.items() if np.isnan(margin.printed).any()}
    links = [
        link
        for table in tables
        if (link := _link(profile, margins, table)) is not None and hidden.intersection(link.names)
    ]
    for _ in range(ROUNDS):
        proposals: dict[str, list[FloatArray]] = {}
        for link in links:
            for name, proposal in zip(link.names, link.propose(margins), strict=True):
                if name in hidden:
                    proposals.setdefault(name, []).append(proposal)
        moved = [margins[name].settle(np.mean(found, axis=0)) for name, found in proposals.items()]
        if max(moved, default=0.0) < _CLOSE:
            break
    filled = (_filled(v, margins, profile.n_units) for v in profile.variables)
    variables = tuple(_with_rest(v, guessed) for v in filled)
    return replace(profile, variables=variables)


def _with_rest(variable: Variable, guessed: dict[str, BoolArray]) -> Variable:
    """Codes of which nothing is printed share what the histogram leaves of all codes."""
    if not isinstance(variable, CodeSet) or variable.listed is None:
        return variable
    unknown = guessed[variable.name]
    if not unknown.any():
        return variable
    total = float(variable.listed @ np.arange(len(variable.listed)))
    rest = (total - float(variable.counts[~unknown].sum())) / int(unknown.sum())
    most = float(variable.listed.sum())
    counts = np.where(unknown, np.clip(rest, variable.counts, 0.98 * most), variable.counts)
    return replace(variable, counts=counts)


def _with_counts(profile: Profile, variable: Variable, tables: tuple[Table, ...]) -> Variable:
    """A code set with a count for every code, and histograms as long as they may get."""
    if not isinstance(variable, CodeSet):
        return variable
    variable = replace(variable, counts=prevalences(profile, variable, tables))
    listed, unlisted = variable.listed, variable.unlisted
    if listed is None and variable.total is None:
        listed = np.full(len(variable.codes) + 1, np.nan)
    if unlisted is None and variable.unlisted_per_unit and variable.total is None:
        unlisted = np.full(int(10 * variable.unlisted_per_unit) + 11, np.nan)
    n_units = max(profile.n_units, 1.0)
    return replace(
        variable,
        listed=_with_room(listed, float(variable.counts.sum()), n_units),
        unlisted=_with_room(unlisted, (variable.unlisted_per_unit or 0.0) * n_units, n_units),
    )


def _with_room(histogram: FloatArray | None, n_codes: float, n_units: float) -> FloatArray | None:
    """Lengthen a histogram whose tail is kept back until the number of codes fits into it."""
    if histogram is None or not np.isnan(histogram[-1]):
        return histogram
    mass = n_units - float(np.nansum(histogram))
    if mass <= 0:
        return histogram
    printed = float(np.nan_to_num(histogram) @ np.arange(len(histogram)))
    mean = (n_codes - printed) / mass  # of the units whose number is not printed
    if mean <= _FULL * (len(histogram) - 1):
        return histogram
    return np.append(histogram, np.full(int(2 * mean) + 1 - len(histogram) + 1, np.nan))


def _margins(
    profile: Profile, guessed: dict[str, BoolArray], tables: tuple[Table, ...]
) -> dict[str, _Margin]:
    """Every level variable, started from what is printed of it."""
    n, found = profile.n_units, {}
    small = half_threshold(profile) / n
    for variable in profile.variables:
        if isinstance(variable, Categorical):
            shape = printed_of_levels(profile, variable, tables)
            found[variable.name] = _start(variable.counts / n, None, shape)
        elif isinstance(variable, Numeric):
            found[variable.name] = _start(np.append(variable.counts, variable.missing_count) / n)
        else:
            prevalence = variable.counts / n
            if variable.listed is not None:
                shape = assumed_numbers(prevalence)
                total = None if guessed[variable.name].any() else float(prevalence.sum())
                found[f"{variable.name}.count"] = _start(variable.listed / n, total, shape)
            if variable.unlisted is not None:
                most, mean = len(variable.unlisted) - 1, variable.unlisted_per_unit
                shape = spread_numbers(mean or most / 3, most)
                found[f"{variable.name}.unlisted"] = _start(variable.unlisted / n, mean, shape)
            if (main := _main_of(variable, n)) is not None:
                others = float(variable.unlisted is not None or variable.total is not None)
                none = 0.0 if others else float(found[f"{variable.name}.count"].share[0])
                shape = np.append(np.minimum(small, prevalence), [others, none])
                if main[-2] >= 0:  # unlisted main codes are printed, so listed ones get the rest
                    shape[:-2] = prevalence
                found[f"{variable.name}.main"] = _start(main, None, np.maximum(shape, _FLOOR))
    return found


def _main_of(variable: CodeSet, n: float) -> FloatArray | None:
    """Shares of (codes, unlisted, none) as the main code; None when none of it is printed."""
    if variable.main is None:
        return None
    last = np.nan if variable.main_unlisted is None else variable.main_unlisted
    shares = np.append(variable.main, [last, np.nan]) / n
    return None if np.isnan(shares).all() else shares


def _start(
    printed: FloatArray, mean: float | None = None, shape: FloatArray | None = None
) -> _Margin:
    margin = _Margin(np.nan_to_num(printed), printed, mean)
    if np.isnan(printed).any():
        first = np.ones(len(printed)) if shape is None else shape[: len(printed)]
        margin.settle(np.pad(first, (0, len(printed) - len(first))))
    return margin


def _link(profile: Profile, margins: dict[str, _Margin], table: Table) -> _Link | None:
    if len(table.axes) != 2 or any(axis.variable not in margins for axis in table.axes):
        return None
    covers = []
    for axis in table.axes:
        variable = profile[axis.variable]
        is_main = axis.facet == "main" and isinstance(variable, CodeSet)
        cover = _cover_of_main(variable, axis) if is_main else cover_of(variable, axis)
        if cover is None:
            return None
        rest = 1.0 - cover.sum(0)
        if (rest < 0).any():
            return None  # labels that overlap are no partition
        covers.append(np.vstack([cover, rest]) if rest.any() else cover)
    pad = [(0, len(c) - len(a.labels)) for c, a in zip(covers, table.axes, strict=True)]
    printed = np.pad(table.counts / profile.n_units, pad, constant_values=np.nan)
    names = (table.axes[0].variable, table.axes[1].variable)
    return _Link(names, (covers[0], covers[1]), printed)


def _cover_of_main(variable: Variable, axis: Axis) -> FloatArray:
    assert isinstance(variable, CodeSet)
    rank = {code: i for i, code in enumerate((*variable.codes, UNLISTED))}
    return np.eye(len(rank) + 1)[[rank[label] for label in axis.labels]]


def _filled(variable: Variable, margins: dict[str, _Margin], n: float) -> Variable:
    """The variable with the counts that were found."""
    if isinstance(variable, CodeSet):
        count = margins.get(f"{variable.name}.count")
        unlisted = margins.get(f"{variable.name}.unlisted")
        main = margins.get(f"{variable.name}.main")
        return replace(
            variable,
            main=None if main is None else main.share[:-2] * n,
            main_unlisted=None if main is None else float(main.share[-2]) * n,
            listed=None if count is None else _cut(count.share * n),
            unlisted=None if unlisted is None else _cut(unlisted.share * n),
        )
    counts = margins[variable.name].share * n
    if isinstance(variable, Categorical):
        return replace(variable, counts=counts)
    return replace(variable, counts=counts[:-1], missing_count=float(counts[-1]))


def _cut(histogram: FloatArray) -> FloatArray:
    """Leave out numbers of codes that nobody has; the end of the histogram with them."""
    kept = np.where(histogram < _NOBODY, 0.0, histogram)
    return kept[: int(np.flatnonzero(kept).max(initial=0)) + 1]
