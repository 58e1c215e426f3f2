"""The error tree, whole.

::

    LlmsynError                     anything this package raises on purpose      exit code
    ├── InputError                  a file, value or option is not usable            2
    │   ├── ProfileError            a profile folder
    │   ├── MappingError            a mapping file or the tables it points to
    │   ├── KnowledgeError          the knowledge base or an overlay
    │   └── CohortError             a cohort folder
    ├── OutputError                 the output exists, is in use or cannot be written 2
    ├── MissingExtra                an optional dependency is not installed          2
    ├── InfeasibleError             published numbers or rules leave nothing to draw 2
    ├── ServiceError                an outside service failed                        3
    ├── CheckFailed                 a check or verdict failed                        4
    └── Stopped                     stopped before the end; run again to go on       5
        ├── BudgetReached           the next request might pass a limit
        └── WaitingForBatch         replies are missing in the batch folder

Only :mod:`llmsyn.cli` turns an error into an exit code.  A message says what was
given, what was expected, where it stands, and what to do next, in one sentence.
"""

from __future__ import annotations

from pathlib import Path


class LlmsynError(Exception):
    """Root of the tree; ``exit_code`` is what the command line returns."""

    exit_code = 1


class InputError(LlmsynError):
    """Something given to the program cannot be used.

    Parameters
    ----------
    problem : one sentence: what was found, what was expected, what to do.
    file : the file at fault, if there is one.
    row : 1-based line of a text file, header included.
    column : column name of a table.
    key : key path of a TOML file, such as ``variables[2].levels``.

    Examples
    --------
    >>> print(InputError("share 1.3 is above 1; write a share between 0 and 1",
    ...                  file="sex.csv", row=3, column="share"))
    sex.csv, row 3, column share: share 1.3 is above 1; write a share between 0 and 1
    """

    exit_code = 2

    def __init__(
        self,
        problem: str,
        *,
        file: str | Path | None = None,
        row: int | None = None,
        column: str | None = None,
        key: str | None = None,
    ) -> None:
        # What a file holds may be of any length; a message is for reading.
        self.problem = _short(problem, 1_000)
        self.file = None if file is None else str(file)
        self.row = row
        self.column = None if column is None else _short(column, 120)
        self.key = None if key is None else _short(key, 200)
        super().__init__(f"{self.where}: {self.problem}" if self.where else self.problem)

    @property
    def where(self) -> str:
        """The place at fault, ``file, row 3, column share``, or an empty text."""
        parts = [self.file] if self.file else []
        if self.row is not None:
            parts.append(f"row {self.row}")
        if self.column is not None:
            parts.append(f"column {self.column}")
        if self.key is not None:
            parts.append(f"key {self.key}")
        return ", ".join(parts)


def _short(text: str, most: int) -> str:
    """A text of bounded length: its beginning and its end."""
    half = most // 2
    return text if len(text) <= most else f"{text[:half]} ... {text[-half:]}"


class ProfileError(InputError):
    """A profile folder cannot be read or contradicts itself."""


class MappingError(InputError):
    """A mapping file, or a hospital table that it points to, cannot be read."""


class KnowledgeError(InputError):
    """The knowledge base or an overlay cannot be read."""


class CohortError(InputError):
    """A cohort folder cannot be read, or is not what the command needs."""


class OutputError(LlmsynError):
    """The output exists, is in use by another run, or cannot be written."""

    exit_code = 2


class MissingExtra(LlmsynError):
    """An optional dependency is not installed.

    Examples
    --------
    >>> print(MissingExtra("OpenDP", extra="dp"))
    OpenDP is not installed; run: pip install 'llmsyn[dp]'
    """

    exit_code = 2

    def __init__(self, library: str, *, extra: str) -> None:
        super().__init__(f"{library} is not installed; run: pip install 'llmsyn[{extra}]'")


class InfeasibleError(LlmsynError):
    """No distribution meets what must hold; the message names what conflicts."""

    exit_code = 2


class ServiceError(LlmsynError):
    """A service outside this process failed."""

    exit_code = 3


class CheckFailed(LlmsynError):
    """A check or a verdict failed; the report says which."""

    exit_code = 4


class Stopped(LlmsynError):
    """Stopped at a budget or waiting for batch results; run the command again to go on."""

    exit_code = 5


class BudgetReached(Stopped):
    """The next request might pass a limit; everything answered so far is kept."""


class WaitingForBatch(Stopped):
    """Requests were written to the batch folder, and their replies are not there yet."""
