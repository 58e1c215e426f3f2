"""One thing that a check of the knowledge base found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from llmsyn.knowledge.records import Condition, Drug, Procedure

AnyRecord: TypeAlias = "Condition | Drug | Procedure"


@dataclass(frozen=True)
class Finding:
    """One thing found: its weight, the file and key where it stands, and what to do."""

    level: Literal["error", "note"]
    file: str
    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}, key {self.key}: {self.message}"


def error_in(record: AnyRecord, where: str, message: str) -> Finding:
    """An error in a record."""
    return Finding("error", record.file, where, message)
