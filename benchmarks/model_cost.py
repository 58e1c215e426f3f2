"""What a language model would cost: requests, tokens and price, reckoned by ``--dry-run``.

\b
    python benchmarks/model_cost.py

Nothing is sent and no row is needed.  ``elicit`` asks about the code list, so its price does not
depend on how many patients are drawn afterwards; ``records`` asks about every patient.  Counts
are the most that can be asked; replies count at their longest, so prices are upper bounds.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from protocol import json_option, log, run_script
from result_files import show, write_result

from llmsyn.elicitation.eliciting import Settings, elicit
from llmsyn.generation.records import rehearse
from llmsyn.knowledge.loading import load_base
from llmsyn.llm import ModelOptions, Tally, open_model
from llmsyn.profile.reading import find_profile, read_profile

MODELS = ("gpt-5-mini", "gpt-5.4", "claude-opus-5-5")
"""A small one, a middling one and a large one of the shipped price table."""

SIZES = (1_500, 100_000, 1_000_000)
SETS = ("mimic3-demo", "mimic4-demo", "diabetes130")
RECORDS_SET = "mimic3-demo"


def dry(folder: Path, model: str) -> ModelOptions:
    """A batch folder that nothing is written to."""
    return ModelOptions(batch=folder / "batch", model=model, cache=folder / "cache", dry_run=True)


def elicit_tally(name: str, options: ModelOptions) -> Tally:
    """All requests of one ``elicit`` run, without the second tutor."""
    with open_model(options) as model:
        elicit(read_profile(find_profile(name)), load_base(), model, Settings())
        return model.tally


def records_tally(n: int, options: ModelOptions) -> Tally:
    """All requests of ``generate --method records`` for n patients."""
    with open_model(options) as model:
        return rehearse(read_profile(find_profile(RECORDS_SET)), n, seed=1, model=model)


@click.command(help=__doc__)
@json_option
def main(as_json: bool) -> None:
    jobs: list[tuple[str, str, int | None]] = [
        *((f"elicit, {name}", name, None) for name in SETS),
        *((f"records, {RECORDS_SET}", RECORDS_SET, n) for n in SIZES),
    ]
    rows: list[dict[str, Any]] = []
    for label, name, n in jobs:
        row: dict[str, Any] = {"what": label, "patients": "any number" if n is None else n}
        for model in MODELS:
            with TemporaryDirectory() as folder:
                options = dry(Path(folder), model)
                tally = elicit_tally(name, options) if n is None else records_tally(n, options)
            row |= {
                "requests": tally.cost.requests,
                "prompt tokens": tally.cost.prompt_tokens,
                "reply tokens, at most": tally.cost.completion_tokens,
                f"USD, {model} (batch)": round(tally.cost.usd, 2),
            }
        log.info("%s", row)
        rows.append(row)
    result = write_result(
        "model_cost",
        "Price of a language model, by --dry-run",
        rows,
        notes=[
            "Prices: llmsyn/llm/prices.toml, those of a batch.",
            "Prompt tokens are bytes over 3; re-asks and the second tutor are not counted.",
            "records: at most 200 patients are worded, more are in proportion.",
        ],
        models=MODELS,
    )  # fmt: skip
    show(result, as_json=as_json)


if __name__ == "__main__":
    run_script(main)
