"""The keys of ``profile.toml``: which there are, and what each accepts.

This file checks one key at a time and keys that exclude each other.  What the keys point
to (files, variables, codes) is checked by :mod:`llmsyn.profile.reading` and
:mod:`llmsyn.profile.findings`.
"""

from __future__ import annotations

import datetime
import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from llmsyn.errors import ProfileError
from llmsyn.profile.complaints import complain
from llmsyn.profile.types import SCHEMA_VERSION

System = Literal[
    "icd9cm",
    "icd10cm",
    "icd9proc",
    "icd10pcs",
    "cpt",
    "hcpcs",
    "ingredient",
    "atc",
    "ndc",
    "rxnorm",
    "local",
]

SUPPRESSED: Literal["suppressed"] = "suppressed"
"""How a number that its owner keeps back is written, in TOML and in CSV."""


def _as_text(value: object) -> object:
    """TOML has dates of its own; here a date is text."""
    return value.isoformat() if isinstance(value, datetime.date) else value


def _count_or_suppressed(value: object) -> object:
    """NaN for the word ``suppressed``; anything but a count is refused."""
    if value == SUPPRESSED:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{value!r} is not accepted; write a count, or '{SUPPRESSED}'")
    return value


Name = Annotated[str, Field(pattern=r"^[^\W\d][\w-]*$")]
Text = Annotated[str, Field(min_length=1)]
Count = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
CountOrSuppressed = Annotated[
    float,
    BeforeValidator(_count_or_suppressed),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"const": SUPPRESSED}]}),
]
Date = Annotated[str, BeforeValidator(_as_text)]


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ProvenanceKeys(_Keys):
    """``[provenance]``: where the numbers come from."""

    kind: Literal["extract", "published", "typed", "invented"] = "typed"
    source: str = ""
    licence: str = ""
    released: Date = Field(default="", description="ISO date")
    mapping_sha256: str = ""
    notes: str = ""


class DisclosureKeys(_Keys):
    """``[disclosure]``: what was done to the numbers before they left their owner."""

    method: Literal["none", "suppression", "differential_privacy", "published"] = "none"
    threshold: int = Field(default=0, ge=0, description="fewest distinct patients behind a count")
    rounding: int = Field(default=1, ge=1, description="base that counts are rounded to")
    zeros_published: bool = False
    epsilon: Positive | None = None
    delta: Share | None = None
    max_codes: int | None = Field(default=None, ge=1)
    predicted_membership_auc: Share | None = None
    max_membership_auc: Share | None = None
    left_out: list[str] = []


class _VariableKeys(_Keys):
    name: Name
    stage: Text
    role: Literal["feature", "outcome", "proxy"] = "feature"
    proxy_of: Name | None = None
    label: str = ""
    concept: Text | None = None
    half_width: Count | None = Field(
        default=None, description="a count c stands for c - half_width to c + half_width"
    )
    sigma: Count = Field(default=0.0, description="standard deviation of privacy noise, in counts")

    @model_validator(mode="after")
    def _proxy_is_named(self) -> _VariableKeys:
        if (self.role == "proxy") != (self.proxy_of is not None):
            raise ValueError(
                "role = 'proxy' and proxy_of go together; give both, proxy_of with the name of "
                "the outcome that the variable gives away, or neither"
            )
        return self


class CategoricalKeys(_VariableKeys):
    """A variable with named levels; its file has columns level and count or share."""

    kind: Literal["categorical"]
    file: Text
    ordered: bool = False
    missing: Text | None = Field(
        default=None, description="the level that stands for a missing value"
    )
    means: dict[str, Text] = {}


