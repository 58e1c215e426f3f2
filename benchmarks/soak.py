"""Faults: runs killed at random moments, full disks, broken parts, and what came out.

\b
    python benchmarks/soak.py --kills 100

Each row of the table: what was done to a run, how often, and how often the output was lost (the
same command, given again, did not finish), corrupted (it was accepted, but is not the bytes of
an undisturbed run) or the answer wrong (a traceback, or no error where there must be one).
``elicit`` asks a scripted server; of ``evaluate`` the numbers are compared, not the times.  Dask
and Ray are tried where they are installed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from protocol import json_option, log, run_script, work_dir_option
from result_files import show, write_result
from soak_faults import broken_parts, full_disk, jumping_clock, read_only, two_at_once
from soak_kills import kills, lost_worker
from soak_models import scripted_model
from soak_runs import N_ENGINES, Bench, N, Tally, prepare

EXPORTS = ("omop", "fhir", "meds", "csv", "duckdb")
FEW = ("generate", "omop", "fhir")
SHARES = {
    "elicit": 0.2, "evaluate": 0.08, "generate": 0.24, "generate2": 0.1, "check": 0.08,
    **dict.fromkeys(EXPORTS, 0.06),
}  # fmt: skip
"""Of the kills."""

BATCH = 4
ENGINES = {"dask": "distributed", "ray": "ray"}


Step = Callable[[np.random.Generator], Iterable[Tally]]


def steps(bench: Bench, n_kills: int) -> dict[str, Step]:
    """Everything to try, by key: kills in batches of each command by turns, then other faults."""
    found: dict[str, Step] = {}
    left = {name: max(round(n_kills * share), 1) for name, share in SHARES.items()}
    engines = [e for e, library in ENGINES.items() if find_spec(library) is not None]
    for batch in range(n_kills):
        for name in [name for name, n in left.items() if n > 0]:
            times = min(BATCH, left[name])
            left[name] -= times
            found[f"kill {name} {batch}"] = partial(_kills, bench, name, times)
        if not batch:
            found |= {f"lose {e}": partial(_lost, bench, f"generate {e}", 2) for e in engines}
            found["lose local"] = partial(_lost, bench, "generate2", max(n_kills // 10, 2))
    for name in ("generate", *EXPORTS):
        found[f"full disk {name}"] = partial(full_disk, bench, (name,))
    found["read-only"] = lambda random: read_only(bench, FEW)
    found["two at once"] = lambda random: two_at_once(bench, FEW)
    found["broken parts"] = partial(broken_parts, bench)
    found["clock"] = lambda random: jumping_clock(bench, ("generate", "omop"))
    return found


def _kills(bench: Bench, name: str, times: int, random: np.random.Generator) -> list[Tally]:
    return [kills(bench, name, times, random)]


def _lost(bench: Bench, name: str, times: int, random: np.random.Generator) -> list[Tally]:
    return [lost_worker(bench, name, times, random)]


def added_up(tallies: Iterable[Tally]) -> list[Tally]:
    """One tally a fault and command."""
    found: dict[tuple[str, str], Tally] = {}
    for one in tallies:
        whole = found.setdefault((one.fault, one.command), Tally(one.fault, one.command))
        for number in ("tried", "lost", "corrupted", "wrong"):
            setattr(whole, number, getattr(whole, number) + getattr(one, number))
        whole.notes.extend(one.notes)
    return list(found.values())


def tried(work: Path, n_kills: int, seed: int, most_minutes: float) -> list[Tally]:
    """All tallies, those of an earlier piece of the run among them."""
    kept = work / "tallies.jsonl"
    lines = kept.read_text("utf-8").splitlines() if kept.exists() else []
    done = {line["key"]: [Tally(**t) for t in line["tallies"]] for line in map(json.loads, lines)}
    begun = time.monotonic()
    with scripted_model() as url:
        bench = prepare(work, url)
        for number, (key, step) in enumerate(steps(bench, n_kills).items()):
            if key in done or time.monotonic() - begun > 60 * most_minutes:
                continue
            log.info("%s", key)
            done[key] = list(step(np.random.default_rng([seed, number])))
            with kept.open("a", encoding="utf-8") as file:
                tallies = [asdict(t) for t in done[key]]
                file.write(json.dumps({"key": key, "tallies": tallies}) + "\n")
    return added_up(t for some in done.values() for t in some)


@click.command(help=__doc__)
@click.option("--kills", "n_kills", default=100, show_default=True, help="Kills in all.")
@click.option("--seed", default=1, show_default=True)
@click.option("--most-minutes", default=1e9, help="Begin nothing more then; given again, it goes on "
              "in the same --work-dir.")  # fmt: skip
@work_dir_option
@json_option
def main(
    n_kills: int, seed: int, most_minutes: float, work_dir: Path | None, as_json: bool
) -> None:
    with TemporaryDirectory() as temporary:
        work = work_dir or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        tallies = tried(work, n_kills, seed, most_minutes)
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
            "worker killed: generate2 is `--workers 2`; generate dask and generate ray are "
            f"`--engine ... --workers 2` with {N_ENGINES:,} patients, one of the two worker "
            "processes killed after one to three parts, and compared with an undisturbed run of "
            "one process.",
        ],
        kills=n_kills, seed=seed,
    )  # fmt: skip
    show(result, as_json=as_json)
    if any(t.lost or t.corrupted or t.wrong for t in tallies):
        raise SystemExit(4)


if __name__ == "__main__":
    run_script(main)
