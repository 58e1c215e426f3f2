"""What a model learns: one set of fine tags, and gold labels that may allow several of them.

A model is trained once on the finest labels, and a policy merges its probabilities when it
is used: one model for every site and corpus.  A gold label that is coarser than the model's
(``PROC_DIAG`` without a kind, or a label of a real corpus) *allows* a set of fine tags; the
loss asks for their total probability only.  So corpora of different conventions train one
model without teaching it that the other's mentions are none.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from llmsyn.errors import InputError
from llmsyn.notes.policies import Policy
from llmsyn.notes.tokens import OUTSIDE
from llmsyn.notes.types import all_labels, base_label

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


@lru_cache(maxsize=1)
def fine_tags() -> tuple[str, ...]:
    """``O``, then ``B-`` and ``I-`` of every fine label: the model's outputs."""
    return (OUTSIDE, *(f"{mark}-{label}" for label in all_labels() for mark in "BI"))


class Targets:
    """Numbers for gold tags, each a set of fine tags that it allows."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], int] = {}
        self._masks: list[BoolArray] = []

    def number(self, tag: str, policy: Policy | None) -> int:
        """The row of a gold tag in :attr:`masks`.

        Parameters
        ----------
        policy : the policy whose labels the tag has; None for the bank's own labels.

        Raises
        ------
        InputError : no fine label becomes this one.
        """
        key = (tag, "" if policy is None else policy.name)
        if key not in self._rows:
            self._rows[key] = len(self._masks)
            self._masks.append(_allowed(tag, policy))
        return self._rows[key]

    @property
    def masks(self) -> BoolArray:
        """``(n_gold_tags, n_fine_tags)``."""
        return np.stack(self._masks)


def _allowed(tag: str, policy: Policy | None) -> BoolArray:
    tags = fine_tags()
    if policy is not None:
        found = [_under(each, policy) == tag for each in tags]
    else:
        mark, _, label = tag.partition("-")
        # Without a kind any kind will do: whoever wrote it did not say.
        found = [
            each == tag
            or (":" not in label and each[:1] == mark and base_label(each[2:]) == label != "")
            for each in tags
        ]
    if not any(found):
        raise InputError(
            f"no label of the bank becomes {tag!r}; train with --policy and a label policy that "
            "makes it"
        )
    return np.array(found)


def _under(tag: str, policy: Policy) -> str:
    """A fine tag as the policy has it."""
    if tag == OUTSIDE:
        return OUTSIDE
    label = policy.label(tag[2:])
    return f"{tag[:1]}-{label}" if label else OUTSIDE


def policy_tags(policy: Policy) -> tuple[str, ...]:
    """``O``, then ``B-`` and ``I-`` of the policy's labels."""
    return (OUTSIDE, *(f"{mark}-{label}" for label in policy.labels for mark in "BI"))


def merging(policy: Policy) -> FloatArray:
    """``(n_fine_tags, n_policy_tags)`` of 0 and 1: probabilities times this are the policy's."""
    tags = policy_tags(policy)
    place = {tag: i for i, tag in enumerate(tags)}
    matrix = np.zeros((len(fine_tags()), len(tags)), dtype=np.float32)
    for row, tag in enumerate(fine_tags()):
        matrix[row, place[_under(tag, policy)]] = 1
    return matrix


def best_tags(probabilities: FloatArray, tags: Iterable[str]) -> list[str]:
    """The most likely row of tags in which every ``I-`` continues its own label (Viterbi).

    Parameters
    ----------
    probabilities : ``(n_tokens, n_tags)``, tags as :func:`policy_tags` orders them.
    """
    names = list(tags)
    n_tokens, n_tags = probabilities.shape
    if not n_tokens:
        return []
    scores = np.log(np.maximum(probabilities, 1e-12))
    inside = np.arange(2, n_tags, 2)  # I- tags: after their own B- (one before) or I- only
    best = scores[0].copy()
    best[inside] = -np.inf
    back = np.zeros((n_tokens, n_tags), dtype=np.int64)
    for t in range(1, n_tokens):
        top = int(best.argmax())
        new = best[top] + scores[t]
        back[t] = top
        from_begin = best[inside - 1] >= best[inside]
        back[t, inside] = np.where(from_begin, inside - 1, inside)
        new[inside] = np.maximum(best[inside - 1], best[inside]) + scores[t, inside]
        best = new
    path = [int(best.argmax())]
    for t in range(n_tokens - 1, 0, -1):
        path.append(int(back[t, path[-1]]))
    return [names[i] for i in reversed(path)]
