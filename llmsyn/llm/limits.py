"""What a chat request can cost at most, and what it did cost."""

from __future__ import annotations

from llmsyn.egress.budget import Budget, Cost, Limits
from llmsyn.egress.requests import Outgoing, Reply
from llmsyn.errors import InputError
from llmsyn.llm.completion import read_completion
from llmsyn.llm.prices import Price, cost_of
from llmsyn.llm.requests import ModelOptions


def limits_of(options: ModelOptions, price: Price | None, model: str) -> Limits:
    """The limits of a run.

    Raises
    ------
    InputError : a limit in dollars for a model without a price, or a limit below 0.
    """
    limits = Limits(options.max_requests, options.max_tokens, options.max_usd)
    for name, value in (
        ("--max-requests", limits.requests),
        ("--max-tokens", limits.tokens),
        ("--max-usd", limits.usd),
    ):
        if value is not None and not value >= 0:
            raise InputError(f"{name} {value} is no limit; give a number of at least 0")
    if limits.usd is not None and price is None:
        raise InputError(
            f"model {model!r} has no price, so --max-usd can't be held; add it to a copy of the "
            "price table and give that with --prices"
        )
    return limits


def budget(limits: Limits, price: Price | None) -> Budget:
    """A budget that knows chat requests."""

    def most(outgoing: Outgoing) -> Cost:
        # A token is at least a byte of text, and the names, quotes and braces of the body
        # are more bytes than a server's template adds tokens.
        length = outgoing.left.get("max_tokens", outgoing.left.get("max_completion_tokens", 0))
        assert isinstance(length, int)
        return cost_of(price, len(outgoing.body or b""), length)

    def paid(reply: Reply) -> Cost | None:
        if reply.status != 200:
            return Cost()  # refused: nothing was done
        usage = read_completion(reply.body).usage
        if usage is None:
            return None
        return cost_of(price, usage.prompt_tokens, usage.completion_tokens)

    return Budget(limits, most, paid)
