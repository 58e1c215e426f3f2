"""A cohort as FHIR R4 resources: newline-delimited JSON for bulk import, or one Bundle a patient.

Every resource carries the security label HTEST ("test health data") and a tag that says that
it is synthetic.  Resources are written as text from prepared pieces: a dictionary per resource
would cost several times the time.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np

from llmsyn.export.about import TAG_SYSTEM, Exported, write_about
from llmsyn.export.chart import SEXES, Chart, Source, charts, open_source
from llmsyn.export.coding import FHIR_SYSTEMS, Code, code_of
from llmsyn.export.dates import Calendar, Events, Times
from llmsyn.export.folder import whole_folder

_TERMS = "http://terminology.hl7.org/CodeSystem/"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


META = _json({
    "security": [{"system": f"{_TERMS}v3-ActReason", "code": "HTEST",
                  "display": "test health data"}],
    "tag": [{"system": TAG_SYSTEM, "code": "synthetic", "display": "Synthetic: nobody exists"}],
})  # fmt: skip
_ENCOUNTER_CLASS = _json(
    {"system": f"{_TERMS}v3-ActCode", "code": "IMP", "display": "inpatient encounter"}
)
_DIED = _json(
    {"dischargeDisposition": {"coding": [
        {"system": f"{_TERMS}discharge-disposition", "code": "exp", "display": "Expired"}]}}
)  # fmt: skip


def _status(system: str, code: str) -> str:
    return _json({"coding": [{"system": _TERMS + system, "code": code}]})


_CONDITION = (
    f'"clinicalStatus":{_status("condition-clinical", "active")},'
    f'"verificationStatus":{_status("condition-ver-status", "confirmed")},'
    f'"category":[{_status("condition-category", "encounter-diagnosis")}]'
)
_EVENTS = {
    "diagnoses": ("Condition", "c", _CONDITION, "code", "recordedDate"),
    "procedures": ("Procedure", "r", '"status":"completed"', "code", "performedDateTime"),
    "drugs": ("MedicationRequest", "m", '"status":"completed","intent":"order"',
              "medicationCodeableConcept", "authoredOn"),
}  # fmt: skip
RESOURCES = ("Patient", "Encounter", *(kind[0] for kind in _EVENTS.values()))

Resource = tuple[int, str, str, str]
"""Index of the patient in the chart, resource type, id, JSON."""


def write_fhir(
    cohort: str | Path,
    out: str | Path,
    calendar: Calendar,
    *,
    bundles: bool = False,
    force: bool = False,
) -> Exported:
    """Write a cohort folder as FHIR R4.

    Parameters
    ----------
    bundles : one transaction Bundle a patient in ``Bundle.ndjson``, instead of a file a resource.

    Raises
    ------
    CohortError, OutputError : see :mod:`llmsyn.errors`.
    """
    source = open_source(cohort)
    names = ("Bundle",) if bundles else RESOURCES
    rows = dict.fromkeys(names, 0)
    out = Path(out)
    with whole_folder(out, force=force) as folder:
        with ExitStack() as stack:
            files: dict[str, IO[str]] = {
                n: stack.enter_context(
                    (folder / f"{n}.ndjson").open("w", encoding="utf-8", newline="\n")
                )
                for n in names
            }
            pieces = _Pieces(source)
            for chart in charts(source, calendar):
                for name, text in _lines(chart, pieces, bundles):
                    files[name].write(text)
                    rows[name] += 1
        exported = Exported(out, "fhir", rows, pieces.left_out())
        write_about(folder, source, calendar, exported, fhir_version="4.0.1", bundles=bundles)
    return exported


def _lines(chart: Chart, pieces: _Pieces, bundles: bool) -> Iterator[tuple[str, str]]:
    kinds = [pieces.patients(chart), pieces.encounters(chart), *pieces.all_events(chart)]
    if not bundles:
        for kind in kinds:
            for _, name, _, text in kind:
                yield name, text + "\n"
        return
    entries: list[str] = []
    current = -1
    for person, name, key, text in heapq.merge(*kinds, key=lambda resource: resource[0]):
        if person != current and entries:
            yield "Bundle", _bundle(chart, current, entries)
            entries = []
        current = person
        request = f'{{"method":"PUT","url":"{name}/{key}"}}'
        entries.append(f'{{"resource":{text},"request":{request}}}')
    if entries:
        yield "Bundle", _bundle(chart, current, entries)


def _bundle(chart: Chart, person: int, entries: list[str]) -> str:
    return (
        f'{{"resourceType":"Bundle","id":"b{chart.person[person]}","meta":{META},'
        f'"type":"transaction","entry":[{",".join(entries)}]}}\n'
    )


class _Pieces:
    """Resources of a chart, by patient; the JSON of each code is made once."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._concepts: dict[tuple[str, str], str | None] = {}
        self._unlisted = 0

    def patients(self, chart: Chart) -> Iterator[Resource]:
        """Patient."""
        born, died = _texts(chart.born, ""), _texts(chart.died, "Z")
        for row, (person, sex) in enumerate(
            zip(chart.person.tolist(), chart.sex.tolist(), strict=True)
        ):
            more = "" if born[row] is None else f',"birthDate":"{born[row]}"'
            if died[row] is not None:
                more += f',"deceasedDateTime":"{died[row]}"'
            yield row, "Patient", f"p{person}", (
                f'{{"resourceType":"Patient","id":"p{person}","meta":{META},"identifier":'
                f'[{{"system":"{TAG_SYSTEM}","value":"synthetic-{person}"}}],'
                f'"gender":"{SEXES[sex]}"{more}}}'
            )  # fmt: skip

    def encounters(self, chart: Chart) -> Iterator[Resource]:
        """Encounter: one a visit, the main diagnosis ranked first."""
        visits = chart.visits
        begin, end = _texts(visits.admitted, "Z"), _texts(visits.discharged, "Z")
        dead = ~np.isnat(chart.died)
        last = np.zeros(len(visits), bool)
        last[visits.start[1:] - 1] = dead
        main = np.zeros(len(visits), bool)
        for name, events in chart.events.items():
            if self.source.code_set(name).concept == "diagnoses":
                main[events.visit[(events.position == 0) & self._listed(name, events)]] = True
        persons = chart.person[visits.row].tolist()
        for row, visit, person, b, e, died, ranked in zip(
            visits.row.tolist(), visits.ids.tolist(), persons, begin, end, last.tolist(),
            main.tolist(), strict=True,
        ):  # fmt: skip
            more = f',"hospitalization":{_DIED}' if died else ""
            if ranked:
                more += f',"diagnosis":[{{"condition":{{"reference":"Condition/c{visit}-1"}},"rank":1}}]'
            yield row, "Encounter", f"e{visit}", (
                f'{{"resourceType":"Encounter","id":"e{visit}","meta":{META},"status":"finished",'
                f'"class":{_ENCOUNTER_CLASS},"subject":{{"reference":"Patient/p{person}"}},'
                f'"period":{{"start":"{b}","end":"{e}"}}{more}}}'
            )  # fmt: skip

    def all_events(self, chart: Chart) -> list[Iterator[Resource]]:
        """Condition, Procedure and MedicationRequest, a stream each."""
        wanted = []
        for name, events in chart.events.items():
            if self.source.code_set(name).concept in _EVENTS:
                wanted.append(self._events(chart, name, events))
        return wanted

    def _events(self, chart: Chart, name: str, events: Events) -> Iterator[Resource]:
        kind, letter, fixed, place, dated = _EVENTS[self.source.code_set(name).concept or ""]
        concepts = [self._concept(name, text) for text in events.codes]
        rows = chart.visits.row[events.visit]
        times = _texts(events.time, "Z")
        ids, persons = chart.visits.ids[events.visit].tolist(), chart.person[rows].tolist()
        number, current = 0, -1
        for i, (row, code, visit, person) in enumerate(
            zip(rows.tolist(), events.code.tolist(), ids, persons, strict=True)
        ):
            concept = concepts[code]
            if concept is None:
                self._unlisted += 1
                continue
            number = number + 1 if visit == current else 1
            current = visit
            key = f"{letter}{visit}-{number}"
            yield row, kind, key, (
                f'{{"resourceType":"{kind}","id":"{key}","meta":{META},{fixed},'
                f'"{place}":{concept},"subject":{{"reference":"Patient/p{person}"}},'
                f'"encounter":{{"reference":"Encounter/e{visit}"}},"{dated}":"{times[i]}"}}'
            )  # fmt: skip

    def _listed(self, name: str, events: Events) -> np.ndarray[Any, Any]:
        known = [self._concept(name, text) is not None for text in events.codes]
        return np.asarray(np.array(known or [False])[events.code])

    def _concept(self, name: str, text: str) -> str | None:
        if (name, text) not in self._concepts:
            code = code_of(self.source.code_set(name), text)
            self._concepts[name, text] = _concept(code) if code.listed else None
        return self._concepts[name, text]

    def left_out(self) -> dict[str, int]:
        """What is not written, with its rows."""
        used = {"sex", "age", "in_hospital_death", "length_of_stay", "visits_per_patient",
                "days_between_visits"}  # fmt: skip
        profile = self.source.profile
        others = [v.name for v in profile.level_variables if v.concept not in used]
        sets = [c.name for c in profile.code_sets if c.concept not in _EVENTS]
        found = {}
        if self._unlisted:
            found["codes that the profile does not name"] = self._unlisted
        if others:
            found["variables " + ", ".join(others)] = 0
        if sets:
            found["code sets " + ", ".join(sets)] = 0
        return found


def _concept(code: Code) -> str:
    """A CodeableConcept; systems without a canonical name are text only."""
    concept: dict[str, object] = {"text": code.title}
    if code.system in FHIR_SYSTEMS:
        coding = {"system": FHIR_SYSTEMS[code.system], "code": code.written}
        concept["coding"] = [
            coding | ({"display": code.title} if code.title != code.written else {})
        ]
    return _json(concept)


def _texts(times: Times, zone: str) -> list[str | None]:
    """ISO 8601; None for NaT."""
    return [None if t == "NaT" else t + zone for t in np.datetime_as_string(times).tolist()]
