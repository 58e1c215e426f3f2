"""A local HTTP server that answers as it is told, and a ban on every other network."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

LOCAL = ("127.0.0.1", "::1", "localhost")


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any connection to, or look-up of, a host that is not this machine fails the test."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def checked_connect(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in LOCAL:
            pytest.fail(f"a test tried to reach {address[0]}")
        connect(self, address)

    def checked_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in LOCAL:
            pytest.fail(f"a test tried to look up {host}")
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", checked_connect)
    monkeypatch.setattr(socket, "getaddrinfo", checked_look_up)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@dataclass
class Clock:
    """Time that passes only when somebody sleeps."""

    now: float = 1_800_000_000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture(name="clock")
def stopped_clock() -> Clock:
    return Clock()


Act = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Told:
    """A server's script: one act a request, the last one for ever after."""

    url: str = ""
    acts: list[Act] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)  # paths with queries
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, path: str) -> Act:
        with self.lock:
            self.seen.append(path)
            return self.acts.pop(0) if len(self.acts) > 1 else self.acts[0]

    def query(self, i: int) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.seen[i]).query)


@pytest.fixture(name="server")
def local_server() -> Iterator[Told]:
    told = Told()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            act = told.next(self.path)
            # The client may give up, as some tests want it to.
            with suppress(BrokenPipeError, ConnectionResetError):
                act(self)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        told.url = f"http://127.0.0.1:{running.server_address[1]}/service"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield told
        running.shutdown()
        thread.join()


def answer(body: bytes, status: int = 200, *, declared: int | None = None, **headers: str) -> Act:
    """Answer with a body; ``declared`` is a Content-Length that need not be true."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        length = len(body) if declared is None else declared
        handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(body)

    return act


def slowly(seconds: float, then: Act) -> Act:
    def act(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        then(handler)

    return act


def endless(handler: BaseHTTPRequestHandler) -> None:
    """A body without a length that does not end."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65536)


def dripping(handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then: no single wait is long, the whole is."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(60):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.05)


def cut_chunks(handler: BaseHTTPRequestHandler) -> None:
    """A chunked body that breaks off inside a chunk."""
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(b'ff\r\n{"feed": ')
    handler.close_connection = True


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


def redirect(target: str, status: int = 302) -> Act:
    return answer(b"", status, Location=target)


def feed(*entries: dict[str, Any], code: str = "I50.9") -> bytes:
    """A reply in the form that MedlinePlus Connect documents."""
    return json.dumps(
        {
            "feed": {
                "base": "https://medlineplus.gov/",
                "lang": "en",
                "title": {"_value": "MedlinePlus Connect", "type": "text"},
                "subtitle": {"_value": f"MedlinePlus Connect results for {code}", "type": "text"},
                "author": {"name": {"_value": "U.S. National Library of Medicine"}},
                "updated": {"_value": "2026-11-21T00:00:00Z"},
                "category": [{"scheme": "mainSearchCriteria.v.c", "term": code}],
                "entry": list(entries),
            }
        }
    ).encode()


def entry(
    title: str, path: str, summary: str, host: str = "https://medlineplus.gov"
) -> dict[str, Any]:
    return {
        "title": {"_value": title, "type": "text"},
        "link": [
            {"href": f"{host}{path}?utm_source=mplusconnect&utm_medium=service", "rel": "alternate"}
        ],
        "id": {"_value": f"tag: medlineplus.gov, 2026-11-10:{path}"},
        "summary": {"_value": summary, "type": "html"},
        "updated": {"_value": "2026-11-21T00:00:00Z"},
    }


HEART = entry(
    "Heart Failure",
    "/heartfailure.html",
    '<h3>What is it?</h3><p>The heart <a href="https://medlineplus.gov/x.html">pumps</a> too '
    "little &amp; too late.</p><ul><li>rest</li></ul>",
)
