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

from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from protocol import json_option, log, run_script
from result_files import show, write_result
from soak_faults import broken_parts, full_disk, jumping_clock, read_only, two_at_once
from soak_kills import kills, lost_worker
from soak_models import scripted_model
from soak_runs import N_ENGINES, Bench, N, Tally, prepare

EXPORTS = ("omop", "fhir", "meds", "csv", "duckdb")
FEW = ("generate", "omop", "fhir")
SHARES = {
    "generate": 0.25, "generate2": 0.15, "elicit": 0.15, "evaluate": 0.1, "check": 0.05,
    **dict.fromkeys(EXPORTS, 0.06),
}  # fmt: skip
"""Of the kills."""

ENGINES = {"dask": "distributed", "ray": "ray"}


def faults(bench: Bench, n_kills: int, random: np.random.Generator) -> list[Tally]:
    """Every fault, one row each."""
    tallies = []
    for name, share in SHARES.items():
        log.info("kill %s", name)
        tallies.append(kills(bench, name, max(round(n_kills * share), 1), random))
    log.info("other faults")
    tallies.append(lost_worker(bench, "generate2", max(n_kills // 10, 2), random))
    for engine, library in ENGINES.items():
        if find_spec(library) is not None:
            log.info("lose workers of %s", engine)
            name = f"generate {engine}"
            tallies.append(lost_worker(bench, name, max(n_kills // 30, 1), random))
    for more in (
        full_disk(bench, ("generate", *EXPORTS), random), read_only(bench, FEW),
        two_at_once(bench, FEW),
        broken_parts(bench, random), jumping_clock(bench, ("generate", "omop")),
    ):  # fmt: skip
        tallies += list(more)
    return tallies


@click.command(help=__doc__)
@click.option("--kills", "n_kills", default=100, show_default=True, help="Kills in all.")
@click.option("--seed", default=1, show_default=True)
@json_option
def main(n_kills: int, seed: int, as_json: bool) -> None:
    with TemporaryDirectory() as work, scripted_model() as url:
        tallies = faults(prepare(Path(work), url), n_kills, np.random.default_rng(seed))
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
