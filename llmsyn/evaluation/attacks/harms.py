"""Singling out, linkability and inference, by anonymeter (Giomi et al. 2023).

doi 10.56553/popets-2023-0055, arXiv 2211.10459.  The three harms of the Article 29 Working
Party (WP216), as attack, baseline and control: the *risk* is what the attack reaches on
members beyond what it reaches on the holdout, (attack - control) / (1 - control).

* **Singling out**: predicates of a few columns that fit one synthetic unit are tried on the
  members; success is to fit exactly one.
* **Linkability**: one part of a member's columns is in one file, the rest in another;
  success is that both have a common synthetic unit among their ten nearest.
* **Inference**: all columns but one are known; the last is copied from the nearest synthetic
  unit.

It runs in an environment of its own (:mod:`llmsyn.evaluation.attacks.anonymeter_environment`)
as a subprocess; tables lie in a private temporary folder meanwhile.  The positive control is
the same with a synthetic set whose second half are copies of members.
"""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from llmsyn.errors import MissingExtra, ServiceError
from llmsyn.evaluation.attacks import anonymeter_run
from llmsyn.evaluation.attacks.anonymeter_environment import python
from llmsyn.evaluation.attacks.membership import with_doubt
from llmsyn.evaluation.attacks.people import of_patients, synthetic_units
from llmsyn.evaluation.samples import Sample
from llmsyn.evaluation.types import Control, Evidence, Findings, Measure
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet, Numeric
from llmsyn.score import Score, undefined

MOST_CODES = 20
"""Most frequent codes that become columns; anonymeter's attacks take columns, not lists."""

N_ATTACKS = 500
MOST_ROWS = 5_000
N_COLUMNS = 4  # of a singling-out predicate
TIMEOUT_SECONDS = 1_800.0

HARMS = ("singling_out", "linkability", "inference")
_DOES_NOT_SHOW = (
    "Only the attacks that anonymeter makes, on demographics and the most frequent codes; rare "
    "codes and the published statistics are not attacked."
)
_SOURCE = "doi 10.56553/popets-2023-0055"


def three_harms(evidence: Evidence) -> Findings:
    """Run anonymeter's three attacks.

    Returns
    -------
    Undefined measures with the reason where its environment was not built.

    Raises
    ------
    ServiceError : anonymeter did not answer.
    """
    try:
        interpreter = python()
    except MissingExtra as missing:
        return Findings(
            "privacy",
            "anonymeter",
            tuple(
                Measure(f"privacy.{harm}.risk", undefined(f"{harm} risk", str(missing)))
                for harm in HARMS
            ),
            does_not_show=_DOES_NOT_SHOW,
            source=_SOURCE,
        )
    tables = tables_of(evidence)
    attacks = attacks_of(evidence.profile, tables["members"])
    settings = {
        "attacks": attacks,
        "n_attacks": N_ATTACKS // 5 if evidence.quick else N_ATTACKS,
        "max_attempts": 100_000,
        "seed": evidence.seed,
    }
    found = ask(interpreter, tables, settings)
    planted = ask(interpreter, _with_copies(tables, evidence), settings)
    measures = [_measure(attack, found, planted) for attack in attacks]
    return Findings(
        topic="privacy",
        name="anonymeter",
        measures=tuple(measures),
        does_not_show=_DOES_NOT_SHOW,
        notes=tuple(
            f"{name}: {len(table):,} rows of {len(table.column_names)} columns."
            for name, table in tables.items()
        ),
        source=_SOURCE,
    )


def tables_of(evidence: Evidence) -> dict[str, pa.Table]:
    """Members, holdout and synthetic units as tables of the same columns, as many rows each."""
    random = evidence.random("anonymeter")
    profile = evidence.profile
    most = min(
        MOST_ROWS,
        *(s.n_patients for s in (evidence.members, evidence.holdout) if len(s)),
    )
    sets = {
        name: of_patients(s, random.permutation(np.unique(s.patient))[:most])
        for name, s in (("members", evidence.members), ("holdout", evidence.holdout))
    }
    made = synthetic_units(evidence, "anonymeter, synthetic")
    sets["synthetic"] = made.take(random.permutation(len(made))[: len(sets["members"])])
    columns = frequent_codes(profile, sets["members"])
    return {name: as_table(s, profile, columns) for name, s in sets.items()}


def frequent_codes(profile: Profile, sample: Sample) -> tuple[tuple[str, int], ...]:
    """(code set, place) of the codes that most units have."""
    counted = [
        (-float(n), codes.name, i)
        for codes in profile.code_sets
        for i, n in enumerate(np.asarray(sample.codes[codes.name].sum(axis=0)).ravel())
    ]
    return tuple((name, i) for n, name, i in sorted(counted)[:MOST_CODES] if n < 0)


