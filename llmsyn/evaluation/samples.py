"""Units as arrays in the levels and codes of a profile, and feature matrices of them.

Real cohorts, synthetic cohorts and the baselines all become a :class:`Sample`, so that they
are compared on the same columns, recoded the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from llmsyn.cohort.types import Cohort
from llmsyn.measurement.labels import Labels
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet, Numeric, Variable

IntArray: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sample:
    """n units.

    Attributes
    ----------
    levels : variable -> (n,) index of its level; for a number the bin, n_bins where missing.
    values : number -> (n,) as it is, cut to the profile's edges; NaN where missing.
    codes : code set -> (n, n_codes) sparse 0 or 1.
    unlisted : code set -> (n,) number of unlisted codes.
    patient : (n,) number of the unit's patient.
    main : code set -> (n,) index of the main code; n_codes where it is not listed, -1 where
        there is none.  Empty where nobody says which code is the main one.
    """

    levels: Mapping[str, IntArray]
    values: Mapping[str, FloatArray]
    codes: Mapping[str, sparse.csr_array]
    unlisted: Mapping[str, IntArray]
    patient: IntArray
    main: Mapping[str, IntArray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.patient)

    @property
    def n_patients(self) -> int:
        """Distinct patients."""
        return len(np.unique(self.patient))

    def take(self, rows: IntArray) -> Sample:
        """The units of these rows."""
        return Sample(
            {k: v[rows] for k, v in self.levels.items()},
            {k: v[rows] for k, v in self.values.items()},
            {k: v[rows] for k, v in self.codes.items()},
            {k: v[rows] for k, v in self.unlisted.items()},
            self.patient[rows],
            {k: v[rows] for k, v in self.main.items()},
        )


def sample_of(batches: Iterable[Cohort], profile: Profile) -> Sample:
    """A cohort in the levels and codes of a profile.

    Raises
    ------
    CohortError : a variable or level of the cohort is not in the profile.
    """
    parts: list[Sample] = []
    n_patients = 0
    for batch in batches:
        labels = Labels(batch, profile)
        levels, values, codes, unlisted, main = {}, {}, {}, {}, {}
        for variable in profile.variables:
            if isinstance(variable, CodeSet):
                listed = labels.codes(variable)
                shape = (len(batch), len(variable.codes))
                ones = np.ones(len(listed.row), np.float32)
                codes[variable.name] = sparse.csr_array((ones, (listed.row, listed.index)), shape)
                unlisted[variable.name] = listed.unlisted
                main[variable.name] = listed.main
                continue
            levels[variable.name] = labels.level(variable)
            if isinstance(variable, Numeric):
                raw = np.asarray(batch.units[variable.name].to_numpy(), dtype=float)
                values[variable.name] = np.clip(raw, variable.edges[0], variable.edges[-1])
        patient = labels.patient + n_patients
        parts.append(Sample(levels, values, codes, unlisted, patient, main))
        n_patients += int(labels.patient.max(initial=-1)) + 1
    return joined(parts)


def joined(parts: Sequence[Sample]) -> Sample:
    """Samples of one profile, one below the other; patients keep their numbers."""
    first = parts[0]
    return Sample(
        {k: np.concatenate([p.levels[k] for p in parts]) for k in first.levels},
        {k: np.concatenate([p.values[k] for p in parts]) for k in first.values},
        {k: sparse.csr_array(sparse.vstack([p.codes[k] for p in parts])) for k in first.codes},
        {k: np.concatenate([p.unlisted[k] for p in parts]) for k in first.unlisted},
        np.concatenate([p.patient for p in parts]),
        {k: np.concatenate([p.main[k] for p in parts]) for k in first.main},
    )


def level_shares(variable: Categorical | Numeric) -> FloatArray:
    """Shares of the levels (of a number: bins, then missing), summing to one.

    Suppressed levels get nothing: they are small, and baselines need no more.

    Examples
    --------
    >>> level_shares(Categorical("a", "s", ("x", "y", "z"), np.array([60.0, 20.0, 20.0])))
    array([0.6, 0.2, 0.2])
    """
    counts = variable.counts
    if isinstance(variable, Numeric):
        counts = np.append(counts, variable.missing_count)
    filled = np.nan_to_num(counts, nan=0.0)
    total = filled.sum()
    return np.asarray(filled / total if total else np.full(len(filled), 1 / len(filled)))


def values_in(variable: Numeric, level: IntArray, random: np.random.Generator) -> FloatArray:
    """Numbers uniform in their bin, on the grid of the variable; NaN for the level missing."""
    edges, grid = variable.edges, 10.0**variable.decimals
    at = np.minimum(level, len(edges) - 2)
    drawn = edges[at] + random.random(len(level)) * (edges[at + 1] - edges[at])
    drawn = np.maximum(np.floor(drawn * grid + 1e-9) / grid, edges[at])
    return np.where(level >= len(edges) - 1, np.nan, drawn)


def feature_matrix(
    sample: Sample, variables: Sequence[Variable], *, coarse: bool = False, unlisted: bool = False
) -> npt.NDArray[np.float32]:
    """Columns of the variables: ``(n, n_features)``.

    Nominal variables give one column a level, ordered ones and numbers one column (NaN where
    missing), code sets one a code and one with the number of listed codes.

    Parameters
    ----------
    coarse : numbers are the index of their bin: a profile says no more, so a discriminator
        should not be told more.
    unlisted : add the number of unlisted codes.
    """
    columns: list[npt.NDArray[np.float32]] = []
    for variable in variables:
        if isinstance(variable, CodeSet):
            has = sample.codes[variable.name].toarray()
            columns += [has, has.sum(1, keepdims=True)]
            if unlisted:
                columns.append(sample.unlisted[variable.name][:, None].astype(np.float32))
        elif isinstance(variable, Numeric):
            value = sample.values[variable.name]
            if coarse:
                value = np.where(np.isnan(value), np.nan, sample.levels[variable.name])
            columns.append(value[:, None].astype(np.float32))
        elif variable.ordered:
            level = sample.levels[variable.name].astype(np.float32)
            if variable.missing is not None:
                level[level == variable.levels.index(variable.missing)] = np.nan
            columns.append(level[:, None])
        else:
            one_hot = np.eye(len(variable.levels), dtype=np.float32)
            columns.append(one_hot[sample.levels[variable.name]])
    return np.hstack(columns).astype(np.float32, copy=False)


def outcome_of(sample: Sample, variable: Categorical) -> IntArray:
    """``(n,)`` 1 where the outcome is what its concept calls yes."""
    yes = [i for i, level in enumerate(variable.levels) if variable.meaning(level) == "yes"]
    return np.isin(sample.levels[variable.name], yes).astype(np.int64)
