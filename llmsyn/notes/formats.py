"""All formats of notes, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from llmsyn.errors import InputError
from llmsyn.notes.brat import read_brat, write_brat
from llmsyn.notes.docbin import read_docbin, write_docbin
from llmsyn.notes.jsonl import read_notes, write_notes
from llmsyn.notes.tagging import (
    read_conll,
    read_tokens,
    write_conll,
    write_hugging_face,
    write_tokens,
)
from llmsyn.notes.tokens import Tagged
from llmsyn.notes.types import Note

FORMATS = ("jsonl", "conll", "tokens", "docbin", "brat", "hf")
"""Offsets; token columns; tokens-and-tags JSON; spaCy; a brat folder; a Hugging Face folder."""


def write_format(name: str, place: Path, notes: Sequence[Note] | Iterable[Note]) -> Tagged:
    """Write notes in a format; returns how many spans had to be bent to fit it.

    Raises
    ------
    InputError : there is no such format.
    """
    if name == "jsonl":
        write_notes(place, notes)
        return Tagged(())
    if name == "brat":
        write_brat(place, notes)
        return Tagged(())
    if name == "conll":
        return write_conll(place, notes)
    if name == "tokens":
        return write_tokens(place, notes)
    if name == "docbin":
        return write_docbin(place, notes)
    if name == "hf":
        return write_hugging_face(place, {"train": list(notes)})
    raise InputError(f"there is no format {name!r}; there are {', '.join(FORMATS)}")


def read_format(name: str, place: Path) -> Iterator[Note]:
    """Read notes in a format that can be read back.

    Raises
    ------
    InputError : there is no such format, or it is for writing only.
    """
    readers = {
        "jsonl": read_notes, "conll": read_conll, "tokens": read_tokens, "docbin": read_docbin,
        "brat": read_brat,
    }  # fmt: skip
    if name not in readers:
        raise InputError(f"format {name!r} cannot be read; there are {', '.join(readers)}")
    return readers[name](place)
