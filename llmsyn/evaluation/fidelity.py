"""Fidelity: whether synthetic units are distributed like held-out real ones.

Each distance is taken three times against the holdout: of the synthetic units, of the members
(ceiling: two real samples differ too), and of independent marginals (floor).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from llmsyn.evaluation import distances
from llmsyn.evaluation.columns import (
    MOST_COLUMNS,
    Columns,
    Grouped,
    Sums,
    code_numbers,
    columns_of,
    grouped,
    indicators,
    jackknife,
)
from llmsyn.evaluation.coverage import rare_code_coverage
from llmsyn.evaluation.discriminator import discriminator
from llmsyn.evaluation.figures import HeatMaps, Scatter
from llmsyn.evaluation.independent import draw_independent
from llmsyn.evaluation.intervals import Estimate
from llmsyn.evaluation.measured import measure
from llmsyn.evaluation.quality import quality
from llmsyn.evaluation.samples import FloatArray, IntArray, Sample
from llmsyn.evaluation.types import Evidence, Findings, Measure
from llmsyn.profile.variables import Categorical

MOST_INDEPENDENT = 50_000
"""Units drawn for the floor."""

_DRAWN_COLUMNS = 40  # columns of the heat maps


def fidelity(evidence: Evidence) -> Findings:
    """All measures of fidelity; see docs/evaluation.md for the formula of each."""
    n_floor = min(len(evidence.synthetic), MOST_INDEPENDENT)
    independent = draw_independent(evidence.profile, n_floor, evidence.random("independent"))
    compared = Comparison(evidence, independent)
    measures = [
        *compared.of_variables(),
        *compared.of_codes(),
        *compared.of_code_numbers(),
        *compared.of_pairs(),
        *compared.of_level_pairs(),
        *rare_code_coverage(evidence, independent),
        *quality(evidence, independent),
        *discriminator(evidence, independent),
    ]
    return Findings(
        "fidelity",
        "fidelity",
        tuple(measures),
        figures=compared.figures(),
        does_not_show="That units are distributed alike says nothing on whether one of them is "
        "a copy of a patient, nor on what a model learns from them.",
        notes=(
            "Ceiling: members against holdout. Floor: independent marginals against holdout.",
            f"{len(compared.frequent)} frequent columns, {len(compared.i):,} pairs, of which "
            f"{int(compared.associated.sum()):,} associated in real units (|z| > 3).",
            *_reweighted(evidence),
        ),
    )


def _reweighted(evidence: Evidence) -> tuple[str, ...]:
    """What a reader of a re-weighted cohort's shares must know."""
    found = evidence.manifest.get("reweighted")
    if not isinstance(found, dict):
        return ()
    return (
        f"The synthetic cohort was re-weighted ({found.get('condition')} in "
        f"{100 * float(found.get('share', math.nan)):g}% of the units): its shares differ from the "
        "members' on purpose, so these measures do not judge the generator.",
    )


