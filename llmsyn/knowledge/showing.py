"""A record as text for a reader: what it is, what goes with it, and who says so."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from llmsyn import codes
from llmsyn.knowledge.finding import AnyRecord
from llmsyn.knowledge.findings import edges_of
from llmsyn.knowledge.loading import KnowledgeBase
from llmsyn.knowledge.matching import DRUG_SYSTEMS, matcher
from llmsyn.knowledge.records import AgeSex, Condition, Effect

WIDTH = 96

HEADINGS = {
    "comorbid": "goes with",
    "complication": "may bring about",
    "drug": "drugs",
    "procedure": "procedures",
}
OUTCOMES = {
    "mortality": "death in hospital",
    "readmission": "readmission within 30 days",
    "stay": "long stay",
}


@dataclass(frozen=True)
class Hit:
    """A code, how its system calls it, and the record that it stands for."""

    system: str
    code: str
    title: str | None
    record: AnyRecord


def find(base: KnowledgeBase, text: str, system: str | None = None) -> Hit | None:
    """The record of a code or drug name; without a system the first that knows it is taken."""
    look = matcher(base)
    for each in (system,) if system else (*codes.ICD_SYSTEMS, DRUG_SYSTEMS[0]):
        code = codes.normalise(each, text)
        if system is None and codes.known(each, code) is False:
            continue
        record = look.record(each, code)
        if record is not None:
            return Hit(each, code, codes.title(each, code), record)
    return None


def record_lines(hit: Hit, base: KnowledgeBase) -> Iterator[str]:
    """The lines of a record: name, codes, pattern, edges with class and sources, text."""
    record = hit.record
    title = f" ({hit.title})" if hit.title else ""
    yield f"{hit.system} {hit.code}{title} -> {record.name or record.id} [{record.id}]"
    yield from _about(record)
    strongest = sorted(edges_of(record), key=lambda item: -_order(item[2]))
    for kind, heading in HEADINGS.items():
        edges = [edge for key, _, edge in strongest if key == kind]
        if edges:
            yield f"  {heading}"
        for edge in edges:
            role = f" ({edge.role.replace('_', ' ')})" if edge.role else ""
            yield from _wrapped(f"{_effect(edge)}  {', '.join(edge.ids)}{role}{_by(edge.source)}")
    outcomes = [(key, getattr(record, key)) for key in OUTCOMES]
    if any(effect is not None for _, effect in outcomes):
        yield "  outcomes"
    for key, effect in outcomes:
        if effect is not None:
            worse = f", worse with {', '.join(effect.worse_with)}" if effect.worse_with else ""
            yield from _wrapped(f"{_effect(effect)}  {OUTCOMES[key]}{worse}{_by(effect.source)}")
    if record.prompt is not None:
        yield "  text"
        yield from _wrapped(" ".join(record.prompt.text.split()))
    yield from _sources(record, base)


def _about(record: AnyRecord) -> Iterator[str]:
    """File, aliases, codes, and age and sex."""
    yield f"  file: {record.file}"
    if record.aliases:
        yield from _wrapped(f"also written: {', '.join(record.aliases)}", indent=2)
    if not isinstance(record, Condition):
        return
    for system, prefixes in record.codes.items():
        yield from _wrapped(f"{system}: {' '.join(prefixes)}", indent=2)
    yield f"  {'chronic' if record.chronic else 'acute'}, " + (
        "may be the main diagnosis" if record.may_be_principal else "a further diagnosis"
    )
    pattern = record.profile
    if pattern is not None:
        age = ""
        if pattern.age_mean is not None:
            age = f"age {pattern.age_mean:g} (s.d. {pattern.age_sd:g})"
        men = "" if pattern.share_male is None else f"{pattern.share_male:.0%} men"
        said = ", ".join(part for part in (age, men) if part)
        if pattern.follows_hospital:
            said += ", as all patients of the hospital"
        estimate = ", an estimate" if pattern.unverified else ""
        yield from _wrapped(f"{said}{estimate}{_by(pattern.source)}", indent=2)


def _sources(record: AnyRecord, base: KnowledgeBase) -> Iterator[str]:
    """What the cited keys stand for."""
    effects: list[Effect | AgeSex] = [edge for _, _, edge in edges_of(record)]
    effects += [effect for key in OUTCOMES if (effect := getattr(record, key)) is not None]
    if isinstance(record, Condition) and record.profile is not None:
        effects.append(record.profile)
    keys = dict.fromkeys(key.partition(":")[0] for each in effects for key in each.source)
    if keys:
        yield "  sources"
    for key in sorted(keys):
        source = base.sources.get(key)
        if source is not None:
            doubt = "; cited from memory" if source.unverified else ""
            address = f" {source.url}" if source.url else ""
            yield from _wrapped(f"{key}: {source.title} ({source.licence}{doubt}){address}")


def _wrapped(text: str, indent: int = 4) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 4),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _order(edge: Effect) -> float:
    return edge.strength if edge.strength is not None else math.log(edge.odds_ratio or 1.0)


def _effect(effect: Effect) -> str:
    if effect.odds_ratio is not None:
        return f"odds ratio {effect.odds_ratio:g}"
    return f"{effect.strength:+d}" if effect.strength else " 0"


def _by(sources: tuple[str, ...]) -> str:
    return f" <{'; '.join(sources)}>"
