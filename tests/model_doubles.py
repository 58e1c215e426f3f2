"""Doubles of a language model for tests: they answer by a function, and keep what was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from llmsyn.llm.requests import Failed, ModelReply, ModelRequest, Progress, Tally, Usage
from llmsyn.llm.schema import check_schema, misfit


class FunctionModel:
    """Answers each request with ``answer(request)``; a text instead of a mapping is a failure.

    Replies are held to their schema, as those of a real model are.
    """

    def __init__(self, answer: Callable[[ModelRequest], dict[str, Any] | str], name="double"):
        self.answer, self.name = answer, name
        self.asked: list[ModelRequest] = []
        self.failed = 0

    @property
    def tally(self) -> Tally:
        n = len(self.asked)
        return Tally(asked=n, answered=n - self.failed, failed=self.failed)

    def ask(
        self, requests: Sequence[ModelRequest], progress: Progress | None = None
    ) -> Iterator[ModelReply | Failed]:
        for done, request in enumerate(requests, start=1):
            check_schema(request.plain_schema)
            self.asked.append(request)
            content = self.answer(request)
            if isinstance(content, str):
                self.failed += 1
                yield Failed(request, content)
            else:
                assert misfit(content, request.plain_schema) is None
                yield ModelReply(request, content, Usage(), self.name, "replay")
            if progress is not None:
                progress(done, len(requests))


def silent(request: ModelRequest) -> dict[str, Any]:
    """A reply that names nothing."""
    properties = request.plain_schema["properties"]
    if "answers" in properties:
        entry = properties["answers"]["items"]["properties"]
        return {"answers": [{"given": key, "ratings": []} for key in entry["given"]["enum"]]}
    return {name: [] for name in properties}


def first_codes(request: ModelRequest) -> dict[str, Any]:
    """As many of the first candidates as may be chosen, five at most."""
    codes = request.plain_schema["properties"]["codes"]
    return {"codes": codes["items"]["enum"][: min(5, codes["maxItems"])]}
