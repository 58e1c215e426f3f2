"""What is asked of a service, before and after the guard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from llmsyn.egress.values import Content, Joined, Public

Payload: TypeAlias = "Public | Joined | Mapping[str, Payload] | tuple[Payload, ...]"
Plain: TypeAlias = "Content | Mapping[str, Plain] | tuple[Plain, ...]"


@dataclass(frozen=True)
class Service:
    """An outside service: where it is, what it may be sent, and how gently.

    Attributes
    ----------
    name : how errors and the ledger call it.
    url : ``http`` or ``https``, without query, fragment or credentials.
    parameters : the type of value that each parameter may hold; None allows any public type
        under any name.
    per_minute : requests at most in any 60 seconds; None for no limit.
    fresh_seconds : age up to which a kept reply is used without asking again.
    stale_seconds : age up to which a kept reply is used when the service fails.
    timeout_seconds : longest wait for a connection or for the next bytes, and for the whole
        body.
    max_bytes : a longer reply is refused.

    An address ``folder:...`` stands for files that a person or another program carries on.
    """

    name: str
    url: str
    method: Literal["GET", "POST"] = "GET"
    parameters: Mapping[str, type] | None = None
    per_minute: int | None = None
    fresh_seconds: float = 0.0
    stale_seconds: float = 0.0
    timeout_seconds: float = 20.0
    max_bytes: int = 4_000_000


@dataclass(frozen=True)
class PublicRequest:
    """One request, made of public values only: a query (GET) or a JSON body (POST).

    Attributes
    ----------
    key : hash under which the reply is kept, where the payload is not what decides (the same
        question in another dialect of a service); None for the hash of the payload.
    """

    service: Service
    payload: Mapping[str, Payload]
    key: str | None = None


@dataclass(frozen=True)
class Outgoing:
    """A request that passed the guard, byte for byte as it leaves.

    Only :func:`llmsyn.egress.guard.check` makes one.

    Attributes
    ----------
    url : with the query, where there is one.
    left : the payload in plain values, for the ledger.
    digest : hash over service, method, address and payload; the key of the cache.
    """

    service: Service
    method: Literal["GET", "POST"]
    url: str
    body: bytes | None
    left: Mapping[str, Plain]
    digest: str

    @property
    def n_bytes(self) -> int:
        """Bytes of address and body."""
        return len(self.url.encode()) + len(self.body or b"")


@dataclass(frozen=True)
class Reply:
    """What the service answered, whatever the status.

    ``detail`` goes into the ledger beside it: model, tokens, price, text.
    """

    status: int
    body: bytes
    retry_after: str | None = None
    detail: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """No whole answer came: why, in a few words, and whether asking again may help.

    ``unsure``: the service may have done the work, and charge for it.
    """

    reason: str
    again: bool
    unsure: bool = False
