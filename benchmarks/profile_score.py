"""A risk score worked out from a profile and knowledge, without any synthetic row.

The sum over all features of what each one alone says about the outcome, as log odds: naive
Bayes with published tables, and with the knowledge base where no table speaks.  Whatever a
model that was trained on synthetic rows can do must be compared with this, which needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from llmsyn.evaluation.independent import prevalences
from llmsyn.evaluation.samples import FloatArray, Sample, level_shares
from llmsyn.knowledge.types import Association
from llmsyn.profile.tables import Table
from llmsyn.profile.terms import Range
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import MISSING, Categorical, CodeSet, Numeric, Variable

PSEUDO_COUNT = 0.5
"""Added to every count before a logarithm is taken."""


@dataclass(frozen=True, eq=False)
class ProfileScore:
    """Log odds to be added up.

    Attributes
    ----------
    levels : variable -> (n_levels,) what each level adds.
    codes : code set -> (n_codes,) what having the code adds, against not having it.
    n_from_tables, n_from_knowledge : variables or codes with a word from either.
    """

    levels: dict[str, FloatArray]
    codes: dict[str, FloatArray]
    n_from_tables: int
    n_from_knowledge: int

    def __call__(self, sample: Sample) -> FloatArray:
        """``(n,)`` scores; higher means the outcome is more likely."""
        total = np.zeros(len(sample))
        for name, weights in self.levels.items():
            total += weights[sample.levels[name]]
        for name, weights in self.codes.items():
            total += sample.codes[name] @ weights
        return total


def profile_score(
    profile: Profile,
    outcome: Categorical,
    variables: Sequence[Variable],
    associations: Sequence[Association],
    log_odds: Callable[[Association], float],
    tables: Sequence[Table],
) -> ProfileScore:
    """The score of an outcome.

    Parameters
    ----------
    variables : features that may be used.
    associations, log_odds : the knowledge base in the profile's terms.
    tables : published tables that may be used; those of the outcome with one feature are.
    """
    yes = [i for i, level in enumerate(outcome.levels) if outcome.meaning(level) == "yes"]
    levels: dict[str, FloatArray] = {}
    codes: dict[str, FloatArray] = {}
    spoken: set[str] = set()
    for variable in variables:
        found = _from_tables(profile, outcome, yes, variable, tables)
        if found is not None:
            spoken.add(variable.name)
        target = codes if isinstance(variable, CodeSet) else levels
        target[variable.name] = np.zeros(_size(variable)) if found is None else found
    known = 0
    wanted = {outcome.levels[i] for i in yes}
    by_name = {v.name: v for v in variables}
    for one in associations:
        if one.then.variable != outcome.name or str(one.then.value) not in wanted:
            continue
        if len(one.given) != 1 or one.effect == "excludes":
            continue
        term = one.given[0]
        if term.variable not in by_name or term.variable in spoken:
            continue
        variable = by_name[term.variable]
        target = codes if isinstance(variable, CodeSet) else levels
        target[variable.name][_places(variable, term.value)] += log_odds(one)
        known += 1
    from_tables = sum(int((levels | codes)[name].any()) for name in spoken)
    return ProfileScore(levels, codes, from_tables, known)


def _size(variable: Variable) -> int:
    return len(variable.codes) if isinstance(variable, CodeSet) else len(level_shares(variable))


def _places(variable: Variable, value: str | Range) -> list[int]:
    """Levels, bins or codes that a term is about."""
    if isinstance(variable, CodeSet):
        return [variable.codes.index(str(value))]
    if isinstance(variable, Categorical):
        return [variable.levels.index(str(value))]
    if isinstance(value, str):
        return [len(variable.counts)] if value == MISSING else []
    return [
        i
        for i, (low, high) in enumerate(zip(variable.edges[:-1], variable.edges[1:]))
        if value.covers(float(low), float(high))
    ]


def _from_tables(
    profile: Profile,
    outcome: Categorical,
    yes: Sequence[int],
    variable: Variable,
    tables: Sequence[Table],
) -> FloatArray | None:
    for table in tables:
        names = [axis.variable for axis in table.axes]
        if sorted(names) != sorted([outcome.name, variable.name]):
            continue
        side = names.index(outcome.name)
        counts = np.moveaxis(table.counts, side, 1)  # (labels of the variable, outcome levels)
        wanted = [outcome.levels[i] for i in yes]
        at = [table.axes[side].labels.index(level) for level in wanted]
        return _weights(profile, outcome, yes, variable, table, counts[:, at].sum(1), 1 - side)
    return None


def _weights(
    profile: Profile,
    outcome: Categorical,
    yes: Sequence[int],
    variable: Variable,
    table: Table,
    with_outcome: FloatArray,
    axis: int,
) -> FloatArray:
    """Log odds of each level, or of each code against its absence."""
    n = profile.n_units
    n_yes = float(np.nan_to_num(outcome.counts[list(yes)]).sum())
    margin = (
        prevalences(variable, n) if isinstance(variable, CodeSet) else level_shares(variable)
    ) * n
    weights = np.zeros(len(margin))
    half_bound = max(profile.disclosure.threshold - 1, 1) / 2
    for label, count in zip(table.axes[axis].labels, with_outcome):
        value = _label_value(variable, label)
        places = _places(variable, value)
        if not places:
            continue
        total = float(margin[places].sum())
        # A suppressed cell is small: what calibration aims it at, too.
        seen = min(total * n_yes / n, half_bound) if np.isnan(count) else float(count)
        has = (seen + PSEUDO_COUNT) / (max(total - seen, 0.0) + PSEUDO_COUNT)
        rest_yes, rest_no = n_yes - seen, n - n_yes - (total - seen)
        base = n_yes / max(n - n_yes, 1.0)
        if isinstance(variable, CodeSet):
            base = (max(rest_yes, 0.0) + PSEUDO_COUNT) / (max(rest_no, 0.0) + PSEUDO_COUNT)
        weights[places] = np.log(has / base)
    return weights


def _label_value(variable: Variable, label: str) -> str | Range:
    if isinstance(variable, Numeric):
        from llmsyn.profile.terms import parse_range

        return parse_range(label) or label
    return label
