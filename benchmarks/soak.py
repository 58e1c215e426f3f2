"""Faults: runs killed at random moments, full disks, broken parts, and what came out.

\b
    python benchmarks/soak.py --kills 100

Each row of the table: what was done to a run, how often, and how often the output was lost (the
same command, given again, did not finish), corrupted (it was accepted, but is not the bytes of
an undisturbed run) or the answer wrong (a traceback, or no error where there must be one).
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from protocol import json_option, log, run_script
from result_files import show, write_result

from llmsyn.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
PROFILE = ROOT / "tests" / "data" / "toy"
N, N_EXPORTED = 220_000, 60_000
"""Five parts of the toy profile to draw, two to export."""

_TIMES = ("run.json",)
_PATIENCE_SECONDS = 300


@dataclass
class Tally:
    """One row of the table."""

    fault: str
    command: str
    tried: int = 0
    lost: int = 0
    corrupted: int = 0
    wrong: int = 0
    notes: list[str] = field(default_factory=list)

    def row(self) -> dict[str, object]:
        """As the table has it."""
        return {k: getattr(self, k) for k in ("fault", "command", "tried", "lost", "corrupted",
                                              "wrong")}  # fmt: skip


@dataclass(frozen=True)
class Bench:
    """A folder to work in, with an undisturbed cohort and the environment of all runs."""

    work: Path
    known: dict[str, tuple[object, float]] = field(default_factory=dict)

    @property
    def cohort(self) -> Path:
        """The undisturbed cohort."""
        return self.work / "cohort"

    def command(self, name: str, out: Path) -> list[str]:
        """The words of one command."""
        python = [sys.executable, "-m", "llmsyn"]
        if name == "check":
            return [*python, "check", str(self.cohort), str(PROFILE), "--json"]
        if name.startswith("generate"):
            workers = "2" if name.endswith("2") else "1"
            n = N_EXPORTED if out == self.cohort else N
            return [*python, "generate", str(PROFILE), "-n", str(n), "--seed", "1", "-o", str(out),
                    "--workers", workers, "--quiet"]  # fmt: skip
        more = ["--engine", "sqlite"] if name == "duckdb" else []
        return [*python, "export", name, str(self.cohort), "-o", str(out), "--quiet", *more]

    def start(
        self, words: Sequence[str], *, before: Callable[[], None] | None = None,
        extra: Sequence[Path] = (),
    ) -> subprocess.Popen[str]:  # fmt: skip
        """Start a command in a process group of its own."""
        paths = [*map(str, extra), str(ROOT), os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ, "LLMSYN_CACHE": str(self.work / "cache"), "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(p for p in paths if p),
        }  # fmt: skip
        return subprocess.Popen(
            words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True, preexec_fn=before,  # noqa: PLW1509 (no threads here)
        )  # fmt: skip

    def run(self, words: Sequence[str], **how: object) -> tuple[int, str]:
        """Run a command to its end: exit code, and what it printed."""
        process = self.start(words, **how)  # type: ignore[arg-type]
        out, err = process.communicate(timeout=_PATIENCE_SECONDS)
        return process.returncode, out + err


def content(folder: Path) -> dict[str, bytes]:
    """Name -> bytes of what must be equal; hidden files count, files of times do not."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*")) if p.is_file() and p.name not in _TIMES
    }  # fmt: skip


def prepare(work: Path) -> Bench:
    """Make the undisturbed cohort; the network is calibrated here, once."""
    bench = Bench(work)
    code, said = bench.run(bench.command("generate", bench.cohort))
    if code:
        raise InputError(f"the undisturbed run failed: {said}")
    return bench


# --- kills --------------------------------------------------------------------------------


def kills(bench: Bench, name: str, times: int, random: np.random.Generator) -> Tally:
    """Kill a command at random moments, one to three times a round, then let it finish."""
    tally = Tally("kill -9", name)
    reference, seconds = undisturbed(bench, name)
    while tally.tried < times:
        out = bench.work / "killed"
        shutil.rmtree(out, ignore_errors=True)
        for _ in range(int(random.integers(1, 4))):
            if killed(bench, name, out, random.uniform(0.1, 1.1) * seconds):
                tally.tried += 1
        code, said = bench.run(bench.command(name, out))
        finished = code == 2 and ("finished cohort" in said or "holds an export" in said)
        if code and not finished and not (name == "check" and code == 4):
            tally.lost += 1
            tally.notes.append(said[-300:])
        elif (said if name == "check" else content(out)) != reference:
            tally.corrupted += 1
            tally.notes.append("other bytes")
        left = [p.name for p in bench.work.glob(".killed*") if p.name != ".killed.lock"]
        if left:
            tally.wrong += 1
            tally.notes.append(f"left behind: {left}")
    return tally


