r"""The audit: can a reader of the release work out a small count?

Let T be the threshold, and call a count *small* when it is at least 1 and stands for fewer
than T distinct patients.  Small counts are known to the owner only.  With the bounds of
:mod:`llmsyn.disclosure.bounds` for every count, printed or derivable:

* test (a), a reader who does not know the rule of suppression: no small count has an upper
  bound below T, and no small count that a table left out has a lower bound above 1;
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
from llmsyn.disclosure.settings import Settings
from llmsyn.disclosure.statements import statements
from llmsyn.disclosure.system import BoolArray, IntArray, System, Tier
from llmsyn.disclosure.tails import tail_findings
from llmsyn.disclosure.triangles import Triangles
from llmsyn.disclosure.views import Truth, owner_view, published
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import FloatArray

_PROGRESS = 0.9  # go on with joint objectives while they vouch for a tenth of what is left
_SEED = 20090  # of the first objectives; any seed gives the same findings


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
        system, truth = statements(*releases), None
    else:
        # Written as one more release, the measurement may have tables that were left out.
        system = statements(*releases, units)
        truth = owner_view(only(system, -1), units, patients or units)
    auditor = Auditor(system, truth, settings)
    found = auditor.run(published(system, releases))
    if units is not None:
        found += tail_findings(units, patients or units, settings)
    return auditor.result(tuple(found), time.perf_counter() - start)


def only(system: System, release: int) -> System:
    """The same statements, with the printed cells of one of its releases."""
    return replace(system, slots=(system.slots[release],), means=(system.means[release],))


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
        self._n_printed = self._n_blocks = self._n_cyclic = self._n_programs = 0

    def _pairs_that_matter(self) -> BoolArray:
        """Pairs of events of which one of the four cells is small; all of them from outside."""
        matter = np.ones(self.system.n_unknowns, dtype=bool)
        if self.truth is not None:
            touching = abs(self.system.matrix[np.flatnonzero(self.system.plain)]) > 0
            near = touching.T @ (touching @ self.small.astype(np.int64) > 0).astype(np.int64)
            matter = self.small | (near > 0)
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

    def run(self, given: Bounds) -> list[Finding]:
        """All tests on what is published; linear programs only where nothing cheaper fails.

        Parameters
        ----------
        given : bounds that the printed numbers state, from
            :func:`llmsyn.disclosure.views.published`.
        """
        known = self._known = self.known(given)
        self._n_printed = int(known[self.cells].sum())
        self._n_blocks = self._n_cyclic = self._n_programs = 0
        plain = self.conclude(given)
        found = [*self._printed(given, known), *self._narrow(plain)]
        if self.truth is None:
            return found + ([] if found else list(self._programs(plain, known, "certain")))
        informed = self.conclude(self.informed(given, known))
        found += [*self._determined(informed, found), *self._groups(plain, known)]
        if not found:
            found += self._programs(plain, known, "a")
            found += self._programs(informed, known, "b")
        return found

    def known(self, given: Bounds) -> BoolArray:
        """Printed counts, by any of the releases in the system: (n_unknowns,)."""
        known: BoolArray = (self.system.tier > Tier.DERIVED) & (
            given.upper - given.lower <= 2 * self.settings.half_width + 0.5
        )
        return known

    def conclude(self, given: Bounds) -> Bounds:
        """Propagation, with triangle inequalities in between."""
        bounds = propagate(self.system, given)
        tighter = self.triangles.tighten(bounds, self.settings.threshold, self.pairs)
        return bounds if tighter is None else propagate(self.system, tighter)

    def informed(self, given: Bounds, known: BoolArray) -> Bounds:
        """What a reader knows who is told which cells were left out because they are small."""
        assert self.truth is not None
        limit = self.settings.threshold - 1
        lower, upper = given.lower.copy(), given.upper.copy()
        told = self.cells[~known[self.cells] & (self.truth.patients[self.cells] <= limit)]
        told = told[self.truth.units[told] <= limit]
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
            cell = self.system.tier > Tier.DERIVED
            bad = self.small & ((bounds.upper <= limit) | ((bounds.lower > 1) & cell))
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
        plain = np.flatnonzero(self.system.plain)
        rows = self.system.matrix[plain].tocoo()
        printed, known = known, known | bounds.fixed
        is_total = rows.data < 0
        total = np.zeros(len(plain), dtype=np.int64)
        total[rows.row[is_total]] = rows.col[is_total]
        row, part = rows.row[~is_total], rows.col[~is_total]
        hidden = ~known[part]
        n = len(plain)
        units = np.bincount(row, np.where(hidden, self.truth.units[part], 0.0), n)
        largest = np.zeros(n)
        np.maximum.at(largest, row[hidden], self.truth.patients[part[hidden]])
        shown = np.bincount(row, np.where(hidden, 0.0, self.truth.patients_most[part]), n)
        patients = np.fmax(largest, self.truth.patients[total] - shown)
        some = np.bincount(row, hidden, n) > 0
        with np.errstate(invalid="ignore"):
            bad = some & known[total] & (units >= 1) & (patients < self.settings.threshold)
        for i in np.flatnonzero(bad):
            parts = self.system.members(int(plain[i]))
            parts = parts[parts != total[i]]
            leaves = {int(m): 1 for m in parts if printed[m]}
            for member in parts[known[parts] & ~printed[parts]]:
                behind = self._why(int(member), "upper", bounds)
                leaves = {**{m: k + 1 for m, k in behind.items()}, **leaves}
            yield self._finding("group", int(parts[~known[parts]][0]), bounds, leaves)

    def _programs(self, bounds: Bounds, known: BoolArray, kind: Kind) -> Iterator[Finding]:
        """The same tests in blocks with cycles, by linear programs."""
        cut = blocks(self.system, bounds, known)
        self._n_blocks = len(cut)
        self._n_cyclic = sum(not block.is_tree for block in cut)
        for block in cut:
            if not block.is_tree:
                yield from self._block(block, bounds, kind)

    def _block(self, block: Block, bounds: Bounds, kind: Kind) -> Iterator[Finding]:
        wanted = self.small if self.truth is not None else self.system.protected
        targets = np.flatnonzero(wanted[block.inner])
        if not targets.size:
            return
        program = Program(self.system, block, bounds)
        range_ = _Range(self, program, targets, kind)
        if self.truth is not None:
            range_.see(self.truth.units[program.columns])
        for unknown, low, high, active in range_.failures():
            narrow = Bounds.given(bounds.lower.copy(), bounds.upper.copy())
            narrow.lower[unknown], narrow.upper[unknown] = low, high
            yield self._finding(kind, unknown, narrow, self._leaves(active, bounds))
        self._n_programs += program.solved

    def _leaves(self, active: Active, bounds: Bounds) -> dict[int, int]:
        """Printed counts behind the statements and bounds that hold a program's optimum."""
        members = self.system.matrix[active.statements].indices
        leaves = {int(m): 1 for m in members if self._known[m]}
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