class NumericKeys(_VariableKeys):
    """A number: a file of bins or quantiles, or its mean and standard deviation."""

    kind: Literal["numeric"]
    unit: str = ""
    decimals: int = Field(default=0, ge=0, le=9)
    file: Text | None = Field(
        default=None, description="columns low,high,count|share or quantile,value"
    )
    mean: Finite | None = None
    sd: Positive | None = None
    low: Finite | None = None
    high: Finite | None = None
    missing_count: CountOrSuppressed | None = None
    missing_share: Share | None = None
    basis: Literal["bins", "quantiles", "mean_sd"] | None = Field(
        default=None, description="what a file of bins was made from"
    )

    @model_validator(mode="after")
    def _one_description(self) -> NumericKeys:
        moments = {k: getattr(self, k) for k in ("mean", "sd", "low", "high")}
        if self.file is None and None in moments.values():
            absent = ", ".join(k for k, v in moments.items() if v is None)
            raise ValueError(
                f"a numeric variable needs file, or mean, sd, low and high together; {absent} "
                "is not given"
            )
        if self.file is not None and (self.mean is not None or self.sd is not None):
            raise ValueError("file and mean, sd exclude each other; keep one of them")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(
                f"low = {self.low:g} is not below high = {self.high:g}; low is the smallest "
                "possible value, high the largest"
            )
        if self.missing_count is not None and self.missing_share is not None:
            raise ValueError("missing_count and missing_share exclude each other; keep one")
        return self


class SelectorKeys(_Keys):
    """Which code systems may follow a level of a variable that is drawn before."""

    variable: Name
    systems: dict[str, list[System]]


class CodesKeys(_VariableKeys):
    """A code set: columns code and count or share, optionally main_count or main_share."""

    kind: Literal["codes"]
    systems: list[System] = Field(min_length=1)
    file: Text
    histograms: Text | None = Field(
        default=None, description="columns number and listed, unlisted, total"
    )
    unlisted_per_unit: Count | None = None
    selector: SelectorKeys | None = None

    @model_validator(mode="after")
    def _systems_once(self) -> CodesKeys:
        if len(set(self.systems)) < len(self.systems):
            raise ValueError("a code system is listed twice in systems; list each once")
        return self


class TableKeys(_Keys):
    """``[[tables]]``: one column an axis, then count or share."""

    axes: list[Text] = Field(min_length=2)
    file: Text
    absent: Literal["suppressed", "unknown"] | None = None
    half_width: Count | None = None
    sigma: Count = 0.0
    source: str = ""


class RuleKeys(_Keys):
    """``[[rules]]``: terms that can never all hold for one unit."""

    never: list[str] = Field(min_length=1)
    reason: str = ""
    source: str = ""


VariableKeys = Annotated[
    CategoricalKeys | NumericKeys | CodesKeys,
    Field(discriminator="kind"),
]


class Document(_Keys):
    """A whole ``profile.toml``."""

    version: Literal[1] = Field(alias="schema", description="version of this format")
    name: Text
    title: str = ""
    unit: Literal["patient", "stay"]
    n_units: Positive
    n_patients: Positive | None = Field(
        default=None, description="n_units when the unit is patient"
    )
    stages: list[Text] = Field(min_length=1)
    provenance: ProvenanceKeys = ProvenanceKeys()
    disclosure: DisclosureKeys = DisclosureKeys()
    variables: list[VariableKeys] = Field(min_length=1)
    tables: list[TableKeys] = []
    rules: list[RuleKeys] = []

    @model_validator(mode="after")
    def _patients_are_known(self) -> Document:
        if self.unit == "stay" and self.n_patients is None:
            raise ValueError("unit is stay and n_patients is not given; add n_patients")
        return self


def parse_document(data: dict[str, Any], file: str) -> Document:
    """Check the keys of a profile and return them.

    Parameters
    ----------
    data : what the TOML parser made of the file.
    file : name of the file, for messages.

    Raises
    ------
    ProfileError : a key is unknown, missing, or has a value that is not accepted; the
        message names the first, and says how many there are.
    """
    version = data.get("schema")
    if version is None:
        raise ProfileError(
            f"the key is missing; write schema = {SCHEMA_VERSION} in the first line",
            file=file,
            key="schema",
        )
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise ProfileError(
            f"this profile is written in format {version} and this program reads format "
            f"{SCHEMA_VERSION}; update llmsyn",
            file=file,
            key="schema",
        )
    try:
        return Document.model_validate(data)
    except ValidationError as error:
        raise complain(error, data, Document, file) from None


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of ``profile.toml``, for editors that check as one types."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Document.model_json_schema(by_alias=True),
        "title": "llmsyn profile",
    }


def main() -> None:
    """Write the JSON Schema beside this file (``python -m llmsyn.profile.schema``)."""
    text = json.dumps(json_schema(), indent=2, sort_keys=True) + "\n"
    Path(__file__).with_name("profile.schema.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
