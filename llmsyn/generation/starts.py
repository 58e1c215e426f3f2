"""Records mode: who the patients are before the model is asked, drawn by code.

All variables with one value per unit, main codes, and the numbers of listed and unlisted
codes form a small network of their own, calibrated to every published number about them, and
are drawn with whole-number quotas.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from llmsyn.dictation.patients import Patient
from llmsyn.generation.quotas import quota_uniforms
from llmsyn.knowledge.types import Impossible
from llmsyn.network.calibration import Settings
from llmsyn.network.compiling import Compiled, compile_network
from llmsyn.network.draft import NO_MAIN
from llmsyn.network.drawing import Drawn, chunk_generator, compile_program, run
from llmsyn.network.settling import settle
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.terms import Range, Term, parse_range
from llmsyn.profile.types import Profile, Rule
from llmsyn.profile.variables import UNLISTED, Categorical, CodeSet, FloatArray, Numeric, Variable

_NONE = Range(0.0, 1.0)

FACETS = ("main", "count", "unlisted")


@dataclass(frozen=True, eq=False)
class Starts:
    """The beginnings of patients.

    Attributes
    ----------
    patients : in the order of their numbers.
    unlisted : code set -> (n,) number of unlisted codes.
    """

    patients: tuple[Patient, ...]
    unlisted: Mapping[str, np.ndarray[Any, Any]]
    compiled: Compiled
    drawn: Drawn


def draw_starts(
    profile: Profile,
    rules: Iterable[Impossible],
    n: int,
    *,
    seed: int,
    cache: Path | None = None,
    settings: Settings | None = None,
) -> Starts:
    """Draw ``n`` beginnings.

    Raises
    ------
    InfeasibleError : a published number is above what a rule leaves.
    """
    small = without_lists(profile)
    names = {v.name for v in small.variables}
    lists = {s.name for s in profile.code_sets}
    kept = [r for r in (_on_main_codes(r, lists) for r in rules) if _named(r.terms, names)]
    compiled = compile_network(small, (), kept, settings=settings or Settings(), cache=cache)
    variables = compiled.network.variables
    fixed = {i: quota_uniforms(i, 0, n, n, seed) for i in range(len(variables))}
    drawn = run(compile_program(compiled.network), n, chunk_generator(seed, 0), fixed=fixed)
    texts = {
        v.name: np.array(v.levels, dtype=object)[levels]
        for v, levels in zip(variables, drawn.levels, strict=True)
    }
    index = {v.name: levels for v, levels in zip(variables, drawn.levels, strict=True)}
    sets = profile.code_sets
    numbers = {
        facet: {
            s.name: index[_facet(s, facet)].astype(np.int64)
            for s in sets
            if _facet(s, facet) in index
        }
        for facet in ("count", "unlisted")
    }
    mains = {s.name: texts[_facet(s, "main")] for s in sets if _facet(s, "main") in texts}
    plain = [v.name for v in profile.level_variables]
    patients = tuple(
        Patient(
            number=i,
            levels={name: str(texts[name][i]) for name in plain},
            main={name: str(m[i]) for name, m in mains.items() if m[i] != NO_MAIN},
            wanted={name: int(k[i]) for name, k in numbers["count"].items()},
        )
        for i in range(n)
    )
    return Starts(patients, numbers["unlisted"], compiled, drawn)


def _facet(codes: CodeSet, facet: str) -> str:
    # No dot: as a variable of its own it must not be read as a facet of a list.
    return f"{codes.name} {facet}"


def without_lists(profile: Profile) -> Profile:
    """The profile with main code and numbers of codes as variables, and without the lists."""
    settled = settle(profile, profile.tables)
    variables: list[Variable] = []
    rules = list(profile.rules)
    facets: dict[str, str] = {}
    for variable in settled.in_order:
        if not isinstance(variable, CodeSet):
            variables.append(variable)
            continue
        own = list(_facet_variables(variable, profile))
        variables += own
        facets |= {f"{variable.name}.{v.name.rsplit(' ', 1)[1]}": v.name for v in own}
        rules += _some_code_rules(own, profile.n_units)
        rules += _main_rules(variable, facets)
    names = {v.name for v in variables}
    sizes = {v.name: len(v.counts) for v in variables if isinstance(v, Numeric)}
    tables = [t for t in (_renamed(t, facets, sizes) for t in profile.tables) if _fits(t, names)]
    plain = tuple(
        rule for rule in (_plain_rule(r, facets) for r in rules)
        if _named(rule.never, names)
    )  # fmt: skip
    return replace(profile, variables=tuple(variables), tables=tuple(tables), rules=plain)


def _facet_variables(codes: CodeSet, profile: Profile) -> Iterable[Categorical | Numeric]:
    def levels(facet: str, levels: Iterable[str], counts: FloatArray) -> Categorical:
        return Categorical(_facet(codes, facet), codes.stage, tuple(levels), counts,
                           half_width=codes.half_width, sigma=codes.sigma)  # fmt: skip

    for facet, histogram in (("count", codes.listed), ("unlisted", codes.unlisted)):
        if histogram is not None:
            # As a number: tables print it in ranges.
            edges = np.arange(len(histogram) + 1, dtype=float)
            yield Numeric(_facet(codes, facet), codes.stage, "codes", 0, edges, histogram,
                          half_width=codes.half_width, sigma=codes.sigma)  # fmt: skip
    if codes.main is None:
        return
    last = np.nan if codes.main_unlisted is None else codes.main_unlisted
    counts = np.array([*codes.main, last])
    if np.isnan(counts).all():
        return
    # What is not printed shares what is left by prevalence; a main code is one that is had.
    unknown = np.isnan(counts)
    left = max(profile.n_units - float(np.nansum(counts)), 0.0)
    weight = np.where(unknown, np.nan_to_num([*codes.counts, np.nanmax(codes.counts)]), 0.0)
    if unknown.any():
        counts = np.where(unknown, left * weight / max(float(weight.sum()), 1e-12), counts)
    # Half a unit at least: who is drawn without any code must have somewhere to go.
    none = max(profile.n_units - float(counts.sum()), 0.5)
    yield levels("main", (*codes.codes, UNLISTED, NO_MAIN), np.append(counts, none))


def _some_code_rules(facets: Iterable[Categorical | Numeric], n: float) -> Iterable[Rule]:
    """Where nearly everyone has a main code, nobody has neither listed nor unlisted codes."""
    by_kind = {v.name.rsplit(" ", 1)[1]: v for v in facets}
    if len(by_kind) == len(FACETS) and by_kind["main"].counts[-1] < 1:
        both = [by_kind["count"], by_kind["unlisted"]]
        if sum(float(np.nan_to_num(v.counts[0])) for v in both) < n:
            yield Rule(tuple(Term(v.name, _NONE) for v in both))


def _main_rules(codes: CodeSet, facets: Mapping[str, str]) -> Iterable[Rule]:
    """A main code needs a place in the list, and a system that the selector allows."""
    main, count, unlisted = (facets.get(f"{codes.name}.{facet}") for facet in FACETS)
    if main is None:
        return
    if unlisted is not None:
        yield Rule((Term(main, UNLISTED), Term(unlisted, _NONE)))
    for code in codes.codes:
        if count is not None:
            yield Rule((Term(main, code), Term(count, _NONE)))
        if codes.selector is not None:
            for level, systems in codes.selector.systems.items():
                if codes.system_of(code) not in systems:
                    yield Rule((Term(main, code), Term(codes.selector.variable, level)))


def _renamed(table: Table, facets: Mapping[str, str], sizes: Mapping[str, int]) -> Table:
    """The table about facets that are variables; a number of codes is a range of one."""
    axes = []
    for axis in table.axes:
        name = facets.get(axis.variable, axis.variable)
        labels = axis.labels
        if axis.facet in ("count", "unlisted"):
            labels = tuple(_as_range(label, sizes.get(name, 0)) for label in labels)
        axes.append(Axis(name, labels))
    return replace(table, axes=tuple(axes))


def _as_range(label: str, size: int) -> str:
    """``3`` as ``[3,4)``, and an open end where the histogram ends."""
    found = parse_range(label)
    if found is None:
        found = Range(float(label), float(label) + 1)
    return str(Range(found.low, min(found.high, float(size))))


def _fits(table: Table, names: set[str]) -> bool:
    return all(axis.variable in names for axis in table.axes)


def _plain_rule(rule: Rule, facets: Mapping[str, str]) -> Rule:
    terms = tuple(Term(facets.get(t.variable, t.variable), t.value) for t in rule.never)
    return replace(rule, never=terms)


def _named(terms: Iterable[Term], names: set[str]) -> bool:
    return all(term.variable in names for term in terms)


def _on_main_codes(rule: Impossible, lists: set[str]) -> Impossible:
    """A rule about a code as a rule about it as main code."""
    terms = tuple(
        Term(f"{t.variable} main", t.value) if t.variable in lists else t for t in rule.terms
    )
    return replace(rule, terms=terms)
