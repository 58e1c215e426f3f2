"""Which printed cell to take out next: the one that breaks a proof at the least cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain

import numpy as np

from llmsyn.disclosure.findings import Finding
from llmsyn.disclosure.system import BoolArray, IntArray, System, Tier
from llmsyn.disclosure.views import Truth
from llmsyn.errors import InfeasibleError

_STEPS = 4  # statements between a count and a cell that may protect it, without a proof
_PATIENCE = 3  # cells taken out for one count before dearer ones that are nearer are taken
_TOTAL = int(Tier.TOTAL)


class Chooser:
    """Answers findings with cells; see :meth:`choose`."""

    def __init__(self, system: System, truth: Truth) -> None:
        self.system, self.truth, self.tier = system, truth, system.tier
        self._touching = (system.matrix != 0).astype(np.int64)
        self._tries: Counter[int] = Counter()

    def choose(self, findings: Sequence[Finding], shown: BoolArray) -> list[tuple[int, Finding]]:
        """Cells that break these proofs, each with the finding that it answers.

        Proofs from a single statement go first: what follows from other hidden counts may be
        broken with them.  A proof that has lost a cell in this round is broken.

        Parameters
        ----------
        findings : of an audit of the cells ``shown``.
        shown : (n_unknowns,)

        Raises
        ------
        InfeasibleError : a finding follows from numbers that cannot be left out.
        """
        intact = self._intact_lines(shown)
        chosen: dict[int, Finding] = {}
        near: set[int] = set()
        for direct in (True, False):
            for finding in findings:
                is_direct = shown[finding.unknown] or set(finding.proof.values()) == {1}
                if is_direct != direct or chosen.keys() & finding.proof.keys():
                    continue
                if not finding.proof and finding.unknown in near:
                    continue  # a cell beside it has just been taken out
                unknown = self._candidate(finding, shown, intact)
                chosen[unknown] = finding
                if not finding.proof:
                    near |= set().union(*self._around(unknown, 1))
            if chosen:
                break
        return list(chosen.items())

    def _candidate(self, finding: Finding, shown: BoolArray, intact: IntArray) -> int:
        """The cheapest printed cell of a proof; without one, of the neighbourhood."""
        if shown[finding.unknown] and self.tier[finding.unknown] < _TOTAL:
            return finding.unknown
        self._tries[finding.unknown] += 1
        patient = self._tries[finding.unknown] <= _PATIENCE
        price = self._price(intact, finding.proof) if patient else self._near(finding.proof)
        for cells in chain([finding.proof], self._around(finding.unknown, _STEPS)):
            free = [
                m for m in cells
                if shown[m] and not self.system.structural[m] and self.tier[m] < _TOTAL
            ]  # fmt: skip
            if free:
                return min(free, key=price)
        raise InfeasibleError(
            f"{finding.cell} stands for fewer than the threshold of patients and follows from the "
            "number of units alone; measure fewer variables or a larger population"
        )

    def _around(self, unknown: int, steps: int) -> Iterator[set[int]]:
        """Counts in the statements of an unknown, then in those of their members, and so on."""
        seen, front = {unknown}, {unknown}
        for _ in range(steps):
            rows = {int(r) for m in front for r in self.system.statements_of(m)}
            front = {int(m) for r in rows for m in self.system.members(r)} - seen
            front = {m for m in front if not self.system.cuts[m]}
            seen |= front
            yield front

    def _intact_lines(self, shown: BoolArray) -> IntArray:
        """How many lines of a table a cell stands in that have no hole yet: (n_unknowns,)."""
        cell = self.tier > Tier.DERIVED
        cells = self._touching @ cell.astype(np.int64)
        holes = self._touching @ (cell & ~shown).astype(np.int64)
        intact: IntArray = self._touching.T @ ((cells > 2) & (holes == 0)).astype(np.int64)
        return intact

    def _price(
        self, intact: IntArray, steps: Mapping[int, int]
    ) -> Callable[[int], tuple[int, int, int, float]]:
        """Tier; lines without a hole; the far end of a proof first, which must go anyway; size."""

        def price(unknown: int) -> tuple[int, int, int, float]:
            size = float(self.truth.units[unknown])
            return int(self.tier[unknown]), int(intact[unknown]), -steps.get(unknown, 0), size

        return price

    def _near(self, steps: Mapping[int, int]) -> Callable[[int], tuple[int, int, int, float]]:
        """Anything but margins; the near end of the proof first; size."""

        def price(unknown: int) -> tuple[int, int, int, float]:
            is_margin = int(self.tier[unknown] >= Tier.MARGIN)
            size = float(self.truth.units[unknown])
            return is_margin, steps.get(unknown, 0), int(self.tier[unknown]), size

        return price
