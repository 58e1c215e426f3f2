"""Limits are never passed, prices are read from a file, and a dry run sends nothing."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import Chat, chat_server, question, questions, says
from loopback import hang_up, only_loopback, slowly  # noqa: F401  # runs by itself

from llmsyn.egress.budget import Budget, Cost, Limits
from llmsyn.egress.requests import Failure, Outgoing, Reply, Service
from llmsyn.errors import BudgetReached, InputError
from llmsyn.llm import ModelOptions, open_model
from llmsyn.llm.prices import SHIPPED, load_prices, price_of

TABLE = """schema = 1
[[models]]
names = ["toy"]
input = 1000.0
output = 4000.0
batch_share = 0.5
source = "made up"
"""


@pytest.fixture
def chat() -> Iterator[Chat]:
    with chat_server() as running:
        yield running


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    file = tmp_path / "prices.toml"
    file.write_text(TABLE, "utf-8")
    return file


def options(chat: Chat, folder: Path, **changes: Any) -> ModelOptions:
    fields = {"cache": folder / "cache", "timeout_seconds": 5.0, "connections": 4} | changes
    return ModelOptions(url=chat.url, model="toy", **fields)


def until_stopped(settings: ModelOptions, n: int) -> tuple[int, Any, str]:
    """Answers, tally, and the message if the run stopped."""
    answers: list[Any] = []
    with open_model(settings) as model:
        try:
            answers.extend(model.ask(questions(n)))
        except BudgetReached as error:
            return len(answers), model.tally, str(error)
        return len(answers), model.tally, ""


def test_max_requests_stops_and_the_same_command_goes_on(chat: Chat, tmp_path: Path) -> None:
    got, tally, message = until_stopped(options(chat, tmp_path, max_requests=5), 12)
    assert (got, tally.cost.requests, len(chat.bodies)) == (4, 5, 5)  # and the probe
    assert "--max-requests 5" in message
    assert "run the same command again" in message
    rounds = 0
    while message:
        rounds += 1
        got, _, message = until_stopped(options(chat, tmp_path, max_requests=5), 12)
    assert got == 12
    assert len(chat.asked) == 12  # nothing was paid twice
    assert rounds == 2


@pytest.mark.parametrize("limit", [700, 2000, 5000])
def test_max_tokens_is_never_passed(chat: Chat, tmp_path: Path, limit: int) -> None:
    got, tally, message = until_stopped(options(chat, tmp_path, max_tokens=limit), 60)
    assert message
    assert tally.cost.tokens <= limit
    assert tally.cost.tokens == chat.prompt_tokens + chat.completion_tokens
    # One worst case below the limit at most: it does not stop early for those under way.
    worst = max(len(str(body)) for body in chat.bodies) + 50 if chat.bodies else 1000
    assert limit - tally.cost.tokens < worst
    assert got == len(chat.asked)


def test_max_usd_is_never_passed(chat: Chat, tmp_path: Path, prices: Path) -> None:
    got, tally, message = until_stopped(options(chat, tmp_path, max_usd=3.0, prices=prices), 60)
    assert "--max-usd 3" in message
    assert 0 < got < 60
    exact = (chat.prompt_tokens * 1000 + chat.completion_tokens * 4000) / 1e6
    assert tally.cost.usd == pytest.approx(exact, abs=1e-12)
    assert 1.5 < tally.cost.usd <= 3.0


def test_a_limit_of_nothing_sends_nothing(chat: Chat, tmp_path: Path) -> None:
    for limit in ("max_requests", "max_tokens"):
        got, _, message = until_stopped(options(chat, tmp_path, **{limit: 0}), 3)
        assert (got, bool(message), chat.bodies) == (0, True, [])


def test_what_is_kept_needs_no_budget(chat: Chat, tmp_path: Path) -> None:
    until_stopped(options(chat, tmp_path), 5)
    got, tally, message = until_stopped(options(chat, tmp_path, max_requests=0), 5)
    assert (got, tally.cost.requests, message) == (5, 0, "")


def test_a_request_without_an_answer_counts_as_the_most(chat: Chat, tmp_path: Path) -> None:
    chat.faults = [hang_up]
    got, tally, _ = until_stopped(options(chat, tmp_path, connections=1), 1)
    assert got == 1
    assert tally.unsure.requests == 1
    assert tally.unsure.completion_tokens == 50
    assert tally.cost.prompt_tokens == chat.prompt_tokens


def test_a_server_that_does_not_count_is_held_to_the_most(chat: Chat, tmp_path: Path) -> None:
    chat.faults = [says('{"code": "A1", "rating": 1}', usage=None)] * 3
    _, tally, _ = until_stopped(options(chat, tmp_path), 3)
    assert tally.unsure.requests == 3


def test_a_dry_run_sends_nothing_and_counts_what_is_missing(
    chat: Chat, tmp_path: Path, prices: Path
) -> None:
    until_stopped(options(chat, tmp_path), 2)
    before = len(chat.bodies)
    ledger = (tmp_path / "cache" / "ledger.jsonl").read_bytes()
    got, tally, _ = until_stopped(options(chat, tmp_path, dry_run=True, prices=prices), 6)
    assert len(chat.bodies) == before
    assert (tmp_path / "cache" / "ledger.jsonl").read_bytes() == ledger
    assert (got, tally.kept, tally.cost.requests) == (2, 2, 4)
    assert tally.cost.completion_tokens == 4 * 50
    usd = (tally.cost.prompt_tokens * 1000 + tally.cost.completion_tokens * 4000) / 1e6
    assert tally.cost.usd == pytest.approx(usd)


def test_a_dry_run_needs_neither_key_nor_server(tmp_path: Path) -> None:
    nobody = ModelOptions(model="gpt-5-mini", cache=tmp_path, dry_run=True)
    got, tally, _ = until_stopped(nobody, 3)
    assert (got, tally.cost.requests) == (0, 3)
    assert tally.cost.usd > 0


def test_a_model_without_a_price_has_no_price(chat: Chat, tmp_path: Path) -> None:
    _, tally, _ = until_stopped(options(chat, tmp_path, dry_run=True), 3)
    assert math.isnan(tally.cost.usd)


SERVICE = Service("toy", "http://127.0.0.1:1/x", method="POST")


def small(limit: int) -> Budget:
    return Budget(
        Limits(tokens=limit),
        lambda outgoing: Cost(1, 10, 0),
        lambda reply: Cost(1, len(reply.body), 0),
    )


def test_a_reservation_waits_for_those_under_way() -> None:
    budget = small(15)
    out = Outgoing(SERVICE, "POST", SERVICE.url, b"", {}, "d")
    first = budget.reserve(out)
    second: list[Cost] = []
    waiting = threading.Thread(target=lambda: second.append(budget.reserve(out)))
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()  # 20 might pass 15
    budget.settle(first, Reply(200, b"abc"))
    waiting.join(5)
    assert second == [Cost(1, 10, 0)]
    assert budget.spent.tokens == 3
    budget.settle(second[0], Failure("broke", again=True, unsure=True))
    assert budget.unsure.tokens == 10
    with pytest.raises(BudgetReached):
        budget.reserve(out)


def test_many_threads_never_pass_the_limit() -> None:
    budget = small(1000)
    out = Outgoing(SERVICE, "POST", SERVICE.url, b"", {}, "d")

    def spend() -> None:
        while True:
            try:
                reserved = budget.reserve(out)
            except BudgetReached:
                return
            budget.settle(reserved, Reply(200, b"1234567"))

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert 990 < budget.spent.tokens <= 1000


class TestPrices:
    def test_the_shipped_table_says_where_each_price_is_from(self) -> None:
        table = load_prices(SHIPPED)
        assert len(table) >= 3
        assert all("2026" in price.source for price in table.values())
        assert all(price.output >= price.input > 0 for price in table.values())

    def test_half_a_batch(self, prices: Path) -> None:
        price = price_of("toy", prices)
        assert price is not None
        assert price.in_batch().usd(1000, 1000) == 0.5 * price.usd(1000, 1000) == 2.5

    def test_an_unknown_model(self) -> None:
        assert price_of("no-such-model") is None

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("schema = 1", "schema = 2", "schema"),
            ("input = 1000.0", "input = -1", "models\\[0\\].input"),
            ("input = 1000.0", 'input = "1"', "models\\[0\\].input"),
            ("input = 1000.0", "input = nan", "models\\[0\\].input"),
            ("input = 1000.0\n", "", "models\\[0\\].input: is missing"),
            ("source", "sauce", "models\\[0\\].sauce"),
            ('["toy"]', '["toy", "toy"]', "two prices"),
            ("schema = 1", "schema = ", "cannot be read"),
        ],
    )
    def test_a_broken_table(self, prices: Path, old: str, new: str, message: str) -> None:
        prices.write_text(TABLE.replace(old, new), "utf-8")
        with pytest.raises(InputError, match=message):
            load_prices(prices)


def test_slow_requests_do_not_stop_a_run_early(chat: Chat, tmp_path: Path) -> None:
    """With four under way the worst case of all is far above the limit; it waits instead."""
    chat.faults = [slowly(0.2, says('{"code": "A1", "rating": 1}', usage=(50, 5)))] * 4
    got, tally, message = until_stopped(options(chat, tmp_path, max_tokens=1800), 4)
    assert (got, message) == (4, "")
    assert tally.cost.tokens <= 1800
    assert question("x").max_tokens == 50
