"""The strings of a language, and the values and doses that all languages share.

A new language is a folder of ``knowledge/prose`` with ``language.toml`` and
``surfaces.toml``; no code.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from llmsyn.errors import InputError, KnowledgeError
from llmsyn.knowledge.parsed import read_toml
from llmsyn.notes.bank import prose_folder

Strings = tuple[str, ...]
_ModelT = TypeVar("_ModelT", bound=BaseModel)

SECTIONS = (
    "opening", "diagnoses", "story", "past", "family", "allergies", "home", "vitals", "exam",
    "labs", "procedures", "course", "treatment", "negatives", "doubt", "aside", "medications",
    "planned", "plan", "outcome",
)  # fmt: skip

KINDS = (
    "discharge_summary", "admission_note", "progress_note", "case_report", "referral_letter",
    "abstract",
)  # fmt: skip


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Kind(_Strict):
    """A kind of note: its heads, sections in order, and registers of fitting passages.

    ``prose`` kinds have no titles over their sections.
    """

    heads: Strings
    sections: Strings
    registers: Strings
    prose: bool = False

    @model_validator(mode="after")
    def _sections_known(self) -> Kind:
        unknown = set(self.sections) - set(SECTIONS)
        if unknown:
            raise ValueError(f"there is no section {min(unknown)!r}; there are {SECTIONS}")
        return self


class Words(_Strict):
    """Words that say the sex of a patient, an outcome, or end in a dot within a sentence."""

    female: Strings
    male: Strings
    gendered_female: Strings
    gendered_male: Strings
    outcome: Strings
    abbreviations: Strings = ()


class Joining(_Strict):
    """What stands between the members of a list, and before the last.

    ``before_i`` replaces ``last`` where the word behind it begins with the sound i (Spanish).
    """

    comma: str
    last: str
    before_i: str = ""


class Ages(_Strict):
    """Forms of an age; ``{n}`` is the number."""

    years: Strings
    months: Strings


class Language(_Strict):
    """All strings of a language."""

    name: str
    words: Words
    join: Joining
    age: Ages
    route: Mapping[str, Strings]
    frequency: Mapping[str, Strings]
    titles: Mapping[str, Strings]
    kinds: Mapping[str, Kind]
    lines: Mapping[str, Strings]
    lists: Mapping[str, Strings]
    classes: Mapping[str, Strings] = {}
    labs: Mapping[str, Strings]
    vitals: Mapping[str, Strings]
    symptoms: Mapping[str, Strings]

    @model_validator(mode="after")
    def _has_all_kinds(self) -> Language:
        missing = set(KINDS) - set(self.kinds)
        if missing:
            raise ValueError(f"the kind {min(missing)!r} is missing")
        return self


class Quantity(_Strict):
    """A laboratory value or vital sign: unit, usual range, ranges of those who have a concept."""

    unit: str
    usual: tuple[float, float]
    decimals: int
    when: Mapping[str, tuple[float, float]]


class Values(_Strict):
    """What all languages share."""

    labs: Mapping[str, Quantity]
    vitals: Mapping[str, Quantity]
    symptoms: Mapping[str, Strings]


class Doses(_Strict):
    """Ingredient -> doses, route, frequencies."""

    doses: Mapping[str, tuple[Strings, str, Strings]]


@lru_cache(maxsize=8)
def read_language(language: str, folder: Path | None = None) -> Language:
    """The strings of a language.

    Raises
    ------
    InputError : there is no such language.
    KnowledgeError : the file lacks or adds a key.
    """
    place = folder or prose_folder()
    file = place / language / "language.toml"
    if not file.is_file():
        known = ", ".join(sorted(f.parent.name for f in place.glob("*/language.toml")))
        raise InputError(f"there is no language {language!r}; there are {known}")
    return _parsed(Language, file)


@lru_cache(maxsize=1)
def read_values() -> Values:
    """Values and vital signs."""
    return _parsed(Values, prose_folder() / "values.toml")


@lru_cache(maxsize=1)
def read_doses() -> Mapping[str, tuple[Strings, str, Strings]]:
    """Doses by ingredient."""
    return _parsed(Doses, prose_folder() / "doses.toml").doses


def _parsed(model: type[_ModelT], file: Path) -> _ModelT:
    try:
        return model.model_validate(read_toml(file))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise KnowledgeError(f"{first['msg']}; correct it", file=file, key=key) from error
