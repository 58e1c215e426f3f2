"""The guard: only requests made of typed public values become something that can be sent.

It does not read meaning out of texts: it looks at the type that each value carries, looks
codes up in their lists, and refuses everything else.  What it refuses it does not repeat in
its message, since that may be the very thing that must not be written anywhere.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import math
import re
from collections.abc import Collection, Mapping
from urllib.parse import urlencode, urlsplit

from llmsyn import codes
from llmsyn.egress.requests import Outgoing, Payload, Plain, PublicRequest, Service
from llmsyn.egress.values import (
    PUBLIC_TYPES,
    Joined,
    KnowledgeValue,
    LocalText,
    ModelText,
    OwnText,
    ProfileValue,
    Public,
    PublicCode,
    SyntheticValue,
    text_of,
)
from llmsyn.errors import InputError

_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_.$-]{0,79}")
_SCHEMA = 1  # part of every digest: raise it, and old replies are no longer found

FOLDER = "folder:"
"""Address of a service that is a folder: nothing is sent, files are written."""

Listed = Mapping[str, Collection[str]]
"""Public codes by system, for the systems whose list does not ship with ``codes``."""


def check(request: PublicRequest, listed: Listed | None = None) -> Outgoing:
    """Turn a request into what is sent, or refuse it.

    Parameters
    ----------
    listed : public codes of systems such as RxNorm, from the knowledge base.

    Raises
    ------
    InputError : a value is of no public type, is not what the parameter takes, is a code
        that its list does not hold, or is not finite; or the address is not usable.
    """
    service = request.service
    check_address(service)
    parameters = service.parameters
    if parameters is not None:
        for key, value in request.payload.items():
            if type(value) is not parameters.get(key):
                raise _refused(service, f"parameter {key!r} does not hold the type it may hold")
    left = {
        _key(service, key): _plain(service, key, value, listed or {})
        for key, value in request.payload.items()
    }
    return _outgoing(service, left, request.key)


def check_address(service: Service) -> None:
    """Refuse an address that is not plain ``http(s)://host/path``.

    Raises
    ------
    InputError : another scheme, no host, credentials, a query, a fragment or a wrong port.
    """
    if service.url.startswith(FOLDER):
        return
    wanted = "expected http(s)://host/path without credentials, query or fragment"
    try:
        parts = urlsplit(service.url)
        _ = parts.port  # raises ValueError where it is no number
    except ValueError as error:
        raise InputError(f"the address of {service.name} is unusable ({error}); {wanted}") from None
    odd = parts.username is not None or parts.password is not None or parts.query or parts.fragment
    unclean = any(sign.isspace() or not sign.isprintable() for sign in service.url)
    if parts.scheme not in ("http", "https") or not parts.hostname or odd or unclean:
        # The address itself is not repeated: it may hold a password.
        raise InputError(f"the address of {service.name} is unusable; {wanted}")


def on_loopback(url: str) -> bool:
    """Whether an address is this machine's own; a name counts only if it is ``localhost``.

    Examples
    --------
    >>> on_loopback("http://127.0.0.1:8000/v1"), on_loopback("https://example.org/v1")
    (True, False)
    >>> on_loopback("folder:requests"), on_loopback("http://127.0.0.1.example.org/")
    (False, False)
    """
    if url.startswith(FOLDER):
        return False
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _plain(service: Service, place: str, value: Payload, listed: Listed) -> Plain:
    # `type(...) is`: a subclass could carry anything along.
    if type(value) is dict:
        return {
            _key(service, key): _plain(service, f"{place}.{key}", each, listed)
            for key, each in value.items()
        }
    if type(value) is Joined:
        pieces = [
            _typed(service, f"{place}[{i}]", each, listed) for i, each in enumerate(value.parts)
        ]
        return "".join(text_of(each) for each in pieces)
    if type(value) is tuple:
        return tuple(_plain(service, f"{place}[{i}]", each, listed) for i, each in enumerate(value))
    return _typed(service, place, value, listed).content


def _typed(service: Service, place: str, value: object, listed: Listed) -> Public:
    """The value, if it is of a public type and holds what that type may hold."""
    if getattr(value, "origin", None) == "real":
        raise _refused(service, f"{place} is a cohort of origin 'real'")
    if type(value) not in PUBLIC_TYPES:
        kind = type(value).__name__
        raise _refused(service, f"{place} is a {kind}, which does not say where it is public from")
    assert isinstance(  # for mypy; the line above has decided
        value,
        (OwnText, PublicCode, ProfileValue, KnowledgeValue, SyntheticValue, ModelText, LocalText),
    )
    if isinstance(value, LocalText) and not on_loopback(service.url):
        raise _refused(
            service,
            f"{place} is text that may be a patient's, which only a server on this machine's own "
            "loopback address may read",
        )
    if isinstance(value, PublicCode):
        _look_up(service, place, value, listed)
    content = value.content
    if type(content) not in (str, int, float, bool):
        raise _refused(service, f"{place} holds neither text nor a number")
    if isinstance(content, float) and not math.isfinite(content):
        raise _refused(service, f"{place} is a number that was suppressed or is not finite")
    return value


def _look_up(service: Service, place: str, value: PublicCode, listed: Listed) -> None:
    ships = codes.known(value.system, value.code)
    if ships or (ships is None and value.code in listed.get(value.system, ())):
        return
    raise _refused(service, f"{place} is not a code of the public list of {value.system}")


def _key(service: Service, key: object) -> str:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise _refused(service, "a parameter has a name that is no plain identifier")
    return key


def _refused(service: Service, why: str) -> InputError:
    return InputError(
        f"nothing was sent to {service.name}: {why}; requests are made of typed public values only "
        "(llmsyn/egress/values.py)"
    )


def _outgoing(service: Service, left: Mapping[str, Plain], name: str | None) -> Outgoing:
    canonical = json.dumps(left, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    key = "\n".join((str(_SCHEMA), service.name, service.method, service.url, canonical))
    digest = name or hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    try:
        if service.method == "POST":
            # In the order given: in a JSON schema it is the order of writing.
            body = json.dumps(left, ensure_ascii=False, separators=(",", ":")).encode()
            return Outgoing(service, "POST", service.url, body, left, digest)
        query = urlencode({name: _scalar(service, value) for name, value in left.items()})
    except UnicodeEncodeError:
        raise _refused(service, "a text holds half of a character pair") from None
    return Outgoing(service, "GET", f"{service.url}?{query}", None, left, digest)


def _scalar(service: Service, value: Plain) -> str:
    if isinstance(value, (str, int, float)):
        return str(value)
    raise _refused(service, "a query takes no nested values")
