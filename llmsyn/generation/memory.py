"""The most memory that the processes of a run held."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_bytes() -> int | None:
    """Largest resident memory of this process since it began; None where no system says it.

    Linux keeps the high-water mark of the program itself (``VmHWM``); what ``getrusage`` says
    of a child there starts at the size of its parent, so it is asked only elsewhere.
    """
    try:
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass  # no /proc here: the next way
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def process_name() -> str:
    """Name this process among those of all machines of a run."""
    return f"{platform.node()}:{os.getpid()}"


def peaks_of(workers: Mapping[str, int]) -> dict[str, int | None]:
    """What ``run.json`` says of memory, in bytes.

    Parameters
    ----------
    workers : peak of every worker process, as it was when its last chunk was written.

    Returns
    -------
    Of the process that ran the command, of the largest worker, and the sum over all: pages
    that processes share count more than once and peaks need not coincide, so the sum is an
    upper bound.
    """
    own = peak_bytes()
    return {
        "peak_bytes": None if own is None else own + sum(workers.values()),
        "peak_bytes_main": own,
        "peak_bytes_largest_worker": max(workers.values(), default=0),
    }
