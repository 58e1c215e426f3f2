"""What a server of the OpenAI kind answers, and turns of a conversation with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llmsyn.errors import ServiceError
from llmsyn.llm.requests import ModelRequest, Usage


@dataclass(frozen=True)
class Completion:
    """One chat completion, whatever it says.

    Attributes
    ----------
    text : of the first choice.
    problem : why the text cannot be used even if it fits: cut off, refused, filtered.
    usage : None where the server does not say.
    """

    text: str
    problem: str
    usage: Usage | None
    model: str


@dataclass(frozen=True)
class Turn:
    """A request with the attempts so far: each a reply that did not fit, and why not."""

    request: ModelRequest
    earlier: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> str:
        """The request's own for the first turn; another for each re-ask."""
        if not self.earlier:
            return self.request.digest
        text = json.dumps([self.request.digest, *self.earlier], ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def again(self, reply: str, problem: str) -> Turn:
        """The turn after a reply that did not fit."""
        return Turn(self.request, (*self.earlier, (reply, problem)))


class NotKept(Exception):  # no error: the answer to a look-up
    """A turn has no kept completion, and nothing is sent to get one."""

    def __init__(self, turn: Turn) -> None:
        super().__init__(turn.digest)
        self.turn = turn


def read_completion(body: bytes) -> Completion:
    """Read a chat completion.

    Raises
    ------
    ServiceError : it is none: no JSON, or no choice in it.
    """
    try:
        content = json.loads(body)
        choice = content["choices"][0]
        message = choice["message"]
        text = message.get("content") or ""
        problem = str(choice.get("problem") or "") or _problem(
            choice.get("finish_reason"), message.get("refusal")
        )
        if not isinstance(text, str):
            raise TypeError
        text = text.encode("utf-8", "replace").decode()  # half a character pair can't be sent on
        return Completion(
            text, problem, _usage(content.get("usage")), str(content.get("model") or "")
        )
    except (ValueError, RecursionError) as error:
        raise ServiceError(
            "the language model's server answered with something that is no JSON; try again later"
        ) from error
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ServiceError(
            "the language model's server answered without a choice; check that --llm-url points "
            "to an OpenAI-compatible server"
        ) from error


def write_completion(
    text: str, model: str = "", usage: Usage | None = None, problem: str = ""
) -> bytes:
    """A reply that came some other way, in the same form."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": "stop", "message": message, "problem": problem}
    content: dict[str, Any] = {"choices": [choice], "model": model}
    if usage is not None:
        content["usage"] = {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
        }
    return json.dumps(content, ensure_ascii=False).encode()


def _problem(finish: object, refusal: object) -> str:
    if isinstance(refusal, str) and refusal:
        return f"the model refused: {' '.join(refusal.split())[:200]}"
    if finish == "length":
        return "the reply was cut off at its longest allowed length; write a shorter one"
    if finish == "content_filter":
        return "the reply was held back by the server's content filter"
    return ""


def _usage(content: object) -> Usage | None:
    if not isinstance(content, Mapping):
        return None
    prompt, completion = content.get("prompt_tokens"), content.get("completion_tokens")
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    return Usage(prompt, completion) if prompt >= 0 <= completion else None
