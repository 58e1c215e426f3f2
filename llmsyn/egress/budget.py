"""The budget: a request is sent only if even its worst case stays within every limit."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

from llmsyn.egress.requests import Failure, Outgoing, Reply
from llmsyn.errors import BudgetReached


@dataclass(frozen=True)
class Cost:
    """Requests, tokens and US dollars; ``usd`` is NaN where there is no price."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0

    @property
    def tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.usd + other.usd,
        )


@dataclass(frozen=True)
class Limits:
    """What one run may cost; None for no limit."""

    requests: int | None = None
    tokens: int | None = None
    usd: float | None = None

    def passed_by(self, cost: Cost) -> str | None:
        """The option whose limit a cost passes, with its value; None within all of them."""
        if self.requests is not None and cost.requests > self.requests:
            return f"--max-requests {self.requests}"
        if self.tokens is not None and cost.tokens > self.tokens:
            return f"--max-tokens {self.tokens}"
        if self.usd is not None and not cost.usd <= self.usd:  # an unknown price passes it
            return f"--max-usd {self.usd:g}"
        return None


class Budget:
    """Counts what a run costs, from any number of threads.

    A request reserves the most that it can cost before it leaves, and settles with what it
    did cost.  Where a reservation does not fit, but would if those under way cost nothing,
    it waits for them.

    Parameters
    ----------
    most : the most that a request can cost.
    paid : what a reply did cost; None where it does not say, which counts as the most.
    """

    def __init__(
        self,
        limits: Limits,
        most: Callable[[Outgoing], Cost],
        paid: Callable[[Reply], Cost | None],
    ) -> None:
        self.limits = limits
        self._most, self._paid = most, paid
        self._changed = threading.Condition()
        self._spent = Cost()
        self._unsure = Cost()
        self._under_way: list[Cost] = []
        self._reached: str | None = None

    @property
    def spent(self) -> Cost:
        """What was answered, by the service's own count."""
        with self._changed:
            return self._spent

    @property
    def unsure(self) -> Cost:
        """The most that requests may have cost whose answer never came; counted as spent."""
        with self._changed:
            return self._unsure

    def reserve(self, outgoing: Outgoing) -> Cost:
        """Set the worst case of a request aside.

        Raises
        ------
        BudgetReached : it might pass a limit; so does every later request of this run.
        """
        most = self._most(outgoing)
        with self._changed:
            while True:
                settled = self._spent + self._unsure
                for_sure = self._reached or self.limits.passed_by(settled + most)
                if for_sure:
                    self._reached = for_sure
                    raise BudgetReached(self._sentence(for_sure))
                if not self.limits.passed_by(sum(self._under_way, settled + most)):
                    self._under_way.append(most)
                    return most
                self._changed.wait()

    def settle(self, reserved: Cost, answer: Reply | Failure | None) -> None:
        """Put what a request did cost in place of its reservation; None where it never left."""
        with self._changed:
            self._under_way.remove(reserved)
            paid = self._paid(answer) if isinstance(answer, Reply) else Cost()
            if paid is None or (isinstance(answer, Failure) and answer.unsure):
                self._unsure += reserved
            else:
                self._spent += paid
            self._changed.notify_all()

    def _sentence(self, limit: str) -> str:
        spent = self._spent
        price = "" if math.isnan(spent.usd) else f", {spent.usd:.4f} USD"
        return (
            f"stopped before {limit} could be passed, after {spent.requests} requests, "
            f"{spent.tokens} tokens{price}; what was answered is kept, so run the same command "
            "again to go on"
        )
