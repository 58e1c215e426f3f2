"""A cohort as OMOP CDM 5.4 tables, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from llmsyn import __version__
from llmsyn.errors import InputError
from llmsyn.export.about import SYNTHETIC, Exported, write_about
from llmsyn.export.chart import SEXES, Chart, Source, categorical, charts, open_source, texts
from llmsyn.export.coding import Code, codes_of
from llmsyn.export.dates import Calendar, Events
from llmsyn.export.folder import whole_folder
from llmsyn.export.omop.concepts import CDM_5_4, GENDERS, INPATIENT_VISIT, STANDARD_ALGORITHM
from llmsyn.export.omop.note_rows import note_rows
from llmsyn.export.omop.notes import NoteFile
from llmsyn.export.omop.tables import SOURCE_VALUE_LENGTH, day_of, repeated, schemas
from llmsyn.export.omop.vocabulary import DOMAINS, NO_VOCABULARY, Vocabulary, read_vocabulary
from llmsyn.export.tables import Form, TableFiles
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, Numeric

_PREFIX = {"diagnoses": "condition", "procedures": "procedure", "drugs": "drug"}
_TABLE = {
    "diagnoses": "condition_occurrence",
    "procedures": "procedure_occurrence",
    "drugs": "drug_exposure",
}


def write_omop(
    cohort: str | Path,
    out: str | Path,
    calendar: Calendar,
    *,
    vocabulary: str | Path | None = None,
    notes: str | Path | None = None,
    form: Form = "parquet",
    force: bool = False,
) -> Exported:
    """Write a cohort folder as OMOP CDM 5.4.

    Parameters
    ----------
    vocabulary : a folder unpacked from Athena; without it concept ids of codes are 0 and the
        source values say everything.
    notes : JSON lines in the order of patients.

    Returns
    -------
    Exported : persons without a year of birth are left out, as the CDM demands, and counted.

    Raises
    ------
    CohortError, InputError, OutputError : see :mod:`llmsyn.errors`.
    """
    source = open_source(cohort)
    if not any(isinstance(v, Numeric) for v in source.profile.by_concept("age")):
        raise InputError(
            "the profile has no number with concept age, and OMOP wants a year of birth of every "
            "person; add the concept to the profile and generate again",
            file=source.folder,
        )
    codes = {
        name: codes_of(source.code_set(name), [*source.code_set(name).codes])
        for name in source.manifest["code_sets"]
        if source.code_set(name).concept in _TABLE
    }
    found = NO_VOCABULARY
    if vocabulary is not None:
        domains = {n: (DOMAINS[source.code_set(n).concept or ""], c) for n, c in codes.items()}
        found = read_vocabulary(Path(vocabulary), domains)
    note_file = None if notes is None else NoteFile(Path(notes))
    out = Path(out)
    with whole_folder(out, force=force) as folder:
        with TableFiles(folder, schemas(notes=notes is not None), form) as files:
            writer = _Writer(source, calendar, found, codes, files)
            for chart in charts(source, calendar):
                writer.people(chart)
                if note_file is not None:
                    writer.notes(chart, note_file)
            if note_file is not None:
                note_file.end()
                writer.notes_taken = note_file.n_taken
            writer.source()
        exported = Exported(out, "omop", files.rows, writer.left_out())
        write_about(
            folder, source, calendar, exported,
            cdm_version="5.4", form=form, vocabulary=found.version, mapped=writer.mapped(),
        )  # fmt: skip
    return exported


class _Writer:
    """Appends one chart after the other; ids of events count on from batch to batch."""

    def __init__(
        self, source: Source, calendar: Calendar, vocabulary: Vocabulary,
        codes: Mapping[str, list[Code]], files: TableFiles,
    ) -> None:  # fmt: skip
        self.given, self.calendar, self.files = source, calendar, files
        self.vocabulary, self.codes = vocabulary, codes
        self._without_birth = 0
        self._unlisted = 0
        self.notes_taken = 0

    def people(self, chart: Chart) -> None:
        """Persons, their visits and everything that happened in them."""
        profile, person = self.given.profile, chart.person
        kept = ~np.isnat(chart.born)
        self._without_birth += int((~kept).sum())
        born = chart.born[kept]
        month = born.astype("datetime64[M]")
        race = _named(profile, "race") or categorical(profile, "ethnicity")
        ethnicity = categorical(profile, "ethnicity")
        sex = categorical(profile, "sex")
        self.files.write("person", {
            "person_id": person[kept],
            "gender_concept_id": np.array([GENDERS[s] for s in SEXES])[chart.sex[kept]],
            "year_of_birth": born.astype("datetime64[Y]").astype(int) + 1970,
            "month_of_birth": month.astype(int) % 12 + 1,
            "day_of_birth": (born - month.astype("datetime64[D]")).astype(int) + 1,
            "birth_datetime": born.astype("datetime64[s]"),
            "race_concept_id": np.zeros(len(born), int),
            "ethnicity_concept_id": np.zeros(len(born), int),
            "person_source_value": [f"synthetic-{p}" for p in person[kept].tolist()],
            "gender_source_value": _levels(chart, sex, kept),
            "race_source_value": _levels(chart, race, kept),
            "ethnicity_source_value": _levels(chart, ethnicity, kept),
        })  # fmt: skip
        visits = chart.visits
        first, last = visits.start[:-1][kept], visits.start[1:][kept] - 1
        self.files.write("observation_period", {
            "observation_period_id": person[kept],
            "person_id": person[kept],
            "observation_period_start_date": day_of(visits.admitted[first]),
            "observation_period_end_date": day_of(visits.discharged[last]),
            "period_type_concept_id": repeated(STANDARD_ALGORITHM, len(first)),
        })  # fmt: skip
        here = kept[visits.row]
        before = np.concatenate([[0], visits.ids[:-1]])[here]
        self.files.write("visit_occurrence", {
            "visit_occurrence_id": visits.ids[here],
            "person_id": person[visits.row][here],
            "visit_concept_id": repeated(INPATIENT_VISIT, int(here.sum())),
            "visit_start_date": day_of(visits.admitted[here]),
            "visit_start_datetime": visits.admitted[here],
            "visit_end_date": day_of(visits.discharged[here]),
            "visit_end_datetime": visits.discharged[here],
            "visit_type_concept_id": repeated(STANDARD_ALGORITHM, int(here.sum())),
            "visit_source_value": repeated("synthetic stay", int(here.sum())),
            "preceding_visit_occurrence_id": np.ma.masked_array(before, visits.number[here] == 0),
        })  # fmt: skip
        dead = kept & ~np.isnat(chart.died)
        self.files.write("death", {
            "person_id": person[dead],
            "death_date": day_of(chart.died[dead]),
            "death_datetime": chart.died[dead],
            "death_type_concept_id": repeated(STANDARD_ALGORITHM, int(dead.sum())),
        })  # fmt: skip
        for name in self.codes:
            self._events(chart, name, chart.events[name], kept)

    def _events(self, chart: Chart, name: str, events: Events, kept: npt.NDArray[np.bool_]) -> None:
        codes = {c.text: c for c in self.codes[name]}
        listed = np.array([t in codes for t in events.codes] or [False])[events.code]
        person = chart.visits.row[events.visit]
        self._unlisted += int((~listed).sum())
        here = listed & kept[person]
        code = events.code[here]
        concepts = [self.vocabulary.of(name, text) for text in events.codes]
        standard = np.array([c.standard for c in concepts] or [0])[code]
        raw = np.array([c.source for c in concepts] or [0])[code]
        value = np.array([codes[t].written[:SOURCE_VALUE_LENGTH] if t in codes else ""
                          for t in events.codes] or [""], object)[code]  # fmt: skip
        kind = self.given.code_set(name).concept or ""
        table, prefix = _TABLE[kind], _PREFIX[kind]
        n = int(here.sum())
        time, end = events.time[here], events.end[here]
        columns: dict[str, Any] = {
            f"{table}_id": self.files.rows[table] + 1 + np.arange(n),
            "person_id": chart.person[person[here]],
            f"{prefix}_concept_id": standard,
            f"{prefix}_type_concept_id": repeated(STANDARD_ALGORITHM, n),
            "visit_occurrence_id": chart.visits.ids[events.visit[here]],
            f"{prefix}_source_value": value,
            f"{prefix}_source_concept_id": raw,
        }
        if kind == "diagnoses":
            main = np.where(events.position[here] == 0, "main", "further")
            columns |= {"condition_start_date": day_of(time), "condition_start_datetime": time,
                        "condition_status_source_value": main.astype(object)}  # fmt: skip
        elif kind == "procedures":
            columns |= {"procedure_date": day_of(time), "procedure_datetime": time,
                        "procedure_end_date": day_of(end), "procedure_end_datetime": end}  # fmt: skip
        else:
            columns |= {
                "drug_exposure_start_date": day_of(time), "drug_exposure_start_datetime": time,
                "drug_exposure_end_date": day_of(end), "drug_exposure_end_datetime": end,
            }  # fmt: skip
        self.files.write(table, columns)

    def notes(self, chart: Chart, notes: NoteFile) -> None:
        """The notes of one batch's patients."""
        first = self.files.rows["note"] + 1, self.files.rows["note_nlp"] + 1
        for table, columns in note_rows(chart, notes, self._of_any_set, *first).items():
            self.files.write(table, columns)

    def _of_any_set(self, code: str) -> tuple[int, int]:
        for name in self.codes:
            found = self.vocabulary.of(name, code)
            if found.source:
                return found.standard, found.source
        return 0, 0

    def source(self) -> None:
        """The one row that says what this database is."""
        profile = self.given.profile
        released = _iso(profile.provenance.released) or self.calendar.last
        self.files.write("cdm_source", {
            "cdm_source_name": [f"SYNTHETIC: {self.given.label}"[:255]],
            "cdm_source_abbreviation": ["SYNTHETIC llmsyn"],
            "cdm_holder": ["none: synthetic data"],
            "source_description": [
                f"{SYNTHETIC} Drawn from the aggregate profile {profile.name} "
                f"(seed {self.given.manifest['seed']}). {profile.provenance.source}".strip()
            ],
            "source_documentation_reference": ["README.md"],
            "cdm_etl_reference": [f"llmsyn {__version__}"],
            "source_release_date": [released],
            "cdm_release_date": [released],
            "cdm_version": ["v5.4"],
            "cdm_version_concept_id": [CDM_5_4],
            "vocabulary_version": [self.vocabulary.version],
        })  # fmt: skip

    def mapped(self) -> dict[str, dict[str, int]]:
        """Per code set: codes, codes with a source concept, codes with a standard concept."""
        return {
            name: {
                "codes": len(codes),
                "source": sum(self.vocabulary.of(name, c.text).source > 0 for c in codes),
                "standard": sum(self.vocabulary.of(name, c.text).standard > 0 for c in codes),
            }
            for name, codes in self.codes.items()
        }

    def left_out(self) -> dict[str, int]:
        """What OMOP has no place for here, with its rows."""
        profile = self.given.profile
        used = {"sex", "age", "ethnicity", "in_hospital_death", "length_of_stay",
                "visits_per_patient", "days_between_visits"}  # fmt: skip
        others = [v.name for v in profile.level_variables
                  if v.concept not in used and v.name != "race"]  # fmt: skip
        sets = [c.name for c in profile.code_sets if c.name not in self.codes]
        found = {}
        if self._without_birth:
            found["persons without a year of birth"] = self._without_birth
        notes = self.notes_taken - self.files.rows.get("note", 0)
        if notes:
            found["notes of persons without a year of birth"] = notes
        if self._unlisted:
            found["codes that the profile does not name"] = self._unlisted
        if others:
            found["variables " + ", ".join(others)] = 0
        if sets:
            found["code sets " + ", ".join(sets)] = 0
        return found


def _named(profile: Profile, name: str) -> Categorical | None:
    found = [v for v in profile.variables if v.name == name and isinstance(v, Categorical)]
    return found[0] if found else None


def _levels(chart: Chart, variable: Categorical | None, kept: npt.NDArray[np.bool_]) -> Any:
    """Texts of a variable; nothing where it is missing."""
    if variable is None:
        return [None] * int(kept.sum())
    return [
        None if level == variable.missing else str(level)[:SOURCE_VALUE_LENGTH]
        for level in texts(chart.units, variable.name)[kept]
    ]


def _iso(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None
