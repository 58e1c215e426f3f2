"""Synthetic cohort folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llmsyn.cohort.parts import open_cohort, read_manifest, synthetic_parts
from llmsyn.errors import CohortError
from llmsyn.store import sha256_file, write_json

HOSPITAL = Path(__file__).parent / "data" / "hospital"


def _text(values: list[str]) -> pa.DictionaryArray:
    return pa.array(values).dictionary_encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two parts, three patients."""
    tables = {
        "patients/part-00000.parquet": {
            "patient_id": pa.array([1, 2], pa.int64()),
            "sex": _text(["F", "M"]),
            "age": pa.array([50, None], pa.int32()),
        },
        "patients/part-00001.parquet": {
            "patient_id": pa.array([3], pa.int64()),
            "sex": _text(["M"]),
            "age": pa.array([70], pa.int32()),
        },
        "dx/part-00000.parquet": {
            "patient_id": pa.array([2, 2], pa.int64()),
            "code": _text(["a", "b"]),
            "position": pa.array([0, 1], pa.int16()),
        },
        "dx/part-00001.parquet": {
            "patient_id": pa.array([], pa.int64()),
            "code": _text([]).cast(pa.dictionary(pa.int32(), pa.string())),
            "position": pa.array([], pa.int16()),
        },
    }
    parts = []
    for name, columns in tables.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table(columns), path)
        parts.append({"file": name, "sha256": sha256_file(path)})
    write_json(
        tmp_path / "manifest.json",
        {"schema": 1, "origin": "synthetic", "unit": "patient", "n": 3, "parts": parts,
         "code_sets": ["dx"]},
    )  # fmt: skip
    return tmp_path


def test_parts_are_cohorts(folder: Path) -> None:
    first, second = open_cohort(folder)
    assert (first.origin, first.unit, len(first), len(second)) == ("synthetic", "patient", 2, 1)
    assert first.units["age"].type == pa.float64()
    assert first.units["age"].to_pylist() == [50.0, None]
    assert first.units["patient_id"].type == pa.int64()
    assert first.codes["dx"].to_pydict() == {"row": [1, 1], "code": ["a", "b"], "position": [0, 1]}
    assert first.codes["dx"].schema.field("row").type == pa.int32()
    assert second.codes["dx"].num_rows == 0


def test_hashes_are_compared_when_asked(folder: Path) -> None:
    assert len(list(synthetic_parts(folder, verify=True))) == 2
    part = folder / "patients" / "part-00001.parquet"
    pq.write_table(pq.read_table(part).slice(0, 0), part)
    with pytest.raises(CohortError, match="changed"):
        list(synthetic_parts(folder, verify=True))
    with pytest.raises(CohortError, match="hold 2 units where the manifest says 3"):
        list(synthetic_parts(folder))


def _edit(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    change(manifest)
    write_json(folder / "manifest.json", manifest)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(origin="real"), "no manifest of a synthetic cohort"),
        (lambda m: m.update(schema=9), "schema 9, expected 1"),
        (lambda m: m.pop("parts"), "key parts"),
        (lambda m: m.update(unit="visit"), "'visit' is neither"),
        (lambda m: m["parts"].pop(), "the part is missing"),
    ],
)
def test_broken_manifests(
    folder: Path, change: Callable[[dict[str, object]], object], message: str
) -> None:
    _edit(folder, change)
    with pytest.raises(CohortError, match=message):
        list(open_cohort(folder))


def test_a_folder_without_manifest_is_not_ours(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    with pytest.raises(CohortError, match="no finished cohort of ours"):
        list(open_cohort(folder))
    (folder / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(CohortError, match="not readable"):
        read_manifest(folder)


def test_a_missing_or_broken_part(folder: Path) -> None:
    (folder / "dx" / "part-00000.parquet").write_text("no parquet", encoding="utf-8")
    with pytest.raises(CohortError, match="not readable Parquet"):
        list(open_cohort(folder))
    (folder / "dx" / "part-00000.parquet").unlink()
    with pytest.raises(CohortError, match="missing"):
        list(open_cohort(folder))


def test_codes_of_nobody(folder: Path) -> None:
    part = folder / "dx" / "part-00000.parquet"
    table = pq.read_table(part)
    pq.write_table(table.set_column(0, "patient_id", pa.array([2, 77], pa.int64())), part)
    with pytest.raises(CohortError, match="is not among the patients"):
        list(open_cohort(folder))


def test_a_mapping_file_opens_too() -> None:
    (cohort,) = open_cohort(HOSPITAL / "mapping.toml")
    assert (cohort.origin, len(cohort)) == ("real", 5)
