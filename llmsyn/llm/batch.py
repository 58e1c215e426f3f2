"""A folder instead of a connection: requests are written, results are read.

The same command is run again until nothing is missing; so chains of questions, re-asks and
second opinions go in rounds, at the price of a batch, or on a machine without a network.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from llmsyn.egress.budget import Cost, Limits
from llmsyn.egress.cache import Cache
from llmsyn.egress.ledger import Ledger
from llmsyn.egress.requests import Outgoing, Reply, Service
from llmsyn.errors import InputError, WaitingForBatch
from llmsyn.llm.client import Place, kept_completion, outgoing
from llmsyn.llm.completion import Completion, NotKept, Turn, read_completion
from llmsyn.llm.conversation import Record
from llmsyn.llm.gathering import estimate, gather
from llmsyn.llm.payload import Dialect
from llmsyn.llm.prices import Price, cost_of
from llmsyn.llm.requests import Failed, ModelReply, ModelRequest, Origin, Progress, Tally
from llmsyn.llm.results import REQUESTS, Results, read_results
from llmsyn.store import write_text

URL = "/v1/chat/completions"
MOST_LINES = 50_000  # of one file, as the Batch API allows
MOST_BYTES = 190_000_000  # it allows 200 MB
_SPEAKING = ("unsupported", "not support", "response_format", "unknown parameter")


@dataclass
class BatchModel:
    """A model that answers through a folder.  See :class:`llmsyn.llm.requests.Model`.

    ``price`` is that of a batch.
    """

    folder: Path
    place: Place
    cache: Cache
    ledger: Ledger
    limits: Limits
    price: Price | None
    reasks: int = 1
    record: Record = field(default_factory=Record)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.results: Results = read_results(self.folder)
        self._service = Service("batch folder", f"folder:{self.folder.name}", method="POST")
        self._written = _written(self.folder)
        self._planned = Cost()
        # OpenAI's name for the longest length; lines that failed say what else to change.
        self._dialect = Dialect(length="max_completion_tokens")
        for said in (text for texts in self.results.errors.values() for text in texts):
            if any(mark in said.lower() for mark in _SPEAKING):
                self._dialect = self._dialect.after(said) or self._dialect

    @property
    def name(self) -> str:
        """The model's name, as it stands in the requests."""
        return self.place.model

    @property
    def tally(self) -> Tally:
        """Counts; the cost is that of results taken up now, where they say it."""
        return self.record.tally

    def ask(
        self, requests: Sequence[ModelRequest], progress: Progress | None = None
    ) -> Iterator[ModelReply | Failed]:
        """Yield what is there; write what is not.  See :class:`llmsyn.llm.requests.Model`."""
        for request in requests:
            self._outgoing(Turn(request))  # refuse before anything is written
        missing: list[Turn] = []
        yield from gather(
            requests, self._exchange, self.record, missing, reasks=self.reasks, progress=progress
        )
        if not missing:
            return
        self.record.add(waiting=len(missing))
        new = [turn for turn in missing if self._to_write(turn)]
        files, held_back = self._write(new)
        raise WaitingForBatch(self._sentence(len(missing), len(new) - held_back, files, held_back))

    def _exchange(self, turn: Turn) -> tuple[Completion, Origin]:
        kept = kept_completion(self.cache, self.place, turn)
        body = self.results.completions.get(turn.digest)
        if body is None:
            if kept is None:
                raise NotKept(turn)
            return kept, "cache"
        completion = read_completion(body)
        if completion != kept:
            self._take_up(turn, body, completion)
        return completion, "batch"

    def _take_up(self, turn: Turn, body: bytes, completion: Completion) -> None:
        left = self._outgoing(turn)
        usage = completion.usage
        detail = {"model": completion.model, "reply": completion.text}
        if usage is not None:
            cost = cost_of(self.price, usage.prompt_tokens, usage.completion_tokens)
            self.record.spend(cost)
            counts = {
                "prompt_tokens": usage.prompt_tokens,
                "completion_tokens": usage.completion_tokens,
            }
            priced = {} if self.price is None else {"usd": round(cost.usd, 9)}
            reply = Reply(200, body, detail={**detail, **counts, **priced})
        else:
            reply = Reply(200, body, detail=detail)
        if self._written[turn.digest]:
            entry = self.ledger.entry(left, self._written[turn.digest], 0.0, _entry_name(left))
            self.ledger.answered(entry, reply, 0.0)
        self.cache.put(left, body, time.time())

    def _to_write(self, turn: Turn) -> bool:
        """Whether no written request for it is still open."""
        return self._written[turn.digest] <= len(self.results.errors.get(turn.digest, ()))

    def _write(self, turns: Sequence[Turn]) -> tuple[list[str], int]:
        """Write requests into new files; names of the files, and how many a limit held back."""
        files: list[str] = []
        lines: list[str] = []
        size = 0
        for place, turn in enumerate(turns):
            left = self._outgoing(turn)
            most = estimate(left, turn.request.max_tokens, self.price)
            if self.limits.passed_by(self._planned + most):
                held_back = len(turns) - place
                break
            self._planned += most
            line = _line(turn, left)
            if lines and (len(lines) == MOST_LINES or size + len(line) > MOST_BYTES):
                files.append(self._write_file(lines))
                lines, size = [], 0
            self._written[turn.digest] += 1
            self.ledger.sent(left, self._written[turn.digest], time.time(), _entry_name(left))
            lines.append(line)
            size += len(line)
        else:
            held_back = 0
        if lines:
            files.append(self._write_file(lines))
        return files, held_back

    def _write_file(self, lines: list[str]) -> str:
        numbers = [file.stem[len(REQUESTS) :] for file in self.folder.glob(f"{REQUESTS}*.jsonl")]
        number = max((int(text) for text in numbers if text.isdigit()), default=0) + 1
        file = self.folder / f"{REQUESTS}{number:03d}.jsonl"
        write_text(file, "".join(lines))
        return file.name

    def _outgoing(self, turn: Turn) -> Outgoing:
        return outgoing(turn, self._service, self.place, self._dialect)

    def _sentence(self, missing: int, written: int, files: list[str], held_back: int) -> str:
        there = f"{missing} requests wait for replies in {self.folder}"
        new = f" ({written} of them new, in {', '.join(files)})" if files else ""
        limit = f"; a limit held {held_back} back" if held_back else ""
        bad = len(self.results.unreadable)
        unread = f"; {bad} lines can't be read ({self.results.unreadable[0]})" if bad else ""
        return (
            f"{there}{new}{limit}{unread}; put the results there as .jsonl and run the same "
            "command again"
        )


def _line(turn: Turn, left: Outgoing) -> str:
    line = {"custom_id": turn.digest, "method": "POST", "url": URL, "body": left.left}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"


def _entry_name(left: Outgoing) -> str:
    """The same in the process that writes a request and in the one that reads its result."""
    return f"batch-{left.digest[:32]}"


def _written(folder: Path) -> Counter[str]:
    """How often each request stands in request files."""
    counts: Counter[str] = Counter()
    for file in sorted(folder.glob(f"{REQUESTS}*.jsonl")):
        for row, line in enumerate(file.read_text("utf-8").split("\n"), start=1):
            if not line:
                continue
            try:
                counts[json.loads(line)["custom_id"]] += 1
            except (ValueError, KeyError, TypeError):
                raise InputError(
                    "is no request; delete the file, and it is written again", file=file, row=row
                ) from None
    return counts
