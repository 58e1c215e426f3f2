"""Drawing: from a network and a chunk number to the arrays of a chunk of units.

``draw`` is pure: network, chunk, number of rows and seed say every byte.  Uniforms come
from Philox streams, one per chunk (``SeedSequence(seed, spawn_key=(chunk,))``), and are made
outside the kernel, so that the NumPy twin can use the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np
import numpy.typing as npt

from llmsyn.network.model import Factor, FloatArray, LevelNode, Network, SlotNode

BLOCK = 16


@dataclass(eq=False)
class Sums:
    """Sums of draw probabilities over units, of one node (see :mod:`llmsyn.network.kernel`)."""

    base: FloatArray
    rows: FloatArray
    codes: FloatArray
    main: FloatArray
    main_rows: FloatArray
    pairs: FloatArray

    def add(self, other: Sums) -> None:
        """Add the sums of other units, in place."""
        for name in ("base", "rows", "codes", "main", "main_rows", "pairs"):
            getattr(self, name).__iadd__(getattr(other, name))


@dataclass(frozen=True, eq=False)
class LevelProgram:
    """A level node with its weights multiplied up and stacked."""

    node: LevelNode
    parents: tuple[tuple[tuple[int, ...], npt.NDArray[np.int32]], ...]
    weights: FloatArray
    base: FloatArray
    codes: FloatArray


@dataclass(frozen=True, eq=False)
class SlotProgram:
    """A slot node with its weights multiplied up and stacked, float32, padded to blocks."""

    node: SlotNode
    parents: tuple[tuple[tuple[int, ...], npt.NDArray[np.int32]], ...]
    weights: npt.NDArray[np.float32]
    main_parents: tuple[tuple[tuple[int, ...], npt.NDArray[np.int32]], ...]
    main_weights: npt.NDArray[np.float32]
    base: npt.NDArray[np.float32]
    base_main: npt.NDArray[np.float32]
    links: npt.NDArray[np.float32]
    pairs: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Program:
    """Everything the kernel needs, made once from a network."""

    network: Network
    steps: tuple[LevelProgram | SlotProgram, ...]
    capacity: int


@dataclass(frozen=True, eq=False)
class Drawn:
    """A chunk of units as arrays.

    ``levels`` is (n_variables, n) level indices; ``events`` (n, capacity) stacked code
    indices in drawing order, ``starts`` (n_code_lists + 1, n) where each list starts;
    ``short`` how many slots no code could fill and levels that had none possible.
    """

    levels: npt.NDArray[np.int16]
    events: npt.NDArray[np.int16]
    starts: npt.NDArray[np.int32]
    unlisted: npt.NDArray[np.int32]  # (n_code_lists, n) unlisted codes of each list
    short: int


def compile_program(network: Network, *, merge: bool = True) -> Program:
    """Multiply the weights up.

    Parameters
    ----------
    merge : put factors of the same single parent into one (fewer multiplications); the
        calibration keeps them apart.
    """
    steps: list[LevelProgram | SlotProgram] = []
    capacity = 1
    for node in network.nodes:
        if isinstance(node, LevelNode):
            factors = _merged(network, node.factors) if merge else node.factors
            parents, stacked = _stack(factors, len(node.base))
            codes = _code_weights(node, keep=not merge)
            steps.append(LevelProgram(node, parents, _exp(stacked), _exp(node.base), codes))
        else:
            capacity += len(network.variables[node.count_variable].levels)
            steps.append(_slot_program(network, node, merge))
    return Program(network, tuple(steps), capacity)


def _code_weights(node: LevelNode, *, keep: bool) -> FloatArray:
    """Multipliers of earlier codes; no row where they change nothing (unless to be kept)."""
    width = len(node.base)
    weights = np.zeros((0, width))
    if node.codes is not None:
        weights = node.codes.weights
    if node.tilt is not None:
        weights = (weights if len(weights) else 0.0) + np.outer(node.tilt.weights, np.arange(width))
    return _exp(weights) if keep or np.any(weights) else np.zeros((0, width))


def _exp(weights: FloatArray) -> FloatArray:
    """Multipliers; every row is centred (a constant in a row cancels in the softmax)."""
    finite = np.where(np.isneginf(weights), np.nan, weights)
    count = np.maximum((~np.isnan(finite)).sum(-1, keepdims=True), 1)
    centre = np.nansum(finite, axis=-1, keepdims=True) / count
    result: FloatArray = np.exp(weights - centre)
    return result


def _highest_one(weights: FloatArray) -> FloatArray:
    """Multipliers of which the largest is one (a constant cancels in the softmax)."""
    highest = weights.max(initial=-np.inf)
    result: FloatArray = np.exp(weights - (highest if np.isfinite(highest) else 0.0))
    return result


def _slot_program(network: Network, node: SlotNode, merge: bool) -> SlotProgram:
    width = len(node.base)
    factors = _merged(network, node.factors) if merge else node.factors
    parents, stacked = _stack(factors, width)
    # The main slot shares the weights of the list but where a table of its own is published.
    own = own_tables(node)
    main_factors = [
        f for f in node.factors if tuple(p.variable for p in f.parents) not in own
    ] + node.main_factors
    main_factors += [
        _mask_only(f) for f in node.factors if tuple(p.variable for p in f.parents) in own
    ]
    if merge:
        main_factors = _merged(network, main_factors)
    main_parents, main_stacked = _stack(main_factors, width)
    links = np.zeros((0, width)) if node.links is None else node.links.weights
    if node.links is None and node.first_code:
        links = np.zeros((node.first_code, width))
    pairs = np.zeros((node.n_codes + 1, width))
    pairs[:-1, :-1] = node.pairs
    base_main = np.full(width, -np.inf) if node.base_main is None else node.base_main
    base = node.base.copy()
    if not node.unlisted_repeats:
        base[-1] = -np.inf
    return SlotProgram(
        node,
        parents,
        _padded(_exp(stacked)),
        main_parents,
        _padded(_exp(main_stacked)),
        _padded(_highest_one(base)),
        _padded(_highest_one(base_main)),
        _padded(_exp(links)),
        _padded(_exp(pairs)),
    )


def own_tables(node: SlotNode) -> set[tuple[int, ...]]:
    """Parents of the tables of the main code (a factor without targets is only a mask)."""
    return {
        tuple(p.variable for p in f.parents)
        for f in node.main_factors
        if not np.isnan(f.target).all()
    }


def _mask_only(factor: Factor) -> Factor:
    weights = np.where(np.isneginf(factor.weights), -np.inf, 0.0)
    return Factor(factor.parents, weights, factor.target, factor.hard, factor.share, factor.name)


def _padded(values: FloatArray) -> npt.NDArray[np.float32]:
    width = -(-values.shape[-1] // BLOCK) * BLOCK
    out = np.zeros((*values.shape[:-1], width), np.float32)
    out[..., : values.shape[-1]] = values
    return out


def _merged(network: Network, factors: list[Factor]) -> list[Factor]:
    """Factors of the same single parent expanded to its levels and added up."""
    from llmsyn.network.model import Parent

    single: dict[int, FloatArray] = {}
    rest: list[Factor] = []
    for factor in factors:
        if len(factor.parents) != 1:
            rest.append(factor)
            continue
        parent = factor.parents[0]
        expanded = factor.weights[parent.groups]
        single[parent.variable] = single.get(parent.variable, 0.0) + expanded
    merged = []
    for variable, weights in single.items():
        if not np.any(weights):
            continue
        n = len(weights)
        free = np.full(weights.shape, np.nan)
        parent = Parent(variable, np.arange(n, dtype=np.int64), n)
        merged.append(Factor((parent,), weights, free, np.zeros(weights.shape, bool), np.ones(n)))
    return merged + rest


def _stack(
    factors: list[Factor], width: int
) -> tuple[tuple[tuple[tuple[int, ...], npt.NDArray[np.int32]], ...], FloatArray]:
    """Stack the factors' rows; per factor: its parents and the (flat) map to stacked rows."""
    parents = []
    first = 0
    for factor in factors:
        grids = np.ix_(*(p.groups for p in factor.parents))
        shape = tuple(p.n_groups for p in factor.parents)
        rows = np.ravel_multi_index(np.broadcast_arrays(*grids), shape) + first
        parents.append((tuple(p.variable for p in factor.parents), rows.astype(np.int32)))
        first += factor.n_rows
    stacked = np.concatenate([f.weights for f in factors]) if factors else np.zeros((0, width))
    return tuple(parents), stacked


