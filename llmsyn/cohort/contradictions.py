"""What single keys of a mapping cannot show: names used twice, references that lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from llmsyn.cohort.mapping import CategoricalSpec, CodesSpec, Mapping, NumericSpec
from llmsyn.profile.terms import parse_term

Fault: TypeAlias = tuple[str, str]
"""One sentence, and the key path that it is about."""


def contradictions(mapping: Mapping) -> Iterator[Fault]:
    """Find every contradiction, in the order of the file."""
    yield from _units(mapping)
    names = [v.name for v in mapping.variables]
    for i, variable in enumerate(mapping.variables):
        here = f"variables[{i}]"
        if variable.name in names[:i]:
            yield f"variable {variable.name!r} is defined twice; rename one", f"{here}.name"
        if mapping.stages and variable.stage not in mapping.stages:
            known = ", ".join(mapping.stages)
            problem = f"stage {variable.stage!r} is not one of stages ({known}); add it there"
            yield problem, f"{here}.stage"
        if variable.proxy_of and variable.proxy_of not in names:
            problem = f"outcome {variable.proxy_of!r} is not defined; name one of the variables"
            yield problem, f"{here}.proxy_of"
        if isinstance(variable, CodesSpec):
            for j, source in enumerate(variable.sources):
                yield from _table(mapping, source.table, f"{here}.sources[{j}]", codes=True)
            yield from _selector(mapping, variable, here)
        else:
            yield from _table(mapping, variable.table, here, codes=False)
            if isinstance(variable, NumericSpec):
                yield from _dates(mapping, variable, here)
    yield from _rules(mapping, names)


def _units(mapping: Mapping) -> Iterator[Fault]:
    units = mapping.units
    if units.table not in mapping.tables:
        yield _undefined(mapping, units.table), "units.table"
    if mapping.unit == "stay" and units.stay is None:
        problem = "unit is stay, so the column of stay ids is needed; add stay = '...'"
        yield problem, "units.stay"
    if units.keep == "first" and units.order_by is None:
        problem = "keep is first, so the column that orders the rows is needed; add order_by"
        yield problem, "units.order_by"
    if units.keep == "first" and mapping.unit == "stay":
        yield "keep is first, which leaves one row a patient; set unit = 'patient'", "units.keep"


def _table(mapping: Mapping, named: str | None, here: str, *, codes: bool) -> Iterator[Fault]:
    name = named or mapping.units.table
    if name not in mapping.tables:
        yield _undefined(mapping, name), f"{here}.table"
    elif name == mapping.units.table:
        return
    else:
        table = mapping.tables[name]
        by_stay = table.stay is not None and mapping.units.stay is not None
        if not by_stay and table.patient is None:
            problem = f"table {name!r} does not say whose its rows are; add patient or stay"
            yield problem, f"tables.{name}"
        elif codes and not by_stay and mapping.unit == "stay":
            problem = (
                f"the unit is the stay and table {name!r} names no column of stay ids, so its "
                "codes belong to no stay; add stay"
            )
            yield problem, f"tables.{name}"


def _dates(mapping: Mapping, variable: NumericSpec, here: str) -> Iterator[Fault]:
    for key in ("years_between", "days_between"):
        for place in getattr(variable, key) or ():
            table, dot, _ = place.partition(".")
            if dot and table in mapping.tables:
                yield from _table(mapping, table, f"{here}.{key}", codes=False)


def _selector(mapping: Mapping, codes: CodesSpec, here: str) -> Iterator[Fault]:
    if codes.selector is None:
        return
    name = codes.selector.variable
    if name not in [v.name for v in mapping.variables if isinstance(v, CategoricalSpec)]:
        problem = f"{name!r} is no categorical variable; name the one with the code version"
        yield problem, f"{here}.selector.variable"
    selected = {s for systems in codes.selector.systems.values() for s in systems}
    for system in sorted(selected - set(codes.systems)):
        problem = f"system {system!r} does not occur in the sources; remove it or add its source"
        yield problem, f"{here}.selector.systems"


def _rules(mapping: Mapping, names: list[str]) -> Iterator[Fault]:
    for i, rule in enumerate(mapping.rules):
        for text in rule.never:
            try:
                known = parse_term(text).variable.partition(".")[0] in names
            except ValueError:
                known = False
            if not known:
                problem = f"{text!r} is no term of this mapping; write variable=level"
                yield problem, f"rules[{i}].never"


def _undefined(mapping: Mapping, name: str) -> str:
    return f"table {name!r} is not defined; the tables are {', '.join(mapping.tables)}"
