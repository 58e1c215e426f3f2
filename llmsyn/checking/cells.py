"""Every published number of a profile as a cell with a name, a share and a precision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from llmsyn.profile.margins import margin_of
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import (
    MISSING,
    UNLISTED,
    Categorical,
    CodeSet,
    FloatArray,
    Numeric,
    Variable,
)

BoolArray: TypeAlias = npt.NDArray[np.bool_]
Kind = Literal["levels", "prevalence", "main", "histogram", "table"]
_MakeBlock: TypeAlias = "Callable[[Kind, str, Iterable[str], FloatArray], Block]"


@dataclass(frozen=True, eq=False)
class Block:
    """One published array of counts.

    Attributes
    ----------
    axes : one an array dimension.
    counts : in units of the profile, NaN where nothing is published.
    half_width, sigma : precision of the counts, in units.
    suppressed : whether NaN stands for a suppressed count (else the source is silent).
    counted : cells that say something of their own: of a table of pairs, which is
        symmetric, the upper triangle; else all.
    free : ``counted`` less the cells that are fixed by the other cells and the margins (one
        level of a variable; the last row of a complete table).  Their z is that of the
        others over again, so they are tested, but not counted as evidence.
    """

    kind: Kind
    axes: tuple[Axis, ...]
    counts: FloatArray
    half_width: float
    sigma: float
    suppressed: bool
    counted: BoolArray
    free: BoolArray

    @property
    def name(self) -> str:
        """``age`` or ``died x age``."""
        return " x ".join(axis.variable for axis in self.axes)

    @property
    def key(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """What two profiles of the same form agree on; a histogram's length is left out."""
        return tuple(
            (axis.variable, () if self.kind == "histogram" else axis.labels) for axis in self.axes
        )

    def cell_name(self, *index: int) -> str:
        """``died=yes & age=[65,80)``."""
        return " & ".join(f"{a.variable}={a.labels[i]}" for a, i in zip(self.axes, index))

    def cell_names(self) -> Iterator[str]:
        """Names of all cells, in the order of the flattened array."""
        return (self.cell_name(*index) for index in np.ndindex(self.counts.shape))


@dataclass(frozen=True)
class Cell:
    """One published number; ``share``, ``half_width`` and ``sigma`` are shares of the units."""

    block: str
    name: str
    kind: Kind
    share: float
    half_width: float
    sigma: float

    def expected(self, n: int) -> float:
        """Units expected among ``n`` that are drawn independently."""
        return n * self.share


def canonical(name: str) -> frozenset[str]:
    """A cell's terms without their order, so that ``a=1 & b=2`` is ``b=2 & a=1``."""
    return frozenset(part.strip() for part in name.split(" & "))


def cells(profile: Profile) -> tuple[Cell, ...]:
    """All published numbers of a profile, one by one (for few; :func:`blocks` for many).

    Examples
    --------
    >>> sex = Categorical("sex", "x0", ("F", "M"), np.array([40.0, 60.0]))
    >>> [str(c.name) for c in cells(Profile("p", "patient", 100, 100, ("x0",), (sex,)))]
    ['sex=F', 'sex=M']
    """
    n = profile.n_units
    return tuple(
        Cell(b.name, b.cell_name(*index), b.kind, float(b.counts[index]) / n, b.half_width / n,
             b.sigma / n)
        for b in blocks(profile)
        for index in np.ndindex(b.counts.shape)
        if b.counted[index] and not np.isnan(b.counts[index])
    )  # fmt: skip


def blocks(profile: Profile) -> tuple[Block, ...]:
    """The published arrays of a profile: variables in drawing order, then tables."""
    suppressed = profile.disclosure.method == "suppression"
    found = [b for v in profile.in_order for b in _of_variable(v, suppressed)]
    found += [_of_table(table, profile) for table in profile.tables]
    return tuple(found)


def _of_variable(variable: Variable, suppressed: bool) -> Iterator[Block]:
    def block(kind: Kind, name: str, labels: Iterable[str], counts: FloatArray) -> Block:
        counts = np.asarray(counts, dtype=float)
        partition = kind in ("levels", "histogram")
        free = np.ones(counts.shape, bool)
        if partition and not np.isnan(counts).any():
            # Any one level follows from the rest; the largest is the one never near zero.
            free[int(np.argmax(counts))] = False
        return Block(
            kind,
            (Axis(name, tuple(labels)),),
            counts,
            variable.half_width,
            variable.sigma,
            suppressed,
            np.ones(counts.shape, bool),
            free,
        )

    if isinstance(variable, Categorical):
        yield block("levels", variable.name, variable.levels, variable.counts)
    elif isinstance(variable, Numeric):
        # A profile without missing values says so: a cell of 0.
        bins = variable.levels[: len(variable.counts)]
        counts = np.append(variable.counts, variable.missing_count)
        yield block("levels", variable.name, (*bins, MISSING), counts)
    else:
        yield from _of_code_set(variable, block)


def _of_code_set(codes: CodeSet, block: _MakeBlock) -> Iterator[Block]:
    yield block("prevalence", codes.name, codes.codes, codes.counts)
    if codes.main is not None:
        labels, counts = codes.codes, codes.main
        if codes.main_unlisted is not None:
            labels, counts = (*labels, UNLISTED), np.append(counts, codes.main_unlisted)
        yield block("main", f"{codes.name}.main", labels, counts)
    histograms = {"count": codes.listed, "unlisted": codes.unlisted, "total": codes.total}
    for facet, histogram in histograms.items():
        if histogram is not None:
            labels = tuple(str(k) for k in range(len(histogram)))
            yield block("histogram", f"{codes.name}.{facet}", labels, histogram)


def _of_table(table: Table, profile: Profile) -> Block:
    counts = np.asarray(table.counts, dtype=float)
    counted = np.ones(counts.shape, bool)
    if table.is_pairs:
        counted = np.triu(counted, 1)
    free = counted.copy()
    if not np.isnan(counts).any():
        for i, axis in enumerate(table.axes):
            if is_partition(axis, profile):
                free[(slice(None),) * i + (-1,)] = False
    suppressed = table.absent == "suppressed"
    return Block(
        "table", table.axes, counts, table.half_width, table.sigma, suppressed, counted, free
    )


def is_partition(axis: Axis, profile: Profile) -> bool:
    """Whether every unit has exactly one of the labels of a table's axis.

    True for all levels of a variable, ranges that cover all bins of a number (and its
    missing values), and all numbers of a histogram of codes.
    """
    return margin_of(profile, axis).complete
