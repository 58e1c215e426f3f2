"""Published cells and measured counts, side by side."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from llmsyn.checking import rule
from llmsyn.checking.cells import Block, BoolArray, blocks, canonical
from llmsyn.checking.report import Finding, Status
from llmsyn.errors import CohortError
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import FloatArray

IntArray: TypeAlias = npt.NDArray[np.int64]


def align(measured: Profile, published: Profile) -> list[tuple[Block, FloatArray]]:
    """Each published block with the cohort's counts of the same cells.

    A histogram's last number stands for that many or more, so longer ones are folded.

    Raises
    ------
    CohortError : a block is not in ``measured``.
    """
    found = {block.key: block for block in blocks(measured)}
    pairs = []
    for block in blocks(published):
        if block.key not in found:
            raise CohortError(
                f"the measured profile has no {block.name} with the levels of "
                f"{published.name}; measure the cohort with --like {published.name}"
            )
        counts = found[block.key].counts
        if block.kind == "histogram":
            counts = _folded(counts, len(block.counts))
        pairs.append((block, counts))
    return pairs


def waived_cells(block: Block, names: Collection[str]) -> BoolArray | None:
    """The cells of a block that are named; None when there is none.

    A name is that of a cell (``a=1 & b=2``, in any order), a block and a place in it
    (``died x age (1, 3)``), or a whole block (``diagnoses.count``).  What a compiled network
    says of a variable's total or a histogram's mean waives all of its cells.
    """
    variables = {axis.variable for axis in block.axes}
    mask = np.zeros(block.counts.shape, bool)
    cell_names = {canonical(name) for name in names if "=" in name}
    if cell_names:
        flat = [canonical(name) in cell_names for name in block.cell_names()]
        mask |= np.array(flat, bool).reshape(mask.shape)
    for name in names:
        plain, _, note = name.partition(" (")
        note = note.removesuffix(")")
        place = tuple(int(part) for part in note.split(",") if part.strip().isdigit())
        if plain == block.name and len(place) == mask.ndim:
            inside = all(map(int.__lt__, place, mask.shape))
            mask[place if inside else ()] |= inside
        elif (plain == block.name and note in ("", "total of its levels")) or (
            note in ("codes per unit", "mean of the histogram")
            and block.kind == "histogram"
            and f"{plain}.unlisted" not in variables
            and any(v.startswith(f"{plain}.") for v in variables)
        ):
            mask[...] = True
    return mask if mask.any() else None


def _folded(counts: FloatArray, length: int) -> FloatArray:
    folded = np.zeros(length)
    folded[: min(length, len(counts))] = counts[:length]
    folded[-1] += counts[length:].sum()
    return folded


@dataclass(frozen=True, eq=False)
class JoinedCells:
    """All counted cells of all blocks, one after the other: arrays ``(m,)``."""

    blocks: tuple[Block, ...]
    block: IntArray  # index into blocks
    place: IntArray  # index into the block's flattened array
    share: FloatArray  # NaN where not published
    count: FloatArray  # units of the cohort
    half_width: FloatArray  # of the share
    exact: BoolArray  # published without interval and noise
    free: BoolArray
    first_order: BoolArray
    suppressed: BoolArray
    published: BoolArray
    masked: BoolArray  # exactly 0 or everyone
    waived: BoolArray
    z: FloatArray
    pearson: FloatArray

    @classmethod
    def join(
        cls, pairs: list[tuple[Block, FloatArray]], n_units: float, n: int, waived: Collection[str]
    ) -> JoinedCells:
        """Line up what is published and what was counted.

        Raises
        ------
        CohortError : the measured profile has counts that were suppressed.
        """
        kept = [b.counted.ravel() for b, _ in pairs]

        def joined(values: Iterable[npt.NDArray[Any]]) -> FloatArray:
            parts = [np.ravel(v)[k] for v, k in zip(values, kept)]
            return np.concatenate([np.zeros(0), *parts])

        def spread(values: Iterable[float]) -> FloatArray:
            return joined(np.full(b.counts.size, v) for (b, _), v in zip(pairs, values))

        share = joined(b.counts for b, _ in pairs) / n_units
        count = joined(m for _, m in pairs)
        half_width = spread(b.half_width for b, _ in pairs) / n_units
        sigma = spread(b.sigma for b, _ in pairs) / n_units
        exact = (half_width == 0) & (sigma == 0)
        known = ~np.isnan(share)
        if np.isnan(count[known]).any():
            raise CohortError(
                "the measured profile has suppressed counts; measure the cohort without "
                "disclosure control"
            )
        z, residual = np.full(len(share), np.nan), np.full(len(share), np.nan)
        p = np.clip(share[known], 0.0, 1.0)
        z[known] = rule.z_scores(count[known], n, p, half_width[known], sigma[known])
        residual[known] = rule.pearson(count[known], n, p)
        found = cls(
            tuple(b for b, _ in pairs),
            spread(range(len(pairs))).astype(int),
            joined(np.arange(b.counts.size) for b, _ in pairs).astype(int),
            share,
            count,
            half_width,
            exact,
            joined(b.free for b, _ in pairs).astype(bool),
            spread(b.kind != "table" for b, _ in pairs).astype(bool),
            spread(b.suppressed for b, _ in pairs).astype(bool) & ~known,
            known,
            exact & ((share == 0) | (share == 1)),
            np.zeros(len(share), bool),
            z,
            residual,
        )
        for index, (block, _) in enumerate(pairs):
            mask = waived_cells(block, waived)
            if mask is not None:
                found.waived[found.block == index] = mask.ravel()[kept[index]]
        return found

    def name(self, i: int) -> str:
        """Name of one cell."""
        block = self.blocks[int(self.block[i])]
        return block.cell_name(*map(int, np.unravel_index(int(self.place[i]), block.counts.shape)))

    def findings(
        self, chosen: Iterable[int], n: int, z: FloatArray, status: Sequence[Status]
    ) -> tuple[Finding, ...]:
        """Some cells in words; ``z`` as it is judged."""
        return tuple(
            Finding(
                self.name(i),
                float(self.share[i]),
                float(self.count[i]) / n,
                float(self.count[i]),
                float(self.share[i]) * n,
                float(z[i]),
                status[i],
            )
            for i in chosen
        )
