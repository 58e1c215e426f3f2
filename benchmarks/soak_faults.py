"""Faults other than kills, for ``soak.py``."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from soak_kills import killed_with
from soak_runs import FINISHED, PATIENCE_SECONDS, Bench, Tally


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
        reference, _ = bench.undisturbed(name)
        for most in (int(random.integers(1_000, 20_000)),):

            def little(most: int = most) -> None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

            out = bench.fresh("full")
            refused(tally, *bench.run(bench.command(name, out), before=little), "cannot write")
            code, said = bench.run(bench.command(name, out))
            if code:
                tally.lost += 1
                tally.notes.append(said[-300:])
            elif bench.made(name, out, said) != reference:
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
        reference, _ = bench.undisturbed(name)
        out = bench.fresh("two")
        both = [bench.start(bench.command(name, out)) for _ in range(2)]
        ends = [(*p.communicate(timeout=PATIENCE_SECONDS), p.returncode) for p in both]
        tally.tried += 1
        for _, said, code in ends:
            fine = ("another run is writing", *FINISHED)
            if code != 0 and (code != 2 or not any(w in said for w in fine)):
                tally.wrong += 1
                tally.notes.append(said[-300:])
        if all(code for *_, code in ends):
            tally.lost += 1
        elif bench.made(name, out, said) != reference:
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
        reference, _ = bench.undisturbed("generate")
        for n_parts in (1, 3):
            out = bench.fresh("resumed")
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
            elif bench.made("generate", out, said) != reference:
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
        reference, _ = bench.undisturbed(name)
        out = bench.fresh("jumped")
        code, said = bench.run(bench.command(name, out), extra=[site])
        if code:
            tally.lost += 1
            tally.notes.append(said[-300:])
        elif bench.made(name, out, said) != reference:
            tally.corrupted += 1
        yield tally
