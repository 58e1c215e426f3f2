"""One SQLite file that many processes may write, and that survives being killed."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from llmsyn.errors import InputError, OutputError

BUSY_SECONDS = 30.0
"""How long a writer waits for the others."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS replies (
    digest TEXT PRIMARY KEY, service TEXT NOT NULL, url TEXT NOT NULL,
    saved REAL NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calls (service TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS calls_by_time ON calls (service, at);
"""


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file for one operation; each thread and process opens it for itself.

    Write-ahead logging lets readers and one writer work side by side; every transaction is
    flushed, so that what was paid for is there after a kill or a power cut.  Write-ahead
    logging needs a local disk: a network share gives an error here or is not safe.

    Raises
    ------
    OutputError : the file cannot be written (rights, space, or another writer for too long).
    InputError : the file is there and is not an SQLite file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            path.touch(mode=0o600)
        with closing(
            sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        ) as connection:
            _prepare(connection)
            yield connection
    except sqlite3.OperationalError as error:
        raise OutputError(
            f"the cache {path} cannot be used ({error}); choose another folder with --cache"
        ) from error
    except sqlite3.DatabaseError as error:
        raise InputError(
            f"the cache {path} cannot be read ({error}); delete it or choose another folder "
            "with --cache"
        ) from error
    except OSError as error:
        raise OutputError(
            f"the cache {path} cannot be written ({error.strerror}); choose another folder with "
            "--cache"
        ) from error


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One transaction that takes the write lock at once, so that it cannot lose it midway."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _prepare(connection: sqlite3.Connection) -> None:
    # The switch to write-ahead logging ignores the busy timeout, so the first processes on
    # a new file may collide: whoever loses asks again.
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            known = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if not known[0]:
                with writing(connection):
                    for statement in _SCHEMA.split(";"):
                        connection.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
