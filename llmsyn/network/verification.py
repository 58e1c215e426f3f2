"""After calibration: fresh units, and the bias of every published cell.

Estimates are sums of draw probabilities, so their noise is well below that of counting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llmsyn.network.calibration import Settings, estimate, pilot_sums
from llmsyn.network.model import BoolArray, FloatArray, IntArray, LevelNode, Network, SlotNode
from llmsyn.network.naming import axes_of, cell_name

ALLOWED_BIAS = 0.0005
"""Largest bias of a share that METHOD.md section 3 promises."""

REFERENCE = 100_000
"""Units of the check that the excess is stated for."""

FEWEST = 5.0
"""Expected units below which the normal approximation of the excess says nothing."""

NOISE = 3.0
"""Standard errors (binomial, so too large) that a cell may be off on top of it."""


@dataclass(frozen=True)
class Miss:
    """A published cell whose share in the synthetic population is off."""

    cell: str
    target: float
    estimate: float


@dataclass(frozen=True)
class Verification:
    """How well the published cells are met on fresh units.

    ``largest_bias`` is over the shares of all published cells, the noise of ``n_units``
    included; ``excess`` is the mean square bias in units of the binomial variance of a share
    among 100,000 units (what it adds to the mean z^2 of a check of that size); ``misses``
    lists those beyond :data:`ALLOWED_BIAS` and noise, largest first.
    """

    n_units: int
    n_cells: int
    largest_bias: float
    excess: float
    misses: tuple[Miss, ...]


def verify(
    network: Network, settings: Settings, n: int = 200_000, stream: int = 10**6
) -> Verification:
    """Estimate every published cell on ``n`` fresh units.

    Two halves are drawn apart: the product of their errors has the squared bias as its
    expectation, without the noise of either.
    """
    halves = [_published(network, settings, n // 2, 2 * stream + k) for k in range(2)]
    names, target, _ = halves[0]
    first, second = (values for _, _, values in halves)
    variance = np.maximum(target * (1 - target), FEWEST / REFERENCE) / REFERENCE
    product = (first - target) * (second - target) / variance
    seen = ~np.isnan(product)
    value = np.where(np.isnan(first), target, (first + np.where(seen, second, first)) / 2)
    bias = np.abs(value - target)
    order = np.argsort(-bias, kind="stable")
    allowed = ALLOWED_BIAS + NOISE * np.sqrt(np.maximum(target * (1 - target), 0.0) / n)
    misses = tuple(
        Miss(names[k], float(target[k]), float(value[k])) for k in order if bias[k] > allowed[k]
    )
    excess = float(product[seen].mean()) if seen.any() else 0.0
    return Verification(n, len(target), float(bias.max(initial=0.0)), excess, misses)


def _published(
    network: Network, settings: Settings, n: int, stream: int
) -> tuple[list[str], FloatArray, FloatArray]:
    """Names, targets and estimates of all published cells; NaN where no unit was seen."""
    program, sums, counts = pilot_sums(network, n, settings, stream)
    names: list[str] = []
    targets: list[FloatArray] = []
    estimates: list[FloatArray] = []
    for index, step in enumerate(program.steps):
        values = estimate(step, sums[index], counts, n)
        spans = _spans(step.node, len(values))
        rows = zip(*_targets(network, step.node), values, spans, strict=True)
        axes = axes_of(network, step.node)
        for (what, target, hard, value, span), labels in zip(rows, axes, strict=True):
            if target is None or value.shape != target.shape:
                continue
            goal, drawn, known = target, value, hard
            if span is not None:  # only the sums over the numbers of a range are published
                member = np.eye(int(span.max()) + 1)[span]
                goal, drawn, known = target @ member, value @ member, hard @ member > 0
            keep = ~np.isnan(goal) & known
            names += [cell_name(what, w, labels, span) for w in np.argwhere(keep)]
            targets.append(goal[keep])
            estimates.append(drawn[keep])
    if not targets:
        return [], np.zeros(0), np.zeros(0)
    return names, np.concatenate(targets), np.concatenate(estimates)


def _spans(node: LevelNode | SlotNode, size: int) -> list[IntArray | None]:
    """Per array of ``estimate``: which targets the published table counts together."""
    found: list[IntArray | None] = [None] * size
    if isinstance(node, LevelNode):
        found[1 : 1 + len(node.factors)] = [f.spans for f in node.factors]
    return found


def _targets(
    network: Network, node: LevelNode | SlotNode
) -> tuple[list[str], list[FloatArray | None], list[BoolArray]]:
    """Names, targets and what is published, in the order of ``estimate``."""
    everything = np.ones((1,), bool)
    if isinstance(node, LevelNode):
        name = network.variables[node.variable].name
        rows: list[tuple[str, FloatArray | None, BoolArray]] = [(name, node.share, everything)]
        rows += [(f"{f.name} -> {name}", f.target, f.hard) for f in node.factors]
        codes = node.codes
    else:
        name = network.code_lists[node.code_set].name
        rows = [(name, node.share, everything), (f"{name}.main", node.share_main, everything)]
        rows += [(f"{f.name} -> {name}", f.target, f.hard) for f in node.factors]
        rows += [(f"{f.name} -> {name}.main", f.target, f.hard) for f in node.main_factors]
        codes = node.links
    rows.append(
        (f"codes -> {name}", codes.target if codes else None, codes.hard if codes else everything)
    )
    if isinstance(node, LevelNode):
        rows.append((f"codes -> mean of {name}", None, everything))
    else:
        rows.append((f"{name} x {name}", node.pair_target, node.pair_hard))
    what, target, hard = zip(*rows, strict=True)
    return list(what), list(target), list(hard)
