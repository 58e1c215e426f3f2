"""Notes in disjoint parts: no patient and no passage of the bank stands in two of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmsyn.errors import InputError
from llmsyn.notes.types import Note

SHARES = (0.6, 0.2, 0.2)
NAMES = ("train", "dev", "test")


def split(
    notes: Sequence[Note], *, seed: int, shares: Sequence[float] = SHARES
) -> dict[str, list[Note]]:
    """Train, dev and test.

    Notes that share a patient or a passage stay together, directly or through others, so
    that no phrasing of the test set was trained on.  Where the prose of all notes hangs
    together in one piece, the parts cannot be had: then it is the *sentences* that recur.

    Parameters
    ----------
    shares : of notes, in the order of :data:`NAMES`; groups are placed whole, so that the
        parts come near them only.

    Raises
    ------
    InputError : the shares do not add up to 1, or all notes hang together.
    """
    if len(shares) != len(NAMES) or abs(sum(shares) - 1) > 1e-6 or min(shares) < 0:
        raise InputError(f"shares {tuple(shares)} are not three numbers that add up to 1")
    groups = grouped(notes)
    if len(groups) < len(NAMES) and notes:
        raise InputError(
            f"the {len(notes)} notes hang together in {len(groups)} groups by patient and "
            "passage, too few to split; split patients and bank before rendering"
        )
    random = np.random.default_rng(seed)
    order = sorted(random.permutation(len(groups)).tolist(), key=lambda i: -len(groups[i]))
    parts: dict[str, list[Note]] = {name: [] for name in NAMES}
    for i in order:
        behind = [share * len(notes) - len(parts[name]) for name, share in zip(NAMES, shares)]
        name = NAMES[int(np.argmax(behind))]
        parts[name].extend(notes[j] for j in groups[i])
    return parts


def grouped(notes: Sequence[Note]) -> list[list[int]]:
    """Places of notes that hang together by patient or passage.

    Examples
    --------
    >>> a, b, c = (Note(str(i), "x", families=f) for i, f in enumerate([("p",), ("p", "q"), ("r",)]))
    >>> grouped([a, b, c])
    [[0, 1], [2]]
    """
    parent = list(range(len(notes)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    seen: dict[str, int] = {}
    for i, note in enumerate(notes):
        marks = [f"family:{family}" for family in note.families]
        if note.patient_id:
            marks.append(f"patient:{note.patient_id}")
        for mark in marks:
            parent[root(i)] = root(seen.setdefault(mark, i))
    found: dict[int, list[int]] = {}
    for i in range(len(notes)):
        found.setdefault(root(i), []).append(i)
    return list(found.values())
