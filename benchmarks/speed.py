"""Units per second and peak memory of ``generate``, Parquet written.

\b
    python benchmarks/speed.py
    python benchmarks/speed.py --full --ceiling-script PATH

Each line: a run in a process of its own, the bare NumPy + Parquet run of the same shape right
before and after it (the machine is not always equally fast), and their ratio.  Compile time
stands apart: with an empty cache, and with the network in the cache.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import sys
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from bare_writer import Shape
from process_memory import Usage, run_measured
from protocol import json_option, log, run_script, work_dir_option
from result_files import HERE, show, write_result

from llmsyn.errors import InputError
from llmsyn.evaluation.independent import prevalences
from llmsyn.profile.reading import find_profile, read_profile
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, Numeric

STRESS = "stress"
STRESS_SIZES = ("--diagnoses", "150", "--procedures", "80", "--drugs", "100")


def shape_of(profile: Profile) -> Shape:
    """The shape of a profile's cohorts, for the bare run."""
    return Shape(
        {v.name: len(v.levels) for v in profile.level_variables if isinstance(v, Categorical)},
        [v.name for v in profile.level_variables if isinstance(v, Numeric)],
        {
            c.name: [*prevalences(c, profile.n_units).tolist(), c.unlisted_per_unit or 0.0]
            for c in profile.code_sets
        },
    )


def generate_once(
    profile: Path, n: int, workers: int, out: Path, seed: int
) -> tuple[dict[str, float], Usage]:
    """Times that generate reports, and what its process used; the cohort is removed."""
    words = [str(profile), str(n), str(seed), str(workers), str(out)]
    usage = run_measured([sys.executable, str(HERE / "one_run.py"), *words])
    shutil.rmtree(out)
    found: dict[str, float] = json.loads(usage.output.splitlines()[-1])
    return found, usage


def bare_once(shape: Path, n: int, workers: int, out: Path, script: Path | None) -> float:
    """Units per second of the bare run, by our own script or by another one."""
    if script is None:
        command = [str(HERE / "bare_writer.py"), str(shape), str(n), str(workers), str(out)]
        usage = run_measured([sys.executable, *command])
        shutil.rmtree(out)
        return n / float(json.loads(usage.output)["seconds"])
    usage = run_measured([sys.executable, str(script), "sparse", "long", str(workers), str(n)])
    found = re.search(r"pat/s=(\d+)", usage.output)
    if found is None:
        raise InputError(f"{script.name} printed no pat/s=NUMBER; give a script that does")
    return float(found[1])


def compile_seconds(profile: Path, folder: Path) -> dict[str, float]:
    """Compile time with an empty cache (first run of all), then from the cache."""
    cold, _ = generate_once(profile, 1000, 1, folder / "cold", 1)
    warm, _ = generate_once(profile, 1000, 1, folder / "warm", 1)
    return {"cold": cold["compile_seconds"], "cached": warm["compile_seconds"]}


def measure_row(
    name: str, profile: Path, shape: Path, n: int, workers: int, repeats: int, folder: Path,
    script: Path | None,
) -> dict[str, Any]:  # fmt: skip
    """One line: medians over repeats, each between two bare runs."""
    rates, bare, usages = [], [], []
    for k in range(repeats):
        bare.append(bare_once(shape, n, workers, folder / "bare", script))
        times, usage = generate_once(profile, n, workers, folder / "cohort", k + 1)
        rates.append(n / times["draw_seconds"])
        usages.append(usage)
    bare.append(bare_once(shape, n, workers, folder / "bare", script))
    around = [(a + b) / 2 for a, b in pairwise(bare)]
    row = {
        "profile": name,
        "n": n,
        "workers": workers,
        "units/s": round(statistics.median(rates)),
        "bare units/s": round(statistics.median(bare)),
        "of bare": round(statistics.median(r / b for r, b in zip(rates, around)), 3),
        "whole command s": round(statistics.median(u.seconds for u in usages), 1),
        "largest process MB": round(max(u.largest_mb for u in usages)),
        "all processes MB": round(max(u.total_mb for u in usages)),
    }
    log.info("%s", row)
    return row


def profile_folder(name: str, folder: Path) -> Path:
    """Folder of a profile; the stress profile is written first."""
    if name != STRESS:
        return find_profile(name)
    out = folder / STRESS
    script = str(HERE / "stress_profile.py")
    run_measured([sys.executable, script, *STRESS_SIZES, "-o", str(out)])
    return out


@click.command(help=__doc__)
@work_dir_option
@click.option("--profile", "profiles", multiple=True, default=("diabetes130", STRESS),
              show_default=True, help="Shipped profile, folder, or stress; can be repeated.")  # fmt: skip
@click.option("-n", "--units", "sizes", multiple=True, type=int, default=(100_000, 1_000_000),
              show_default=True)  # fmt: skip
@click.option("--workers", "worker_counts", multiple=True, type=int, default=(1, 2),
              show_default=True)  # fmt: skip
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True)
@click.option("--full", is_flag=True, help="Also 10,000,000 units.")
@click.option("--ceiling-script", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Compare with this script instead: python PATH sparse long WORKERS N.")  # fmt: skip
@json_option
def main(
    work_dir: Path | None,
    profiles: tuple[str, ...],
    sizes: tuple[int, ...],
    worker_counts: tuple[int, ...],
    repeats: int,
    full: bool,
    ceiling_script: Path | None,
    as_json: bool,
) -> None:
    if work_dir is not None:
        work_dir.mkdir(parents=True, exist_ok=True)
    rows, compiled, events = [], {}, {}
    with TemporaryDirectory(dir=work_dir, prefix="llmsyn-speed-") as temporary:
        folder = Path(temporary)
        # A cache of its own: the first compile is a real one.
        os.environ["LLMSYN_CACHE"] = str(folder / "cache")
        for name in profiles:
            profile = profile_folder(name, folder)
            shape, shape_file = shape_of(read_profile(profile)), folder / "shape.json"
            shape.save(shape_file)
            label = Path(name).name
            events[label] = round(shape.codes_per_unit, 2)
            compiled[label] = compile_seconds(profile, folder)
            log.info("%s: compile %s", label, compiled[label])
            for n in (*sizes, *((10_000_000,) if full else ())):
                for workers in worker_counts:
                    rows.append(
                        measure_row(label, profile, shape_file, n, workers, repeats, folder,
                                    ceiling_script)
                    )  # fmt: skip
    notes = [
        f"{name}: compile {seconds['cold']:.1f} s with an empty cache, {seconds['cached']:.1f} s "
        f"from the cache; {events[name]} codes a unit."
        for name, seconds in compiled.items()
    ]
    bare = "bare_writer.py" if ceiling_script is None else ceiling_script.name
    notes += [
        f"Bare: {bare}, right before and after each run with as many processes; medians of "
        f"{repeats}.",
        "units/s: drawing and writing, start of the workers included (in the bare run it is not); "
        "whole command: also start of Python, imports, and the network from the cache, verified.",
        "Memory: peak of the largest process, and the sum of the peaks of all (shared pages "
        "counted in each).",
        "Aim: at least 0.6 of bare, never under 150,000 units/s, under 1 GB and flat in n.",
    ]
    result = write_result(
        "speed", "Speed and memory of generate, Parquet written", rows, notes=notes,
        compile_seconds=compiled, codes_per_unit=events, repeats=repeats, bare=bare,
    )  # fmt: skip
    show(result, as_json=as_json)


if __name__ == "__main__":
    run_script(main)
