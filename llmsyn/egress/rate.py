"""No more than so many requests in any 60 seconds, over all processes that share a cache."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from llmsyn.egress.database import connected, writing
from llmsyn.egress.requests import Service

WINDOW_SECONDS = 60.0


@dataclass(frozen=True)
class Limiter:
    """Waits until one more request stays within the limit of its service.

    The times of past requests stand in the SQLite file of the cache, so a second process or
    the next run counts them too.  The window slides: there is no burst at its edge.
    """

    file: Path
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def wait(self, service: Service) -> float:
        """Wait for a free place and take it.

        Returns
        -------
        Seconds that were waited.

        Raises
        ------
        InputError, OutputError : the file cannot be used.
        """
        if service.per_minute is None:
            return 0.0
        waited = 0.0
        while (pause := self._take(service.name, service.per_minute)) > 0:
            self.sleep(pause)
            waited += pause
        return waited

    def _take(self, name: str, per_minute: int) -> float:
        """Take a place (0), or say in how many seconds the oldest one is free again."""
        with connected(self.file) as database, writing(database):
            now = self.clock()
            # Times ahead of the clock come from a clock that was set back.
            database.execute(
                "DELETE FROM calls WHERE service = ? AND (at <= ? OR at > ?)",
                (name, now - WINDOW_SECONDS, now),
            )
            taken = database.execute(
                "SELECT count(*), min(at) FROM calls WHERE service = ?", (name,)
            ).fetchone()
            if taken[0] < per_minute:
                database.execute("INSERT INTO calls (service, at) VALUES (?, ?)", (name, now))
                return 0.0
            return max(float(taken[1]) + WINDOW_SECONDS - now, 0.001)
