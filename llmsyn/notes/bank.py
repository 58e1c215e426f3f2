"""The prose bank: annotated passages as data, ``knowledge/prose/<language>/*.jsonl``.

One JSON object a line (``GUIDELINE.md`` beside the folders says what is a mention)::

    {"id": "en-oncology-017", "register": "case_report", "specialty": "oncology",
     "codes": ["conditions/lung_cancer"], "sex": "female", "age": [40, 80],
     "text": "... [[DISEASE|lung cancer]] ...", "slots": ["conditions/lung_cancer", ...]}

``slots`` has one code a tag (empty: none known); it may be absent where no tag has one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from llmsyn.errors import InputError, KnowledgeError
from llmsyn.notes.tagged import parse
from llmsyn.notes.types import Note, Span
from llmsyn.shipped import shipped

Sex = Literal["female", "male"]
Part = Literal["train", "dev", "test"]
PARTS = ("all", "train", "dev", "test")


class _Line(BaseModel):
    """A line of a bank file, as it is parsed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    style: str = Field(alias="register")  # BaseModel has a method of that name
    specialty: str = ""
    codes: tuple[str, ...] = ()
    sex: Sex | None = None
    age: tuple[float, float] | None = None
    text: str
    slots: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _ages_ordered(self) -> _Line:
        if self.age is not None and not 0 <= self.age[0] <= self.age[1]:
            raise ValueError("age must be [low, high] in years, low first")
        return self


@dataclass(frozen=True)
class Passage:
    """A passage of the bank.

    Attributes
    ----------
    codes : records of the knowledge base that it is about; what it can stand for.
    sex, age : of the patient in it; None where any will do.  ``age`` is (low, high), years.
    spans : with the code of each slot.
    """

    id: str
    register: str
    specialty: str
    codes: tuple[str, ...]
    sex: Sex | None
    age: tuple[float, float] | None
    text: str
    spans: tuple[Span, ...]
    language: str

    def note(self) -> Note:
        """The passage as a note of its own."""
        return Note(
            self.id, self.text, self.spans, kind=self.register, language=self.language,
            families=(self.id,),
        )  # fmt: skip


def prose_folder() -> Path:
    """Where the shipped bank lies."""
    return shipped("knowledge") / "prose"


def languages(folder: Path | None = None) -> tuple[str, ...]:
    """Languages of a bank: its folders that hold a ``language.toml``."""
    place = folder or prose_folder()
    return tuple(sorted(file.parent.name for file in place.glob("*/language.toml")))


def read_bank(language: str, folder: Path | None = None) -> tuple[Passage, ...]:
    """All passages of a language, by file and line; read once.

    Raises
    ------
    KnowledgeError : there is no such language, or a line cannot be read.
    """
    return _read((folder or prose_folder()).resolve(), language)


@lru_cache(maxsize=8)
def _read(folder: Path, language: str) -> tuple[Passage, ...]:
    place = folder / language
    if not place.is_dir():
        known = ", ".join(sorted(p.name for p in folder.glob("*") if p.is_dir())) or "none"
        raise KnowledgeError(
            f"there is no prose of language {language!r}; there is {known}", file=folder
        )
    found: dict[str, Passage] = {}
    for file in sorted(place.glob("*.jsonl")):
        for row, passage in read_passages(file, language):
            if passage.id in found:
                raise KnowledgeError(
                    f"the id {passage.id!r} stands twice; give one of them another",
                    file=file,
                    row=row,
                )
            found[passage.id] = passage
    return tuple(found.values())


def part_of(passage_id: str) -> Part:
    """The part of the bank that a passage belongs to, whatever else is in the bank.

    60, 20 and 20 percent by a hash of the id: notes rendered from one part share no passage
    with notes of another.

    Examples
    --------
    >>> part_of("en-oncology-001") in ("train", "dev", "test")
    True
    """
    number = int(hashlib.sha256(passage_id.encode()).hexdigest()[:8], 16) % 10
    return "train" if number < 6 else "dev" if number < 8 else "test"


def of_part(passages: Iterable[Passage], part: str) -> tuple[Passage, ...]:
    """Passages of a part of the bank; all of them for ``all``."""
    return tuple(p for p in passages if part in ("all", part_of(p.id)))


def read_passages(file: Path, language: str) -> Iterator[tuple[int, Passage]]:
    """Passages of one file, each with its 1-based row.

    Raises
    ------
    KnowledgeError : a line is no UTF-8 or no JSON, lacks or adds a key, or has a broken tag.
    """
    with file.open("rb") as lines:
        for row, line in enumerate(lines, 1):
            if line.strip():
                yield row, _passage(line, language, file, row)


def _passage(line: bytes, language: str, file: Path, row: int) -> Passage:
    try:
        parsed = _Line.model_validate(json.loads(line.decode("utf-8")))
        text, spans = parse(parsed.text)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise KnowledgeError(f"{first['msg']}; correct it", file=file, row=row, key=key) from error
    except UnicodeDecodeError as error:
        raise KnowledgeError("this is no UTF-8; save it as UTF-8", file=file, row=row) from error
    except (ValueError, RecursionError) as error:
        raise KnowledgeError(f"this is no JSON ({error}); mend it", file=file, row=row) from error
    except InputError as error:
        raise KnowledgeError(error.problem, file=file, row=row) from error
    if parsed.slots and len(parsed.slots) != len(spans):
        raise KnowledgeError(
            f"there are {len(parsed.slots)} slots and another number of tags; write one code a "
            "tag, empty where none is known",
            file=file,
            row=row,
            key="slots",
        )
    if parsed.slots:
        spans = tuple(replace(span, code=code) for span, code in zip(spans, parsed.slots))
    return Passage(
        parsed.id, parsed.style, parsed.specialty, parsed.codes, parsed.sex, parsed.age,
        text, spans, language,
    )  # fmt: skip
