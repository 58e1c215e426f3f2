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
from llmsyn.notes.drafting import Draft, Mention
from llmsyn.notes.lexicon import Lexicon
from llmsyn.notes.patients import Coded, Record
from llmsyn.notes.tables import Language
from llmsyn.notes.types import Span, base_label

CLAIMS = frozenset({"DISEASE", "TUMOR_MORPHOLOGY", "DRUG", "PROC_THER", "DEVICE"})
"""Labels whose mentions say something that a record can contradict."""

NOT_OF_A_PATIENT = frozenset(
    [
        "abstract",
        "trial",
        "drug_label",
        "label",
        "eligibility",
        "guideline",
        "biomedical",
        "genetics",
        "administrative",
        "admin",
        "methods",
        "protocol",
        "medication_list",
        "statistics",
        "genetics_abstract",
        "trial_result",
    ]
)
"""Registers that tell of a population, a product or nobody."""

FEWEST_CLAUSES = 2
LEAST_SHARE = 0.4
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
    for passage in passages:
        clauses = tuple(_clauses(passage, names, classes, outcome, gendered, words.abbreviations))
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
    )


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


@dataclass(frozen=True)
class Told:
    """What a record can take of a passage: clauses and the mentions for their slots."""

    passages: tuple[str, ...]
    clauses: tuple[tuple[Clause, tuple[Mention | None, ...]], ...]

    @property
    def has_labs(self) -> bool:
        """Whether laboratory values are in it, which the note then need not repeat."""
        return any(s.label == "PROC_DIAG:lab" for clause, _ in self.clauses for s in clause.slots)

    def write(self, draft: Draft) -> None:
        """Add the clauses to a draft."""
        for i, (clause, mentions) in enumerate(self.clauses):
            text = clause.text
            at = 0
            begins = i == 0 or self.clauses[i - 1][0].text.rstrip()[-1:] != ";"
            for slot, mention in zip(clause.slots, mentions):
                before = text[at : slot.start]
                draft.write(_begun(before) if begins and at == 0 else before)
                surface = text[slot.start : slot.end]
                given = mention or Mention(surface, slot.label, "", slot.assertion)
                draft.mention(given, capital=begins and at == 0 and not before.strip())
                at = slot.end
            rest = text[at:]
            rest = _begun(rest) if begins and at == 0 else rest
            last = i == len(self.clauses) - 1
            if rest.endswith(";") and (last or self.clauses[i + 1][0].text[:1].isupper()):
                rest = rest[:-1] + "."
            draft.write(rest)
            if not last:
                draft.write(" ")


def _begun(text: str) -> str:
    return text[:1].upper() + text[1:]


def tell(
    passage: Compiled, record: Record, names: Lexicon, language: Language, age_text: str | None
) -> Told | None:
    """The clauses of a passage that hold for a record; None where too few are left.

    A passage that is mostly about diseases that the record lacks tells the symptoms of those,
    and is left out.
    """
    told, had, lacked = [], 0, 0
    for clause in passage.clauses:
        mentions = None if clause.ends else _filled(clause, record, names, language, age_text)
        diseases = sum(
            base_label(s.label) in ("DISEASE", "TUMOR_MORPHOLOGY") and s.assertion == "present"
            for s in clause.slots
        )
        if mentions is None:
            lacked += 0 if clause.ends else diseases
        else:
            had += diseases
            told.append((clause, mentions))
    n = len(passage.clauses)
    if len(told) < FEWEST_CLAUSES or len(told) < LEAST_SHARE * n or had == 0 or had < lacked:
        return None
    return Told((passage.id,), tuple(told))


def quote(
    prose: Prose,
    places: Iterable[tuple[int, int]],
    most: int,
    record: Record,
    names: Lexicon,
    language: Language,
) -> Told | None:
    """Single clauses that name something that the record has; None where there is none."""
    told, families = [], []
    for passage, place in places:
        clause = prose.passages[passage].clauses[place]
        if clause.ends or not clause.gendered <= {record.sex} or _leans(clause):
            continue
        mentions = _filled(clause, record, names, language, None)
        if mentions is not None and any(m is not None and m.code for m in mentions):
            told.append((clause, mentions))
            families.append(prose.passages[passage].id)
        if len(told) == most:
            break
    return Told(tuple(dict.fromkeys(families)), tuple(told)) if told else None


def _leans(clause: Clause) -> bool:
    """Whether a clause begins within a sentence, and so needs what stood before it."""
    return not clause.text[:1].isupper() or not clause.text.rstrip().endswith((".", "!", "?"))


def _filled(
    clause: Clause, record: Record, names: Lexicon, language: Language, age_text: str | None
) -> tuple[Mention | None, ...] | None:
    """What stands in each slot (None: the passage's own words); None where the clause is false."""
    found: list[Mention | None] = []
    used: set[str] = set()
    for slot in clause.slots:
        base, surface = base_label(slot.label), clause.text[slot.start : slot.end]
        if base == "AGE":
            aged = _aged(surface, age_text, slot)
            if aged is None:
                return None
            found.append(aged)
        elif base == "SEX":
            if surface.lower() not in getattr(language.words, record.sex or "", ()):
                return None
            found.append(None)
        elif base not in CLAIMS:
            found.append(None)
        elif slot.assertion == "neg":
            if any(names.holds(key, record.keys) for key in slot.keys):
                return None
            found.append(None)
        elif slot.assertion in ("fam", "hyp"):
            found.append(None)
        else:
            mention = _supported(slot, surface, base, record, names, used)
            if mention is None:
                return None
            found.append(mention)
    return tuple(found)


def _supported(
    slot: Slot, surface: str, base: str, record: Record, names: Lexicon, used: set[str]
) -> Mention | None:
    """The passage's mention with the record's code, or another drug of the class."""
    listed = {"DRUG": record.drugs, "PROC_THER": record.procedures}.get(base, record.conditions)
    for coded in listed:
        if any(names.holds(key, frozenset((coded.key,))) for key in slot.keys):
            used.add(coded.key)
            return Mention(surface, slot.label, coded.code, slot.assertion)
    if base != "DRUG" or not slot.drug_class:
        return None
    same: list[Coded] = [d for d in record.drugs if d.drug_class == slot.drug_class]
    if slot.label == "DRUG:class":
        return Mention(surface, slot.label, "", slot.assertion) if same else None
    for coded in same:
        if coded.key not in used:
            used.add(coded.key)
            name = coded.names[0]
            capital = surface[:1].isupper() and slot.start == 0
            name = name[:1].upper() + name[1:] if capital else name
            return Mention(name, coded.label, coded.code, slot.assertion)
    return None


def _aged(surface: str, age_text: str | None, slot: Slot) -> Mention | None:
    """The passage's age with the record's number; None where the number is not in digits."""
    numbers = _NUMBER.findall(surface)
    if age_text is None or len(numbers) != 1 or slot.assertion != "present":
        return None
    # A baby's age in months or days cannot take a number of years.
    if re.search(r"month|week|day|hour|mes|semana|día|kuu|nädal|päev", surface.lower()):
        return None
    return Mention(_NUMBER.sub(age_text, surface), slot.label, "", slot.assertion)
