"""A scripted server for ``elicit``, and what of a report of ``evaluate`` has to be equal."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MODEL = "scripted"
SECONDS = 0.05
"""How long a reply takes, so that kills fall between replies."""


@contextmanager
def scripted_model() -> Iterator[str]:
    """A server on this machine that always says the same of the same; its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(SECONDS)
        reply = json.dumps(_completion(body)).encode()
        with suppress(BrokenPipeError, ConnectionResetError):  # who asked was killed
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def _completion(body: dict[str, Any]) -> dict[str, Any]:
    schema = body["response_format"]["json_schema"]["schema"]
    message = {"role": "assistant", "content": json.dumps(_content(schema))}
    return {
        "id": "1", "object": "chat.completion", "created": 1, "model": MODEL,
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }  # fmt: skip


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    """Every given goes with its last candidate; the word of the probe is an apple."""
    if "answers" not in schema["properties"]:
        return {"word": "apple"}
    entry = schema["properties"]["answers"]["items"]["properties"]
    keys = entry["ratings"]["items"]["properties"]["then"]["items"]["enum"]
    return {
        "answers": [
            {"given": given, "ratings": [{"class": "+2", "then": keys[-1:]}]}
            for given in entry["given"]["enum"]
        ]
    }


def report_numbers(file: Path) -> dict[str, Any]:
    """A report without the seconds that it took."""
    report: dict[str, Any] = json.loads(file.read_text("utf-8"))
    del report["facts"]["seconds"]
    return report
