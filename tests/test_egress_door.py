"""The door as a whole, against a local server: what is fetched, kept, retried, refused."""

from __future__ import annotations

import json
import sqlite3
import threading
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from loopback import (
    Clock,
    Told,
    answer,
    cut_chunks,
    dripping,
    endless,
    hang_up,
    local_server,  # noqa: F401  # the fixture "server"
    only_loopback,  # noqa: F401  # runs by itself
    redirect,
    slowly,
    stopped_clock,  # noqa: F401  # the fixture "clock"
)

from llmsyn.egress.cache import Cache
from llmsyn.egress.database import connected
from llmsyn.egress.door import Door
from llmsyn.egress.ledger import Ledger, read_ledger
from llmsyn.egress.requests import Failure, Outgoing, PublicRequest, Reply, Service
from llmsyn.egress.retrying import Retrying
from llmsyn.egress.values import OwnText
from llmsyn.errors import InputError, OutputError, ServiceError

GOOD = b'{"word": "yes"}'


@pytest.fixture
def door(tmp_path: Path, clock: Clock) -> Door:
    return Door(
        Cache(tmp_path / "cache"),
        Ledger(tmp_path / "ledger.jsonl"),
        retrying=Retrying(draw=lambda: 1.0),
        clock=clock,
        sleep=clock.sleep,
    )


def asked(told: Told, text: str = "heart", **settings: Any) -> PublicRequest:
    settings = {"fresh_seconds": 100.0, "stale_seconds": 1000.0, "timeout_seconds": 5.0} | settings
    return PublicRequest(Service("Echo", told.url, **settings), {"q": OwnText(text)})


def word(body: bytes) -> str:
    try:
        return str(json.loads(body)["word"])
    except (ValueError, KeyError) as error:
        raise ServiceError("Echo answered with something that is no word; try later") from error


def kept(door: Door) -> int:
    with connected(door.cache.file) as database:
        return int(database.execute("SELECT count(*) FROM replies").fetchone()[0])


def statuses(door: Door) -> list[int | None]:
    return [entry.status for entry in read_ledger(door.ledger.file).entries]


def test_a_reply_is_fetched_once_and_then_kept(server: Told, door: Door) -> None:
    server.acts = [answer(GOOD)]
    first, second = (door.fetch(asked(server), word) for _ in range(2))
    assert (first.value, first.origin) == ("yes", "service")
    assert (second.value, second.origin, second.saved) == ("yes", "cache", first.saved)
    assert server.seen == ["/service?q=heart"]
    assert statuses(door) == [200]


def test_another_request_is_not_answered_from_the_cache(server: Told, door: Door) -> None:
    server.acts = [answer(GOOD)]
    door.fetch(asked(server, "heart"), word)
    door.fetch(asked(server, "lung"), word)
    assert len(server.seen) == 2


def test_a_reply_that_is_too_old_is_asked_for_again(server: Told, door: Door, clock: Clock) -> None:
    server.acts = [answer(GOOD), answer(b'{"word": "new"}')]
    door.fetch(asked(server), word)
    clock.now += 99
    assert door.fetch(asked(server), word).value == "yes"
    clock.now += 2
    assert door.fetch(asked(server), word).value == "new"
    assert len(server.seen) == 2


def test_a_clock_that_was_set_back_makes_no_reply_fresh(
    server: Told, door: Door, clock: Clock
) -> None:
    server.acts = [answer(GOOD)]
    door.fetch(asked(server), word)
    clock.now -= 1
    assert door.fetch(asked(server), word).origin == "service"


def test_a_failing_service_leaves_the_old_reply_and_says_so(
    server: Told, door: Door, clock: Clock
) -> None:
    server.acts = [answer(GOOD), answer(b"", 500)]
    first = door.fetch(asked(server), word)
    clock.now += 500
    stale = door.fetch(asked(server), word)
    assert (stale.value, stale.origin, stale.saved) == ("yes", "stale", first.saved)
    assert "status 500 (4 attempts)" in stale.problem
    clock.now += 1000
    with pytest.raises(ServiceError, match="status 500"):
        door.fetch(asked(server), word)


def test_an_unreadable_answer_leaves_the_old_reply_too(
    server: Told, door: Door, clock: Clock
) -> None:
    server.acts = [answer(GOOD), answer(b"<html>")]
    door.fetch(asked(server), word)
    clock.now += 500
    assert door.fetch(asked(server), word).origin == "stale"
    server.acts = [answer(b'{"word": "new"}')]
    assert door.fetch(asked(server), word).value == "new"


