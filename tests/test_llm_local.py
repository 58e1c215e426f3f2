"""The local server: it is there when it is ready, and gone after every way out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from loopback import only_loopback  # noqa: F401  # runs by itself

from llmsyn.errors import InputError, MissingExtra, ServiceError
from llmsyn.llm import ModelOptions, local, open_model
from llmsyn.llm.fetch import fetch

SERVE = """
import http.server, os, sys, threading, time
class Handler(http.server.BaseHTTPRequestHandler):
    healthy = 0
    def do_GET(self):
        Handler.healthy += 1
        self.send_response(503 if Handler.healthy < 3 else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
sys.stdin.buffer.read()
"""
STUBBORN = SERVE + "time.sleep(1000)\n"
DIES = "import sys; sys.exit('no room for the weights')"
SILENT = "import sys; sys.stdin.buffer.read()"
DIES_LATER = SERVE.replace("sys.stdin.buffer.read()", "time.sleep(0.5); sys.exit('out of memory')")

Fake = Callable[[str], Path]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Put a script in place of the server."""

    def put(script: str) -> Path:
        monkeypatch.setattr(local, "COMMAND", (sys.executable, "-c", script))
        monkeypatch.setattr(local, "find_spec", lambda name: name)
        monkeypatch.setattr(local, "_STOP_SECONDS", 0.5)
        file = tmp_path / "toy.gguf"
        file.write_bytes(b"GGUF")
        return file

    return put


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url.removesuffix("/v1") + "/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.parametrize("script", [SERVE, STUBBORN], ids=["heeds", "stubborn"])
@pytest.mark.parametrize("way_out", [None, ValueError, KeyboardInterrupt, SystemExit])
def test_it_is_gone_after_every_way_out(
    fake: Fake, script: str, way_out: type[BaseException] | None
) -> None:
    file = fake(script)
    expected: AbstractContextManager[Any] = (
        nullcontext() if way_out is None else pytest.raises(way_out)
    )
    with expected, local.local_server(file, context_tokens=64, connections=1) as url:
        assert answers(url)
        if way_out is not None:
            raise way_out
    assert not answers(url)


def test_it_is_gone_when_this_process_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys, time\nfrom pathlib import Path\nfrom llmsyn.llm import local\n"
        f"local.COMMAND = (sys.executable, '-c', {SERVE!r})\n"
        "local.find_spec = lambda name: name\n"
        "with local.local_server(Path('x'), context_tokens=64, connections=1) as url:\n"
        "    print(url, flush=True)\n    time.sleep(1000)\n",
        "utf-8",
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().decode().strip()
        assert answers(url)
        os.kill(parent.pid, signal.SIGKILL)
    give_up = time.monotonic() + 10
    while answers(url) and time.monotonic() < give_up:
        time.sleep(0.02)
    assert not answers(url)


def test_a_server_that_dies_says_its_last_words(fake: Fake) -> None:
    file = fake(DIES)
    with (
        pytest.raises(ServiceError, match="did not start.*no room for the weights"),
        local.local_server(file, context_tokens=64, connections=1),
    ):
        pytest.fail("it is not there")


def test_a_server_that_is_never_ready(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    file = fake(SILENT)
    monkeypatch.setattr(local, "READY_SECONDS", 0.3)
    with (
        pytest.raises(ServiceError, match="not ready within"),
        local.local_server(file, context_tokens=64, connections=1),
    ):
        pytest.fail("it is not there")


def test_a_server_that_dies_during_the_run(fake: Fake) -> None:
    file = fake(DIES_LATER)
    with (
        pytest.raises(ServiceError, match="cannot be reached.*out of memory"),
        local.local_server(file, context_tokens=64, connections=1),
    ):
        time.sleep(1.0)
        raise ServiceError("the server cannot be reached")


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "find_spec", lambda name: None)
    file = tmp_path / "toy.gguf"
    file.write_bytes(b"GGUF")
    settings = ModelOptions(local=True, gguf=file, cache=tmp_path)
    with pytest.raises(MissingExtra, match=r"llmsyn\[local\]"), open_model(settings):
        pytest.fail("it is not there")


def test_weights_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InputError, match="run python -m llmsyn.llm.fetch"):
        local.weights(None)
    with pytest.raises(InputError, match="cannot be read"):
        local.weights(tmp_path / "none.gguf")
    file = tmp_path / "text.gguf"
    file.write_text("hello", "utf-8")
    with pytest.raises(InputError, match="no GGUF file"):
        local.weights(file)


def test_fetched_weights_stay(tmp_path: Path) -> None:
    file = tmp_path / local.FETCHED
    file.write_bytes(b"GGUF")
    assert fetch(tmp_path) == file
