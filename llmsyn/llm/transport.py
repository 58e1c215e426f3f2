"""One chat request through the ``openai`` package: what came back, or why nothing whole did.

No retry, no cache, no judgement of what the reply says: that is the door's, and that of
those who ask.  The key goes into the header and nowhere else: wherever it comes back in an
answer or an error, it is taken out here.
"""

from __future__ import annotations

import json
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from llmsyn.egress.requests import Failure, Outgoing, Plain, Reply
from llmsyn.errors import ServiceError
from llmsyn.llm.completion import read_completion
from llmsyn.llm.prices import Price, cost_of

if TYPE_CHECKING:
    from openai import APIResponse

_HIDDEN = "[key]"
_BLOCK = 1 << 16
_USED_UP = ("insufficient_quota", "billing_hard_limit")
_SHOWN = 2000  # characters of a text that is no completion, in the ledger


class ChatTransport:
    """A connection pool to one server; safe to use from several threads.

    Parameters
    ----------
    url : base address, to which ``/chat/completions`` is added.
    key : goes into the header; empty for a server without one.
    """

    def __init__(self, url: str, key: str, price: Price | None, *, timeout_seconds: float) -> None:
        import openai

        self._openai = openai
        self._http_errors = _http_errors(openai.DefaultHttpxClient)
        self._key = key
        self._price = price
        self._client = openai.OpenAI(
            api_key=key or "none",
            base_url=url,
            max_retries=0,
            timeout=timeout_seconds,
            # A redirect would carry prompts, and the key, to who knows where.
            http_client=openai.DefaultHttpxClient(follow_redirects=False),
        )

    def __enter__(self) -> ChatTransport:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def __call__(self, outgoing: Outgoing) -> Reply | Failure:
        """Send a request and read the whole answer, within the service's time and size."""
        openai = self._openai
        deadline = time.monotonic() + outgoing.service.timeout_seconds
        try:
            body = json.loads(outgoing.body or b"")
            create = self._client.chat.completions.with_streaming_response.create
            with create(**body, timeout=outgoing.service.timeout_seconds) as response:
                answer = self._read(response, outgoing, deadline)
        except openai.APIStatusError as error:
            return self._status(error)
        except openai.APITimeoutError:
            return self._late(outgoing)
        except openai.APIConnectionError as error:
            return self._broken(error.__cause__ or error)
        return answer

    def _read(
        self, response: APIResponse[Any], outgoing: Outgoing, deadline: float
    ) -> Reply | Failure:
        parts: list[bytes] = []
        size = 0
        try:
            for block in response.iter_bytes(_BLOCK):
                parts.append(block)
                size += len(block)
                if size > outgoing.service.max_bytes:
                    most = outgoing.service.max_bytes
                    return Failure(f"answered with more than {most:,} bytes", False, unsure=True)
                if time.monotonic() > deadline:
                    return self._late(outgoing)
        except self._http_errors as error:
            late = "timeout" in type(error).__name__.lower()
            return self._late(outgoing) if late else self._broken(error)
        return self._reply(response.status_code, self._clean(b"".join(parts)))

    def _reply(self, status: int, body: bytes) -> Reply | Failure:
        try:
            completion = read_completion(body)
        except ServiceError:
            # It may have cost something, and another try may be whole.
            return Failure("answered with something that is no completion", True, unsure=True)
        detail: dict[str, Plain] = {"model": completion.model, "reply": completion.text}
        if completion.problem:
            detail["unusable"] = completion.problem
        usage = completion.usage
        if usage is not None:
            detail["prompt_tokens"] = usage.prompt_tokens
            detail["completion_tokens"] = usage.completion_tokens
            if self._price is not None:
                cost = cost_of(self._price, usage.prompt_tokens, usage.completion_tokens)
                detail["usd"] = round(cost.usd, 9)
        return Reply(status, body, detail=detail)

    def _status(self, error: Any) -> Reply | Failure:
        body = self._clean(error.response.content)
        text = " ".join(body.decode("utf-8", "replace").split())[:_SHOWN]
        if error.status_code == 429 and any(mark in text for mark in _USED_UP):
            return Failure("says that the quota of this key is used up", again=False)
        return Reply(
            error.status_code,
            body,
            retry_after=error.response.headers.get("Retry-After"),
            detail={"error": text} if text else {},
        )

    def _late(self, outgoing: Outgoing) -> Failure:
        seconds = outgoing.service.timeout_seconds
        return Failure(f"did not answer within {seconds:g} s", again=True, unsure=True)

    def _broken(self, error: BaseException) -> Failure:
        name = type(error).__name__
        words = " ".join(str(error).split()).replace(self._key or "\0", _HIDDEN)
        if name == "ConnectError":  # it never got there
            return Failure(f"cannot be reached ({words})", again=True)
        return Failure(f"broke the connection ({words or name})", again=True, unsure=True)

    def _clean(self, body: bytes) -> bytes:
        return body.replace(self._key.encode(), _HIDDEN.encode()) if self._key else body


def _http_errors(client: type) -> tuple[type[Exception], ...]:
    """The error classes of the HTTP library that this version of openai is built on.

    It is httpx or its successor; openai passes them on while a body is being read.
    """
    below = next(each for each in client.__mro__ if each.__name__ == "Client")
    library = sys.modules[below.__module__.partition(".")[0]]
    return (library.HTTPError, library.StreamError)
