"""The records of the knowledge base, as their TOML files are parsed.

One record a condition, drug ingredient or procedure.  Unknown keys are refused by name.
Strengths are classes from -2 to 3 (``knowledge/classes.toml`` gives their odds ratios);
where a published effect size exists, ``odds_ratio`` stands instead of ``strength``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from llmsyn.knowledge.types import EffectClass

Sources = tuple[str, ...]


class Record(BaseModel):
    """Base of everything that is read from a file of the knowledge base."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Effect(Record):
    """How much more or less likely something is: a class, or a published odds ratio.

    ``source`` lists keys of ``knowledge/sources.toml``; a key may be followed by ``:`` and
    what the source says (``vanwalraven-2009:CHF=+7``).
    """

    strength: EffectClass | None = None
    odds_ratio: float | None = Field(default=None, gt=0)
    source: Sources

    @model_validator(mode="after")
    def _one_effect(self) -> Effect:
        if (self.strength is None) == (self.odds_ratio is None):
            raise ValueError("write strength (a class) or odds_ratio (a published one)")
        return self


class OutcomeEffect(Effect):
    """Effect of a record on an outcome; ``worse_with`` names what makes it worse together."""

    worse_with: tuple[str, ...] = ()


class Edges(Effect):
    """Targets with the same effect, role and sources: ids of conditions, drugs or procedures."""

    ids: tuple[str, ...] = Field(min_length=1)
    role: str | None = None  # drugs, procedures: first_line, adjunct, rescue, prophylaxis, ...
    setting: tuple[Literal["inpatient", "icu", "home", "operating_room"], ...] = ()
    dose_form: str | None = None


class AgeSex(Record):
    """Age (years) and sex of hospital patients with the condition; either may be unsaid.

    ``follows_hospital``: the condition has no age or sex pattern of its own, so the numbers
    describe adult inpatients and lead to no association.  ``unverified``: the numbers are an
    estimate, or were written down from memory; nobody has compared them with a publication.
    """

    age_mean: float | None = None
    age_sd: float | None = Field(default=None, gt=0)
    share_male: float | None = Field(default=None, gt=0, lt=1)
    in_hospital_mortality: float | None = Field(default=None, ge=0, le=1)
    follows_hospital: bool = False
    unverified: bool = False
    source: Sources

    @model_validator(mode="after")
    def _both(self) -> AgeSex:
        if (self.age_mean is None) != (self.age_sd is None):
            raise ValueError("age_mean and age_sd go together")
        return self


class Constraints(Record):
    """What must hold for the record to apply; ``excludes`` are condition ids never beside it."""

    sex: Literal["any", "female", "male"] = "any"
    age_min: float = 0
    age_max: float = 124
    excludes: tuple[str, ...] = ()
    requires_any: tuple[str, ...] = ()


class PromptText(Record):
    """At most 120 words of our own wording, for prompts and notes."""

    text: str
    medlineplus_topic: str | None = None


class Condition(Record):
    """A disease, symptom or circumstance that diagnosis codes stand for.

    ``codes`` are prefixes by system (longest wins over the whole base).
    ``category_codes`` are categories shared by several records that, printed alone, are
    read as this one (``427`` is atrial fibrillation).  ``few`` names the kinds of edges that
    the record has few of by nature (an allergy calls for no procedure).
    """

    id: str
    family: str
    file: str = Field(default="", repr=False)
    name: str
    aliases: tuple[str, ...] = ()
    chronic: bool
    may_be_principal: bool = True
    family_rank: int | None = None
    few: tuple[Literal["comorbid", "drug", "procedure"], ...] = ()
    codes: Mapping[str, tuple[str, ...]]
    category_codes: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    groupers: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)  # ccs, ccsr, elixhauser
    profile: AgeSex | None = None
    comorbid: tuple[Edges, ...] = ()
    complication: tuple[Edges, ...] = ()
    drug: tuple[Edges, ...] = ()
    procedure: tuple[Edges, ...] = ()
    mortality: OutcomeEffect | None = None
    readmission: OutcomeEffect | None = None
    stay: OutcomeEffect | None = None
    constraints: Constraints = Constraints()
    prompt: PromptText | None = None


class Drug(Record):
    """A drug ingredient.  ``universal``: given on every ward, whatever the diagnosis.

    ``like`` names an ingredient of the same use: what the base says of that one holds for
    this one too.  ``rxcui_unverified``: the number comes from a table that nobody checked.
    """

    id: str
    family: str
    file: str = Field(default="", repr=False)
    name: str = ""
    drug_class: str
    aliases: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    salts: tuple[str, ...] = ()
    like: str | None = None
    rxcui: str | None = None
    rxcui_unverified: bool = False
    routes: tuple[str, ...] = ()
    dose_forms: tuple[str, ...] = ()
    universal: bool = False
    drug: tuple[Edges, ...] = ()  # ordered together
    mortality: OutcomeEffect | None = None
    readmission: OutcomeEffect | None = None
    stay: OutcomeEffect | None = None
    prompt: PromptText | None = None


class Procedure(Record):
    """A procedure concept; ``patterns`` are regular expressions for the start of a code."""

    id: str
    family: str
    file: str = Field(default="", repr=False)
    name: str
    group: str = ""
    aliases: tuple[str, ...] = ()
    patterns: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    drug: tuple[Edges, ...] = ()
    procedure: tuple[Edges, ...] = ()
    mortality: OutcomeEffect | None = None
    readmission: OutcomeEffect | None = None
    stay: OutcomeEffect | None = None
    prompt: PromptText | None = None


class Source(Record):
    """A source that records cite.

    ``unverified``: title, year or address were written down from memory and nobody has
    compared them with the publication yet.
    """

    title: str
    licence: str
    year: int
    url: str = ""
    note: str = ""
    unverified: bool = False


class OutcomeBackground(Record):
    """What age and kind of admission do to an outcome, whatever the diagnosis.

    ``age_odds_ratio_per_decade`` applies above ``age_from`` years.
    """

    age_odds_ratio_per_decade: float | None = Field(default=None, gt=0)
    age_from: float = 0
    admission: Mapping[str, float] = Field(default_factory=dict)  # odds ratio by kind
    source: Sources


class Edit(Record):
    """One sex or age rule of the Medicare Code Editor, as a prefix of a code."""

    system: str
    kind: Literal["sex", "age"]
    allowed: str  # female, male, or "low-high" in completed years
    prefix: str


class Exclusive(Record):
    """Two groups of codes (regular expressions for whole codes) never on one record.

    ``soft``: a coding rule that real records break now and then; it forbids nothing, and a
    check reports how often it is broken.
    """

    name: str
    soft: bool = False
    first: Mapping[str, tuple[str, ...]]
    second: Mapping[str, tuple[str, ...]]
    source: Sources


class Needs(Record):
    """Codes that call for others on the same record, by a coding rule; soft."""

    name: str
    codes: Mapping[str, tuple[str, ...]]
    any_of: Mapping[str, tuple[str, ...]]
    source: Sources