def undisturbed(bench: Bench, name: str) -> tuple[object, float]:
    """What a command makes, and the seconds that it takes; run once."""
    if name in bench.known:
        return bench.known[name]
    out = bench.work / "reference"
    shutil.rmtree(out, ignore_errors=True)
    begun = time.perf_counter()
    code, said = bench.run(bench.command(name, out))
    seconds = time.perf_counter() - begun
    if code and not (name == "check" and code == 4):
        raise InputError(f"the undisturbed {name} failed: {said}")
    bench.known[name] = (said if name == "check" else content(out)), seconds
    return bench.known[name]


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


# --- other faults -------------------------------------------------------------------------


def refused(tally: Tally, code: int, said: str, *words: str) -> None:
    """The command must have ended with an error of ours that says one of these."""
    tally.tried += 1
    if code != 2 or "Traceback" in said or not any(w in said for w in words):
        tally.wrong += 1
        tally.notes.append(f"exit {code}: {said[-300:]}")


def full_disk(bench: Bench, names: Sequence[str], random: np.random.Generator) -> Iterator[Tally]:
    """No file may grow beyond some bytes; then the disk is free again."""
    for name in names:
        tally = Tally("full disk", name)
        reference, _ = undisturbed(bench, name)
        for most in (int(random.integers(1_000, 20_000)),):

            def little(most: int = most) -> None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

            out = bench.work / "full"
            shutil.rmtree(out, ignore_errors=True)
            refused(tally, *bench.run(bench.command(name, out), before=little), "cannot write")
            code, said = bench.run(bench.command(name, out))
            if code:
                tally.lost += 1
                tally.notes.append(said[-300:])
            elif content(out) != reference:
                tally.corrupted += 1
        yield tally


def read_only(bench: Bench, names: Sequence[str]) -> Iterator[Tally]:
    """A place that nobody can write to, root neither."""
    for name in names:
        tally = Tally("read-only output", name)
        code, said = bench.run(bench.command(name, Path("/proc/llmsyn-soak/out")))
        refused(tally, code, said, "cannot write")
        yield tally


def two_at_once(bench: Bench, names: Sequence[str]) -> Iterator[Tally]:
    """The same command twice at the same moment, into one folder."""
    for name in names:
        tally = Tally("two runs into one folder", name)
        reference, _ = undisturbed(bench, name)
        out = bench.work / "two"
        shutil.rmtree(out, ignore_errors=True)
        both = [bench.start(bench.command(name, out)) for _ in range(2)]
        ends = [(*p.communicate(timeout=_PATIENCE_SECONDS), p.returncode) for p in both]
        tally.tried += 1
        for _, said, code in ends:
            fine = ("another run is writing", "finished cohort", "holds an export")
            if code != 0 and (code != 2 or not any(w in said for w in fine)):
                tally.wrong += 1
                tally.notes.append(said[-300:])
        if all(code for *_, code in ends):
            tally.lost += 1
        elif content(out) != reference:
            tally.corrupted += 1
        yield tally


def broken_parts(bench: Bench, random: np.random.Generator) -> Iterator[Tally]:
    """A part cut short or changed: refused when it is read, drawn again when a run goes on."""
    parts = sorted(p for p in bench.cohort.glob("*/part-*.parquet"))
    for fault in ("truncated part", "changed part"):
        for name in ("omop", "meds"):
            tally = Tally(fault, name)
            part = parts[int(random.integers(len(parts)))]
            kept = part.read_bytes()
            part.write_bytes(_broken(kept, fault, random))
            refused(tally, *bench.run(bench.command(name, bench.work / "x")), "changed after")
            part.write_bytes(kept)
            yield tally
        tally = Tally(f"{fault}, then resumed", "generate")
        reference, _ = undisturbed(bench, "generate")
        out = bench.work / "resumed"
        for n_parts in (1, 3):
            shutil.rmtree(out, ignore_errors=True)
            if not killed_with(bench, out, n_parts):
                continue
            done = sorted(out.glob("*/part-00000.parquet"))
            part = done[int(random.integers(len(done)))]
            part.write_bytes(_broken(part.read_bytes(), fault, random))
            tally.tried += 1
            code, said = bench.run(bench.command("generate", out))
            if code:
                tally.lost += 1
                tally.notes.append(said[-300:])
            elif content(out) != reference:
                tally.corrupted += 1
        yield tally


