r"""Which printed cells to take out next: those that break most proofs at the least cost.

Each finding of an audit comes with a proof, a set of printed counts.  Without any one of
them the proof fails.  So the cells of one round are a *hitting set*: at least one of each
proof.  The smallest one is an NP-hard problem; the greedy choice, again and again the cell
with the least

.. math::  \frac{\text{worth of the cell} \cdot (1 + \text{lines without a hole through it})}
                {\text{proofs that it breaks}},

is within a factor of ln(number of proofs) of it (Chvatal 1979, doi 10.1287/moor.4.3.233).  A
line that gets its first hole needs a second one, since a single missing number of a sum is no
secret; hence the lines.

Margins are no matter of price: a prevalence or a level is taken only from a proof that holds
nothing else.  Where such a proof says that a cell which a table leaves out is more than one,
the table goes before the margin, if it is small (of a table with one axis of codes, the row of
that code): a cell of no table has the lower bound that its margins give it anyway.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush

import numpy as np

from llmsyn.disclosure.findings import Finding
from llmsyn.disclosure.system import BoolArray, IntArray, System, Tier
from llmsyn.disclosure.views import Truth
from llmsyn.errors import InfeasibleError

_STEPS = 4  # statements between a count and a cell that may protect it, without a proof
_PATIENCE = 3  # rounds with one and the same count, before only near cells are taken for it

WORTH = {
    Tier.PAIR: 1.0,
    Tier.TABLE: 1.0,
    Tier.LEVELS: 2.0,
    Tier.HISTOGRAM: 6.0,
    Tier.MAIN: 20.0,
    Tier.CODE: 100.0,
    Tier.MARGIN: 1000.0,
}
"""What a printed cell is worth, in pairs.  Margins (from MAIN on) are compared among themselves."""

_Price = tuple[float, int, float]


class Chooser:
    """Answers findings with cells; see :meth:`choose`."""

    def __init__(self, system: System, truth: Truth, threshold: int) -> None:
        self.system, self.truth, self.tier = system, truth, system.tier
        self.threshold = threshold
        self._worth = np.array([WORTH.get(Tier(t), 0.0) for t in range(-1, int(Tier.TOTAL) + 1)])
        self._tries: Counter[int] = Counter()

    def choose(self, findings: Sequence[Finding], shown: BoolArray) -> list[tuple[int, Finding]]:
        """Cells that break these proofs, each with the first finding that it answers.

        Proofs from a single statement go first: what follows from other hidden counts may be
        broken with them.  Findings without a proof come last, and get a cell near by.

        Parameters
        ----------
        findings : of an audit of the cells ``shown``.
        shown : (n_unknowns,)

        Raises
        ------
        InfeasibleError : a finding follows from numbers that cannot be left out.
        """
        direct, indirect, bare = [], [], []
        whole: dict[int, Finding] = {}
        for finding in findings:
            cells = self._candidates(finding, shown)
            table = self._table_around(finding, cells, shown)
            if table:
                whole.update(dict.fromkeys(table, finding))
            elif not cells:
                bare.append(finding)
            elif shown[finding.unknown] or set(finding.proof.values()) == {1}:
                direct.append((finding, cells))
            else:
                indirect.append((finding, cells))
        if whole:
            return list(whole.items())
        proofs = direct or indirect
        self._tries.update(finding.unknown for finding, _ in proofs)
        return self._hitting(proofs, shown) if proofs else self._beside(bare, shown)

    def _candidates(self, finding: Finding, shown: BoolArray) -> dict[int, int]:
        """Cells of a proof that may be taken out, and how far each is from what it proves."""
        if shown[finding.unknown] and self.tier[finding.unknown] < Tier.TOTAL:
            return {finding.unknown: 1}
        free = self._cheapest_kind([m for m in finding.proof if self._may_go(m, shown)])
        if free and self._tries[finding.unknown] >= _PATIENCE:
            nearest = min(finding.proof[m] for m in free)
            free = [m for m in free if finding.proof[m] == nearest]
        return {m: finding.proof[m] for m in free}

    def _table_around(
        self, finding: Finding, cells: Mapping[int, int], shown: BoolArray
    ) -> list[int]:
        """Cells of the table, or row, that leaves out a cell of which margins say too much."""
        least = min((self._worth[self.tier[m] + 1] for m in cells), default=0.0)
        too_sure = finding.kind == "a" and finding.upper >= self.threshold
        if not too_sure or shown[finding.unknown] or least < WORTH[Tier.MAIN]:
            return []
        found: set[int] = set()
        for slot, ids in self.system.slots[0].items():
            at = np.argwhere(ids == finding.unknown)
            if slot.place != "table" or not len(at):
                continue
            axis = self.system.code_axes[0].get(slot)
            mine = ids if axis is None else np.take(ids, at[:, axis], axis=axis)
            found.update(int(m) for m in mine[mine >= 0] if self._may_go(int(m), shown))
        return sorted(found) if sum(self._worth[self.tier[list(found)] + 1]) < least else []

    def _may_go(self, unknown: int, shown: BoolArray) -> bool:
        return bool(
            shown[unknown]
            and not self.system.structural[unknown]
            and self.tier[unknown] < Tier.TOTAL
        )

    def _cheapest_kind(self, cells: Sequence[int]) -> list[int]:
        """Cells of tables and histograms; main codes without them; then codes; then levels."""
        kind = {m: max(int(self.tier[m]), int(Tier.HISTOGRAM)) for m in cells}
        least = min(kind.values(), default=0)
        return [m for m in cells if kind[m] == least]

    def _hitting(
        self, proofs: Sequence[tuple[Finding, dict[int, int]]], shown: BoolArray
    ) -> list[tuple[int, Finding]]:
        """One cell at least of each proof, greedily."""
        lines = _Lines(self.system, shown)
        breaks: dict[int, set[int]] = defaultdict(set)
        far: dict[int, int] = {}
        for number, (_, cells) in enumerate(proofs):
            for unknown, steps in cells.items():
                breaks[unknown].add(number)
                far[unknown] = max(far.get(unknown, 0), steps)

        def price(unknown: int) -> _Price:
            worth = float(self._worth[self.tier[unknown] + 1]) * (1 + int(lines.intact[unknown]))
            # The far end of a proof must often go anyway.
            return worth / len(breaks[unknown]), -far[unknown], float(self.truth.units[unknown])

        queue = [(price(unknown), unknown) for unknown in breaks]
        heapify(queue)
        chosen = []
        while queue:
            asked, unknown = heappop(queue)
            if not breaks[unknown]:
                continue
            now = price(unknown)
            if now > asked:
                heappush(queue, (now, unknown))
                continue
            broken = breaks[unknown].copy()
            chosen.append((unknown, proofs[min(broken)][0]))
            for number in broken:
                for other in proofs[number][1]:
                    breaks[other].discard(number)
            for other in lines.open(unknown):
                if breaks.get(other):  # it has become cheaper
                    heappush(queue, (price(other), other))
        return chosen

    def _beside(self, findings: Sequence[Finding], shown: BoolArray) -> list[tuple[int, Finding]]:
        """For each finding a cell beside it, unless one of its neighbours got one just now."""
        chosen: dict[int, Finding] = {}
        near: set[int] = set()
        for finding in findings:
            if finding.unknown in near:
                continue
            dearest: list[int] = []
            found: list[int] = []
            for ring in self._around(finding.unknown, _STEPS):
                free = self._cheapest_kind([m for m in ring if self._may_go(m, shown)])
                if free and self.tier[free[0]] <= Tier.HISTOGRAM:
                    found = free
                    break
                dearest = dearest or free
            found = found or self._cheapest_kind(dearest)
            if not found:
                raise InfeasibleError(
                    f"{finding.cell} stands for fewer than the threshold of patients and follows "
                    "from the number of units alone; measure fewer variables or a larger population"
                )
            unknown = min(found, key=lambda m: (self.tier[m], self.truth.units[m]))
            chosen[unknown] = finding
            near |= set().union(*self._around(unknown, 1))
        return list(chosen.items())

    def _around(self, unknown: int, steps: int) -> Iterator[set[int]]:
        """Counts in the statements of an unknown, then in those of their members, and so on."""
        seen, front = {unknown}, {unknown}
        for _ in range(steps):
            rows = {int(r) for m in front for r in self.system.statements_of(m)}
            front = {int(m) for r in rows for m in self.system.members(r)} - seen
            front = {m for m in front if not self.system.cuts[m]}
            seen |= front
            yield front


class _Lines:
    """Lines of tables that have no hole yet.

    Attributes
    ----------
    intact : (n_unknowns,) how many of them run through each cell.
    """

    def __init__(self, system: System, shown: BoolArray) -> None:
        self._system = system
        cell = system.tier > Tier.DERIVED
        size, holes = system.count(cell), system.count(cell & ~shown)
        self._is_intact: BoolArray = (size > 2) & (holes == 0)
        at, _ = system.entries(np.flatnonzero(self._is_intact))
        self.intact: IntArray = np.bincount(
            system.matrix.indices[at], minlength=system.n_unknowns
        ).astype(np.int64)

    def open(self, unknown: int) -> set[int]:
        """Make a hole; which cells stand in fewer intact lines now."""
        touched: set[int] = set()
        for row in self._system.statements_of(unknown):
            if self._is_intact[row]:
                self._is_intact[row] = False
                members = self._system.members(int(row))
                self.intact[members] -= 1
                touched.update(members.tolist())
        return touched
