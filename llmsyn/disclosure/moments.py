r"""Totals that tie a code set's histograms to its prevalences, and codes nested in codes.

With n_k units that have k listed codes, c_j units that have code j and c_ij both i and j,

.. math::  \sum_k k\, n_k = \sum_j c_j, \qquad
           \sum_k \tbinom{k}{2} n_k = \sum_{i<j} c_{ij},

so that one suppressed prevalence follows from the mean of the histogram.  A histogram whose
last cell is suppressed does not say where it ends: units beyond it have at least that many
codes, and how many they have together is a further unknown.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from llmsyn.codes.systems import ICD_SYSTEMS, parents
from llmsyn.disclosure.atoms import MORE, NONE
from llmsyn.disclosure.slots import FACETS, Slot
from llmsyn.disclosure.system import Draft, IntArray, N, Tier
from llmsyn.profile.variables import UNLISTED, CodeSet, FloatArray

if TYPE_CHECKING:
    from llmsyn.disclosure.statements import Writer

MEAN_DECIMALS = 2
"""A published mean of unlisted codes is rounded to this many decimals."""

AMOUNT_PER_UNIT = 1e4
"""More codes than any unit has, and more pairs than counts need."""

_NESTING = (*ICD_SYSTEMS, "atc")
"""Code systems in which a shorter code is the category of a longer one."""


def totals(writer: Writer, release: int, index: int, codes: CodeSet) -> None:
    """Write the totals of a code set; its margins have been written."""
    draft = writer.draft
    prevalences = writer.slots[release][Slot("variable", index)]
    name, key = codes.name, (codes.name, prevalences.tobytes())
    all_listed = writer.once(
        ("listed", *key), lambda: _sum(draft, prevalences, f"{name}: listed codes of all units")
    )
    all_unlisted = writer.once(
        ("unlisted", *key), lambda: _total(draft, f"{name}: unlisted codes of all units")
    )
    listed, unlisted, total = (_histogram(writer, release, codes, part) for part in FACETS)
    for histogram, amount in ((listed, all_listed), (unlisted, all_unlisted)):
        if histogram is not None:
            _moment(writer, histogram, amount, 1)
    if total is not None:
        together = writer.once(
            ("together", *key),
            lambda: _sum(
                draft, np.array([all_listed, all_unlisted]), f"{name}: codes of all units"
            ),
        )
        _moment(writer, total, together, 1)
    if codes.unlisted_per_unit is not None:
        writer.means[release][index] = all_unlisted
        draft.price(np.array([all_unlisted]), Tier.HISTOGRAM)  # the mean is printed
    if codes.main is not None and total is not None:
        _without_codes(writer, release, codes, total)
    if listed is not None:
        _within(writer, prevalences, listed, [f"{name}={code}" for code in codes.codes])
    if codes.main is not None and unlisted is not None:
        side, at = writer.side(f"{name}.main", (*codes.codes, UNLISTED), release)
        main = writer.cells((), ((),), (side,))[0][at[-1:]]
        _within(writer, main, unlisted, [f"{name}.main={UNLISTED}"])


def pair_totals(writer: Writer, release: int) -> None:
    """Tie the sum of all pairs to the histogram, where a table prints all pairs."""
    profile = writer.profiles[release]
    for t, table in enumerate(profile.tables):
        if not table.is_pairs:
            continue
        codes = profile[table.axes[0].variable]
        if not isinstance(codes, CodeSet) or set(table.axes[0].labels) != set(codes.codes):
            continue
        listed = _histogram(writer, release, codes, "listed")
        if listed is None:
            continue
        ids = writer.slots[release][Slot("table", t)]
        pairs = np.unique(ids[ids >= 0])
        name = f"{codes.name}: pairs of all units"
        total = writer.once((name, pairs.tobytes()), partial(_sum, writer.draft, pairs, name))
        writer.draft.cuts.append(np.array([total]))
        _moment(writer, listed, total, 2)


def nested_codes(writer: Writer, codes: CodeSet, ids: IntArray) -> None:
    """A listed code plus the rest of its listed category is the category.

    Whether a data set counts the longer code under the shorter one as well is not known; a
    code with more units than its category shows that it does not, and is left out.
    """
    where = {code: i for i, code in enumerate(codes.codes)}
    found: list[tuple[int, int]] = []
    for code, i in where.items():
        system = codes.system_of(code)
        if system not in _NESTING:
            continue
        head = code[: len(code) - len(codes.bare(code))]
        above = (where.get(head + p) for p in parents(system, codes.bare(code)))
        found += [(i, j) for j in above if j is not None and not codes.counts[i] > codes.counts[j]]
    if not found:
        return
    inner, outer = ids[[i for i, _ in found]], ids[[j for _, j in found]]
    names = [f"{codes.name}={codes.codes[j]}, but not {codes.codes[i]}" for i, j in found]
    writer.once(
        ("nested", inner.tobytes(), outer.tobytes()),
        lambda: _rest(writer.draft, inner, outer, names),
    )


def _within(writer: Writer, inner: IntArray, histogram: IntArray, names: list[str]) -> None:
    """Who is counted in one of these has a code: all but the first cell of the histogram."""
    draft = writer.draft
    if not len(inner):
        return

    def some() -> int:
        unknown = draft.new((1,), lambda _: f"not {draft.name(int(histogram[0]))}")
        draft.sums(np.array([[histogram[0], unknown[0]]]), np.array([N]))
        return int(unknown[0])

    outer = np.full(len(inner), writer.once(("some", histogram.tobytes()), some))
    names = [f"some code, but not {name}" for name in names]
    writer.once(
        ("within", inner.tobytes(), int(outer[0])), lambda: _rest(draft, inner, outer, names)
    )


def _rest(draft: Draft, inner: IntArray, outer: IntArray, names: list[str]) -> int:
    """State that each of these is part of its outer; the first of what is left of them."""
    rest = draft.new((len(inner),), lambda k: names[k[0]])
    draft.sums(np.stack([inner, rest], axis=1), outer)
    return int(rest[0])


def _sum(draft: Draft, parts: IntArray, name: str) -> int:
    """An amount that is the sum of these."""
    total = _total(draft, name)
    if len(parts):
        draft.equations(np.append(parts, total)[None], np.append(np.ones(len(parts)), -1.0))
    return total


def _total(draft: Draft, name: str) -> int:
    return int(draft.new((1,), lambda _: name, count=False)[0])


def _histogram(writer: Writer, release: int, codes: CodeSet, part: str) -> IntArray | None:
    """Unknowns of a histogram: (k_max + 1,) and one for units beyond; None without it."""
    histogram = getattr(codes, part)
    if histogram is None:
        return None
    labels = tuple(map(str, range(len(histogram))))
    side, at = writer.side(f"{codes.name}.{FACETS[part]}", labels, release)
    ids = writer.cells((), ((),), (side,))[0]
    beyond = [i for i, atoms in enumerate(side.parts) if MORE in atoms]
    writer.draft.beyond[int(ids[at[-1]])] = int(ids[beyond[0]])
    return np.append(ids[at], ids[beyond])


def _moment(writer: Writer, histogram: IntArray, total: int, order: int) -> None:
    """State that the sum over k of C(k, order) n_k is the total; once for each of both."""
    key = ("moment", histogram.tobytes(), total)
    writer.once(key, lambda: _write_moment(writer.draft, histogram, total, order))


def _write_moment(draft: Draft, histogram: IntArray, total: int, order: int) -> int:
    k = np.arange(len(histogram), dtype=float)
    weight: FloatArray = k if order == 1 else k * (k - 1) / 2
    amount = _total(draft, "codes of units beyond the histogram")
    slack = _total(draft, "slack")
    ids = np.concatenate([histogram[:-1], [amount, total]])
    draft.equations(ids[None], np.concatenate([weight[:-1], [1.0, -1.0]]))
    rest = _total(draft, "slack")
    beyond = histogram[-1]
    draft.equations(np.array([[amount, beyond, slack]]), np.array([1.0, -weight[-1], -1.0]))
    draft.equations(np.array([[amount, beyond, rest]]), np.array([1.0, -AMOUNT_PER_UNIT, 1.0]))
    return amount


def _without_codes(writer: Writer, release: int, codes: CodeSet, total: IntArray) -> None:
    """Units without any code have no main code; others may lack one too."""
    side, _ = writer.side(f"{codes.name}.main", (*codes.codes, UNLISTED), release)
    none = writer.cells((), ((),), (side,))[0][side.parts.index(frozenset({NONE}))]
    names = [f"{codes.name}: codes, and none of them main"]
    inner, outer = total[:1], np.array([none])
    writer.once(
        ("no main", int(total[0]), int(none)), lambda: _rest(writer.draft, inner, outer, names)
    )
