"""Engines: every chunk once, whatever happens to workers, and the same bytes on each engine."""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from collections import Counter
from functools import partial
from pathlib import Path

import engine_tasks
import pytest
from network_toys import QUICK, population, profile_of, quick_compiling

from llmsyn.errors import InfeasibleError, InputError, MissingExtra, ServiceError
from llmsyn.generation import generate, pipeline
from llmsyn.generation.chunks import CHUNK
from llmsyn.generation.engines import ENGINES, run_chunks

N_CHUNKS = 8
LIBRARY = {"local": "joblib", "dask": "distributed", "ray": "ray", "spark": "pyspark"}


@pytest.fixture(params=ENGINES)
def engine(request, monkeypatch):
    """Each engine that is installed."""
    pytest.importorskip(LIBRARY[request.param])
    here = Path(__file__).parent
    paths = [str(here.parent), str(here), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(p for p in paths if p))
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    with warnings.catch_warnings():
        # Sockets and subprocesses of other people's libraries.
        warnings.simplefilter("ignore")
        yield request.param


def attempts(folder):
    return Counter(int(p.name.partition("-")[0]) for p in folder.iterdir() if "-" in p.name)


def test_every_chunk_is_done_once(engine, tmp_path):
    task = partial(engine_tasks.work, str(tmp_path))
    found = dict(run_chunks(engine, task, range(N_CHUNKS), workers=2))
    assert found == {k: k * k for k in range(N_CHUNKS)}
    assert attempts(tmp_path) == dict.fromkeys(range(N_CHUNKS), 1)


def test_a_killed_worker_costs_no_more_than_what_was_in_flight(engine, tmp_path):
    task = partial(engine_tasks.die_once, str(tmp_path))
    found = dict(run_chunks(engine, task, range(N_CHUNKS), workers=2))
    assert found == {k: k * k for k in range(N_CHUNKS)}
    tried = attempts(tmp_path)
    assert (tmp_path / "killed").exists() and tried[2] == 2
    # These chunks take no time: until the loss is noticed the other worker may have done them all,
    # with nobody left to read its results.  But none is done more than once again.
    assert max(tried.values()) == 2


@pytest.mark.parametrize("engine", ["local"], indirect=True)
def test_workers_that_die_again_and_again_end_the_run(engine, tmp_path):
    task = partial(engine_tasks.die_always, str(tmp_path))
    with pytest.raises(ServiceError, match="lost workers again and again with .* parts to go"):
        list(run_chunks(engine, task, range(N_CHUNKS), workers=2))


def test_an_error_of_ours_stays_one(engine, tmp_path):
    task = partial(engine_tasks.err, str(tmp_path))
    with pytest.raises(InfeasibleError, match="nothing is left to draw"):
        list(run_chunks(engine, task, range(N_CHUNKS), workers=2))


def test_a_cluster_that_is_not_there_is_named(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("llmsyn.generation.engines._PATIENCE_SECONDS", 1)
    with warnings.catch_warnings(), pytest.raises(ServiceError, match=r"Dask at tcp://127.0.0.1:9"):
        warnings.simplefilter("ignore")
        list(run_chunks("dask", abs, range(2), workers=1, cluster="tcp://127.0.0.1:9"))


@pytest.mark.parametrize("name", ["dask", "ray", "spark"])
def test_a_missing_engine_says_how_to_get_it(name, monkeypatch):
    for library in ("distributed", "ray", "pyspark.sql"):
        monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'llmsyn\[{name}\]'"):
        list(run_chunks(name, abs, range(2), workers=1))


# --- generate -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study():
    rows = population(2_000)
    return profile_of(rows, [rows.table("sex", "dx")])


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def draw(study, cache, monkeypatch):
    monkeypatch.setenv("LLMSYN_CACHE", str(cache))
    monkeypatch.setattr(pipeline, "Settings", lambda: QUICK)

    def run(out, **more):
        with quick_compiling():
            n = 2 * CHUNK + 100
            return generate(study, n, seed=1, out=out, with_shipped=False, **more)

    return run


def files(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "run.json"
    }  # fmt: skip


def test_all_engines_write_the_same_bytes(engine, draw, tmp_path):
    draw(tmp_path / "one")
    draw(tmp_path / "other", engine=engine, workers=2)
    assert files(tmp_path / "one") == files(tmp_path / "other")
    assert json.loads((tmp_path / "other" / "run.json").read_text())["engine"] == engine
    hidden = [p.name for p in (tmp_path / "other").iterdir() if p.name.startswith(".")]
    assert hidden == []


def test_generate_with_a_worker_killed_in_the_middle(engine, draw, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "_in_worker", engine_tasks.draw_and_die_once)
        draw(tmp_path / "killed", engine=engine, workers=2)
    assert (tmp_path / "killed-killed").exists()
    draw(tmp_path / "whole")
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_dask_with_a_worker_killed_in_the_middle(draw, tmp_path):
    distributed = pytest.importorskip("distributed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cluster = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        )
        with cluster:
            killed = []

            def kill(stage, done, total):
                if stage == "draw" and done and not killed:
                    killed.append(next(iter(cluster.workers.values())).pid)
                    os.kill(killed[0], signal.SIGKILL)

            draw(
                tmp_path / "killed", engine="dask", cluster=cluster.scheduler_address, progress=kill
            )
    assert killed
    draw(tmp_path / "whole")
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_a_cluster_needs_an_engine(draw, tmp_path):
    with pytest.raises(InputError, match="--cluster tcp://x needs an engine"):
        draw(tmp_path / "o", cluster="tcp://x")
