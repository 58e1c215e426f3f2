"""Profiles for tests: strategies, and equality to the last bit."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
from hypothesis import strategies as st

from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.terms import Range, Term
from llmsyn.profile.types import Disclosure, Profile, Provenance, Rule
from llmsyn.profile.variables import UNLISTED, Categorical, CodeSet, Numeric, Selector


def same(a: Any, b: Any) -> bool:
    """Whether two values are equal, arrays to the last bit and NaN equal to NaN."""
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and all(
            same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a)
        )
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and np.array_equal(a, b, equal_nan=True)
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and np.isnan(a):
        return isinstance(b, float) and bool(np.isnan(b))
    return bool(a == b)


_LINE_BREAKS_AND_CONTROLS = ("Cs", "Cc")
texts = st.text(
    st.characters(exclude_categories=_LINE_BREAKS_AND_CONTROLS), min_size=1, max_size=12
) | st.sampled_from(["=1+1", "'=1", "''-x", "a,b", 'say "x"', "0389", "[70,80)", " f ", "-", "@"])
names = st.from_regex(re.compile(r"[a-z][\w-]{0,9}", re.ASCII), fullmatch=True)
numbers = st.floats(0, 1e9) | st.integers(0, 10**6).map(float)
counts = numbers | st.just(float("nan"))
widths = st.sampled_from([0.0, 2.5, 0.123456789])


def arrays(size: int) -> st.SearchStrategy[np.ndarray]:
    return st.lists(counts, min_size=size, max_size=size).map(np.array)


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """Any profile whose references hold; its numbers need not add up."""
    stages = tuple(draw(st.lists(texts, min_size=1, max_size=3, unique=True)))
    used = draw(st.lists(names, min_size=4, max_size=6, unique=True))
    variables: list[Any] = []
    for i, name in enumerate(used):
        kind = i if i < 3 else draw(st.integers(0, 2))
        common = {
            "name": name,
            "stage": draw(st.sampled_from(stages)) if i else stages[0],
            "label": draw(st.just("") | texts),
            "concept": draw(st.none() | texts),
            "half_width": draw(widths),
            "sigma": draw(st.sampled_from([0.0, 1.5])),
            "role": "outcome" if i == 0 else "feature",
        }
        if i == 3:
            common |= {"role": "proxy", "proxy_of": used[0]}
        variables.append(draw((categoricals, numerics, code_sets)[kind](common, variables)))
    tables = [draw(tables_of(variables)) for _ in range(draw(st.integers(0, 3)))]
    first = variables[0]
    rules = draw(
        st.lists(
            st.builds(
                Rule,
                st.just(
                    (
                        Term(first.name, first.levels[0]),
                        Term(variables[1].name, Range(float(variables[1].edges[0]), float("inf"))),
                        Term(variables[2].name + ".main", variables[2].codes[0]),
                    )
                ),
                st.just("") | texts,
            ),
            max_size=1,
        )
    )
    unit = draw(st.sampled_from(["patient", "stay"]))
    n = draw(st.floats(1, 1e7))
    return Profile(
        name=draw(texts),
        unit=unit,
        n_units=n,
        n_patients=n if unit == "patient" else draw(st.floats(1, 1e7)),
        stages=stages,
        variables=tuple(variables),
        tables=tuple(tables),
        rules=tuple(rules),
        title=draw(st.just("") | texts),
        provenance=draw(st.builds(Provenance, released=st.sampled_from(["", "2016-05-24"]))),
        disclosure=Disclosure(
            method=draw(st.sampled_from(["none", "suppression"])),
            rounding=draw(st.sampled_from([1, 5])),
            epsilon=draw(st.none() | st.just(0.5)),
            left_out=tuple(draw(st.lists(texts, max_size=2))),
        ),
    )


@st.composite
def categoricals(draw: st.DrawFn, common: dict[str, Any], _: list[Any]) -> Categorical:
    levels = draw(st.lists(texts, min_size=1, max_size=4, unique=True))
    return Categorical(
        **common,
        levels=tuple(levels),
        counts=draw(arrays(len(levels))),
        ordered=draw(st.booleans()),
        missing=draw(st.none() | st.sampled_from(levels)),
        means=draw(st.dictionaries(st.sampled_from(levels), texts, max_size=2)),
    )


@st.composite
def numerics(draw: st.DrawFn, common: dict[str, Any], _: list[Any]) -> Numeric:
    edges = sorted(draw(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=6, unique=True)))
    return Numeric(
        **common,
        unit=draw(st.just("") | texts),
        decimals=draw(st.integers(0, 9)),
        edges=np.array(edges),
        counts=draw(arrays(len(edges) - 1)),
        missing_count=draw(counts),
        basis=draw(st.sampled_from(["bins", "quantiles", "mean_sd"])),
    )


@st.composite
def code_sets(draw: st.DrawFn, common: dict[str, Any], before: list[Any]) -> CodeSet:
    systems = draw(st.sampled_from([("icd9cm",), ("icd9cm", "icd10cm")]))
    codes = draw(st.lists(texts, min_size=1, max_size=5, unique=True))
    if len(systems) > 1:
        codes = [f"{systems[i % 2]}:{code}" for i, code in enumerate(codes)]
    n = len(codes)
    main = draw(st.none() | arrays(n))
    histogram = st.none() | st.integers(1, 4).flatmap(arrays)
    levels = before[0].levels
    picked = {level: (systems[i % len(systems)],) for i, level in enumerate(levels)}
    return CodeSet(
        **common,
        systems=systems,
        codes=tuple(codes),
        counts=draw(arrays(n)),
        main=main,
        main_unlisted=None if main is None else draw(st.none() | counts),
        listed=draw(histogram),
        unlisted=draw(histogram),
        total=draw(histogram),
        unlisted_per_unit=draw(st.none() | st.floats(0, 30)),
        selector=draw(st.sampled_from([None, Selector(before[0].name, picked)])),
    )


@st.composite
def tables_of(draw: st.DrawFn, variables: list[Any]) -> Table:
    """A table over one to three of the variables, or the pairs of the code set."""
    absent = draw(st.sampled_from(["suppressed", "unknown"]))
    rest = {"absent": absent, "half_width": draw(widths), "source": draw(st.just("") | texts)}
    codes = variables[2]
    if len(codes.codes) > 1 and draw(st.booleans()):
        n = len(codes.codes)
        upper = np.triu(np.array([draw(counts) for _ in range(n * n)]).reshape(n, n), 1)
        square = upper + upper.T
        np.fill_diagonal(square, np.nan)
        axis = Axis(codes.name, tuple(draw(st.permutations(codes.codes))))
        return Table((axis, axis), square, **rest)
    axes = [Axis(variables[0].name, tuple(draw(st.permutations(variables[0].levels))))]
    axes.append(Axis(f"{codes.name}.main", (*codes.codes, UNLISTED)))
    if draw(st.booleans()):
        edges = variables[1].edges
        axes.insert(1, Axis(variables[1].name, (str(Range(float(edges[0]), float(edges[-1]))),)))
    shape = tuple(len(axis.labels) for axis in axes)
    return Table(tuple(axes), draw(arrays(int(np.prod(shape)))).reshape(shape), **rest)
