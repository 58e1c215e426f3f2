r"""The audit asks whether a reader of the release can work out a small count.

Let T be the threshold, and call a count *small* when it is at least 1 and stands for fewer
than T distinct patients.  Small counts are known to the owner only.  With the bounds of
:mod:`llmsyn.disclosure.bounds` for every count, printed or derivable:

* test (a), a reader who does not know the rule of suppression: no small count has an upper
  bound below T, and no small count that is left out has a lower bound above 1.  (What is left
  out are cells of the release.  A table of which nothing is printed is not in it, nor is a
  code for which a table prints nothing: these counts are derivable, like complements, with
  the lower bounds that the margins give them anyway);
* test (b), a reader who knows the rule, and even which cells are left out because they are
  small (complementary ones apart): no small count is determined.  Each such cell is given
  to lie in 1..T-1, or in 0..T-1 where zeros are left out too;
* groups: the cells that are left out of one published sum are at least T patients together,
  or nobody.

Without the measurement (an audit of somebody else's profile, from outside) it is unknown
which counts are small.  Then a count is reported when the release *proves* that it lies in
1..T-1.

What the tests do not cover: knowledge from outside the releases (that a certain patient is
in the data), and combinations of many tables through the existence of a joint table, beyond
sums, nesting and triangle inequalities.  Linear programs treat counts as real numbers, which
gives ranges that are never too narrow, and for tables with two axes exact.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from llmsyn.disclosure.bounds import Active, Block, Bounds, Program, blocks, propagate
from llmsyn.disclosure.findings import AuditResult, Finding, Kind
from llmsyn.disclosure.proofs import Side, proof
from llmsyn.disclosure.ranges import Points, Ranges
from llmsyn.disclosure.settings import Settings
from llmsyn.disclosure.statements import statements
from llmsyn.disclosure.system import BoolArray, IntArray, N, System, Tier
from llmsyn.disclosure.tails import pooled_like, tail_findings
from llmsyn.disclosure.triangles import Triangles
from llmsyn.disclosure.views import Truth, mean_half_width, owner_view, published
from llmsyn.profile.types import Profile


def audit(
    profile: Profile,
    settings: Settings,
    *,
    units: Profile | None = None,
    patients: Profile | None = None,
    earlier: tuple[Profile, ...] = (),
) -> AuditResult:
    """Audit a release as it is printed.

    Parameters
    ----------
    profile : the release; all that the attacker sees.
    settings : threshold and zeros.
    units, patients : the exact measurement of the same form, in units and in distinct
        patients; without them the audit is one from outside.
    earlier : earlier releases of the same population, known to the attacker as well.

    Raises
    ------
    ContradictionError : the releases contradict each other.
    """
    start = time.perf_counter()
    releases = (profile, *earlier)
    if units is None:
        system, truth, thin = statements(*releases), None, []
    else:
        units, patients = pooled_like(profile, units, patients or units, settings)
        # Written as one more release, the measurement may have tables that were left out.
        system = statements(*releases, units)
        truth = owner_view(only(system, -1), units, patients)
        thin = tail_findings(units, patients, settings)
    auditor = Auditor(system, truth, settings)
    found = auditor.run(published(system, releases))
    return auditor.result((*found, *thin), time.perf_counter() - start)


def only(system: System, release: int) -> System:
    """The same statements, with the printed cells of one of its releases."""
    return replace(
        system,
        slots=(system.slots[release],),
        means=(system.means[release],),
        code_axes=(system.code_axes[release],),
    )


@dataclass(eq=False)
class Auditor:
    """The tests on one system; suppression runs them again after every step.

    Attributes
    ----------
    truth : the owner's view, or None from outside.
    """

    system: System
    truth: Truth | None
    settings: Settings

    def __post_init__(self) -> None:
        self.small: BoolArray = (
            np.zeros(self.system.n_unknowns, dtype=bool)
            if self.truth is None
            else self.truth.small(self.system, self.settings.threshold)
        )
        self.triangles = Triangles.of(self.system)
        self.pairs = self._pairs_that_matter()
        ids = [ids[ids >= 0].ravel() for ids in self.system.slots[0].values()]
        self.cells: IntArray = np.unique(np.concatenate(ids))
        self._known: BoolArray = np.zeros(self.system.n_unknowns, dtype=bool)
        self._left_out = self._known
        self._sums = self.system.sums()
        truth = np.full(self.system.n_unknowns, np.nan)
        self._points = Points(truth if self.truth is None else self.truth.units)
        self._n_printed = self._n_blocks = self._n_cyclic = self._n_programs = 0

    def _pairs_that_matter(self) -> BoolArray:
        """Pairs of events of which one of the four cells is small; all of them from outside."""
        matter = np.ones(self.system.n_unknowns, dtype=bool)
        if self.truth is not None:
            rows = self.system.rows_about(np.flatnonzero(self.small))
            at, _ = self.system.entries(rows[self.system.plain[rows]])
            matter = self.small.copy()
            matter[self.system.matrix.indices[at]] = True
        return matter

    def result(self, findings: tuple[Finding, ...], seconds: float) -> AuditResult:
        """The findings of the last run with its figures."""
        return AuditResult(
            findings=findings,
            n_printed=self._n_printed,
            n_suppressed=len(self.cells) - self._n_printed,
            n_protected=int(self.system.protected.sum()),
            n_small=int(self.small.sum()),
            n_blocks=self._n_blocks,
            n_cyclic=self._n_cyclic,
            n_programs=self._n_programs,
            seconds=seconds,
        )

    def run(self, given: Bounds, *, thorough: bool = True) -> list[Finding]:
        """All tests on what is published; linear programs only where nothing cheaper fails.

        Parameters
        ----------
        given : bounds that the printed numbers state, from
            :func:`llmsyn.disclosure.views.published`.
        thorough : whether to go on to triangles where sums alone prove something.  Without
            findings, a run that is not thorough is as good as one that is.
        """
        known = self._known = self.known(given)
        self._left_out = self._offered(known)
        self._n_printed = int(known[self.cells].sum())
        self._n_blocks = self._n_cyclic = self._n_programs = 0
        plain = propagate(self.system, given)
        told = None
        if self.truth is not None:
            told = propagate(self.system, self.informed(given, known))
        found = [] if thorough else self._by_bounds(given, known, plain, told)
        if not found:
            self.triangles.forget()
            told = None if told is None else self._with_triangles(told)
            plain = self._with_triangles(plain)
            found = self._by_bounds(given, known, plain, told)
        if found:
            return found
        if told is None:
            return list(self._programs(plain, known, "certain"))
        return [*self._programs(told, known, "b"), *self._programs(plain, known, "a")]

    def _by_bounds(
        self, given: Bounds, known: BoolArray, plain: Bounds, told: Bounds | None
    ) -> list[Finding]:
        """Whatever fails by bounds of single statements; ``told`` are those of test (b)."""
        found = [*self._printed(given, known), *self._narrow(plain)]
        if told is not None:
            found += [*self._determined(told, found), *self._groups(plain, known)]
        return found

    def _offered(self, known: BoolArray) -> BoolArray:
        """Cells of margins, of tables that say something, and there of codes they speak of.

        Returns
        -------
        (n_unknowns,)
        """
        offered = np.zeros(self.system.n_unknowns, dtype=bool)
        for release, slots in enumerate(self.system.slots):
            for slot, ids in slots.items():
                mine = ids >= 0
                if slot.place == "table":
                    says = self.system.says_something(release, slot, known)
                    axis = self.system.code_axes[release].get(slot)
                    others = tuple(a for a in range(ids.ndim) if a != axis)
                    mine &= says.any(axis=others, keepdims=True)
                offered[ids[mine]] = True
        return offered

    def known(self, given: Bounds) -> BoolArray:
        """Printed counts, by any of the releases in the system: (n_unknowns,)."""
        width = np.full(self.system.n_unknowns, 2 * self.settings.half_width + 0.5)
        for means in self.system.means:
            width[list(means.values())] = 2 * mean_half_width(float(given.upper[N])) + 1
        known: BoolArray = self.system.tier > Tier.DERIVED
        return known & (given.upper - given.lower <= width)

    def _with_triangles(self, bounds: Bounds) -> Bounds:
        """Propagated bounds after one look at triangle inequalities, propagated again."""
        tighter = self.triangles.tighten(bounds, self.settings.threshold, self.pairs)
        return bounds if tighter is None else propagate(self.system, tighter)

    def informed(self, given: Bounds, known: BoolArray) -> Bounds:
        """What a reader knows who is told which cells were left out because they are small."""
        assert self.truth is not None
        limit = self.settings.threshold - 1
        lower, upper = given.lower.copy(), given.upper.copy()
        told = self.cells[self._left_out[self.cells] & ~known[self.cells]]
        told = told[self.truth.patients[told] <= limit]
        told = told[self.truth.units[told] <= limit]
        if self.settings.zeros_published:  # a zero that is left out protects others
            told = told[self.truth.units[told] >= 1]
        upper[told] = np.minimum(upper[told], limit)
        if self.settings.zeros_published:
            lower[told] = np.maximum(lower[told], 1.0)
        return Bounds.given(lower, upper)

    # -- the tests -------------------------------------------------------------------------

    def _printed(self, given: Bounds, known: BoolArray) -> Iterator[Finding]:
        limit = self.settings.threshold - 1
        if self.truth is None:
            bad = known & (given.lower >= 1) & (given.upper <= limit) & self.system.protected
        else:
            bad = known & self.small
        for i in np.flatnonzero(bad):
            yield self._finding("printed", int(i), given)

    def _narrow(self, bounds: Bounds) -> Iterator[Finding]:
        """Test (a), or what is proven small, by propagated bounds."""
        limit = self.settings.threshold - 1
        if self.truth is None:
            bad = self.system.protected & (bounds.lower >= 1) & (bounds.upper <= limit)
        else:
            too_sure = (bounds.lower > 1) & self._left_out
            bad = self.small & ((bounds.upper <= limit) | too_sure)
        kind: Kind = "certain" if self.truth is None else "a"
        for i in np.flatnonzero(bad):
            side: Side = "upper" if bounds.upper[i] <= limit else "lower"
            yield self._finding(kind, int(i), bounds, self._why(int(i), side, bounds))

    def _determined(self, bounds: Bounds, before: list[Finding]) -> Iterator[Finding]:
        """Test (b), by propagated bounds."""
        seen = {finding.unknown for finding in before}
        for i in np.flatnonzero(self.small & bounds.fixed):
            if int(i) not in seen:
                why = self._why(int(i), "upper", bounds) | self._why(int(i), "lower", bounds)
                yield self._finding("b", int(i), bounds, why)

    def _groups(self, bounds: Bounds, known: BoolArray) -> Iterator[Finding]:
        """Cells that are left out of one published sum, as a group."""
        assert self.truth is not None
        rows, total, row, part = self._sums
        printed, known = known, known | bounds.fixed
        hidden = ~known[part]
        n = len(rows)
        units = np.bincount(row, np.where(hidden, self.truth.units[part], 0.0), n)
        largest = np.zeros(n)
        np.maximum.at(largest, row[hidden], self.truth.patients[part[hidden]])
        shown = np.bincount(row, np.where(hidden, 0.0, self.truth.patients_most[part]), n)
        patients = np.fmax(largest, self.truth.patients[total] - shown)
        some = np.bincount(row, hidden, n) > 0
        with np.errstate(invalid="ignore"):
            bad = some & known[total] & (units >= 1) & (patients < self.settings.threshold)
        for i in np.flatnonzero(bad):
            parts = self.system.members(int(rows[i]))
            parts = parts[parts != total[i]]
            leaves = {int(m): 1 for m in parts if printed[m]}
            # What is not printed and yet known is known from elsewhere.
            concluded = [int(m) for m in (*parts, total[i]) if known[m] and not printed[m]]
            for member in concluded:
                behind = self._why(member, "upper", bounds) or self._why(member, "lower", bounds)
                leaves = {**{m: k + 1 for m, k in behind.items()}, **leaves}
            yield self._finding("group", int(parts[~known[parts]][0]), bounds, leaves)

    def _programs(self, bounds: Bounds, known: BoolArray, kind: Kind) -> Iterator[Finding]:
        """The same tests in blocks with cycles, by linear programs."""
        cut = blocks(self.system, bounds, known)
        cyclic = [block for block in cut if not block.is_tree]
        self._n_blocks, self._n_cyclic = len(cut), len(cyclic)
        for block, points in zip(cyclic, self._points.touching(cyclic)):
            yield from self._block(block, bounds, kind, points)

    def _block(
        self, block: Block, bounds: Bounds, kind: Kind, points: list[int]
    ) -> Iterator[Finding]:
        wanted = self.small if self.truth is not None else self.system.protected
        targets = np.flatnonzero(wanted[block.inner])
        if not targets.size:
            return
        program = Program(self.system, block, bounds)
        columns = program.columns
        is_cell = self._left_out[columns[targets]]
        ranges = Ranges(program, targets, is_cell, self.settings.threshold, kind, self._points.keep)
        if self.truth is not None:
            ranges.see(self.truth.units[columns])
        for number in points:
            point = self._points.at(number, columns)
            if program.allows(point):
                ranges.see(point)
        for unknown, low, high, active in ranges.failures():
            narrow = Bounds.given(bounds.lower.copy(), bounds.upper.copy())
            narrow.lower[unknown], narrow.upper[unknown] = low, high
            yield self._finding(kind, unknown, narrow, self._leaves(active, bounds))
        self._n_programs += program.solved

    def _leaves(self, active: Active, bounds: Bounds) -> dict[int, int]:
        """Printed counts behind the statements and bounds that hold a program's optimum."""
        members = self.system.matrix[active.statements].indices
        leaves = {int(m): 1 for m in members if self._known[m]}
        for member in members[bounds.fixed[members] & ~self._known[members]].tolist():
            for end in ("lower", "upper"):
                behind = self._why(member, end, bounds)
                leaves = {**{m: k + 1 for m, k in behind.items()}, **leaves}
        for ends, side in ((active.lower, "lower"), (active.upper, "upper")):
            for unknown in ends[~self._known[ends]]:
                behind = self._why(int(unknown), "lower" if side == "lower" else "upper", bounds)
                leaves = {**{m: k + 1 for m, k in behind.items()}, **leaves}
        return leaves

    def _why(self, unknown: int, side: Side, bounds: Bounds) -> dict[int, int]:
        return proof(self.system, bounds, self._known, self.triangles, unknown, side)

    def _finding(
        self, kind: Kind, unknown: int, bounds: Bounds, proven: Mapping[int, int] | None = None
    ) -> Finding:
        return Finding(
            kind=kind,
            cell=self.system.name(unknown),
            lower=float(bounds.lower[unknown]) + 0.0,
            upper=float(bounds.upper[unknown]) + 0.0,
            truth=None if self.truth is None else float(self.truth.units[unknown]),
            unknown=unknown,
            proof=proven or {},
        )
