r"""Quotas: margins of a whole run as whole numbers, chunk by chunk, without a shared state.

Unit *i* of *n* gets the uniform :math:`(\pi(i) + u) / n`, where the permutation :math:`\pi` of
0..n-1 and :math:`u` are drawn once for the run and variable: systematic sampling.  A variable
without parents then has every level's count within one of ``n * share`` (a *u* of its own
for every unit would allow two); one with parents is only less noisy.  The permutation is a four-round Feistel network with cycle walking
(Black and Rogaway 2002, doi 10.1007/3-540-45760-7_9), so any chunk can work out its own
values and no worker needs the others.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_ROUNDS = 4
_MIX = np.uint64(0x9E3779B97F4A7C15)


def permuted(
    index: npt.NDArray[np.int64], n: int, key: npt.NDArray[np.uint64]
) -> npt.NDArray[np.int64]:
    """Images of ``index`` under a keyed permutation of ``0..n-1``.

    Parameters
    ----------
    index : values in ``0..n-1``.
    key : (4,) round keys.

    Examples
    --------
    >>> key = np.arange(4, dtype=np.uint64)
    >>> sorted(permuted(np.arange(10), 10, key).tolist())
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    half = max(1, (max(n - 1, 1).bit_length() + 1) // 2)
    value = _feistel(index.astype(np.uint64), half, key)
    outside = value >= n
    while outside.any():  # walk the cycle until inside; four steps at most on average
        value[outside] = _feistel(value[outside], half, key)
        outside = value >= n
    return value.astype(np.int64)


def _feistel(
    value: npt.NDArray[np.uint64], half: int, key: npt.NDArray[np.uint64]
) -> npt.NDArray[np.uint64]:
    bits, mask = np.uint64(half), np.uint64((1 << half) - 1)
    left, right = value >> bits, value & mask
    for k in key[:_ROUNDS]:
        mixed = (right + k) * _MIX
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        left, right = right, left ^ ((mixed >> np.uint64(32)) & mask)
    return (left << bits) | right


def quota_uniforms(
    variable: int, start: int, n_chunk: int, n: int, seed: int
) -> npt.NDArray[np.float64]:
    """``(n_chunk,)`` uniforms of units ``start..start + n_chunk - 1`` for one variable."""
    sequence = np.random.SeedSequence(seed, spawn_key=(2**31, variable))
    key = np.asarray(sequence.generate_state(_ROUNDS, np.uint64), np.uint64)
    shift = np.random.Generator(np.random.Philox(sequence)).random()
    place = permuted(np.arange(start, start + n_chunk), n, key)
    result: npt.NDArray[np.float64] = (place + shift) / n
    return result