class _Range:
    """What the solutions seen so far vouch for, in one block."""

    def __init__(self, auditor: Auditor, program: Program, targets: IntArray, kind: Kind) -> None:
        self.program, self.targets, self.kind = program, targets, kind
        self.unknowns = program.columns[targets]
        self.threshold = auditor.settings.threshold
        self.is_cell = auditor.system.tier[self.unknowns] > Tier.DERIVED
        self.active = Active.none()
        self.low = np.full(len(targets), np.inf)
        self.high = np.full(len(targets), -np.inf)

    def see(self, point: FloatArray) -> None:
        """Take note of a population that cannot be excluded."""
        mine = point[self.targets]
        self.low, self.high = np.fmin(self.low, mine), np.fmax(self.high, mine)

    def too_low(self) -> BoolArray:
        """Targets for which a larger value is still to be found."""
        if self.kind == "b":
            return self.high - self.low < 0.5
        short: BoolArray = self.high < self.threshold - 1e-4
        return short & ~(self.low < 1 - 1e-4) if self.kind == "certain" else short

    def too_high(self) -> BoolArray:
        """Targets for which a smaller value is still to be found."""
        if self.kind == "b":
            return self.high - self.low < 0.5
        if self.kind == "certain":
            return self.too_low()
        high: BoolArray = (self.low > 1 + 1e-4) & self.is_cell
        return high

    def failures(self) -> Iterator[tuple[int, float, float, Active]]:
        """Solve programs until every target is vouched for or found wanting."""
        rng = np.random.default_rng(_SEED)
        for sign, open_ in ((-1.0, self.too_low), (1.0, self.too_high)):
            left = int(open_().sum())
            while left:
                # Heavy-tailed weights: each solution pushes some targets far.
                self._solve(sign * open_() * rng.exponential(1.0, len(self.targets)) ** 3)
                before, left = left, int(open_().sum())
                if left > _PROGRESS * before:
                    break
        for k in range(len(self.targets)):
            for sign, open_ in ((-1.0, self.too_low), (1.0, self.too_high)):
                if open_()[k]:
                    self._solve(sign * (np.arange(len(self.targets)) == k))
            if self.too_low()[k] or self.too_high()[k]:
                yield int(self.unknowns[k]), float(self.low[k]), float(self.high[k]), self.active

    def _solve(self, weights: FloatArray) -> None:
        objective = np.zeros(len(self.program.columns))
        objective[self.targets] = weights
        found = self.program.best(objective)
        if found is not None:
            point, self.active = found
            self.see(point)
