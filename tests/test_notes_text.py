"""Tagged text, tokens and formats: what goes in comes out, and what cannot is counted."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notes_toys import NOTE

from llmsyn.errors import InputError
from llmsyn.notes.brat import read_brat, write_brat
from llmsyn.notes.formats import FORMATS, read_format, write_format
from llmsyn.notes.jsonl import read_notes, write_notes
from llmsyn.notes.tagged import parse, write
from llmsyn.notes.tagging import write_tokens
from llmsyn.notes.tokens import from_tags, to_tags, tokenise
from llmsyn.notes.types import Note, Span, all_labels, in_order, without_overlap

WORDS = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="[]|"), min_size=1,
    max_size=8,
)  # fmt: skip


@st.composite
def notes(draw) -> Note:
    """A note of any signs, with spans that begin and end with a letter and do not overlap."""
    words = draw(st.lists(WORDS, min_size=1, max_size=12))
    gaps = draw(st.lists(st.sampled_from([" ", "\n", ", ", "-"]), min_size=12, max_size=12))
    labels = draw(st.lists(st.sampled_from(["", *all_labels()]), min_size=12, max_size=12))
    said = draw(st.lists(st.sampled_from(["present", "neg", "fam"]), min_size=12, max_size=12))
    text, spans = "", []
    for word, gap, label, assertion in zip(words, gaps, labels, said):
        if label and word.strip() == word and word:
            spans.append(Span(len(text), len(text) + len(word), label, "", assertion))
        text += word + gap
    return Note("x", text, in_order(spans), language="en")


@given(notes())
def test_tagged_text_round_trip(note: Note) -> None:
    assert parse(write(note.text, note.spans)) == (note.text, note.spans)


def test_parse_says_what_is_wrong() -> None:
    for text, said in (
        ("[[DISEASES|x]]", "unknown label"),
        ("[[DISEASE|x|maybe]]", "unknown assertion"),
        ("[[DISEASE| x]]", "blank at the edge"),
        ("a [[DISEASE|x", "stray"),
        ("a | b", "stray"),
    ):
        with pytest.raises(InputError, match=said):
            parse(text)


def test_write_refuses_what_tags_cannot_hold() -> None:
    with pytest.raises(InputError, match="overlap"):
        write("abcdef", [Span(0, 3, "DRUG"), Span(2, 5, "DRUG")])
    with pytest.raises(InputError, match="signs that tags are made of"):
        write("a [[DRUG|b]]", [])


def test_a_span_outside_is_refused() -> None:
    with pytest.raises(InputError, match="outside of its 3 characters"):
        Note("n", "abc", (Span(1, 4, "DRUG"),))


@given(notes())
def test_tags_round_trip_where_spans_are_whole_tokens(note: Note) -> None:
    tokens = tokenise(note.text)
    starts, ends = {a for a, _ in tokens}, {b for _, b in tokens}
    whole = [s for s in note.spans if s.start in starts and s.end in ends]
    tagged = to_tags(tokens, whole)
    assert tagged.widened == tagged.overlapping == 0
    expected = tuple((s.start, s.end, s.label) for s in whole)
    assert tuple((s.start, s.end, s.label) for s in from_tags(tokens, tagged.tags)) == expected


def test_misaligned_and_overlapping_spans_are_counted() -> None:
    tokens = tokenise("polymyalgia rheumatica")
    tagged = to_tags(tokens, [Span(4, 11, "DISEASE"), Span(0, 22, "DISEASE"), Span(11, 12, "DRUG")])
    assert tagged.tags == ("B-DISEASE", "I-DISEASE")
    assert (tagged.widened, tagged.overlapping) == (0, 2)
    widened = to_tags(tokens, [Span(4, 11, "DISEASE")])
    assert (widened.tags, widened.widened) == (("B-DISEASE", "O"), 1)


def test_two_spans_in_one_token_keep_one() -> None:
    tagged = to_tags(tokenise("abcdef"), [Span(0, 3, "DRUG"), Span(3, 6, "DRUG")])
    assert tagged.tags == ("B-DRUG",)
    assert (tagged.widened, tagged.overlapping) == (1, 1)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 8)), max_size=8))
def test_without_overlap_leaves_none(pairs) -> None:
    spans = {Span(a, a + n, "DRUG") for a, n in pairs}
    kept, lost = without_overlap(spans)
    assert len(kept) + lost == len(spans)
    assert all(x.end <= y.start for x, y in pairwise(kept))


@pytest.mark.parametrize("name", [f for f in FORMATS if f not in ("docbin", "hf", "jsonl", "brat")])
def test_formats_of_tags_keep_labels(name: str, tmp_path) -> None:
    place = tmp_path / "notes"
    bent = write_format(name, place, [NOTE])
    assert (bent.widened, bent.overlapping) == (0, 0)
    (back,) = read_format(name, place)
    ours = [(NOTE.surface(s).split(), s.label) for s in NOTE.spans]
    assert [(back.surface(s).split(), s.label) for s in back.spans] == ours
    if name == "conll":
        assert back.text == NOTE.text


def test_jsonl_keeps_everything(tmp_path) -> None:
    write_notes(tmp_path / "n.jsonl", [NOTE])
    assert list(read_notes(tmp_path / "n.jsonl")) == [NOTE]


def test_jsonl_reads_corpora_as_real(tmp_path) -> None:
    line = {"id": 7, "text": "gout", "ents": [[0, 4, "DISEASE"]]}
    (tmp_path / "c.jsonl").write_text(json.dumps(line) + "\n", "utf-8")
    (note,) = read_notes(tmp_path / "c.jsonl")
    assert (note.note_id, note.origin, note.surface(note.spans[0])) == ("7", "real", "gout")


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"text": "a"}', '{"text": "a", "ents": [[0, 9, "X"]]}']
)
def test_a_broken_line_is_named(line: str, tmp_path) -> None:
    (tmp_path / "c.jsonl").write_text("\n" + line + "\n", "utf-8")
    with pytest.raises(InputError, match="row 2"):
        list(read_notes(tmp_path / "c.jsonl"))


@given(note=notes())
def test_brat_round_trip(note: Note, tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("brat")
    write_brat(folder, [note])
    (back,) = read_brat(folder)
    assert back.text == note.text
    assert back.spans == note.spans


def test_brat_keeps_codes_and_fragments(tmp_path) -> None:
    write_brat(tmp_path, [NOTE])
    assert "T3\tDRUG 25 33;34 41\tmorphine sulfate" in (tmp_path / "n1.ann").read_text("utf-8")
    (back,) = read_brat(tmp_path)
    assert back.spans == NOTE.spans


def test_brat_names_differ(tmp_path) -> None:
    with pytest.raises(InputError, match="two notes are called"):
        write_brat(tmp_path, [NOTE, NOTE])


def test_tokens_json_is_tokens_and_tags(tmp_path) -> None:
    write_tokens(tmp_path / "t.json", [NOTE])
    (record,) = json.loads((tmp_path / "t.json").read_text("utf-8"))
    assert len(record["tokens"]) == len(record["tags"])
    assert record["tags"][1] == "B-DISEASE"


def test_hugging_face_layout(tmp_path) -> None:
    write_format("hf", tmp_path, [NOTE])
    line = json.loads((tmp_path / "data" / "train.jsonl").read_text("utf-8"))
    card = (tmp_path / "README.md").read_text("utf-8")
    names = [row.split(": ")[1] for row in card.splitlines() if row.strip().startswith("'")]
    assert [names[t] for t in line["ner_tags"]].count("B-DRUG") == 1
    assert len(line["tokens"]) == len(line["ner_tags"])


def test_unknown_format_is_named(tmp_path) -> None:
    with pytest.raises(InputError, match="there is no format 'xml'"):
        write_format("xml", tmp_path / "x", [])
    with pytest.raises(InputError, match="cannot be read"):
        read_format("hf", tmp_path)
