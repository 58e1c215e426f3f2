"""Coverage-guided fuzzing of every parser with atheris, for a bounded time each.

\b
    pip install atheris
    python benchmarks/fuzz.py --seconds 60

The parsers and what they must survive are those of ``tests/parser_targets.py``, whose inputs
are hypothesis's; here libFuzzer makes them from the same seeds, led by the branches they reach.
A finding is an exception that is not ours, an input that takes more than 20 s, or more than
2 GB of memory; its input is left in ``out/fuzz``.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import Any

import click
from fuzz_limits import MOST_BYTES, MOST_MB, MOST_SECONDS, PARSERS
from protocol import json_option, log, run_script
from result_files import HERE, show, write_result

from llmsyn.errors import InputError


def row(name: str, seconds: int) -> dict[str, Any]:
    """Fuzz a parser in a process of its own: one line of the table."""
    with TemporaryDirectory(prefix="llmsyn-fuzz-") as work:
        words = [sys.executable, str(HERE / "fuzz_one.py"), name, str(seconds), work]
        done = subprocess.run(words, capture_output=True, check=False)
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    numbers = {k: int(v) for k, v in re.findall(r"stat::(\w+):\s+(\d+)", said)}
    reached = re.findall(r"cov: (\d+)", said)
    found = done.returncode != 0 or "number_of_executed_units" not in numbers
    if found:
        log.warning("%s: %s", name, said[-3000:])
    return {
        "parser": name,
        "seconds": seconds,
        "inputs": numbers.get("number_of_executed_units", 0),
        "branches reached": int(reached[-1]) if reached else 0,
        "peak MB": numbers.get("peak_rss_mb", 0),
        "findings": int(found),
    }


@click.command(help=__doc__)
@click.option("--seconds", default=60, show_default=True, help="For each parser.")
@click.option(
    "--parser",
    "chosen",
    multiple=True,
    type=click.Choice(PARSERS),
    help="This one; can be repeated.",
)
@json_option
def main(seconds: int, chosen: tuple[str, ...], as_json: bool) -> None:
    if find_spec("atheris") is None:
        raise InputError("atheris is not installed; run: pip install atheris")
    rows = []
    for name in chosen or PARSERS:
        log.info("%s", name)
        rows.append(row(name, seconds))
        log.info("%s", json.dumps(rows[-1]))
    result = write_result(
        "fuzz", "Fuzzing of every parser with atheris (libFuzzer)", rows,
        notes=[
            f"A finding: an exception that is not ours, more than {MOST_SECONDS} s or more than "
            f"{MOST_MB:,} MB for an input; inputs have at most {MOST_BYTES:,} bytes.",
            "Peak MB is that of the whole process, Python and libraries included.",
        ],
        seconds=seconds,
    )  # fmt: skip
    show(result, as_json=as_json)
    if any(r["findings"] for r in rows):
        raise SystemExit(4)


if __name__ == "__main__":
    run_script(main)
