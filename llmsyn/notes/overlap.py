"""Word sequences that two collections of text share, and how varied one is in itself.

A bank that is judged on a corpus may not hold it: whoever writes passages never sees the
corpus, and afterwards the share of eight-word sequences that both have is counted.
"""

from __future__ import annotations

import gzip
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from llmsyn.errors import InputError

N_WORDS = 8
"""Long enough that ordinary phrases seldom have it, short enough to show copying."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Overlap:
    """Sequences of ``n`` words of the first collection, and those that the second has too."""

    n_sequences: int
    shared: tuple[str, ...]

    @property
    def share(self) -> float:
        """Shared of all different sequences; NaN where there is none."""
        return len(self.shared) / self.n_sequences if self.n_sequences else math.nan


def words(text: str) -> list[str]:
    """Lower-case words; digits are words too, signs are not."""
    return _WORD.findall(text.lower())


def sequences(text: str, n: int = N_WORDS) -> Iterator[tuple[str, ...]]:
    """Runs of ``n`` words.

    Examples
    --------
    >>> list(sequences("one two, three", 2))
    [('one', 'two'), ('two', 'three')]
    """
    found = words(text)
    return (tuple(found[i : i + n]) for i in range(len(found) - n + 1))


def overlap(ours: Iterable[str], theirs: Iterable[str], n: int = N_WORDS) -> Overlap:
    """What two collections of texts share.

    Examples
    --------
    >>> overlap(["a b c d"], ["x b c d"], 3).shared
    ('b c d',)
    """
    first = {run for text in ours for run in sequences(text, n)}
    both: set[tuple[str, ...]] = set()
    for text in theirs:
        both.update(run for run in sequences(text, n) if run in first)
    return Overlap(len(first), tuple(sorted(" ".join(run) for run in both)))


def distinct_share(texts: Iterable[str], n: int) -> float:
    """distinct-n: different runs of ``n`` words of all runs (Li et al. 2016); NaN without any.

    It falls with the number of words, so compare collections of the same size.

    Examples
    --------
    >>> distinct_share(["a b a b"], 2)
    0.6666666666666666
    """
    different: set[tuple[str, ...]] = set()
    total = 0
    for text in texts:
        for run in sequences(text, n):
            different.add(run)
            total += 1
    return len(different) / total if total else math.nan


def self_bleu(texts: Sequence[str], n: int = 4) -> float:
    """Mean BLEU of each text against all others (Zhu et al. 2018, doi 10.1145/3209978.3210080).

    1 where the texts repeat each other, near 0 where they share no run of ``n`` words.
    Precisions are smoothed by adding one to both counts from two words on; no brevity
    penalty, since some other text is as long.

    Returns
    -------
    NaN with fewer than two texts.
    """
    counts = [[Counter(sequences(text, k)) for k in range(1, n + 1)] for text in texts]
    if len(texts) < 2:
        return math.nan
    best: list[dict[tuple[str, ...], list[int]]] = [{} for _ in range(n)]
    for each in counts:
        for k, counter in enumerate(each):
            for run, number in counter.items():
                best[k][run] = sorted([*best[k].get(run, [0, 0]), number], reverse=True)[:2]
    scores = []
    for each in counts:
        logs = 0.0
        for k, counter in enumerate(each):
            hits = 0
            for run, number in counter.items():
                first, second = best[k][run]
                others = second if number == first else first
                hits += min(number, others)
            total = sum(counter.values())
            smooth = 1 if k else 0
            if not total or hits + smooth == 0:
                logs = -math.inf
                break
            logs += math.log((hits + smooth) / (total + smooth)) / n
        scores.append(math.exp(logs))
    return math.fsum(scores) / len(scores)


def read_texts(file: Path) -> Iterator[str]:
    """Texts of a corpus: JSON Lines with ``text`` (also gzipped), or one plain text file.

    Raises
    ------
    InputError : the file cannot be read, or a line has no ``text``.
    """
    plain = file.name.removesuffix(".gz")
    opened = gzip.open if file.suffix == ".gz" else open
    try:
        with opened(file, "rt", encoding="utf-8") as lines:
            if not plain.endswith(".jsonl"):
                yield lines.read()
                return
            for row, line in enumerate(lines, 1):
                if line.strip():
                    yield _text(line, file, row)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("the corpus cannot be read; check the file", file=file) from error


def _text(line: str, file: Path, row: int) -> str:
    try:
        text = json.loads(line)["text"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            "the line is no JSON object with a text; write one object a line", file=file, row=row
        ) from error
    if not isinstance(text, str):
        raise InputError("text is no string; write the text", file=file, row=row)
    return text
