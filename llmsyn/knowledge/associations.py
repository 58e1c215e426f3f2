"""What the knowledge base says about a profile, in the profile's own terms.

Several codes of a profile may stand for one record (``4280``, ``42823``, ``I509``).  Each
pair of codes of two associated records gets the record pair's effect: effects are
*marginal* odds ratios, and if two conditions go together with a certain odds ratio, then
about the same holds for each kind of either, as long as a code is a random kind of its
condition.  A drug that the base calls ``like`` another counts as that one.  Codes of one
record get no association with each other (the base does not say whether they are
alternatives or companions).  Codes whose systems can never stand on one
unit (by the code set's selector) get none either.

An effect that stands in the records of both ends counts once: the one of larger size.
Class 0 is said too: it states that there is no association, which is more than silence.
What a folder states term by term (:mod:`llmsyn.knowledge.stated`) stands above all that.
What makes an outcome worse *together* (``worse_with``) is text for prompts, not an effect.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from llmsyn.errors import KnowledgeError
from llmsyn.knowledge.bands import bands
from llmsyn.knowledge.demographics import by_demographics, outcome_background, prevalence
from llmsyn.knowledge.loading import KnowledgeBase, log_odds
from llmsyn.knowledge.matching import matcher
from llmsyn.knowledge.records import Condition, Drug, Edges, Effect, OutcomeEffect, Procedure
from llmsyn.knowledge.rules import competing
from llmsyn.knowledge.scales import MULTIPLIED
from llmsyn.knowledge.stated import laid_over
from llmsyn.knowledge.types import Association
from llmsyn.profile.terms import Range, Term
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet, Numeric, Variable

PARTS = ("age_sex", "comorbidities", "drugs", "procedures", "outcomes")
"""What :func:`associations` can be limited to; an ablation leaves one out."""

LONG_STAY_SHARE = 0.25
"""A long stay is the top range of length of stay whose share of units is nearest to this."""

COMPETES = -2
"""The class of two codes that a soft rule keeps apart."""

_PairKey = tuple[tuple[str, str], tuple[str, str]]  # ((kind, id), (kind, id)), sorted


@dataclass(frozen=True)
class _Place:
    """One code of the profile, the record that it stands for, and where it may occur."""

    term: Term
    kind: str  # conditions, drugs, procedures
    record: Condition | Drug | Procedure
    allowed: tuple[str, frozenset[str]] | None  # selector variable, levels with its system
    prevalence: float | None


def associations(
    profile: Profile,
    base: KnowledgeBase,
    *,
    parts: Collection[str] = PARTS,
    scale: float = 1.0,
) -> tuple[Association, ...]:
    """Everything that the base says about pairs of the profile's terms.

    Parameters
    ----------
    parts : which of :data:`PARTS` to use.
    scale : with 1 class effects stay classes (``int``); with any other value every effect
        is a log odds ratio (``float``) multiplied by it.

    Returns
    -------
    Associations whose effects are marginal.  Within one code set each pair of codes stands
    once.  Codes, ages or outcomes that the base does not know get none.

    Raises
    ------
    KnowledgeError : a part is not known.
    """
    wrong = sorted(set(parts) - set(PARTS))
    if wrong:
        raise KnowledgeError(f"there is no part {wrong[0]!r}; choose from {', '.join(PARTS)}")
    places = _places(profile, base)
    found: list[Association] = []
    if "age_sex" in parts:
        found += _age_sex(profile, places)
    found += _pairs(places, _effects(base, parts))
    if "comorbidities" in parts:
        found = _kept_apart(profile, base, places, found)
    if "outcomes" in parts:
        found += _outcomes(profile, base, places)
    if base.stated:
        found = laid_over(profile, found, base.stated, parts)
    found = [_scaled(one, base) for one in found]
    if scale == 1.0:
        return tuple(found)
    return tuple(
        replace(one, effect=log_odds(one.effect, base.classes, scale))
        if one.effect != "excludes"
        else one
        for one in found
    )


def _scaled(one: Association, base: KnowledgeBase) -> Association:
    """The association on the scale of its own relation, where one was fitted."""
    if isinstance(one.effect, int):
        own = base.relations.get(one.relation, {})
        return replace(one, effect=own[one.effect]) if one.effect in own else one
    if one.effect == "excludes" or not one.relation:  # stated term by term: stands as it is
        return one
    kind = one.relation if one.relation in MULTIPLIED else "published"
    factor = base.multipliers.get(kind, 1.0)
    return one if factor == 1.0 else replace(one, effect=float(one.effect) * factor)


def _places(profile: Profile, base: KnowledgeBase) -> list[_Place]:
    look = matcher(base)
    kinds = {Condition: "conditions", Drug: "drugs", Procedure: "procedures"}
    places = []
    for variable in profile.code_sets:
        for index, code in enumerate(variable.codes):
            system = variable.system_of(code)
            record = look.record(system, variable.bare(code))
            if isinstance(record, Drug) and record.like is not None:
                record = base.drugs[record.like]
            if record is not None:
                places.append(
                    _Place(
                        Term(variable.name, code),
                        kinds[type(record)],
                        record,
                        _allowed(variable, system),
                        prevalence(profile, variable, index),
                    )
                )
    return places


def _allowed(variable: CodeSet, system: str) -> tuple[str, frozenset[str]] | None:
    if variable.selector is None:
        return None
    levels = (level for level, systems in variable.selector.systems.items() if system in systems)
    return variable.selector.variable, frozenset(levels)


def _together(a: _Place, b: _Place) -> bool:
    """Whether the two codes may stand on one unit, as far as selectors say."""
    if a.allowed is None or b.allowed is None or a.allowed[0] != b.allowed[0]:
        return True
    return bool(a.allowed[1] & b.allowed[1])


def _age_sex(profile: Profile, places: list[_Place]) -> Iterator[Association]:
    for place in places:
        pattern = place.record.profile if isinstance(place.record, Condition) else None
        if pattern is None or pattern.follows_hospital:
            continue
        if place.prevalence is not None:
            yield from by_demographics(profile, place.term, place.prevalence, pattern)


def _effects(base: KnowledgeBase, parts: Collection[str]) -> dict[_PairKey, Association]:
    """The effect of each pair of records, under a key that does not depend on direction.

    The terms of these associations are stand-ins (kind, id), replaced code by code.
    """
    found: dict[_PairKey, Association] = {}

    relations = {"conditions": "comorbidities", "drugs": "drugs", "procedures": "procedures"}

    def add(source: tuple[str, str], kind: str, edges: tuple[Edges, ...]) -> None:
        for edge in edges:
            effect = effect_of(edge)
            for target in edge.ids:
                pair = (source, (kind, target))
                key = pair if pair[0] <= pair[1] else (pair[1], pair[0])
                held = found.get(key)
                if held is None or _size(effect, base) > _size(held.effect, base):
                    found[key] = Association(
                        (Term(*source),),
                        Term(kind, target),
                        effect,
                        provenance="; ".join(edge.source),
                        relation=relations[kind],
                    )

    if "comorbidities" in parts:
        for condition in base.conditions.values():
            source = ("conditions", condition.id)
            add(source, "conditions", condition.comorbid + condition.complication)
    if "drugs" in parts:
        for kind, records in (
            ("conditions", base.conditions),
            ("procedures", base.procedures),
            ("drugs", base.drugs),
        ):
            for record in records.values():
                add((kind, record.id), "drugs", record.drug)
    if "procedures" in parts:
        for kind, records in (("conditions", base.conditions), ("procedures", base.procedures)):
            for record in records.values():
                add((kind, record.id), "procedures", record.procedure)
    return found


def _pairs(places: list[_Place], effects: Mapping[_PairKey, Association]) -> Iterator[Association]:
    by_record: dict[tuple[str, str], list[_Place]] = {}
    for place in places:
        by_record.setdefault((place.kind, place.record.id), []).append(place)
    for effect in effects.values():
        source = (effect.given[0].variable, str(effect.given[0].value))
        target = (effect.then.variable, str(effect.then.value))
        if source == target:
            continue
        for a in by_record.get(source, ()):
            for b in by_record.get(target, ()):
                if _together(a, b):
                    yield replace(effect, given=(a.term,), then=b.term)


def _kept_apart(
    profile: Profile, base: KnowledgeBase, places: list[_Place], found: list[Association]
) -> list[Association]:
    """Codes that a soft rule keeps apart compete, whatever their records say."""
    place_of = {place.term: place for place in places}
    apart = {
        frozenset((a, b)): Association(
            (a,), b, COMPETES, provenance=source, relation="comorbidities"
        )
        for a, b, source in competing(profile, base)
        if a in place_of and b in place_of and _together(place_of[a], place_of[b])
    }
    others = [one for one in found if frozenset((*one.given, one.then)) not in apart]
    return [*others, *apart.values()]


def _outcomes(profile: Profile, base: KnowledgeBase, places: list[_Place]) -> Iterator[Association]:
    for concept, attribute in (
        ("in_hospital_death", "mortality"),
        ("readmission_30d", "readmission"),
        ("length_of_stay", "stay"),
    ):
        for variable in profile.by_concept(concept):
            for then in _bad_outcome(variable):
                for place in places:
                    effect: OutcomeEffect | None = getattr(place.record, attribute)
                    if effect is not None:
                        yield Association(
                            (place.term,),
                            then,
                            effect_of(effect),
                            provenance="; ".join(effect.source),
                            relation=attribute,
                        )
                if concept in base.outcomes:
                    yield from outcome_background(profile, then, base.outcomes[concept])


def _bad_outcome(variable: Variable) -> Iterator[Term]:
    """The terms of an outcome that a class speaks of: yes, or the longest stays."""
    if isinstance(variable, CodeSet):
        return
    if variable.concept != "length_of_stay":
        if isinstance(variable, Categorical):
            for level in variable.levels:
                if variable.meaning(level).lower() == "yes":
                    yield Term(variable.name, level)
        return
    rising = bands(variable)
    if len(rising) < 2:
        return
    tops = [sum(band.share for band in rising[i:]) for i in range(len(rising))]
    start = min(range(1, len(rising)), key=lambda i: abs(tops[i] - LONG_STAY_SHARE))
    if isinstance(variable, Numeric):
        edges = variable.edges
        yield Term(variable.name, Range(rising[start].low, float(edges[-1])))
    else:
        for band in rising[start:]:
            yield band.term


def effect_of(edge: Effect) -> int | float:
    """A class (``int``) or the logarithm of a published odds ratio (``float``)."""
    if edge.odds_ratio is not None:
        return math.log(edge.odds_ratio)
    assert edge.strength is not None  # one of the two, by the record's own check
    return int(edge.strength)


def _size(effect: int | float | str, base: KnowledgeBase) -> float:
    return abs(log_odds(effect, base.classes))