def stacked_rows(
    parents: tuple[tuple[tuple[int, ...], npt.NDArray[np.int32]], ...],
    levels: npt.NDArray[np.int16],
) -> npt.NDArray[np.int32]:
    """``(n, n_factors)`` stacked row of each factor for each unit."""
    n = levels.shape[1]
    rows = np.empty((n, len(parents)), np.int32)
    for f, (variables, table) in enumerate(parents):
        rows[:, f] = table[tuple(levels[v] for v in variables)]
    return rows


def chunk_generator(seed: int, chunk: int) -> np.random.Generator:
    """The random stream of one chunk, independent of workers and of other chunks."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(chunk,))))


def run(
    program: Program,
    n: int,
    random: np.random.Generator,
    *,
    kernel: ModuleType | None = None,
    learn: list[Sums] | None = None,
    fixed: dict[int, npt.NDArray[np.float64]] | None = None,
) -> Drawn:
    """Draw ``n`` units.

    Parameters
    ----------
    kernel : the module with ``draw_level`` and ``fill_slots``: the numba kernel, or its twin.
    learn : one :class:`Sums` per node to add probabilities to (calibration).
    fixed : uniforms (n,) to use for a level variable instead of random ones (quotas).
    """
    if kernel is None:
        from llmsyn.network import kernel as compiled

        kernel = compiled
    network = program.network
    levels = np.zeros((len(network.variables), n), np.int16)
    events = np.zeros((n, program.capacity), np.int16)
    n_events = np.zeros(n, np.int32)
    starts = np.zeros((len(network.code_lists) + 1, n), np.int32)
    unlisted = np.zeros((len(network.code_lists), n), np.int32)
    short = 0
    for index, step in enumerate(program.steps):
        sums = learn[index] if learn is not None else _no_sums(step)
        if isinstance(step, LevelProgram):
            variable = step.node.variable
            uniforms = random.random(n)
            if fixed and variable in fixed:
                uniforms = fixed[variable]
            short += kernel.draw_level(
                stacked_rows(step.parents, levels), step.weights, step.base, events, n_events,
                step.codes, uniforms, levels[variable], learn is not None,
                sums.base, sums.rows, sums.codes,
            )  # fmt: skip
            continue
        short += _fill(step, levels, events, n_events, unlisted, random, kernel, sums, learn)
        starts[step.node.code_set + 1] = n_events
    return Drawn(levels, events, starts, unlisted, short)


def _fill(
    step: SlotProgram,
    levels: npt.NDArray[np.int16],
    events: npt.NDArray[np.int16],
    n_events: npt.NDArray[np.int32],
    unlisted: npt.NDArray[np.int32],
    random: np.random.Generator,
    kernel: ModuleType,
    sums: Sums,
    learn: list[Sums] | None,
) -> int:
    node = step.node
    n = levels.shape[1]
    slots = levels[node.count_variable].astype(np.int32)
    further = (
        np.zeros(n, np.int32)
        if node.unlisted_variable is None
        else levels[node.unlisted_variable].astype(np.int32)
    )
    main = np.zeros(n, np.int8)
    if node.base_main is not None:
        listed, other = slots > 0, further > 0
        if node.unlisted_repeats:
            other = listed
        main = (listed.astype(np.int8) + 2 * other.astype(np.int8)).astype(np.int8)
    draws = slots + (main > 1)
    first = np.zeros(n, np.int64)
    np.cumsum(draws[:-1], out=first[1:])
    uniforms = random.random(int(draws.sum()))
    main_out = np.full(n, -1, np.int16)
    repeats = np.zeros(n, np.int32)
    short: int = kernel.fill_slots(
        slots, main, stacked_rows(step.parents, levels), step.weights,
        stacked_rows(step.main_parents, levels), step.main_weights, step.base, step.base_main,
        step.links, step.pairs, node.n_codes, node.first_code, node.unlisted_repeats, uniforms,
        first, events, n_events, main_out, repeats, learn is not None,
        sums.base, sums.main, sums.rows, sums.main_rows, sums.codes, sums.pairs,
    )  # fmt: skip
    unlisted[node.code_set] = repeats if node.unlisted_repeats else further
    if node.main_variable is not None:
        levels[node.main_variable] = np.where(main_out < 0, node.n_codes + 1, main_out)
    return short


def new_sums(step: LevelProgram | SlotProgram) -> Sums:
    """Zeroed sums of the shapes that one node needs."""
    width = step.base.shape[-1]
    if isinstance(step, LevelProgram):
        shapes = (width,), step.weights.shape, step.codes.shape, (0,), (0, width), (0, width)
    else:
        shapes = (
            (width,), step.weights.shape, step.links.shape, (width,),
            step.main_weights.shape, step.pairs.shape,
        )  # fmt: skip
    return Sums(*(np.zeros(shape) for shape in shapes))


def _no_sums(step: LevelProgram | SlotProgram) -> Sums:
    width = step.base.shape[-1]
    empty = np.zeros((0, width))
    return Sums(np.zeros(width), empty, empty, np.zeros(width), empty, empty)
