"""Replies kept on disk by the hash of their request."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from llmsyn.egress.database import connected, writing
from llmsyn.egress.requests import Outgoing

FILE_NAME = "egress.sqlite3"


def default_folder() -> Path:
    """``llmsyn`` in the user's cache folder."""
    folder = os.environ.get("XDG_CACHE_HOME")
    return (Path(folder) if folder else Path.home() / ".cache") / "llmsyn"


@dataclass(frozen=True)
class Kept:
    """A kept reply; ``saved`` in seconds since 1970."""

    body: bytes
    saved: float


@dataclass(frozen=True)
class Cache:
    """Whole, accepted replies; failures are never kept.

    Safe under concurrent writers and ``kill -9``: see :mod:`llmsyn.egress.database`.
    """

    folder: Path

    @property
    def file(self) -> Path:
        """The SQLite file, which holds the call times of :mod:`llmsyn.egress.rate` too."""
        return self.folder / FILE_NAME

    def get(self, digest: str) -> Kept | None:
        """The reply to the request of that hash, however old; None when there is none.

        Raises
        ------
        InputError, OutputError : the file cannot be used.
        """
        with connected(self.file) as database:
            row = database.execute(
                "SELECT body, saved FROM replies WHERE digest = ?", (digest,)
            ).fetchone()
        return None if row is None else Kept(bytes(row[0]), float(row[1]))

    def put(self, outgoing: Outgoing, body: bytes, saved: float) -> None:
        """Keep a reply; the newer of two for the same request stays.

        Raises
        ------
        InputError, OutputError : the file cannot be used, or the disk is full.
        """
        row = (outgoing.digest, outgoing.service.name, outgoing.url, saved, body)
        with connected(self.file) as database, writing(database):
            database.execute(
                "INSERT INTO replies (digest, service, url, saved, body) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (digest) DO UPDATE SET saved = excluded.saved, body = excluded.body "
                "WHERE excluded.saved >= replies.saved",
                row,
            )
