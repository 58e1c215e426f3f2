"""Wall time and peak memory of a command with all of its children."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llmsyn.errors import ServiceError

_EVERY_SECONDS = 0.05
_PROC = Path("/proc")


@dataclass(frozen=True)
class Usage:
    """What a command used.

    Attributes
    ----------
    output : what it printed.
    seconds : wall time, start of the interpreter included.
    cpu_seconds : of all its processes.
    largest_mb : peak resident memory of its largest process, in MiB.
    total_mb : sum of the peaks of all its processes; pages that they share count more than
        once, and peaks need not coincide, so this is an upper bound.
    """

    output: str
    seconds: float
    cpu_seconds: float
    largest_mb: float
    total_mb: float


def run_measured(command: Sequence[str]) -> Usage:
    """Run a command and watch its memory.

    Peaks are each process's own high-water mark (``VmHWM``) where /proc has it: the ``maxrss``
    of a child starts at the size of its parent.  Elsewhere they are ``maxrss`` of the largest
    child.

    Raises
    ------
    ServiceError : the command failed; the message has the end of what it said.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    process = subprocess.Popen(
        list(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    peaks: dict[int, float] = {}
    while True:
        try:
            output, errors = process.communicate(timeout=_EVERY_SECONDS)
            break
        except subprocess.TimeoutExpired:
            _watch(process.pid, peaks)
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        name = " ".join(Path(word).name for word in command[1:4])
        raise ServiceError(f"{name} ended with {process.returncode}: {errors.strip()[-500:]}")
    cpu = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    if not peaks:
        unit = 2**20 if sys.platform == "darwin" else 2**10
        peaks = {0: after.ru_maxrss / unit}
    return Usage(output, seconds, cpu, max(peaks.values()), sum(peaks.values()))


def _watch(pid: int, peaks: dict[int, float]) -> None:
    """Note the high-water marks of a process and of everything below it."""
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        try:
            status = (_PROC / str(one) / "status").read_text()
            tasks = list((_PROC / str(one) / "task").iterdir())
            waiting += [
                int(child) for task in tasks for child in (task / "children").read_text().split()
            ]
        except OSError:  # it ended while we looked, or there is no /proc
            continue
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                peaks[one] = int(line.split()[1]) / 1024
