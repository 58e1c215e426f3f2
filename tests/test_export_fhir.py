"""FHIR: fhir.resources accepts every resource, references lead somewhere, counts agree."""

from __future__ import annotations

import importlib
import json
from collections import Counter, defaultdict
from datetime import date

import pytest
from export_toys import DIAGNOSES, DRUGS, LABELLED, files, toy_cohort, truth, whole

from llmsyn.export.dates import Calendar
from llmsyn.export.fhir import RESOURCES, write_fhir
from llmsyn.profile.variables import UNLISTED

CALENDAR = Calendar(1, date(2021, 1, 1), date(2021, 12, 31))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return toy_cohort(tmp_path_factory.mktemp("fhir") / "c", n=60, repeats=True)


@pytest.fixture(scope="module")
def resources(cohort, tmp_path_factory):
    out = tmp_path_factory.mktemp("fhir-out") / "o"
    exported = write_fhir(cohort, out, CALENDAR)
    found = {n: [json.loads(x) for x in (out / f"{n}.ndjson").read_text("utf-8").splitlines()]
             for n in RESOURCES}  # fmt: skip
    assert dict(exported.rows) == {n: len(rows) for n, rows in found.items()}
    return found


def validate(resource: dict) -> None:
    """R4B is the R4 release that fhir.resources carries; these five resources are the same."""
    kind = resource["resourceType"]
    module = importlib.import_module(f"fhir.resources.R4B.{kind.lower()}")
    getattr(module, kind).model_validate(resource)


def test_every_resource_is_valid(resources):
    pytest.importorskip("fhir.resources")
    for rows in resources.values():
        assert len(rows) > 20
        for resource in rows:
            validate(resource)


def test_the_validator_can_fail(resources):
    pytest.importorskip("fhir.resources")
    broken = {
        "Patient": ("birthDate", "1980-13-01"),
        "Encounter": ("status", None),
        "Condition": ("subject", {"reference": 7}),
        "Procedure": ("status", None),
        "MedicationRequest": ("intent", None),
    }
    for kind, (key, value) in broken.items():
        with pytest.raises(ValueError, match=key):
            validate(resources[kind][0] | {key: value})


def test_everything_is_marked_and_refers_to_what_is_there(resources):
    known = {f"{n}/{r['id']}" for n, rows in resources.items() for r in rows}
    assert len(known) == sum(map(len, resources.values()))  # ids are unique
    for rows in resources.values():
        for r in rows:
            assert r["meta"]["security"][0]["code"] == "HTEST"
            assert r["meta"]["tag"][0]["code"] == "synthetic"
            ranked = [d["condition"] for d in r.get("diagnosis", ())]
            for place in (r.get("subject"), r.get("encounter"), *ranked):
                assert place is None or place["reference"] in known
    whose = {r["id"]: r["subject"]["reference"] for r in resources["Encounter"]}
    for kind in RESOURCES[2:]:
        for r in resources[kind]:
            assert whose[r["encounter"]["reference"].split("/")[1]] == r["subject"]["reference"]


