"""Baseline: every variable and every code drawn by itself, from its margin."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from llmsyn.evaluation.samples import FloatArray, IntArray, Sample, level_shares, values_in
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet, Numeric

_ROWS_AT_ONCE = 20_000


def draw_independent(profile: Profile, n: int, random: np.random.Generator) -> Sample:
    """``n`` units without any association; codes are coin tosses with their prevalence."""
    levels, values, codes, unlisted = {}, {}, {}, {}
    for variable in profile.in_order:
        if isinstance(variable, CodeSet):
            p = prevalences(variable, profile.n_units)
            codes[variable.name] = _coins(p, n, random)
            unlisted[variable.name] = draw_unlisted(variable, n, random)
            continue
        shares = level_shares(variable)
        level = random.choice(len(shares), n, p=shares)
        levels[variable.name] = level
        if isinstance(variable, Numeric):
            values[variable.name] = values_in(variable, level, random)
    # Last, so that streams of earlier results stay as they are.
    main = {
        v.name: _draw_main(v, profile.n_units, n, random)
        for v in profile.code_sets
        if v.main is not None
    }
    return Sample(levels, values, codes, unlisted, np.arange(n), main)


def prevalences(variable: CodeSet, n_units: float) -> FloatArray:
    """``(n_codes,)`` share of units with each code; suppressed ones count as 0."""
    return np.clip(np.nan_to_num(variable.counts, nan=0.0) / n_units, 0.0, 1.0)


def draw_unlisted(variable: CodeSet, n: int, random: np.random.Generator) -> IntArray:
    """``(n,)`` numbers of unlisted codes: from the histogram, else Poisson with the mean."""
    if variable.unlisted is not None:
        shares = np.nan_to_num(variable.unlisted, nan=0.0)
        if shares.sum() > 0:
            return random.choice(len(shares), n, p=shares / shares.sum())
    return random.poisson(variable.unlisted_per_unit or 0.0, n)


def _draw_main(variable: CodeSet, n_units: float, n: int, random: np.random.Generator) -> IntArray:
    """``(n,)`` main codes by their margin; what is left over is unlisted."""
    assert variable.main is not None, "asked for those with one"
    listed = np.clip(np.nan_to_num(variable.main, nan=0.0) / n_units, 0.0, 1.0)
    shares = np.append(listed, max(1 - float(listed.sum()), 0.0))
    return random.choice(len(shares), n, p=shares / shares.sum())


def _coins(p: FloatArray, n: int, random: np.random.Generator) -> sparse.csr_array:
    parts = []
    for start in range(0, n, _ROWS_AT_ONCE):
        rows = min(_ROWS_AT_ONCE, n - start)
        parts.append(sparse.csr_array((random.random((rows, len(p))) < p).astype(np.float32)))
    return sparse.csr_array(sparse.vstack(parts))
