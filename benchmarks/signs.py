"""Does the base know which codes go together?  Signs against real rows, strengths against itself.

\b
    python benchmarks/signs.py --data-dir DIR

Every network is given the margins of a set and nothing that joins two variables.
*Signs*: of the pairs of codes that stand together on 50 real units or more, with a log odds
ratio of 0.5 or more either way, the share whose synthetic log odds ratio has the same sign;
beside it the same without knowledge (lists of different length alone make most pairs
positive).  *Strengths*: marginal log odds ratios that come out of the network beside those
that the base put in, for pairs of codes, and codes and outcomes; no real row is needed for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
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
from scipy import sparse

from llmsyn.evaluation.samples import FloatArray, IntArray, Sample
from llmsyn.knowledge.associations import associations
from llmsyn.knowledge.loading import load_base, log_odds
from llmsyn.profile.terms import Term
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical

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


def terms_of(sample: Sample, profile: Profile) -> tuple[list[Term], sparse.csr_array]:
    """All codes, and all levels of outcomes, with ``(n, n_terms)`` of who has them."""
    terms = [Term(c.name, code) for c in profile.code_sets for code in c.codes]
    blocks = [code_matrix(sample, profile)]
    for variable in profile.variables:
        if variable.role == "outcome" and isinstance(variable, Categorical):
            terms += [Term(variable.name, level) for level in variable.levels]
            one_hot = np.eye(len(variable.levels), dtype=np.float32)[sample.levels[variable.name]]
            blocks.append(sparse.csr_array(one_hot))
    return terms, sparse.csr_array(sparse.hstack(blocks))


def strata(profile: Profile, sample: Sample) -> Iterator[tuple[IntArray, frozenset[Term]]]:
    """Units of one code version, with the codes that may stand on them.

    Odds ratios of two codes are meant among units that are coded in their system: over all
    units any two codes of one version go together.  One stratum where no version is told.
    """
    selectors = [c.selector for c in profile.code_sets if c.selector is not None]
    if not selectors:
        yield (
            np.arange(len(sample)),
            frozenset(Term(c.name, code) for c in profile.code_sets for code in c.codes),
        )
        return
    variable = profile[selectors[0].variable]
    assert isinstance(variable, Categorical), "a selector has levels"
    for index, level in enumerate(variable.levels):
        may = frozenset(
            Term(c.name, code)
            for c in profile.code_sets
            for code in c.codes
            if c.selector is None or c.system_of(code) in c.selector.systems.get(level, ())
        )
        yield np.flatnonzero(sample.levels[variable.name] == index), may


def asked_of(profile: Profile) -> dict[tuple[Term, Term], tuple[float, str]]:
    """Pairs of terms with the log odds ratio that the base asks for, and the relation."""
    base = load_base()
    asked: dict[tuple[Term, Term], tuple[float, str]] = {}
    for each in associations(profile, base):
        ends = (*each.given, each.then)
        if len(ends) == 2:
            first, second = sorted(ends, key=str)
            wanted = float(each.weight * log_odds(each.effect, base.classes))
            if abs(wanted) > abs(asked.get((first, second), (0.0, ""))[0]):
                asked[first, second] = (wanted, each.relation)
    return asked


def strengths(profile: Profile, sample: Sample) -> list[dict[str, Any]]:
    """By relation: log odds ratios that the base put in, and what came out."""
    asked = asked_of(profile)
    outcomes = {v.name for v in profile.variables if v.role == "outcome"}
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for units, may in strata(profile, sample):
        terms, has = terms_of(sample.take(units), profile)
        place = {
            term: k for k, term in enumerate(terms) if term in may or term.variable in outcomes
        }
        _, value = log_odds_ratios(has)
        share = np.asarray(has.mean(axis=0)).ravel()
        for (first, second), (wanted, relation) in asked.items():
            if first in place and second in place:
                i, j = place[first], place[second]
                if share[i] * share[j] * len(units) >= SEEN:
                    found[relation].append((wanted, float(value[i, j])))
    rows = []
    for relation in ("comorbidities", "drugs", "procedures", "mortality", "readmission"):
        if len(found[relation]) < 3:
            continue
        wanted, drawn = np.array(found[relation]).T
        off = drawn - wanted
        rows.append(
            {
                "relation": relation,
                "pairs": len(off),
                "correlation": float(np.corrcoef(wanted, drawn)[0, 1]),
                "mean difference": float(off.mean()),
                "median |difference|": float(np.median(np.abs(off))),
                "within 0.25": float((np.abs(off) <= 0.25).mean()),
                "same sign": float((np.sign(drawn) == np.sign(wanted)).mean()),
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
@click.option("--overlay", type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="Overlay over the base, such as llmsyn elicit writes; results in a file apart.")  # fmt: skip
@json_option
def main(
    data_dir: Path | None,
    work_dir: Path | None,
    names: tuple[str, ...],
    rows: int,
    seed: int,
    overlay: Path | None,
    as_json: bool,
) -> None:
    kinds: list[tuple[str, dict[str, Any]]] = [("no knowledge", {"parts": ()}), ("knowledge", {})]
    if overlay is not None:
        kinds.append(("knowledge and overlay", {"knowledge": (overlay,)}))
    table, inside = [], []
    for name in names:
        cohort = read_rows(name, data_dir)
        profile = extract(cohort, tables="none").profile
        real = log_odds_ratios(code_matrix(real_sample(cohort, profile), profile))
        for label, given in kinds:
            sample = draw_sample(
                profile, rows, seed=seed, work_dir=work_dir, tables="none", **given
            )
            _, drawn = log_odds_ratios(code_matrix(sample, profile))
            table.append({"set": name, "margins and": label, **agreement(real, drawn)})
            log.info("%s", table[-1])
            if given == {}:
                inside += [{"set": name, **row} for row in strengths(profile, sample)]
    result = write_result(
        "signs" if overlay is None else "signs-overlay",
        f"Signs of association, margins only: pairs on {FEWEST} real units or more, "
        f"|log odds ratio| >= {CLEAR}",
        table,
        notes=["Aim: at least 0.8 right with knowledge on each set.",
               "Margins and real signs are of all units of a set; the base has seen neither."],
        seed=seed, rows=rows, tables="none",
    )  # fmt: skip
    show(result, as_json=as_json)
    if overlay is not None:
        return
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
