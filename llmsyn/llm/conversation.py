"""From a request to a reply that fits, by any way of exchanging turns for completions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from llmsyn.egress.budget import Cost
from llmsyn.llm.completion import Completion, Turn
from llmsyn.llm.requests import Failed, ModelReply, ModelRequest, Origin, Tally, Usage
from llmsyn.llm.schema import ReplyError, parse

Exchange: TypeAlias = Callable[[Turn], "tuple[Completion, Origin]"]
_PAID: tuple[Origin, ...] = ("http", "local")


@dataclass
class Record:
    """Counts what becomes of requests, and remembers every turn with its completion."""

    tally: Tally = field(default_factory=Tally)
    turns: dict[str, tuple[Turn, Completion, Origin]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, **counts: int) -> None:
        """Raise counts of the tally."""
        with self._lock:
            now = {name: getattr(self.tally, name) + by for name, by in counts.items()}
            self.tally = replace(self.tally, **now)

    def spend(self, cost: Cost) -> None:
        """Add to the cost of the tally."""
        with self._lock:
            self.tally = replace(self.tally, cost=self.tally.cost + cost)

    def turn(self, turn: Turn, completion: Completion, origin: Origin) -> None:
        """Remember what a turn was answered with."""
        with self._lock:
            self.turns[turn.digest] = (turn, completion, origin)


def converse(
    request: ModelRequest, exchange: Exchange, record: Record, *, reasks: int
) -> ModelReply | Failed:
    """Ask until a reply fits, at most ``reasks`` times more.

    Returns
    -------
    The reply, or :class:`Failed` with what was wrong with the last one; nothing is made up.

    Raises
    ------
    Whatever ``exchange`` raises.
    """
    turn = Turn(request)
    usage = Usage()
    while True:
        completion, origin = exchange(turn)
        record.turn(turn, completion, origin)
        usage = _sum(usage, completion.usage)
        try:
            if completion.problem:
                raise ReplyError(completion.problem)
            content = parse(completion.text, request.plain_schema)
        except ReplyError as error:
            if len(turn.earlier) >= reasks:
                record.add(failed=1)
                return Failed(request, str(error))
            record.add(reasked=1)
            turn = turn.again(completion.text, str(error))
            continue
        record.add(answered=1, kept=0 if origin in _PAID else 1)
        return ModelReply(request, content, usage, completion.model, origin)


def _sum(first: Usage, second: Usage | None) -> Usage:
    if second is None:
        return first
    return Usage(
        first.prompt_tokens + second.prompt_tokens,
        first.completion_tokens + second.completion_tokens,
    )
