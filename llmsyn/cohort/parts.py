"""Synthetic cohort folders, read part by part; and whatever else a cohort can be given as."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from llmsyn.cohort.types import Cohort
from llmsyn.errors import CohortError
from llmsyn.store import read_at_most, sha256_file

MANIFEST = "manifest.json"
MANIFEST_SCHEMA = 1
_UNIT_TABLE = {"patient": "patients", "stay": "stays"}
_BATCH_UNITS = 100_000
_NAME = re.compile(r"[^\W\d_][\w-]*")  # as names of variables are written
_PART = re.compile(rf"{_NAME.pattern}/part-\d+\.parquet")
MAX_MANIFEST_BYTES = 256 << 20  # a billion units have a manifest of some 15 MB


def open_cohort(
    path: str | Path, data: str | Path | None = None, *, size: int = _BATCH_UNITS
) -> Iterator[Cohort]:
    """Batches of a synthetic cohort folder, or of real tables through a mapping file.

    Parameters
    ----------
    path : a folder that this program wrote, or a mapping file ending in ``.toml``.
    data : folder of the tables that the mapping names (its own folder without it).
    size : units in a batch of real rows; synthetic ones come part by part.

    Raises
    ------
    CohortError : the folder has no manifest of ours, or does not hold what the manifest says.
    MappingError : the mapping or its tables cannot be read.
    """
    path = Path(path)
    if path.suffix == ".toml":
        from llmsyn.cohort.mapping import read_mapping
        from llmsyn.cohort.reading import read_cohort

        yield from read_cohort(read_mapping(path), data).batches(size)
    else:
        yield from synthetic_parts(path)


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of a finished synthetic cohort.

    Raises
    ------
    CohortError : there is none, or it is of another version.
    """
    file = Path(folder) / MANIFEST
    try:
        manifest = json.loads(read_at_most(file, MAX_MANIFEST_BYTES, CohortError))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CohortError(
            "there is no manifest, so this is no finished cohort of ours; for real tables name a "
            "mapping file, for a run that was cut run generate again",
            file=folder,
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise CohortError(
            "the manifest is not readable; generate the cohort again", file=file
        ) from error
    needed = {"unit": str, "n": int, "parts": list, "code_sets": list}
    if not isinstance(manifest, dict) or manifest.get("origin") != "synthetic":
        raise CohortError("this is no manifest of a synthetic cohort; generate it again", file=file)
    if manifest.get("schema") != MANIFEST_SCHEMA:
        raise CohortError(
            f"the manifest has schema {manifest.get('schema')!r}, expected {MANIFEST_SCHEMA}; "
            "generate the cohort again with this version",
            file=file,
        )
    for key, kind in needed.items():
        if not isinstance(manifest.get(key), kind):
            raise CohortError(
                "the key is missing or of the wrong kind; generate the cohort again",
                file=file,
                key=key,
            )
    # Names become paths: none may lead out of the folder.
    for i, part in enumerate(manifest["parts"]):
        name = part.get("file") if isinstance(part, dict) else None
        if not isinstance(name, str) or not _PART.fullmatch(name):
            raise CohortError(
                "a part has no file such as drugs/part-00000.parquet; generate the cohort again",
                file=file,
                key=f"parts[{i}].file",
            )
    for i, name in enumerate(manifest["code_sets"]):
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise CohortError(
                "this is no name of a code set; generate the cohort again",
                file=file,
                key=f"code_sets[{i}]",
            )
    if manifest["unit"] not in _UNIT_TABLE:
        raise CohortError(
            f"unit {manifest['unit']!r} is neither patient nor stay; generate the cohort again",
            file=file,
            key="unit",
        )
    return manifest


def synthetic_parts(folder: str | Path, *, verify: bool = False) -> Iterator[Cohort]:
    """The parts of a synthetic cohort, one after the other.

    Parameters
    ----------
    folder : holds ``patients/`` (or ``stays/``), one folder per code set, and the manifest.
    verify : compare the hash of every file with the manifest.

    Raises
    ------
    CohortError : no manifest, a file that is missing or changed, or another number of units.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    unit_table = _UNIT_TABLE[manifest["unit"]]
    hashes = {part["file"]: part.get("sha256") for part in manifest["parts"]}
    numbers = sorted(Path(f).name for f in hashes if Path(f).parent.name == unit_table)
    seen = 0
    for name in numbers:
        files = {t: f"{t}/{name}" for t in (unit_table, *manifest["code_sets"])}
        for file in files.values():
            if file not in hashes or not (folder / file).is_file():
                raise CohortError(
                    "the part is missing; generate the cohort again", file=folder / file
                )
            if verify and sha256_file(folder / file) != hashes[file]:
                raise CohortError(
                    "the part was changed after it was written; generate the cohort again",
                    file=folder / file,
                )
        try:
            cohort = _part(folder, files, manifest["unit"], unit_table)
        except pa.ArrowException as error:  # columns of other kinds than ours
            raise CohortError(
                f"the part {name} does not hold what we write ({_brief(error)}); generate the "
                "cohort again",
                file=folder,
            ) from error
        seen += len(cohort)
        yield cohort
    if seen != manifest["n"]:
        raise CohortError(
            f"the parts hold {seen:,} units where the manifest says {manifest['n']:,}; generate "
            "the cohort again",
            file=folder / MANIFEST,
        )


def _part(folder: Path, files: dict[str, str], unit: str, unit_table: str) -> Cohort:
    key = "stay_id" if unit == "stay" else "patient_id"
    units = _read(folder / files[unit_table], key)
    columns = {name: _column(name, units[name]) for name in units.column_names}
    known = units[key].combine_chunks()
    codes = {}
    for name, file in files.items():
        if name == unit_table:
            continue
        table = _read(folder / file, key, "code", "position")
        row = pc.index_in(table[key].combine_chunks(), value_set=known)
        if row.null_count:
            raise CohortError(
                f"a {key} is not among the {unit_table}; generate the cohort again",
                file=folder / file,
                column=key,
            )
        code = table["code"].combine_chunks()
        if not pa.types.is_dictionary(code.type):
            code = pc.dictionary_encode(code)
        kept = {"row": row, "code": code, "position": table["position"].combine_chunks()}
        if "time" in table.column_names:
            kept["time"] = table["time"].combine_chunks()
        codes[name] = pa.table(kept)
    return Cohort("synthetic", "stay" if unit == "stay" else "patient", pa.table(columns), codes)


def _column(name: str, column: pa.ChunkedArray) -> pa.Array:
    """Numbers as float64, texts dictionary-encoded, ids as they are."""
    array = column.combine_chunks()
    if name in ("patient_id", "stay_id") or pa.types.is_dictionary(array.type):
        return array
    if pa.types.is_string(array.type):
        return pc.dictionary_encode(array)
    return array.cast(pa.float64())


def _read(file: Path, *needed: str) -> pa.Table:
    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowException) as error:
        raise CohortError(
            "the part is not readable Parquet; generate the cohort again", file=file
        ) from error
    for name in needed:
        if table.column_names.count(name) != 1:
            raise CohortError(
                f"the part has {table.column_names.count(name)} columns of this name, expected "
                "one; generate the cohort again",
                file=file,
                column=name,
            )
    return table


def _brief(error: Exception) -> str:
    """The beginning of what a library said, on one line."""
    return " ".join(str(error).split())[:200]
