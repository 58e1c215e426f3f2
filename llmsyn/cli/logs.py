"""Where log records go: to stderr, so that stdout carries only what was asked for.

``LLMSYN_LOG`` (``debug``, ``info``, ``warning``, ``error``) sets the level, ``--verbose``
(once ``info``, twice ``debug``) goes before it.  Modules log to ``logging.getLogger(__name__)``
and never to the screen.
"""

from __future__ import annotations

import logging
import sys

from llmsyn.errors import InputError

LEVELS = ("debug", "info", "warning", "error")


def set_up(verbose: int, environment: str | None) -> None:
    """Send the records of the package to stderr.

    Parameters
    ----------
    verbose : how often ``--verbose`` was given.
    environment : value of ``LLMSYN_LOG``, None or empty when it is not set.

    Raises
    ------
    InputError : ``environment`` is no level.
    """
    wanted = (environment or "warning").lower()
    if wanted not in LEVELS:
        raise InputError(
            f"LLMSYN_LOG={environment} is no level; set it to one of {', '.join(LEVELS)}"
        )
    level = {0: wanted, 1: "info"}.get(verbose, "debug")
    logger = logging.getLogger("llmsyn")
    logger.setLevel(level.upper())
    logger.propagate = False
    # Repeated calls in one process (tests, notebooks) must not print each record twice.
    logger.handlers = [_Stderr()]


class _Stderr(logging.Handler):
    """Plain lines; in a terminal rich ones, imported with the first record only."""

    def __init__(self) -> None:
        super().__init__()
        self._inner: logging.Handler | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if self._inner is None:
            self._inner = _terminal() if sys.stderr.isatty() else _plain()
        self._inner.emit(record)


def _terminal() -> logging.Handler:
    from rich.console import Console
    from rich.logging import RichHandler

    return RichHandler(console=Console(stderr=True), show_path=False, log_time_format="%H:%M:%S")


def _plain() -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    return handler
