"""Formats that know tokens and tags only: CoNLL, tokens-and-tags JSON, Hugging Face layout.

Codes and assertions do not fit in them; spans that overlap or split a token are counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from llmsyn.errors import InputError
from llmsyn.notes.tokens import OUTSIDE, Tagged, from_tags, to_tags, tokenise
from llmsyn.notes.types import Note
from llmsyn.store import atomic, write_text

_TEXT = "# text = "
_ID = "# id = "


def tagged(note: Note) -> tuple[list[str], Tagged]:
    """Tokens of a note, as texts, and their tags."""
    places = tokenise(note.text)
    return [note.text[a:b] for a, b in places], to_tags(places, note.spans)


def write_conll(file: Path, notes: Iterable[Note]) -> Tagged:
    """Token, start, end and tag in columns, notes apart by an empty line.

    Comment lines hold id and text, so that offsets survive.  Returns what was bent in all.
    """
    widened = overlapping = 0
    with atomic(file) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as lines:
        for note in notes:
            places = tokenise(note.text)
            row = to_tags(places, note.spans)
            widened, overlapping = widened + row.widened, overlapping + row.overlapping
            lines.write(f"{_ID}{json.dumps(note.note_id)}\n")
            lines.write(f"{_TEXT}{json.dumps(note.text, ensure_ascii=False)}\n")
            for (start, end), tag in zip(places, row.tags):
                lines.write(f"{note.text[start:end]}\t{start}\t{end}\t{tag}\n")
            lines.write("\n")
    return Tagged((), widened, overlapping)


def read_conll(file: Path) -> Iterator[Note]:
    """Notes of a file that :func:`write_conll` wrote; of real origin, as anyone could have.

    Raises
    ------
    InputError : a line has another number of columns, or a note has no text line.
    """
    identity, text, places, tags = "", None, [], []
    with file.open(encoding="utf-8") as lines:
        for row, line in enumerate((*lines, "\n"), 1):
            line = line.rstrip("\n")  # noqa: PLW2901
            if line.startswith(_ID):
                identity = json.loads(line[len(_ID) :])
            elif line.startswith(_TEXT):
                text = json.loads(line[len(_TEXT) :])
            elif line:
                columns = line.split("\t")
                if len(columns) != 4 or text is None:
                    raise InputError(
                        "expected token, start, end and tag below an id and a text line; write "
                        "the file with llmsyn notes convert",
                        file=file,
                        row=row,
                    )
                places.append((int(columns[1]), int(columns[2])))
                tags.append(columns[3])
            elif text is not None:
                yield Note(identity, text, from_tags(places, tags), origin="real")
                identity, text, places, tags = "", None, [], []


def write_tokens(file: Path, notes: Iterable[Note]) -> Tagged:
    """One JSON array of ``{"id", "tokens", "tags"}``, the form of an OMOP entity tagger."""
    widened = overlapping = 0
    records = []
    for note in notes:
        tokens, row = tagged(note)
        widened, overlapping = widened + row.widened, overlapping + row.overlapping
        records.append({"id": note.note_id, "tokens": tokens, "tags": list(row.tags)})
    write_text(file, json.dumps(records, ensure_ascii=False, indent=1) + "\n")
    return Tagged((), widened, overlapping)


def read_tokens(file: Path) -> Iterator[Note]:
    """Notes of tokens and tags, tokens joined by a blank (their own spacing is lost).

    Raises
    ------
    InputError : the file is no such array.
    """
    try:
        records = json.loads(file.read_text(encoding="utf-8"))
        pairs = [(str(r.get("id", i)), r["tokens"], r["tags"]) for i, r in enumerate(records)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "expected a JSON array of objects with tokens and tags; check the file", file=file
        ) from error
    for identity, tokens, tags in pairs:
        if len(tokens) != len(tags):
            raise InputError(
                f"record {identity!r} has {len(tokens)} tokens and {len(tags)} tags; write one "
                "tag a token",
                file=file,
            )
        places, at = [], 0
        for token in tokens:
            places.append((at, at + len(token)))
            at += len(token) + 1
        yield Note(identity, " ".join(tokens), from_tags(places, tags), origin="real")


def write_hugging_face(folder: Path, splits: Mapping[str, Sequence[Note]]) -> Tagged:
    """``data/<split>.jsonl`` with ``tokens`` and numbered ``ner_tags``, and a dataset card.

    ``datasets.load_dataset(folder)`` reads it as it stands.
    """
    labels = sorted({span.label for notes in splits.values() for n in notes for span in n.spans})
    names = [OUTSIDE, *(f"{mark}-{label}" for label in labels for mark in "BI")]
    number = {name: i for i, name in enumerate(names)}
    widened = overlapping = 0
    for split, notes in splits.items():
        lines = []
        for note in notes:
            tokens, row = tagged(note)
            widened, overlapping = widened + row.widened, overlapping + row.overlapping
            lines.append(
                json.dumps(
                    {
                        "id": note.note_id,
                        "tokens": tokens,
                        "ner_tags": [number[t] for t in row.tags],
                    },
                    ensure_ascii=False,
                )
            )
        write_text(folder / "data" / f"{split}.jsonl", "\n".join(lines) + "\n")
    write_text(folder / "README.md", _card(splits, names))
    return Tagged((), widened, overlapping)


def _card(splits: Mapping[str, Sequence[Note]], names: Sequence[str]) -> str:
    files = "".join(f"  - split: {split}\n    path: data/{split}.jsonl\n" for split in splits)
    tags = "".join(f"          '{i}': {name}\n" for i, name in enumerate(names))
    return (
        "---\nconfigs:\n- config_name: default\n  data_files:\n"
        f"{files}dataset_info:\n  features:\n  - name: id\n    dtype: string\n"
        "  - name: tokens\n    sequence: string\n  - name: ner_tags\n    sequence:\n"
        f"      class_label:\n        names:\n{tags}---\n\n"
        "# Notes with tagged entities\nWritten by llmsyn. Tags are BIO; offsets, codes and "
        "assertions are in the JSON Lines form.\n"
    )
