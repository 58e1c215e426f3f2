"""One thing that is wrong with a profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llmsyn.profile.places import Place

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """What is wrong, in one sentence, and where: file and row, or key path.

    An ``error`` contradicts something else in the profile; a ``warning`` is probably a
    mistake, and no number depends on it.
    """

    severity: Severity
    message: str
    file: str | None = None
    row: int | None = None
    key: str | None = None

    @property
    def where(self) -> str:
        """``sex.csv, row 3`` or ``profile.toml, key stages``."""
        parts = [self.file] if self.file else []
        if self.row is not None:
            parts.append(f"row {self.row}")
        if self.key is not None:
            parts.append(f"key {self.key}")
        return ", ".join(parts)

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


def error_at(place: Place, message: str) -> Finding:
    """A finding that contradicts something else."""
    return Finding("error", message, place.file, place.row, place.key)


def warning_at(place: Place, message: str) -> Finding:
    """A finding that no number depends on."""
    return Finding("warning", message, place.file, place.row, place.key)
