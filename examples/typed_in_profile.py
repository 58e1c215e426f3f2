"""Type in a small published table, look for contradictions, and draw patients from it.

    python examples/typed_in_profile.py

The population is invented: 1,000 patients, of whom 30 died, with deaths by sex.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from llmsyn import Profile, check_profile, generate, write_profile
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.variables import Categorical, Numeric

SEX, DIED = ("female", "male"), ("no", "yes")

profile = Profile(
    name="typed-in",
    title="An invented ward",
    unit="patient",
    n_units=1_000,
    n_patients=1_000,
    stages=("demographics", "outcomes"),
    variables=(
        Categorical("sex", "demographics", SEX, np.array([480.0, 520.0]), concept="sex"),
        Numeric(
            "age",
            "demographics",
            unit="years",
            decimals=0,
            edges=np.array([18.0, 40.0, 65.0, 90.0]),
            counts=np.array([210.0, 390.0, 400.0]),
            concept="age",
        ),
        Categorical(
            "died",
            "outcomes",
            DIED,
            np.array([970.0, 30.0]),
            role="outcome",
            concept="in_hospital_death",
        ),
    ),
    tables=(
        Table((Axis("sex", SEX), Axis("died", DIED)), np.array([[470.0, 10.0], [500.0, 20.0]])),
    ),
)

if __name__ == "__main__":
    for finding in check_profile(profile):
        print(finding.severity, finding.message)

    with tempfile.TemporaryDirectory() as folder:
        # The folder can be reviewed and edited: TOML and CSV that open in a spreadsheet.
        write_profile(profile, Path(folder, "profile"))
        print("profile:", ", ".join(sorted(p.name for p in Path(folder, "profile").iterdir())))

        result = generate(profile, 20_000, seed=1, out=Path(folder, "cohort"))
        patients = pq.read_table(result.folder / "patients").to_pandas()

    print(patients.head(3).to_string(index=False))
    shares = patients.groupby("sex", observed=True)["died"].apply(
        lambda died: (died == "yes").mean()
    )
    # Published: 10 of 480 women, 20 of 520 men.
    print(
        f"died: women {shares['female']:.3f} (published {10 / 480:.3f}), "
        f"men {shares['male']:.3f} (published {20 / 520:.3f})"
    )
