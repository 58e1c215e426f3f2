"""LLMSYN's evaluation on the same columns of mimic3-demo: ours, real rows, its published ranges.

\b
    python benchmarks/replication.py --data-dir DIR

70% of the patients make the profile, the rest are compared with.  What the published method
reports for language, religion, marital status, ethnicity, insurance, death, ICD-9 and CPT codes
is measured the same way, for a network of outcome tables and knowledge (10,000 stays); beside it
members (ceiling), independent marginals (floor), and the ranges that LLMSYN prints.
docs/replication.md is filled from the result by docs/page_numbers.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from cells import check_cohort
from protocol import (
    data_dir_option,
    drawn,
    extract,
    json_option,
    run_script,
    split_of,
    work_dir_option,
)
from result_files import show, write_result

from llmsyn.evaluation import Report, evaluate
from llmsyn.evaluation.types import Measure

SET, TABLES = "mimic3-demo", "outcome"
PUBLISHED = {
    "KS": "0.09 to 0.56",
    "TV": "0.11 to 0.56",
    "AUROC, synthetic": "0.48 to 0.54",
    "AUROC, with real": "0.58",
}
"""What Hao, He and Ho (MLHC 2024, PMLR 252) report, over their columns and tasks."""


def line(question: str, measure: Measure, published: str) -> dict[str, Any]:
    """One line: ours between floor and ceiling, and the published range."""
    score = measure.score
    value: Any = score.value if score.verdict != "undefined" else f"not measurable: {score.reason}"
    ends = score.verdict != "undefined" and score.low == score.low and score.low < score.high
    return {
        "measure": question,
        "llmsyn": value,
        "95%": f"{score.low:.3f} to {score.high:.3f}" if ends else "",
        "independent (floor)": "" if measure.floor is None else measure.floor.value,
        "real (ceiling)": "" if measure.ceiling is None else measure.ceiling.value,
        "LLMSYN, published": published,
    }


def lines(report: Report, said: dict[str, float]) -> dict[str, list[dict[str, Any]]]:
    """The tables of the page, by what they are about.

    Parameters
    ----------
    said : distance of each column to the published profile, by ``ks COLUMN`` or ``tv COLUMN``.
    """
    return {
        "columns": list(_columns(report, said)),
        "codes": list(_codes(report)),
        "utility": list(_utility(report)),
        "pairs": [line(m.of, m, "") for m in report.of("fidelity.mmd")],
        "groups": list(_groups(report)),
    }


def _columns(report: Report, said: dict[str, float]) -> Iterator[dict[str, Any]]:
    for measure in report.of("fidelity.variable"):
        kind = "KS" if measure.score.metric.startswith("KS") else "TV"
        row = line(f"{measure.of} ({kind})", measure, f"{PUBLISHED[kind]} over its columns")
        published: Any = said.get(f"{kind.lower()} {measure.of}", "too little is published")
        named = {"measure": row.pop("measure"), "to the profile": published}
        yield named | {"to the holdout": row.pop("llmsyn")} | row


def _codes(report: Report) -> Iterator[dict[str, Any]]:
    for key in ("fidelity.dimension_wise", "fidelity.codes_per_unit", "fidelity.pairs"):
        for measure in report.of(key):
            yield line(measure.score.metric, measure, "")


def _utility(report: Report) -> Iterator[dict[str, Any]]:
    for measure in report.of("utility.tstr.auroc"):
        yield line(f"AUROC, {measure.of}, trained on synthetic units", measure,
                   f"{PUBLISHED['AUROC, synthetic']} (its own task; {PUBLISHED['AUROC, with real']} "
                   "with real data)")  # fmt: skip
    for measure in report.of("utility.augmentation"):
        yield line(f"AUROC gained by adding synthetic to real units, {measure.of}", measure, "")


def _groups(report: Report) -> Iterator[dict[str, Any]]:
    for measure in report.of("privacy.k_anonymity"):
        yield line(f"{measure.score.metric}, {measure.of}", measure, "")


@click.command(help=__doc__)
@data_dir_option
@work_dir_option
@click.option("-n", "--units", type=int, default=10_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of split and draw.")
@json_option
def main(
    data_dir: Path | None, work_dir: Path | None, units: int, seed: int, as_json: bool
) -> None:
    split = split_of(SET, data_dir, seed)
    profile = extract(split.members, tables=TABLES).profile
    with drawn(profile, units, seed=seed, work_dir=work_dir, tables=TABLES) as made:
        report = evaluate(made.folder, members=split.members, holdout=split.holdout, seed=seed)
        scores = check_cohort(made.folder)["scores"]
    said = {s["metric"]: s["value"] for s in scores if s["value"] is not None}
    tables = lines(report, said)
    result = write_result(
        "replication",
        f"LLMSYN's evaluation on the same columns of {SET}",
        [{"table": name, **row} for name, rows in tables.items() for row in rows],
        notes=["LLMSYN: Hao, He and Ho, MLHC 2024, PMLR 252; other patients of the same hospital."],
        tables=tables, units=units, seed=seed, members=len(split.members),
        holdout=len(split.holdout), published=PUBLISHED,
    )  # fmt: skip
    show(result, as_json=as_json)


if __name__ == "__main__":
    run_script(main)
