"""``llmsyn knowledge about``: offline unless asked, and everything that leaves is written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from loopback import (
    HEART,
    Told,
    answer,
    feed,
    local_server,  # noqa: F401  # the fixture "server"
    only_loopback,  # noqa: F401  # runs by itself
    redirect,
)

from llmsyn.cli.about import about as command
from llmsyn.egress.database import connected
from llmsyn.egress.ledger import read_ledger
from llmsyn.errors import ServiceError
from llmsyn.knowledge.medlineplus import (
    ATTRIBUTION,
)


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(command, list(arguments))
    if code == 0 and result.exception is not None:
        raise result.exception
    assert (result.exit_code == 0) == (code == 0)
    return result


def error(result: Result) -> Any:
    return result.exception


def test_the_command_is_offline_unless_asked(tmp_path: Path) -> None:
    text = run("I50.9").output
    assert text.startswith("icd10cm I509: Heart failure, unspecified\ncondition: Heart failure")
    assert "Sources:" in text
    data = json.loads(run("furosemide", "--system", "ingredient", "--json").output)
    assert (data["kind"], data["topics"]) == ("drug", [])
    assert run("I50.9", "--prompt").output.startswith("<<< data from")
    assert run("I50.9", "--quiet").output == ""


def test_the_command_online(tmp_path: Path, server: Told) -> None:
    server.acts = [answer(feed(HEART))]
    ledger = tmp_path / "left.jsonl"
    options = ("--online", "--cache", str(tmp_path / "c"), "--ledger", str(ledger),
               "--service-url", server.url)  # fmt: skip
    text = run("I50.9", *options).output
    assert "Heart Failure (https://medlineplus.gov/heartfailure.html)\nWhat is it?" in text
    assert f"{ATTRIBUTION}, retrieved 20" in text
    assert json.loads(run("I50.9", *options, "--json").output)["topics"][0]["title"]
    assert len(server.seen) == 1
    assert len(read_ledger(ledger).entries) == 1
    assert "I50.9" in (tmp_path / "left.html").read_text("utf-8")


def test_the_command_says_when_there_is_no_topic(tmp_path: Path, server: Told) -> None:
    server.acts = [answer(feed())]
    text = run("I50.9", "--online", "--cache", str(tmp_path), "--service-url", server.url).output
    assert "MedlinePlus has no health topic for it." in text


def test_the_command_says_when_the_topics_are_old(tmp_path: Path, server: Told) -> None:
    server.acts = [answer(feed(HEART)), answer(b"", 404)]
    options = ("--online", "--cache", str(tmp_path), "--service-url", server.url)
    run("I50.9", *options)
    with connected(tmp_path / "egress.sqlite3") as database:
        database.execute("UPDATE replies SET saved = saved - 200000")
    result = run("I50.9", *options)
    assert "Heart Failure (https" in result.stdout
    assert "note: the topics are of 20" in result.stderr
    assert "status 404" in result.stderr


def test_a_failed_request_is_on_the_page_too(tmp_path: Path, server: Told) -> None:
    server.acts = [redirect("http://example.org/")]
    result = run("I50.9", "--online", "--cache", str(tmp_path), "--service-url", server.url, code=3)
    assert isinstance(error(result), ServiceError)
    assert "another host" in (tmp_path / "ledger.html").read_text("utf-8")


def test_the_cache_is_the_users_own_unless_said_otherwise(
    tmp_path: Path, server: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    server.acts = [answer(feed(HEART))]
    run("I50.9", "--online", "--service-url", server.url)
    names = {path.name for path in (tmp_path / "llmsyn").iterdir()}
    assert names >= {"egress.sqlite3", "ledger.jsonl", "ledger.html"}


@pytest.mark.parametrize(
    "options",
    [("--cache", "x"), ("--ledger", "x"), ("--service-url", "http://h/"), ("--language", "es"),
     ("--prompt", "--json")],
)  # fmt: skip
def test_options_that_would_do_nothing_are_refused(options: tuple[str, ...]) -> None:
    assert "Error:" in run("I50.9", *options, code=2).output
