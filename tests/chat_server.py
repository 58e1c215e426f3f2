"""A local chat server that answers sensibly, or goes wrong as it is told."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from loopback import Act, answer, slowly

from llmsyn.egress.values import KnowledgeValue, OwnText
from llmsyn.llm.requests import ModelRequest, Prompt

SCHEMA = {
    "type": "object",
    "properties": {"code": {"type": "string", "enum": ["A1", "B2"]}, "rating": {"type": "integer"}},
    "required": ["code", "rating"],
    "additionalProperties": False,
}


def question(topic: str, **changes: Any) -> ModelRequest:
    """A request about a topic, whose answer the server below makes of its number."""
    prompt = Prompt.of(
        system=[OwnText("You rate.")],
        user=[
            OwnText("Give a code (A1 or B2) and a rating for "),
            KnowledgeValue(topic, "topics/x"),
            OwnText("."),
        ],
    )
    fields = {"schema": SCHEMA, "schema_name": "rating", "max_tokens": 50, "seed": 7} | changes
    return ModelRequest("test/rate", prompt, **fields)


def questions(number: int) -> list[ModelRequest]:
    return [question(f"topic {i}") for i in range(number)]


def expected(request: ModelRequest) -> dict[str, Any]:
    return json.loads(sensible(request.prompt.user))


def sensible(text: str) -> str:
    """The reply to a prompt: always the same, and another for each topic."""
    number = re.search(r"topic (\d+)", text)
    n = int(number[1]) if number else 0
    return json.dumps({"code": ("A1", "B2")[n % 2], "rating": n})


def completion(text: str, *, finish: str = "stop", usage: Any = (10, 5), **message: Any) -> bytes:
    content: dict[str, Any] = {
        "id": "chat-1",
        "object": "chat.completion",
        "created": 1,
        "model": "toy-1",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": text, **message},
            }
        ],
    }
    if usage is not None:
        content["usage"] = {
            "prompt_tokens": usage[0],
            "completion_tokens": usage[1],
            "total_tokens": sum(usage),
        }
    return json.dumps(content).encode()


def says(text: str, **changes: Any) -> Act:
    return answer(completion(text, **changes), Content_Type="application/json")


def refuses(status: int, message: str, **headers: str) -> Act:
    body = json.dumps({"error": {"message": message, "type": "invalid_request_error"}})
    return answer(body.encode(), status, Content_Type="application/json", **headers)


@dataclass
class Chat:
    """A server's script: one fault a request while there are any (None: answer sensibly)."""

    url: str = ""
    faults: list[Act | None] = field(default_factory=list)
    always: Callable[[dict[str, Any]], Act | None] | None = None
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def asked(self) -> list[dict[str, Any]]:
        """Bodies without the probe."""
        return [body for body in self.bodies if not is_probe(body)]

    def act(self, body: dict[str, Any], key: str) -> Act:
        with self.lock:
            self.bodies.append(body)
            self.keys.append(key)
            told = None
            if self.always is not None:
                told = self.always(body)
            elif self.faults and not is_probe(body):
                told = self.faults.pop(0)
            if told is not None:
                return told
            text = '{"word": "apple"}' if is_probe(body) else sensible(user_text(body))
            usage = (len(json.dumps(body)) // 4, len(text) // 3)
            self.prompt_tokens += usage[0]
            self.completion_tokens += usage[1]
            return says(text, usage=usage)


def slowly_each(seconds: float) -> Callable[[dict[str, Any]], Act]:
    """Sensible answers that take their time."""

    def told(body: dict[str, Any]) -> Act:
        text = '{"word": "apple"}' if is_probe(body) else sensible(user_text(body))
        return slowly(seconds, says(text))

    return told


def user_text(body: dict[str, Any]) -> str:
    return str(next(m["content"] for m in body["messages"] if m["role"] == "user"))


def is_probe(body: dict[str, Any]) -> bool:
    return "Which word is a fruit" in user_text(body)


@contextmanager
def chat_server() -> Iterator[Chat]:
    chat = Chat()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            act = chat.act(body, self.headers.get("Authorization", ""))
            with suppress(BrokenPipeError, ConnectionResetError):
                act(self)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        chat.url = f"http://127.0.0.1:{running.server_address[1]}/v1"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield chat
        finally:
            running.shutdown()
            thread.join()
