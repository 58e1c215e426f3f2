"""What is asked of a language model, and what comes back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from llmsyn.egress.budget import Cost
from llmsyn.egress.values import Public, text_of
from llmsyn.errors import InputError

Origin: TypeAlias = Literal["http", "cache", "local", "replay", "batch"]
Progress: TypeAlias = Callable[[int, int], None]
"""Told ``(done, total)`` after each reply."""

_FORM = 1  # part of every digest: raise it when the same fields come to mean something else


@dataclass(frozen=True)
class Prompt:
    """The text of a request, and the typed public values that it was built from.

    The texts of ``parts``, one after the other, are ``system`` followed by ``user``: no sign
    of a prompt is without a value that says where it is public from.  :meth:`of` builds one;
    :func:`llmsyn.llm.rendering.render` makes parts of a template.

    Raises
    ------
    InputError : the parts don't add up to the texts.

    Examples
    --------
    >>> from llmsyn.egress.values import OwnText, PublicCode
    >>> prompt = Prompt.of(
    ...     system=[OwnText("You rate.")], user=[OwnText("Rate "), PublicCode("icd10cm", "I10")]
    ... )
    >>> prompt.user
    'Rate I10'
    """

    system: str
    user: str
    parts: tuple[Public, ...]

    def __post_init__(self) -> None:
        if "".join(text_of(part) for part in self.parts) != self.system + self.user:
            raise InputError(
                "the parts of a prompt do not add up to its text; build it with Prompt.of, from "
                "typed public values"
            )

    @classmethod
    def of(cls, *, system: Sequence[Public], user: Sequence[Public]) -> Prompt:
        """Lay typed values one after the other."""
        first, second = ("".join(map(text_of, parts)) for parts in (system, user))
        return cls(first, second, (*system, *user))

    @property
    def system_parts(self) -> tuple[Public, ...]:
        """The parts that make up ``system``."""
        return self.parts[: self._border]

    @property
    def user_parts(self) -> tuple[Public, ...]:
        """The parts that make up ``user``."""
        return self.parts[self._border :]

    @property
    def _border(self) -> int:
        length = 0
        for place, part in enumerate(self.parts):
            if length == len(self.system):
                return place
            length += len(text_of(part))
        if length == len(self.system):
            return len(self.parts)
        raise InputError("a part of a prompt lies across system and user text; split it in two")


@dataclass(frozen=True)
class ModelRequest:
    """One question, whatever model will answer it.

    Attributes
    ----------
    purpose : what it is for, such as ``elicit/diagnoses``; it stands in the ledger.
    schema : JSON schema of the reply, an object (the keywords of
        :mod:`llmsyn.llm.schema`; to be strict, every property is required and
        ``additionalProperties`` is false).  It is sent too: a text in it is either a typed
        public value, or plain text that occurs in the prompt.
    schema_name : letters, digits and ``_``.
    max_tokens : of the reply; a longer one is cut off and fails.
    seed : passed on; None leaves it to the server.  Two requests that differ by their seed
        alone are two requests.
    """

    purpose: str
    prompt: Prompt
    schema: Mapping[str, Any]
    schema_name: str
    max_tokens: int = 1024
    temperature: float = 0.0
    seed: int | None = None

    @cached_property
    def plain_schema(self) -> dict[str, Any]:
        """The schema with typed values as plain ones."""
        plain = _plain(self.schema)
        assert isinstance(plain, dict)
        return plain

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything but purpose and names: the same for every model.

        It is the ``custom_id`` of the batch folder and the key of kept replies; the cache
        adds model and server to it.
        """
        canonical = {
            "form": _FORM,
            "system": self.prompt.system,
            "user": self.prompt.user,
            "schema": self.plain_schema,
            "max_tokens": self.max_tokens,
            "temperature": float(self.temperature),
            "seed": self.seed,
        }
        # Keys stay in their order: in a schema it is the order in which the reply is written.
        text = json.dumps(canonical, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Usage:
    """Tokens, as the server counts them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True)
class ModelReply:
    """A reply that fits the schema of its request.

    Attributes
    ----------
    usage : of all attempts at this request, as recorded when they were answered; zero where
        nobody says.
    model : as the server names it.
    origin : where it came from now; ``cache`` for one that was paid for in an earlier run.
    """

    request: ModelRequest
    content: dict[str, Any]
    usage: Usage
    model: str
    origin: Origin


@dataclass(frozen=True)
class Failed:
    """No usable reply: it is counted and left out, never made up."""

    request: ModelRequest
    reason: str


@dataclass(frozen=True)
class Tally:
    """What a run came to.

    Attributes
    ----------
    asked : requests given to ``ask``, and of them ``answered``, ``failed`` and, in a batch
        folder, ``waiting``.
    kept : answers that cost nothing now: from the cache, a batch folder or a replay.
    reasked : attempts after a reply that did not fit.
    cost : requests sent, tokens by the server's own count, and price; in a dry run an
        estimate, with completions as long as they may get.
    unsure : the most that requests without an answer may have cost.
    """

    asked: int = 0
    answered: int = 0
    failed: int = 0
    waiting: int = 0
    kept: int = 0
    reasked: int = 0
    cost: Cost = field(default_factory=Cost)
    unsure: Cost = field(default_factory=Cost)


class Model(Protocol):
    """Whatever answers."""

    @property
    def name(self) -> str:
        """The model, as it goes into provenance."""
        ...

    @property
    def tally(self) -> Tally:
        """What this run has come to so far."""
        ...

    def ask(
        self, requests: Sequence[ModelRequest], progress: Progress | None = None
    ) -> Iterator[ModelReply | Failed]:
        """Yield one answer a request, in any order.

        A dry run yields only what is kept already.  The same request twice is asked once and answered twice.

        Raises
        ------
        BudgetReached : the next request might pass a limit; what was answered is kept.
        WaitingForBatch : replies are missing in the batch folder; those there were yielded.
        InputError : the guard refused a request (then none is sent), or a kept reply is
            missing in a replay.
        ServiceError : the service failed in a way that would meet every request.
        """
        ...


@dataclass(frozen=True)
class ModelOptions:
    """Who answers, within which limits.  The key is read from ``OPENAI_API_KEY`` only.

    One of ``url`` (or ``OPENAI_BASE_URL``), ``local``, ``batch`` and ``replay`` says who.

    Attributes
    ----------
    url : base address of an OpenAI-compatible server, such as ``http://127.0.0.1:8000/v1``.
    model : its name there; needed with ``url`` and ``batch``.
    gguf : weights for ``local``; the fetched SmolLM2 where None.
    cache : folder of kept replies; ledger : JSON Lines file of what left; both lie in the
        user's cache folder unless said otherwise.
    prices : TOML price table instead of the shipped one.
    keep_replies : JSON Lines file for the replies of this run, as ``replay`` reads them.
    connections : requests at a time.
    timeout_seconds : for one whole reply.
    reasks : how often a reply that does not fit is asked for again, with the error.
    context_tokens : prompt and reply together, for a server that is started here.
    """

    url: str | None = None
    model: str | None = None
    local: bool = False
    gguf: Path | None = None
    batch: Path | None = None
    replay: Path | None = None
    max_usd: float | None = None
    max_tokens: int | None = None
    max_requests: int | None = None
    dry_run: bool = False
    cache: Path | None = None
    ledger: Path | None = None
    prices: Path | None = None
    keep_replies: Path | None = None
    connections: int = 8
    timeout_seconds: float = 180.0
    reasks: int = 1
    context_tokens: int = 8192

    @property
    def chosen(self) -> bool:
        """Whether these options name anyone who answers."""
        return bool(self.url or self.local or self.batch or self.replay)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return getattr(value, "content", value)
