"""The client against a local server that goes wrong in every way it can."""

from __future__ import annotations

import json
import logging
import socket
import struct
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from chat_server import (
    Chat,
    chat_server,
    completion,
    expected,
    question,
    questions,
    refuses,
    says,
)
from loopback import answer, cut_chunks, dripping, endless, hang_up, only_loopback, slowly  # noqa: F401

from llmsyn.egress.ledger import read_ledger
from llmsyn.egress.retrying import Retrying
from llmsyn.errors import InputError, ServiceError
from llmsyn.llm import Failed, ModelOptions, ModelReply, ModelRequest, open_model

KEY = "sk-very-secret-0123456789"


@pytest.fixture
def chat() -> Iterator[Chat]:
    with chat_server() as running:
        yield running


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without their pauses, but for those that the server asks for."""
    pauses = Retrying(attempts=3, first_seconds=0.001)
    monkeypatch.setattr("llmsyn.llm.opening.Retrying", lambda attempts: pauses)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def options(chat: Chat, folder: Path, **changes: Any) -> ModelOptions:
    fields = {"cache": folder / "cache", "timeout_seconds": 5.0, "connections": 2} | changes
    return ModelOptions(url=chat.url, model="toy", **fields)


def asked(
    settings: ModelOptions, requests: list[ModelRequest]
) -> tuple[dict[str, ModelReply | Failed], Any]:
    with open_model(settings) as model:
        answers = {each.request.digest: each for each in model.ask(requests)}
        return answers, model.tally


def reset(handler: BaseHTTPRequestHandler) -> None:
    """Hang up so that the client sees a reset, not an end."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.connection.close()


def test_every_request_is_answered_and_counted_to_the_token(chat: Chat, tmp_path: Path) -> None:
    requests = questions(12)
    answers, tally = asked(options(chat, tmp_path), requests)
    assert {d: a.content for d, a in answers.items() if isinstance(a, ModelReply)} == {
        each.digest: expected(each) for each in requests
    }
    assert (tally.cost.prompt_tokens, tally.cost.completion_tokens) == (
        chat.prompt_tokens,
        chat.completion_tokens,
    )
    assert tally.cost.requests == 13  # the probe too
    log = read_ledger(tmp_path / "cache" / "ledger.jsonl")
    assert sum(int(e.detail["prompt_tokens"]) for e in log.entries) == chat.prompt_tokens  # type: ignore[arg-type]
    assert len(log.entries) == 13
    page = (tmp_path / "cache" / "ledger.html").read_text("utf-8")
    assert "topic 11" in page
    assert "toy-1" in page


def test_the_second_run_costs_nothing(chat: Chat, tmp_path: Path) -> None:
    first, _ = asked(options(chat, tmp_path), questions(4))
    n = len(chat.bodies)
    second, tally = asked(options(chat, tmp_path), questions(4))
    assert len(chat.bodies) == n
    assert (tally.cost.requests, tally.kept) == (0, 4)
    for digest, reply in first.items():
        again = second[digest]
        assert isinstance(again, ModelReply)
        assert isinstance(reply, ModelReply)
        assert (again.content, again.usage, again.origin) == (reply.content, reply.usage, "cache")


def test_another_model_or_seed_is_another_question(chat: Chat, tmp_path: Path) -> None:
    asked(options(chat, tmp_path), [question("topic 1")])
    asked(options(chat, tmp_path), [question("topic 1", seed=8)])
    asked(replace(options(chat, tmp_path), model="other"), [question("topic 1")])
    assert len(chat.asked) == 3


def test_what_is_sent(chat: Chat, tmp_path: Path) -> None:
    asked(options(chat, tmp_path), [question("topic 3", temperature=0.25)])
    (body,) = chat.asked
    assert body["messages"] == [
        {"role": "system", "content": "You rate."},
        {"role": "user", "content": "Give a code (A1 or B2) and a rating for topic 3."},
    ]
    assert (body["model"], body["temperature"], body["seed"], body["max_tokens"]) == (
        "toy",
        0.25,
        7,
        50,
    )
    form = body["response_format"]["json_schema"]
    assert form["strict"] is True
    assert list(form["schema"]["properties"]) == ["code", "rating"]  # in the order of writing
    assert form["schema"]["additionalProperties"] is False


