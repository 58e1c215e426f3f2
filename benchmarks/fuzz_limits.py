"""What a fuzzed parser may take of an input, and where findings go."""

from __future__ import annotations

from pathlib import Path

FOUND = Path("out/fuzz")
MOST_MB, MOST_SECONDS, MOST_BYTES = 2_048, 20, 20_000
PARSERS = (
    "profile TOML", "profile CSV", "mapping", "hospital tables", "knowledge",
    "stated associations", "prose", "notes", "notes, own form", "model replies", "completions", "batch results",
    "batch results, gzip", "cohort manifest", "cohort part", "vocabulary",
)  # fmt: skip
