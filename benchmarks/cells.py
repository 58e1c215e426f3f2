"""Are the published numbers met?  members -> profile -> synthetic units -> ``llmsyn check``.

\b
    python benchmarks/cells.py --data-dir DIR
    python benchmarks/cells.py --data-dir DIR -n 1000000

Up to 100,000 units the question is whether chance alone explains what cells are off by: no
cell beyond z*, mean z^2 in its range.  With a million, how large errors are: at most 0.002.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
from protocol import (
    DATASETS,
    data_dir_option,
    drawn,
    extract,
    json_option,
    run_script,
    split_of,
    work_dir_option,
)
from result_files import show, write_result

from llmsyn.disclosure.release import Release
from llmsyn.errors import CheckFailed
from llmsyn.generation.pipeline import Result

CHECK_FAILED = 4


def check_cohort(folder: Path) -> dict[str, Any]:
    """What ``llmsyn check`` says of a cohort, beside the profile that it was drawn from.

    Raises
    ------
    CheckFailed : the command ended with something other than a verdict.
    """
    command = [sys.executable, "-m", "llmsyn", "check", str(folder), str(folder / "profile")]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    if done.returncode not in (0, CHECK_FAILED):
        raise CheckFailed(f"llmsyn check ended with {done.returncode}: {done.stderr.strip()}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def row_of(name: str, release: Release, result: Result, report: dict[str, Any]) -> dict[str, Any]:
    """One line of the table."""
    scores = {score["metric"]: score for score in report["scores"]}
    stages = {v.name: v.stage for v in release.profile.variables}
    demographic = {
        metric: score["value"]
        for metric, score in scores.items()
        if metric.startswith(("tv ", "ks "))
        and score["value"] is not None
        and stages.get(metric[3:]) == "demographics"
    }
    histograms = [
        score["value"]
        for metric, score in scores.items()
        if metric.startswith("histogram ") and score["value"] is not None
    ]
    broken = sum(
        score["value"] for metric, score in scores.items() if metric.startswith("impossible ")
    )
    worst = max(demographic, key=demographic.__getitem__, default=None)
    return {
        "set": name,
        "members": int(release.profile.n_patients),
        "units drawn": report["n"],
        "cells": report["n_cells"],
        "z*": round(report["limit"], 2),
        "beyond z*": sum(cell["status"] == "beyond" for cell in report["beyond"]),
        "largest abs z": scores["largest |z|"]["value"],
        "mean z^2": scores["mean z2"]["value"],
        "largest error": scores["largest error of a share"]["value"],
        "worst demographic": f"{worst} {demographic[worst]:.4f}" if worst else "none",
        "histogram error": max(histograms, default=float("nan")),
        "impossible": int(broken),
        "masks broken": int(scores["masks broken"]["value"] or 0),
        "contradictory": len(report["contradictory"]),
        "passed": report["passed"],
        "compile s": round(result.compile_seconds, 1),
    }


def details_of(report: dict[str, Any], release: Release, result: Result) -> dict[str, Any]:
    """What a reader who doubts a line wants to see."""
    network = result.manifest["network"]
    return {
        "failed": [s for s in report["scores"] if s["verdict"] == "fail"],
        "beyond": report["beyond"][:20],
        "worst": report["worst"][:5],
        "broken": report["broken"][:20],
        "unmet": network["unmet"][:50],
        "notes": network["notes"][:20],
        "tables": len(network["tables"]),
        "suppressed": dict(release.reasons),
    }


@click.command(help=__doc__)
@data_dir_option
@work_dir_option
@click.option("--set", "sets", multiple=True, type=click.Choice(list(DATASETS)),
              help="Data set; can be repeated (default: all).")  # fmt: skip
@click.option("-n", "--units", type=int, default=100_000, show_default=True)
@click.option("--tables", type=click.Choice(["outcome", "pairs", "all"]), default="all",
              show_default=True)  # fmt: skip
@click.option("--threshold", type=int, default=11, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of split and draw.")
@click.option("--workers", type=int, default=1, show_default=True)
@json_option
def main(
    data_dir: Path | None,
    work_dir: Path | None,
    sets: tuple[str, ...],
    units: int,
    tables: str,
    threshold: int,
    seed: int,
    workers: int,
    as_json: bool,
) -> None:
    rows, details = [], {}
    for name in sets or tuple(DATASETS):
        release = extract(
            split_of(name, data_dir, seed).members, tables=tables, threshold=threshold
        )
        with drawn(
            release.profile, units, seed=seed, work_dir=work_dir, tables=tables, workers=workers
        ) as result:
            report = check_cohort(result.folder)
        rows.append(row_of(name, release, result, report))
        details[name] = details_of(report, release, result)
    result = write_result(
        "cells" if units <= 100_000 else f"cells-{units}",
        f"Published cells in {units:,} synthetic units",
        rows,
        notes=[
            "Aim at 100,000: no cell beyond z*, mean z^2 in [0.8, 1.2], worst demographic (KS or "
            "total variation) at most 0.01, impossible codes 0.",
            "Aim at 1,000,000: largest absolute error of a share at most 0.002; beyond z* is then "
            "judged with standard errors of 100,000 units.",
            f"Profiles: 70% of patients, threshold {threshold}, tables {tables}.",
        ],
        units=units, tables=tables, threshold=threshold, seed=seed, workers=workers,
        details=details,
    )  # fmt: skip
    show(result, as_json=as_json)


if __name__ == "__main__":
    run_script(main)
