"""Answering from what is kept, and gathering what is not: batch folder, dry run, replay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from llmsyn.egress.budget import Cost
from llmsyn.egress.cache import Cache
from llmsyn.egress.requests import Outgoing, Service
from llmsyn.errors import InputError
from llmsyn.llm.client import Place, grouped, kept_completion, outgoing
from llmsyn.llm.completion import Completion, NotKept, Turn, read_completion
from llmsyn.llm.conversation import Exchange, Record, converse
from llmsyn.llm.prices import Price, cost_of
from llmsyn.llm.requests import (
    Failed,
    ModelReply,
    ModelRequest,
    Origin,
    Progress,
    Tally,
)
from llmsyn.llm.results import Results

BYTES_PER_TOKEN = 3.0
"""For estimates only, and rather too low: see docs/language-model.md for what was measured."""

ANYWHERE = Service("language model", "folder:dry-run", method="POST")


def gather(
    requests: Sequence[ModelRequest],
    exchange: Exchange,
    record: Record,
    missing: list[Turn],
    *,
    reasks: int,
    progress: Progress | None,
) -> Iterator[ModelReply | Failed]:
    """Yield what can be answered now; turns that can't are added to ``missing``."""
    groups = grouped(requests)
    record.add(asked=len(groups))
    for done, group in enumerate(groups.values(), start=1):
        try:
            answer = converse(group[0], exchange, record, reasks=reasks)
        except NotKept as without:
            missing.append(without.turn)
            continue
        if progress is not None:
            progress(done, len(groups))
        for request in group:
            yield replace(answer, request=request)


def estimate(left: Outgoing, max_tokens: int, price: Price | None) -> Cost:
    """What a request costs at most, by the length of its text.

    Prompt tokens are bytes over :data:`BYTES_PER_TOKEN`; the reply counts as long as it may
    get.  Re-asks are not in it.
    """
    return cost_of(price, round(len(left.body or b"") / BYTES_PER_TOKEN), max_tokens)


@dataclass
class DryRun:
    """Counts what would be sent, and sends nothing."""

    name: str
    place: Place
    cache: Cache
    price: Price | None
    reasks: int = 1
    record: Record = field(default_factory=Record)
    results: Results = field(default_factory=Results)

    @property
    def tally(self) -> Tally:
        """Counts, with the estimated cost of what is not kept yet."""
        return self.record.tally

    def ask(
        self, requests: Sequence[ModelRequest], progress: Progress | None = None
    ) -> Iterator[ModelReply | Failed]:
        """Yield what is kept, and add up the rest.  See :class:`llmsyn.llm.requests.Model`."""
        missing: list[Turn] = []
        yield from gather(
            requests, self._exchange, self.record, missing, reasks=self.reasks, progress=progress
        )
        for turn in missing:
            left = outgoing(turn, ANYWHERE, self.place)
            self.record.spend(estimate(left, turn.request.max_tokens, self.price))

    def _exchange(self, turn: Turn) -> tuple[Completion, Origin]:
        if turn.digest in self.results.completions:
            return read_completion(self.results.completions[turn.digest]), "batch"
        kept = kept_completion(self.cache, self.place, turn)
        if kept is None:
            raise NotKept(turn)
        return kept, "cache"


@dataclass
class Replay:
    """Answers from kept replies, and sends nothing."""

    name: str
    folder: str
    results: Results
    reasks: int = 1
    record: Record = field(default_factory=Record)

    @property
    def tally(self) -> Tally:
        """Counts; a replay costs nothing."""
        return self.record.tally

    def ask(
        self, requests: Sequence[ModelRequest], progress: Progress | None = None
    ) -> Iterator[ModelReply | Failed]:
        """Yield kept replies.  See :class:`llmsyn.llm.requests.Model`.

        Raises
        ------
        InputError : a request has no reply: it is not the one that was asked then.
        """
        groups = grouped(requests)
        without = [
            group[0] for digest, group in groups.items() if digest not in self.results.completions
        ]
        if without:
            raise InputError(
                f"{len(without)} of {len(groups)} requests have no kept reply (the first is "
                f"{without[0].purpose}, {without[0].digest}); they are not the requests that were "
                "asked then, so use the settings and the version of then, or ask anew",
                file=self.folder,
            )
        missing: list[Turn] = []
        yield from gather(
            requests, self._exchange, self.record, missing, reasks=self.reasks, progress=progress
        )
        for turn in missing:  # a re-ask that nobody answered: its first reply did not fit
            self.record.add(failed=1)
            for request in groups[turn.request.digest]:
                yield Failed(request, turn.earlier[-1][1])

    def _exchange(self, turn: Turn) -> tuple[Completion, Origin]:
        if turn.digest not in self.results.completions:
            raise NotKept(turn)
        return read_completion(self.results.completions[turn.digest]), "replay"
