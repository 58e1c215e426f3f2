"""Notes of one part of a cohort as rows of ``note`` and ``note_nlp``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from llmsyn.errors import InputError
from llmsyn.export.chart import Chart
from llmsyn.export.omop.concepts import ENGLISH, STANDARD_ALGORITHM, UTF_8
from llmsyn.export.omop.notes import NoteFile
from llmsyn.export.omop.tables import SOURCE_VALUE_LENGTH, day_of, repeated


def note_rows(
    chart: Chart,
    notes: NoteFile,
    concepts_of: Callable[[str], tuple[int, int]],
    first_note: int,
    first_span: int,
) -> dict[str, dict[str, Any]]:
    """Columns of both tables; a note is dated when its patient left for the last time.

    Parameters
    ----------
    concepts_of : a code -> its standard and its source concept.
    first_note, first_span : ids to count on from.

    Raises
    ------
    InputError : a note is of a patient whom the cohort does not have.
    """
    if not len(chart):
        return {}
    taken = notes.up_to(int(chart.person[-1]))
    place = np.searchsorted(chart.person, [n.patient_id for n in taken])
    for note, at in zip(taken, place.tolist(), strict=True):
        if chart.person[at] != note.patient_id:
            raise InputError(
                f"note {note.note_id!r} is of patient {note.patient_id}, whom the cohort does "
                "not have; write the notes of this cohort",
                file=notes.path,
            )
    born = ~np.isnat(chart.born)
    pairs = [(n, at) for n, at in zip(taken, place.tolist(), strict=True) if born[at]]
    rows = np.array([at for _, at in pairs], int)
    last = chart.visits.start[1:][rows] - 1
    when = chart.visits.discharged[last]
    ids = first_note + np.arange(len(pairs))
    note_columns = {
        "note_id": ids,
        "person_id": chart.person[rows],
        "note_date": day_of(when),
        "note_datetime": when,
        "note_type_concept_id": repeated(STANDARD_ALGORITHM, len(pairs)),
        "note_class_concept_id": np.zeros(len(pairs), int),
        "note_title": repeated("SYNTHETIC note", len(pairs)),
        "note_text": [n.text for n, _ in pairs],
        "encoding_concept_id": repeated(UTF_8, len(pairs)),
        "language_concept_id": repeated(ENGLISH, len(pairs)),
        "visit_occurrence_id": chart.visits.ids[last],
        "note_source_value": [n.note_id[:SOURCE_VALUE_LENGTH] for n, _ in pairs],
    }
    spans = [(k, n, s) for k, (n, _) in enumerate(pairs) for s in n.spans]
    concepts = [concepts_of(s.code) for _, _, s in spans]
    which = np.array([k for k, _, _ in spans], int)
    span_columns = {
        "note_nlp_id": first_span + np.arange(len(spans)),
        "note_id": ids[which],
        "snippet": [n.snippet(s) for _, n, s in spans],
        "offset": [str(s.start) for _, _, s in spans],
        "lexical_variant": [n.variant(s) for _, n, s in spans],
        "note_nlp_concept_id": [standard for standard, _ in concepts],
        "note_nlp_source_concept_id": [raw for _, raw in concepts],
        "nlp_system": repeated("llmsyn gold annotation", len(spans)),
        "nlp_date": day_of(when)[which],
        "term_exists": [s.exists for _, _, s in spans],
        "term_modifiers": [s.modifiers for _, _, s in spans],
    }
    return {"note": note_columns, "note_nlp": span_columns}