def test_the_same_request_twice_is_asked_once_and_answered_twice(
    chat: Chat, tmp_path: Path
) -> None:
    twice = [question("topic 1"), question("topic 1")]
    with open_model(options(chat, tmp_path)) as model:
        answers = list(model.ask(twice))
    assert [answer.request is each for answer, each in zip(answers, twice, strict=True)] == [
        True,
        True,
    ]
    assert len(chat.asked) == 1


@pytest.mark.parametrize(
    "fault",
    [
        refuses(429, "slow down", Retry_After="0"),
        refuses(500, "oops"),
        refuses(503, "busy"),
        refuses(408, "late"),
        refuses(409, "conflict"),
        reset,
        hang_up,
        cut_chunks,
        answer(completion("{}")[:40], declared=400),  # truncated
        answer(b"<html>gateway</html>"),
        says("", usage=None, finish="stop") and answer(b'{"choices": []}'),
        answer(b'{"choices": null}'),
        answer(b"[]"),
        slowly(1.5, says("{}")),
        dripping,
    ],
    ids=[
        "429",
        "500",
        "503",
        "408",
        "409",
        "reset",
        "hang up",
        "cut chunks",
        "truncated",
        "html",
        "no choices",
        "null choices",
        "list",
        "slow",
        "dripping",
    ],
)
def test_a_passing_fault_is_retried(chat: Chat, tmp_path: Path, fault: Any) -> None:
    chat.faults = [fault]
    answers, tally = asked(options(chat, tmp_path, timeout_seconds=1.0), [question("topic 5")])
    (reply,) = answers.values()
    assert isinstance(reply, ModelReply)
    assert reply.content == {"code": "B2", "rating": 5}
    assert len(chat.asked) == 2
    entries = read_ledger(tmp_path / "cache" / "ledger.jsonl").entries
    assert len(entries) == 3  # the probe, the fault, the answer: all that left
    assert tally.cost.prompt_tokens == chat.prompt_tokens


def test_retry_after_is_waited_for(chat: Chat, tmp_path: Path) -> None:
    chat.faults = [refuses(429, "slow down", Retry_After="1")]
    with open_model(options(chat, tmp_path)) as model:
        slept: list[float] = []
        model.door = replace(model.door, sleep=slept.append)  # type: ignore[attr-defined]
        list(model.ask([question("topic 1")]))
    assert slept == [1.0]


def test_a_burst_of_errors_passes(chat: Chat, tmp_path: Path) -> None:
    chat.faults = [refuses(500, "oops"), refuses(500, "oops"), None] * 6
    answers, tally = asked(options(chat, tmp_path, connections=1), questions(6))
    assert all(isinstance(each, ModelReply) for each in answers.values())
    assert tally.failed == 0


def test_a_server_that_stays_down_ends_the_run(chat: Chat, tmp_path: Path) -> None:
    with open_model(options(chat, tmp_path)) as model:
        list(model.ask([question("topic 0")]))
        chat.always = lambda body: refuses(500, "down for good")
        with pytest.raises(ServiceError, match="5 requests in a row"):
            list(model.ask(questions(40)))
    assert len(chat.asked) < 40 * 3


def test_a_wrong_key_ends_the_run_at_once(chat: Chat, tmp_path: Path) -> None:
    chat.always = lambda body: refuses(401, f"Incorrect API key provided: {KEY}.")
    with pytest.raises(ServiceError, match="status 401") as raised:
        asked(options(chat, tmp_path), questions(3))
    assert KEY not in str(raised.value)
    assert "[key]" in str(raised.value)
    assert len(chat.bodies) == 1


def test_no_quota_is_not_retried(chat: Chat, tmp_path: Path) -> None:
    chat.always = lambda body: refuses(429, "insufficient_quota: pay first")
    with pytest.raises(ServiceError, match="quota of this key is used up"):
        asked(options(chat, tmp_path), questions(3))
    assert len(chat.bodies) == 1


