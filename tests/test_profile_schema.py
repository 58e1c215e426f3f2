"""The keys of profile.toml and the sentences about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import llmsyn.profile.schema as schema
from llmsyn.errors import ProfileError
from llmsyn.profile.schema import json_schema, parse_document

FILE = Path(schema.__file__).with_name("profile.schema.json")


def _document(**changes: Any) -> dict[str, Any]:
    sex = {"name": "sex", "kind": "categorical", "stage": "s", "file": "sex.csv"}
    usual = {"schema": 1, "name": "x", "unit": "patient", "n_units": 10, "stages": ["s"]}
    return {**usual, "variables": [sex], **changes}


def test_the_published_schema_is_current() -> None:
    text = json.dumps(json_schema(), indent=2, sort_keys=True) + "\n"
    assert FILE.read_text() == text, "run: python -m llmsyn.profile.schema"


def test_a_small_document() -> None:
    document = parse_document(_document(provenance={"released": "2016-05-24"}), "profile.toml")
    assert document.variables[0].role == "feature"
    assert document.disclosure.rounding == 1


VARIABLE = {"name": "v", "stage": "s", "file": "v.csv"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"untis": "patient"}, "key untis: unknown key; did you mean unit?"),
        ({"qq": 1}, "key qq: unknown key; known here: disclosure, n_patients"),
        ({"schema": "1"}, "key schema: '1' is not accepted; write 1"),
        ({"unit": "visit"}, "key unit: 'visit' is not accepted; write 'patient' or 'stay'"),
        ({"unit": "stay"}, "unit is stay and n_patients is not given; add n_patients"),
        ({"n_units": 0}, "key n_units: 0 is out of range; write a number above 0"),
        ({"n_units": float("inf")}, "key n_units: inf is not accepted; write a finite number"),
        ({"stages": "s"}, "key stages: 's' is not accepted; write a list in square brackets"),
        ({"stages": []}, "key stages: there are too few entries; give at least 1"),
        ({"name": 3}, "key name: 3 is not accepted; write a text in quotes"),
        (
            {"disclosure": {"rounding": 2.5}},
            "disclosure.rounding: 2.5 is not accepted; write a whole",
        ),
        ({"disclosure": {"zeros_published": 1}}, "write true or false"),
        ({"disclosure": 5}, "key disclosure: 5 is not accepted; write a table of keys"),
        ({"variables": [{**VARIABLE}]}, "key variables[0].kind: the key is missing; write 'cat"),
        (
            {"variables": [{**VARIABLE, "kind": "codes"}]},
            "variables[0].systems: the key is missing",
        ),
        (
            {"variables": [{**VARIABLE, "kind": "codes", "systems": ["atc", "atc"]}]},
            "listed twice in systems",
        ),
        (
            {"variables": [{**VARIABLE, "kind": "codes", "systems": ["atc"], "means": {}}]},
            "key variables[0].means: unknown key",
        ),
        (
            {"variables": [{**VARIABLE, "kind": "numeric", "missing_count": -1}]},
            "variables[0].missing_count: -1 is not accepted; write a count, or 'suppressed'",
        ),
        ({"variables": [{**VARIABLE, "kind": "numeric", "mean": 3.0}]}, "exclude each other"),
        ({"variables": [{**VARIABLE, "kind": "numeric", "low": 9, "high": 1}]}, "low = 9 is not"),
        (
            {"variables": [{**VARIABLE, "kind": "categorical", "name": "a b"}]},
            "variables[0].name: 'a b' is no name; begin with a letter",
        ),
        (
            {"variables": [{**VARIABLE, "kind": "categorical", "role": "proxy"}]},
            "role = 'proxy' and proxy_of go together",
        ),
        (
            {"tables": [{"axes": ["a"], "file": "f", "sauce": ""}]},
            "tables[0].sauce: unknown key; did you mean source? (and 1 more key of this file)",
        ),
    ],
)
def test_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ProfileError) as error:
        parse_document(_document(**changes), "profile.toml")
    assert message in str(error.value)
    assert str(error.value).startswith("profile.toml")
    assert "\n" not in str(error.value)


def test_a_toml_date_is_a_date() -> None:
    import datetime

    document = _document(provenance={"released": datetime.date(2016, 5, 24)})
    assert parse_document(document, "p").provenance.released == "2016-05-24"
