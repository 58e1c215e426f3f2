"""The bench's rows, one a label and corpus, as one line a tagger: what the page shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

NAMES = {"maccrobat test": "MACCROBAT", "ncbi test": "NCBI", "cantemist dev": "CANTEMIST"}
COLUMNS = ("n", "passes", "passages", "n_new", "validation F1")
"""Columns that a line keeps, where the rows have them."""


def lines(rows: Sequence[dict[str, Any]], *, intervals: bool) -> list[dict[str, Any]]:
    """Strict F1 of every tagger, a column a corpus and label.

    Examples
    --------
    >>> row = {"corpus": "ncbi test", "trained on": "x", "label": "DISEASE", "strict F1": 0.6,
    ...        "95% interval": "0.570 to 0.630"}
    >>> lines([row], intervals=True)
    [{'trained on': 'x', 'NCBI disease': '0.600 (0.570 to 0.630)'}]
    """
    heads = list(dict.fromkeys(_head(row) for row in rows))
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        kept = {name: row[name] for name in ("trained on", *COLUMNS) if name in row}
        line = found.setdefault(tuple(kept.values()), {**kept, **dict.fromkeys(heads, "")})
        score = f"{row['strict F1']:.3f}"
        line[_head(row)] = f"{score} ({row['95% interval']})" if intervals else score
    return list(found.values())


def _head(row: dict[str, Any]) -> str:
    return f"{NAMES[row['corpus']]} {row['label'].lower().replace('_', ' ')}"
