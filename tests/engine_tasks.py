"""Tasks that worker processes import: one that works, one whose worker is killed, one that errs."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from llmsyn.errors import InfeasibleError
from llmsyn.generation import pipeline
from llmsyn.generation.chunks import Job


def work(folder: str, chunk: int) -> tuple[int, int]:
    """Leave a trace of every attempt."""
    (Path(folder) / f"{chunk}-{os.urandom(4).hex()}").touch()
    return chunk, chunk * chunk


def die_once(folder: str, chunk: int) -> tuple[int, int]:
    """The first worker that gets chunk 2 is killed, as by the kernel that is out of memory."""
    result = work(folder, chunk)
    killed = Path(folder) / "killed"
    if chunk == 2 and not killed.exists():
        killed.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return result


def die_always(folder: str, chunk: int) -> tuple[int, int]:
    """No worker survives chunk 2."""
    if chunk == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return work(folder, chunk)


def err(folder: str, chunk: int) -> tuple[int, int]:
    """An error of ours, from the fourth chunk."""
    if chunk == 3:
        raise InfeasibleError("nothing is left to draw")
    return work(folder, chunk)


def draw_and_die_once(key: str, job: Job, chunk: int) -> tuple[int, dict[str, dict[str, Any]]]:
    """As generate's worker, but killed once in the middle of its third chunk."""
    killed = Path(f"{job.folder}-killed")
    if chunk == 2 and not killed.exists():
        half = Path(job.folder) / "patients" / ".part-00002.parquet.x.part"
        half.parent.mkdir(exist_ok=True)
        half.write_bytes(b"half a part")
        killed.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return pipeline._in_worker(key, job, chunk)
