"""The speed that NumPy and Parquet allow: rows of the same shape, drawn without any model.

Levels are uniform, the number of codes of a patient is Poisson, each code comes from one
look-up in the cumulated prevalences (twice the same code is left as it is), and the same
columns are written as plain Parquet.  No correct generator with this output can be faster
by much; how near ours comes is what ``speed.py`` reports.

    python benchmarks/bare_writer.py shape.json 1000000 2 OUT
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CHUNK = 50_000
"""Units per file, as many as ours."""


@dataclass(frozen=True)
class Shape:
    """What the output looks like.

    Attributes
    ----------
    levels : categorical variable -> number of levels.
    numbers : names of numeric variables.
    codes : code set -> prevalence of each code.
    """

    levels: dict[str, int]
    numbers: list[str]
    codes: dict[str, list[float]]

    @property
    def codes_per_unit(self) -> float:
        """Mean number of codes of a unit."""
        return sum(sum(p) for p in self.codes.values())

    def save(self, path: Path) -> None:
        """Write JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def load_shape(path: Path) -> Shape:
    """Read what :meth:`Shape.save` wrote."""
    return Shape(**json.loads(path.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Spent:
    """Code rows of some chunks, and seconds to draw them and to write them."""

    rows: int
    draw_seconds: float
    write_seconds: float


def write_chunk(shape: Shape, chunk: int, n: int, seed: int, out: Path) -> Spent:
    """Draw and write one chunk."""
    begun = time.perf_counter()
    tables = draw_chunk(shape, chunk, n, seed)
    drawn = time.perf_counter()
    for name, table in tables.items():
        write_plainly(table, out / f"{name}-{chunk:05d}.parquet")
    rows = sum(tables[name].num_rows for name in shape.codes)
    return Spent(rows, drawn - begun, time.perf_counter() - drawn)


def draw_chunk(shape: Shape, chunk: int, n: int, seed: int) -> dict[str, pa.Table]:
    """The tables of one chunk."""
    random = np.random.Generator(np.random.SFC64([seed, chunk]))
    ids = np.arange(chunk * CHUNK, chunk * CHUNK + n, dtype=np.int64)
    columns: dict[str, pa.Array] = {"patient_id": pa.array(ids)}
    for name, size in shape.levels.items():
        names = pa.array([str(k) for k in range(size)])
        index = (random.random(n, np.float32) * size).astype(np.int16)
        columns[name] = pa.DictionaryArray.from_arrays(pa.array(index), names)
    for name in shape.numbers:
        columns[name] = pa.array((random.random(n, np.float32) * 100).astype(np.int32))
    tables = {"patients": pa.table(columns)}
    for name, prevalence in shape.codes.items():
        cumulated = np.cumsum(prevalence).astype(np.float32)
        number = random.poisson(float(cumulated[-1]), n)
        total = int(number.sum())
        u = random.random(total, np.float32) * (cumulated[-1] * np.float32(0.999999))
        code = np.searchsorted(cumulated, u).astype(np.int16)
        first = np.cumsum(number) - number
        position = (np.arange(total) - np.repeat(first, number)).astype(np.int16)
        names = pa.array([f"{name}{k:04d}" for k in range(len(prevalence))])
        tables[name] = pa.table(
            {
                "patient_id": pa.array(np.repeat(ids, number)),
                "code": pa.DictionaryArray.from_arrays(pa.array(code), names),
                "position": pa.array(position),
            }
        )
    return tables


def bare_seconds(
    shape: Shape, n: int, workers: int, out: Path, seed: int = 1
) -> tuple[float, list[Spent]]:
    """Wall seconds of ``n`` units by ``workers`` processes, and what each chunk took."""
    out.mkdir(parents=True, exist_ok=True)
    jobs = [(shape, k, min(CHUNK, n - k * CHUNK), seed, out) for k in range(-(-n // CHUNK))]
    begun = time.perf_counter()
    if workers == 1:
        spent = [write_chunk(*job) for job in jobs]
    else:
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            pool.starmap(_nothing, [()] * workers, chunksize=1)  # imports are not what we time
            begun = time.perf_counter()
            spent = pool.starmap(write_chunk, jobs, chunksize=1)
    return time.perf_counter() - begun, spent


def _nothing() -> None:
    """What a process does to be there."""


def write_plainly(table: pa.Table, path: Path) -> None:
    """As a part is written, but without temporary name, flush and hash."""
    coded = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    pq.write_table(table, path, compression="snappy", use_dictionary=coded, write_statistics=False)


if __name__ == "__main__":
    shape_file, n_units, n_workers, folder = sys.argv[1:]
    seconds, chunks = bare_seconds(
        load_shape(Path(shape_file)), int(n_units), int(n_workers), Path(folder)
    )
    print(
        json.dumps(
            {
                "seconds": seconds,
                "draw_seconds": sum(c.draw_seconds for c in chunks),
                "write_seconds": sum(c.write_seconds for c in chunks),
                "code_rows": sum(c.rows for c in chunks),
            }
        )
    )
