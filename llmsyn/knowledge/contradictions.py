"""Statements of a base that cannot both hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from llmsyn import codes
from llmsyn.knowledge.finding import Finding, error_in
from llmsyn.knowledge.loading import KnowledgeBase
from llmsyn.knowledge.records import Condition


def contradictions(base: KnowledgeBase) -> Iterator[Finding]:
    """Pairs that two ends judge differently, companions that a rule excludes, empty rules."""
    yield from _signs(base)
    yield from _companions_ruled_out(base)
    yield from _rule_codes(base)


def _signs(base: KnowledgeBase) -> Iterator[Finding]:
    """Pairs that one end calls more likely and the other less likely."""
    signs: dict[tuple[str, str], tuple[int, str]] = {}
    for record in base.conditions.values():
        for edge in record.comorbid + record.complication:
            size = edge.strength or 0
            sign = (size > 0) - (size < 0)
            for target in edge.ids:
                pair = (min(record.id, target), max(record.id, target))
                held = signs.setdefault(pair, (sign, record.id))
                if held[0] * sign < 0:
                    yield error_in(
                        record,
                        f"{record.id}.comorbid",
                        f"{target!r} is less likely here and more likely in "
                        f"{held[1]!r}, or the reverse; make them agree",
                    )


def _companions_ruled_out(base: KnowledgeBase) -> Iterator[Finding]:
    """Positive companions that a rule, a constraint or the sex keeps off the same record."""
    forbidden = {
        pair: rule.name
        for rule in base.exclusives
        if not rule.soft
        for first in _inside(base, rule.first)
        for second in _inside(base, rule.second)
        for pair in ((first, second), (second, first))
    }
    for record in base.conditions.values():
        for edge in record.comorbid + record.complication:
            if (edge.strength or 0) <= 0 and (edge.odds_ratio or 0) <= 1:
                continue
            for target in edge.ids:
                other = base.conditions.get(target)
                reason = None if other is None else _ruled_out(record, other, forbidden)
                if reason:
                    yield error_in(
                        record,
                        f"{record.id}.comorbid",
                        f"{target!r} is more likely here, and {reason}; make them agree",
                    )


def _ruled_out(a: Condition, b: Condition, forbidden: Mapping[tuple[str, str], str]) -> str | None:
    if {a.constraints.sex, b.constraints.sex} == {"female", "male"}:
        return "the two are of different sexes"
    if b.id in a.constraints.excludes or a.id in b.constraints.excludes:
        return "a constraint excludes it"
    rule = forbidden.get((a.id, b.id))
    return None if rule is None else f"the rule {rule!r} excludes it"


def _inside(base: KnowledgeBase, patterns: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Conditions of which every prefix begins with a code that the patterns match."""
    return [record.id for record in base.conditions.values() if _within(record, patterns)]


def _within(record: Condition, patterns: Mapping[str, tuple[str, ...]]) -> bool:
    listed = [
        (system, code)
        for system, prefixes in record.codes.items()
        for prefix in prefixes
        for code in codes.children(system, prefix)[:1]
    ]
    return bool(listed) and all(
        any(re.fullmatch(text, code) for text in patterns.get(system, ()))
        for system, code in listed
    )


def _rule_codes(base: KnowledgeBase) -> Iterator[Finding]:
    """Rules whose patterns match no code, or that cite nothing known."""
    rules = [
        *(("edits/exclusive.toml", r.name, r.source, (r.first, r.second)) for r in base.exclusives),
        *(("edits/coherence.toml", r.name, r.source, (r.codes, r.any_of)) for r in base.needs),
    ]
    for file, name, sources, sides in rules:
        for system, text in (
            (s, text) for side in sides for s, texts in side.items() for text in texts
        ):
            if not _matches_a_code(system, text):
                message = f"no {system} code matches {text!r}; correct it"
                yield Finding("error", file, name, message)
        for key in sources:
            if key.partition(":")[0] not in base.sources:
                message = f"source {key!r} is not in sources.toml; add it"
                yield Finding("error", file, name, message)


def _matches_a_code(system: str, text: str) -> bool:
    """Whether a pattern for whole codes matches one of the list."""
    literal = re.match(r"[A-Z0-9]*", text)
    # The last sign may be optional or the start of a set, so it is left out.
    start = literal.group()[:-1] if literal and literal.group() != text else text
    pattern = re.compile(text)
    return any(pattern.fullmatch(code) for code in codes.children(system, start))
