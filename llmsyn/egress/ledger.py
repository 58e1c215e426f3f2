"""What left the building: a JSON Lines file that is only ever appended to.

Each attempt at a request has a line ``sent``, on disk *before* the first byte leaves, and a
line ``answered`` after.  A process that is killed in between leaves the first one, so that
the ledger never misses what left.  Answers from the cache have no line: nothing left.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from llmsyn.egress.requests import Failure, Outgoing, Plain, Reply
from llmsyn.errors import InputError, OutputError


@dataclass(frozen=True)
class Entry:
    """One attempt at a request.

    Attributes
    ----------
    id : joins the two lines of an attempt.
    time : when it left, ISO 8601 in UTC.
    endpoint : method and address, without the query.
    left : what left, in plain values.
    digest : hash of the request, the key of the cache.
    bytes_out, bytes_in : size of address and body; size of the answer's body.
    status : HTTP status; None when no whole answer came, or none is recorded.
    problem : why no whole answer came; "no answer recorded" after a kill.
    detail : what the transport adds: model, tokens, price, text of the reply.
    """

    id: str
    time: str
    service: str
    endpoint: str
    attempt: int
    left: Mapping[str, Plain]
    digest: str
    bytes_out: int
    status: int | None = None
    bytes_in: int = 0
    seconds: float = 0.0
    problem: str = "no answer recorded"
    detail: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True)
class Ledger:
    """Appends to one file, from any number of threads and processes."""

    file: Path

    def sent(self, outgoing: Outgoing, attempt: int, now: float, name: str | None = None) -> Entry:
        """Write down that a request leaves now.

        Parameters
        ----------
        name : id of the entry, where the answer is taken up by a later process.

        Raises
        ------
        OutputError : the file cannot be written; then nothing may leave.
        """
        entry = self.entry(outgoing, attempt, now, name)
        names = ("id", "time", "service", "endpoint", "attempt", "left", "digest", "bytes_out")
        self._append({"event": "sent", **{name: getattr(entry, name) for name in names}})
        return entry

    def entry(self, outgoing: Outgoing, attempt: int, now: float, name: str | None = None) -> Entry:
        """The entry of an attempt, written nowhere yet."""
        return Entry(
            id=name or uuid.uuid4().hex,
            time=datetime.fromtimestamp(now, timezone.utc).isoformat(timespec="milliseconds"),
            service=outgoing.service.name,
            endpoint=f"{outgoing.method} {outgoing.service.url}",
            attempt=attempt,
            left=outgoing.left,
            digest=outgoing.digest,
            bytes_out=outgoing.n_bytes,
        )

    def answered(self, entry: Entry, answer: Reply | Failure, seconds: float) -> Entry:
        """Write down what came of it.

        Raises
        ------
        OutputError : the file cannot be written.
        """
        if isinstance(answer, Failure):
            done = replace(entry, problem=answer.reason, seconds=round(seconds, 3))
        else:
            done = replace(
                entry,
                problem="",
                status=answer.status,
                bytes_in=len(answer.body),
                seconds=round(seconds, 3),
                detail=answer.detail,
            )
        names = ("id", "status", "bytes_in", "seconds", "problem", "detail")
        self._append({"event": "answered", **{name: getattr(done, name) for name in names}})
        return done

    def _append(self, line: Mapping[str, Any]) -> None:
        data = json.dumps(line, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                _write_whole(handle, data)
            finally:
                os.close(handle)  # and with it the lock
        except OSError as error:
            raise OutputError(
                f"the ledger {self.file} cannot be written ({error.strerror}); nothing is sent "
                "without it, so choose another file with --ledger"
            ) from error


def _write_whole(handle: int, data: bytes) -> None:
    size = os.fstat(handle).st_size
    if size and os.pread(handle, 1, size - 1) != b"\n":
        data = b"\n" + data  # a line that was cut off by a full disk stays alone
    while data:
        data = data[os.write(handle, data) :]
    os.fsync(handle)


@dataclass(frozen=True)
class Log:
    """A ledger that was read: its entries in order, and the rows that are no line of one."""

    entries: tuple[Entry, ...]
    broken_rows: tuple[int, ...] = ()


def read_ledger(file: Path) -> Log:
    """Read a ledger and join the two lines of each attempt.

    Raises
    ------
    InputError : the file cannot be read.
    """
    entries: dict[str, Entry] = {}
    broken = []
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(
            f"the ledger cannot be read ({error.strerror}); check the path", file=file
        ) from error
    for row, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            fields = json.loads(line)
            event = fields.pop("event")
            if event == "sent":
                entry = Entry(**fields)
                entries[entry.id] = entry
            elif event == "answered":
                entries[fields["id"]] = replace(entries[fields["id"]], **fields)
            else:
                broken.append(row)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            broken.append(row)  # counted and shown; the rest can still be read
    return Log(tuple(entries.values()), tuple(broken))
