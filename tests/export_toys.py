"""Small synthetic cohort folders, made row by row, for the tests of exports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from llmsyn.profile.types import Disclosure, Profile, Provenance
from llmsyn.profile.variables import UNLISTED, Categorical, CodeSet, Numeric
from llmsyn.profile.writing import write_profile
from llmsyn.store import sha256_file, sha256_folder, write_json

DIAGNOSES = ("icd10cm:I509", "icd10cm:J189", "icd9cm:4280", "icd9cm:4869")
CHRONIC = ("icd10cm:I509", "icd9cm:4280")  # AHRQ's indicator says so
PROCEDURES = ("icd9proc:9671", "icd10pcs:02HV33Z", "cpt:99291", "hcpcs:G0378")
DRUGS = ("furosemide", "=cmd|calc")  # the second is what a spreadsheet would run
LABELLED = "a <b>title</b>"


def toy_profile(*, unit: str = "patient", repeats: bool = False, age: bool = True) -> Profile:
    """Sex, age, ethnicity, insurance, a number, death, length of stay and three code sets."""
    ones = np.ones

    def codes(name: str, systems: Sequence[str], listed: Sequence[str], **more: object) -> CodeSet:
        return CodeSet(name, name, tuple(systems), tuple(listed), 10 * ones(len(listed)),
                       concept=name, listed=np.array([5.0, 20, 20, 5]),
                       unlisted=np.array([25.0, 25]), **more)  # fmt: skip

    variables = [
        Categorical("sex", "people", ("F", "M", "?"), 10 * ones(3), missing="?", concept="sex",
                    means={"F": "female", "M": "male"}),
        Numeric("age", "people", "years", 0, np.array([0.0, 40, 95]), 25 * ones(2),
                missing_count=1.0, concept="age" if age else None),
        Categorical("ethnicity", "people", ("Hispanic", "other", "missing"), 10 * ones(3),
                    missing="missing", concept="ethnicity"),
        Categorical("insurance", "people", ("public", LABELLED), 25 * ones(2)),
        Numeric("labs", "people", "tests", 1, np.array([0.0, 2, 9]), 25 * ones(2)),
        Numeric("stay_days", "outcome", "days", 1, np.array([0.0, 3, 30]), 25 * ones(2),
                role="outcome", concept="length_of_stay"),
        Categorical("died", "outcome", ("no", "yes"), np.array([40.0, 10]), role="outcome",
                    concept="in_hospital_death", means={"no": "no", "yes": "yes"}),
        codes("diagnoses", ("icd10cm", "icd9cm"), DIAGNOSES, main=10 * ones(4), main_unlisted=10.0),
        codes("procedures", ("icd9proc", "icd10pcs", "cpt", "hcpcs"), PROCEDURES),
        codes("drugs", ("ingredient",), DRUGS),
    ]  # fmt: skip
    if repeats:
        variables += [
            Numeric("visits", "people", "visits", 0, np.array([1.0, 2, 3, 6]), 10 * ones(3),
                    concept="visits_per_patient"),
            Numeric("gap", "people", "days", 0, np.array([10.0, 30, 90]), 10 * ones(2),
                    concept="days_between_visits"),
        ]  # fmt: skip
    return Profile(
        "toy", unit, 50, 50, ("people", "outcome", "diagnoses", "procedures", "drugs"),
        tuple(variables), title="Toy of exports",
        provenance=Provenance("invented", "a test", "CC0", "2026-11-21"),
        disclosure=Disclosure("none"),
    )  # type: ignore[arg-type]  # fmt: skip


def toy_cohort(
    folder: Path, *, n: int = 90, parts: int = 3, unit: str = "patient", repeats: bool = False,
    seed: int = 0, age: bool = True,
) -> Path:  # fmt: skip
    """Write a finished cohort folder; rows are random, one unit has no age and one no code."""
    profile = toy_profile(unit=unit, repeats=repeats, age=age)
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    write_profile(profile, folder / "profile")
    unit_table = "stays" if unit == "stay" else "patients"
    ids = np.arange(1, n + 1)
    tables = {unit_table: _units(profile, ids, random)}
    for codes in profile.code_sets:
        tables[codes.name] = _codes(codes, ids, random, unit)
    files = []
    for part, some in enumerate(np.array_split(ids, parts)):
        for name, table in tables.items():
            of = table.column("patient_id").to_numpy()
            file = folder / name / f"part-{part:05d}.parquet"
            file.parent.mkdir(exist_ok=True)
            pq.write_table(table.filter(pa.array(np.isin(of, some))), file)
            files.append(file)
    manifest = {
        "schema": 1, "origin": "synthetic", "method": "network", "unit": unit, "n": n,
        "seed": seed, "unit_table": unit_table, "code_sets": [c.name for c in profile.code_sets],
        "parts": [{"file": f.relative_to(folder).as_posix(), "rows": pq.read_metadata(f).num_rows,
                   "sha256": sha256_file(f)} for f in files],
        "profile": {"name": profile.name, "title": profile.title,
                    "sha256": sha256_folder(folder / "profile")},
    }  # fmt: skip
    write_json(folder / "manifest.json", manifest)
    return folder


def _units(profile: Profile, ids: np.ndarray, random: np.random.Generator) -> pa.Table:
    columns = {"patient_id": pa.array(ids)}
    if profile.unit == "stay":
        columns["stay_id"] = pa.array(ids)
    for v in profile.level_variables:
        if isinstance(v, Categorical):
            index = random.integers(len(v.levels), size=len(ids)).astype(np.int16)
            columns[v.name] = pa.DictionaryArray.from_arrays(pa.array(index), pa.array(v.levels))
        else:
            values = np.round(random.uniform(v.edges[0], v.edges[-1] - 0.5, len(ids)), v.decimals)
            values = np.maximum(values, v.edges[0])
            missing = (ids == 7) & (v.missing_count > 0)
            kind = pa.int32() if v.decimals == 0 else pa.float64()
            columns[v.name] = pa.array(values, mask=missing).cast(kind)
    return pa.table(columns)


def _codes(codes: CodeSet, ids: np.ndarray, random: np.random.Generator, unit: str) -> pa.Table:
    owner, code, position = [], [], []
    for one in ids[1:]:  # patient 1 has no code at all
        listed = random.permutation(len(codes.codes))[: random.integers(len(codes.codes) + 1)]
        drawn = [*listed, *[len(codes.codes)] * int(random.integers(3))]
        random.shuffle(drawn)
        first = 0 if codes.main is not None else 1
        owner += [one] * len(drawn)
        code += drawn
        position += range(first, first + len(drawn))
    names = pa.array([*codes.codes, UNLISTED])
    columns = {"patient_id": pa.array(np.array(owner, np.int64))}
    if unit == "stay":
        columns["stay_id"] = columns["patient_id"]
    index = pa.array(np.array(code, np.int16))
    columns["code"] = pa.DictionaryArray.from_arrays(index, names)
    columns["position"] = pa.array(np.array(position, np.int16))
    return pa.table(columns)


def whole(folder: Path, table: str) -> pa.Table:
    """All rows of a table of a cohort."""
    parts = sorted((folder / table).glob("*.parquet"))
    return pa.concat_tables(pq.read_table(p) for p in parts).unify_dictionaries()


def truth(folder: Path) -> tuple[list[dict], dict[str, list[dict]]]:
    """Units and codes of a cohort as plain rows, to count by hand."""
    from llmsyn.cohort.parts import read_manifest

    manifest = read_manifest(folder)
    units = whole(folder, manifest["unit_table"]).to_pylist()
    return units, {name: whole(folder, name).to_pylist() for name in manifest["code_sets"]}


def files(folder: Path) -> dict[str, bytes]:
    """Name -> bytes of every file below a folder."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*")) if p.is_file()
    }  # fmt: skip


def with_variable(profile: Profile, name: str, **changes: object) -> Profile:
    """The same profile with one variable changed."""
    variables = tuple(replace(v, **changes) if v.name == name else v for v in profile.variables)  # type: ignore[arg-type]
    return replace(profile, variables=variables)
