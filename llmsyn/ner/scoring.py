"""Strict, partial and type scores of spans, with intervals over documents.

The three ways of counting are those of SemEval 2013 task 9.1 (Segura-Bedmar et al., S13-2056),
which ``nervaluate`` made common: *strict*, same label and same borders; *type*, same label and
some overlap; *partial*, the same, where an overlap that is not exact counts half.  A span is
matched with one other at most, exact ones first, then those that overlap most.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmsyn.errors import InputError
from llmsyn.notes.types import Span

WAYS = ("strict", "partial", "type")
ALL = "(all)"
RESAMPLES = 1000

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class F1:
    """Precision, recall and F1; the interval is the 95% percentile bootstrap of F1.

    An undefined share (nothing predicted, nothing there) is NaN.
    """

    precision: float
    recall: float
    f1: float
    low: float
    high: float
    n_gold: int
    n_predicted: int


@dataclass(frozen=True, eq=False)
class Counts:
    """Per document and label: what was there, what was found, what matched.

    Attributes
    ----------
    labels : columns of the arrays.
    gold, predicted : ``(n_documents, n_labels)``.
    matched : way -> ``(n_documents, n_labels)``; halves for ``partial``.
    """

    labels: tuple[str, ...]
    gold: FloatArray
    predicted: FloatArray
    matched: Mapping[str, FloatArray]


def count(
    gold: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]], labels: Sequence[str]
) -> Counts:
    """Match the spans of every document.

    Raises
    ------
    InputError : the two have another number of documents.
    """
    if len(gold) != len(predicted):
        raise InputError(
            f"there are {len(gold)} documents and {len(predicted)} predictions; predict every one"
        )
    shape = (len(gold), len(labels))
    n_gold, n_predicted = np.zeros(shape), np.zeros(shape)
    matched = {way: np.zeros(shape) for way in WAYS}
    for row, (there, found) in enumerate(zip(gold, predicted)):
        for column, label in enumerate(labels):
            ours = {(s.start, s.end) for s in there if s.label == label}
            theirs = {(s.start, s.end) for s in found if s.label == label}
            exact, near = match(ours, theirs)
            n_gold[row, column], n_predicted[row, column] = len(ours), len(theirs)
            matched["strict"][row, column] = exact
            matched["type"][row, column] = exact + near
            matched["partial"][row, column] = exact + near / 2
    return Counts(tuple(labels), n_gold, n_predicted, matched)


def match(ours: set[tuple[int, int]], theirs: set[tuple[int, int]]) -> tuple[int, int]:
    """How many places are the same, and how many of the others overlap, one to one.

    Examples
    --------
    >>> match({(0, 5), (10, 20)}, {(0, 5), (12, 30), (13, 14)})
    (1, 1)
    """
    same = ours & theirs
    left, right = ours - same, theirs - same
    pairs = sorted(
        (
            (max(a, c) - min(b, d), a, b, c, d)
            for a, b in left
            for c, d in right
            if max(a, c) < min(b, d)
        )
    )
    near = 0
    for _, a, b, c, d in pairs:
        if (a, b) in left and (c, d) in right:
            left.discard((a, b))
            right.discard((c, d))
            near += 1
    return len(same), near


def scores(counts: Counts, way: str = "strict", *, seed: int = 0) -> dict[str, F1]:
    """Scores by label, and of all labels together (micro average) under ``(all)``.

    Parameters
    ----------
    way : ``strict``, ``partial`` or ``type``.
    seed : of the resampling of documents.
    """
    matched = counts.matched[way]
    columns = {label: [i] for i, label in enumerate(counts.labels)}
    columns[ALL] = list(range(len(counts.labels)))
    random = np.random.default_rng(seed)
    n = len(counts.gold)
    weights = random.multinomial(n, np.full(n, 1 / n), size=RESAMPLES) if n else np.ones((1, 0))
    found = {}
    for label, chosen in columns.items():
        hit, there, said = (
            table[:, chosen].sum(axis=1) for table in (matched, counts.gold, counts.predicted)
        )
        totals = np.stack([weights @ hit, weights @ there, weights @ said])
        with np.errstate(invalid="ignore", divide="ignore"):
            resampled = 2 * totals[0] / (totals[1] + totals[2])
        finite = resampled[np.isfinite(resampled)]
        low, high = np.quantile(finite, (0.025, 0.975)) if len(finite) else (math.nan, math.nan)
        found[label] = F1(
            _ratio(hit.sum(), said.sum()),
            _ratio(hit.sum(), there.sum()),
            _ratio(2 * hit.sum(), there.sum() + said.sum()),
            float(low),
            float(high),
            int(there.sum()),
            int(said.sum()),
        )
    return found


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else math.nan