def test_a_burst_of_500_is_waited_out(server: Told, door: Door, clock: Clock) -> None:
    server.acts = [answer(b"", 500), answer(b"", 503), answer(GOOD)]
    assert door.fetch(asked(server), word).value == "yes"
    assert clock.slept == [0.5, 1.0]
    assert statuses(door) == [500, 503, 200]
    assert [e.attempt for e in read_ledger(door.ledger.file).entries] == [1, 2, 3]


def test_attempts_are_bounded(server: Told, door: Door, clock: Clock) -> None:
    server.acts = [answer(b"", 500)]
    with pytest.raises(ServiceError) as raised:
        door.fetch(asked(server), word)
    assert str(raised.value) == (
        f"Echo at {server.url} answered with status 500 (4 attempts); try again later"
    )
    assert len(server.seen) == 4
    assert kept(door) == 0


def test_retry_after_is_honoured(server: Told, door: Door, clock: Clock) -> None:
    server.acts = [answer(b"", 429, Retry_After="7"), answer(GOOD)]
    assert door.fetch(asked(server), word).value == "yes"
    assert clock.slept == [7.0]


def test_retry_after_as_a_date_is_honoured(server: Told, door: Door, clock: Clock) -> None:
    then = formatdate(clock.now + 9, usegmt=True)
    server.acts = [answer(b"", 503, Retry_After=then), answer(GOOD)]
    door.fetch(asked(server), word)
    assert clock.slept == [9.0]


def test_a_retry_after_beyond_all_patience_fails_at_once(
    server: Told, door: Door, clock: Clock
) -> None:
    server.acts = [answer(b"", 429, Retry_After="3600")]
    with pytest.raises(ServiceError, match=r"status 429; try again in 3600 s, as it asks"):
        door.fetch(asked(server), word)
    assert (clock.slept, len(server.seen)) == ([], 1)


def test_an_unreadable_retry_after_gets_the_usual_pause(
    server: Told, door: Door, clock: Clock
) -> None:
    server.acts = [answer(b"", 429, Retry_After="soon"), answer(GOOD)]
    door.fetch(asked(server), word)
    assert clock.slept == [0.5]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 204, 304])
def test_other_statuses_are_not_repeated(server: Told, door: Door, status: int) -> None:
    server.acts = [answer(b"", status)]
    with pytest.raises(ServiceError, match=f"status {status}; check the address"):
        door.fetch(asked(server), word)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("act", "problem", "requests"),
    [
        (slowly(0.4, answer(GOOD)), r"did not answer within 0\.2 s", 2),
        (dripping, r"did not answer within 0\.2 s", 2),
        (answer(GOOD, declared=100), r"broke off after 15 of 100 bytes", 2),
        (cut_chunks, r"broke off in the middle of its answer", 2),
        (hang_up, r"broke the connection|cannot be reached", 2),
        (endless, r"answered with more than 1,000 bytes", 1),
        (answer(b"x" * 2000), r"answered with more than 1,000 bytes", 1),
        (answer(b"", declared=10**30), r"answered with more than 1,000 bytes", 1),
        (answer(b"", Content_Encoding="gzip"), r"encoding gzip", 1),
        (redirect("http://example.org/service"), r"another host \(example\.org\)", 1),
        (redirect("http://127.0.0.1:1/service"), r"another host \(127\.0\.0\.1\)", 1),
        (redirect("http://user:key@127.0.0.1/"), r"another host", 1),
        (redirect("file:///etc/passwd"), r"another host \(none\)", 1),
        (redirect("http://[::1"), r"an address that is none", 1),
        (redirect("/service"), r"more than 3 times", 4),
    ],
)
def test_a_bad_answer_is_one_clear_sentence_and_is_not_kept(
    server: Told, door: Door, act: Any, problem: str, requests: int
) -> None:
    server.acts = [act]
    door = replace(door, retrying=Retrying(attempts=2, draw=lambda: 0.0))
    with pytest.raises(ServiceError, match=problem) as raised:
        # Short where the time has to run out; else long, for a machine under load.
        seconds = 0.2 if "0\\.2 s" in problem else 20.0
        door.fetch(asked(server, timeout_seconds=seconds, max_bytes=1000), word)
    assert "\n" not in str(raised.value)
    assert kept(door) == 0
    assert len(server.seen) == requests


def test_a_redirect_on_the_same_host_is_followed(server: Told, door: Door) -> None:
    server.acts = [redirect("/elsewhere?q=heart", 308), answer(GOOD)]
    assert door.fetch(asked(server), word).value == "yes"
    assert server.seen == ["/service?q=heart", "/elsewhere?q=heart"]


def test_data_is_not_carried_along_a_redirect(server: Told, door: Door) -> None:
    server.acts = [redirect("/elsewhere", 307)]
    with pytest.raises(ServiceError, match="redirected a request that carries data"):
        door.fetch(asked(server, method="POST"), word)