def test_counts_are_those_of_the_cohort(resources, cohort):
    units, codes = truth(cohort)
    gender = Counter(r["gender"] for r in resources["Patient"])
    sexes = Counter(u["sex"] for u in units)
    assert gender == {"female": sexes["F"], "male": sexes["M"], "unknown": sexes["?"]}
    dead = {f"p{u['patient_id']}" for u in units if u["died"] == "yes"}
    assert {r["id"] for r in resources["Patient"] if "deceasedDateTime" in r} == dead
    expired = {r["subject"]["reference"][8:] for r in resources["Encounter"]
               if "hospitalization" in r}  # fmt: skip
    assert expired == dead
    having = defaultdict(set)
    for r in resources["Condition"]:
        having[r["code"]["coding"][0]["code"]].add(int(r["subject"]["reference"][9:]))
    for text, written in zip(DIAGNOSES, ("I50.9", "J18.9", "428.0", "486.9"), strict=True):
        assert having[written] == {r["patient_id"] for r in codes["diagnoses"] if r["code"] == text}
    drugs = Counter(r["medicationCodeableConcept"]["text"] for r in resources["MedicationRequest"])
    assert drugs == Counter(r["code"] for r in codes["drugs"] if r["code"] != UNLISTED)
    main = {int(r["subject"]["reference"][9:]): r["diagnosis"][0]["condition"]["reference"]
            for r in resources["Encounter"] if "diagnosis" in r}  # fmt: skip
    by_id = {f"Condition/{r['id']}": r["code"]["coding"][0]["code"] for r in resources["Condition"]}
    wanted = {r["patient_id"]: r["code"] for r in codes["diagnoses"]
              if r["position"] == 0 and r["code"] != UNLISTED}  # fmt: skip
    assert {p: by_id[c].replace(".", "") for p, c in main.items()} == {
        p: c.partition(":")[2] for p, c in wanted.items()
    }


def test_codes_carry_their_system(resources):
    systems = {r["code"]["coding"][0]["system"] for r in resources["Procedure"]}
    assert systems == {
        "urn:oid:2.16.840.1.113883.6.104", "http://www.cms.gov/Medicare/Coding/ICD10",
        "http://www.ama-assn.org/go/cpt",
        "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    }  # fmt: skip
    assert not any(
        "coding" in r["medicationCodeableConcept"] for r in resources["MedicationRequest"]
    )


def test_bundles_hold_the_same_resources(resources, cohort, tmp_path):
    write_fhir(cohort, tmp_path / "o", CALENDAR, bundles=True)
    lines = (tmp_path / "o" / "Bundle.ndjson").read_text("utf-8").splitlines()
    bundles = [json.loads(line) for line in lines]
    assert [b["id"] for b in bundles] == [f"b{i}" for i in range(1, 61)]
    entries = [e for b in bundles for e in b["entry"]]
    key = "resourceType"
    assert sorted((e["resource"] for e in entries), key=lambda r: (r[key], r["id"])) == sorted(
        (r for rows in resources.values() for r in rows), key=lambda r: (r[key], r["id"])
    )
    for bundle in bundles:
        person = f"Patient/{bundle['entry'][0]['resource']['id']}"
        for entry in bundle["entry"]:
            resource = entry["resource"]
            assert entry["request"]["url"] == f"{resource[key]}/{resource['id']}"
            assert resource.get("subject", {"reference": person})["reference"] == person
    pytest.importorskip("fhir.resources")
    for bundle in bundles[:10]:
        validate(bundle)


def test_equal_exports_are_equal_bytes(cohort, tmp_path):
    for name in "ab":
        write_fhir(cohort, tmp_path / name, CALENDAR)
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_titles_are_text_whatever_they_say(tmp_path):
    """A title with quotes and control signs stays one JSON string on one line."""
    from dataclasses import replace

    from export_toys import toy_profile

    from llmsyn.profile.writing import write_profile

    cohort = toy_cohort(tmp_path / "c", n=20)
    profile = toy_profile()
    evil = 'x"},"resourceType":"Evil","y":{"z":"\u2028\n' + LABELLED
    codes = replace(profile["drugs"], titles={DRUGS[0]: evil})
    changed = replace(profile, variables=(*profile.variables[:-1], codes))
    write_profile(changed, cohort / "profile", force=True)
    write_fhir(cohort, tmp_path / "o", CALENDAR)
    text = (tmp_path / "o" / "MedicationRequest.ndjson").read_text("utf-8")
    rows = [json.loads(line) for line in text.strip("\n").split("\n")]
    assert {r["resourceType"] for r in rows} == {"MedicationRequest"}
    titles = {r["medicationCodeableConcept"]["text"] for r in rows}
    assert any("Evil" in t for t in titles) and len(rows) == len(
        [c for c in whole(cohort, "drugs")["code"].to_pylist() if c != UNLISTED]
    )
