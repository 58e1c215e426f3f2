"""When to ask again, and after how long."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from llmsyn.egress.requests import Failure, Reply

AGAIN = (408, 409, 425, 429, 500, 502, 503, 504)
"""Statuses after which the same request may succeed."""


@dataclass(frozen=True)
class Retrying:
    """Bounded attempts with exponential pauses and full jitter; seconds throughout.

    A ``Retry-After`` up to ``longest_seconds`` is honoured; beyond that the request fails
    and says when to come back, instead of holding the command up.
    """

    attempts: int = 4
    first_seconds: float = 0.5
    longest_seconds: float = 60.0
    draw: Callable[[], float] = random.random  # jitter only: nothing that is drawn depends on it

    def pause(self, answer: Reply | Failure, attempt: int, now: float) -> float | None:
        """Seconds to wait before attempt number ``attempt + 1``; None to give up."""
        again = answer.again if isinstance(answer, Failure) else answer.status in AGAIN
        if not again or attempt >= self.attempts:
            return None
        jittered = self.draw() * self.first_seconds * 2.0 ** (attempt - 1)
        asked = retry_after_seconds(answer, now)
        if asked is not None and asked > self.longest_seconds:
            return None
        return min(max(jittered, asked or 0.0), self.longest_seconds)


def retry_after_seconds(answer: Reply | Failure, now: float) -> float | None:
    """What a ``Retry-After`` header asks for, as seconds or as an HTTP date; None without one."""
    if isinstance(answer, Failure) or answer.retry_after is None:
        return None
    text = answer.retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return None  # neither form: the usual pause applies
    if then.tzinfo is None:
        then = then.replace(tzinfo=timezone.utc)
    return max((then - datetime.fromtimestamp(now, timezone.utc)).total_seconds(), 0.0)
