"""Passages of the bank, cut into clauses, so that a record can take what is true of it.

A clause is kept for a record where everything that it says of diseases, drugs and therapies
is supported: present mentions by a code of the record, negated ones by its absence.  A drug
that the record lacks may be replaced by one of its class that the record has.  Age and sex
become the record's.  Clauses that say how it ended are dropped: the renderer says that.
Symptoms, findings, values and examinations are the passage's own; a record says nothing of
them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from llmsyn.notes.bank import Passage
from llmsyn.notes.lexicon import Lexicon
from llmsyn.notes.patients import Record
from llmsyn.notes.tables import Language
from llmsyn.notes.types import Span, base_label

CLAIMS = frozenset({"DISEASE", "TUMOR_MORPHOLOGY", "DRUG", "PROC_THER", "DEVICE"})
"""Labels whose mentions say something that a record can contradict."""

NOT_OF_A_PATIENT = frozenset(
    {
        "abstract", "administrative", "biomedical", "drug_label", "eligibility", "genetics",
        "guideline", "hospital_notice", "medication_list", "methods", "protocol", "statistics",
        "trial",
    }
)  # fmt: skip
"""Registers that tell of a population, a product or nobody."""

MOST_CONDITIONS = 6
"""Conditions of a record, main one first, for which passages are looked up."""

_END = re.compile(r"(?<=[.!?;])\s+|\n+")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Slot:
    """A mention in a clause: its place there and the concepts that its surface can mean."""

    start: int
    end: int
    label: str
    assertion: str
    keys: tuple[str, ...]
    drug_class: str


@dataclass(frozen=True)
class Clause:
    """A sentence, or what stands between semicolons.

    Attributes
    ----------
    ends : whether it tells an outcome.
    gendered : sexes of the words in it; it fits a patient of that sex only.
    """

    text: str
    slots: tuple[Slot, ...]
    ends: bool
    gendered: frozenset[str]


@dataclass(frozen=True)
class Compiled:
    """A passage in clauses."""

    id: str
    register: str
    sex: str | None
    age: tuple[float, float] | None
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, eq=False)
class Prose:
    """Compiled passages, by what they are about and by what they mention."""

    passages: tuple[Compiled, ...]
    about: Mapping[str, tuple[int, ...]] = field(repr=False)
    sentences: Mapping[str, tuple[tuple[int, int], ...]] = field(repr=False)
    purposes: Mapping[str, tuple[tuple[int, int], ...]] = field(repr=False)

    def candidates(self, record: Record, registers: Sequence[str]) -> list[int]:
        """Passages about the record's conditions, for its sex and age; main condition first."""
        keys = [coded.key for coded in record.conditions[:MOST_CONDITIONS]]
        found = dict.fromkeys(i for key in keys for i in self.about.get(key, ()))
        fitting = [i for i in found if fits(self.passages[i], record)]
        return sorted(fitting, key=lambda i: self.passages[i].register not in registers)

    def mentioning(self, record: Record) -> list[tuple[int, int]]:
        """Passage and place of single clauses that name something that the record has."""
        held = (*record.conditions[:MOST_CONDITIONS], *record.drugs[:MOST_CONDITIONS])
        return list(dict.fromkeys(p for c in held for p in self.sentences.get(c.key, ())))


def fits(passage: Compiled, record: Record) -> bool:
    """Whether a passage can be about a patient of that age and sex."""
    if passage.sex is not None and passage.sex != record.sex:
        return False
    if not all(clause.gendered <= {record.sex} for clause in passage.clauses):
        return False
    if record.age is None:
        return passage.age is None
    return passage.age is None or passage.age[0] <= record.age <= passage.age[1]


