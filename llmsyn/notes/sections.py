"""What each section of a note says, in the strings of any language.

Everything that is said to be so has a code of the record.  What is said not to be so, to be
feared, planned, or to be somebody else's, the record does not have; its assertion says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from llmsyn.notes.drafting import Draft, Mention, slots
from llmsyn.notes.lexicon import Lexicon
from llmsyn.notes.patients import Coded, Record
from llmsyn.notes.tables import Language, Quantity, Values, read_doses

Filling = Mapping[str, Sequence[Mention]]

MOST_LISTED = 12
MOST_DRUGS = 14
MOST_IN_SENTENCE = 4
BRAND_SHARE = 0.25
OTHER_NAME_SHARE = 0.45


@dataclass(frozen=True, eq=False)
class Teller:
    """Writes the sections of one note.

    Attributes
    ----------
    early : whether the note is written before the stay's events: admission.
    """

    record: Record
    names: Lexicon
    language: Language
    values: Values
    random: np.random.Generator
    early: bool

    def pick(self, listed: Sequence[str]) -> str:
        """One of a list of strings."""
        return listed[int(self.random.integers(len(listed)))]

    def some(self, listed: Sequence[Coded], most: int) -> list[Coded]:
        """Up to ``most`` different members, in their order."""
        if len(listed) <= most:
            return list(listed)
        chosen = np.sort(self.random.choice(len(listed), size=most, replace=False))
        return [listed[int(i)] for i in chosen]

    def named(self, coded: Coded, assertion: str = "present") -> Mention:
        """A name of a code: the usual one, or now and then another."""
        share = BRAND_SHARE if coded.label.startswith("DRUG") else OTHER_NAME_SHARE
        name = coded.names[0]
        if len(coded.names) > 1 and self.random.random() < share:
            name = coded.names[1 + int(self.random.integers(len(coded.names) - 1))]
        return Mention(name, coded.label, coded.code, assertion)

    def all_named(self, listed: Sequence[Coded], assertion: str = "present") -> list[Mention]:
        """A mention of each."""
        return [self.named(coded, assertion) for coded in listed]

    def age(self) -> Mention | None:
        """The patient's age in one of the language's forms."""
        if self.record.age is None:
            return None
        years = int(self.record.age)
        if years >= 1:
            text = self.pick(self.language.age.years).replace("{n}", str(years))
        else:
            months = max(1, int(self.record.age * 12)) if self.record.age else 1
            text = self.pick(self.language.age.months).replace("{n}", str(months))
        return Mention(text, "AGE")

    def sex(self) -> Mention | None:
        """A word for the patient's sex."""
        if self.record.sex is None:
            return None
        words = self.language.words
        return Mention(
            self.pick(words.female if self.record.sex == "female" else words.male), "SEX"
        )

    def symptoms(self, *, present: bool) -> list[str]:
        """Names of symptoms that the record explains, or that nothing in it does."""
        return [
            key
            for key, causes in self.values.symptoms.items()
            if key in self.language.symptoms
            and any(cause in self.record.keys for cause in causes) == present
        ]

    def symptom_mentions(self, keys: Sequence[str], most: int, assertion: str) -> list[Mention]:
        """Up to ``most`` symptoms in words."""
        if not keys:
            return []
        n = min(most, len(keys))
        chosen = self.random.choice(len(keys), size=n, replace=False)
        return [
            Mention(self.pick(self.language.symptoms[keys[int(i)]]), "SYMPTOM", "", assertion)
            for i in chosen
        ]

    def foreign(self, listed: str, label: str, assertion: str, n: int = 1) -> list[Mention]:
        """Names from a list of the language that the record does not have."""
        names = self.language.lists[listed]
        found: list[Mention] = []
        for i in self.random.permutation(len(names)):
            name = names[int(i)]
            if not any(self.names.holds(key, self.record.keys) for key in self.names.keys(name)):
                found.append(Mention(name, label, "", assertion))
            if len(found) == n:
                break
        return found

    def line(self, draft: Draft, section: str, filling: Mapping[str, Sequence[Mention]]) -> bool:
        """Add one line of a section whose slots all have something; False where none fits."""
        usable = {slot for slot, mentions in filling.items() if mentions}
        fitting = [line for line in self.language.lines[section] if slots(line) <= usable]
        if not fitting:
            return False
        draft.line(self.pick(fitting), filling)
        return True


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
    _bullets(teller, draft, [[m] for m in listed])
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
    _bullets(teller, draft, [[teller.named(drug), *dosing(teller, drug)] for drug in listed])
    return bool(listed)


def dosing(teller: Teller, drug: Coded) -> list[Mention]:
    """Dose, route and frequency as one mention; none for a drug without a usual dose."""
    entry = read_doses().get(drug.key.partition(":")[2])
    if entry is None:
        return []
    doses, route, frequencies = entry
    parts = [teller.pick(doses)]
    if teller.random.random() < 0.7:
        parts.append(teller.pick(teller.language.route[route]))
    parts.append(teller.pick(teller.language.frequency[teller.pick(frequencies)]))
    return [Mention(" ".join(parts), "DOSE")]


def vitals(teller: Teller, draft: Draft) -> bool:
    """Vital signs that go with the conditions."""
    return _quantities(
        teller, draft, teller.values.vitals, teller.language.vitals, "PROC_DIAG:exam", 5
    )


def labs(teller: Teller, draft: Draft) -> bool:
    """Laboratory values that go with the conditions: those that they change, and some more."""
    return _quantities(teller, draft, teller.values.labs, teller.language.labs, "PROC_DIAG:lab", 7)


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


def _quantities(
    teller: Teller,
    draft: Draft,
    quantities: Mapping[str, Quantity],
    names: Mapping[str, Sequence[str]],
    label: str,
    most: int,
) -> bool:
    changed, usual = [], []
    for key, quantity in quantities.items():
        if key not in names:
            continue
        held = next((r for c, r in quantity.when.items() if c in teller.record.keys), None)
        if held is not None:
            changed.append((key, quantity, held))
        else:
            usual.append((key, quantity, quantity.usual))
    room = max(0, most - len(changed))
    chosen = changed[:most]
    if room and usual:
        # The first ones are what everybody has measured.
        chosen += usual[: max(2, room)][:room]
    first = True
    for i in teller.random.permutation(len(chosen)):
        key, quantity, (low, high) = chosen[int(i)]
        value = f"{teller.random.uniform(low, high):.{quantity.decimals}f}"
        if key == "systolic":
            value += f"/{int(float(value) * teller.random.uniform(0.5, 0.68))}"
        unit = quantity.unit if teller.random.random() < 0.7 else ""
        joint = "" if unit in ("%", "/min") else " "
        draft.write("" if first else ", ")
        draft.line(
            teller.pick(teller.language.lines["lab"]),
            {"test": [Mention(teller.pick(names[key]), label)],
             "value": [Mention(f"{value}{joint}{unit}".strip(), "MEASUREMENT")]},
            begins=first,
        )  # fmt: skip
        first = False
    draft.write("" if first else ".")
    return bool(chosen)


def _bullets(teller: Teller, draft: Draft, rows: Sequence[Sequence[Mention]]) -> None:
    """Rows as a numbered or marked list, or in one line."""
    style = int(teller.random.integers(4))
    for i, row in enumerate(rows):
        if style == 3:
            draft.write("; " if i else "")
        else:
            mark = ("- ", f"{i + 1}. ", f"#{i + 1} ")[style]
            draft.write(("\n" if i else "") + mark)
        for j, mention in enumerate(row):
            draft.write(" " if j else "")
            draft.mention(mention, capital=style != 3 and j == 0)
