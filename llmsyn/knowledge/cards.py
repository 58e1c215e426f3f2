"""Cards: what is known of one code, for a reader, a prompt or a note.  Offline.

A card holds our own words and the names that the base gives; ``topics`` stays empty until
:mod:`llmsyn.knowledge.medlineplus` fills it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from llmsyn import codes
from llmsyn.egress.plain import clean_line, fence, shorten
from llmsyn.errors import KnowledgeError
from llmsyn.knowledge.loading import KnowledgeBase
from llmsyn.knowledge.matching import matcher
from llmsyn.knowledge.records import Condition, Drug, Edges, Effect, Procedure

PROMPT_WORDS = 120
"""Words of prompt text a card gives at most, per text."""

_SHOWN = 10  # drugs, procedures and conditions that a card names
_CODE_SYSTEMS = ("icd9cm", "icd10cm", "icd9proc", "icd10pcs")

Kind = Literal["condition", "drug", "procedure"]


@dataclass(frozen=True)
class Citation:
    """A source of the base."""

    key: str
    title: str
    licence: str
    url: str


@dataclass(frozen=True)
class Topic:
    """A health topic of MedlinePlus: text of the National Library of Medicine, as data."""

    title: str
    url: str
    summary: str


@dataclass(frozen=True)
class Card:
    """What is known of one code.

    Attributes
    ----------
    code : as :func:`llmsyn.codes.normalise` writes it.
    listed : the code itself, or the nearest one above it that the official list holds; None
        where no list of its system ships.  ``title`` is the title of this one.
    kind, record, name : the record that covers the code; None and empty where there is none.
    text : at most 120 words in the words of the base.
    drugs, procedures : typical for a condition, strongest first; names.
    conditions : what goes with a condition; for a drug or procedure, what it is for.
    """

    system: str
    code: str
    listed: str | None
    title: str | None
    kind: Kind | None = None
    record: str = ""
    name: str = ""
    text: str = ""
    aliases: tuple[str, ...] = ()
    drugs: tuple[str, ...] = ()
    procedures: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    sources: tuple[Citation, ...] = ()
    rxcui: str | None = None
    topics: tuple[Topic, ...] = ()
    topics_retrieved: str = ""  # ISO date and time of the reply, UTC
    topics_problem: str = ""  # why an old reply stands in for a new one


def about(code: str, system: str, base: KnowledgeBase) -> Card:
    """The card of a code, without a network.

    An unlisted code falls back to the nearest listed one above it, and the card says so.

    Parameters
    ----------
    code : in any usual writing (``E11.9``, ``e119``; a name for drugs).
    system : ``icd10cm``, ``icd9cm``, ``icd10pcs``, ``icd9proc``, ``ingredient``, ``rxnorm``
        or another one of the base.

    Raises
    ------
    KnowledgeError : neither a list nor a record knows the code.
    """
    plain = codes.normalise(system, code)
    listed = _listed(system, plain)
    record = _record(system, listed or plain, base)
    if listed is None and record is None:
        raise KnowledgeError(
            f"{clean_line(code)!r} is neither in the list of {system} nor in a record of the "
            "knowledge base; check the code and its --system"
        )
    title = codes.title(system, listed) if listed else None
    if record is None:
        return Card(system, plain, listed, title)
    shown = _effects(record)
    return Card(
        system=system,
        code=plain,
        listed=listed,
        title=title,
        kind=_kind(record),
        record=record.id,
        name=record.name or record.id,
        text=_text(record),
        aliases=_aliases(record),
        drugs=_names(record.drug, base.drugs),
        procedures=() if isinstance(record, Drug) else _names(record.procedure, base.procedures),
        conditions=_conditions(record, base),
        sources=_citations(shown, base),
        rxcui=record.rxcui if isinstance(record, Drug) else None,
    )


def card_text(card: Card) -> str:
    """The card as plain lines."""
    shown = f" (not listed; read as {card.listed})" if card.listed not in (None, card.code) else ""
    lines = [f"{card.system} {card.code}{shown}: {card.title or card.name}"]
    if card.kind is None:
        lines.append("No record of the knowledge base covers it.")
    else:
        lines.append(f"{card.kind}: {card.name}")
    lines += [shorten(card.text, PROMPT_WORDS)] if card.text else []
    when = "Goes with" if card.kind == "condition" else "Used in"
    for label, names in (
        ("Also written", card.aliases),
        ("Typical drugs" if card.kind == "condition" else "Together with drugs", card.drugs),
        ("Procedures", card.procedures),
        (when, card.conditions),
    ):
        lines += [f"{label}: {', '.join(names)}"] if names else []
    return "\n".join(lines)


def prompt_text(card: Card) -> str:
    """The card for a prompt: fenced as data, and each topic in a fence of its own."""
    from llmsyn.knowledge.medlineplus import ATTRIBUTION

    parts = [fence(card_text(card), "the llmsyn knowledge base")]
    for topic in card.topics:
        text = f"{topic.title}\n{shorten(topic.summary, PROMPT_WORDS)}\n{topic.url}"
        parts.append(fence(text, ATTRIBUTION))
    return "\n\n".join(parts)


def card_json(card: Card) -> dict[str, Any]:
    """The card as JSON values."""
    from llmsyn.knowledge.medlineplus import ATTRIBUTION

    return asdict(card) | ({"topics_attribution": ATTRIBUTION} if card.topics else {})


def _listed(system: str, code: str) -> str | None:
    for each in (code, *codes.parents(system, code)) if system in _CODE_SYSTEMS else ():
        if codes.known(system, each):
            return each
    return None


def _record(system: str, code: str, base: KnowledgeBase) -> Condition | Drug | Procedure | None:
    if system == "rxnorm":
        return next((drug for drug in base.drugs.values() if drug.rxcui == code), None)
    return matcher(base).record(system, code)


def _kind(record: Condition | Drug | Procedure) -> Kind:
    if isinstance(record, Condition):
        return "condition"
    return "drug" if isinstance(record, Drug) else "procedure"


def _text(record: Condition | Drug | Procedure) -> str:
    if record.prompt is not None:
        return shorten(clean_line(record.prompt.text), PROMPT_WORDS)
    if isinstance(record, Drug):
        routes = f", given {', '.join(record.routes)}" if record.routes else ""
        return f"Drug ingredient of the class {record.drug_class.replace('_', ' ')}{routes}."
    return ""


def _aliases(record: Condition | Drug | Procedure) -> tuple[str, ...]:
    names = record.aliases
    if isinstance(record, Drug):
        names = (*names, *record.brands, *record.salts)
    return tuple(dict.fromkeys(map(clean_line, names)))


def _names(
    edges: Iterable[Edges],
    records: Mapping[str, Condition] | Mapping[str, Drug] | Mapping[str, Procedure],
) -> tuple[str, ...]:
    """Names of the targets that are more likely than elsewhere, strongest first."""
    ranked = sorted((e for e in edges if _strength(e) > 0), key=_strength, reverse=True)
    ids = dict.fromkeys(identity for edge in ranked for identity in edge.ids)
    return tuple(_name(identity, records) for identity in ids)[:_SHOWN]


def _name(
    identity: str, records: Mapping[str, Condition] | Mapping[str, Drug] | Mapping[str, Procedure]
) -> str:
    # An overlay may name a target that no record stands for: the check reports it.
    found = records.get(identity)
    return clean_line((found.name or found.id) if found is not None else identity)


def _strength(effect: Effect) -> float:
    """Class, or the published odds ratio on the scale of the classes (2 is about 3, 1 about 1.7)."""
    if effect.strength is not None:
        return float(effect.strength)
    return float((effect.odds_ratio or 1.0) - 1.0)


def _conditions(record: Condition | Drug | Procedure, base: KnowledgeBase) -> tuple[str, ...]:
    if isinstance(record, Condition):
        return _names((*record.complication, *record.comorbid), base.conditions)
    found = []
    for condition in base.conditions.values():
        edges = condition.drug if isinstance(record, Drug) else condition.procedure
        strengths = [_strength(edge) for edge in edges if record.id in edge.ids]
        if strengths and max(strengths) > 0:
            found.append((max(strengths), condition.name))
    # Sorting is stable: conditions of the same strength stay in the order of the base.
    ranked = sorted(found, key=lambda pair: pair[0], reverse=True)
    return tuple(clean_line(name) for _, name in ranked)[:_SHOWN]


def _effects(record: Condition | Drug | Procedure) -> list[tuple[str, ...]]:
    """The source keys of everything that the record says."""
    outcomes = (record.mortality, record.readmission, record.stay)
    found = [effect.source for effect in (*record.drug, *outcomes) if effect is not None]
    if isinstance(record, Condition):
        edges = (*record.comorbid, *record.complication, *record.procedure)
        found += [edge.source for edge in edges]
        found += [record.profile.source] if record.profile is not None else []
    elif isinstance(record, Procedure):
        found += [edge.source for edge in record.procedure]
    return found


def _citations(groups: Iterable[tuple[str, ...]], base: KnowledgeBase) -> tuple[Citation, ...]:
    keys = dict.fromkeys(text.partition(":")[0] for group in groups for text in group)
    return tuple(_citation(key, base) for key in keys)


def _citation(key: str, base: KnowledgeBase) -> Citation:
    source = base.sources.get(key)
    if source is None:  # an overlay may cite what it does not list: the check reports it
        return Citation(key, key, "not stated", "")
    return Citation(key, source.title, source.licence, source.url)
