"""The project's goals on one set of rows: measured, between floor and ceiling, met or missed.

\b
    python benchmarks/bench.py --data-dir DIR
    python benchmarks/bench.py --data-dir DIR --set mimic3-demo
    python benchmarks/bench.py --set diabetes130

Writes out/bench/bench-SET.json and .md and compares them with those that are committed in
benchmarks/results/; ends with 4 where a number has drifted beyond noise.  --accept commits to
the new numbers: it writes them into benchmarks/results/.

mimic4-demo and mimic3-demo are measured from rows.  diabetes130 takes hours; its goals are
collected from the results of the scripts that measure them (`make bench` runs those first
where LLMSYN_DATA has the rows).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from bench_collected import SET as COLLECTED
from bench_collected import collected
from claims import Claim
from drift import drifts
from protocol import data_dir_option, json_option, log, run_script, split_of, work_dir_option
from result_files import HERE, RESULTS, read_result, result_of, save_result, show

from llmsyn.errors import CheckFailed

TABLES = {"mimic4-demo": "outcome", "mimic3-demo": "outcome"}
"""Sets that are measured from rows, with the tables of their full release.

They have 100 patients: of all pairs, disclosure control leaves next to nothing (3 tables of
mimic4-demo, 48 where outcome tables are asked for).
"""
SEED = 1
OUT = HERE.parent / "out" / "bench"


def measured(name: str, data_dir: Path | None, work_dir: Path | None) -> Iterator[Claim]:
    """Every claim of a set of rows, goals first."""
    import bench_models as models  # the bench of diabetes130 needs no learner
    import bench_privacy as privacy
    import bench_runs as runs

    from llmsyn.evaluation import write_report

    bench = runs.prepare(split_of(name, data_dir, SEED), TABLES[name], runs.Sizes(), work_dir)
    n = bench.sizes.evaluated
    with runs.cohort(bench, n) as result:
        full = runs.judged(bench, result, with_privacy=True)
    write_report(full, OUT / f"report-{name}", force=True)
    with runs.cohort(bench, n, margins=True) as result:
        knowledge = runs.judged(bench, result, with_privacy=True)
    with runs.cohort(bench, n, margins=True, parts=()) as result:
        margins = runs.judged(bench, result, with_privacy=False)
    yield from runs.cells(bench, full)
    yield from runs.fidelity(bench, full, knowledge, margins)
    yield from privacy.membership(full, f"tables {bench.tables}")
    yield from privacy.membership(knowledge, "margins")
    yield privacy.within_budget(bench)
    with TemporaryDirectory(dir=work_dir, prefix="llmsyn-bench-") as folder:
        yield from models.cost(bench, Path(folder))
    yield from models.replies(bench, data_dir)
    yield from runs.measures(full)


def table_of(name: str, claims: list[Claim]) -> dict[str, Any]:
    """The result: goals as rows, every claim in the settings."""
    goals = [c for c in claims if c.goal]
    count = {v: sum(c.verdict == v for c in goals) for v in ("met", "missed", "not measurable")}
    rest = [c for c in claims if not c.goal]
    counted = ", ".join(f"{many} {verdict}" for verdict, many in count.items())
    return result_of(
        f"bench-{name}",
        f"Goals of the project on {name}: {counted}",
        [c.row() for c in (*goals, *rest)],
        notes=[
            "Floor: without any structure; ceiling: with real rows (or what a perfect answer "
            "gives). Lines without an aim are measured, nothing was promised.",
            "Intervals are those of one split of the patients (seed 1).",
            "Compared with the next run: counts and shares of a seeded draw must be equal; "
            "learners, attacks and resamples lie within the interval; times are not compared.",
        ],
        claims=[c.to_json() for c in claims],
        count=counted,
        seed=SEED,
        tables=TABLES.get(name, "see the scripts"),
    )


@click.command(help=__doc__)
@data_dir_option
@work_dir_option
@click.option("--set", "names", multiple=True, type=click.Choice([*TABLES, COLLECTED]),
              default=("mimic4-demo",), show_default=True, help="Can be repeated.")  # fmt: skip
@click.option("--accept", is_flag=True, help="Write the new numbers into benchmarks/results/.")
@json_option
def main(
    data_dir: Path | None,
    work_dir: Path | None,
    names: tuple[str, ...],
    accept: bool,
    as_json: bool,
) -> None:
    apart: list[str] = []
    for name in names:
        claims: list[Claim] = []
        for claim in collected() if name == COLLECTED else measured(name, data_dir, work_dir):
            log.info("%s: %s %s", claim.key, claim.value, claim.verdict)
            claims.append(claim)
        result = table_of(name, claims)
        save_result(result, OUT)
        show(result, as_json=as_json)
        committed = read_result(result["name"])
        if accept or committed is None:
            save_result(result, RESULTS)
            log.info("benchmarks/results/%s.json is written", result["name"])
        else:
            apart += [f"{name}: {drift}" for drift in drifts(committed, result)]
    if apart:
        raise CheckFailed(
            f"{len(apart)} numbers are not the committed ones (out/bench has the new ones; "
            "--accept keeps them): " + "; ".join(apart)
        )


if __name__ == "__main__":
    run_script(main)
