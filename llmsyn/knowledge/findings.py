"""Check a knowledge base: what is wrong with its records, and where.

An *error* breaks something that the rest of the package relies on; a *note* is for the
people who keep the base.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmsyn import codes
from llmsyn.knowledge.contradictions import contradictions
from llmsyn.knowledge.finding import AnyRecord, Finding, error_in
from llmsyn.knowledge.loading import KnowledgeBase
from llmsyn.knowledge.records import Condition, Edges, Effect, Procedure

MAX_PROMPT_WORDS = 120


def findings(base: KnowledgeBase) -> tuple[Finding, ...]:
    """Everything wrong with a base: targets, codes, sources, contradictions, texts, names."""
    found: list[Finding] = []
    for record in records(base):
        found += _effects(base, record)
        found += _text(record)
    for condition in base.conditions.values():
        found += _prefixes(condition)
    for procedure in base.procedures.values():
        found += _patterns(procedure)
    found += _shared_prefixes(base)
    found += _shared_names(base)
    found += contradictions(base)
    found += _open_categories(base)
    return tuple(found)


def records(base: KnowledgeBase) -> Iterator[AnyRecord]:
    """All records of a base, conditions first."""
    yield from base.conditions.values()
    yield from base.drugs.values()
    yield from base.procedures.values()


def edges_of(record: AnyRecord) -> Iterator[tuple[str, str, Edges]]:
    """The edges of a record: key, kind of target, edge."""
    if isinstance(record, Condition):
        yield from (("comorbid", "conditions", edge) for edge in record.comorbid)
        yield from (("complication", "conditions", edge) for edge in record.complication)
    if isinstance(record, (Condition, Procedure)):
        yield from (("procedure", "procedures", edge) for edge in record.procedure)
    yield from (("drug", "drugs", edge) for edge in record.drug)


def _effects(base: KnowledgeBase, record: AnyRecord) -> Iterator[Finding]:
    targets: dict[str, set[str]] = {
        "conditions": set(base.conditions),
        "drugs": set(base.drugs),
        "procedures": set(base.procedures),
    }
    seen: dict[tuple[str, str], Effect] = {}
    for key, kind, edge in edges_of(record):
        where = f"{record.id}.{key}"
        yield from _sources(base, record, where, edge)
        for target in edge.ids:
            if target not in targets[kind]:
                yield error_in(
                    record,
                    where,
                    f"there is no record {target!r} under {kind}; write one or correct the id",
                )
            elif kind == "conditions" and target == record.id:
                yield error_in(record, where, "a condition is its own companion; take it out")
            # A companion may also be a complication: the stronger edge counts.
            if (kind, target) in seen and key != "complication":
                yield error_in(record, where, f"{target!r} stands twice; keep one edge")
            seen[kind, target] = edge
    for key in ("mortality", "readmission", "stay"):
        effect = getattr(record, key)
        if effect is not None:
            yield from _sources(base, record, f"{record.id}.{key}", effect)
            for target in effect.worse_with:
                if target not in base.conditions:
                    yield error_in(
                        record,
                        f"{record.id}.{key}.worse_with",
                        f"there is no condition {target!r}; write one or correct the id",
                    )
    if isinstance(record, Condition):
        for target in (*record.constraints.excludes, *record.constraints.requires_any):
            if target not in base.conditions:
                yield error_in(
                    record,
                    f"{record.id}.constraints",
                    f"there is no condition {target!r}; write one or correct the id",
                )
        if record.profile is not None:
            yield from _keys(base, record, f"{record.id}.profile", record.profile.source)


def _sources(
    base: KnowledgeBase, record: AnyRecord, where: str, effect: Effect
) -> Iterator[Finding]:
    if effect.strength is not None and effect.strength not in base.classes:
        yield error_in(record, where, f"class {effect.strength} is not in classes.toml; add it")
    yield from _keys(base, record, where, effect.source)


def _keys(
    base: KnowledgeBase, record: AnyRecord, where: str, keys: tuple[str, ...]
) -> Iterator[Finding]:
    if not keys:
        yield error_in(record, where, "no source is given; write at least one key of sources.toml")
    for key in keys:
        if key.partition(":")[0] not in base.sources:
            yield error_in(record, where, f"source {key!r} is not in sources.toml; add it")


def _text(record: AnyRecord) -> Iterator[Finding]:
    if record.prompt is not None:
        n_words = len(record.prompt.text.split())
        if n_words > MAX_PROMPT_WORDS:
            yield error_in(
                record,
                f"{record.id}.prompt.text",
                f"the text has {n_words} words; keep it to {MAX_PROMPT_WORDS}",
            )


def _prefixes(record: Condition) -> Iterator[Finding]:
    for field in ("codes", "category_codes"):
        for system, prefixes in getattr(record, field).items():
            for prefix in prefixes:
                if system in codes.ICD_SYSTEMS and not codes.children(system, prefix):
                    yield error_in(
                        record,
                        f"{record.id}.{field}.{system}",
                        f"no {system} code begins with {prefix!r}; correct it",
                    )


def _patterns(record: Procedure) -> Iterator[Finding]:
    for system, patterns in record.patterns.items():
        for text in patterns:
            where = f"{record.id}.patterns.{system}"
            try:
                pattern = re.compile(text)
            except re.error as error:
                yield error_in(record, where, f"{text!r} is no regular expression ({error})")
                continue
            start = re.match(r"\w*", text)
            literal = start.group()[:-1] if start else ""
            if system in codes.ICD_SYSTEMS and not any(
                pattern.match(code) for code in codes.children(system, literal)
            ):
                yield error_in(record, where, f"no {system} code matches {text!r}; correct it")


def _shared_prefixes(base: KnowledgeBase) -> Iterator[Finding]:
    for field in ("codes", "category_codes"):
        owner: dict[tuple[str, str], str] = {}
        for record in base.conditions.values():
            for system, prefixes in getattr(record, field).items():
                for prefix in prefixes:
                    first = owner.setdefault((system, prefix), record.id)
                    if first != record.id:
                        yield error_in(
                            record,
                            f"{record.id}.{field}.{system}",
                            f"prefix {prefix!r} also stands in {first!r}; keep one",
                        )


def _shared_names(base: KnowledgeBase) -> Iterator[Finding]:
    owner: dict[str, str] = {}
    for record in base.drugs.values():
        for name in (record.id, *record.aliases, *record.brands, *record.salts):
            first = owner.setdefault(name.lower(), record.id)
            if first != record.id:
                yield error_in(
                    record, f"{record.id}.aliases", f"{name!r} also names {first!r}; keep one"
                )


def _open_categories(base: KnowledgeBase) -> Iterator[Finding]:
    """Categories shared by several records that nobody claims: printed alone they match none."""
    from llmsyn.knowledge.matching import Matcher

    look = Matcher(base)
    for system in ("icd9cm", "icd10cm"):
        below: dict[str, list[str]] = {}
        for record in base.conditions.values():
            for prefix in record.codes.get(system, ()):
                below.setdefault(codes.category(system, prefix), []).append(record.id)
        for category, owners in sorted(below.items()):
            if len(category) >= 3 and look.condition(system, category) is None:
                yield Finding(
                    "note",
                    base.conditions[owners[0]].file,
                    f"{system}:{category}",
                    f"shared by {', '.join(sorted(set(owners)))}; printed alone it "
                    "matches none: declare it in category_codes of one",
                )
