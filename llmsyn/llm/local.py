"""A llama.cpp server on this machine, for the time of a ``with`` block.

It runs in a process of its own, so that a crash of the native code is an error message and
no crash.  The child ends when its standard input closes: whatever happens to this process,
``kill -9`` included, the system closes the pipe.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from llmsyn.egress.cache import default_folder
from llmsyn.errors import InputError, MissingExtra, ServiceError

GGUF = "LLMSYN_GGUF"
FETCHED = "SmolLM2-135M-Instruct.Q4_1.gguf"
COMMAND = (sys.executable, "-m", "llmsyn.llm.server")
READY_SECONDS = 300.0  # large weights from a slow disk
_POLL_SECONDS = 0.05
_STOP_SECONDS = 10.0
_MAGIC = b"GGUF"
_SHOWN = 300  # characters of the server's last words


def weights(file: Path | None) -> Path:
    """The weights to serve: the file given, that of ``LLMSYN_GGUF``, or the fetched SmolLM2.

    Raises
    ------
    InputError : there is none, or it is no GGUF file.
    """
    named = os.environ.get(GGUF)
    found = file or (Path(named) if named else default_folder() / "models" / FETCHED)
    try:
        with found.open("rb") as handle:
            start = handle.read(len(_MAGIC))
    except OSError as error:
        fetch = "" if file else "; run python -m llmsyn.llm.fetch, or give a file with --gguf"
        raise InputError(
            f"the weights cannot be read ({error.strerror}){fetch}", file=found
        ) from None
    if start != _MAGIC:
        raise InputError("is no GGUF file; give weights in llama.cpp's format", file=found)
    return found


@contextmanager
def local_server(file: Path, *, context_tokens: int, connections: int) -> Iterator[str]:
    """Start a server on a free loopback port; yield its base address once it is ready.

    Parameters
    ----------
    context_tokens : prompt and reply together, of each of the ``connections``.

    Raises
    ------
    MissingExtra : xllamacpp is not installed.
    ServiceError : it does not start, or not in time; with its last words.
    """
    if find_spec("xllamacpp") is None:
        raise MissingExtra("xllamacpp (llama.cpp)", extra="local")
    settings = {
        "file": str(file),
        "name": file.stem,
        "context_tokens": context_tokens,
        "connections": connections,
    }
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            [*COMMAND, json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            # Ctrl-C goes to us, and the server ends when we close its input.
            start_new_session=True,
        )
        try:
            yield _ready(child)
        except ServiceError as error:
            last = _last_words(log)
            ended = child.poll()
            if ended is None or not last:
                raise
            raise ServiceError(
                f"{error}; the llama.cpp server ended with code {ended}: {last}"
            ) from error
        finally:
            _stop(child)


def _ready(child: subprocess.Popen[bytes]) -> str:
    """Wait for the address and for the first healthy answer."""
    give_up = time.monotonic() + READY_SECONDS
    lines: list[bytes] = []
    output = child.stdout
    assert output is not None
    threading.Thread(target=lambda: lines.append(output.readline()), daemon=True).start()
    while time.monotonic() < give_up:
        if lines and lines[0].strip():
            address = lines[0].decode().strip()
            if _healthy(address):
                return f"{address}/v1"
        if child.poll() is not None:
            raise ServiceError("the llama.cpp server did not start; check the weights and memory")
        time.sleep(_POLL_SECONDS)
    raise ServiceError(
        f"the llama.cpp server was not ready within {READY_SECONDS:g} s; use smaller weights"
    )


def _healthy(address: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with suppress(OSError), opener.open(f"{address}/health", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Close its input and wait; end it the hard way if it does not heed."""
    assert child.stdin is not None and child.stdout is not None
    with suppress(OSError):
        child.stdin.close()
    try:
        child.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    finally:
        child.stdout.close()


def _last_words(log: IO[bytes]) -> str:
    log.seek(0)
    text = log.read().decode("utf-8", "replace")
    lines = [line for line in text.splitlines() if line.strip()]
    return " ".join(" ".join(lines[-3:]).split())[-_SHOWN:]
