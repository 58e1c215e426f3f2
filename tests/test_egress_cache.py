"""Cache and rate limit: many writers, killed writers, and never more than the minute allows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from loopback import (
    Clock,
    only_loopback,  # noqa: F401  # runs by itself
    stopped_clock,  # noqa: F401  # the fixture "clock"
)

from llmsyn.egress.cache import Cache
from llmsyn.egress.database import connected, writing
from llmsyn.egress.guard import check
from llmsyn.egress.ledger import read_ledger
from llmsyn.egress.rate import Limiter
from llmsyn.egress.requests import PublicRequest, Service
from llmsyn.egress.values import OwnText
from llmsyn.errors import OutputError

WRITER = """
import sys, time
from pathlib import Path
from llmsyn.egress.cache import Cache
from llmsyn.egress.guard import check
from llmsyn.egress.ledger import Ledger
from llmsyn.egress.requests import PublicRequest, Reply, Service
from llmsyn.egress.values import OwnText
folder, name, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
cache, ledger = Cache(folder), Ledger(folder / "ledger.jsonl")
for i in range(number):
    outgoing = check(PublicRequest(Service("S", "http://h/"), {"q": OwnText(f"{name}-{i}")}))
    entry = ledger.sent(outgoing, 1, time.time())
    ledger.answered(entry, Reply(200, b"x" * 5000), 0.0)
    cache.put(outgoing, b"x" * 5000, time.time())
    print(outgoing.digest, flush=True)
"""


def writer(folder: Path, name: str, number: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), name, str(number)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_write_side_by_side(tmp_path: Path) -> None:
    running = [writer(tmp_path, f"p{i}", 15) for i in range(3)]
    digests = [line for each in running for line in each.communicate()[0].split()]
    assert [each.returncode for each in running] == [0, 0, 0]
    cache = Cache(tmp_path)
    assert all(cache.get(digest) is not None for digest in digests)
    log = read_ledger(tmp_path / "ledger.jsonl")
    assert (len(set(digests)), len(log.entries), log.broken_rows) == (45, 45, ())
    assert all(entry.status == 200 for entry in log.entries)


def test_a_killed_writer_loses_nothing_that_it_had_kept(tmp_path: Path) -> None:
    victim = writer(tmp_path, "victim", 100_000)
    assert victim.stdout is not None
    said = [victim.stdout.readline().strip() for _ in range(10)]
    os.kill(victim.pid, signal.SIGKILL)
    rest, _ = victim.communicate()
    said += rest.split("\n")[:-1]  # what follows the last line end may be cut off
    assert victim.returncode == -signal.SIGKILL
    cache = Cache(tmp_path)
    assert all(cache.get(digest) is not None for digest in said)
    with connected(cache.file) as database:
        assert database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    log = read_ledger(tmp_path / "ledger.jsonl")
    assert {entry.digest for entry in log.entries} >= set(said)
    heir = writer(tmp_path, "heir", 2)
    assert len(heir.communicate()[0].split()) == 2


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="choose another folder with --cache"):
        Cache(tmp_path / "file" / "cache").get("0")


def test_the_newer_of_two_replies_stays(tmp_path: Path) -> None:
    request = PublicRequest(Service("S", "http://h/"), {"q": OwnText("x")})
    cache, outgoing = Cache(tmp_path), check(request)
    cache.put(outgoing, b"new", 2.0)
    cache.put(outgoing, b"old", 1.0)
    kept_reply = cache.get(outgoing.digest)
    assert kept_reply is not None
    assert (kept_reply.body, kept_reply.saved) == (b"new", 2.0)


def test_a_failed_write_is_taken_back(tmp_path: Path) -> None:
    with connected(tmp_path / "c.sqlite3") as database:
        with pytest.raises(ZeroDivisionError), writing(database):
            database.execute("INSERT INTO calls VALUES ('a', 1)")
            raise ZeroDivisionError
        assert database.execute("SELECT count(*) FROM calls").fetchone()[0] == 0


def most_in_a_minute(times: list[float]) -> int:
    return max(sum(start <= t < start + 60 for t in times) for start in times)


def test_no_minute_has_more_requests_than_allowed(tmp_path: Path, clock: Clock) -> None:
    limiter = Limiter(tmp_path / "c.sqlite3", clock, clock.sleep)
    service = Service("S", "http://h/", per_minute=5)
    times = []
    for i in range(23):
        limiter.wait(service)
        times.append(clock.now)
        clock.now += 1.0 + i % 3
    assert most_in_a_minute(times) == 5
    assert times[4] - times[0] < 60  # and the first five did not wait


def test_a_second_limiter_counts_the_requests_of_the_first(tmp_path: Path, clock: Clock) -> None:
    service = Service("S", "http://h/", per_minute=2)
    for _ in range(2):
        assert Limiter(tmp_path / "c.sqlite3", clock, clock.sleep).wait(service) == 0
    assert Limiter(tmp_path / "c.sqlite3", clock, clock.sleep).wait(service) == 60
    other = replace(service, name="T")
    assert Limiter(tmp_path / "c.sqlite3", clock, clock.sleep).wait(other) == 0
