r"""What a profile still says of a cohort that was re-weighted by a condition.

With the share *p* of a condition *C* moved to *q*, a cell *A* has the share

.. math:: \frac{q}{p} P(A \cap C) + \frac{1 - q}{1 - p} \big(P(A) - P(A \cap C)\big),

so it still follows from the profile where *A* and *A and C* are both published: in tables
that have the condition on an axis, and in the margins of their other axes.  Cells of exactly
nobody or everybody stay what they are.  All others are not comparable, and become unknown.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from llmsyn.checking.alignment import waived_cells
from llmsyn.checking.cells import Block, blocks
from llmsyn.errors import CohortError
from llmsyn.profile.condition import Reweight, published_units, refuse_unknown
from llmsyn.profile.margins import cover_of
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.types import Disclosure, Profile
from llmsyn.profile.variables import Categorical, CodeSet, FloatArray, Numeric, Variable

_FACETS = {"main": "main", "count": "listed", "unlisted": "unlisted", "total": "total"}


@dataclass(frozen=True, eq=False)
class Expected:
    """What is to be expected of a re-weighted cohort.

    Attributes
    ----------
    profile : counts as they follow; NaN where nothing follows.
    followed, left_out : published cells that can be compared, and those that cannot.
    magnified : how many times errors of the network's shares are larger than without it.
    """

    profile: Profile
    followed: int
    left_out: int
    magnified: float


def expected(published: Profile, reweight: Reweight, unmet: Collection[str] = ()) -> Expected:
    """The profile as a re-weighted cohort is to meet it.

    Parameters
    ----------
    unmet : cells that the profile's own numbers contradict; nothing is concluded from them.

    Raises
    ------
    CohortError : the profile does not say how many units meet the condition.
    InputError : the profile does not know the condition.
    """
    refuse_unknown(published, reweight.term)
    count = published_units(published, reweight.term)
    if count is None or not 0 < count < published.n_units:
        raise CohortError(
            f"the cohort was re-weighted by {reweight.term}, whose share {published.name} does "
            "not publish, so no cell can be compared; check a cohort without --reweight"
        )
    counting = _Counting(published, reweight, count, unmet)
    variables = tuple(counting.variable(v) for v in published.variables)
    tables = tuple(counting.table(t) for t in published.tables)
    noise = Disclosure(
        published.disclosure.method, epsilon=published.disclosure.epsilon,
        delta=published.disclosure.delta,
    )  # fmt: skip
    if noise.method != "differential_privacy":
        noise = Disclosure()  # what was suppressed need not be small any more
    found = replace(published, variables=variables, tables=tables, disclosure=noise)
    before, after = _known(published), _known(found)
    return Expected(found, after, before - after, max(counting.factors))


def _known(profile: Profile) -> int:
    return sum(int((b.counted & ~np.isnan(b.counts)).sum()) for b in blocks(profile))


class _Counting:
    """Counts of variables and tables, as they follow from those of the profile."""

    def __init__(
        self, profile: Profile, reweight: Reweight, count: float, unmet: Collection[str]
    ) -> None:
        self.profile = profile
        self.n = profile.n_units
        self.term = reweight.term
        self.factors = reweight.factors(count / profile.n_units)
        conditioned = profile[self.term.variable]
        self._precision = (conditioned.half_width, conditioned.sigma)
        # Of contradicting numbers the network meets none exactly, so nothing follows from them.
        self._trusted = {b.key: _trusted(b, unmet) for b in blocks(profile)}

    def table(self, table: Table) -> Table:
        """The cells in which the condition holds, or does not, by its axis."""
        counts = self._trusted_table(table)
        factor = np.full(counts.shape, np.nan)
        for i, axis in enumerate(table.axes):
            along = np.expand_dims(
                self._along(axis), tuple(k for k in range(counts.ndim) if k != i)
            )
            factor = np.where(np.isnan(factor), along, factor)
        half_width, sigma = self._precise((table.half_width, table.sigma))
        new = self._fixed(counts, counts * factor, table.half_width, table.sigma)
        return replace(table, counts=new, half_width=half_width, sigma=sigma, absent="unknown")

    def variable(self, variable: Variable) -> Variable:
        """Margins: of the condition itself, and of what has a table with it."""
        precisions = [(variable.half_width, variable.sigma)]
        precisions += [
            (t.half_width, t.sigma) for t in self.profile.tables
            if self.term.variable in {a.variable for a in t.axes}
        ]  # fmt: skip
        half_width, sigma = self._precise(*precisions)
        precise: dict[str, Any] = {"half_width": half_width, "sigma": sigma}
        own = blocks(replace(self.profile, variables=(variable,), tables=()))
        counts = {b.axes[0].variable: self._margin(b) for b in own}
        if isinstance(variable, Categorical):
            return replace(variable, counts=counts[variable.name], **precise)
        if isinstance(variable, Numeric):
            bins = counts[variable.name]
            return replace(variable, counts=bins[:-1], missing_count=float(bins[-1]), **precise)
        return self._codes(variable, counts, precise)

    def _codes(
        self, codes: CodeSet, counts: dict[str, FloatArray], precise: dict[str, Any]
    ) -> CodeSet:
        found: dict[str, Any] = {}
        for facet, name in _FACETS.items():
            if (values := counts.get(f"{codes.name}.{facet}")) is not None:
                found[name] = values
        main, last = found.pop("main", None), codes.main_unlisted
        if main is not None and last is not None:
            main, last = main[:-1], float(main[-1])
        # A histogram that does not follow is none, and nor does a mean number of codes follow.
        whole: dict[str, Any] = {k: None if np.isnan(v).any() else v for k, v in found.items()}
        new: CodeSet = replace(
            codes, counts=counts[codes.name], main=main, main_unlisted=last,
            unlisted_per_unit=None, **whole, **precise,
        )  # fmt: skip
        return new

    def _margin(self, block: Block) -> FloatArray:
        axis = block.axes[0]
        counts = self._trusted[block.key]
        having, lacking = self.factors
        direct = counts * self._along(axis)
        # Of what nobody has, nobody who meets the condition has it (numbers without missing ones).
        nobody = (counts == 0) & (block.sigma == 0)
        joint = np.where(nobody, 0.0, self._joint(axis))
        new = np.where(np.isnan(direct), having * joint + lacking * (counts - joint), direct)
        if block.kind in ("levels", "histogram"):
            # The distance of a whole variable needs every level that there was, and that of one
            # with an order says something of the levels in between too.
            variable = self.profile[axis.variable]
            nominal = isinstance(variable, Categorical) and not variable.ordered
            needed = ~np.isnan(block.counts) if nominal else np.ones(new.shape, bool)
            return np.full(new.shape, np.nan) if np.isnan(new[needed]).any() else new
        return self._fixed(counts, new, block.half_width, block.sigma)

    def _joint(self, axis: Axis) -> FloatArray:
        """``(n_labels,)`` units that have the label and the condition; NaN where unknown."""
        joint = np.full(len(axis.labels), np.nan)
        place = {label: i for i, label in enumerate(axis.labels)}
        for table in self.profile.tables:
            names = [a.variable for a in table.axes]
            if sorted(names) != sorted((self.term.variable, axis.variable)):
                continue
            with_term = names.index(self.term.variable)
            rows = self._covering(table.axes[with_term])
            if rows is None:
                continue
            sums = np.moveaxis(self._trusted_table(table), with_term, 0)[rows].sum(0)
            for label, value in zip(table.axes[1 - with_term].labels, sums, strict=True):
                if label in place and np.isnan(joint[place[label]]):
                    joint[place[label]] = value
        return joint

    def _along(self, axis: Axis) -> FloatArray:
        """What counts with a label are multiplied by; NaN where the label does not say."""
        found = np.full(len(axis.labels), np.nan)
        if axis.variable != self.term.variable:
            return found
        having, lacking = self.factors
        variable = self.profile[axis.variable]
        if isinstance(variable, CodeSet):
            # Other codes may or may not come with this one; other main codes do not.
            found[:] = np.nan if axis.facet is None else lacking
            found[[label == self.term.value for label in axis.labels]] = having
            return found
        inside, cover = self._inside(variable), cover_of(variable, axis)
        assert cover is not None
        covered, reached = cover @ inside, cover.sum(1)
        found[covered == 0] = lacking
        found[(covered == reached) & (reached > 0)] = having
        return found

    def _covering(self, axis: Axis) -> list[int] | None:
        """Labels of the condition's axis that make up the condition; None if they do not."""
        variable = self.profile[axis.variable]
        if isinstance(variable, CodeSet):
            rows = [i for i, label in enumerate(axis.labels) if label == self.term.value]
            return rows or None
        inside, cover = self._inside(variable), cover_of(variable, axis)
        assert cover is not None
        rows = [i for i in range(len(cover)) if (cover[i] <= inside).all() and cover[i].any()]
        return rows if (cover[rows].sum(0) == inside).all() else None

    def _inside(self, variable: Categorical | Numeric) -> FloatArray:
        found = cover_of(variable, Axis(variable.name, (str(self.term.value),)))
        assert found is not None
        inside: FloatArray = found[0]
        return inside

    def _trusted_table(self, table: Table) -> FloatArray:
        return self._trusted[tuple((a.variable, a.labels) for a in table.axes)]

    def _fixed(
        self, old: FloatArray, new: FloatArray, half_width: float, sigma: float
    ) -> FloatArray:
        """Counts of exactly nobody or everybody do not change."""
        sure = ((old == 0) | (old == self.n)) & (half_width == 0) & (sigma == 0)
        return np.asarray(np.where(sure, old, new), float)

    def _precise(self, *parts: tuple[float, float]) -> tuple[float, float]:
        """Bounds for the half width and the noise of counts that come from several."""
        both: Sequence[tuple[float, float]] = (*parts, self._precision)
        size = sum(self.factors)
        width = size * (both[0][0] + self._precision[0] + max(h for h, _ in both[1:]))
        spread = math.hypot(both[0][1], self._precision[1], max(s for _, s in both[1:]))
        return width, size * spread


def _trusted(block: Block, unmet: Collection[str]) -> FloatArray:
    waived = waived_cells(block, unmet)
    return block.counts if waived is None else np.where(waived, np.nan, block.counts)
