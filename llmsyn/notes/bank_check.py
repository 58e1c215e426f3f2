"""What is wrong with a bank: broken lines, repeated openings, doubles, copied sequences."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llmsyn.errors import KnowledgeError
from llmsyn.notes.bank import Passage, read_passages
from llmsyn.notes.overlap import N_WORDS, Overlap, overlap, sequences, words
from llmsyn.notes.types import base_label

OPENING_WORDS = 5
MOST_SHARED = 3
"""Eight-word sequences that two passages may share before one counts as a double."""


@dataclass(frozen=True)
class BankReport:
    """What a bank holds, and what is wrong with it.

    Attributes
    ----------
    labels, assertions, registers : how many of each.
    coded : mentions with a code.
    problems : one sentence each; the bank is to be mended.
    openings : first words that more than one passage has.
    overlaps : corpus -> what the bank shares with it.
    """

    n_passages: int
    n_words: int
    without_mentions: int
    labels: Mapping[str, int]
    assertions: Mapping[str, int]
    registers: Mapping[str, int]
    coded: int
    problems: tuple[str, ...]
    openings: tuple[str, ...]
    overlaps: Mapping[str, Overlap]


def check_bank(
    files: Iterable[Path], language: str, corpora: Mapping[str, Iterable[str]] | None = None
) -> BankReport:
    """Read every line and look for slips; a broken line is a finding, not an end.

    Parameters
    ----------
    corpora : texts by name, whose word sequences are looked for in the bank.
    """
    passages: list[Passage] = []
    problems: list[str] = []
    for file in files:
        try:
            passages.extend(passage for _, passage in read_passages(file, language))
        except KnowledgeError as error:
            problems.append(str(error))
    ids = Counter(passage.id for passage in passages)
    problems += [f"id {one!r} stands {n} times" for one, n in ids.items() if n > 1]
    problems += [
        f"{passage.id}: offsets do not give a surface"
        for passage in passages
        for span in passage.spans
        if not passage.text[span.start : span.end].strip()
    ]
    problems += [f"{a} and {b} share {n} sequences" for a, b, n in doubles(passages)]
    openings = Counter(" ".join(words(p.text)[:OPENING_WORDS]) for p in passages)
    spans = [span for passage in passages for span in passage.spans]
    return BankReport(
        len(passages),
        sum(len(p.text.split()) for p in passages),
        sum(not p.spans for p in passages),
        dict(Counter(span.label for span in spans).most_common()),
        dict(Counter(span.assertion for span in spans).most_common()),
        dict(Counter(p.register for p in passages).most_common()),
        sum(bool(span.code) for span in spans),
        tuple(problems),
        tuple(opening for opening, n in openings.items() if n > 1),
        {
            name: overlap([p.text for p in passages], texts)
            for name, texts in (corpora or {}).items()
        },
    )


def doubles(passages: Sequence[Passage]) -> list[tuple[str, str, int]]:
    """Pairs of passages that share more than a few sequences of eight words."""
    seen: dict[tuple[str, ...], str] = {}
    shared: dict[tuple[str, str], int] = defaultdict(int)
    for passage in passages:
        for run in sequences(passage.text, N_WORDS):
            first = seen.setdefault(run, passage.id)
            if first != passage.id:
                shared[first, passage.id] += 1
    return [(a, b, n) for (a, b), n in shared.items() if n > MOST_SHARED]


def label_totals(report: BankReport) -> dict[str, int]:
    """Mentions by label, kinds taken together."""
    totals: Counter[str] = Counter()
    for label, n in report.labels.items():
        totals[base_label(label)] += n
    return dict(totals.most_common())
