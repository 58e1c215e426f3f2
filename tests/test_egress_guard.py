"""What passes the guard, and what does not: only typed public values leave."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import only_loopback  # noqa: F401  # runs by itself

from llmsyn import codes
from llmsyn.egress.guard import check
from llmsyn.egress.requests import PublicRequest, Service
from llmsyn.egress.values import (
    KnowledgeValue,
    OwnText,
    PublicCode,
    SyntheticValue,
    profile_count,
    profile_label,
    synthetic_value,
)
from llmsyn.errors import InputError
from llmsyn.profile.types import Disclosure, Profile, Provenance
from llmsyn.profile.variables import Categorical, CodeSet, Numeric

ANY = Service("Echo", "https://example.org/service", method="POST")
PATIENT = "Jane Doe 1953-04-12 MRN 8812345"


def sent(value: Any, service: Service = ANY, **listed: frozenset[str]) -> Any:
    return check(PublicRequest(service, {"q": value}), listed).left["q"]


def refusal(value: Any, service: Service = ANY) -> str:
    with pytest.raises(InputError) as raised:
        sent(value, service)
    return str(raised.value)


class Dressed(OwnText):
    """A subclass that carries something along."""


@dataclass
class FakeCohort:
    origin: str


@pytest.mark.parametrize(
    "value",
    [
        PATIENT,
        8812345,
        None,
        b"bytes",
        [OwnText("a list may change after the check")],
        {"deep": {"er": PATIENT}},
        (OwnText("x"), PATIENT),
        Dressed(PATIENT),
        OwnText(PATIENT.encode()),  # type: ignore[arg-type]
        KnowledgeValue([PATIENT], "x"),  # type: ignore[arg-type]
        PublicCode("icd10cm", PATIENT),
        PublicCode("icd10cm", "8812345"),
        PublicCode("icd9cm", "19530412"),
        PublicCode("rxnorm", "8812345"),
        PublicCode("local", "8812345"),
        {PATIENT: OwnText("as a name")},
        FakeCohort("real"),
        FakeCohort("synthetic"),
    ],
)
def test_what_looks_like_a_patient_is_refused_and_not_repeated(value: Any) -> None:
    message = refusal(value)
    assert "nothing was sent to Echo" in message
    assert not any(part in message for part in ("Jane", "1953", "8812345"))


def test_a_real_cohort_is_named_as_the_reason() -> None:
    assert "a cohort of origin 'real'" in refusal(FakeCohort("real"))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_suppressed_number_is_refused(number: float) -> None:
    assert "suppressed" in refusal(SyntheticValue(number))


def test_public_values_pass_whole() -> None:
    nested = {"a": (KnowledgeValue("text", "conditions/x"), SyntheticValue(3)), "b": OwnText("y")}
    assert sent(nested) == {"a": ("text", 3), "b": "y"}


@pytest.mark.parametrize(
    ("system", "code", "written"),
    [
        ("icd10cm", "I509", "I50.9"),
        ("icd10cm", "I50", "I50"),
        ("icd9cm", "42823", "428.23"),
        ("icd9cm", "V5867", "V58.67"),
        ("icd9cm", "E8889", "E888.9"),
        ("icd9proc", "9672", "96.72"),
        ("rxnorm", "4603", "4603"),
    ],
)
def test_codes_of_the_lists_pass_with_their_dots(system: str, code: str, written: str) -> None:
    value = PublicCode(system, code, dotted=True)
    assert sent(value, rxnorm=frozenset({"4603"})) == written
    assert sent(replace(value, dotted=False), rxnorm=frozenset({"4603"})) == code


@given(st.text(max_size=12))
def test_a_text_passes_as_a_code_only_if_its_list_holds_it(text: str) -> None:
    try:
        sent(PublicCode("icd10cm", text))
    except InputError:
        assert not codes.known("icd10cm", text)
    else:
        assert codes.known("icd10cm", text)


def test_a_list_of_the_caller_does_not_open_a_system_that_has_its_own() -> None:
    with pytest.raises(InputError, match="public list of icd10cm"):
        sent(PublicCode("icd10cm", "MRN1"), icd10cm=frozenset({"MRN1"}))


def test_parameters_hold_their_type_and_no_other_is_taken() -> None:
    service = replace(ANY, method="GET", parameters={"q": PublicCode})
    assert sent(PublicCode("icd10cm", "I10"), service) == "I10"
    assert "parameter 'q'" in refusal(OwnText("I10"), service)
    with pytest.raises(InputError, match="parameter 'name'"):
        check(PublicRequest(service, {"name": OwnText("x")}))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "//example.org/",
        "https:///service",
        "https://user:secret@example.org/",
        "https://example.org/?q=1",
        "https://example.org/#a",
        "https://example.org:port/",
        "https://[::1/",
        "https://exa mple.org/",
        "https://example.org/\r\nX: y",
        "",
    ],
)
def test_odd_addresses_are_refused_without_repeating_a_password(url: str) -> None:
    with pytest.raises(InputError, match=r"address of Echo is unusable") as raised:
        check(PublicRequest(replace(ANY, url=url), {}))
    assert "secret" not in str(raised.value)


def test_queries_are_escaped_and_flat() -> None:
    service = replace(ANY, method="GET")
    request = PublicRequest(service, {"q": OwnText("a&b=ü #")})
    assert check(request).url == "https://example.org/service?q=a%26b%3D%C3%BC+%23"
    assert "no nested values" in refusal({"a": OwnText("b")}, service)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_half_a_character_is_refused(method: Any) -> None:
    assert "character pair" in refusal(OwnText("\ud800"), replace(ANY, method=method))


def test_the_hash_is_of_all_that_decides_the_answer() -> None:
    def digest(service: Service = ANY, **payload: str) -> str:
        return check(
            PublicRequest(service, {name: OwnText(text) for name, text in payload.items()})
        ).digest

    assert digest(a="1", b="2") == digest(b="2", a="1")
    others = [
        digest(a="1"),
        digest(a="2"),
        digest(b="1"),
        digest(replace(ANY, url="https://example.org/other"), a="1"),
        digest(replace(ANY, name="Other"), a="1"),
        digest(replace(ANY, method="GET"), a="1"),
    ]
    assert len(set(others)) == len(others)
    assert digest(replace(ANY, timeout_seconds=1.0), a="1") == digest(a="1")


def profile(kind: Any = "typed", method: Any = "published") -> Profile:
    counts = np.array([10.0, np.nan])
    return Profile(
        name="p",
        unit="patient",
        n_units=20,
        n_patients=20,
        stages=("one",),
        variables=(
            Categorical("sex", "one", ("F", "M"), counts),
            Numeric("age", "one", "years", 0, np.array([0.0, 50.0, 90.0]), counts),
            CodeSet("diagnoses", "one", ("icd10cm",), ("I10", "I509"), counts),
        ),
        provenance=Provenance(kind=kind),
        disclosure=Disclosure(method=method),
    )


@pytest.mark.parametrize(
    ("variable", "label"), [("sex", "F"), ("age", "[0,50)"), ("diagnoses", "I10")]
)
def test_labels_and_counts_of_a_profile_pass(variable: str, label: str) -> None:
    assert sent(profile_label(profile(), variable, label)) == label
    assert sent(profile_count(profile(), variable, label)) == 10.0


@pytest.mark.parametrize(
    ("variable", "label"), [("sex", "M"), ("age", "[50,90)"), ("diagnoses", "I509")]
)
def test_a_suppressed_count_of_a_profile_is_refused_its_label_is_not(
    variable: str, label: str
) -> None:
    assert sent(profile_label(profile(), variable, label)) == label
    with pytest.raises(InputError, match=rf"{variable}=.* is suppressed in profile p"):
        profile_count(profile(), variable, label)


def test_a_label_that_the_profile_does_not_list_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError, match="does not list the given label") as raised:
        profile_label(profile(), "sex", PATIENT)
    assert "Jane" not in str(raised.value)
    with pytest.raises(InputError, match=r"no variable 'x'; it has sex, age, diagnoses"):
        profile_label(profile(), "x", "F")


@pytest.mark.parametrize("kind", ["extract", "published"])
def test_an_exact_profile_does_not_leave(kind: str) -> None:
    with pytest.raises(InputError, match="run llmsyn profile extract first"):
        profile_label(profile(kind, "none"), "sex", "F")


def test_values_of_a_synthetic_cohort_pass_and_of_a_real_one_do_not() -> None:
    assert sent(synthetic_value(FakeCohort("synthetic"), 61)) == 61
    for origin in ("real", "", "Synthetic"):
        with pytest.raises(InputError, match="may not leave this machine"):
            synthetic_value(FakeCohort(origin), 61)