UNUSABLE = {
    "prose": "I think A1.",
    "broken": '{"code": "A1", "rat',
    "wrong schema": '{"code": "A1"}',
    "extra": '{"code": "A1", "rating": 1, "note": "x"}',
    "invented code": '{"code": "ZZ9", "rating": 1}',
    "NaN": '{"code": "A1", "rating": NaN}',
    "half a pair": '{"code": "\\ud800", "rating": 1}',
    "empty": "",
}


@pytest.mark.parametrize("text", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_reply_that_does_not_fit_is_asked_again_with_the_error(
    chat: Chat, tmp_path: Path, text: str
) -> None:
    chat.faults = [says(text)]
    answers, tally = asked(options(chat, tmp_path), [question("topic 2")])
    (reply,) = answers.values()
    assert isinstance(reply, ModelReply)
    assert reply.content == {"code": "A1", "rating": 2}
    assert tally.reasked == 1
    messages = chat.asked[1]["messages"]
    assert [each["role"] for each in messages] == ["system", "user", "assistant", "user"]
    assert "That reply cannot be used. reply" in messages[3]["content"]


@pytest.mark.parametrize(
    "fault",
    [
        says("I can't help with that."),
        says("", refusal="I can't help with that."),
        says('{"code": "A1", "rating": 1}', finish="length"),
        says('{"code": "A1", "rating": 1}', finish="content_filter"),
        says('{"code": "ZZ9", "rating": 1}'),
    ],
    ids=["prose", "refusal", "cut off", "filtered", "invented code"],
)
def test_what_still_fails_is_counted_and_left_out(chat: Chat, tmp_path: Path, fault: Any) -> None:
    chat.faults = [fault, fault]
    answers, tally = asked(options(chat, tmp_path, connections=1), questions(3))
    kinds = {digest: type(each).__name__ for digest, each in answers.items()}
    assert sorted(kinds.values()) == ["Failed", "ModelReply", "ModelReply"]
    assert (tally.asked, tally.answered, tally.failed) == (3, 2, 1)
    n = len(chat.bodies)
    again, _ = asked(options(chat, tmp_path, connections=1), questions(3))
    assert len(chat.bodies) == n  # kept, so the same run has the same result
    assert {digest: type(each).__name__ for digest, each in again.items()} == kinds


def test_one_bad_request_fails_alone(chat: Chat, tmp_path: Path) -> None:
    chat.faults = [None, refuses(400, "too long for this model"), None, None]
    answers, tally = asked(options(chat, tmp_path, connections=1), questions(4))
    failed = [each for each in answers.values() if isinstance(each, Failed)]
    assert len(failed) == 1
    assert "too long for this model" in failed[0].reason
    assert tally.answered == 3


def test_a_redirect_is_not_followed(chat: Chat, tmp_path: Path) -> None:
    chat.always = lambda body: answer(b"", 307, Location="http://127.0.0.1:9/elsewhere")
    with pytest.raises(ServiceError, match="307"):
        asked(options(chat, tmp_path), questions(1))


def test_an_endless_answer_is_cut(
    chat: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmsyn.llm.opening._MAX_BYTES", 1_000_000)
    chat.always = lambda body: endless
    with pytest.raises(ServiceError, match="more than 1,000,000 bytes"):
        asked(options(chat, tmp_path), questions(1))


def test_nobody_there(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        nobody = ModelOptions(url=url, model="toy", cache=tmp_path)
        with pytest.raises(ServiceError, match="cannot be reached"):
            asked(nobody, questions(2))


class TestDialects:
    def test_a_server_without_schemas_gets_the_schema_in_the_prompt(
        self, chat: Chat, tmp_path: Path
    ) -> None:
        def picky(body: dict[str, Any]) -> Any:
            form = body.get("response_format", {}).get("type")
            return refuses(400, "response_format is not supported") if form else None

        chat.always = picky
        answers, _ = asked(options(chat, tmp_path), questions(3))
        assert all(isinstance(each, ModelReply) for each in answers.values())
        assert len(chat.bodies) - len(chat.asked) == 3  # strict, object, text: probed once
        for body in chat.asked:
            text = body["messages"][-1]["content"]
            assert "response_format" not in body
            assert json.loads(text.partition("nothing else:\n")[2]) == questions(1)[0].schema

    def test_a_server_that_pays_no_heed_to_the_schema_is_found_out(
        self, chat: Chat, tmp_path: Path
    ) -> None:
        def deaf(body: dict[str, Any]) -> Any:
            told = "JSON schema" in body["messages"][-1]["content"]
            return None if told else says("Well, I would say an apple.")

        chat.always = deaf
        _, tally = asked(options(chat, tmp_path), questions(3))
        assert (tally.answered, tally.reasked) == (3, 0)
        assert {body["response_format"]["type"] for body in chat.asked} == {"json_object"}

    @pytest.mark.parametrize(
        ("message", "gone", "there"),
        [
            ("Unsupported parameter: use max_completion_tokens", "max_tokens", 50),
            ("Unsupported value: temperature must be 1", "temperature", None),
            ("Unknown parameter: seed", "seed", None),
        ],
    )
    def test_fields_that_a_model_does_not_take(
        self, chat: Chat, tmp_path: Path, message: str, gone: str, there: int | None
    ) -> None:
        chat.always = lambda body: refuses(400, message) if gone in body else None
        _, tally = asked(options(chat, tmp_path), questions(2))
        assert tally.answered == 2
        assert all(gone not in body for body in chat.asked)
        assert all(body.get("max_completion_tokens") == there for body in chat.asked) or not there

    def test_a_resumed_run_does_not_probe_again(self, chat: Chat, tmp_path: Path) -> None:
        asked(options(chat, tmp_path), questions(1))
        asked(options(chat, tmp_path), questions(2))
        assert len(chat.bodies) - len(chat.asked) == 1


def test_the_key_is_nowhere(
    chat: Chat, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    chat.faults = [
        refuses(500, f"your key {KEY}"),
        says(f"your key is {KEY}"),  # a reply that does not fit, and is shown again
        answer(f"<html>{KEY}</html>".encode()),
        says(f'{{"code": "A1", "rating": 1, "x": "{KEY}"}}'),
    ]
    keep = tmp_path / "kept.jsonl"
    asked(options(chat, tmp_path, keep_replies=keep, connections=1), questions(3))
    assert chat.keys[0] == f"Bearer {KEY}"  # it was there to be leaked
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file
    assert KEY not in caplog.text
    assert KEY not in "".join(capsys.readouterr())
    assert KEY not in repr(options(chat, tmp_path))


def test_it_works_inside_a_running_event_loop(chat: Chat, tmp_path: Path) -> None:
    import asyncio

    async def cell() -> int:
        return len(asked(options(chat, tmp_path), questions(3))[0])

    assert asyncio.run(cell()) == 3


def test_leaving_early_is_clean(chat: Chat, tmp_path: Path) -> None:
    with open_model(options(chat, tmp_path, connections=1)) as model:
        for _ in model.ask(questions(30)):
            break
    assert len(chat.asked) < 30
    _, tally = asked(options(chat, tmp_path), questions(30))
    assert tally.answered == 30
    assert len(chat.asked) == 30  # none was lost, none was paid twice


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"url": None, "model": None}, "no language model is named"),
        ({"local": True}, "exclude each other"),
        ({"model": None}, "--model"),
        ({"gguf": Path("x.gguf")}, "--gguf goes with"),
        ({"url": "http://me:secret@host/v1"}, "unusable"),
        ({"url": "ftp://host"}, "unusable"),
        ({"max_usd": 1.0}, "no price"),
        ({"connections": 0}, "above 0"),
    ],
)
def test_options_that_cannot_be_used(
    chat: Chat, tmp_path: Path, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as raised:
        asked(replace(options(chat, tmp_path), **wrong), questions(1))
    assert "secret" not in str(raised.value)
    assert chat.bodies == []


def test_openai_itself_needs_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(InputError, match="OPENAI_API_KEY is not set"):
        asked(ModelOptions(model="gpt-x", cache=tmp_path), questions(1))
