"""Ten million patients with 330 codes: time, memory and bytes, beside 1,000,000 and 100,000.

\b
    python benchmarks/scale.py --work-dir DIR
    python benchmarks/scale.py --work-dir DIR --most-seconds 300    (again, until it is done)

Each run is a process of its own, and right before it a bare NumPy draw of the same shape with a
plain Parquet write, right after it a plain write of the bytes that it wrote.  Then the rivals, on
the same machine: PySynthea, SDV's GaussianCopula and Private-PGM.  What is measured is kept in
the folder, so that the runs may be given in pieces on a machine that is quiet for minutes only.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
from process_memory import run_measured
from protocol import log, run_script
from result_files import HERE, table, write_result
from scale_rivals import RIVALS, rival
from speed import STRESS, profile_folder, shape_of

from llmsyn.errors import InputError
from llmsyn.profile.reading import read_profile

LARGE = 10_000_000
REPEATS = {100_000: 5, 1_000_000: 3, LARGE: 1}
WARM = {1: 1_000, 2: 100_001}
"""Workers -> units drawn before the clock starts: enough for every worker to have begun."""


PAGE = ("workers", "n", "draw s", "units/s", "10,000,000 against this", "largest process MB",
        "MB written", "of bare draw and write", "of bare NumPy draw", "of plain Parquet write")  # fmt: skip
"""What docs/scale.md shows."""


@dataclass(frozen=True)
class Kept:
    """Measurements in a file, one a line; each is taken once."""

    file: Path

    def found(self) -> dict[str, dict[str, Any]]:
        """Key -> measurement."""
        if not self.file.exists():
            return {}
        lines = map(json.loads, self.file.read_text("utf-8").splitlines())
        return {line["key"]: line for line in lines}

    def add(self, key: str, measured: dict[str, Any]) -> None:
        """Keep one."""
        with self.file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"key": key, **measured}) + "\n")


def draw_once(profile: Path, shape: Path, n: int, workers: int, seed: int, folder: Path
              ) -> dict[str, Any]:  # fmt: skip
    """One run of generate between its bare twins."""
    python, out, plain = sys.executable, folder / "cohort", folder / "plain"
    for left in (out, plain, folder / "cohort-warm"):  # of a run that was killed
        shutil.rmtree(left, ignore_errors=True)
    words = [str(HERE / "bare_writer.py"), str(shape), str(n), str(workers), str(plain)]
    bare = json.loads(run_measured([python, *words]).output)
    shutil.rmtree(plain)
    words = [str(HERE / "one_run.py"), str(profile), str(n), str(seed), str(workers), str(out)]
    usage = run_measured([python, *words, str(WARM[workers])])
    times = json.loads(usage.output.splitlines()[-1])
    again = json.loads(
        run_measured([python, str(HERE / "plain_writer.py"), str(out), str(plain)]).output
    )
    size = sum(p.stat().st_size for p in out.rglob("*.parquet"))
    shutil.rmtree(out)
    shutil.rmtree(plain)
    return {
        "n": n, "workers": workers, "seconds": times["draw_seconds"],
        "start_seconds": times["start_seconds"],
        "command_seconds": usage.seconds, "cpu_seconds": usage.cpu_seconds,
        "largest_mb": usage.largest_mb, "total_mb": usage.total_mb, "bytes": size,
        "bare_seconds": bare["seconds"], "bare_draw_seconds": bare["draw_seconds"],
        "bare_code_rows": bare["code_rows"], "plain_write_seconds": again["seconds"],
    }  # fmt: skip


def steps(folder: Path) -> dict[str, Callable[[], dict[str, Any]]]:
    """Everything to measure, by key."""
    profile = folder / STRESS
    if not profile.exists():
        profile_folder(STRESS, folder)
    shape = folder / "shape.json"
    shape_of(read_profile(profile)).save(shape)
    found: dict[str, Callable[[], dict[str, Any]]] = {}
    for workers in WARM:
        for k in range(max(REPEATS.values())):  # sizes by turns: the machine's speed drifts
            for n, repeats in REPEATS.items():
                if k < repeats:
                    found[f"{n}/{workers}/{k}"] = partial(
                        draw_once, profile, shape, n, workers, k + 1, folder
                    )
    for name in RIVALS:
        found[name] = partial(rival, name, profile, folder)
    return found


def scale_rows(kept: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """One line a number of workers and a size: medians over the repeats."""
    rows = []
    for workers in WARM:
        drawn = {
            n: [kept[f"{n}/{workers}/{k}"] for k in range(repeats)]
            for n, repeats in REPEATS.items()
        }
        most = LARGE / middle(drawn[LARGE], "seconds")
        for n, found in drawn.items():
            rate = n / middle(found, "seconds")
            row: dict[str, Any] = {
                "workers": workers,
                "n": n,
                "start s": round(middle(found, "start_seconds"), 2),
                "draw s": round(middle(found, "seconds"), 2),
                "units/s": round(rate),
                "10,000,000 against this": f"{most / rate - 1:+.1%}" if n < LARGE else "",
                "whole command s": round(middle(found, "command_seconds"), 1),
                "largest process MB": round(max(f["largest_mb"] for f in found)),
                "all processes MB": round(max(f["total_mb"] for f in found)),
                "MB written": round(found[0]["bytes"] / 1e6, 1),
                "bytes a unit": round(found[0]["bytes"] / n, 1),
            }
            if n > min(REPEATS):  # else its own start is most of it
                row["of bare draw and write"] = ratio(found, "bare_seconds")
            if n > min(REPEATS) and workers == 1:  # the others run one after the other
                row["of bare NumPy draw"] = ratio(found, "bare_draw_seconds")
                row["of plain Parquet write"] = ratio(found, "plain_write_seconds")
            rows.append(row)
    return rows


def middle(found: list[dict[str, Any]], what: str) -> float:
    """Median over repeats."""
    return float(statistics.median(f[what] for f in found))


def ratio(found: list[dict[str, Any]], what: str) -> float:
    """Our speed as a share of the other's, median over pairs of runs."""
    return round(float(statistics.median(f[what] / f["seconds"] for f in found)), 3)