class Comparison:
    """Sums of the holdout and of the three samples that are held against it."""

    def __init__(self, evidence: Evidence, independent: Sample) -> None:
        self.profile = evidence.profile
        self.columns: Columns = columns_of(evidence.profile)
        samples = {
            "holdout": evidence.holdout,
            "synthetic": evidence.synthetic,
            "members": evidence.members,
            "independent": independent,
        }
        real = _first_sums(evidence.members, evidence) + _first_sums(evidence.holdout, evidence)
        self.frequent: IntArray = distances.frequent_columns(self.columns, real, MOST_COLUMNS)
        longest = {
            name: max(int(code_numbers(s, name).max(initial=0)) for s in samples.values())
            for name in evidence.holdout.codes
        }
        random = evidence.random("groups")
        self.sums: dict[str, Grouped] = {
            name: grouped(sample, self.profile, self.frequent, random, longest=longest)
            for name, sample in samples.items()
        }
        whole = self.sums["members"].total + self.sums["holdout"].total
        self.i, self.j, self.associated = distances.associated_pairs(
            self.columns, self.frequent, whole
        )
        self.places = np.full(len(self.columns), -1, dtype=np.int64)
        self.places[self.frequent] = np.arange(len(self.frequent))

    def three(self, function: Callable[[Sums, Sums], FloatArray]) -> list[list[Estimate]]:
        """Of each number of a function: synthetic units, ceiling, floor."""
        real = self.sums["holdout"]
        rows = [
            jackknife(function, real, self.sums[name])
            for name in ("synthetic", "members", "independent")
        ]
        return [list(column) for column in zip(*rows)]

    def of_variables(self) -> list[Measure]:
        """KS or total variation of each level variable."""
        found = self.three(
            lambda a, b: distances.variable_distances(self.profile, self.columns, a, b)
        )
        return [
            measure(
                "fidelity.variable",
                f"{'total variation' if isinstance(v, Categorical) and not v.ordered else 'KS distance'}, {v.name}",
                *three, of=v.name, least=0, most=1,
            )
            for v, three in zip(self.profile.level_variables, found)
        ]  # fmt: skip

    def of_codes(self) -> list[Measure]:
        """Dimension-wise probability of all codes."""
        r2, largest = self.three(lambda a, b: distances.dimension_wise(self.columns, a, b))
        why = "fewer than two listed codes occur"
        return [
            measure("fidelity.dimension_wise.r2", "dimension-wise R2", *r2, most=1, why=why),
            measure(
                "fidelity.dimension_wise.largest", "largest error of a code's share", *largest,
                least=0, most=1, why=why,
            ),
        ]  # fmt: skip

    def of_code_numbers(self) -> list[Measure]:
        """Wasserstein distance of the number of codes per unit."""
        sets = list(self.sums["holdout"].total.numbers)
        found = self.three(lambda a, b: distances.code_number_distances(sets, a, b))
        return [
            measure("fidelity.codes_per_unit", f"Wasserstein, {name} per unit", *three, of=name,
                    least=0)
            for name, three in zip(sets, found)
        ]  # fmt: skip

    def of_pairs(self) -> list[Measure]:
        """Differences of correlation, and signs."""
        difference, sign = self.three(
            lambda a, b: distances.pair_distances(
                self.frequent, self.i, self.j, self.associated, a, b
            )
        )
        return [
            measure("fidelity.pairs.correlation", "mean |difference of correlation|", *difference,
                    least=0, most=2, why="there is no pair of frequent columns"),
            measure("fidelity.pairs.sign", "associated pairs with the right sign", *sign,
                    least=0, most=1, why="no pair of frequent columns is associated (|z| > 3)"),
        ]  # fmt: skip

    def of_level_pairs(self) -> list[Measure]:
        """MMD of pairs of demographics."""
        pairs = distances.level_pairs(self.profile)
        if not pairs:
            return []
        found = self.three(lambda a, b: distances.pair_mmd(self.columns, self.places, pairs, a, b))
        return [
            measure("fidelity.mmd", f"MMD {a} x {b}", *three, of=f"{a} x {b}", least=0)
            for (a, b), three in zip(pairs, found)
        ]

    def figures(self) -> tuple[Scatter | HeatMaps, ...]:
        """Shares against shares, and the correlations of the most frequent codes."""
        total = {name: self.sums[name].total for name in ("holdout", "synthetic", "members")}
        code = np.asarray(self.columns.is_code, bool)
        labels = [f"{v} {c}" for (v, c), is_code in zip(self.columns.names, code) if is_code]
        found: list[Scatter | HeatMaps] = []
        if code.any():
            found.append(
                Scatter(
                    "Dimension-wise probability",
                    "Each point is a code: its share among held-out real units (across) and "
                    "among synthetic units (up). On the diagonal they agree.",
                    total["holdout"].shares[code],
                    total["synthetic"].shares[code],
                    tuple(labels),
                    "share of real units",
                    "share of synthetic units",
                )
            )
        chosen = self._most_frequent()
        if len(chosen) > 1:
            real, synthetic = (
                distances.correlations(total[name], self.frequent)[np.ix_(chosen, chosen)]
                for name in ("holdout", "synthetic")
            )
            names = tuple(" ".join(self.columns.names[self.frequent[c]]) for c in chosen)
            found.append(
                HeatMaps(
                    "Correlations of the most frequent codes",
                    "Blue: found together less often than by chance; red: more often.",
                    (("held-out real units", real), ("synthetic units", synthetic)),
                    names,
                )
            )
        return tuple(found)

    def _most_frequent(self) -> IntArray:
        """Places in ``frequent`` of the most frequent codes, kept together by code set."""
        shares = self.sums["holdout"].total.shares[self.frequent]
        code = np.asarray(self.columns.is_code[self.frequent], bool)
        order = np.argsort(np.where(code, -shares, 1.0), kind="stable")[: int(code.sum())]
        return np.sort(order[:_DRAWN_COLUMNS])


def _first_sums(sample: Sample, evidence: Evidence) -> Sums:
    first = np.asarray(indicators(sample, evidence.profile).sum(0), dtype=float).ravel()
    return Sums(float(len(sample)), first, np.zeros((0, 0)), {})
