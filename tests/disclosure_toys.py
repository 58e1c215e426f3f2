"""Populations for tests of disclosure control: so many units of each kind, counted by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from llmsyn.cohort.types import Cohort
from llmsyn.disclosure.slots import Slot, printed, slots, with_printed
from llmsyn.measurement import Measurement, measure
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet, Numeric, Variable

Person = Mapping[str, Any]
"""Level, number or codes (main code first) by variable; what is left out has a default."""

Kind = tuple[Person, int] | tuple[Person, int, int]
"""Who, how many units, and of how many patients."""


@dataclass(frozen=True)
class Form:
    """What is counted: levels, edges and codes by variable, then the axes of each table."""

    levels: Mapping[str, tuple[str, ...]]
    edges: Mapping[str, tuple[float, ...]]
    codes: Mapping[str, tuple[str, ...]]
    tables: tuple[tuple[str, ...], ...] = ()
    labels: Mapping[str, tuple[str, ...]] | None = None  # of table axes, where not all
    system: str = "local"
    histograms: bool = True
    mean: bool = True  # of unlisted codes
    main: bool = True
    basis: Any = "bins"

    def profile(self, unit: Any = "patient") -> Profile:
        """The form as a profile of NaN."""
        variables: list[Variable] = [
            Categorical(name, "s", levels, _nan(len(levels)))
            for name, levels in self.levels.items()
        ]
        variables += [
            Numeric(name, "s", "", 0, np.array(e, float), _nan(len(e) - 1), np.nan,
                    basis=self.basis)
            for name, e in self.edges.items()
        ]  # fmt: skip
        has = self.histograms
        variables += [
            CodeSet(
                name, "s", (self.system,), codes, _nan(len(codes)),
                main=_nan(len(codes)) if self.main else None,
                main_unlisted=np.nan if self.main else None,
                listed=_nan(1) if has else None,
                unlisted=_nan(1) if has else None,
                unlisted_per_unit=np.nan if has and self.mean else None,
            )
            for name, codes in self.codes.items()
        ]  # fmt: skip
        form = Profile("toy", unit, np.nan, np.nan, ("s",), tuple(variables))
        tables = tuple(self._table(form, names) for names in self.tables)
        return replace(form, tables=tables)

    def _table(self, form: Profile, names: tuple[str, ...]) -> Table:
        axes = tuple(self._axis(form, name) for name in names)
        return Table(axes, np.full([len(a.labels) for a in axes], np.nan))

    def _axis(self, form: Profile, name: str) -> Axis:
        plain, _, suffix = name.partition("/")  # "age/coarse": another axis of age
        if self.labels and name in self.labels:
            return Axis(plain, self.labels[name])
        variable = form[plain]
        assert not suffix and "." not in plain, f"say the labels of {name}"
        if isinstance(variable, CodeSet):
            return Axis(plain, variable.codes)
        return Axis(plain, variable.levels)


def _nan(n: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.full(n, np.nan)


def cohort(form: Form, people: Sequence[Kind]) -> Cohort:
    """So many units of each kind.

    Parameters
    ----------
    people : kind and number of units of it, each a patient of its own; or kind, number of stays
        and number of patients who share them.
    """
    stays = len(people[0]) == 3
    rows = [kind for kind, n, *_ in people for _ in range(n)]
    ids = [
        100_000 * k + i % (rest[0] if rest else n)
        for k, (_, n, *rest) in enumerate(people)
        for i in range(n)
    ]
    columns: dict[str, Any] = {"patient_id": pa.array(ids, pa.int64())}
    if stays:
        columns["stay_id"] = pa.array(range(len(rows)), pa.int64())
    for name, levels in form.levels.items():
        columns[name] = pa.array([r.get(name, levels[0]) for r in rows]).dictionary_encode()
    for name in form.edges:
        columns[name] = pa.array([r.get(name) for r in rows], pa.float64())
    tables = {}
    for name in form.codes:
        lists = [r.get(name, ()) for r in rows]
        tables[name] = pa.table(
            {
                "row": pa.array([i for i, c in enumerate(lists) for _ in c], pa.int32()),
                "code": pa.array([x for c in lists for x in c], pa.string()).dictionary_encode(),
                "position": pa.array([j for c in lists for j in range(len(c))], pa.int16()),
            }
        )
    return Cohort("real", "stay" if stays else "patient", pa.table(columns), tables)


def measured(form: Form, people: Sequence[Kind]) -> Measurement:
    """The exact measurement of so many units of each kind."""
    rows = cohort(form, people)
    found = measure([rows], form.profile(rows.unit))
    if form.mean:
        return found
    gone = {f"{name} mean": ["*"] for name in form.codes}
    return Measurement(without(found.profile, gone), without(found.patients, gone))


def without(profile: Profile, hidden: Mapping[str, Sequence[Any]]) -> Profile:
    """A release that prints everything but these cells, with its mean as it is printed.

    Parameters
    ----------
    hidden : by name of what is printed (``sex``, ``dx.main``, ``dx.listed``, ``sex x died``):
        labels, numbers of codes, or tuples of labels; ``"*"`` hides all.  The second table of
        the same axes is called ``sex x died again``, the mean number of unlisted codes ``dx mean``.
    """
    arrays = {}
    names: dict[str, Slot] = {}
    for slot in slots(profile):
        name = name_of(profile, slot)
        names[f"{name} again" if name in names else name] = slot
    variables = tuple(
        replace(v, unlisted_per_unit=None)
        if isinstance(v, CodeSet) and f"{v.name} mean" in hidden
        else v
        for v in profile.variables
    )
    for name, cells in hidden.items():
        if name.endswith(" mean"):
            continue
        slot = names[name]
        array = printed(profile, slot)
        for cell in cells:
            if cell == "*":
                array = np.full_like(array, np.nan)
                continue
            array[_at(profile, slot, cell)] = np.nan
            if slot.place == "table" and profile.tables[slot.index].is_pairs:
                array[_at(profile, slot, cell[::-1])] = np.nan
        arrays[slot] = array
    return with_printed(replace(profile, variables=variables), arrays)


def rounded_to_5(profile: Profile) -> Profile:
    """The same release, rounded."""
    arrays = {slot: np.round(printed(profile, slot) / 5) * 5 for slot in slots(profile)}
    return with_printed(profile, arrays, half_width=2.5)


def name_of(profile: Profile, slot: Slot) -> str:
    """How :func:`without` calls a slot."""
    if slot.place == "table":
        return profile.tables[slot.index].name
    name = profile.variables[slot.index].name
    return name if slot.part == "counts" else f"{name}.{slot.part}"


def _at(profile: Profile, slot: Slot, cell: Any) -> Any:
    if slot.place == "table":
        axes = profile.tables[slot.index].axes
        return tuple(axis.labels.index(label) for axis, label in zip(axes, cell, strict=True))
    variable = profile.variables[slot.index]
    if isinstance(cell, int):
        return cell
    if slot.part == "counts" or slot.part == "main":
        labels = variable.codes if isinstance(variable, CodeSet) else variable.levels
        return labels.index(cell)
    return ()
