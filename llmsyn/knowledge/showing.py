"""A record as text for a reader: what it is, what goes with it, and who says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from llmsyn import codes
from llmsyn.knowledge.findings import AnyRecord, edges_of
from llmsyn.knowledge.loading import KnowledgeBase
from llmsyn.knowledge.matching import DRUG_SYSTEMS, matcher
from llmsyn.knowledge.records import Condition, Effect


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


def record_lines(hit: Hit) -> Iterator[str]:
    """The lines of a record: name, aliases, pattern, edges with class and sources, text."""
    record = hit.record
    title = f" ({hit.title})" if hit.title else ""
    yield f"{hit.system} {hit.code}{title} -> {record.name or record.id} [{record.id}]"
    yield f"  file: {record.file}"
    if record.aliases:
        yield f"  also written: {', '.join(record.aliases)}"
    if isinstance(record, Condition):
        yield f"  {'chronic' if record.chronic else 'acute'}, " + (
            "may be the main diagnosis" if record.may_be_principal else "a further diagnosis"
        )
        pattern = record.profile
        if pattern is not None:
            age = (
                ""
                if pattern.age_mean is None
                else f"age {pattern.age_mean:g} (s.d. {pattern.age_sd:g})"
            )
            men = "" if pattern.share_male is None else f"{pattern.share_male:.0%} men"
            yield f"  {', '.join(part for part in (age, men) if part)}{_by(pattern.source)}"
    for key, _, edge in edges_of(record):
        role = f" {edge.role}" if edge.role else ""
        yield f"  {key}{role} {_effect(edge)}: {', '.join(edge.ids)}{_by(edge.source)}"
    for key in ("mortality", "readmission", "stay"):
        effect = getattr(record, key)
        if effect is not None:
            worse = f", worse with {', '.join(effect.worse_with)}" if effect.worse_with else ""
            yield f"  {key} {_effect(effect)}{worse}{_by(effect.source)}"
    if record.prompt is not None:
        yield f"  {' '.join(record.prompt.text.split())}"


def _effect(effect: Effect) -> str:
    if effect.odds_ratio is not None:
        return f"odds ratio {effect.odds_ratio:g}"
    return f"{effect.strength:+d}" if effect.strength else "0"


def _by(sources: tuple[str, ...]) -> str:
    return f" <{'; '.join(sources)}>"
