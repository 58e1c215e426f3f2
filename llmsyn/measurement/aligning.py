"""A cohort written with the levels and codes of a profile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from llmsyn.cohort.types import Cohort
from llmsyn.measurement.labels import Labels, code_index
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import UNLISTED, Categorical, CodeSet, Numeric


def aligned(cohort: Cohort, like: Profile) -> Cohort:
    """Recode a cohort so that it can be laid beside one drawn from the profile.

    Rare levels take the name they have in the profile, numbers are top- and bottom-coded to
    its first and last bin, codes that it does not list become ``(unlisted)``, and variables
    that it does not have are left out.

    Raises
    ------
    CohortError : as :func:`llmsyn.measurement.measure`.
    """
    labels = Labels(cohort, like)
    columns = {
        n: cohort.units[n] for n in ("patient_id", "stay_id") if n in cohort.units.schema.names
    }
    codes: dict[str, pa.Table] = {}
    for variable in like.variables:
        if isinstance(variable, Categorical):
            index = pa.array(labels.level(variable).astype(np.int32))
            names = pa.array(variable.levels, pa.string())
            columns[variable.name] = pa.DictionaryArray.from_arrays(index, names)
        elif isinstance(variable, Numeric):
            labels.level(variable)  # which says that the column is there
            columns[variable.name] = _clipped(cohort.units[variable.name], variable)
        else:
            codes[variable.name] = _recoded(labels, variable)
    return replace(cohort, units=pa.table(columns), codes=codes)


def _clipped(column: pa.ChunkedArray, variable: Numeric) -> pa.Array:
    value = np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)
    highest = max(variable.edges[-1] - 10.0**-variable.decimals, variable.edges[-2])
    value = np.clip(value, variable.edges[0], round(float(highest), variable.decimals))
    return pa.array(value, pa.float64(), mask=np.isnan(value))


def _recoded(labels: Labels, variable: CodeSet) -> pa.Table:
    labels.codes(variable)  # which says that the table is there and sound
    table = labels.cohort.codes[variable.name]
    coded = table["code"].combine_chunks()
    to = code_index(coded.dictionary.to_pylist(), variable).astype(np.int32)
    names = pa.array([*variable.codes, UNLISTED], pa.string())
    code = pa.DictionaryArray.from_arrays(pa.array(to[np.asarray(coded.indices)]), names)
    return table.set_column(table.schema.get_field_index("code"), "code", code)
