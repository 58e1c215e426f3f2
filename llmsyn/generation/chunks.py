"""One chunk of units: drawn, laid out as Arrow tables, written as Parquet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from llmsyn.errors import InfeasibleError
from llmsyn.generation.places import place_of
from llmsyn.generation.quotas import quota_uniforms
from llmsyn.generation.reweighting import draw_reweighted
from llmsyn.network.drawing import Drawn, LevelProgram, Program, chunk_generator, run
from llmsyn.network.model import LevelVariable, Network
from llmsyn.profile.condition import Reweight
from llmsyn.profile.variables import UNLISTED, FloatArray
from llmsyn.store import sha256_file

CHUNK = 50_000
"""Units per part.  Part of what a seed means: never depends on the number of workers."""

UNIT_TABLE = {"patient": "patients", "stay": "stays"}


@dataclass(frozen=True)
class Job:
    """What every chunk of a run has in common; ``folder`` is a path or a URL."""

    folder: str
    n: int
    seed: int
    quotas: bool
    reweight: Reweight | None = None


def file_names(network: Network, chunk: int) -> dict[str, str]:
    """Table name -> file of that chunk, relative to the cohort folder."""
    tables = [UNIT_TABLE[network.unit], *(c.name for c in network.code_lists)]
    return {name: f"{name}/part-{chunk:05d}.parquet" for name in tables}


def draw(program: Program, job: Job, chunk: int) -> dict[str, pa.Table]:
    """The tables of one chunk; a pure function of its arguments.

    Raises
    ------
    InfeasibleError : more than one slot in a thousand had no code that could fill it.
    """
    start = chunk * CHUNK
    n = min(CHUNK, job.n - start)
    random = chunk_generator(job.seed, chunk)
    fixed = {}
    if job.quotas:
        fixed = {
            step.node.variable: quota_uniforms(step.node.variable, start, n, job.n, job.seed)
            for step in program.steps
            if isinstance(step, LevelProgram)
        }
    if job.reweight is None:
        drawn = _run(program, n, random, fixed)
    else:
        more = partial(_run, program, random=random, fixed=fixed)
        drawn = draw_reweighted(program.network, job.reweight, start, n, random, more)
    return _tables(program.network, drawn, start, random)


def _run(
    program: Program, n: int, random: np.random.Generator, fixed: dict[int, FloatArray]
) -> Drawn:
    """Units as the network draws them, refused where its rules leave too little."""
    drawn = run(program, n, random, fixed=fixed)
    n_slots = int(drawn.starts[-1].sum()) + n
    if drawn.short > max(3, n_slots // 1000):
        raise InfeasibleError(
            f"{drawn.short:,} of {n_slots:,} draws had nothing left that the rules allow; the "
            "profile asks for more codes per unit than its rules leave"
        )
    return drawn


def write_chunk(program: Program, job: Job, chunk: int) -> dict[str, dict[str, Any]]:
    """Draw one chunk, write its parts, each whole or absent, and mark it as done.

    Returns
    -------
    File name -> rows and sha256.
    """
    written = {}
    names = file_names(program.network, chunk)
    place = place_of(job.folder)
    for name, table in draw(program, job, chunk).items():
        with place.part(names[name]) as temporary:
            pq.write_table(
                table,
                temporary,
                compression="snappy",
                use_dictionary=[c.name for c in table.schema if pa.types.is_dictionary(c.type)],
                write_statistics=False,
                store_schema=True,
            )
            digest = sha256_file(temporary)
        written[names[name]] = {"rows": table.num_rows, "sha256": digest}
    place.mark_done(chunk, written)
    return written


def _tables(
    network: Network, drawn: Drawn, start: int, random: np.random.Generator
) -> dict[str, pa.Table]:
    n = drawn.levels.shape[1]
    ids = np.arange(start + 1, start + n + 1, dtype=np.int64)
    columns: dict[str, pa.Array] = {"patient_id": pa.array(ids)}
    if network.unit == "stay":
        columns["stay_id"] = pa.array(ids)
    for variable, levels in zip(network.variables, drawn.levels, strict=True):
        if variable.kind in ("categorical", "numeric"):
            columns[variable.name] = column(variable, levels, random)
    tables = {UNIT_TABLE[network.unit]: pa.table(columns)}
    for k, listed in enumerate(network.code_lists):
        tables[listed.name] = _code_table(network, drawn, k, ids)
    return tables


def column(
    variable: LevelVariable, levels: np.ndarray[Any, Any], random: np.random.Generator
) -> pa.Array:
    """Values of a level variable: dictionary-encoded text, or numbers uniform in their bin.

    Numbers lie on the grid of ``decimals``; whole numbers are int32, others float64; null
    means missing.
    """
    if variable.edges is None:
        return pa.DictionaryArray.from_arrays(
            pa.array(levels, pa.int16()), pa.array(variable.levels, pa.string())
        )
    edges = variable.edges
    missing = levels >= len(edges) - 1
    bins = np.minimum(levels, len(edges) - 2)
    values = edges[bins] + random.random(len(levels)) * (edges[bins + 1] - edges[bins])
    grid = 10.0**variable.decimals
    # The small term keeps an edge such as 0.3 on its own side of the grid; the limits keep a
    # draw just below an edge in its bin, where the rules of that bin hold.
    first, end = np.ceil(edges[:-1] * grid - 1e-6), np.ceil(edges[1:] * grid - 1e-6)
    place = np.floor(values * grid + 1e-9)
    values = np.clip(place, first[bins], np.maximum(end - 1, first)[bins]) / grid
    if variable.decimals == 0:
        return pa.array(
            values.astype(np.int32), pa.int32(), mask=missing if missing.any() else None
        )
    values = np.round(values, variable.decimals)
    return pa.array(values, pa.float64(), mask=missing if missing.any() else None)


def _code_table(network: Network, drawn: Drawn, k: int, ids: np.ndarray[Any, Any]) -> pa.Table:
    from llmsyn.network.kernel import list_rows

    listed = network.code_lists[k]
    first, last, unlisted = drawn.starts[k], drawn.starts[k + 1], drawn.unlisted[k]
    n_codes = len(listed.codes)
    first_code = sum(len(c.codes) for c in network.code_lists[:k])
    main = np.full(len(ids), -1, np.int16)
    for variable, levels in zip(network.variables, drawn.levels, strict=True):
        if variable.name == f"{listed.name}.main":
            main = np.where(levels <= n_codes, levels, -1).astype(np.int16)
    n_rows = int((last - first).sum() + unlisted.sum())
    unit = np.empty(n_rows, np.int32)
    code = np.empty(n_rows, np.int16)
    position = np.empty(n_rows, np.int16)
    list_rows(drawn.events, first, last, unlisted, main, first_code, n_codes, unit, code, position)
    patient = pa.array(ids[unit])
    columns = {"patient_id": patient}
    if network.unit == "stay":
        columns["stay_id"] = patient
    names = pa.array([*listed.codes, UNLISTED], pa.string())
    columns["code"] = pa.DictionaryArray.from_arrays(pa.array(code), names)
    columns["position"] = pa.array(position)
    return pa.table(columns)
