r"""Suppression: small counts first, then as few others as protect them.

*Primary.*  A printed count of fewer than T distinct patients is not printed (a count of zero
neither, unless zeros are published).

*Complementary.*  The audit runs on what is left.  Each count that it can still work out has
a proof: the statements that bound it.  From each proof the cheapest printed count is taken
out (pairs before tables before histograms before margins; where another cell is missing
already, because two holes in a line protect each other; then the smallest), and the audit
runs again, until it finds nothing.  This is greedy: it may take out more than the least
possible number, which is an NP-hard problem (Kelly, Golden and Assad 1992, doi
10.1002/net.3230220407), but it stops only at a release that passes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from llmsyn.disclosure.audit import Auditor
from llmsyn.disclosure.bounds import Bounds, ContradictionError
from llmsyn.disclosure.choosing import Chooser
from llmsyn.disclosure.findings import Finding
from llmsyn.disclosure.moments import MEAN_DECIMALS
from llmsyn.disclosure.settings import Settings
from llmsyn.disclosure.slots import HISTOGRAMS, Slot, printed
from llmsyn.disclosure.system import BoolArray, IntArray, N, System
from llmsyn.disclosure.views import Truth, limits, mean_half_width
from llmsyn.errors import CheckFailed, InfeasibleError
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet, FloatArray

_MAX_ROUNDS = 400


@dataclass(frozen=True, eq=False)
class Suppression:
    """Which cells of a release are printed, and why the others are not.

    Attributes
    ----------
    printed : (n_unknowns,) the cells that are printed.
    reason : unknown -> ``small``, ``zero``, ``withheld``, ``complementary`` or ``differencing``.
    proof : for complementary ones, the count that each protects.
    rounds : audits that were run.
    """

    printed: BoolArray
    reason: dict[int, str]
    proof: dict[int, str]
    rounds: int

    @property
    def counts(self) -> dict[str, int]:
        """Number of cells by reason."""
        return dict(sorted(Counter(self.reason.values()).items()))


def suppress(
    auditor: Auditor,
    exact: FloatArray,
    settings: Settings,
    *,
    background: Bounds | None = None,
    withheld: IntArray | None = None,
    differencing: IntArray | None = None,
) -> Suppression:
    """Choose the cells to leave out.

    Parameters
    ----------
    auditor : on the system of the release, with the owner's view.
    exact : (n_unknowns,) exact counts of printed cells, NaN elsewhere.
    background : what the attacker knows from elsewhere (earlier releases), as bounds.
    withheld : cells that are not wanted (a risk budget left them out).
    differencing : cells whose difference to an earlier release is small.

    Raises
    ------
    InfeasibleError : a small count follows from numbers that cannot be left out.
    """
    system, truth = auditor.system, auditor.truth
    if truth is None:
        raise ValueError("suppression needs the exact measurement")
    cells = auditor.cells[~np.isnan(exact[auditor.cells])]
    reason = _primary(system, truth, cells, settings)
    for ids, why in ((withheld, "withheld"), (differencing, "differencing")):
        for unknown in () if ids is None else ids:
            reason.setdefault(int(unknown), why)
    shown = np.zeros(system.n_unknowns, dtype=bool)
    shown[cells] = True
    shown[list(reason)] = False
    shown[N] = True
    means = np.array(list(system.means[0].values()), dtype=np.int64)
    shown[means[~np.isnan(exact[means])]] = True
    proof: dict[int, str] = {}
    chooser = Chooser(system, truth, settings.threshold)
    for rounds in range(1, _MAX_ROUNDS + 1):
        findings = _audit(auditor, exact, shown, settings, background)
        if not findings:
            return Suppression(shown, reason, proof, rounds)
        for unknown, finding in chooser.choose(findings, shown):
            shown[unknown] = False
            reason[unknown] = "complementary"
            proof[unknown] = finding.cell
    raise InfeasibleError(
        f"complementary suppression did not settle in {_MAX_ROUNDS} rounds; leave out tables with "
        "--tables outcome or --tables none"
    )


def _primary(system: System, truth: Truth, cells: IntArray, settings: Settings) -> dict[int, str]:
    zero = truth.units[cells] == 0
    small = (truth.patients[cells] < settings.threshold) & ~zero
    hide_zero = zero & ~system.structural[cells] & (not settings.zeros_published)
    return {int(i): "small" for i in cells[small]} | {int(i): "zero" for i in cells[hide_zero]}


def _audit(
    auditor: Auditor,
    exact: FloatArray,
    shown: BoolArray,
    settings: Settings,
    background: Bounds | None,
) -> list[Finding]:
    given = release_bounds(auditor.system, exact, shown, settings)
    if background is not None:
        given = Bounds.given(
            np.maximum(given.lower, background.lower), np.minimum(given.upper, background.upper)
        )
    try:
        return auditor.run(given, thorough=False)
    except ContradictionError as error:
        raise CheckFailed(
            f"{auditor.system.name(error.unknown)}: what is about to be released contradicts what "
            "was released before; check that the populations are the same, or name this one apart"
        ) from error


def release_bounds(
    system: System, exact: FloatArray, shown: BoolArray, settings: Settings
) -> Bounds:
    """What a release says by itself that prints the cells ``shown``, rounded as set."""
    bounds = limits(system, float(exact[N]))
    base, spare = settings.rounding, settings.half_width
    ids = np.flatnonzero(shown & ~np.isnan(exact))
    means = np.array(list(system.means[0].values()), dtype=np.int64)
    amount = np.round(exact[means] / exact[N], MEAN_DECIMALS) * exact[N]
    wide = mean_half_width(float(exact[N]))
    use = shown[means] & ~np.isnan(exact[means])
    bounds.lower[means[use]] = np.maximum(np.ceil(amount[use] - wide - 1e-6), 0.0)
    bounds.upper[means[use]] = np.floor(amount[use] + wide + 1e-6)
    for slot, cells in system.slots[0].items():
        # A histogram whose last cell is printed ends there.
        if slot.part in HISTOGRAMS and shown[cells[-1]] and int(cells[-1]) in system.beyond:
            bounds.upper[system.beyond[int(cells[-1])]] = 0.0
    ids = ids[(ids != N) & ~np.isin(ids, means)]
    value = np.round(exact[ids] / base) * base
    bounds.lower[ids] = np.maximum(np.ceil(value - spare - 1e-6), 0.0)
    bounds.upper[ids] = np.floor(value + spare + 1e-6)
    return bounds


def exact_cells(system: System, units: Profile) -> FloatArray:
    """Exact counts of the printed cells of a measurement, and the sums behind its means.

    Returns
    -------
    (n_unknowns,) NaN elsewhere.
    """
    exact = np.full(system.n_unknowns, np.nan)
    exact[N] = units.n_units
    for slot, ids in system.slots[0].items():
        counts = printed(units, slot)
        exact[ids[ids >= 0]] = counts[ids >= 0]
    for index, unknown in system.means[0].items():
        codes = units.variables[index]
        if isinstance(codes, CodeSet) and codes.unlisted_per_unit is not None:
            exact[unknown] = round(codes.unlisted_per_unit * units.n_units)
    return exact


def masked(units: Profile, system: System, shown: BoolArray) -> dict[Slot, FloatArray]:
    """Counts of the release by slot: NaN where a cell is not printed."""
    found = {}
    for slot, ids in system.slots[0].items():
        keep = (ids >= 0) & shown[np.maximum(ids, 0)]
        found[slot] = np.where(keep, printed(units, slot), np.nan)
    return found
