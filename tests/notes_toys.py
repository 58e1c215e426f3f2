"""A small cohort and its profile for tests of notes, written by hand."""

from __future__ import annotations

from dataclasses import replace

from llmsyn.notes.lexicon import lexicon
from llmsyn.notes.patients import Coded, Record, _named
from llmsyn.notes.types import Note, Span


def coded(system: str, code: str, language: str = "en") -> Coded:
    found = _named(system, code, lexicon(language))
    assert found is not None, (system, code)
    return found


def record(language: str = "en", **more) -> Record:
    """A man of 71 with heart failure, diabetes and a kidney injury, treated and alive."""
    conditions = tuple(
        coded("icd9cm", code, language) for code in ("4280", "25000", "42731", "5849", "4019")
    )
    drugs = tuple(
        coded("ingredient", name, language)
        for name in ("furosemide", "metoprolol", "heparin", "metformin", "vancomycin")
    )
    procedures = (coded("icd9proc", "9671", language), coded("icd9proc", "3893", language))
    whole = Record(
        "7", "p7", 71.0, "male", False, 9.0, conditions, procedures, drugs,
        frozenset(c.key for c in (*conditions, *drugs, *procedures)),
    )  # fmt: skip
    return replace(whole, **more)


def many(n: int, language: str = "en") -> list[Record]:
    base = record(language)
    return [
        replace(
            base,
            note_key=str(i),
            patient_id=f"p{i}",
            sex="female" if i % 2 else "male",
            age=float(20 + i % 70),
            died=i % 5 == 0,
        )
        for i in range(n)
    ]


NOTE = Note(
    "n1",
    "No asthma. Given 5 mg of morphine\nsulfate for chest pain.",
    (
        Span(3, 9, "DISEASE", "conditions/asthma", "neg"),
        Span(17, 21, "DOSE"),
        Span(25, 41, "DRUG", "ingredient:morphine"),
        Span(46, 56, "SYMPTOM"),
    ),
    patient_id="p1",
    kind="progress_note",
    language="en",
    families=("en-1",),
)
