"""The door: guard, cache, rate limit, ledger, transport, in this order and no other way."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

from llmsyn.egress.budget import Budget
from llmsyn.egress.cache import Cache, Kept
from llmsyn.egress.guard import Listed, check
from llmsyn.egress.ledger import Ledger
from llmsyn.egress.rate import Limiter
from llmsyn.egress.requests import Failure, Outgoing, PublicRequest, Reply
from llmsyn.egress.retrying import Retrying, retry_after_seconds
from llmsyn.egress.transport import send
from llmsyn.errors import ServiceError

_T = TypeVar("_T")
Transport: TypeAlias = Callable[[Outgoing], "Reply | Failure"]
LEDGER_NAME = "ledger.jsonl"


class NoAnswer(ServiceError):
    """The service gave no usable answer; ``answer`` is what came of the last attempt."""

    def __init__(self, message: str, answer: Reply | Failure) -> None:
        super().__init__(message)
        self.answer = answer


@dataclass(frozen=True)
class Answer(Generic[_T]):
    """What was read from a reply.

    Attributes
    ----------
    saved : when the service gave it, seconds since 1970.
    origin : ``service``; ``cache``; or ``stale``, an old reply in place of a failed request.
    problem : the failure, where the reply is a stale one.
    """

    value: _T
    saved: float
    origin: str
    problem: str = ""


@dataclass(frozen=True)
class Door:
    """The one way out.  Whatever lies above asks :meth:`fetch` and nothing else.

    ``transport`` is the seam for other clients, replay and tests; ``listed`` holds public
    codes of systems whose list does not ship (RxNorm), for the guard.  With a ``budget``
    each attempt sets its worst case aside before it leaves.
    """

    cache: Cache
    ledger: Ledger
    transport: Transport = send
    listed: Listed = field(default_factory=dict)
    retrying: Retrying = field(default_factory=Retrying)
    budget: Budget | None = None
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def fetch(self, request: PublicRequest, read: Callable[[bytes], _T]) -> Answer[_T]:
        """Answer a request from the cache, or from the service.

        Parameters
        ----------
        read : makes a value of a reply's body; raises ServiceError where it is not what the
            service documents.  Only bodies that it accepts are kept.

        Raises
        ------
        InputError : the guard refused the request; nothing left.
        ServiceError : the service failed and no reply is kept that could stand in
            (:class:`NoAnswer` where it was asked now).
        BudgetReached : an attempt might pass a limit.
        OutputError : cache or ledger cannot be written.
        """
        outgoing = check(request, self.listed)
        kept = self._kept(outgoing, read)
        if kept is not None and self._younger(kept[0], outgoing.service.fresh_seconds):
            return Answer(kept[1], kept[0].saved, "cache")
        try:
            reply = self._send(outgoing)
            value = read(reply.body)
        except ServiceError as error:
            if kept is not None and self._younger(kept[0], outgoing.service.stale_seconds):
                return Answer(kept[1], kept[0].saved, "stale", str(error))
            raise
        saved = self.clock()
        self.cache.put(outgoing, reply.body, saved)
        return Answer(value, saved, "service")

    def _kept(self, outgoing: Outgoing, read: Callable[[bytes], _T]) -> tuple[Kept, _T] | None:
        kept = self.cache.get(outgoing.digest)
        try:
            return None if kept is None else (kept, read(kept.body))
        except ServiceError:
            return None  # kept by a version that read replies otherwise: ask again

    def _younger(self, kept: Kept, seconds: float) -> bool:
        # A reply from the future (a clock that was set back) has no age that counts.
        return 0 <= self.clock() - kept.saved < seconds

    def _send(self, outgoing: Outgoing) -> Reply:
        limiter = Limiter(self.cache.file, self.clock, self.sleep)
        attempt = 0
        while True:
            attempt += 1
            limiter.wait(outgoing.service)
            answer = self._attempt(outgoing, attempt)
            if isinstance(answer, Reply) and answer.status == 200:
                return answer
            pause = self.retrying.pause(answer, attempt, self.clock())
            if pause is None:
                raise NoAnswer(_sentence(outgoing, answer, attempt, self.clock()), answer)
            self.sleep(pause)

    def _attempt(self, outgoing: Outgoing, attempt: int) -> Reply | Failure:
        reserved = None if self.budget is None else self.budget.reserve(outgoing)
        answer: Reply | Failure | None = None
        try:
            entry = self.ledger.sent(outgoing, attempt, self.clock())
            started = time.monotonic()
            answer = self.transport(outgoing)
            self.ledger.answered(entry, answer, time.monotonic() - started)
        finally:
            if self.budget is not None and reserved is not None:
                self.budget.settle(reserved, answer)
        return answer


def open_door(folder: Path, ledger: Path | None = None, listed: Listed | None = None) -> Door:
    """The door with its cache in a folder, and its ledger there too unless said otherwise."""
    return Door(Cache(folder), Ledger(ledger or folder / LEDGER_NAME), listed=listed or {})


def _sentence(outgoing: Outgoing, answer: Reply | Failure, attempts: int, now: float) -> str:
    times = "" if attempts == 1 else f" ({attempts} attempts)"
    who = f"{outgoing.service.name} at {outgoing.service.url}"
    if isinstance(answer, Failure):
        return f"{who} {answer.reason}{times}; check the address and the network, or try later"
    wait = retry_after_seconds(answer, now)
    later = "try again later" if wait is None else f"try again in {wait:.0f} s, as it asks"
    if answer.status < 500 and answer.status not in (408, 409, 425, 429):
        later = "check the address"
    return f"{who} answered with status {answer.status}{times}; {later}"
