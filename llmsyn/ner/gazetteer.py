"""A tagger without training: names of the knowledge base, looked up in the text.

The baseline that a trained model has to beat, a voter beside it, and the source of distant
labels on text that may not leave the machine.  The longest name wins; abbreviations count
only in capitals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from llmsyn.knowledge.loading import load_base
from llmsyn.notes.bank import Passage, read_bank
from llmsyn.notes.lexicon import fold, lexicon
from llmsyn.notes.policies import Policy
from llmsyn.notes.pools import make_pools
from llmsyn.notes.tokens import tokenise
from llmsyn.notes.types import Span, base_label

Entry = tuple[str, str]  # label, code

_SHORTEST = 3
_SHORT = 4
_COMMON = frozenset(
    [
        "pain",
        "fall",
        "fever",
        "stent",
        "port",
        "code",
        "shock",
        "trach",
        "pump",
        "scope",
        "graft",
        "cast",
        "obs",
        "detox",
        "device",
        "hip",
        "all",
        "as",
        "he",
        "she",
        "is",
        "it",
        "no",
        "or",
        "on",
        "at",
        "to",
        "an",
        "in",
        "of",
        "do",
        "us",
        "am",
        "pm",
        "may",
        "can",
        "ten",
        "gel",
        "water",
        "oil",
        "iron",
        "air",
        "gas",
        "salt",
        "milk",
        "egg",
        "eggs",
        "fat",
        "sun",
        "arrest",
        "effect",
        "edema",
        "activity",
        "place",
        "exposure",
        "collapse",
        "assault",
        "control",
        "navigation",
        "consultation",
        "laboratory",
        "specimen",
        "labor",
        "delivery",
        "packing",
        "reflux",
    ]
)
"""Words that are names in the knowledge base, and mostly something else in a text."""


class Gazetteer:
    """Names and what they are, matched over whole tokens.

    Parameters
    ----------
    names : surface -> (label, code).
    """

    name = "gazetteer"

    def __init__(self, names: Mapping[str, Entry]) -> None:
        self._entries: dict[tuple[str, ...], Entry] = {}
        self._exact: dict[str, Entry] = {}
        self._longest = 1
        for surface, entry in names.items():
            if surface.isupper() and len(surface) <= _SHORT:
                self._exact.setdefault(surface, entry)
                continue
            if len(surface) < _SHORTEST or surface.lower() in _COMMON:
                continue
            words = _words(surface)
            if words:
                self._entries.setdefault(words, entry)
                self._longest = max(self._longest, len(words))

    def tag(self, texts: Sequence[str], policy: Policy) -> list[tuple[Span, ...]]:
        """The spans of each text under a policy."""
        return [policy.spans(text, self.find(text)) for text in texts]

    def find(self, text: str) -> list[Span]:
        """Names in a text, from left to right, the longest at each place."""
        places = tokenise(text)
        tokens = [fold(text[a:b]) or text[a:b] for a, b in places]
        # A token of signs alone folds to nothing of use, and a hyphen joins two words.
        kept = [i for i, (a, b) in enumerate(places) if text[a:b].isalnum() or b - a > 1]
        words = [tokens[i] for i in kept]
        found: list[Span] = []
        at = 0
        while at < len(kept):
            size, entry = self._at(words, at, text, places, kept)
            if entry is None:
                at += 1
                continue
            start, end = places[kept[at]][0], places[kept[at + size - 1]][1]
            found.append(Span(start, end, entry[0], entry[1]))
            at += size
        return found

    def _at(
        self, words: list[str], at: int, text: str, places: list[tuple[int, int]], kept: list[int]
    ) -> tuple[int, Entry | None]:
        for size in range(min(self._longest, len(words) - at), 0, -1):
            entry = self._entries.get(tuple(words[at : at + size]))
            if entry is not None and _joined(text, places, kept, at, size):
                return size, entry
        start, end = places[kept[at]]
        return 1, self._exact.get(text[start:end])


def _joined(text: str, places: list[tuple[int, int]], kept: list[int], at: int, size: int) -> bool:
    """Whether only blanks, hyphens and apostrophes stand between the words of a match."""
    return all(
        set(text[places[kept[i]][1] : places[kept[i + 1]][0]]) <= set(" -‐–’'\n")
        for i in range(at, at + size - 1)
    )


def _words(surface: str) -> tuple[str, ...]:
    return tuple(
        fold(surface[a:b]) for a, b in tokenise(surface) if surface[a:b].isalnum() or b - a > 1
    )


@lru_cache(maxsize=8)
def gazetteer(language: str, *, with_bank: bool = False) -> Gazetteer:
    """The gazetteer of a language, from the knowledge base.

    Parameters
    ----------
    with_bank : surfaces of the prose bank too, each with the label that it has most often.
    """
    names: dict[str, Entry] = {}
    words = lexicon(language)
    for concept in words.concepts.values():
        for name in concept.names:
            names.setdefault(name, (concept.label, concept.key))
    if language == "en":
        base = load_base()
        for drug in base.drugs.values():
            for name in (*drug.salts, *drug.aliases):
                names.setdefault(name, ("DRUG", f"ingredient:{drug.id}"))
        for condition in base.conditions.values():
            for name in condition.aliases:
                names.setdefault(name, ("DISEASE", f"conditions/{condition.id}"))
        for procedure in base.procedures.values():
            diagnostic = procedure.group in ("imaging", "diagnostic")
            for name in procedure.aliases:
                label = "PROC_DIAG" if diagnostic else "PROC_THER"
                names.setdefault(name, (label, f"procedures/{procedure.id}"))
        for kind, listed in make_pools((), language).known.items():
            for name in listed:
                names.setdefault(name, (kind.split("/")[0], ""))
    if with_bank:
        for name, label in _bank_names(read_bank(language)).items():
            names.setdefault(name, (label, ""))
    return Gazetteer(names)


def _bank_names(passages: Iterable[Passage]) -> dict[str, str]:
    labels: dict[str, dict[str, int]] = {}
    for passage in passages:
        for span in passage.spans:
            if base_label(span.label) in ("DRUG", "DISEASE", "PROC_DIAG", "PROC_THER", "DEVICE",
                                          "TUMOR_MORPHOLOGY", "SYMPTOM"):  # fmt: skip
                surface = passage.text[span.start : span.end]
                of = labels.setdefault(surface, {})
                of[span.label] = of.get(span.label, 0) + 1
    return {surface: max(of, key=lambda label: of[label]) for surface, of in labels.items()}