def test_a_posted_request_is_its_payload_as_json(server: Told, door: Door) -> None:
    sent: list[Outgoing] = []

    def remember(outgoing: Outgoing) -> Reply:
        sent.append(outgoing)
        return Reply(200, GOOD, detail={"tokens": 3})

    service = Service("Echo", server.url, method="POST")
    payload = {"b": {"c": (OwnText("x"), OwnText("y"))}, "a": OwnText("ü")}
    replace(door, transport=remember).fetch(PublicRequest(service, payload), word)
    assert sent[0].body == '{"b":{"c":["x","y"]},"a":"ü"}'.encode()
    (line,) = read_ledger(door.ledger.file).entries
    assert (line.left, line.detail) == ({"b": {"c": ["x", "y"]}, "a": "ü"}, {"tokens": 3})


def test_nobody_listening_is_said(door: Door, server: Told) -> None:
    told = Told(url="http://127.0.0.1:1/service")
    with pytest.raises(ServiceError, match=r"cannot be reached \(Connection refused\) \(4 att"):
        door.fetch(asked(told), word)


def test_the_ban_on_other_networks_works(door: Door) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"look up example\.org"):
        door.fetch(asked(Told(url="http://example.org/service")), word)


def test_what_the_guard_refuses_touches_nothing(server: Told, door: Door) -> None:
    request = replace(asked(server), payload={"q": "Jane Doe, born 1953-04-12"})  # type: ignore[dict-item]
    with pytest.raises(InputError, match="nothing was sent"):
        door.fetch(request, word)
    assert server.seen == []
    assert not door.ledger.file.exists()
    assert not door.cache.file.exists()


def test_nothing_leaves_without_a_ledger(server: Told, door: Door, tmp_path: Path) -> None:
    server.acts = [answer(GOOD)]
    (tmp_path / "file").touch()
    blocked = replace(door, ledger=Ledger(tmp_path / "file" / "ledger.jsonl"))
    with pytest.raises(OutputError, match="nothing is sent without it"):
        blocked.fetch(asked(server), word)
    assert server.seen == []


def test_the_line_is_in_the_ledger_before_the_request_leaves(door: Door, server: Told) -> None:
    def killed(outgoing: Outgoing) -> Failure:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(door, transport=killed).fetch(asked(server), word)
    (line,) = read_ledger(door.ledger.file).entries
    assert (line.left, line.status, line.problem) == ({"q": "heart"}, None, "no answer recorded")


def test_requests_of_many_threads_are_all_kept_and_all_written_down(
    server: Told, door: Door
) -> None:
    server.acts = [answer(GOOD)]
    problems: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for i in range(6):
                door.fetch(asked(server, f"{name}-{i}", per_minute=1000), word)
        except BaseException as error:  # noqa: BLE001  # shown by the assert below
            problems.append(error)

    threads = [threading.Thread(target=work, args=(f"t{i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    log = read_ledger(door.ledger.file)
    wanted = {f"t{i}-{j}" for i in range(6) for j in range(6)}
    assert {entry.left["q"] for entry in log.entries} == wanted
    assert {entry.status for entry in log.entries} == {200}
    assert (kept(door), len(server.seen), log.broken_rows) == (36, 36, ())


def test_a_cache_that_is_no_database_is_named(tmp_path: Path, door: Door, server: Told) -> None:
    door.cache.folder.mkdir()
    door.cache.file.write_text("hello, this is not a database at all" * 40)
    with pytest.raises(InputError, match=r"egress\.sqlite3 cannot be read .*; delete it"):
        door.fetch(asked(server), word)


def test_others_cannot_read_cache_and_ledger(server: Told, door: Door) -> None:
    server.acts = [answer(GOOD)]
    door.fetch(asked(server), word)
    modes = [path.stat().st_mode & 0o777 for path in (door.cache.file, door.ledger.file)]
    assert modes == [0o600, 0o600]


def test_retries_count_against_the_limit(server: Told, door: Door, clock: Clock) -> None:
    server.acts = [answer(b"", 500), answer(b"", 500), answer(GOOD)]
    door.fetch(asked(server, per_minute=2), word)
    assert sum(clock.slept) == pytest.approx(60)


def test_a_cache_file_is_plain_sqlite(server: Told, door: Door) -> None:
    server.acts = [answer(GOOD)]
    door.fetch(asked(server), word)
    connection = sqlite3.connect(door.cache.file)
    try:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert connection.execute("SELECT body, url FROM replies").fetchall() == [
            (GOOD, f"{server.url}?q=heart")
        ]
    finally:
        connection.close()
