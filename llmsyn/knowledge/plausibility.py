"""What is unlikely on one record, though not impossible: soft rules in a profile's terms.

Four families: soft exclusive codes (``edits/exclusive.toml``), codes that call for others
(``edits/coherence.toml``), constraints of condition records, and a drug without anything on
the record that it is given for.  Nothing here forbids anything or fails a check: real records
break each of them, and how often a cohort does says how coherent it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from llmsyn.knowledge.findings import edges_of
from llmsyn.knowledge.loading import KnowledgeBase
from llmsyn.knowledge.matching import matcher
from llmsyn.knowledge.records import Condition, Drug, Procedure
from llmsyn.knowledge.rules import listed_codes, matching
from llmsyn.profile.terms import Term
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical

NO_INDICATION = "drug without an indication"
CONSTRAINT = "constraint of a record"


@dataclass(frozen=True)
class Doubt:
    """A unit that has one of ``having`` and, as ``wanted`` says, one of ``partner`` or none.

    ``wanted`` true: the unit should have one of ``partner``, and is in doubt without; units
    with codes that nobody can read (:attr:`Doubts.blind`, unlisted codes) are not judged.
    ``wanted`` false: it should have none, and is in doubt with one.
    """

    rule: str
    having: tuple[Term, ...]
    partner: tuple[Term, ...]
    wanted: bool
    source: str = ""


@dataclass(frozen=True)
class Doubts:
    """The soft rules of a profile, and its codes without a record."""

    rules: tuple[Doubt, ...]
    blind: tuple[Term, ...]


def doubts(profile: Profile, base: KnowledgeBase) -> Doubts:
    """Every soft rule that speaks of codes of a profile."""
    found = [*_exclusive(profile, base), *_needs(profile, base), *_constraints(profile, base)]
    found += _indications(profile, base)
    return Doubts(tuple(found), _unknown(profile, base))


def _exclusive(profile: Profile, base: KnowledgeBase) -> Iterator[Doubt]:
    listed = listed_codes(profile)
    for rule in base.exclusives:
        if rule.soft:
            first, second = (matching(listed, side) for side in (rule.first, rule.second))
            if first and second:
                yield Doubt(rule.name, first, second, False, "; ".join(rule.source))


def _needs(profile: Profile, base: KnowledgeBase) -> Iterator[Doubt]:
    listed = listed_codes(profile)
    for rule in base.needs:
        having = matching(listed, rule.codes)
        if having:
            partner = matching(listed, rule.any_of)
            yield Doubt(rule.name, having, partner, True, "; ".join(rule.source))


def _constraints(profile: Profile, base: KnowledgeBase) -> Iterator[Doubt]:
    """Sex, companions that are ruled out, and companions that are needed."""
    terms = _terms(profile, base)
    for record in base.conditions.values():
        having = terms.get(("conditions", record.id), ())
        limits = record.constraints
        if not having:
            continue
        if limits.sex != "any":
            other = {"female": "male", "male": "female"}[limits.sex]
            levels = tuple(
                Term(variable.name, level)
                for variable in profile.by_concept("sex")
                if isinstance(variable, Categorical)
                for level in variable.levels
                if variable.meaning(level).lower() == other
            )
            if levels:
                yield Doubt(CONSTRAINT, having, levels, False, record.id)
        for wanted, ids in ((False, limits.excludes), (True, limits.requires_any)):
            partner = tuple(t for each in ids for t in terms.get(("conditions", each), ()))
            if ids and (partner or wanted):
                yield Doubt(CONSTRAINT, having, partner, wanted, record.id)


def _indications(profile: Profile, base: KnowledgeBase) -> Iterator[Doubt]:
    """Drugs for which the base names what they are given for; universal ones are exempt."""
    terms = _terms(profile, base)
    reasons: dict[str, list[Term]] = defaultdict(list)
    for kind, records in (("conditions", base.conditions), ("procedures", base.procedures)):
        for record in records.values():
            assert isinstance(record, (Condition, Procedure))
            here = terms.get((kind, record.id), ())
            for _, target, edge in edges_of(record):
                positive = edge.strength > 0 if edge.strength is not None else edge.odds_ratio
                if target == "drugs" and positive:
                    for drug in edge.ids:
                        reasons[drug] += here
    for drug, partner in sorted(reasons.items()):
        having = terms.get(("drugs", drug), ())
        if having and not base.drugs[drug].universal:
            yield Doubt(NO_INDICATION, having, tuple(dict.fromkeys(partner)), True, drug)


def _terms(profile: Profile, base: KnowledgeBase) -> dict[tuple[str, str], tuple[Term, ...]]:
    """Codes of the profile by record; a universal drug is not counted as the one it is like."""
    look = matcher(base)
    kinds = {Condition: "conditions", Drug: "drugs", Procedure: "procedures"}
    found: dict[tuple[str, str], list[Term]] = defaultdict(list)
    for variable in profile.code_sets:
        for code in variable.codes:
            record = look.record(variable.system_of(code), variable.bare(code))
            if isinstance(record, Drug) and record.like is not None and not record.universal:
                record = base.drugs[record.like]
            if record is not None:
                found[kinds[type(record)], record.id].append(Term(variable.name, code))
    return {key: tuple(terms) for key, terms in found.items()}


def _unknown(profile: Profile, base: KnowledgeBase) -> tuple[Term, ...]:
    """Diagnoses and procedures without a record: any of them may be what a rule asks for."""
    look = matcher(base)
    return tuple(
        Term(variable.name, code)
        for variable in profile.code_sets
        if variable.concept != "drugs"
        for code in variable.codes
        if look.record(variable.system_of(code), variable.bare(code)) is None
    )
