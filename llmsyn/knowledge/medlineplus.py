"""Health topics of MedlinePlus for a code, through the one door.  Off unless asked for.

MedlinePlus Connect (National Library of Medicine) takes one code a request and needs no
key.  What leaves is a code of a public list, its code system and a language.  Kept of the
answer are health topics only: other pages that it may link (drug monographs, encyclopedia)
belong to third parties.

Source: https://medlineplus.gov/medlineplus-connect/web-service/ (parameters, JSON) and
https://medlineplus.gov/medlineplus-connect/technical-information/ (at most 100 requests a
minute and address; keep replies for 12 to 24 hours).
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

from llmsyn.egress.door import Door
from llmsyn.egress.guard import Listed
from llmsyn.egress.plain import clean_line, html_text
from llmsyn.egress.requests import Payload, PublicRequest, Service
from llmsyn.egress.values import OwnText, PublicCode
from llmsyn.errors import InputError, ServiceError
from llmsyn.knowledge.cards import Card, Topic
from llmsyn.knowledge.loading import KnowledgeBase

ATTRIBUTION = "Information from MedlinePlus.gov, National Library of Medicine"
ADDRESS = "https://connect.medlineplus.gov/service"
LANGUAGES = ("en", "es")

OBJECT_IDENTIFIERS = {
    "icd10cm": "2.16.840.1.113883.6.90",
    "icd9cm": "2.16.840.1.113883.6.103",
    "rxnorm": "2.16.840.1.113883.6.88",
}

_CODE, _SYSTEM = "mainSearchCriteria.v.c", "mainSearchCriteria.v.cs"
_LANGUAGE, _FORMAT = "informationRecipient.languageCode.c", "knowledgeResponseType"
_HOUR = 3600.0
# /fatigue.html and /spanish/fatigue.html; not /ency/..., /druginfo/..., /genetics/..., /lab-tests/...
_HEALTH_TOPIC = re.compile(r"/(?:spanish/)?[a-z0-9]+\.html")
_HOSTS = ("medlineplus.gov", "www.medlineplus.gov")
_MAX_TOPICS = 10
_MAX_SUMMARY = 20_000  # characters; the longest topic has about 8,000


def service(address: str = ADDRESS) -> Service:
    """MedlinePlus Connect as its pages describe it, or a stand-in at another address."""
    return Service(
        name="MedlinePlus Connect",
        url=address,
        parameters={_SYSTEM: OwnText, _CODE: PublicCode, _LANGUAGE: OwnText, _FORMAT: OwnText},
        per_minute=90,  # below the 100 allowed: requests may bunch on their way
        fresh_seconds=24 * _HOUR,
        stale_seconds=30 * 24 * _HOUR,
        timeout_seconds=20.0,
        max_bytes=2_000_000,
    )


def listed_codes(base: KnowledgeBase) -> Listed:
    """Codes that may leave although no list of their system ships: RxCUIs of the base."""
    return {"rxnorm": frozenset(drug.rxcui for drug in base.drugs.values() if drug.rxcui)}


def with_topics(card: Card, door: Door, *, language: str = "en", address: str = ADDRESS) -> Card:
    """The card with the health topics of its code.

    A drug ingredient is asked for by its RxCUI, an unlisted code by the listed one above it.

    Raises
    ------
    InputError : the service takes no codes of this system, or the guard refused the code.
    ServiceError : the service failed and no earlier reply is kept.
    """
    answer = door.fetch(topic_request(card, language=language, address=address), read_topics)
    retrieved = datetime.fromtimestamp(answer.saved, timezone.utc).isoformat(timespec="seconds")
    return replace(
        card,
        topics=answer.value,
        topics_retrieved=retrieved,
        topics_problem=answer.problem,
    )


def topic_request(card: Card, *, language: str = "en", address: str = ADDRESS) -> PublicRequest:
    """The request for a card's code.

    Raises
    ------
    InputError : the service takes no codes of this system, or not this language.
    """
    system, code = card.system, card.listed or card.code
    if card.rxcui:
        system, code = "rxnorm", card.rxcui
    if system not in OBJECT_IDENTIFIERS:
        why = "this drug has no RxCUI in the base" if card.kind == "drug" else f"not {system}"
        raise InputError(
            f"MedlinePlus Connect takes codes of {', '.join(OBJECT_IDENTIFIERS)}, and {why}; "
            "leave out --online"
        )
    if language not in LANGUAGES:
        raise InputError(
            f"MedlinePlus Connect answers in en or es, not in {clean_line(language)!r}; give one "
            "of them"
        )
    payload: dict[str, Payload] = {
        _SYSTEM: OwnText(OBJECT_IDENTIFIERS[system]),
        _CODE: PublicCode(system, code, dotted=True),
        _LANGUAGE: OwnText(language),
        _FORMAT: OwnText("application/json"),
    }
    return PublicRequest(service(address), payload)


def read_topics(body: bytes) -> tuple[Topic, ...]:
    """The health topics of a reply, as plain text; none where the service knows none.

    Raises
    ------
    ServiceError : the body is not the JSON that the service documents.
    """
    try:
        feed = json.loads(body)["feed"]
        entries = feed.get("entry") or []
        if isinstance(entries, dict):  # one entry alone may come without its list
            entries = [entries]
        topics = [_topic(entry) for entry in entries]
    except (ValueError, RecursionError) as error:
        raise ServiceError(
            "MedlinePlus Connect answered with something that is no JSON; try again later"
        ) from error
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ServiceError(
            "MedlinePlus Connect answered with JSON of another form than it documents; "
            "look for a newer llmsyn"
        ) from error
    return tuple(topic for topic in topics if topic is not None)[:_MAX_TOPICS]


def _topic(entry: dict[str, Any]) -> Topic | None:
    """The topic of an entry; None where it links to no health topic."""
    links = entry.get("link") or []
    links = [links] if isinstance(links, dict) else links
    found = [url for link in links if (url := _health_topic(str(link["href"])))]
    if not found:
        return None
    title = clean_line(html_text(str(entry["title"]["_value"])))
    summary = html_text(str((entry.get("summary") or {}).get("_value", "")))
    return Topic(title, found[0], summary[:_MAX_SUMMARY])


def _health_topic(address: str) -> str | None:
    """The address of a health topic without its tracking parameters; None for other pages."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or parts.netloc.lower() not in _HOSTS:
        return None
    if not _HEALTH_TOPIC.fullmatch(parts.path):
        return None
    return f"https://medlineplus.gov{parts.path}"
