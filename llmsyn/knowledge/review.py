"""Notes for the people who keep the base: what is thin, one-sided, doubled or unproven.

Nothing here breaks anything (:mod:`llmsyn.knowledge.findings` has what does).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations

from llmsyn.knowledge.finding import AnyRecord, Finding
from llmsyn.knowledge.findings import edges_of
from llmsyn.knowledge.loading import KnowledgeBase
from llmsyn.knowledge.records import Condition, Edges

LEAST = {"comorbid": 6, "drug": 5, "procedure": 3}
"""Edges that a condition should have of each kind, unless it names the kind in ``few``."""

TYPICAL = 2
"""From this class on, up or down, both ends should list an edge."""

ALIKE = 0.8
"""Share of common targets from which two records look like one."""

ENOUGH_TARGETS = 8


def review(base: KnowledgeBase) -> tuple[Finding, ...]:
    """Everything that a keeper should look at."""
    found: list[Finding] = []
    for condition in base.conditions.values():
        found += _thin(condition)
        found += _redundant(condition, base)
    found += _one_sided(base)
    for records in (base.conditions, base.procedures):
        found += _same_names(records.values())
    found += _alike(base)
    return tuple(found)


def _thin(record: Condition) -> Iterator[Finding]:
    """Too few edges, or no age and sex profile."""
    for kind, least in LEAST.items():
        edges: tuple[Edges, ...] = getattr(record, kind)
        edges += record.complication if kind == "comorbid" else ()
        # A procedure that is no more frequent than elsewhere still says what is done.
        floor = 0 if kind == "procedure" else 1
        number = sum(len(edge.ids) for edge in edges if _class(edge) >= floor)
        if number < least and kind not in record.few:
            yield _note(
                record,
                kind,
                f"{number} edges of this kind, and {least} carry most of the signal; add some, or "
                f"name {kind!r} in few",
            )
        if number >= least and kind in record.few:
            yield _note(record, "few", f"{kind!r} is named and has {number}; take it out")
    if record.profile is None:
        yield _note(record, "profile", "no age and sex; add what hospital patients are like")


def _redundant(record: Condition, base: KnowledgeBase) -> Iterator[Finding]:
    """A prefix below another one of the same record, with no other record between them."""
    others = [
        (system, prefix)
        for each in base.conditions.values()
        if each.id != record.id
        for system, prefixes in each.codes.items()
        for prefix in prefixes
    ]
    for system, prefixes in record.codes.items():
        foreign = {prefix for s, prefix in others if s == system}
        for prefix in prefixes:
            above = [p for p in prefixes if p != prefix and prefix.startswith(p)]
            if above and not any(
                prefix.startswith(p) and len(p) > len(max(above, key=len)) for p in foreign
            ):
                yield _note(
                    record, f"codes.{system}", f"{prefix!r} lies below {above[0]!r}; keep one"
                )


def _one_sided(base: KnowledgeBase) -> Iterator[Finding]:
    """Typical companions that only one end lists, and classes that lie far apart."""
    listed: dict[str, dict[str, int]] = {
        record.id: {
            target: _class(edge)
            for edge in record.comorbid + record.complication
            for target in edge.ids
        }
        for record in base.conditions.values()
    }
    for record in base.conditions.values():
        for target, strength in listed[record.id].items():
            back = listed.get(target, {}).get(record.id)
            if back is None and abs(strength) >= TYPICAL and target in listed:
                yield _note(
                    record,
                    "comorbid",
                    f"{target!r} is class {strength:+d} here and {target!r} does not list it; add "
                    "it there",
                )
            elif back is not None and record.id < target and abs(back - strength) >= TYPICAL:
                yield _note(
                    record,
                    "comorbid",
                    f"{target!r} is class {strength:+d} here and {back:+d} there; bring them "
                    "together",
                )


def _same_names(records: Iterable[AnyRecord]) -> Iterator[Finding]:
    """Names and aliases that stand in two records."""
    owner: dict[str, str] = {}
    for record in records:
        for name in dict.fromkeys(text.lower() for text in (record.name, *record.aliases)):
            first = owner.setdefault(name, record.id)
            if first != record.id:
                yield _note(record, "aliases", f"{name!r} also names {first!r}; keep one")


def _alike(base: KnowledgeBase) -> Iterator[Finding]:
    """Conditions with nearly the same edges."""
    targets: Mapping[str, frozenset[tuple[str, str, int]]] = {
        record.id: frozenset(
            (kind, target, _class(edge))
            for _, kind, edge in edges_of(record)
            for target in edge.ids
        )
        for record in base.conditions.values()
    }
    for first, second in combinations(targets, 2):
        common = len(targets[first] & targets[second])
        whole = len(targets[first] | targets[second])
        if whole >= ENOUGH_TARGETS and common / whole >= ALIKE:
            yield _note(
                base.conditions[second],
                "edges",
                f"{common} of {whole} edges are those of {first!r}; are these two conditions?",
            )


def _class(edge: Edges) -> int:
    """The class, or the sign of a quoted odds ratio."""
    if edge.strength is not None:
        return edge.strength
    assert edge.odds_ratio is not None  # one of the two, by the record's own check
    return 1 if edge.odds_ratio > 1 else -1


def _note(record: AnyRecord, key: str, message: str) -> Finding:
    return Finding("note", record.file, f"{record.id}.{key}", message)
