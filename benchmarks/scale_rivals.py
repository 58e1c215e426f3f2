"""Speed of others at rows of the stress profile's shape, for ``scale.py``.

Each runs in an environment of its own, which is named where it is missing.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from baselines import pysynthea, sdv_environment
from baselines.from_rows import as_rows
from result_files import HERE

from llmsyn.cohort.parts import synthetic_parts
from llmsyn.egress.cache import default_folder
from llmsyn.errors import InputError, ServiceError
from llmsyn.evaluation.samples import sample_of
from llmsyn.generation import generate
from llmsyn.profile.reading import read_profile
from llmsyn.profile.variables import Numeric

RIVALS = ("PySynthea", "SDV GaussianCopula", "Private-PGM")
PGM_VARIABLE = "LLMSYN_PGM"
FITTED_TO, SDV_ROWS, PGM_ROWS = 2_000, 2_000, 100_000
SYNTHEA_PATIENTS = (10, 40)
HUB = "died"


def rival(name: str, profile: Path, folder: Path) -> dict[str, Any]:
    """Units (n), units a second (rate), what was measured, and a note of what is behind it.

    Raises
    ------
    InputError : its environment is missing.
    ServiceError : it failed.
    """
    if name == "PySynthea":
        return _synthea()
    rows = _wide_rows(profile, folder, texts=name == "Private-PGM")
    if name == "Private-PGM":
        words = [str(_pgm_python()), str(HERE / "baselines" / "pgm_run.py"), str(rows), HUB,
                 str(PGM_ROWS), "1"]  # fmt: skip
        said = _said(words)
        n = said["rows"]
        note = (f"Private-PGM (mbi): {said['columns']} columns, a star of two-way tables around "
                f"{HUB} with its exact parameters; the inference before each sample, "
                f"{said['few_seconds']} s, is not counted.")  # fmt: skip
    else:
        words = [str(sdv_environment.python()), "-I", str(HERE / "baselines" / "sdv_run.py"),
                 str(rows.parent), "copula", str(SDV_ROWS), "1"]  # fmt: skip
        said, n = _said(words), SDV_ROWS
        note = (f"SDV: {said['columns']} columns, fitted to {FITTED_TO:,} rows in "
                f"{said['fit_seconds']} s.")  # fmt: skip
    return {"n": n, "rate": n / said["sample_seconds"], "what": "sampling", "note": note}


def _said(words: list[str]) -> dict[str, Any]:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()
        raise ServiceError(f"{Path(words[1]).name} failed: {last[-1] if last else 'no message'}")
    said: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return said


def _synthea() -> dict[str, Any]:
    """Patients beyond those of a small run, so that its start does not count."""
    few, many = SYNTHEA_PATIENTS
    seeds = (1, 2, 3)
    seconds = {
        n: statistics.median(pysynthea.measure(n, seed).seconds for seed in seeds)
        for n in (few, many)
    }
    return {
        "n": many, "rate": (many - few) / (seconds[many] - seconds[few]), "what": "whole lives",
        "note": f"PySynthea: {few} patients in {seconds[few]:.1f} s, {many} in {seconds[many]:.1f} "
                f"s, medians of {len(seeds)}.",
    }  # fmt: skip


def _wide_rows(profile_folder: Path, folder: Path, *, texts: bool) -> Path:
    """Units of the stress profile with one column a variable or code, in ``rows.parquet``."""
    file = folder / ("texts" if texts else "wide") / "rows.parquet"
    if file.exists():
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    profile = read_profile(profile_folder)
    cohort = generate(profile, FITTED_TO, seed=1, out=folder / "few", force=True)
    sample = sample_of(synthetic_parts(cohort.folder), profile)
    columns = tuple((c.name, i) for c in profile.code_sets for i in range(len(c.codes)))
    rows = as_rows(sample, profile, columns)
    if texts:
        for variable in profile.level_variables:
            if isinstance(variable, Numeric):
                levels = pa.array([variable.levels[i] for i in sample.levels[variable.name]])
                at = rows.column_names.index(variable.name)
                rows = rows.set_column(at, variable.name, levels)
    pq.write_table(rows, file)
    return file


def _pgm_python() -> Path:
    """The interpreter of the environment that has Private-PGM.

    Raises
    ------
    InputError : it was not built.
    """
    named = os.environ.get(PGM_VARIABLE)
    folder = Path(named) if named else default_folder() / "pgm"
    python = folder / "bin" / "python"
    if not python.is_file():
        raise InputError(
            f"Private-PGM has no environment yet; run: {Path(sys.executable).name} -m venv "
            f"{folder} && {folder / 'bin' / 'pip'} install mbi pyarrow"
        )
    return python
