"""Design a profile: what an extract will say, before anything is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from llmsyn.cohort.mapping import CategoricalSpec, CodesSpec, Mapping, NumericSpec
from llmsyn.cohort.subset import patient_index
from llmsyn.cohort.types import Cohort
from llmsyn.errors import CohortError
from llmsyn.measurement.binning import choose_edges
from llmsyn.measurement.crossing import cross
from llmsyn.measurement.naming import (
    choose_codes,
    choose_levels,
    count_codes,
    count_levels,
    joined_means,
)
from llmsyn.profile.terms import Term, parse_term
from llmsyn.profile.types import Profile, Provenance, Rule
from llmsyn.profile.variables import MISSING, Categorical, CodeSet, Numeric, Selector, Variable

TableChoice = Literal["none", "outcome", "pairs", "all"]


@dataclass(frozen=True)
class DesignSettings:
    """How finely a profile tells.

    ``threshold``: distinct patients behind a level, bin, listed code or range.  ``max_bins``:
    bins of a number with many values.  ``max_ranges``: ranges of a number in a cross-table.
    ``max_codes``: listed codes per set, all that pass the threshold without it.
    """

    threshold: int = 11
    tables: TableChoice = "outcome"
    max_bins: int = 20
    max_ranges: int = 5
    max_codes: int | None = None


def design(
    batches: Sequence[Cohort], mapping: Mapping, settings: DesignSettings | None = None
) -> Profile:
    """Choose levels, bins, codes and tables; every count is NaN.

    Deterministic: the same rows in the same order give the same design.

    Parameters
    ----------
    batches : gone through several times, so a list; no patient in two of them.
    mapping : says names, stages, roles, orders and public edges.
    settings : :class:`DesignSettings`.

    Returns
    -------
    Profile : what :func:`llmsyn.measurement.measure` takes as ``like``.  Names of levels and
        codes and the edges of bins come from the data; none stands for fewer than
        ``threshold`` patients, except a level of a variable that has two.

    Raises
    ------
    CohortError : no unit, or a number that nobody has.
    """
    settings = settings or DesignSettings()
    if not sum(len(batch) for batch in batches):
        raise CohortError("the cohort has no units; there is nothing to describe")
    made = [_variable(batches, spec, settings) for spec in mapping.variables]
    # Where all levels but one are rare, the one that is left says nothing.
    empty = {v.name for v in made if isinstance(v, Categorical) and len(v.levels) < 2}
    empty -= {c.selector.variable for c in mapping.code_sets if c.selector is not None}
    variables = tuple(v for v in made if v.name not in empty)
    rules, notes = _rules(mapping, variables)
    if empty:
        notes = f"{notes} Left out, since one level holds nearly all: {', '.join(sorted(empty))}."
    profile = Profile(
        name=mapping.name,
        unit=mapping.unit,
        n_units=float("nan"),
        n_patients=float("nan"),
        stages=mapping.stage_order,
        variables=variables,
        rules=rules,
        title=mapping.title,
        provenance=Provenance(
            kind="extract",
            source=mapping.source,
            licence=mapping.licence,
            mapping_sha256=mapping.sha256,
            notes=notes.strip(),
        ),
    )
    return cross(batches, profile, settings.tables, settings.threshold, settings.max_ranges)


def _variable(
    batches: Sequence[Cohort],
    spec: CategoricalSpec | NumericSpec | CodesSpec,
    settings: DesignSettings,
) -> Variable:
    if isinstance(spec, CategoricalSpec):
        return _categorical(batches, spec, settings)
    if isinstance(spec, NumericSpec):
        return _numeric(batches, spec, settings)
    return _codes(batches, spec, settings)


def _categorical(
    batches: Sequence[Cohort], spec: CategoricalSpec, settings: DesignSettings
) -> Categorical:
    levels = choose_levels(spec, count_levels(batches, spec.name), settings.threshold)
    return Categorical(
        name=spec.name,
        stage=spec.stage,
        levels=levels,
        counts=np.full(len(levels), np.nan),
        ordered=spec.ordered,
        missing=MISSING if MISSING in levels else None,
        role=spec.part,
        proxy_of=spec.proxy_of,
        label=spec.label,
        concept=spec.concept,
        means=joined_means(levels, spec.means),
    )


def _numeric(batches: Sequence[Cohort], spec: NumericSpec, settings: DesignSettings) -> Numeric:
    values, patients, before = [], [], 0
    for batch in batches:
        column = batch.units[spec.name].to_numpy(zero_copy_only=False)
        values.append(np.asarray(column, dtype=np.float64))
        patient = patient_index(batch)
        patients.append(patient + before)
        before += int(patient.max(initial=-1)) + 1
    value, patient = np.concatenate(values), np.concatenate(patients)
    known = ~np.isnan(value)
    if not known.any():
        raise CohortError(
            f"{spec.name!r} is missing in every unit; correct its column or remove the variable",
            column=spec.name,
        )
    edges = choose_edges(
        spec,
        value[known],
        patient[known],
        threshold=settings.threshold,
        max_bins=settings.max_bins,
    )
    return Numeric(
        name=spec.name,
        stage=spec.stage,
        unit=spec.unit,
        decimals=spec.decimals,
        edges=edges,
        counts=np.full(len(edges) - 1, np.nan),
        missing_count=0.0 if known.all() else float("nan"),
        role=spec.part,
        proxy_of=spec.proxy_of,
        label=spec.label,
        concept=spec.concept,
    )


def _codes(batches: Sequence[Cohort], spec: CodesSpec, settings: DesignSettings) -> CodeSet:
    found = count_codes(batches, spec.name)
    codes = choose_codes(found, settings.threshold, settings.max_codes)
    selector = None
    if spec.selector is not None:
        systems = {level: tuple(s) for level, s in spec.selector.systems.items()}
        selector = Selector(spec.selector.variable, systems)
    return CodeSet(
        name=spec.name,
        stage=spec.stage,
        systems=spec.systems,
        codes=codes,
        counts=np.full(len(codes), np.nan),
        main=np.full(len(codes), np.nan) if spec.main else None,
        main_unlisted=float("nan") if spec.main else None,
        listed=np.full(1, np.nan),
        unlisted=np.full(1, np.nan),
        unlisted_per_unit=float("nan"),
        selector=selector,
        role=spec.part,
        proxy_of=spec.proxy_of,
        label=spec.label,
        concept=spec.concept,
    )


def _rules(mapping: Mapping, variables: Sequence[Variable]) -> tuple[tuple[Rule, ...], str]:
    """Rules whose levels are still named, and a note about those that are not."""
    levels = {v.name: v.levels for v in variables if not isinstance(v, CodeSet)}
    sets = {v.name for v in variables if isinstance(v, CodeSet)}
    rules, dropped = [], []
    for spec in mapping.rules:
        terms = tuple(parse_term(text) for text in spec.never)
        if all(_named(term, levels, sets) for term in terms):
            rules.append(Rule(terms, spec.reason, spec.source))
        else:
            dropped.append(" and ".join(spec.never))
    note = (
        f"Rules left out, since a level or variable is not named: {'; '.join(dropped)}."
        if dropped
        else ""
    )
    return tuple(rules), note


def _named(term: Term, levels: dict[str, tuple[str, ...]], sets: set[str]) -> bool:
    if term.variable.partition(".")[0] in sets:
        return True
    known = levels.get(term.variable, ())
    return term.value in known if isinstance(term.value, str) else bool(known)
