"""Uniform numbers that are a function of (seed, purpose, patient, place), and of nothing else.

A date must be the same whichever part the patient stands in, however often the export is
run, and whatever other patients there are: so numbers come from a hash of what they are
for, not from a stream.  The hash is the finaliser of splitmix64 (Steele, Lea and Flood 2014,
doi 10.1145/2660193.2660195), once per word of the key.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_UNIT = 2.0**-53


def uniforms(
    seed: int,
    purpose: str,
    ids: npt.NDArray[np.int64],
    *further: npt.NDArray[Any] | int,
) -> npt.NDArray[np.float64]:
    """``(n,)`` numbers in [0, 1), one per id.

    Parameters
    ----------
    seed : 0 to 2**63 - 1.
    purpose : what the numbers are for; other purposes are independent.
    ids : ``(n,)`` patient ids.
    further : more words of the key (visit number, code), each ``(n,)`` or one whole number.

    Examples
    --------
    >>> a = uniforms(1, "admission", np.array([7, 8]))
    >>> b = uniforms(1, "admission", np.array([8, 9]))
    >>> bool(a[1] == b[0]), bool(a[0] == a[1])
    (True, False)
    """
    key = _mixed(np.asarray(text_word(purpose)) ^ _mixed(np.asarray(seed, dtype=np.uint64)))
    word = _mixed(key ^ np.asarray(ids).astype(np.uint64))
    for more in further:
        word = _mixed(word ^ np.asarray(more).astype(np.uint64))
    return np.asarray((word >> np.uint64(11)) * _UNIT)


def text_word(text: str) -> np.uint64:
    """64 bits that stand for a text, the same on every machine."""
    return np.uint64(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little"))


def _mixed(word: Words) -> Words:
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is what is meant
        word = word + _STEP
        word = (word ^ (word >> np.uint64(30))) * _FIRST
        word = (word ^ (word >> np.uint64(27))) * _SECOND
    return np.asarray(word ^ (word >> np.uint64(31)))
