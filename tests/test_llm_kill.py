"""``kill -9`` in the middle: what was answered is kept, and the next run ends the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from chat_server import Chat, chat_server, expected, questions, slowly_each, user_text

from llmsyn.egress.ledger import read_ledger

N, CONNECTIONS = 24, 3
ASK = f"""
import json, sys
from pathlib import Path
from chat_server import questions
from llmsyn.llm import ModelOptions, open_model

url, cache, out = sys.argv[1:]
settings = ModelOptions(url=url, model="toy", cache=Path(cache), connections={CONNECTIONS})
with open_model(settings) as model:
    answers = {{a.request.digest: a.content for a in model.ask(questions({N}))}}
Path(out).write_text(json.dumps(answers, sort_keys=True), "utf-8")
"""


def start(chat: Chat, cache: Path, out: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    return subprocess.Popen(
        [sys.executable, "-c", ASK, chat.url, str(cache), str(out)], env=environment
    )


def kill_after(process: subprocess.Popen[bytes], chat: Chat, n: int) -> None:
    give_up = time.monotonic() + 60
    while len(chat.asked) < n and process.poll() is None and time.monotonic() < give_up:
        time.sleep(0.002)
    assert process.poll() is None, "it ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize(
    "moments",
    [
        pytest.param([1], id="early", marks=pytest.mark.slow),
        pytest.param([9], id="midway"),
        pytest.param([5, 8, 4], id="three times", marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_goes_on(tmp_path: Path, moments: list[int]) -> None:
    out = tmp_path / "answers.json"
    with chat_server() as chat:
        chat.always = slowly_each(0.03)
        for n in moments:
            kill_after(start(chat, tmp_path / "cache", out), chat, len(chat.asked) + n)
            assert not out.exists()
        assert start(chat, tmp_path / "cache", out).wait(120) == 0
        topics = [user_text(body) for body in chat.asked]
    wanted = {each.digest: expected(each) for each in questions(N)}
    assert json.loads(out.read_text("utf-8")) == wanted  # none lost, and as undisturbed
    assert set(topics) == {each.prompt.user for each in questions(N)}
    twice = len(topics) - N
    assert 0 <= twice <= CONNECTIONS * len(moments)  # those under way, at most
    log = read_ledger(tmp_path / "cache" / "ledger.jsonl")
    assert len(log.entries) >= len(chat.bodies)  # all that left is written down
    assert log.broken_rows == ()
