"""SDMetrics' quality report: column shapes and column pair trends.

Source: SDMetrics (Synthetic Data Vault, DataCebo), ``QualityReport``; Patki et al. 2016, doi
10.1109/DSAA.2016.49.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from llmsyn.evaluation.intervals import Estimate
from llmsyn.evaluation.measured import measure
from llmsyn.evaluation.samples import Sample
from llmsyn.evaluation.types import Evidence, Measure
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical

MOST_ROWS = 10_000
MOST_CODES, QUICK_CODES = 5, 2
"""Codes of a set that become columns: pairs grow with the square of the columns."""


def quality(evidence: Evidence, independent: Sample) -> list[Measure]:
    """Column shapes and column pair trends as SDMetrics defines them, against the holdout.

    Columns: every level variable, the number of codes of each set, and its five most frequent
    codes.  SDMetrics gives no interval.
    """
    most = 2_000 if evidence.quick else MOST_ROWS
    random = evidence.random("quality")
    chosen = _frequent_codes(evidence.holdout, QUICK_CODES if evidence.quick else MOST_CODES)

    def table(sample: Sample) -> pd.DataFrame:
        rows = np.sort(random.permutation(len(sample))[:most])
        return as_table(sample.take(rows), evidence.profile, chosen)

    real = table(evidence.holdout)
    kinds = {
        str(name): {
            "sdtype": "numerical" if pd.api.types.is_float_dtype(real[name]) else "categorical"
        }
        for name in real.columns
    }
    found = [
        _report(real, table(other), {"columns": kinds})
        for other in (evidence.synthetic, evidence.members, independent)
    ]
    names = {"shapes": "Column Shapes", "pair_trends": "Column Pair Trends"}
    return [
        measure(
            f"fidelity.sdmetrics.{key}", f"SDMetrics {name.lower()}",
            *(Estimate(f[name], np.nan, np.nan) for f in found), least=0, most=1,
            why="SDMetrics gives no value for these columns",
        )
        for key, name in names.items()
    ]  # fmt: skip


def as_table(sample: Sample, profile: Profile, codes: dict[str, list[int]]) -> pd.DataFrame:
    """Units as a table that other libraries read: one column a variable, number and code.

    Parameters
    ----------
    codes : code set -> which of its codes become columns.
    """
    columns: dict[str, Any] = {}
    for variable in profile.level_variables:
        if isinstance(variable, Categorical):
            names = np.array(variable.levels, dtype=object)
            columns[variable.name] = names[sample.levels[variable.name]]
        else:
            columns[variable.name] = sample.values[variable.name].astype(float)
    for code_set in profile.code_sets:
        listed = sample.codes[code_set.name]
        columns[f"{code_set.name} (number)"] = np.asarray(listed.sum(1), dtype=float).ravel()
        for index in codes.get(code_set.name, ()):
            has = np.asarray(listed[:, [index]].toarray()).ravel() > 0
            columns[f"{code_set.name} {code_set.codes[index]}"] = np.where(has, "yes", "no")
    return pd.DataFrame(columns)


def _frequent_codes(sample: Sample, most: int) -> dict[str, list[int]]:
    found = {}
    for name, listed in sample.codes.items():
        counts = np.asarray(listed.sum(0)).ravel()
        found[name] = np.argsort(-counts, kind="stable")[:most].tolist()
    return found


def _report(real: pd.DataFrame, other: pd.DataFrame, metadata: dict[str, Any]) -> dict[str, float]:
    with warnings.catch_warnings():
        # Of a name that newer versions will drop (the lock file holds one that has it), and
        # of constant columns: they are left out of its mean, which is right.
        warnings.simplefilter("ignore")
        from sdmetrics.reports.single_table import QualityReport

        report = QualityReport()
        report.generate(real, other, metadata, verbose=False)
        rows = report.get_properties()
    return {str(p): float(s) for p, s in zip(rows["Property"], rows["Score"])}
