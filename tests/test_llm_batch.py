"""The batch folder goes in rounds until nothing is missing; replays send nothing."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chat_server import chat_server, completion, expected, question, questions, sensible, user_text
from loopback import only_loopback  # noqa: F401  # runs by itself

from llmsyn.egress.ledger import read_ledger
from llmsyn.errors import InputError, WaitingForBatch
from llmsyn.llm import Failed, ModelOptions, ModelReply, ModelRequest, open_model
from llmsyn.llm.results import read_results


@pytest.fixture
def options(tmp_path: Path) -> ModelOptions:
    return ModelOptions(batch=tmp_path / "batch", model="toy", cache=tmp_path / "cache")


def run(
    options: ModelOptions, requests: list[ModelRequest]
) -> tuple[dict[str, ModelReply | Failed], Any, str]:
    answers: dict[str, ModelReply | Failed] = {}
    with open_model(options) as model:
        try:
            for each in model.ask(requests):
                answers[each.request.digest] = each
        except WaitingForBatch as error:
            return answers, model.tally, str(error)
        return answers, model.tally, ""


def written(options: ModelOptions) -> list[dict[str, Any]]:
    assert options.batch is not None
    lines: list[dict[str, Any]] = []
    for file in sorted(options.batch.glob("requests-*.jsonl")):
        lines += [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return lines


def result(line: dict[str, Any], text: str | None = None) -> dict[str, Any]:
    """What the Batch API would give back for a line."""
    reply = sensible(user_text(line["body"])) if text is None else text
    response = {"status_code": 200, "body": json.loads(completion(reply)), "request_id": "r"}
    return {"id": "b", "custom_id": line["custom_id"], "response": response, "error": None}


def put(options: ModelOptions, name: str, lines: list[Any]) -> None:
    assert options.batch is not None
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    (options.batch / name).write_text("\n".join(texts) + "\n", "utf-8")


def test_a_round_trip(options: ModelOptions, tmp_path: Path) -> None:
    requests = questions(5)
    answers, tally, message = run(options, requests)
    assert (answers, tally.waiting) == ({}, 5)
    assert "5 requests wait" in message
    assert "requests-001.jsonl" in message
    lines = written(options)
    assert [line["custom_id"] for line in lines] == [each.digest for each in requests]
    assert lines[0]["url"] == "/v1/chat/completions"
    assert lines[0]["body"]["max_completion_tokens"] == 50
    put(options, "output.jsonl", [result(line) for line in lines])
    answers, tally, message = run(options, requests)
    assert message == ""
    assert {d: a.content for d, a in answers.items() if isinstance(a, ModelReply)} == {
        each.digest: expected(each) for each in requests
    }
    assert (tally.cost.prompt_tokens, tally.cost.completion_tokens) == (50, 25)
    entries = read_ledger(tmp_path / "cache" / "ledger.jsonl").entries
    assert len(entries) == 5
    assert {entry.detail["model"] for entry in entries} == {"toy-1"}
    assert {entry.endpoint for entry in entries} == {"POST folder:batch"}
    _, tally, _ = run(options, requests)
    assert (tally.answered, tally.cost.requests) == (5, 0)


def test_waiting_writes_nothing_twice(options: ModelOptions) -> None:
    for _ in range(3):
        _, tally, message = run(options, questions(4))
        assert tally.waiting == 4
    assert len(written(options)) == 4
    assert "new" not in message


def test_partial_results_in_any_order_and_several_files(options: ModelOptions) -> None:
    requests = questions(9)
    run(options, requests)
    lines = [result(line) for line in written(options)]
    random.Random(1).shuffle(lines)
    put(options, "b.jsonl", lines[:3])
    answers, tally, _ = run(options, requests)
    assert (len(answers), tally.waiting) == (3, 6)
    put(options, "a.jsonl", lines[2:8])
    assert options.batch is not None
    (options.batch / "c.jsonl.gz").write_bytes(gzip.compress(json.dumps(lines[8]).encode()))
    answers, _, message = run(options, requests)
    assert (len(answers), message) == (9, "")
    assert len(written(options)) == 9


def test_a_line_that_failed_is_asked_again(options: ModelOptions) -> None:
    requests = questions(3)
    run(options, requests)
    good, bad, late = (result(line) for line in written(options))
    bad |= {"response": {"status_code": 500, "body": {"error": {"message": "oops"}}}}
    late |= {"response": None, "error": {"code": "batch_expired", "message": "too late"}}
    put(options, "output.jsonl", [good, bad, late])
    answers, tally, message = run(options, requests)
    assert (len(answers), tally.waiting) == (1, 2)
    assert "requests-002.jsonl" in message
    assert run(options, requests)[2]
    assert len(written(options)) == 5  # the new ones are open now, so they stand there once
    put(options, "output-2.jsonl", [result(line) for line in written(options)[3:]])
    assert run(options, requests)[2] == ""


def test_a_reply_that_does_not_fit_goes_into_the_next_round(options: ModelOptions) -> None:
    requests = questions(2)
    run(options, requests)
    lines = written(options)
    put(options, "output.jsonl", [result(lines[0]), result(lines[1], '{"code": "ZZ9"}')])
    answers, tally, _ = run(options, requests)
    assert (len(answers), tally.waiting, tally.reasked) == (1, 1, 1)
    again = written(options)[2]
    assert again["custom_id"] not in {each.digest for each in requests}
    assert "cannot be used" in again["body"]["messages"][-1]["content"]
    put(options, "output-2.jsonl", [result(again)])
    answers, _, message = run(options, requests)
    assert message == ""
    assert all(isinstance(each, ModelReply) for each in answers.values())


def test_a_reply_that_still_does_not_fit_is_left_out(options: ModelOptions) -> None:
    requests = questions(1)
    for name in ("one.jsonl", "two.jsonl"):
        run(options, requests)
        put(options, name, [result(written(options)[-1], "no idea")])
    answers, tally, message = run(options, requests)
    assert (message, tally.failed) == ("", 1)
    assert isinstance(answers[requests[0].digest], Failed)


EASY: dict[str, Callable[[str, dict[str, Any]], Any]] = {
    "object": lambda digest, content: {"custom_id": digest, "content": content},
    "text": lambda digest, content: {"custom_id": digest, "content": json.dumps(content)},
    "fenced": lambda digest, content: {
        "custom_id": digest,
        "content": f"Here:\n```json\n{json.dumps(content)}\n```",
        "model": "by hand",
    },
    "kept": lambda digest, content: {"digest": digest, "reply": content, "origin": "a person"},
}


@pytest.mark.parametrize("form", EASY.values(), ids=EASY.keys())
def test_replies_written_by_hand(options: ModelOptions, form: Any) -> None:
    requests = questions(3)
    run(options, requests)
    put(options, "mine.jsonl", [form(each.digest, expected(each)) for each in requests])
    answers, tally, message = run(options, requests)
    assert message == ""
    assert [a.content for a in answers.values() if isinstance(a, ModelReply)] == [
        expected(each) for each in requests
    ]
    assert tally.cost.requests == 0  # nobody said what it cost


def test_lines_that_cannot_be_read_are_named_and_passed_over(options: ModelOptions) -> None:
    requests = questions(2)
    run(options, requests)
    good = result(written(options)[0])
    broken = ["", "{", "[]", '{"custom_id": 3, "content": "x"}', '{"content": "x"}', "null"]
    put(options, "output.jsonl", [*broken, good])
    answers, _, message = run(options, requests)
    assert len(answers) == 1
    assert "5 lines can't be read (output.jsonl, row 2" in message


def test_a_corrected_reply_takes_the_place_of_the_first(options: ModelOptions) -> None:
    (request,) = questions(1)
    run(options, [request])
    put(options, "a.jsonl", [{"custom_id": request.digest, "content": {"code": "A1", "rating": 8}}])
    run(options, [request])
    put(options, "b.jsonl", [{"custom_id": request.digest, "content": {"code": "B2", "rating": 9}}])
    answers, _, _ = run(options, [request])
    reply = answers[request.digest]
    assert isinstance(reply, ModelReply)
    assert reply.content == {"code": "B2", "rating": 9}


def test_results_may_go_once_they_were_read(options: ModelOptions) -> None:
    requests = questions(3)
    run(options, requests)
    put(options, "output.jsonl", [result(line) for line in written(options)])
    run(options, requests)
    assert options.batch is not None
    (options.batch / "output.jsonl").unlink()
    answers, _, message = run(options, requests)
    assert (len(answers), message) == (3, "")


def test_a_limit_holds_requests_back(options: ModelOptions) -> None:
    limited = replace(options, max_requests=2)
    _, _, message = run(limited, questions(5))
    assert "a limit held 3 back" in message
    assert len(written(options)) == 2
    run(limited, questions(5))
    assert len(written(options)) == 4


def test_large_batches_are_split(options: ModelOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmsyn.llm.batch.MOST_LINES", 4)
    _, _, message = run(options, questions(10))
    assert "requests-001.jsonl, requests-002.jsonl, requests-003.jsonl" in message
    assert len(written(options)) == 10


def test_a_field_that_the_model_does_not_take_is_left_out_next_time(
    options: ModelOptions,
) -> None:
    (request,) = questions(1)
    run(options, [request])
    line = written(options)[0]
    assert "temperature" in line["body"]
    said = {"error": {"message": "Unsupported value: temperature does not support 0"}}
    failed = {"custom_id": line["custom_id"], "response": {"status_code": 400, "body": said}}
    put(options, "errors.jsonl", [failed])
    run(options, [request])
    assert "temperature" not in written(options)[1]["body"]


def test_a_dry_run_writes_nothing(options: ModelOptions) -> None:
    _, tally, _ = run(replace(options, dry_run=True, model="gpt-5-mini"), questions(3))
    assert tally.cost.requests == 3
    assert options.batch is not None
    assert not options.batch.exists()
    full = run(ModelOptions(model="gpt-5-mini", dry_run=True, cache=options.cache), questions(3))[1]
    assert tally.cost.usd == pytest.approx(full.cost.usd / 2, rel=0.05)  # half the price


class TestReplay:
    def kept(self, tmp_path: Path, requests: list[ModelRequest]) -> Path:
        file = tmp_path / "kept" / "replies.jsonl"
        with chat_server() as chat:
            chat.faults = []
            settings = ModelOptions(
                url=chat.url, model="toy", cache=tmp_path / "cache", keep_replies=file
            )
            run(settings, requests)
        return file

    def test_kept_replies_answer_the_same_requests(self, tmp_path: Path) -> None:
        requests = questions(4)
        file = self.kept(tmp_path, requests)
        for place in (file, file.parent):
            answers, tally, _ = run(ModelOptions(replay=place, cache=tmp_path / "x"), requests)
            for each in requests:
                reply = answers[each.digest]
                assert isinstance(reply, ModelReply)
                assert reply.content == expected(each)
                assert (reply.origin, reply.model) == ("replay", "toy-1")
                assert reply.usage.prompt_tokens > 0
            assert tally.cost.requests == 0
        assert not (tmp_path / "x").exists()

    def test_equal_runs_keep_equal_bytes(self, tmp_path: Path) -> None:
        first = self.kept(tmp_path / "a", questions(6)).read_bytes()
        again = self.kept(tmp_path / "b", list(reversed(questions(6)))).read_bytes()
        assert first == again
        assert len(first.splitlines()) == 6

    def test_re_asks_are_replayed_too(self, tmp_path: Path) -> None:
        bad = tmp_path / "bad.jsonl"
        request = question("topic 3")
        lines = [{"digest": request.digest, "reply": "no idea"}]
        bad.write_text(json.dumps(lines[0]) + "\n", "utf-8")
        answers, tally, _ = run(ModelOptions(replay=bad, cache=tmp_path), [request])
        failed = answers[request.digest]
        assert isinstance(failed, Failed)
        assert "no JSON object" in failed.reason
        assert tally.failed == 1

    def test_another_request_is_an_error(self, tmp_path: Path) -> None:
        file = self.kept(tmp_path, questions(2))
        with pytest.raises(InputError, match="1 of 3 requests have no kept reply"):
            run(ModelOptions(replay=file, cache=tmp_path), questions(3))

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="check the path"):
            run(ModelOptions(replay=tmp_path / "none", cache=tmp_path), questions(1))


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8 JSON Lines"):
        read_results(tmp_path)
