r"""Calibration by stochastic approximation.

Each round draws a fresh pilot, estimates every targeted cell from the *probabilities* of the
draws (Rao-Blackwell, not from the draws themselves), and moves the weights:

.. math:: v \leftarrow \beta v + \eta\, d\, \frac{T - E}{T + \epsilon}, \qquad W \leftarrow W + v,

*T* the target share, *E* its estimate, *d* a damping of cells that the pilot sees only a few
times.  The fixed point is E = T in expectation (a logarithm of the ratio would be biased by
the pilot's noise).  Estimates are ratio estimates: the sum of probabilities in a row over
the number of pilot units in that row, times the row's known share; so the noise of the
parents does not enter.  A factor sees only what the base weights leave, and the base weights
move faster.  The pilot grows, the step falls, and the last rounds are averaged (Polyak and
Juditsky 1992, doi 10.1137/0330046), so the error of a single pilot does not stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from llmsyn.network.drawing import (
    Drawn,
    LevelProgram,
    Program,
    SlotProgram,
    Sums,
    chunk_generator,
    compile_program,
    new_sums,
    own_tables,
    run,
)
from llmsyn.network.model import CodeFactor, Factor, FloatArray, LevelNode, Network, SlotNode

BASE_SPEED = 3.0
"""Base weights move faster than factors, which see only what the base leaves."""

TILT_SPEED = 0.2
"""A unit has many earlier codes whose tilts add up, so each moves slowly."""


SOFT_SPEED = 0.05
"""Speed of soft cells at the end: what they asked for stands, and published cells get their way."""

BASE_LIMIT, HARD_LIMIT, SOFT_LIMIT, TILT_LIMIT = 40.0, 25.0, 10.0, 1.0
"""Log weights beyond which nothing changes: a cell that asks for more contradicts others."""


_SLOW_FROM = 0.6  # of the rounds before the averaging


@dataclass(frozen=True)
class Settings:
    """How long and how fast to calibrate; the defaults are METHOD.md's."""

    rounds: int = 160
    first_pilot: int = 1_500
    last_pilot: int = 12_000
    step: float = 0.1
    last_step: float = 0.01
    momentum: float = 0.8
    averaged: float = 0.4  # share of rounds that are averaged at the end
    ridge: float = 0.01  # pull of soft (knowledge) weights towards zero
    soft_speed: float = 1.0  # of soft cells, before they slow down
    threads: int = 2
    seed: int = 20_240_901


DEFAULT = Settings()


@dataclass(eq=False)
class _Moving:
    """One array of weights with what moves it."""

    weights: FloatArray
    target: FloatArray
    soft: npt.NDArray[np.bool_] | None
    speed: float
    moment: FloatArray | None = None
    limit: float = BASE_LIMIT
    velocity: FloatArray = field(init=False)
    mean: FloatArray = field(init=False)
    fixed: npt.NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.velocity = np.zeros_like(self.weights)
        self.mean = np.zeros_like(self.weights)
        self.fixed = np.isneginf(self.weights) | np.isnan(self.target)

    def move(
        self, estimate: FloatArray, n_pilot: int, step: float, soft_speed: float, settings: Settings
    ) -> None:
        if self.moment is not None:
            estimate = self._along(estimate)
        target = np.where(self.fixed, 1.0, self.target)
        # A published zero that is only rounded (no mask) is damped by what is drawn of it.
        seen = np.where(target > 0, target, estimate) * n_pilot
        error = np.clip((target - estimate) / (target + 2.0 / n_pilot), -1.0, 1.0)
        force = np.where(self.fixed | np.isnan(error), 0.0, error * seen / (seen + 4.0))
        if self.soft is not None:
            pull = np.where(self.fixed, 0.0, self.weights)  # a mask pulls at nothing
            force -= settings.ridge * self.soft * pull
            force *= np.where(self.soft, soft_speed, 1.0)
        self.velocity = settings.momentum * self.velocity + step * self.speed * force
        limit = self.limit if self.soft is None else np.where(self.soft, SOFT_LIMIT, HARD_LIMIT)
        moved = np.clip(self.weights + self.velocity, -limit, limit)
        np.copyto(self.weights, moved, where=~self.fixed)

    def _along(self, estimate: FloatArray) -> FloatArray:
        """The estimate that is off the target by the error of the moment, and by no more."""
        assert self.moment is not None
        off = np.where(self.fixed | np.isnan(estimate), 0.0, estimate - self.target)
        target = np.where(self.fixed, 0.0, self.target)
        size = np.maximum(self.moment**2 @ target, 1e-12)
        along: FloatArray = self.target + np.outer(self.moment, self.moment @ off / size) * target
        return along

    def average(self, n: int) -> None:
        """Take the current weights into their running mean as the n-th."""
        self.mean += (np.where(self.fixed, 0.0, self.weights) - self.mean) / n


WORK = 4_000
"""Multiplications per unit up to which the last pilot grows beyond its size."""


