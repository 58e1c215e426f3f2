r"""What a network is: level nodes and slot lists, with their weights.

Every unit (patient or stay) is drawn node by node.  A **level node** gives one variable one
of its levels, by a softmax over log weights that are sums over *factors*:

.. math:: P(l \mid \text{earlier}) \propto \exp\Big(b_l + \sum_f W_f[r_f, l]
          + \sum_{c \in \text{codes so far}} C[c, l]\Big),

where :math:`r_f` is the row of factor *f* that the levels drawn before select.  A **slot
list** fills a list of distinct codes one after the other,

.. math:: P(\text{next}=j \mid \text{earlier}) \propto \exp\Big(b_j + \sum_f W_f[r_f, j]
          + \sum_{c \in \text{earlier lists}} L[c, j] + \sum_{i \in \text{so far}} w_{ij}\Big),

over the codes *j* not yet taken, *w* symmetric.  How many slots are filled is the level of
a node drawn before the list.  The first slot has a base of its own where the main code's
shares are published.  ``-inf`` is a mask: the cell is impossible.

Weights are log weights in float64; :mod:`llmsyn.network.drawing` multiplies them up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Parent:
    """A level variable drawn earlier, with its levels put into groups (all of a range in one)."""

    variable: int  # index into Network.variables
    groups: IntArray  # (n_levels,) group of each level
    n_groups: int


@dataclass(eq=False)
class Factor:
    """Weights for every combination of the parents' groups (rows) and every target (columns).

    ``target`` holds the share of units in which row and column hold together; NaN is free.
    ``hard`` says which of them are published (the rest is knowledge).  With a ``moment``
    (n_rows,) only ``moment @ target`` is aimed at, and weights move along the moment.
    ``spans`` (n_targets,) puts targets that the table counts together into one group.
    """

    parents: tuple[Parent, ...]
    weights: FloatArray  # (n_rows, n_targets) log
    target: FloatArray  # (n_rows, n_targets)
    hard: BoolArray  # (n_rows, n_targets)
    share: FloatArray  # (n_rows,) published share of each row
    name: str = ""
    moment: FloatArray | None = None
    spans: IntArray | None = None

    @property
    def n_rows(self) -> int:
        """Number of parent combinations."""
        return int(self.weights.shape[0])


@dataclass(eq=False)
class CodeFactor:
    """Weights for every code drawn earlier (rows, all lists stacked) and every target."""

    weights: FloatArray  # (n_codes_before, n_targets) log
    target: FloatArray
    hard: BoolArray
    share: FloatArray  # (n_codes_before,) published prevalence


@dataclass(eq=False)
class Tilt:
    """One weight per earlier code on a number: adds ``weights[c] * k`` to its log weights.

    ``target`` is E[k 1_c], the mean number over all units of which only those with code *c*
    count; NaN is free.
    """

    weights: FloatArray  # (n_codes_before,)
    target: FloatArray  # (n_codes_before,)
    share: FloatArray  # (n_codes_before,)


@dataclass(eq=False)
class LevelNode:
    """Draws one level of one variable."""

    variable: int
    base: FloatArray  # (n_levels,)
    share: FloatArray  # (n_levels,) published share of each level
    factors: list[Factor] = field(default_factory=list)
    codes: CodeFactor | None = None
    tilt: Tilt | None = None


@dataclass(eq=False)
class SlotNode:
    """Fills one list of distinct codes.

    Column ``n_codes`` (the last) of every target axis stands for *unlisted*: it is a
    candidate of the first slot where the main code may be unlisted, and of every slot when
    ``unlisted_repeats`` (only the total number of codes is published).
    """

    code_set: int
    first_code: int  # index of its first code in the stacked order of all codes
    n_codes: int
    count_variable: int  # level = number of slots
    unlisted_variable: int | None  # level = number of further, unlisted codes
    main_variable: int | None  # level variable that receives the main code
    base: FloatArray  # (n_codes + 1,)
    share: FloatArray  # (n_codes + 1,) prevalence; last: mean number of unlisted codes or NaN
    base_main: FloatArray | None  # (n_codes + 1,)
    share_main: FloatArray | None  # (n_codes + 1,)
    pairs: FloatArray  # (n_codes, n_codes) symmetric
    pair_target: FloatArray  # (n_codes, n_codes) symmetric, NaN free
    pair_hard: BoolArray
    unlisted_repeats: bool = False
    factors: list[Factor] = field(default_factory=list)
    main_factors: list[Factor] = field(default_factory=list)
    links: CodeFactor | None = None


@dataclass(frozen=True, eq=False)
class LevelVariable:
    """A column of the unit table: its name, levels and, for a number, its bins."""

    name: str
    levels: tuple[str, ...]
    kind: str  # categorical, numeric, count, unlisted, main
    edges: FloatArray | None = None
    decimals: int = 0
    has_missing: bool = False  # numeric: the last level is missing


@dataclass(frozen=True, eq=False)
class CodeList:
    """A code set: its name and its codes in order."""

    name: str
    codes: tuple[str, ...]


@dataclass(eq=False)
class Network:
    """Nodes in drawing order, with what the columns and codes are called.

    ``notes`` lists, in sentences, what the compile could not use or had to bend.
    """

    unit: str
    variables: tuple[LevelVariable, ...]
    code_lists: tuple[CodeList, ...]
    nodes: list[LevelNode | SlotNode]
    notes: tuple[str, ...] = ()

    @property
    def n_codes(self) -> int:
        """All codes of all lists."""
        return sum(len(c.codes) for c in self.code_lists)