def as_table(sample: Sample, profile: Profile, codes: Sequence[tuple[str, int]]) -> pa.Table:
    """One column a variable, one a code (``yes`` or ``no``).

    A missing number is written as -1, since anonymeter compares no missing values.
    """
    columns: dict[str, Any] = {}
    for variable in profile.level_variables:
        if isinstance(variable, Numeric):
            value = sample.values[variable.name]
            columns[variable.name] = np.where(np.isnan(value), -1.0, value)
        else:
            columns[variable.name] = [variable.levels[i] for i in sample.levels[variable.name]]
    for name, i in codes:
        found = profile[name]
        assert isinstance(found, CodeSet), "frequent_codes names code sets"
        has = sample.codes[name][:, [i]].toarray()[:, 0] > 0
        columns[f"{name} {found.codes[i]}"] = np.where(has, "yes", "no")
    return pa.table(columns)


def attacks_of(profile: Profile, table: pa.Table) -> list[dict[str, Any]]:
    """The three attacks: columns of the two files, and what is inferred."""
    names = table.column_names
    attacks: list[dict[str, Any]] = [
        {"name": "singling_out", "kind": "singling_out", "n_columns": min(N_COLUMNS, len(names))},
        {"name": "linkability", "kind": "linkability", "columns": [names[::2], names[1::2]]},
    ]
    outcomes = [v.name for v in profile.outcomes if isinstance(v, Categorical)]
    codes = [name for name in names if " " in name]
    for secret in [*outcomes[:1], *codes[-1:]]:  # an outcome, and the rarest of the codes
        attacks.append({"name": f"inference of {secret}", "kind": "inference", "secret": secret})
    return attacks


def ask(interpreter: Path, tables: dict[str, pa.Table], settings: dict[str, Any]) -> dict[str, Any]:
    """Run anonymeter on tables.

    Raises
    ------
    ServiceError : it failed, or took longer than half an hour.
    """
    with TemporaryDirectory(prefix="llmsyn-anonymeter-") as folder:
        place = Path(folder)
        for name, table in tables.items():
            pq.write_table(table, place / f"{name}.parquet")
        (place / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        # -I: the script's own folder is not searched for modules.
        words = [str(interpreter), "-I", anonymeter_run.__file__, folder]
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise ServiceError(
                f"anonymeter took longer than {TIMEOUT_SECONDS:.0f} s; use --quick, or fewer rows"
            ) from None
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        last = done.stderr.strip().splitlines()
        raise ServiceError(
            f"anonymeter did not answer ({last[-1] if last else 'no message'}); build its "
            "environment anew with python -m llmsyn.evaluation.attacks.anonymeter_environment"
        ) from None
    return found


def _with_copies(tables: dict[str, pa.Table], evidence: Evidence) -> dict[str, pa.Table]:
    made, members = tables["synthetic"], tables["members"]
    half = len(made) // 2
    random = evidence.random("anonymeter, copies")
    who = random.permutation(len(members))[: len(made) - half]
    return {**tables, "synthetic": pa.concat_tables([made.slice(0, half), members.take(who)])}


def _measure(attack: dict[str, Any], found: dict[str, Any], planted: dict[str, Any]) -> Measure:
    name, kind = attack["name"], attack["kind"]
    about = "" if name == kind else name.removeprefix("inference of ")
    result, control = found[name], planted[name]
    score = _risk(name, result)
    controls = []
    doubt = ""
    if "attack" in result:
        for role, key in (("baseline", "baseline"), ("negative control", "control")):
            rate, error = result[key]
            told = "guessing" if role == "baseline" else "the same attack on the holdout"
            controls.append(Control(role, told, _rate(rate, error)))  # type: ignore[arg-type]
    copied = _risk(name, control)
    controls.append(Control("positive control", "half of the units are copies of members", copied))
    if not copied.low > 0:
        doubt = "NOT MEASURABLE: copies of members were not caught"
    measure = Measure(f"privacy.{kind}.risk", score, of=about, controls=tuple(controls))
    return with_doubt(measure, doubt)


def _risk(name: str, result: dict[str, Any]) -> Score:
    if "problem" in result:
        return undefined(f"{name} risk", f"anonymeter: {result['problem']}")
    value, low, high = result["risk"]
    if math.isnan(value):
        return undefined(f"{name} risk", "anonymeter gave no number")
    said = f"attack {result['attack'][0]:.3f}, holdout {result['control'][0]:.3f}"
    return Score(f"{name} risk", value, min(low, value), max(high, value), 0.0, "info", said)


def _rate(value: float, error: float) -> Score:
    return Score("success rate", value, max(value - error, 0.0), min(value + error, 1.0))
