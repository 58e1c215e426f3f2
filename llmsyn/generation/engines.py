"""Engines: one function over many chunks, on this machine or on a cluster.

``draw(network, chunk, seed)`` is pure and a worker writes its part whole or not at all, so an
engine has little to do: hand out chunk numbers and hand them out again when a worker is lost.
Parts are the same bytes on every engine and any number of workers.

``local`` is joblib; where a worker process dies, the chunks in flight are drawn again.  The
others are thin adapters over the cluster's own task interface, because joblib's backends for
them give results back only at the end, or give up with the first lost worker.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, Literal, TypeVar

from llmsyn.errors import LlmsynError, MissingExtra, ServiceError

Engine = Literal["local", "dask", "ray", "spark"]
ENGINES: tuple[Engine, ...] = ("local", "dask", "ray", "spark")
MAX_LOST = 3
"""Times that workers may be lost before a run gives up; it can be resumed."""

_PATIENCE_SECONDS = 20

_WINDOW = 4
"""Chunks handed out per worker ahead of time."""

Result = TypeVar("Result")
Task = Callable[[int], Result]


def run_chunks(
    engine: Engine, task: Task[Result], chunks: Sequence[int], *, workers: int,
    cluster: str | None = None,
) -> Iterator[Result]:  # fmt: skip
    """Results of a task for every chunk, as they come.

    Parameters
    ----------
    task : picklable; called again with the same chunk when a worker was lost.
    workers : processes, where the engine is started here.
    cluster : address of a scheduler that runs already (Dask ``tcp://...``, Ray ``auto`` or
        ``ray://...``, Spark ``spark://...``); without it the engine is started on this machine.

    Raises
    ------
    MissingExtra : the engine is not installed.
    ServiceError : the cluster cannot be reached, or workers were lost again and again.
    """
    run = {"local": _local, "dask": _dask, "ray": _ray, "spark": _spark}[engine]
    yield from run(task, list(chunks), workers, cluster)


def _local(
    task: Task[Result], chunks: list[int], workers: int, cluster: str | None
) -> Iterator[Result]:
    from concurrent.futures.process import BrokenProcessPool

    from joblib import Parallel, delayed

    left = dict.fromkeys(chunks)
    for _ in range(MAX_LOST + 1):
        pool = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
        try:
            for chunk, result in pool(delayed(_with_chunk)(task, k) for k in list(left)):
                del left[chunk]
                yield result
            return
        except BrokenProcessPool:
            continue  # a worker died: what it drew is drawn again
    raise _given_up("local", len(left))


def _with_chunk(task: Task[Result], chunk: int) -> tuple[int, Result]:
    return chunk, task(chunk)


def _dask(
    task: Task[Result], chunks: list[int], workers: int, cluster: str | None
) -> Iterator[Result]:
    try:
        from distributed import Client, KilledWorker, LocalCluster, as_completed
    except ImportError as error:
        raise MissingExtra("Dask", extra="dask") from error
    started = None
    try:
        if cluster is None:
            started = LocalCluster(
                n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
            )
        client = Client(cluster or started, timeout=_PATIENCE_SECONDS)
    except (OSError, TimeoutError) as error:
        raise _unreachable("Dask", cluster, error) from error
    try:
        # pure=False: a chunk of an earlier run with the same name is not taken for this one.
        futures = client.map(task, chunks, pure=False)
        for future in as_completed(futures):
            try:
                yield future.result()
            except KilledWorker as error:
                raise _given_up("Dask", len(chunks)) from error
    finally:
        client.close()
        if started is not None:
            started.close()


def _ray(
    task: Task[Result], chunks: list[int], workers: int, cluster: str | None
) -> Iterator[Result]:
    try:
        import ray
    except ImportError as error:
        raise MissingExtra("Ray", extra="ray") from error
    ours = not ray.is_initialized()
    if ours:
        given: dict[str, Any] = {"address": cluster} if cluster else {
            "num_cpus": workers, "include_dashboard": False,
        }  # fmt: skip
        try:
            ray.init(log_to_driver=False, configure_logging=False, **given)
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            raise _unreachable("Ray", cluster, error) from error
    try:
        remote = ray.remote(max_retries=MAX_LOST)(_plain_call)
        todo = iter(chunks)
        pending = [remote.remote(task, k) for k in islice(todo, _WINDOW * workers)]
        while pending:
            done, pending = ray.wait(pending, num_returns=1)
            try:
                yield ray.get(done[0])
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error
            except ray.exceptions.RaySystemError as error:
                raise _given_up("Ray", len(pending) + 1) from error
            except ray.exceptions.WorkerCrashedError as error:
                raise _given_up("Ray", len(pending) + 1) from error
            pending += [remote.remote(task, k) for k in islice(todo, 1)]
    finally:
        if ours:
            ray.shutdown()


def _plain_call(task: Task[Result], chunk: int) -> Result:
    return task(chunk)


def _spark(
    task: Task[Result], chunks: list[int], workers: int, cluster: str | None
) -> Iterator[Result]:
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise MissingExtra("Spark", extra="spark") from error
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    master = cluster or f"local[{workers},{MAX_LOST + 1}]"  # the second number: tries of a task
    try:
        session = (
            SparkSession.builder.master(master)
            .appName("llmsyn")
            .config("spark.ui.enabled", "false")
            .getOrCreate()
        )
    except (OSError, RuntimeError) as error:
        raise _unreachable("Spark", cluster, error) from error
    context = session.sparkContext
    try:
        # In rounds: what is done is known, and marked, before all of it is.
        width = _WINDOW * max(workers, context.defaultParallelism)
        for first in range(0, len(chunks), width):
            some = chunks[first : first + width]
            caught = partial(_caught, task)
            for raised, result in context.parallelize(some, len(some)).map(caught).collect():
                if raised is not None:
                    raise raised
                yield result
    finally:
        session.stop()


def _caught(task: Task[Result], chunk: int) -> tuple[LlmsynError | None, Any]:
    """Errors of ours as values: Spark would wrap them in its own, and try again."""
    try:
        return None, task(chunk)
    except LlmsynError as error:
        return error, None


def _given_up(engine: str, left: int) -> ServiceError:
    return ServiceError(
        f"{engine} lost workers again and again with {left:,} parts to go (out of memory, as a "
        "rule); give them more memory and run the same command again, which goes on from here"
    )


def _unreachable(engine: str, cluster: str | None, error: Exception) -> ServiceError:
    where = f"at {cluster}" if cluster else "on this machine"
    said = " ".join(str(error).split())[:200]
    return ServiceError(f"{engine} {where} cannot be reached or started ({said}); check it")
