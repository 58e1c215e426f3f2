"""Does the base know which codes go together?  Signs against real rows, strengths against itself.

\b
    python benchmarks/signs.py --data-dir DIR

Every network is given the margins of a set and nothing that joins two variables.
*Signs*: of the pairs of codes that stand together on 50 real units or more, with a log odds
ratio of 0.5 or more either way, the share whose synthetic log odds ratio has the same sign;
beside it the same without knowledge (lists of different length alone make most pairs
positive).  *Strengths*: marginal log odds ratios that come out of the network beside those
that the base put in, for pairs of codes; no real row is needed for that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
from datasets import DATASETS, read_rows
from protocol import (
    data_dir_option,
    draw_sample,
    extract,
    json_option,
    log,
    real_sample,
    run_script,
    work_dir_option,
)
from result_files import show, write_result
from samples import FloatArray, Sample
from scipy import sparse

from llmsyn.knowledge.associations import associations
from llmsyn.knowledge.loading import load_base, log_odds
from llmsyn.profile.types import Profile

FEWEST, CLEAR = 50, 0.5
SEEN = 30.0
"""Expected synthetic units with both codes, below which a log odds ratio is mostly noise."""


def code_matrix(sample: Sample, profile: Profile) -> sparse.csr_array:
    """``(n, n_codes)`` of all code sets side by side, in the profile's order."""
    return sparse.csr_array(sparse.hstack([sample.codes[c.name] for c in profile.code_sets]))


def log_odds_ratios(has: sparse.csr_array) -> tuple[FloatArray, FloatArray]:
    """Joint counts and marginal log odds ratios (half a unit in each cell) of all pairs.

    Returns
    -------
    Two arrays ``(n_codes, n_codes)``.

    Examples
    --------
    >>> both, value = log_odds_ratios(sparse.csr_array([[1, 1], [1, 1], [0, 0], [1, 0]]))
    >>> float(both[0, 1]), round(float(value[0, 1]), 3)
    (2.0, 1.609)
    """
    n = has.shape[0]
    both = np.asarray((has.T @ has).todense(), dtype=float)
    one = np.diag(both)
    only_row, only_column = one[:, None] - both, one[None, :] - both
    neither = n - one[:, None] - one[None, :] + both
    cells = [c + 0.5 for c in (both, neither, only_row, only_column)]
    return both, np.log(cells[0] * cells[1] / (cells[2] * cells[3]))


def agreement(real: tuple[FloatArray, FloatArray], synthetic: FloatArray) -> dict[str, Any]:
    """Share of clear frequent pairs with the right sign, by the real sign."""
    both, value = real
    upper = np.triu(np.ones(both.shape, bool), 1)
    clear = upper & (both >= FEWEST) & (np.abs(value) >= CLEAR)
    right = np.sign(synthetic) == np.sign(value)
    found: dict[str, Any] = {"pairs": int(clear.sum()), "right": float(right[clear].mean())}
    for name, side in (("positive", clear & (value > 0)), ("negative", clear & (value < 0))):
        found[f"{name} pairs"] = int(side.sum())
        found[f"right of {name}"] = float(right[side].mean()) if side.any() else float("nan")
    return found


def strengths(profile: Profile, sample: Sample) -> list[dict[str, Any]]:
    """By relation: log odds ratios that the base put in, and what came out."""
    base = load_base()
    place = {
        (c.name, code): k
        for k, (c, code) in enumerate((c, code) for c in profile.code_sets for code in c.codes)
    }
    has = code_matrix(sample, profile)
    _, value = log_odds_ratios(has)
    share = np.asarray(has.mean(axis=0)).ravel()
    asked: dict[tuple[int, int], tuple[float, str]] = {}
    for each in associations(profile, base):
        keys = [(t.variable, str(t.value)) for t in (*each.given, each.then)]
        if len(keys) != 2 or not all(k in place for k in keys):
            continue
        i, j = sorted(place[k] for k in keys)
        wanted = float(each.weight * log_odds(each.effect, base.classes))
        if abs(wanted) > abs(asked.get((i, j), (0.0, ""))[0]):
            asked[i, j] = (wanted, each.relation)
    rows = []
    for relation in ("comorbidities", "drugs", "procedures"):
        pairs = [
            (i, j, wanted)
            for (i, j), (wanted, kind) in asked.items()
            if kind == relation and share[i] * share[j] * len(sample) >= SEEN
        ]
        if len(pairs) < 3:
            continue
        i, j = (np.array([p[k] for p in pairs], dtype=int) for k in (0, 1))
        wanted = np.array([p[2] for p in pairs])
        off = value[i, j] - wanted
        rows.append(
            {
                "relation": relation,
                "pairs": len(pairs),
                "correlation": float(np.corrcoef(wanted, value[i, j])[0, 1]),
                "mean difference": float(off.mean()),
                "median |difference|": float(np.median(np.abs(off))),
                "within 0.25": float((np.abs(off) <= 0.25).mean()),
                "same sign": float((np.sign(value[i, j]) == np.sign(wanted)).mean()),
            }
        )
    return rows


@click.command(help=__doc__)
@data_dir_option
@work_dir_option
@click.option("--set", "names", type=click.Choice(list(DATASETS)), multiple=True,
              default=list(DATASETS), show_default=True, help="Can be repeated.")  # fmt: skip
@click.option("-n", "--rows", type=int, default=200_000, show_default=True,
              help="Synthetic units.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Of the draw.")
@json_option
def main(
    data_dir: Path | None,
    work_dir: Path | None,
    names: tuple[str, ...],
    rows: int,
    seed: int,
    as_json: bool,
) -> None:
    table, inside = [], []
    for name in names:
        cohort = read_rows(name, data_dir)
        profile = extract(cohort, tables="none").profile
        real = log_odds_ratios(code_matrix(real_sample(cohort, profile), profile))
        for label, given in (("no knowledge", {"parts": ()}), ("knowledge", {})):
            sample = draw_sample(
                profile, rows, seed=seed, work_dir=work_dir, tables="none", **given
            )
            _, drawn = log_odds_ratios(code_matrix(sample, profile))
            table.append({"set": name, "margins and": label, **agreement(real, drawn)})
            log.info("%s", table[-1])
            if given == {}:
                inside += [{"set": name, **row} for row in strengths(profile, sample)]
    result = write_result(
        "signs",
        f"Signs of association, margins only: pairs on {FEWEST} real units or more, "
        f"|log odds ratio| >= {CLEAR}",
        table,
        notes=["Aim: at least 0.8 right with knowledge on each set.",
               "Margins and real signs are of all units of a set; the base has seen neither."],
        seed=seed, rows=rows, tables="none",
    )  # fmt: skip
    show(result, as_json=as_json)
    shown = write_result(
        "signs-strengths",
        "Marginal log odds ratios of pairs of codes: what the network gives for what the base asks",
        inside,
        notes=[f"Pairs that {SEEN:.0f} units would have together if independent.",
               "Lists of few codes have no room for all pairs at full strength "
               "(docs/method.md); diabetes130 prints three diagnoses a stay."],
        seed=seed, rows=rows, tables="none",
    )  # fmt: skip
    show(shown, as_json=as_json)


if __name__ == "__main__":
    run_script(main)
