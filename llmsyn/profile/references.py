"""Findings on what a profile points to: stages, variables, labels, systems."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator

import numpy as np

from llmsyn.profile.finding import Finding, error_at, warning_at
from llmsyn.profile.margins import FACETS, covered_bins, label_problem
from llmsyn.profile.places import DOCUMENT, Place, Source
from llmsyn.profile.tables import Axis
from llmsyn.profile.terms import Term
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet, Numeric, Variable


def reference_findings(profile: Profile, source: Source) -> tuple[Finding, ...]:
    """What points to something that the profile does not have, or has too late.

    Parameters
    ----------
    profile : as read; none of its parts is trusted to fit another.
    source : where its parts stand.
    """
    return (
        *_stages(profile, source),
        *_proxies(profile, source),
        *_selectors(profile, source),
        *_tables(profile, source),
        *_rules(profile, source),
    )


def _stages(profile: Profile, source: Source) -> Iterator[Finding]:
    here = Place(DOCUMENT if source.keys else None, None, "stages")
    for stage, times in Counter(profile.stages).items():
        if times > 1:
            yield error_at(here, f"stage '{stage}' is listed twice; keep one")
    used = {variable.stage for variable in profile.variables}
    for stage in dict.fromkeys(profile.stages):
        if stage not in used:
            yield warning_at(here, f"stage '{stage}' has no variable; leave it out")
    names = Counter(variable.name for variable in profile.variables)
    for variable in profile.variables:
        if names[variable.name] > 1:
            yield error_at(
                source.key(variable.name),
                f"the name '{variable.name}' stands twice; rename one",
            )
        if variable.stage not in profile.stages:
            yield error_at(
                source.key(variable.name, "stage"),
                f"'{variable.stage}' is no stage; the stages are {', '.join(profile.stages)}",
            )


def _proxies(profile: Profile, source: Source) -> Iterator[Finding]:
    outcomes = {variable.name for variable in profile.outcomes}
    for variable in profile.variables:
        if variable.proxy_of is not None and variable.proxy_of not in outcomes:
            known = ", ".join(sorted(outcomes)) or "none"
            yield error_at(
                source.key(variable.name, "proxy_of"),
                f"'{variable.proxy_of}' is no variable with role = 'outcome'; outcomes: {known}",
            )


def _selectors(profile: Profile, source: Source) -> Iterator[Finding]:
    for codes in (v for v in profile.variables if isinstance(v, CodeSet) and v.selector):
        selector = codes.selector
        if selector is None:  # the filter above says so already; the type checker needs it
            continue
        variable = _find(profile, selector.variable)
        where = source.key(codes.name, "selector", "variable")
        if not isinstance(variable, Categorical):
            yield error_at(
                where,
                f"'{selector.variable}' is no categorical variable; name one that is drawn "
                f"before {codes.name}",
            )
            continue
        if not _is_before(profile, variable, codes):
            yield error_at(
                where,
                f"{variable.name} is drawn after {codes.name}; put it into an earlier stage, or "
                "above it in the same stage",
            )
        where = source.key(codes.name, "selector", "systems")
        for level, systems in selector.systems.items():
            if level not in variable.levels:
                yield error_at(where, f"'{level}' is no level of {variable.name}")
            for system in systems:
                if system not in codes.systems:
                    yield error_at(where, f"'{system}' is not in systems of {codes.name}")
        for level in variable.levels:
            if level not in selector.systems:
                yield warning_at(
                    where,
                    f"level '{level}' of {variable.name} has no code system, so its units get no "
                    "codes; write an empty list if that is meant",
                )


def _is_before(profile: Profile, first: Variable, then: Variable) -> bool:
    if first.stage not in profile.stages or then.stage not in profile.stages:
        return True  # the unknown stage is found elsewhere
    order = [(profile.stages.index(v.stage), i) for i, v in enumerate(profile.variables)]
    at = {v.name: order[i] for i, v in enumerate(profile.variables)}
    return at[first.name] < at[then.name]


def _tables(profile: Profile, source: Source) -> Iterator[Finding]:
    for i, table in enumerate(profile.tables):
        for j, axis in enumerate(table.axes):
            if table.is_pairs and j == 1:
                continue  # the same axis
            problem = _axis_problem(profile, axis)
            if (
                problem is None
                and table.is_pairs
                and not isinstance(profile[axis.variable], CodeSet)
            ):
                problem = f"'{axis.variable}' is no code set, so it has no pairs; name another axis"
            if problem:
                yield error_at(source.key(f"#{i}", f"axes[{j}]"), problem)
                continue
            yield from _labels(profile, source, i, j, axis)


def _axis_problem(profile: Profile, axis: Axis) -> str | None:
    variable = _find(profile, axis.variable)
    if variable is None:
        return _unknown(profile, axis.variable)
    if axis.facet is not None and (not isinstance(variable, CodeSet) or axis.facet not in FACETS):
        return (
            f"'{axis.variable}' is not known; only code sets have facets, and these are "
            f"{', '.join(FACETS)}"
        )
    return None


def _labels(profile: Profile, source: Source, i: int, j: int, axis: Axis) -> Iterator[Finding]:
    variable = profile[axis.variable]
    taken = np.zeros(len(variable.counts) if isinstance(variable, Numeric) else 0, dtype=bool)
    known = _known_labels(variable, axis)
    seen: set[str] = set()
    for k, label in enumerate(axis.labels):
        where = source.label(f"#{i}", j, k)
        if label in seen:
            yield error_at(where, f"'{label}' stands twice on the axis {axis.variable}; keep one")
        seen.add(label)
        problem = None if label in known else label_problem(variable, axis.facet, label)
        if problem:
            yield error_at(where, f"{problem}; correct it here or add it there")
        elif isinstance(variable, Numeric):
            bins = covered_bins(variable, label)
            if bins is not None and (bins & taken).any():
                yield error_at(where, f"'{label}' overlaps another range of the table; split them")
            taken |= False if bins is None else bins


def _known_labels(variable: Variable, axis: Axis) -> frozenset[str]:
    """Codes of a code set, so that long axes are looked up and not searched."""
    if isinstance(variable, CodeSet) and axis.facet in {None, "main"}:
        return frozenset(variable.codes)
    return frozenset()


def _rules(profile: Profile, source: Source) -> Iterator[Finding]:
    for i, rule in enumerate(profile.rules):
        for j, term in enumerate(rule.never):
            problem = _term_problem(profile, term)
            if problem:
                yield error_at(source.key(f"!{i}", f"never[{j}]"), f"{problem}; correct the term")


def _term_problem(profile: Profile, term: Term) -> str | None:
    axis = Axis(term.variable, (str(term.value),))
    problem = _axis_problem(profile, axis)
    return problem or label_problem(profile[term.variable], axis.facet, str(term.value))


def _find(profile: Profile, name: str) -> Variable | None:
    plain = name.partition(".")[0]
    return next((v for v in profile.variables if v.name == plain), None)


def _unknown(profile: Profile, name: str) -> str:
    names = [variable.name for variable in profile.variables]
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"variables: {', '.join(names)}"
    return f"there is no variable '{name}'; {hint}"