def compile_prose(passages: Iterable[Passage], names: Lexicon, language: Language) -> Prose:
    """Cut passages and look their mentions up."""
    words = language.words
    outcome = _any_of(words.outcome)
    gendered = {"female": _any_of(words.gendered_female), "male": _any_of(words.gendered_male)}
    classes = {name.lower(): kind for kind, listed in language.classes.items() for name in listed}
    compiled: list[Compiled] = []
    about: dict[str, list[int]] = defaultdict(list)
    sentences: dict[str, list[tuple[int, int]]] = defaultdict(list)
    purposes: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for passage in passages:
        clauses = tuple(_clauses(passage, names, classes, outcome, gendered, words.abbreviations))
        for i, clause in enumerate(clauses):
            purpose = _purpose(clause, passage)
            if purpose:
                purposes[purpose].append((len(compiled), i))
        if passage.register not in NOT_OF_A_PATIENT:
            for key in passage.codes:
                about[key].append(len(compiled))
            for i, clause in enumerate(clauses):
                for key in {key for slot in clause.slots for key in slot.keys}:
                    sentences[key].append((len(compiled), i))
        compiled.append(Compiled(passage.id, passage.register, passage.sex, passage.age, clauses))
    return Prose(
        tuple(compiled),
        {key: tuple(listed) for key, listed in about.items()},
        {key: tuple(listed) for key, listed in sentences.items()},
        {key: tuple(listed) for key, listed in purposes.items()},
    )


PURPOSES = {"neg": "negatives", "fam": "family", "hyp": "planned"}
"""Sections of a note that a single clause can stand in, by the assertion of all it says."""


def _purpose(clause: Clause, passage: Passage) -> str:
    """The section that a clause could stand in alone; empty where there is none."""
    if clause.ends or clause.gendered or leans(clause):
        return ""
    if not passage.spans:
        return "aside"
    said = {slot.assertion for slot in clause.slots}
    labels = {base_label(slot.label) for slot in clause.slots}
    if passage.register in NOT_OF_A_PATIENT or len(said) != 1 or labels & {"AGE", "SEX", "DATE"}:
        return ""
    return PURPOSES.get(said.pop(), "")


def leans(clause: Clause) -> bool:
    """Whether a clause begins within a sentence, and so needs what stood before it."""
    return not clause.text[:1].isupper() or not clause.text.rstrip().endswith((".", "!", "?"))


def _clauses(
    passage: Passage,
    names: Lexicon,
    classes: Mapping[str, str],
    outcome: re.Pattern[str],
    gendered: Mapping[str, re.Pattern[str]],
    abbreviations: Sequence[str],
) -> Iterable[Clause]:
    text, at = passage.text, 0
    ends = [
        m for m in _END.finditer(text) if not _cuts(text, m.start(), passage.spans, abbreviations)
    ]
    for stop, after in [(m.start(), m.end()) for m in ends] + [(len(text), len(text))]:
        clause = text[at:stop]
        slots = []
        for span in passage.spans:
            if at <= span.start and span.end <= stop:
                surface = text[span.start : span.end]
                keys = names.keys(surface) if base_label(span.label) in CLAIMS else ()
                drug_class = classes.get(surface.lower(), "")
                for key in keys:
                    if key.startswith("ingredient:"):
                        drug_class = names.matcher.base.drugs[key.partition(":")[2]].drug_class
                slots.append(
                    Slot(
                        span.start - at, span.end - at, span.label, span.assertion, keys, drug_class
                    )
                )
        if clause.strip() and clause.count("(") == clause.count(")"):
            sexes = frozenset(sex for sex, word in gendered.items() if word.search(clause))
            yield Clause(clause, tuple(slots), bool(outcome.search(clause)), sexes)
        at = after


def _cuts(text: str, at: int, spans: Iterable[Span], abbreviations: Sequence[str]) -> bool:
    """Whether a cut would go through a mention or behind an abbreviation."""
    if any(span.start < at < span.end for span in spans):
        return True
    before = text[:at].removesuffix(".")
    initial = text[:at].endswith(".") and re.search(r"(?:^|[\s(])[A-Z]$", before) is not None
    return initial or before.endswith(tuple(" " + word for word in abbreviations))


def _any_of(words: Sequence[str]) -> re.Pattern[str]:
    return re.compile(r"(?<!\w)(" + "|".join(map(re.escape, words)) + r")(?!\w)", re.IGNORECASE)
