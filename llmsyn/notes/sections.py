"""What each section of a note says, in the strings of any language.

Everything that is said to be so has a code of the record.  What is said not to be so, to be
feared, planned, or to be somebody else's, the record does not have; its assertion says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llmsyn.notes.drafting import Draft, Mention
from llmsyn.notes.listing import bullets, dosing, quantities
from llmsyn.notes.patients import Coded, Record
from llmsyn.notes.teller import Teller

MOST_LISTED = 12
MOST_DRUGS = 14
MOST_IN_SENTENCE = 4


def opening(teller: Teller, draft: Draft) -> bool:
    """Who the patient is, and why he or she is here."""
    record = teller.record
    if not record.conditions:
        return False
    age, sex = teller.age(), teller.sex()
    filling: dict[str, Sequence[Mention]] = {
        "age": [age] if age else [],
        "sex": [sex] if sex else [],
        "main": [teller.named(record.conditions[0])],
        "second": [teller.named(c) for c in _background(record)[:1]],
    }
    return teller.line(draft, "opening", filling)


def diagnoses(teller: Teller, draft: Draft) -> bool:
    """All conditions, as a list."""
    listed = teller.all_named(teller.record.conditions[:MOST_LISTED])
    bullets(teller, draft, [[m] for m in listed])
    return bool(listed)


def story(teller: Teller, draft: Draft) -> bool:
    """Symptoms that the conditions explain; the passage of the bank stands here instead."""
    found = teller.symptom_mentions(teller.symptoms(present=True), 3, "present")
    return teller.line(
        draft,
        "story",
        {
            "symptoms": found,
            "symptom": found[:1],
            "days": [Mention(teller.pick(teller.language.lists["days"]), "DATE")],
        },
    )


def past(teller: Teller, draft: Draft) -> bool:
    """Chronic conditions."""
    listed = teller.some(_background(teller.record), 6)
    if not listed:
        return teller.line(draft, "no_past", {})
    return teller.line(draft, "past", {"chronic": teller.all_named(listed)})


def family(teller: Teller, draft: Draft) -> bool:
    """Diseases of relatives."""
    relative = Mention(teller.pick(teller.language.lists["relatives"]))
    disease = teller.foreign("family_diseases", "DISEASE", "fam")
    return teller.line(draft, "family", {"relative": [relative], "disease": disease})


def allergies(teller: Teller, draft: Draft) -> bool:
    """None, or a drug that the patient does not get."""
    return teller.line(draft, "allergies", {"drug": teller.foreign("allergens", "DRUG", "neg")})


def medications(teller: Teller, draft: Draft) -> bool:
    """Drugs with dose, route and frequency."""
    listed = teller.some(teller.record.drugs, MOST_DRUGS)
    bullets(teller, draft, [[teller.named(drug), *dosing(teller, drug)] for drug in listed])
    return bool(listed)


def vitals(teller: Teller, draft: Draft) -> bool:
    """Vital signs that go with the conditions."""
    return quantities(
        teller, draft, teller.values.vitals, teller.language.vitals, "PROC_DIAG:exam", 5
    )


def labs(teller: Teller, draft: Draft) -> bool:
    """Laboratory values that go with the conditions: those that they change, and some more."""
    return quantities(teller, draft, teller.values.labs, teller.language.labs, "PROC_DIAG:lab", 7)


def exam(teller: Teller, draft: Draft) -> bool:
    """A line or two of examination."""
    absent = teller.symptom_mentions(teller.symptoms(present=False), 1, "neg")
    present = teller.symptom_mentions(teller.symptoms(present=True), 1, "present")
    return teller.line(draft, "exam", {"absent": absent, "symptom": present})


def course(teller: Teller, draft: Draft) -> bool:
    """Conditions and, of the patient's drugs, those that the knowledge base gives for them."""
    record = teller.record
    main, rest = record.conditions[:1], list(record.conditions[1:])
    drugs = teller.some(_given_for(main, record), MOST_IN_SENTENCE)
    filling = {
        "main": teller.all_named(main),
        "second": teller.all_named(rest[:1]),
        "others": teller.all_named(teller.some(rest[1:], MOST_IN_SENTENCE)),
        "drugs": teller.all_named(drugs),
        "drug": teller.all_named(drugs[:1]),
        "drug_second": teller.all_named(teller.some(_given_for(rest[:1], record), 1)),
    }
    return teller.line(draft, "course", filling)


