"""Scores by hand, against brute force, and their intervals."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsyn.errors import InputError
from llmsyn.ner.breakdown import recall_by_group, record_scores
from llmsyn.ner.scoring import ALL, count, match, scores
from llmsyn.notes.types import Note, Span

A, B = "DRUG", "DISEASE"


def test_three_ways_by_hand() -> None:
    gold = [[Span(0, 5, A), Span(10, 20, A), Span(30, 40, B)]]
    said = [[Span(0, 5, A), Span(12, 20, A), Span(30, 40, A), Span(50, 60, B)]]
    counts = count(gold, said, (A, B))
    strict, partial, kind = (scores(counts, way) for way in ("strict", "partial", "type"))
    assert (strict[A].precision, strict[A].recall) == (1 / 3, 1 / 2)
    assert partial[A].f1 == pytest.approx(2 * 1.5 / 5)
    assert kind[A].recall == 1
    assert strict[B].f1 == 0
    assert strict[ALL].f1 == pytest.approx(2 / 7)
    assert (strict[ALL].n_gold, strict[ALL].n_predicted) == (3, 4)


def test_undefined_is_nan() -> None:
    found = scores(count([[]], [[]], (A,)))[A]
    assert math.isnan(found.precision) and math.isnan(found.f1) and math.isnan(found.low)


def test_an_interval_holds_its_score_and_narrows() -> None:
    one = [[Span(0, 5, A)], [Span(0, 5, A), Span(7, 9, A)]]
    said = [[Span(0, 5, A)], [Span(0, 4, A)]]
    few, many = (scores(count(one * n, said * n, (A,)))[A] for n in (3, 60))
    assert few.low <= few.f1 <= few.high
    assert many.high - many.low < few.high - few.low
    assert few.f1 == pytest.approx(many.f1)


def test_every_document_needs_a_prediction() -> None:
    with pytest.raises(InputError, match="2 documents and 1 predictions"):
        count([[], []], [[]], (A,))


PLACES = st.sets(st.tuples(st.integers(0, 12), st.integers(1, 6)).map(lambda p: (p[0], p[0] + p[1])),
                 max_size=4)  # fmt: skip


@given(PLACES, PLACES)
def test_match_is_one_to_one(ours, theirs) -> None:
    same, near = match(ours, theirs)
    assert same == len(ours & theirs)
    assert same + near <= min(len(ours), len(theirs))
    assert (near > 0) == any(
        max(a, c) < min(b, d) for a, b in ours - theirs for c, d in theirs - ours
    )


def test_record_level_by_hand() -> None:
    gold = [Note("1", "gout", (Span(0, 4, B),)), Note("2", "well"), Note("3", "gout"),
            Note("4", "gout, lupus", (Span(0, 4, B), Span(6, 11, B)))]  # fmt: skip
    said = [[Span(0, 4, B)], [], [Span(0, 4, B)], [Span(0, 4, B)]]
    found = record_scores(gold, said, (B,))[B]
    assert found.accuracy == 3 / 4
    assert (found.precision, found.recall) == (2 / 3, 1)
    assert found.mention_recall == 2 / 3
    assert found.n_records == 4


def test_recall_by_length_and_seen_surface() -> None:
    gold = [Note("1", "gout and acute lupus", (Span(0, 4, B), Span(9, 20, B)))]
    found = recall_by_group(gold, [[Span(0, 4, B)]], seen={"gout"})
    assert {group: (r.found, r.n) for group, r in found.items()} == {
        "words: 1": (1, 1), "words: 2": (0, 1), "surface: seen": (1, 1), "surface: unseen": (0, 1),
    }  # fmt: skip
