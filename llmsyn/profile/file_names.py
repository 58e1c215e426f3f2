"""Names of the CSV files of a profile."""

from __future__ import annotations

import re


class FileNames:
    """Names of CSV files, each given once (on file systems that ignore case, too)."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def new(self, *parts: str) -> str:
        """``died-by-age.csv``, with a number where that is taken."""
        stem = re.sub(r"[^\w-]+", "-", "-".join(parts), flags=re.ASCII).strip("-").lower() or "file"
        stem = stem[:80]
        name, k = f"{stem}.csv", 2
        while name in self._taken:
            name, k = f"{stem}-{k}.csv", k + 1
        self._taken.add(name)
        return name
