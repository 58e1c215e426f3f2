"""A note and its spans; ``text[start:end]`` is the surface, always."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from llmsyn.errors import InputError

Assertion: TypeAlias = Literal["present", "neg", "hist", "fam", "unc", "hyp"]
"""present; negated; in the patient's past; of a relative; uncertain; hypothetical or planned."""

ASSERTIONS: tuple[str, ...] = get_args(Assertion)

LABELS: dict[str, tuple[str, ...]] = {
    "DRUG": ("class", "fluid", "toxin", "vaccine"),
    "DISEASE": (),
    "TUMOR_MORPHOLOGY": (),
    "SYMPTOM": ("finding",),
    "PROC_DIAG": ("imaging", "lab", "exam"),
    "PROC_THER": ("surgery",),
    "MEASUREMENT": (),
    "DOSE": (),
    "DEVICE": (),
    "AGE": (),
    "SEX": (),
    "DATE": (),
    "ANATOMY": (),
}
"""Labels of the bank and their finer kinds, written ``LABEL:kind``."""


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """A mention.

    Attributes
    ----------
    start, end : characters of the note's text, end exclusive.
    label : ``LABEL`` or ``LABEL:kind``.
    code : ``system:code`` of the record, or a record of the knowledge base
        (``conditions/heart_failure``); empty where nothing is known.
    """

    start: int
    end: int
    label: str
    code: str = ""
    assertion: str = "present"


@dataclass(frozen=True)
class Note:
    """A text and its gold spans, sorted by place.

    Attributes
    ----------
    kind : what kind of text, such as ``discharge_summary``.
    language : ISO 639-1.
    origin : ``synthetic``, or ``real`` for anything that we did not write.
    families : ids of the bank's passages in it; a split keeps notes of one family together.

    Raises
    ------
    InputError : a span lies outside of the text, is empty or begins or ends with a blank.
    """

    note_id: str
    text: str
    spans: tuple[Span, ...] = ()
    patient_id: str = ""
    kind: str = ""
    language: str = ""
    origin: Literal["real", "synthetic"] = "synthetic"
    families: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        size = len(self.text)
        for span in self.spans:
            if not 0 <= span.start < span.end <= size:
                raise InputError(
                    f"a span ({span.start}, {span.end}) of note {self.note_id!r} lies outside of "
                    f"its {size} characters; correct the offsets"
                )

    def surface(self, span: Span) -> str:
        """The text of a span.

        Examples
        --------
        >>> note = Note("1", "No asthma.", (Span(3, 9, "DISEASE", assertion="neg"),))
        >>> note.surface(note.spans[0])
        'asthma'
        """
        return self.text[span.start : span.end]


def base_label(label: str) -> str:
    """The label without its kind.

    Examples
    --------
    >>> base_label("DRUG:class")
    'DRUG'
    """
    return label.partition(":")[0]


def known_label(label: str) -> bool:
    """Whether the bank may use the label.

    Examples
    --------
    >>> known_label("PROC_DIAG:lab"), known_label("PROC_DIAG:colour")
    (True, False)
    """
    name, _, kind = label.partition(":")
    return name in LABELS and (not kind or kind in LABELS[name])


def all_labels() -> tuple[str, ...]:
    """Every label of the bank, with and without its kinds."""
    return tuple(
        name
        for label, kinds in LABELS.items()
        for name in (label, *(f"{label}:{k}" for k in kinds))
    )


def in_order(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Spans by place, each once."""
    return tuple(sorted(set(spans)))


def without_overlap(spans: Iterable[Span]) -> tuple[tuple[Span, ...], int]:
    """Spans that can stand in one row of tags, longest first, and how many had to go.

    Examples
    --------
    >>> kept, lost = without_overlap([Span(0, 4, "A"), Span(2, 9, "B")])
    >>> kept[0].label, lost
    ('B', 1)
    """
    ranked = sorted(set(spans), key=lambda s: (s.start - s.end, s.start, s.label))
    kept: list[Span] = []
    for span in ranked:
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return tuple(sorted(kept)), len(ranked) - len(kept)
