"""Kills for ``soak.py``: of a run with all its workers, and of one worker of a run."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
from soak_runs import FINISHED, PATIENCE_SECONDS, Bench, Tally

WORKER_WORDS = {
    "generate2": "popen_loky", "generate dask": "spawn_main", "generate ray": "ray::_plain_call",
}  # fmt: skip
"""What the command line of a worker process has in it."""


def kills(bench: Bench, name: str, times: int, random: np.random.Generator) -> Tally:
    """Kill a command at random moments, one to three times a round, then let it finish."""
    tally = Tally("kill -9", name)
    reference, seconds = bench.undisturbed(name)
    while tally.tried < times:
        out = bench.fresh("killed")
        for _ in range(int(random.integers(1, 4))):
            if killed(bench, name, out, random.uniform(0.1, 1.1) * seconds):
                tally.tried += 1
        code, said = bench.run(bench.command(name, out))
        finished = code == 2 and any(words in said for words in FINISHED)
        if code and not finished and not (name == "check" and code == 4):
            tally.lost += 1
            tally.notes.append(said[-300:])
        elif bench.made(name, out, said) != reference:
            tally.corrupted += 1
            tally.notes.append(f"other bytes: {differing(bench.made(name, out, said), reference)}")
        left = [p.name for p in bench.work.glob(".killed*") if p.name != ".killed.lock"]
        if left:
            tally.wrong += 1
            tally.notes.append(f"left behind: {left}")
    return tally


def differing(found: object, wanted: object) -> list[str]:
    """Files, or parts of a report, that are not equal."""
    if not isinstance(found, dict) or not isinstance(wanted, dict):
        return ["what was printed"]
    return sorted(str(k) for k in {*found, *wanted} if found.get(k) != wanted.get(k))


def killed(bench: Bench, name: str, out: Path, after: float) -> bool:
    """Kill the command and its workers after some seconds; whether it was still alive."""
    process = bench.start(bench.command(name, out))
    try:
        process.wait(timeout=after)
        alive = False
    except subprocess.TimeoutExpired:
        alive = True
    if alive:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return alive


def killed_with(bench: Bench, out: Path, n_parts: int) -> bool:
    """Kill generate when so many parts are done; whether it was not finished yet."""
    process = bench.start(bench.command("generate", out))
    while process.poll() is None and len(list(out.glob(".done/0*.json"))) < n_parts:
        time.sleep(0.002)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return bool(list(out.glob(".done/0*.json"))) and not (out / "manifest.json").exists()


def lost_worker(bench: Bench, name: str, times: int, random: np.random.Generator) -> Tally:
    """One worker process is killed when some parts are done; the run itself goes on."""
    alone = "generate" if name == "generate2" else "generate alone"
    tally = Tally("worker killed", name)
    bench.undisturbed(name)  # the network is in the cache, the engine's files in memory
    reference, _ = bench.undisturbed(alone)
    for _ in range(4 * times):
        out = bench.fresh("worker")
        process = bench.start(bench.command(name, out))
        if kill_one(process, out, WORKER_WORDS[name], int(random.integers(1, 4))):
            tally.tried += 1
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
        if process.returncode:
            tally.lost += 1
            tally.notes.append(said[-300:])
        elif bench.made(name, out, said) != reference:
            tally.corrupted += 1
            tally.notes.append(f"other bytes: {differing(bench.made(name, out, said), reference)}")
        if tally.tried == times:
            break
    return tally


def kill_one(process: subprocess.Popen[str], out: Path, words: str, n_parts: int) -> bool:
    """Kill a worker when so many parts are done; whether the run was not finished yet."""
    while process.poll() is None and len(list(out.glob(".done/0*.json"))) < n_parts:
        time.sleep(0.002)
    workers = [pid for pid, line in below(process.pid) if words in line]
    if process.poll() is not None or not workers or (out / "manifest.json").exists():
        return False
    os.kill(workers[0], signal.SIGKILL)
    return True


def below(parent: int) -> list[tuple[int, str]]:
    """Process and command line of everything below a process."""
    found: list[tuple[int, str]] = []
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        try:
            for child in map(int, task.read_text("utf-8").split()):
                line = Path(f"/proc/{child}/cmdline").read_bytes().decode("utf-8", "replace")
                found += [(child, line.replace("\0", " ")), *below(child)]
        except OSError:  # it ended while we looked
            continue
    return found
