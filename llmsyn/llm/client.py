"""Any server of the OpenAI kind: bounded threads, one door, one dialect.

Threads and the synchronous client, no event loop: a notebook has one of its own.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace

from llmsyn.egress.budget import Budget
from llmsyn.egress.cache import Cache
from llmsyn.egress.door import Door, NoAnswer
from llmsyn.egress.guard import check
from llmsyn.egress.requests import Outgoing, PublicRequest, Reply, Service
from llmsyn.egress.retrying import AGAIN
from llmsyn.egress.values import OwnText
from llmsyn.errors import ServiceError, Stopped
from llmsyn.llm.completion import Completion, Turn, read_completion
from llmsyn.llm.conversation import Record, converse
from llmsyn.llm.payload import Dialect, payload
from llmsyn.llm.requests import (
    Failed,
    ModelReply,
    ModelRequest,
    Origin,
    Progress,
    Prompt,
    Tally,
)
from llmsyn.llm.schema import ReplyError, parse

_log = logging.getLogger(__name__)
_REFUSED = (400, 415, 422, 501)  # what servers answer to fields they don't know
_ONE = (400, 413, 422)  # statuses that may concern one request only
_WRONG = 5  # so many failures of the service in a row, and the run ends
_AHEAD = 4  # requests prepared per connection

PROBE = ModelRequest(
    "probe",
    Prompt.of(
        system=[OwnText("You answer in JSON.")],
        user=[OwnText("Which word is a fruit: apple or table? Put it under the name word.")],
    ),
    {
        "type": "object",
        "properties": {"word": {"type": "string", "enum": ["apple", "table"]}},
        "required": ["word"],
        "additionalProperties": False,
    },
    "probe",
    max_tokens=64,
    seed=1,
)
"""The first request to a server: it shows which dialect is understood."""


@dataclass(frozen=True)
class Place:
    """Who answers: the part of a cache key that is not the question.

    Attributes
    ----------
    server : base address; ``local`` and a hash of the weights for a server of ours; ``batch``.
    """

    server: str
    model: str

    def key(self, turn: Turn, note: str = "") -> str:
        """The key under which the completion of a turn is kept."""
        text = json.dumps([turn.digest, self.server, self.model, note], ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


def kept_completion(cache: Cache, place: Place, turn: Turn) -> Completion | None:
    """The completion of a turn from the cache; None where it has to be asked for."""
    kept = cache.get(place.key(turn))
    if kept is None:
        return None
    try:
        return read_completion(kept.body)
    except ServiceError:
        return None  # kept by a version that read completions otherwise


def outgoing(
    turn: Turn, service: Service, place: Place, dialect: Dialect | None = None
) -> Outgoing:
    """A turn as it leaves.

    Raises
    ------
    InputError : the guard refused it.
    """
    return check(_public(turn, service, place, dialect or Dialect()))


def _public(
    turn: Turn, service: Service, place: Place, dialect: Dialect, note: str = ""
) -> PublicRequest:
    return PublicRequest(service, payload(turn, place.model, dialect), place.key(turn, note))


@dataclass
class ChatModel:
    """A model behind a server, over HTTP.  See :class:`llmsyn.llm.requests.Model`."""

    door: Door
    service: Service
    place: Place
    budget: Budget
    origin: Origin = "http"
    connections: int = 8
    reasks: int = 1
    record: Record = field(default_factory=Record)
    _stop: threading.Event = field(default_factory=threading.Event)
    _dialect: Dialect | None = None

    def __post_init__(self) -> None:
        self.door = replace(self.door, sleep=self._sleep)

    @property
    def name(self) -> str:
        """The model's name, as the server knows it."""
        return self.place.model

    @property
    def tally(self) -> Tally:
        """Counts so far, with the cost by the server's own usage figures."""
        return replace(self.record.tally, cost=self.budget.spent, unsure=self.budget.unsure)

    def ask(
        self, requests: Sequence[ModelRequest], progress: Progress | None = None
    ) -> Iterator[ModelReply | Failed]:
        """Yield one answer a request, as they come.  See :class:`llmsyn.llm.requests.Model`."""
        groups = grouped(requests)
        questions = [group[0] for group in groups.values()]
        for question in questions:
            outgoing(Turn(question), self.service, self.place)  # refuse before anything is sent
        self.record.add(asked=len(questions))
        for done, answer in enumerate(self._answers(questions), start=1):
            if progress is not None:
                progress(done, len(questions))
            for request in groups[answer.request.digest]:
                yield replace(answer, request=request)

    def _answers(self, questions: Sequence[ModelRequest]) -> Iterator[ModelReply | Failed]:
        """Keep the connections busy; on any way out, let those under way finish."""
        if not questions:
            return
        if any(
            kept_completion(self.door.cache, self.place, Turn(each)) is None for each in questions
        ):
            self._probed()
        left = iter(questions)
        under_way: set[Future[ModelReply | Failed]] = set()
        stopped: Stopped | None = None
        wrong = 0
        with ThreadPoolExecutor(self.connections, thread_name_prefix="llm") as pool:
            try:
                while True:
                    while stopped is None and len(under_way) < _AHEAD * self.connections:
                        question = next(left, None)
                        if question is None:
                            break
                        under_way.add(pool.submit(self._one, question))
                    if not under_way:
                        break
                    done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    for future in done:
                        try:
                            answer = future.result()
                        except Stopped as error:
                            stopped = stopped or error
                            continue
                        wrong = wrong + 1 if isinstance(answer, _Unserved) else 0
                        if wrong >= _WRONG and isinstance(answer, Failed):
                            raise ServiceError(f"{wrong} requests in a row: {answer.reason}")
                        yield answer
            except BaseException:
                # Those that wait for a thread or a retry end now; those sent are kept.
                self._stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        if stopped is not None:
            raise stopped

    def _one(self, question: ModelRequest) -> ModelReply | Failed:
        try:
            return converse(question, self._exchange, self.record, reasks=self.reasks)
        except NoAnswer as error:
            status = error.answer.status if isinstance(error.answer, Reply) else None
            again = status is None and getattr(error.answer, "again", False)
            if again or status in _ONE or status in AGAIN:
                self.record.add(failed=1)
                return _Unserved(question, _with_message(error))
            raise ServiceError(_with_message(error)) from error

    def _exchange(self, turn: Turn) -> tuple[Completion, Origin]:
        kept = kept_completion(self.door.cache, self.place, turn)
        if kept is not None:
            return kept, "cache"
        if self._stop.is_set():
            raise Stopped("interrupted")
        request = _public(turn, self.service, self.place, self._probed())
        return self.door.fetch(request, read_completion).value, self.origin

    def _probed(self) -> Dialect:
        """The dialect of the server, by a small request of our own; kept like any other."""
        if self._dialect is not None:
            return self._dialect
        dialect: Dialect | None = Dialect()
        while dialect is not None:
            request = _public(Turn(PROBE), self.service, self.place, dialect, repr(dialect))
            try:
                answer = self.door.fetch(request, read_completion)
            except NoAnswer as error:
                reply = error.answer
                if not isinstance(reply, Reply) or reply.status not in _REFUSED:
                    raise ServiceError(_with_message(error)) from error
                _log.info("the server refused %s", dialect)
                following = dialect.after(reply.body.decode("utf-8", "replace"))
                if following is None:
                    raise ServiceError(_with_message(error)) from error
                dialect = following
                continue
            if dialect.form != "text" and not _fits(answer.value):
                # It answered, and paid no heed to the schema.
                _log.info("the server does not hold replies to the form %s", dialect.form)
                dialect = dialect.looser()
                continue
            break
        self._dialect = dialect or Dialect(form="text")
        _log.info("asking %s with %s", self.place.model, self._dialect)
        return self._dialect

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped("interrupted")


class _Unserved(Failed):
    """The service failed, not the model: asked again in the next run."""


def grouped(requests: Sequence[ModelRequest]) -> dict[str, list[ModelRequest]]:
    """Requests by their digest, in order: each group is asked once."""
    groups: dict[str, list[ModelRequest]] = {}
    for request in requests:
        groups.setdefault(request.digest, []).append(request)
    return groups


def _fits(completion: Completion) -> bool:
    try:
        parse(completion.text, PROBE.plain_schema)
    except ReplyError:
        return False
    return not completion.problem


def _with_message(error: NoAnswer) -> str:
    """The error with what the server said, on one line."""
    said = error.answer.detail.get("error", "") if isinstance(error.answer, Reply) else ""
    return f"{error} (it says: {str(said)[:300]})" if said else str(error)
