"""Upper references that see real rows: units as a table, and a table back as units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import sparse

from baselines.sdv_environment import synthesize
from llmsyn.evaluation.independent import draw_independent
from llmsyn.evaluation.samples import Sample
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet, Numeric

MOST_CODES = 100
"""Most frequent codes that become columns; the others are drawn independently."""


@dataclass(frozen=True, eq=False)
class FromRows:
    """A synthesizer of SDV, which is fitted when it is sampled: both happen in one process.

    Attributes
    ----------
    method : ``copula`` or ``ctgan``.
    rows : real units as a table.
    columns : (code set, place) of the columns of codes.
    """

    profile: Profile
    method: str
    rows: pa.Table
    columns: tuple[tuple[str, int], ...]

    def sample(self, n: int, seed: int) -> Sample:
        """``n`` units."""
        made = synthesize(self.method, self.rows, n, seed)
        return as_sample(made, self.profile, self.columns, np.random.default_rng(seed))


def fit_sdv(profile: Profile, members: Sample, method: str) -> FromRows:
    """Units of real people as a table that SDV takes."""
    counted = [
        (-float(n), codes.name, i)
        for codes in profile.code_sets
        for i, n in enumerate(np.asarray(members.codes[codes.name].sum(axis=0)).ravel())
    ]
    columns = tuple((name, i) for n, name, i in sorted(counted)[:MOST_CODES] if n < 0)
    return FromRows(profile, method, as_rows(members, profile, columns), columns)


def as_rows(sample: Sample, profile: Profile, columns: tuple[tuple[str, int], ...]) -> pa.Table:
    """One column a variable (numbers as they are, levels as text), one a frequent code."""
    table = {}
    for variable in profile.level_variables:
        if isinstance(variable, Numeric):
            value = sample.values[variable.name]
            table[variable.name] = pa.array(value, from_pandas=True)
        else:
            table[variable.name] = pa.array(
                [variable.levels[i] for i in sample.levels[variable.name]]
            )
    for name, i in columns:
        has = sample.codes[name][:, [i]].toarray()[:, 0] > 0
        table[f"{name}={i}"] = pa.array(np.where(has, "yes", "no"))
    return pa.table(table)


def as_sample(
    table: pa.Table,
    profile: Profile,
    columns: tuple[tuple[str, int], ...],
    random: np.random.Generator,
) -> Sample:
    """A table back as units; what is no column is drawn from its margin."""
    n = table.num_rows
    rest = draw_independent(profile, n, random)
    levels, values = dict(rest.levels), dict(rest.values)
    for variable in profile.level_variables:
        column = table[variable.name].to_numpy()
        if isinstance(variable, Numeric):
            value = np.clip(column.astype(float), variable.edges[0], variable.edges[-1])
            index = np.searchsorted(variable.edges[1:-1], value, side="right")
            values[variable.name] = value
            levels[variable.name] = np.where(np.isnan(value), len(variable.counts), index)
        else:
            place = {level: i for i, level in enumerate(variable.levels)}
            levels[variable.name] = np.array([place[str(level)] for level in column])
    codes = {}
    for code_set in profile.code_sets:
        assert isinstance(code_set, CodeSet), "code_sets are code sets"
        has = sparse.lil_array(rest.codes[code_set.name])
        for name, i in columns:
            if name == code_set.name:
                yes = table[f"{name}={i}"].to_numpy() == "yes"
                has[:, [i]] = yes[:, None].astype(np.float32)
        codes[code_set.name] = sparse.csr_array(has)
    return Sample(levels, values, codes, rest.unlisted, np.arange(n))
