"""Public data sets that a language model may know by heart, and their real rows."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from llmsyn.errors import InputError

Row = tuple[str, ...]


@dataclass(frozen=True)
class KnownSet:
    """A public data set, as it is named to the model.

    Attributes
    ----------
    name : what it is called here.
    described : its name, file and origin, in our own words.
    columns : of the file, as many as are asked for; together they should tell rows apart.
    """

    name: str
    described: str
    columns: tuple[str, ...]


DIABETES130 = KnownSet(
    "diabetes130",
    "the file diabetic_data.csv of 'Diabetes 130-US Hospitals for Years 1999-2008' "
    "(UCI Machine Learning Repository)",
    ("encounter_id", "patient_nbr", "race", "gender", "age", "time_in_hospital"),
)
MIMIC3_DEMO = KnownSet(
    "mimic3-demo",
    "the file PATIENTS.csv of the 'MIMIC-III Clinical Database Demo' v1.4 (PhysioNet)",
    ("subject_id", "gender", "dob", "dod"),
)
KNOWN = (DIABETES130, MIMIC3_DEMO)

IRIS = KnownSet(
    "iris",
    "the file iris.data of Fisher's 'Iris' (UCI Machine Learning Repository)",
    ("sepal_length", "sepal_width", "petal_length", "petal_width", "species"),
)
IRIS_ROWS: tuple[Row, ...] = (
    ("5.1", "3.5", "1.4", "0.2", "setosa"),
    ("4.9", "3.0", "1.4", "0.2", "setosa"),
    ("4.7", "3.2", "1.3", "0.2", "setosa"),
    ("4.6", "3.1", "1.5", "0.2", "setosa"),
    ("5.0", "3.6", "1.4", "0.2", "setosa"),
    ("7.0", "3.2", "4.7", "1.4", "versicolor"),
    ("6.4", "3.2", "4.5", "1.5", "versicolor"),
    ("6.3", "3.3", "6.0", "2.5", "virginica"),
    ("5.8", "2.7", "5.1", "1.9", "virginica"),
)
"""Rows 1 to 5, and the first of the other species; R. A. Fisher, Ann. Eugen. 7 (1936) 179."""


def read_known(known: KnownSet, file: Path) -> list[Row]:
    """The real rows of a CSV file (plain or gzip), in the columns that are asked for.

    Raises
    ------
    InputError : a column is missing.
    """
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "rt", encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        names = {name.strip().lower(): name for name in reader.fieldnames or ()}
        for column in known.columns:
            if column not in names:
                raise InputError(
                    f"the file has no column {column}, which {known.name} has; check that it is "
                    "the file that is named",
                    file=file,
                    column=column,
                )
        return [tuple(row[names[c]] for c in known.columns) for row in reader]


def rows_of(given: Iterable[str]) -> dict[str, list[Row]]:
    """The real rows of each ``NAME=FILE``.

    Raises
    ------
    InputError : a text has no such form, a name is unknown, or a file is not the one named.
    """
    sets = {known.name: known for known in KNOWN}
    rows = {}
    for text in given:
        name, _, file = text.partition("=")
        if name not in sets or not file:
            raise InputError(f"{text!r} must be NAME=FILE, where NAME is one of {', '.join(sets)}")
        if not Path(file).is_file():
            raise InputError("there is no such file; name the table of the data set", file=file)
        rows[name] = read_known(sets[name], Path(file))
    return rows
