"""Generate: profile -> network -> chunks -> manifest."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from llmsyn import __version__
from llmsyn.errors import InputError, ServiceError
from llmsyn.generation.card import data_card
from llmsyn.generation.chunks import CHUNK, UNIT_TABLE, Job, write_chunk
from llmsyn.generation.engines import Engine, run_chunks
from llmsyn.generation.folder import MANIFEST
from llmsyn.generation.memory import peak_bytes, peaks_of, process_name
from llmsyn.generation.places import Place, is_url, place_of
from llmsyn.knowledge.associations import PARTS, associations
from llmsyn.knowledge.loading import load_base, log_odds
from llmsyn.knowledge.rules import impossibles
from llmsyn.network.calibration import Settings
from llmsyn.network.compiling import (
    Compiled,
    TableChoice,
    cache_folder,
    compile_network,
    fingerprint,
)
from llmsyn.network.drawing import Program, compile_program
from llmsyn.profile.condition import Reweight, read_reweight
from llmsyn.profile.mixing import refuse_mixing
from llmsyn.profile.reading import find_profile, read_profile
from llmsyn.profile.types import Profile
from llmsyn.shipped import shipped
from llmsyn.store import sha256_folder

MANIFEST_SCHEMA = 1
SEED_LIMIT = 2**63

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Result:
    """What a run made: where (a path or a URL), its manifest, and times in seconds."""

    place: str
    manifest: dict[str, Any]
    compile_seconds: float
    draw_seconds: float
    resumed_chunks: int

    @property
    def folder(self) -> Path:
        """The folder.

        Raises
        ------
        InputError : the cohort is in an object store.
        """
        if is_url(self.place):
            raise InputError(f"{self.place} is no folder; copy the cohort to one to go on with it")
        return Path(self.place)


def generate(
    profile: str | Path | Profile,
    n: int,
    *,
    seed: int,
    out: str | Path,
    tables: TableChoice = "all",
    knowledge: Sequence[str | Path] = (),
    with_shipped: bool = True,
    parts: Sequence[str] = PARTS,
    scale: float = 1.0,
    icd10_sex_edit: bool = True,
    quotas: bool = False,
    reweight: tuple[str, float] | None = None,
    workers: int = 1,
    engine: Engine = "local",
    cluster: str | None = None,
    force: bool = False,
    cache: bool = True,
    progress: Progress | None = None,
) -> Result:
    """Draw ``n`` synthetic units of a profile into a folder.

    Parameters
    ----------
    profile : a shipped profile's name, a profile folder, or a profile.
    n : number of units (patients, or stays where the profile counts stays).
    seed : 0 to 2**63 - 1; the same seed gives the same files on any number of workers.
    tables : which published cross-tables to meet.
    knowledge : overlay folders, laid over the shipped base.
    with_shipped : whether the shipped knowledge base is used.
    parts : which parts of the knowledge to use (none of them: margins and rules only).
    scale : multiplies every log odds ratio of the knowledge base.
    icd10_sex_edit : whether sex edits hold for ICD-10 codes too.
    quotas : whole-number margins (see :mod:`llmsyn.generation.quotas`).
    reweight : a condition (``"died=yes"``, ``"diagnoses=4280"``) and the share of the units
        that is to have it (see :mod:`llmsyn.generation.reweighting`).
    out : a folder, or a URL of an object store (:mod:`llmsyn.generation.places`).
    workers : processes that draw and write.
    engine, cluster : who runs them (:mod:`llmsyn.generation.engines`).  On a cluster every
        worker must see ``out``: a shared file system or an object store.
    force : replace an existing cohort.
    cache : keep and reuse calibrated networks.
    progress : called with (stage, done, total).

    Returns
    -------
    Result : the folder holds a data card, the manifest and Parquet parts.

    Raises
    ------
    InputError, OutputError, InfeasibleError, ServiceError : see :mod:`llmsyn.errors`.
    ProfileError : the profile mixes noisy numbers with exact ones.
    """
    _check_numbers(n, seed, workers)
    if not (math.isfinite(scale) and scale >= 0):
        raise InputError(f"knowledge scale {scale:g} is no factor; give 0 (no effect) or more")
    if cluster is not None and engine == "local":
        raise InputError(f"--cluster {cluster} needs an engine that has clusters; add --engine")
    told = progress or (lambda stage, done, total: None)
    given = profile if isinstance(profile, Profile) else read_profile(find_profile(str(profile)))
    refuse_mixing(given)
    wanted = None if reweight is None else read_reweight(given, *reweight)
    if wanted is not None and quotas:
        raise InputError(
            "quotas fix the margins of the profile, which re-weighting changes; leave one out"
        )
    place = place_of(out)
    run = {
        "profile": fingerprint(given),
        "n": n,
        "seed": seed,
        "tables": tables,
        "knowledge": knowledge_hashes(knowledge, with_shipped),
        "with_shipped": with_shipped,
        "parts": sorted(parts),
        "scale": scale,
        "icd10_sex_edit": icd10_sex_edit,
        "quotas": quotas,
        "reweight": None if wanted is None else wanted.to_json(),
        "llmsyn": __version__,
    }
    with place.claimed(run, force=force):
        begun = time.perf_counter()
        base = load_base([Path(k) for k in knowledge], with_shipped=with_shipped)
        compiled = compile_network(
            given,
            associations(given, base, parts=parts),
            impossibles(given, base, icd10_sex_edit=icd10_sex_edit),
            log_odds=lambda a: a.weight * log_odds(a.effect, base.classes, scale),
            tables=tables,
            settings=Settings(),
            cache=cache_folder() if cache else None,
            progress=lambda done, total: told("calibrate", done, total),
        )
        compiled_at = time.perf_counter()
        job = Job(place.name, n, seed, quotas, wanted)
        peaks: dict[str, int] = {}
        drawn = _drawn(compiled, job, workers, engine, cluster, peaks)
        files, resumed = _draw_all(place, job, drawn, told)
        drawn_at = time.perf_counter()
        manifest = _manifest(given, compiled, run, files, place.write_profile(given), wanted)
        place.write_text("DATA_CARD.md", data_card(given, manifest))
        place.write_json(
            "run.json",
            {
                "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "compile_seconds": round(compiled_at - begun, 3),
                "draw_seconds": round(drawn_at - compiled_at, 3),
                "network_from_cache": compiled.from_cache,
                "workers": workers,
                "engine": engine,
                "resumed_chunks": resumed,
                **peaks_of(peaks),
                "machine": platform.machine(),
                "python": platform.python_version(),
            },
        )
        place.write_json(MANIFEST, manifest)
    return Result(place.name, manifest, compiled_at - begun, drawn_at - compiled_at, resumed)


def knowledge_hashes(overlays: Sequence[str | Path], with_shipped: bool) -> dict[str, str]:
    """Name and content hash of every folder of knowledge, in the order of their laying."""
    folders = [Path(k) for k in overlays]
    hashes = {"shipped": sha256_folder(shipped("knowledge"))} if with_shipped else {}
    for number, folder in enumerate(folders, start=1):
        if not folder.is_dir():
            raise InputError("there is no such folder of knowledge", file=folder)
        hashes[f"{number}. {folder.resolve().name}"] = sha256_folder(folder)
    return hashes


def _check_numbers(n: int, seed: int, workers: int) -> None:
    if n < 1:
        raise InputError(f"-n {n} is not a number of units; give 1 or more")
    if not 0 <= seed < SEED_LIMIT:
        raise InputError(f"seed {seed} is out of range; give a whole number from 0 to 2**63 - 1")
    if workers < 1:
        raise InputError(f"--workers {workers} is not a number of processes; give 1 or more")


def _draw_all(
    place: Place,
    job: Job,
    drawn: Callable[[list[int]], Iterator[tuple[int, dict[str, dict[str, Any]]]]],
    told: Progress,
) -> tuple[dict[str, dict[str, Any]], int]:
    """Files of all chunks, and how many chunks an earlier, cut run had finished."""
    n_chunks = -(-job.n // CHUNK)
    done = place.finished()
    resumed = len(done)
    units = min(resumed * CHUNK, job.n)
    told("draw", units, job.n)
    for chunk, files in drawn([k for k in range(n_chunks) if k not in done]):
        done[chunk] = files
        units += min(CHUNK, job.n - chunk * CHUNK)
        told("draw", min(units, job.n), job.n)
    missing = n_chunks - len(done)
    if missing:
        raise ServiceError(
            f"the engine gave nothing back of {missing:,} of {n_chunks:,} parts; run the same command "
            "again, which draws them, or use --engine local"
        )
    return {name: files[name] for files in done.values() for name in files}, resumed


def _drawn(
    compiled: Compiled,
    job: Job,
    workers: int,
    engine: Engine,
    cluster: str | None,
    peaks: dict[str, int],
) -> Callable[[list[int]], Iterator[tuple[int, dict[str, dict[str, Any]]]]]:
    """The function that draws some chunks, in this process or on an engine.

    Parameters
    ----------
    peaks : filled with the peak memory of every worker process, in bytes.
    """

    def draw(todo: list[int]) -> Iterator[tuple[int, dict[str, dict[str, Any]]]]:
        if not todo:
            return
        if engine == "local" and (workers == 1 or len(todo) < 2):
            program = compile_program(compiled.network)
            for chunk in todo:
                yield chunk, write_chunk(program, job, chunk)
            return
        with place_of(job.folder).shared(compiled.network):
            task = partial(_in_worker, compiled.key, job)
            done = run_chunks(engine, task, todo, workers=workers, cluster=cluster)
            for chunk, files, worker, peak in done:
                peaks[worker] = max(peaks.get(worker, 0), peak)
                yield chunk, files

    return draw


_programs: dict[str, Program] = {}


def _in_worker(key: str, job: Job, chunk: int) -> tuple[int, dict[str, dict[str, Any]], str, int]:
    """Write one chunk in a worker process, which keeps the program of its last network.

    Returns
    -------
    The chunk, its files, the process and its peak memory so far.
    """
    if key not in _programs:
        _programs.clear()
        _programs[key] = compile_program(place_of(job.folder).network())
    files = write_chunk(_programs[key], job, chunk)
    return chunk, files, process_name(), peak_bytes() or 0


def _manifest(
    profile: Profile,
    compiled: Compiled,
    run: dict[str, Any],
    files: dict[str, dict[str, Any]],
    profile_sha256: str,
    wanted: Reweight | None,
) -> dict[str, Any]:
    """Everything that says what this cohort is; equal for equal content."""
    checked = compiled.verification
    return {
        "schema": MANIFEST_SCHEMA,
        "origin": "synthetic",
        "method": "network",
        "unit": profile.unit,
        "n": run["n"],
        "seed": run["seed"],
        "unit_table": UNIT_TABLE[profile.unit],
        "code_sets": [c.name for c in compiled.network.code_lists],
        "parts": [{"file": name, **files[name]} for name in sorted(files)],
        "profile": {"name": profile.name, "title": profile.title, "sha256": profile_sha256},
        "settings": {k: v for k, v in run.items() if k not in ("profile", "n", "seed", "llmsyn")},
        **({} if wanted is None else {"reweighted": wanted.said_of(profile, run["n"])}),
        "network": {
            "key": compiled.key,
            "tables": [t.name for t in compiled.tables],
            "notes": list(compiled.network.notes),
            "unmet": sorted(compiled.unmet),
            "verified_cells": checked.n_cells,
            "largest_bias": round(checked.largest_bias, 6),
            "excess": round(checked.excess, 4),
            "misses": [vars(m) for m in checked.misses[:100]],
        },
        "versions": {
            "llmsyn": __version__,
            **{name: version(name) for name in ("numpy", "numba", "pyarrow", "scipy")},
        },
    }