def _broken(data: bytes, fault: str, random: np.random.Generator) -> bytes:
    at = int(random.integers(len(data) // 4, len(data) - 1))
    if fault == "truncated part":
        return data[:at]
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


_JUMPING = """
import itertools, time
_jumps = itertools.cycle([0, -86400 * 400, 86400 * 9000, -5, 3.6e6])
_time, _gmtime = time.time, time.gmtime
time.time = lambda: max(_time() + next(_jumps), 0)
time.gmtime = lambda s=None: _gmtime(time.time() if s is None else s)
"""


def jumping_clock(bench: Bench, names: Sequence[str]) -> Iterator[Tally]:
    """A clock that jumps by years, both ways, with every look at it."""
    site = bench.work / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(_JUMPING, "utf-8")
    for name in names:
        tally = Tally("clock that jumps", name, tried=1)
        reference, _ = undisturbed(bench, name)
        out = bench.work / "jumped"
        shutil.rmtree(out, ignore_errors=True)
        code, said = bench.run(bench.command(name, out), extra=[site])
        if code:
            tally.lost += 1
            tally.notes.append(said[-300:])
        elif content(out) != reference:
            tally.corrupted += 1
        yield tally


def lost_worker(bench: Bench, times: int, random: np.random.Generator) -> Tally:
    """One worker process of ``generate --workers 2`` is killed; the run itself goes on."""
    tally = Tally("worker killed", "generate --workers 2")
    _, seconds = undisturbed(bench, "generate2")
    reference, _ = undisturbed(bench, "generate")
    for _ in range(times):
        out = bench.work / "worker"
        shutil.rmtree(out, ignore_errors=True)
        process = bench.start(bench.command("generate2", out))
        time.sleep(random.uniform(0.4, 0.9) * seconds)
        workers = _children(process.pid)
        if workers and process.poll() is None:
            os.kill(int(random.choice(workers)), signal.SIGKILL)
            tally.tried += 1
        _, said = process.communicate(timeout=_PATIENCE_SECONDS)
        if process.returncode:
            tally.lost += 1
            tally.notes.append(said[-300:])
        elif content(out) != reference:
            tally.corrupted += 1
    return tally


def _children(parent: int) -> list[int]:
    """Worker processes of joblib below a process (not its resource tracker)."""
    found = []
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        for child in task.read_text("utf-8").split():
            words = Path(f"/proc/{child}/cmdline").read_bytes().decode("utf-8", "replace")
            if "popen_loky" in words:
                found.append(int(child))
    return found


@click.command(help=__doc__)
@click.option("--kills", "n_kills", default=100, show_default=True, help="Kills in all.")
@click.option("--seed", default=1, show_default=True)
@json_option
def main(n_kills: int, seed: int, as_json: bool) -> None:
    random = np.random.default_rng(seed)
    tallies: list[Tally] = []
    exports = ("omop", "fhir", "meds", "csv", "duckdb")
    few = ("generate", "omop", "fhir")
    commands = ("generate", "generate2", "check", *exports)
    shares = {"generate": 0.3, "generate2": 0.2}
    rest = 0.5 / (len(commands) - 2)
    with TemporaryDirectory() as work:
        bench = prepare(Path(work))
        for name in commands:
            log.info("kill %s", name)
            times = max(round(n_kills * shares.get(name, rest)), 1)
            tallies.append(kills(bench, name, times, random))
        log.info("other faults")
        tallies.append(lost_worker(bench, max(n_kills // 10, 2), random))
        for more in (
            full_disk(bench, ("generate", *exports), random), read_only(bench, few),
            two_at_once(bench, few),
            broken_parts(bench, random), jumping_clock(bench, ("generate", "omop")),
        ):  # fmt: skip
            tallies += list(more)
    for tally in tallies:
        for note in tally.notes:
            log.warning("%s, %s: %s", tally.fault, tally.command, note)
    result = write_result(
        "soak", "Faults: what was done to a run, and what came out",
        [t.row() for t in tallies],
        notes=[
            "lost: the same command, given again, did not finish; corrupted: accepted, but not the "
            "bytes of an undisturbed run; wrong: a traceback, or no error where there must be one.",
            f"{sum(t.tried for t in tallies if t.fault == 'kill -9')} kills at random moments "
            f"between the start and the end of a run; {N:,} patients of the toy profile.",
        ],
        kills=n_kills, seed=seed,
    )  # fmt: skip
    show(result, as_json=as_json)
    if any(t.lost or t.corrupted or t.wrong for t in tallies):
        raise SystemExit(4)


if __name__ == "__main__":
    run_script(main)