def with_larger_pilot(network: Network, settings: Settings) -> Settings:
    """Settings whose last pilot is up to five times as large where units cost little.

    The bound is counted from the network, not timed, so that it is the same everywhere.
    """
    work = 1.0
    for node in network.nodes:
        if isinstance(node, LevelNode):
            work += len(node.base) * (1 + len(node.factors))
        else:
            slots = float(node.share[:-1].sum())
            work += len(node.base) * (2 + slots + len(node.factors) + len(node.main_factors))
    scale = min(max(WORK / work, 1.0), 5.0)
    return replace(settings, last_pilot=int(settings.last_pilot * scale))


def calibrate(
    network: Network,
    settings: Settings = DEFAULT,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Move the weights of a network, in place, until its cells meet their targets.

    Parameters
    ----------
    progress : called with (round, rounds) after each round.
    """
    moving = {id(node): _moving_parts(node) for node in network.nodes}
    n_averaged = 0
    with ThreadPoolExecutor(settings.threads) as pool:
        for k, n_pilot, step, soft_speed in _schedule(settings):
            program = compile_program(network, merge=False)
            sums, counts = _pilot(program, n_pilot, settings, k, pool)
            for index, program_step in enumerate(program.steps):
                parts = moving[id(program_step.node)]
                estimates = estimate(program_step, sums[index], counts, n_pilot)
                for part, value in zip(parts, estimates, strict=True):
                    if part is not None:
                        part.move(value, n_pilot, step, soft_speed, settings)
            if k >= settings.rounds * (1 - settings.averaged):
                n_averaged += 1
                for parts in moving.values():
                    for part in parts:
                        if part is not None:
                            part.average(n_averaged)
            if progress:
                progress(k + 1, settings.rounds)
    for parts in moving.values():
        for part in parts:
            if part is not None and n_averaged:
                part.weights[...] = np.where(part.fixed, part.weights, part.mean)


def _schedule(settings: Settings) -> Iterator[tuple[int, int, float, float]]:
    """Round, pilot size, step and speed of soft cells.

    The pilot grows throughout; soft cells slow down before the averaging, and the step falls
    during it.
    """
    growth = settings.last_pilot / settings.first_pilot
    start = settings.rounds * (1 - settings.averaged)
    for k in range(settings.rounds):
        done = k / max(settings.rounds - 1, 1)
        late = max(0.0, (k - start) / max(settings.rounds - start, 1.0))
        step = settings.step * (settings.last_step / settings.step) ** late
        n_pilot = int(settings.first_pilot * growth ** min(1.0, 1.5 * done))
        slowed = min(max(k / max(start, 1.0) - _SLOW_FROM, 0.0) / (1 - _SLOW_FROM), 1.0)
        yield k, n_pilot, step, settings.soft_speed * SOFT_SPEED**slowed


@dataclass(frozen=True, eq=False)
class Counts:
    """How often each level combination and code occurs in a pilot."""

    drawn: tuple[Drawn, ...]
    codes: FloatArray  # (n_codes,)

    def rows(self, factor: Factor) -> FloatArray:
        """``(n_rows,)`` pilot units in each row of a factor."""
        total = np.zeros(factor.n_rows)
        for part in self.drawn:
            row = np.zeros(part.levels.shape[1], np.int64)
            for parent in factor.parents:
                row = row * parent.n_groups + parent.groups[part.levels[parent.variable]]
            total += np.bincount(row, minlength=factor.n_rows)
        return total


def pilot_sums(
    network: Network, n: int, settings: Settings, stream: int
) -> tuple[Program, list[Sums], Counts]:
    """Sums of draw probabilities over ``n`` fresh units."""
    program = compile_program(network, merge=False)
    with ThreadPoolExecutor(settings.threads) as pool:
        sums, counts = _pilot(program, n, settings, stream, pool)
    return program, sums, counts


def _pilot(
    program: Program, n: int, settings: Settings, stream: int, pool: ThreadPoolExecutor
) -> tuple[list[Sums], Counts]:
    # The number of parts is fixed, so that results do not depend on the number of threads.
    share = -(-n // _PARTS)

    def part(k: int) -> tuple[list[Sums], Drawn]:
        sums = [new_sums(step) for step in program.steps]
        random = chunk_generator(settings.seed, stream * _PARTS + k)
        return sums, run(program, share, random, learn=sums)

    results = list(pool.map(part, range(_PARTS)))
    total = results[0][0]
    for sums, _ in results[1:]:
        for mine, other in zip(total, sums, strict=True):
            mine.add(other)
    n_codes = program.network.n_codes
    seen = np.zeros(n_codes)
    for _, drawn in results:
        filled = np.arange(drawn.events.shape[1]) < drawn.starts[-1][:, None]
        seen += np.bincount(drawn.events[filled], minlength=n_codes)
    return total, Counts(tuple(drawn for _, drawn in results), seen)


_PARTS = 2


def _moving_parts(node: LevelNode | SlotNode) -> list[_Moving | None]:
    """The arrays that move, in the order of :func:`estimate`."""
    parts: list[_Moving | None] = []
    if isinstance(node, LevelNode):
        moves = bool(node.factors) or node.codes is not None or node.tilt is not None
        parts.append(_Moving(node.base, node.share, None, BASE_SPEED) if moves else None)
        parts += [_Moving(f.weights, f.target, ~f.hard, 1.0, f.moment) for f in node.factors]
        parts.append(_of_codes(node.codes))
        parts.append(_of_tilt(node))
        return parts
    parts.append(_Moving(node.base, node.share, None, BASE_SPEED))
    if node.base_main is not None and node.share_main is not None:
        parts.append(_Moving(node.base_main, node.share_main, None, BASE_SPEED))
    else:
        parts.append(None)
    parts += [_Moving(f.weights, f.target, ~f.hard, 1.0, f.moment) for f in node.factors]
    parts += [_Moving(f.weights, f.target, ~f.hard, 1.0) for f in node.main_factors]
    parts.append(_of_codes(node.links))
    parts.append(_Moving(node.pairs, node.pair_target, ~node.pair_hard, 1.0))
    return parts


def _of_codes(factor: CodeFactor | None) -> _Moving | None:
    if factor is None or np.isnan(factor.target).all():
        return None
    return _Moving(factor.weights, factor.target, ~factor.hard, 1.0)


def _of_tilt(node: LevelNode) -> _Moving | None:
    if node.tilt is None:
        return None
    # A tilt moves the mean by the variance: this speed makes a step a step of the mean.
    k = np.arange(len(node.share))
    mean = float(node.share @ k)
    variance = max(float(node.share @ k**2) - mean**2, 0.1)
    speed = TILT_SPEED * mean / variance
    return _Moving(node.tilt.weights, node.tilt.target, None, speed, limit=TILT_LIMIT)


def estimate(
    step: LevelProgram | SlotProgram, sums: Sums, counts: Counts, n: int
) -> list[FloatArray]:
    """Estimated share of every targeted cell of one node, in the order of its weights."""
    node = step.node
    width = len(node.base)
    n = _PARTS * -(-n // _PARTS)
    base = sums.base[:width] / n
    lift = _lift(node.share, base)
    values = [base]
    if isinstance(node, SlotNode):
        main = sums.main[:width] / n
        values.append(main)
    first = 0
    for factor in node.factors:
        block = sums.rows[first : first + factor.n_rows, :width]
        values.append(_ratio(block, counts.rows(factor), factor.share) * lift)
        first += factor.n_rows
    if isinstance(node, LevelNode):
        values.append(_of_code_sums(sums, counts, node.codes, lift, width))
        values.append(_of_tilt_sums(sums, counts, node, lift))
        return values
    assert node.share_main is not None or not node.main_factors
    first = _own_main_row(node)
    for factor in node.main_factors:
        block = sums.main_rows[first : first + factor.n_rows, :width]
        lift_main = _lift(node.share_main, main)  # type: ignore[arg-type]
        values.append(_ratio(block, counts.rows(factor), factor.share) * lift_main)
        first += factor.n_rows
    values.append(_of_code_sums(sums, counts, node.links, lift, width))
    j = node.n_codes
    seen = counts.codes[node.first_code : node.first_code + j]
    after = _ratio(sums.pairs[:j, :j], seen, node.share[:j]) * lift[:j]
    values.append(after + after.T)
    return values


def _own_main_row(node: SlotNode) -> int:
    own = own_tables(node)
    return sum(f.n_rows for f in node.factors if tuple(p.variable for p in f.parents) not in own)


def _lift(share: FloatArray, estimate: FloatArray) -> FloatArray:
    """Target over estimate of the margin, within a factor of two."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where((estimate > 0) & (share > 0), share / estimate, 1.0)
    return np.clip(ratio, 0.5, 2.0)


def _ratio(block: FloatArray, seen: FloatArray, share: FloatArray) -> FloatArray:
    """Sum over pilot units in a row -> share of all units; NaN where no unit was in the row."""
    with np.errstate(divide="ignore", invalid="ignore"):
        result: FloatArray = block * np.where(seen > 0, share / seen, np.nan)[:, None]
    return result


def _of_code_sums(
    sums: Sums, counts: Counts, factor: CodeFactor | None, lift: FloatArray, width: int
) -> FloatArray:
    if factor is None or sums.codes.shape[0] == 0:
        return np.zeros((0, width))
    n_before = factor.weights.shape[0]
    return _ratio(sums.codes[:, :width], counts.codes[:n_before], factor.share) * lift


def _of_tilt_sums(sums: Sums, counts: Counts, node: LevelNode, lift: FloatArray) -> FloatArray:
    if node.tilt is None:
        return np.zeros(0)
    n_before = len(node.tilt.share)
    cells = _ratio(sums.codes, counts.codes[:n_before], node.tilt.share) * lift
    mean: FloatArray = cells @ np.arange(len(node.share))
    return mean
