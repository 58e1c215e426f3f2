"""Tasks that worker processes import: one that works, one whose worker is killed, one that errs."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from llmsyn.errors import InfeasibleError


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
