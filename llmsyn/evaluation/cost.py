"""Cost: what it took to make the synthetic units, as the run wrote it down."""

from __future__ import annotations

import math
from pathlib import Path

from llmsyn.egress.ledger import read_ledger
from llmsyn.errors import InputError
from llmsyn.evaluation.measured import exactly
from llmsyn.evaluation.types import Evidence, Findings, Measure

NAMES = {
    "seconds": "seconds to make the units",
    "units_per_second": "units drawn in a second",
    "peak_gib": "peak memory to make the units, GiB",
    "requests": "requests to a language model",
    "tokens": "tokens sent and received",
    "usd": "price of the requests, USD",
}


def cost(evidence: Evidence, ledger: Path | None = None) -> Findings:
    """Seconds and memory from ``run.json``; requests, tokens and money from a ledger of what was sent.

    Parameters
    ----------
    ledger : the JSON Lines file of the run; without it nothing is said of requests.

    Raises
    ------
    InputError : the ledger cannot be read.
    """
    found: dict[str, float] = {}
    run = evidence.run
    seconds = [run.get(key) for key in ("compile_seconds", "draw_seconds")]
    times = [float(s) for s in seconds if isinstance(s, (int, float))]
    if times:
        found["seconds"] = sum(times)
    draw = run.get("draw_seconds")
    if isinstance(draw, (int, float)) and draw > 0:
        found["units_per_second"] = len(evidence.synthetic) / float(draw)
    peak = run.get("peak_bytes")
    if isinstance(peak, (int, float)) and peak > 0:
        found["peak_gib"] = float(peak) / 2**30
    if ledger is not None:
        found |= of_ledger(ledger)
    measures = [
        Measure(f"cost.{key}", exactly(NAMES[key], found[key])) for key in NAMES if key in found
    ]
    if not measures:
        why = "the synthetic cohort has no run.json, and no ledger was named"
        measures = [Measure("cost.seconds", exactly(NAMES["seconds"], math.nan, why))]
    notes = []
    if run.get("network_from_cache"):
        notes.append("The network came from the cache, so its calibration is not in the seconds.")
    if "peak_gib" in found and run.get("workers", 1) != 1:
        notes.append("Peak memory is the sum over all processes, so shared pages count more "
                     "than once.")  # fmt: skip
    if run.get("machine"):
        notes.append(f"On {run.get('machine')}, Python {run.get('python')}.")
    return Findings("cost", "cost", tuple(measures), notes=tuple(notes),
                    does_not_show="Seconds of one run on one machine are no benchmark.")  # fmt: skip


def of_ledger(file: Path) -> dict[str, float]:
    """Requests, tokens and money of a ledger.

    Raises
    ------
    InputError : the file cannot be read, or is no ledger.
    """
    log = read_ledger(file)
    if log.broken_rows and not log.entries:
        raise InputError("no line of this file is one of a ledger", file=file)
    totals = dict.fromkeys(("prompt_tokens", "completion_tokens", "usd"), 0.0)
    for entry in log.entries:
        for name in totals:
            value = entry.detail.get(name)
            if isinstance(value, (int, float)):
                totals[name] += value
    return {
        "requests": float(len(log.entries)),
        "tokens": totals["prompt_tokens"] + totals["completion_tokens"],
        "usd": totals["usd"],
    }
