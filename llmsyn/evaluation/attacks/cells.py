"""The printed cells of a profile, and what each person adds to them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from llmsyn.disclosure.slots import Slot, printed, slots
from llmsyn.disclosure.statistics import MOST_COLUMNS, values_of
from llmsyn.evaluation.intervals import FloatArray, IntArray
from llmsyn.evaluation.samples import Sample
from llmsyn.measurement.labels import Labels, Listed
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet, Numeric


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells that a profile prints.

    Attributes
    ----------
    profile : that prints them.
    picked : (slot, flat indices, counts) of each slot, as
        :func:`llmsyn.disclosure.statistics.values_of` takes them.
    is_margin : (m,) whether the cell is a level, bin or code by itself.
    n_dropped : printed cells beyond the 8,000 with the largest counts.
    """

    profile: Profile
    picked: tuple[tuple[int, IntArray, FloatArray], ...]
    is_margin: np.ndarray
    n_dropped: int = 0

    def __len__(self) -> int:
        return len(self.is_margin)

    @cached_property
    def places(self) -> tuple[Slot, ...]:
        """The slots that ``picked`` counts by."""
        return tuple(slots(self.profile))

    @property
    def released(self) -> FloatArray:
        """(m,) units in each cell, per patient of the release."""
        counts = np.concatenate([counts for _, _, counts in self.picked])
        return np.asarray(counts / self.profile.n_patients)

    def of(self, sample: Sample) -> sp.csr_matrix:
        """(n_patients, m) units of each patient in each cell; patients in their order."""
        labels = SampleLabels(sample, self.profile)
        return values_of(labels, self.profile, self.places, list(self.picked))

    def made(self, synthetic: Sample) -> FloatArray:
        """(m,) units of a synthetic set in each cell, per patient as the profile has them."""
        share = np.asarray(self.of(synthetic).sum(axis=0)).ravel() / len(synthetic)
        return np.asarray(share * self.profile.n_units / self.profile.n_patients)


def cells_of(profile: Profile, *, tables: bool = True, main: bool = True) -> Cells:
    """What a profile prints.

    Parameters
    ----------
    tables : cross-tables too.
    main : main codes too; False where a sample does not say which code is the main one.
    """
    picked: list[tuple[int, IntArray, FloatArray]] = []
    margin: list[np.ndarray] = []
    for i, slot in enumerate(slots(profile)):
        if slot.place == "table" and not (tables and _usable(profile, slot, main)):
            continue
        if not main and slot.part in ("main", "main_unlisted"):
            continue
        counts = printed(profile, slot)
        there = ~np.isnan(counts)
        if slot.place == "table" and profile.tables[slot.index].is_pairs:
            there = np.triu(there, 1)
        flat = np.flatnonzero(there.ravel())
        picked.append((i, flat, counts.ravel()[flat]))
        is_margin = slot.place == "variable" and slot.part in ("counts", "missing_count")
        margin.append(np.full(len(flat), is_margin))
    n_all = sum(len(flat) for _, flat, _ in picked)
    if n_all > MOST_COLUMNS:
        least = np.sort(np.concatenate([c for _, _, c in picked]))[-MOST_COLUMNS]
        margin = [m[c > least] for m, (_, _, c) in zip(margin, picked)]
        picked = [(i, flat[c > least], c[c > least]) for i, flat, c in picked]
    kept = sum(len(flat) for _, flat, _ in picked)
    return Cells(profile, tuple(picked), np.concatenate(margin), n_all - kept)


def says_main(sample: Sample, profile: Profile) -> bool:
    """Whether a sample says which code of each code set is the main one."""
    return all(codes.name in sample.main for codes in profile.code_sets)


def _usable(profile: Profile, slot: Slot, main: bool) -> bool:
    return main or all(axis.facet != "main" for axis in profile.tables[slot.index].axes)


class SampleLabels(Labels):
    """The labels of a sample, which knows its levels and codes already."""

    def __init__(self, sample: Sample, like: Profile) -> None:
        self.sample, self.like, self.n = sample, like, len(sample)
        self._axes = {}

    @cached_property
    def patient(self) -> IntArray:
        """``(n_units,)`` number of the unit's patient, without gaps."""
        _, who = np.unique(self.sample.patient, return_inverse=True)
        return np.asarray(who, dtype=np.int64)

    def level(self, variable: Categorical | Numeric) -> IntArray:
        """See :meth:`llmsyn.measurement.labels.Labels.level`."""
        return self.sample.levels[variable.name]

    def codes(self, variable: CodeSet) -> Listed:
        """See :meth:`llmsyn.measurement.labels.Labels.codes`."""
        name = variable.name
        listed = sp.csr_array(self.sample.codes[name])
        count = np.diff(listed.indptr).astype(np.int64)
        return Listed(
            row=np.repeat(np.arange(self.n), count),
            index=listed.indices.astype(np.int64),
            main=self.sample.main.get(name, np.full(self.n, -1, dtype=np.int64)),
            count=count,
            unlisted=self.sample.unlisted[name],
        )
