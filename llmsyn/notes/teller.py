"""What sections draw from: a record, the strings of a language, and one stream of chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from llmsyn.notes.drafting import Draft, Mention, slots
from llmsyn.notes.lexicon import Lexicon
from llmsyn.notes.patients import Coded, Record
from llmsyn.notes.tables import Language, Values

BRAND_SHARE = 0.25
OTHER_NAME_SHARE = 0.45
"""How often a drug has a brand name, and a condition another name than its usual one."""


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
