"""A real llama.cpp server with SmolLM2: schema, usage, ledger, and the end of the server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from chat_server import SCHEMA, question

from llmsyn.egress.ledger import read_ledger
from llmsyn.errors import BudgetReached, ServiceError
from llmsyn.llm import ModelOptions, ModelReply, open_model
from llmsyn.llm.fetch import fetch
from llmsyn.llm.schema import misfit

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def gguf() -> Path:
    pytest.importorskip("xllamacpp")
    return fetch()


def options(gguf: Path, folder: Path, **changes: int) -> ModelOptions:
    return ModelOptions(
        local=True, gguf=gguf, cache=folder, context_tokens=1024, connections=2, **changes
    )


def test_replies_fit_and_are_counted_to_the_token(gguf: Path, tmp_path: Path) -> None:
    topics = ["fever", "gout", "asthma", "stroke", "anaemia"]
    requests = [question(topic) for topic in topics]
    with open_model(options(gguf, tmp_path, max_requests=4)) as model:
        assert model.name == "SmolLM2-135M-Instruct.Q4_1"
        with pytest.raises(BudgetReached):
            list(model.ask(requests))
        first = model.tally
    with open_model(options(gguf, tmp_path)) as model:
        answers = list(model.ask(requests))
        second = model.tally
    assert len(answers) == len(requests)
    for each in answers:
        assert isinstance(each, ModelReply)
        assert misfit(each.content, SCHEMA) is None
    assert sorted({each.origin for each in answers if isinstance(each, ModelReply)}) == [
        "cache",
        "local",
    ]
    assert (first.cost.requests, second.cost.requests) == (4, 2)  # the probe, once
    entries = read_ledger(tmp_path / "ledger.jsonl").entries
    for name, counted in (
        ("prompt_tokens", first.cost.prompt_tokens + second.cost.prompt_tokens),
        ("completion_tokens", first.cost.completion_tokens + second.cost.completion_tokens),
    ):
        assert sum(int(entry.detail[name]) for entry in entries) == counted  # type: ignore[arg-type]
    assert str(gguf.parent) not in (tmp_path / "ledger.jsonl").read_text("utf-8")


def test_weights_that_are_broken(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"GGUF" + bytes(1000))
    with pytest.raises(ServiceError, match="did not start"), open_model(options(file, tmp_path)):
        pytest.fail("it is not there")


def test_it_ends_with_a_killed_parent(gguf: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom llmsyn.llm.local import local_server\n"
        "with local_server(Path(sys.argv[1]), context_tokens=256, connections=1) as url:\n"
        "    print(url, flush=True)\n    time.sleep(1000)\n"
    )
    command = [sys.executable, "-c", code, str(gguf)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().decode().strip().removesuffix("/v1")
        assert healthy(url)
        os.kill(parent.pid, signal.SIGKILL)
    give_up = time.monotonic() + 20
    while healthy(url) and time.monotonic() < give_up:
        time.sleep(0.1)
    assert not healthy(url)


def healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