def rival_rows(kept: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """One line for each way to make rows of this shape, ours first."""
    n = 1_000_000
    ours = [kept[f"{n}/1/{k}"] for k in range(REPEATS[n])]
    speeds = {
        "llmsyn, one worker": (n, n / middle(ours, "seconds"), "drawn and written"),
        "NumPy draw": (n, n / middle(ours, "bare_draw_seconds"), "no dependence, nothing written"),
        "Parquet write": (n, n / middle(ours, "plain_write_seconds"), "our bytes, nothing drawn"),
    }
    speeds |= {name: (kept[name]["n"], kept[name]["rate"], kept[name]["what"]) for name in RIVALS}
    first = speeds["llmsyn, one worker"][1]
    return [
        {"what": name, "units": units, "units/s": round(rate, 1 if rate < 100 else None),
         "llmsyn is faster by": float(f"{first / rate:.3g}"), "measured": what}
        for name, (units, rate, what) in speeds.items()
    ]  # fmt: skip


@click.command(help=__doc__)
@click.option("--work-dir", type=click.Path(path_type=Path, file_okay=False), required=True,
              help="Folder for cohorts (2 GB) and measurements; what is measured stays so.")  # fmt: skip
@click.option("--most-seconds", type=float, help="Begin nothing more after so many seconds.")
def main(work_dir: Path, most_seconds: float | None) -> None:
    begun = time.monotonic()
    work_dir.mkdir(parents=True, exist_ok=True)
    os.environ["LLMSYN_CACHE"] = str(work_dir / "cache")
    kept = Kept(work_dir / "measured.jsonl")
    for key, step in steps(work_dir).items():
        if key in kept.found():
            continue
        if most_seconds is not None and time.monotonic() - begun > most_seconds:
            raise InputError(f"{key} is not measured yet; run the same command again")
        log.info("%s", key)
        kept.add(key, step())
    found = kept.found()
    rows, rivals = scale_rows(found), rival_rows(found)
    page = [{head: row[head] for head in PAGE if head in row} for row in rows]
    result = write_result(
        "scale", "Ten million patients with 330 codes (stress profile), Parquet written", rows,
        notes=[
            f"Medians of {', '.join(f'{r} x {n:,}' for n, r in REPEATS.items())} units; the network "
            "was in the cache.",
            "start s: a first run of "
            + " or ".join(f"{n:,} units ({w} workers)" for w, n in WARM.items())
            + ", with the start of workers and of compiled code; draw s, units/s: a second run in "
            "the same process; whole command: both, and the start of Python.",
            "Shares are our units/s over those of a bare NumPy draw of the same shape (levels, "
            "numbers and codes, without any dependence), of a plain Parquet write of the same "
            "tables, and of both in one process; taken right before and after each run.",
        ],
        page=page, repeats=REPEATS, warm=WARM,
    )  # fmt: skip
    write_result(
        "scale-rivals", "Units a second of other ways to make rows of this shape", rivals,
        notes=[
            "Sampling alone for SDV and Private-PGM (fitting and start are not in it); both make a "
            "table of one column a variable or code. PySynthea simulates whole lives, from the "
            "difference of two runs. Few units where more would take hours.",
            *(found[name]["note"] for name in RIVALS),
        ],
    )  # fmt: skip
    click.echo(table(result["rows"]) + "\n\n" + table(rivals))


if __name__ == "__main__":
    run_script(main)
