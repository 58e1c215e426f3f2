"""Does the language model whose replies are recorded know rows of the public sets by heart?

\b
    python benchmarks/memorisation.py --data-dir DIR

The recorded replies (replies/memorisation) are compared with the rows; nothing is asked.  What
was asked: the name of a set and of its columns, without any value (docs/attacks.md).
"""

from __future__ import annotations

from pathlib import Path

import click
from datasets import DATASETS, find_rows
from model_replies import REPLIES
from protocol import data_dir_option, json_option, run_script
from result_files import show, write_result

from llmsyn.evaluation.attacks.known_sets import rows_of
from llmsyn.evaluation.attacks.memorisation import memorisation
from llmsyn.evaluation.types import Findings, Measure
from llmsyn.llm.opening import open_model
from llmsyn.llm.requests import ModelOptions

TABLES = {"diabetes130": "diabetic_data.csv", "mimic3-demo": "PATIENTS.csv"}


def probed(names: tuple[str, ...], data_dir: Path | None) -> Findings:
    """What the recorded replies know of some sets."""
    rows = rows_of(f"{name}={_table(name, data_dir)}" for name in names)
    with open_model(ModelOptions(replay=REPLIES / "memorisation")) as model:
        return memorisation(model, rows)


def _table(name: str, data_dir: Path | None) -> Path:
    folder = find_rows(DATASETS[name], data_dir)
    return next(iter(sorted(folder.glob(f"{TABLES[name]}*"))))


def _row(measure: Measure) -> dict[str, object]:
    score = measure.score
    beside = {c.role: c.score for c in measure.controls}
    return {
        "set": measure.of,
        "rows that are real": score.value,
        "95%": f"{score.low:.3f}-{score.high:.3f}",
        "columns shuffled": measure.floor.value if measure.floor else "",
        "rows of Iris (positive control)": beside["positive control"].value,
        "of a set that does not exist (negative control)": beside["negative control"].value,
    }


@click.command(help=__doc__)
@data_dir_option
@json_option
def main(data_dir: Path | None, as_json: bool) -> None:
    found = probed(tuple(TABLES), data_dir)
    result = write_result(
        "memorisation", "Rows of public sets that the recorded language model knows by heart",
        [_row(measure) for measure in found.measures],
        notes=[
            found.does_not_show,
            "Iris: ten rows were asked for, and the nine compared with hold five of the first "
            "ten, so that half is all that a perfect memory can reach.",
            "A model that knows a set's rows knows its associations too: on such a set, what it "
            "is worth for a hospital's own population is overstated.",
        ],
    )  # fmt: skip
    show(result, as_json=as_json)


if __name__ == "__main__":
    run_script(main)
