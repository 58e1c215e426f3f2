"""Run anonymeter on three tables; started by file name in anonymeter's own environment.

Nothing of llmsyn is imported: that environment has an older numpy, and no llmsyn.  Reads
``synthetic.parquet``, ``members.parquet``, ``holdout.parquet`` and ``settings.json`` of the
folder that it is given, and prints one JSON object: for each attack the successes and trials
of the attack, of its baseline (guessing), and of the control (the same on the holdout).
"""

from __future__ import annotations

import itertools
import json
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any


def main(folder: Path) -> dict[str, Any]:
    """Every attack of the settings, with its counts or the reason why there are none."""
    import numpy
    import pandas

    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    # anonymeter takes a seed for one attack of three; the others draw from these two.  Every
    # generator has a seed of its own: two that agree would find each other's links.
    numpy.random.seed(settings["seed"])  # noqa: NPY002
    seeded, count = numpy.random.default_rng, itertools.count()
    numpy.random.default_rng = lambda seed=None: seeded(
        [settings["seed"], next(count)] if seed is None else seed
    )
    tables = {
        name: pandas.read_parquet(folder / f"{name}.parquet")
        for name in ("members", "synthetic", "holdout")
    }
    found: dict[str, Any] = {}
    for attack in settings["attacks"]:
        try:
            found[attack["name"]] = run(attack, tables, settings)
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            # The other attacks go on, and it is said.
            found[attack["name"]] = {"problem": f"{type(error).__name__}: {error}"}
    return found


def run(attack: dict[str, Any], tables: dict[str, Any], settings: dict[str, Any]) -> Any:
    """One attack."""
    # By name: it is no dependency of llmsyn, only of this script's own environment.
    evaluators = import_module("anonymeter.evaluators")

    common = {
        "ori": tables["members"], "syn": tables["synthetic"], "control": tables["holdout"],
    }  # fmt: skip
    n = min(settings["n_attacks"], len(tables["members"]), len(tables["holdout"]))
    kind = attack["kind"]
    made: Any
    if kind == "singling_out":
        made = evaluators.SinglingOutEvaluator(
            **common, n_attacks=n, n_cols=attack["n_columns"], seed=settings["seed"],
            max_attempts=settings["max_attempts"],
        )  # fmt: skip
        made.evaluate(mode="multivariate")
    elif kind == "linkability":
        made = evaluators.LinkabilityEvaluator(
            **common, n_attacks=n, aux_cols=tuple(attack["columns"]), n_neighbors=10
        )
        made.evaluate(n_jobs=1)
    else:
        known = [c for c in tables["members"].columns if c != attack["secret"]]
        made = evaluators.InferenceEvaluator(
            **common, n_attacks=n, aux_cols=known, secret=attack["secret"]
        )
        made.evaluate(n_jobs=1)
    results = made.results(confidence_level=0.95)
    return {
        "attack": [results.attack_rate.value, results.attack_rate.error],
        "baseline": [results.baseline_rate.value, results.baseline_rate.error],
        "control": [results.control_rate.value, results.control_rate.error],
        "risk": [results.risk().value, *results.risk().ci],
        "n": n,
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]))))
