"""Each patient's contribution to each cell that may be printed: what a risk is predicted from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from llmsyn.cohort.types import Cohort
from llmsyn.disclosure.slots import FACETS, Slot, printed, slots
from llmsyn.disclosure.system import BoolArray, IntArray
from llmsyn.measurement.labels import Labels, Many, Single
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet, FloatArray, Numeric

MOST_COLUMNS = 8000
"""Cells beyond this number are not looked at, smallest counts first; the risk says so."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """Values of candidate cells for each patient.

    Attributes
    ----------
    values : (n_patients, m) sparse; units of the patient in the cell.
    slot, cell : (m,) slot (index into ``slots``) and flat index of each column.
    slots : the slots of the profile.
    counts : (m,) units in the cell.
    axes : of each measured table, by its number.
    n_dropped : candidates that were not looked at.
    """

    values: sp.csr_matrix
    slot: IntArray
    cell: IntArray
    slots: tuple[Slot, ...]
    counts: FloatArray
    axes: Mapping[int, tuple[Axis, ...]]
    n_dropped: int = 0

    def printed_by(self, profile: Profile) -> BoolArray:
        """Columns whose cell a release of what was measured prints: (m,).

        Parameters
        ----------
        profile : may lack tables of the measurement, and codes on their axes.
        """
        masks = {s: ~np.isnan(printed(profile, s)) for s in slots(profile) if s.place != "table"}
        after = 0
        for index, axes in sorted(self.axes.items()):
            left = range(after, len(profile.tables))
            at = next((i for i in left if _is_part(profile.tables[i], axes)), None)
            if at is None:
                continue
            after = at + 1
            mask = np.zeros([len(axis.labels) for axis in axes], dtype=bool)
            places = [
                [axis.labels.index(label) for label in side.labels]
                for axis, side in zip(axes, profile.tables[at].axes)
            ]
            mask[np.ix_(*places)] = ~np.isnan(profile.tables[at].counts)
            masks[Slot("table", index)] = mask
        return self.where(masks)

    def where(self, masks: Mapping[Slot, BoolArray]) -> BoolArray:
        """Columns whose cell is marked: (m,).  A cell beyond the end of a mask is not."""
        found = np.zeros(len(self.slot), dtype=bool)
        for i, slot in enumerate(self.slots):
            if slot in masks:
                flat = np.asarray(masks[slot]).ravel()
                mine = np.flatnonzero(self.slot == i)
                inside = mine[self.cell[mine] < flat.size]
                found[inside] = flat[self.cell[inside]]
        return found


def statistics_of(
    batches: Iterable[Cohort], like: Profile, patients: Profile, threshold: int
) -> Statistics:
    """Every cell that stands for at least T patients, patient by patient.

    Parameters
    ----------
    batches : the cohort that was measured.
    like : the exact measurement, in units.
    patients : the same, in distinct patients.
    threshold : T.
    """
    places = tuple(slots(like))
    picked: list[tuple[int, IntArray, FloatArray]] = []
    for i, slot in enumerate(places):
        people = printed(patients, slot)
        candidates = people >= threshold
        if slot.place == "table" and like.tables[slot.index].is_pairs:
            candidates = np.triu(candidates, 1)
        flat = np.flatnonzero(candidates.ravel())
        picked.append((i, flat, printed(like, slot).ravel()[flat]))
    n_all = sum(len(flat) for _, flat, _ in picked)
    if n_all > MOST_COLUMNS:
        everything = np.sort(np.concatenate([counts for _, _, counts in picked]))
        least = everything[-MOST_COLUMNS]
        picked = [(i, flat[counts > least], counts[counts > least]) for i, flat, counts in picked]
    blocks = [values_of(Labels(batch, like), like, places, picked) for batch in batches]
    return Statistics(
        values=sp.vstack(blocks, format="csr"),
        slot=np.concatenate([np.full(len(flat), i) for i, flat, _ in picked]).astype(np.int64),
        cell=np.concatenate([flat for _, flat, _ in picked]).astype(np.int64),
        slots=places,
        counts=np.concatenate([counts for _, _, counts in picked]),
        axes={i: table.axes for i, table in enumerate(like.tables)},
        n_dropped=max(n_all - sum(len(flat) for _, flat, _ in picked), 0),
    )


def _is_part(table: Table, axes: tuple[Axis, ...]) -> bool:
    """Whether a printed table can be one with these axes: its labels are among theirs."""
    return len(table.axes) == len(axes) and all(
        mine.variable == axis.variable and set(mine.labels) <= set(axis.labels)
        for mine, axis in zip(table.axes, axes)
    )


def values_of(
    labels: Labels,
    like: Profile,
    places: tuple[Slot, ...],
    picked: list[tuple[int, IntArray, FloatArray]],
) -> sp.csr_matrix:
    """(n_patients, m) of one batch."""
    columns = [_cells(labels, like, places[i], flat) for i, flat, _ in picked]
    units = sp.hstack(columns, format="csr")
    patient = labels.patient
    n = int(patient.max(initial=-1)) + 1
    members = sp.csr_matrix(
        (np.ones(len(patient)), (patient, np.arange(len(patient)))), (n, labels.n)
    )
    return sp.csr_matrix(members @ units)


def _cells(labels: Labels, like: Profile, slot: Slot, flat: IntArray) -> sp.csc_matrix:
    """(n_units, n_cells) indicators of cells of one slot."""
    if slot.place == "table":
        table = like.tables[slot.index]
        index = np.unravel_index(flat, table.counts.shape)
        product: sp.csc_matrix | None = None
        for axis, at in zip(table.axes, index):
            side = _indicators(labels.axis(axis), labels.n)[:, at]
            product = side if product is None else sp.csc_matrix(product.multiply(side))
        assert product is not None, "a table has axes"
        return product
    variable = like.variables[slot.index]
    if not isinstance(variable, CodeSet):
        level = labels.level(variable)
        size = len(variable.counts) + isinstance(variable, Numeric)
        shift = len(variable.counts) if slot.part == "missing_count" else 0
        return _indicators(Single(level, size), labels.n)[:, flat + shift]
    listed = labels.codes(variable)
    n_codes = len(variable.codes)
    if slot.part == "counts":
        return _indicators(Many(listed.row, listed.index, n_codes), labels.n)[:, flat]
    if slot.part in ("main", "main_unlisted"):
        shift = n_codes if slot.part == "main_unlisted" else 0
        return _indicators(Single(listed.main, n_codes + 1), labels.n)[:, flat + shift]
    number = {
        "count": listed.count, "unlisted": listed.unlisted, "total": listed.count + listed.unlisted,
    }[FACETS[slot.part]]  # fmt: skip
    size = max(int(number.max(initial=0)), int(flat.max(initial=0))) + 1
    return _indicators(Single(number, size), labels.n)[:, flat]


def _indicators(axis: Single | Many, n: int) -> sp.csc_matrix:
    """(n_units, size) with a one for each label that a unit has."""
    if isinstance(axis, Many):
        row, index = axis.row, axis.index
    else:
        row = np.flatnonzero(axis.index >= 0)
        index = axis.index[row]
    return sp.csc_matrix((np.ones(len(row)), (row, index)), shape=(n, axis.size))