def treatment(teller: Teller, draft: Draft) -> bool:
    """Drugs in a sentence."""
    drugs = teller.some(teller.record.drugs, MOST_IN_SENTENCE + 1)
    filling = {"drugs": teller.all_named(drugs[1:] or drugs), "drug": teller.all_named(drugs[:1])}
    return teller.line(draft, "treatment", filling)


def procedures(teller: Teller, draft: Draft) -> bool:
    """What was done."""
    listed = teller.some(teller.record.procedures, MOST_IN_SENTENCE)
    filling = {"procedures": teller.all_named(listed), "procedure": teller.all_named(listed[:1])}
    return bool(listed) and teller.line(draft, "procedures", filling)


def negatives(teller: Teller, draft: Draft) -> bool:
    """Symptoms and diseases that the patient does not have."""
    diseases = teller.foreign("absent_diseases", "DISEASE", "neg", 2)
    filling = {
        "absents": teller.symptom_mentions(teller.symptoms(present=False), 3, "neg"),
        "absent": diseases[:1],
        "absent2": diseases[1:],
    }
    return teller.line(draft, "negatives", filling)


def doubt(teller: Teller, draft: Draft) -> bool:
    """A disease that is thought of."""
    return teller.line(
        draft, "doubt", {"absent": teller.foreign("absent_diseases", "DISEASE", "unc")}
    )


def planned(teller: Teller, draft: Draft) -> bool:
    """What may come: tests, drugs, and in an early note the procedures of the stay."""
    ahead = teller.record.procedures if teller.early else ()
    filling = {
        "test": teller.foreign("tests", "PROC_DIAG:imaging", "hyp"),
        "drug_new": teller.foreign("new_drugs", "DRUG", "hyp"),
        "symptom": teller.symptom_mentions(teller.symptoms(present=True), 1, "hyp"),
        "procedure": teller.all_named(teller.some(ahead, 1), "hyp"),
    }
    return teller.line(draft, "planned", filling)


def plan(teller: Teller, draft: Draft) -> bool:
    """What to do after the stay; nothing for the dead."""
    if teller.record.died:
        return False
    symptoms = teller.symptom_mentions(list(teller.language.symptoms), 2, "hyp")
    filling = {
        "symptom": symptoms[:1],
        "symptom2": symptoms[1:],
        "test": teller.foreign("tests", "PROC_DIAG:imaging", "hyp"),
        "days": [Mention(teller.pick(teller.language.lists["days"]), "DATE")],
    }
    return teller.line(draft, "plan", filling)


def outcome(teller: Teller, draft: Draft) -> bool:
    """How the stay ended, where the record says so."""
    record = teller.record
    if record.died is None:
        return False
    days = []
    if record.stay_days is not None and record.stay_days >= 1:
        days = [Mention(_stay(teller, int(record.stay_days)), "DATE")]
    return teller.line(draft, "died" if record.died else "left", {"days": days})


def aside(teller: Teller, draft: Draft) -> bool:
    """A sentence without any mention, that looks as if it had one."""
    return teller.line(draft, "aside", {})


TELLERS: dict[str, Callable[[Teller, Draft], bool]] = {
    "opening": opening, "diagnoses": diagnoses, "story": story, "past": past, "family": family,
    "allergies": allergies, "home": medications, "vitals": vitals, "exam": exam, "labs": labs,
    "procedures": procedures, "course": course, "treatment": treatment, "negatives": negatives,
    "doubt": doubt, "aside": aside, "medications": medications, "planned": planned, "plan": plan,
    "outcome": outcome,
}  # fmt: skip


def _given_for(conditions: Sequence[Coded], record: Record) -> list[Coded]:
    wanted = frozenset().union(*(c.treated_by for c in conditions))
    return [drug for drug in record.drugs if drug.key in wanted]


def _background(record: Record) -> list[Coded]:
    return [coded for coded in record.conditions[1:] if coded.chronic]


def _stay(teller: Teller, days: int) -> str:
    # The list's own words hold "days" in every language: take one with a number and change it.
    pattern = next((d for d in teller.language.lists["days"] if d.split(" ")[0].isdigit()), "")
    number, _, unit = pattern.partition(" ")
    return f"{days} {unit}" if number and days > 1 else teller.pick(teller.language.lists["days"])
