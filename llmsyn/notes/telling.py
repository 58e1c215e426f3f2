"""What a record can take of the bank's prose: clauses that hold for it, slots filled.

A present mention needs a code of the record, a negated one its absence.  A drug that the
record lacks may be replaced by one of its class that the record has.  Age and sex become the
record's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from llmsyn.notes.drafting import Draft, Mention
from llmsyn.notes.lexicon import Lexicon
from llmsyn.notes.patients import Coded, Record
from llmsyn.notes.prose import CLAIMS, Clause, Compiled, Prose, Slot, leans
from llmsyn.notes.tables import Language
from llmsyn.notes.types import base_label

FEWEST_CLAUSES = 2
LEAST_SHARE = 0.4
"""Clauses of a passage that have to be left for it to be told, and their share of all."""

_NUMBER = re.compile(r"\d+")


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
    *,
    coded: bool = True,
) -> Told | None:
    """Single clauses that hold for a record; None where there is none.

    Parameters
    ----------
    coded : take those only that name something that the record has.
    """
    told, families = [], []
    for passage, place in places:
        clause = prose.passages[passage].clauses[place]
        if clause.ends or not clause.gendered <= {record.sex} or leans(clause):
            continue
        mentions = _filled(clause, record, names, language, None)
        if mentions is None:
            continue
        if not coded or any(m is not None and m.code for m in mentions):
            told.append((clause, mentions))
            families.append(prose.passages[passage].id)
        if len(told) == most:
            break
    return Told(tuple(dict.fromkeys(families)), tuple(told)) if told else None


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
