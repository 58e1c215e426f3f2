"""Count a cohort the way a profile asks for it; counts of batches add up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from llmsyn.cohort.types import Cohort
from llmsyn.errors import CohortError
from llmsyn.measurement.labels import IntArray, Labels, Many, Single
from llmsyn.measurement.tallies import Patients, tally, tally_patients
from llmsyn.profile.tables import Table
from llmsyn.profile.types import Disclosure, Profile
from llmsyn.profile.variables import Categorical, CodeSet, FloatArray, Numeric, Variable


@dataclass(frozen=True, eq=False)
class Measurement:
    """Exact counts, NaN nowhere except on the diagonals of pair tables.

    ``profile`` counts units, ``patients`` has the same shape and counts distinct patients:
    small-cell rules look at those.  Where the unit is the patient both are one object.
    """

    profile: Profile
    patients: Profile


def measure(batches: Iterable[Cohort], like: Profile) -> Measurement:
    """Measure a cohort with the levels, bins, codes and tables of a profile.

    Codes that ``like`` does not list are counted as unlisted.  Numbers outside of the bins
    count in the first or last one.  In a real cohort, levels that ``like`` does not name
    count as its level ``other`` where it has one.

    Parameters
    ----------
    batches : parts of the cohort; no patient may be in two of them.
    like : its counts are not looked at.

    Returns
    -------
    Measurement : a histogram of numbers of codes is longer than that of ``like`` where more
        codes occur; suppressed numbers of ``like`` are counted as any other.

    Raises
    ------
    CohortError : a variable is not in the cohort, or a level is not in the profile.
    """
    counts = Counts(like)
    for batch in batches:
        counts.add(batch)
    return counts.measurement()


@dataclass(eq=False)
class Counts:
    """Counts so far, by name of what is counted: one array of any shape each.

    Names are those of variables, ``diagnoses.main``, ``diagnoses.listed``,
    ``diagnoses.unlisted``, ``diagnoses.total``, and ``#3`` for the fourth table.
    """

    like: Profile
    n_units: int = 0
    n_patients: int = 0
    units: dict[str, IntArray] = field(default_factory=dict)
    patients: dict[str, IntArray] = field(default_factory=dict)

    def add(self, batch: Cohort) -> None:
        """Count one batch; its patients must not be in any other."""
        if not len(batch):
            return
        labels = Labels(batch, self.like)
        patients = Patients.of_units(labels.patient)
        self.n_units += labels.n
        self.n_patients += patients.n
        for name, axes in _everything(self.like, labels):
            counts = tally(axes)
            _grow(self.units, name, counts)
            if patients.repeats.any():
                counts = tally_patients(axes, patients)
            _grow(self.patients, name, counts)

    def merge(self, other: Counts) -> None:
        """Add the counts of other batches, made with the same profile."""
        self.n_units += other.n_units
        self.n_patients += other.n_patients
        for mine, theirs in ((self.units, other.units), (self.patients, other.patients)):
            for name, counts in theirs.items():
                _grow(mine, name, counts)

    def measurement(self) -> Measurement:
        """The counts as profiles.

        Raises
        ------
        CohortError : there was no unit at all.
        """
        if not self.n_units:
            raise CohortError("the cohort has no units; there is nothing to measure")
        units = self._profile(self.units)
        if self.like.unit == "patient":
            return Measurement(units, units)
        return Measurement(units, self._profile(self.patients))

    def _profile(self, counts: dict[str, IntArray]) -> Profile:
        per_unit = {
            c.name: float(_mean(self.units[f"{c.name}.unlisted"])) for c in self.like.code_sets
        }
        return replace(
            self.like,
            n_units=float(self.n_units),
            n_patients=float(self.n_patients),
            variables=tuple(_variable(v, counts, per_unit) for v in self.like.variables),
            tables=tuple(_table(t, counts[f"#{i}"]) for i, t in enumerate(self.like.tables)),
            disclosure=Disclosure(),
        )


def _everything(like: Profile, labels: Labels) -> Iterable[tuple[str, Sequence[Single | Many]]]:
    """All that is counted, by name, each as the axes of a table."""
    for variable in like.variables:
        if isinstance(variable, CodeSet):
            listed, name, n = labels.codes(variable), variable.name, len(variable.codes)
            yield name, [Many(listed.row, listed.index, n)]
            if variable.main is not None:
                yield f"{name}.main", [Single(listed.main, n + 1)]
            yield f"{name}.listed", [_histogram(listed.count)]
            yield f"{name}.unlisted", [_histogram(listed.unlisted)]
            yield f"{name}.total", [_histogram(listed.count + listed.unlisted)]
        else:
            extra = isinstance(variable, Numeric)  # missing numbers
            yield variable.name, [Single(labels.level(variable), len(variable.counts) + extra)]
    for i, table in enumerate(like.tables):
        yield f"#{i}", [labels.axis(axis) for axis in table.axes]


def _histogram(number: IntArray) -> Single:
    return Single(number, int(number.max(initial=0)) + 1)


def _grow(sums: dict[str, IntArray], name: str, counts: IntArray) -> None:
    """Add counts; a histogram becomes as long as the longer of the two."""
    before = sums.get(name)
    if before is None:
        sums[name] = counts.astype(np.int64)
    elif before.shape == counts.shape:
        sums[name] = before + counts
    else:
        longer, shorter = sorted((before, counts), key=len, reverse=True)
        longer = longer.copy()
        longer[: len(shorter)] += shorter
        sums[name] = longer


def _mean(histogram: IntArray) -> float:
    return float(np.arange(len(histogram)) @ histogram / histogram.sum())


def _variable(
    like: Variable, counts: dict[str, IntArray], unlisted_per_unit: dict[str, float]
) -> Variable:
    """A variable with exact counts where ``like`` has numbers."""
    found = counts[like.name].astype(np.float64)
    if isinstance(like, Categorical):
        return replace(like, counts=found, half_width=0.0, sigma=0.0)
    if isinstance(like, Numeric):
        return replace(
            like,
            counts=found[:-1],
            missing_count=float(found[-1]),
            half_width=0.0,
            sigma=0.0,
        )
    main = None if like.main is None else counts[f"{like.name}.main"].astype(np.float64)
    return replace(
        like,
        counts=found,
        main=None if main is None else main[:-1],
        main_unlisted=None if main is None else float(main[-1]),
        listed=_as_long_as(like.listed, counts[f"{like.name}.listed"]),
        unlisted=_as_long_as(like.unlisted, counts[f"{like.name}.unlisted"]),
        total=_as_long_as(like.total, counts[f"{like.name}.total"]),
        unlisted_per_unit=unlisted_per_unit[like.name],
        half_width=0.0,
        sigma=0.0,
    )


def _as_long_as(like: FloatArray | None, histogram: IntArray) -> FloatArray | None:
    """The histogram, at least as long as that of the profile; None where that has none."""
    if like is None:
        return None
    counts = np.zeros(max(len(like), len(histogram)))
    counts[: len(histogram)] = histogram
    return counts


def _table(like: Table, counts: IntArray) -> Table:
    exact = counts.astype(np.float64)
    if like.is_pairs:
        np.fill_diagonal(exact, np.nan)  # a code with itself is no pair
    return replace(like, counts=exact, half_width=0.0, sigma=0.0)
