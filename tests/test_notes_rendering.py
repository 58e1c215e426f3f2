"""Records into notes: exact spans, the record's own facts, nothing before its time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner
from notes_toys import coded, many, record

from llmsyn.cli.main import cli
from llmsyn.errors import InputError, KnowledgeError
from llmsyn.notes.drafting import Draft, Mention
from llmsyn.notes.lexicon import lexicon
from llmsyn.notes.rendering import NoteSettings, Renderer, _at_admission
from llmsyn.notes.tables import KINDS, read_doses, read_language, read_values
from llmsyn.notes.types import base_label

CLAIMS = ("DISEASE", "TUMOR_MORPHOLOGY", "DRUG", "PROC_THER")


def rendered(n: int = 120, language: str = "en", **more):
    renderer = Renderer(NoteSettings(language=language, **{"misspelling": 0.0, **more}))
    people = many(n, language)
    return people, [renderer.note(person) for person in people]


@pytest.mark.parametrize("language", ["en", "es", "et"])
def test_spans_are_the_surfaces(language: str) -> None:
    _, notes = rendered(60, language, misspelling=0.05)
    for note in notes:
        assert note.language == language
        assert list(note.spans) == sorted(note.spans)
        for span in note.spans:
            surface = note.surface(span)
            assert surface == surface.strip() != ""
        assert "{" not in note.text
        assert "[[" not in note.text


@pytest.mark.parametrize("language", ["en", "es"])
def test_what_is_present_is_in_the_record(language: str) -> None:
    """No disease, drug or therapy that the record lacks is said to be so."""
    names = lexicon(language)
    people, notes = rendered(120, language)
    present = 0
    for person, note in zip(people, notes):
        codes = {c.code for c in (*person.conditions, *person.drugs, *person.procedures)}
        for span in note.spans:
            base = base_label(span.label)
            if base not in CLAIMS:
                continue
            if span.code:
                assert span.code in codes
            elif span.assertion in ("present", "hist", "unc") and span.label != "DRUG:class":
                # An uncertain disease of the doubt section is one that the record lacks.
                assert span.assertion == "unc"
            if span.assertion == "neg":
                held = any(names.holds(k, person.keys) for k in names.keys(note.surface(span)))
                assert not held
            present += bool(span.code)
    assert present > 500


def test_the_same_seed_gives_the_same_notes_in_any_order() -> None:
    people, notes = rendered(20)
    renderer = Renderer(NoteSettings(misspelling=0.0))
    assert [renderer.note(p) for p in reversed(people)] == notes[::-1]
    assert rendered(20, seed=5)[1] != notes


def test_age_and_sex_are_the_records() -> None:
    people, notes = rendered(80, kinds=("discharge_summary",))
    words = read_language("en").words
    for person, note in zip(people, notes):
        own = words.female if person.sex == "female" else words.male
        for span in note.spans:
            if span.label == "SEX" and span.assertion == "present":
                assert note.surface(span).lower() in own
            if span.label == "AGE":
                assert str(int(person.age)) in note.surface(span)


def test_no_outcome_before_it_happens() -> None:
    language = read_language("en")
    told = (*language.lines["died"], *language.lines["left"])
    for kind in ("admission_note", "progress_note"):
        people, notes = rendered(60, kinds=(kind,))
        for note in notes:
            assert not any(line.split("{")[0] in note.text for line in told)
    people, notes = rendered(60, kinds=("discharge_summary",))
    dead = [n for p, n in zip(people, notes) if p.died]
    assert dead
    died = language.lines["died"]
    assert all(any(line in n.text for line in died) for n in dead)
    alive = [n for p, n in zip(people, notes) if not p.died]
    assert not any(line in n.text for n in alive for line in died)


def test_admission_knows_the_main_and_the_chronic_conditions_only() -> None:
    early = _at_admission(record())
    assert "conditions/acute_kidney_injury" not in {c.key for c in early.conditions}
    assert early.died is None
    assert "conditions/acute_kidney_injury" in early.keys  # nor is it denied
    _, notes = rendered(40, kinds=("admission_note",))
    for note in notes:
        for span in note.spans:
            assert span.code != "icd9cm:5849"
            if span.code.startswith("icd9proc:"):
                assert span.assertion == "hyp"


def test_values_follow_the_conditions() -> None:
    low, high = read_values().labs["creatinine"].when["conditions/acute_kidney_injury"]
    names = read_language("en").labs["creatinine"]
    _, notes = rendered(150, kinds=("discharge_summary",), without_prose=True)
    seen = 0
    for note in notes:
        for span, after in zip(note.spans, note.spans[1:]):
            if span.label == "PROC_DIAG:lab" and note.surface(span).lower() in map(
                str.lower, names
            ):
                assert low - 0.05 <= float(note.surface(after).split()[0]) <= high + 0.05
                seen += 1
    assert seen > 50


def test_drugs_have_doses_of_their_own() -> None:
    _, notes = rendered(60, kinds=("discharge_summary",), without_prose=True)
    doses = read_doses()
    seen = 0
    for note in notes:
        for span, after in zip(note.spans, note.spans[1:]):
            if span.code == "ingredient:furosemide" and after.label == "DOSE":
                assert note.surface(after).startswith(doses["furosemide"][0])
                seen += 1
    assert seen > 10


def test_prose_comes_from_the_part_that_is_named() -> None:
    from llmsyn.notes.bank import part_of

    train, test = (rendered(80, part=part)[1] for part in ("train", "test"))
    first, second = ({f for n in notes for f in n.families} for notes in (train, test))
    assert first and second
    assert {part_of(f) for f in first} == {"train"}
    assert {part_of(f) for f in second} == {"test"}


def test_most_notes_quote_the_bank_and_differ() -> None:
    _, notes = rendered(120)
    assert sum(bool(n.families) for n in notes) > 90
    assert len({n.text for n in notes}) == len(notes)
    assert {n.kind for n in notes} == set(KINDS)


def test_misspellings_at_the_stated_rate() -> None:
    _, clean = rendered(80, without_prose=True)
    _, slips = rendered(80, without_prose=True, misspelling=1.0)
    assert sum(a.text != b.text for a, b in zip(clean, slips)) > 70


def test_a_record_without_names_has_no_note() -> None:
    empty = record(conditions=(), drugs=(), procedures=(), keys=frozenset())
    assert Renderer(NoteSettings()).note(empty) is None


def test_no_woman_has_a_prostate_in_her_story() -> None:
    man = record(sex="male", conditions=(coded("icd9cm", "185"),), keys=frozenset())
    renderer = Renderer(NoteSettings(kinds=("case_report",)))
    names = lexicon("en")
    assert names.concept("icd9cm", "185").key == "conditions/prostate_cancer"
    for i in range(30):
        note = renderer.note(replace(man, note_key=str(i)))
        words = set(note.text.lower().replace(".", " ").split())
        assert not words & {"she", "her", "woman"}


def test_settings_are_checked() -> None:
    with pytest.raises(InputError, match="no kind of note 'poem'"):
        Renderer(NoteSettings(kinds=("poem",)))
    with pytest.raises(InputError, match="no part 'half'"):
        Renderer(NoteSettings(part="half"))
    with pytest.raises(InputError, match="no language 'xx'"):
        _ = Renderer(NoteSettings(language="xx")).language


def test_a_line_with_an_unknown_slot_is_named() -> None:
    import numpy as np

    draft = Draft(np.random.default_rng(0))
    with pytest.raises(KnowledgeError, match="slot 'moon'"):
        draft.line("The {moon}.", {"sun": [Mention("sun")]})


@pytest.mark.parametrize("language", ["en", "es", "et"])
def test_every_line_of_a_language_has_slots_that_its_section_fills(language: str) -> None:
    """A line whose slots are never all filled would never be written."""
    strings = read_language(language)
    filled = {
        "opening": {"age", "sex", "main", "second"},
        "story": {"symptoms", "symptom", "days"},
        "past": {"chronic"},
        "family": {"relative", "disease"},
        "allergies": {"drug"},
        "exam": {"absent", "symptom"},
        "course": {"main", "second", "others", "drugs", "drug", "drug_second"},
        "treatment": {"drugs", "drug"},
        "procedures": {"procedures", "procedure"},
        "negatives": {"absents", "absent", "absent2"},
        "doubt": {"absent"},
        "planned": {"test", "drug_new", "symptom", "procedure"},
        "plan": {"symptom", "symptom2", "test", "days"},
        "died": set(),
        "left": {"days"},
        "no_past": set(),
        "aside": set(),
        "lab": {"test", "value"},
    }
    from llmsyn.notes.drafting import slots

    assert set(strings.lines) == set(filled)
    for section, lines in strings.lines.items():
        for line in lines:
            assert slots(line) <= filled[section], (section, line)


def test_a_folder_that_is_no_cohort_is_named(tmp_path) -> None:
    from llmsyn.cli.main import main

    assert main(["notes", str(tmp_path), "-o", str(tmp_path / "n.jsonl")]) == 2
    said = CliRunner().invoke(cli, ["notes", "--help"]).output
    assert "render" in said
