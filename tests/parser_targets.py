"""Every parser as a function, with inputs that it reads well: for fuzzing, of either kind."""

from __future__ import annotations

import json
from pathlib import Path

from llmsyn.cohort.mapping import read_mapping
from llmsyn.cohort.reading import read_cohort
from llmsyn.errors import LlmsynError
from llmsyn.export.coding import Code
from llmsyn.export.omop.notes import NoteFile
from llmsyn.export.omop.vocabulary import read_vocabulary
from llmsyn.llm.schema import ReplyError, parse
from llmsyn.notes.bank import read_passages
from llmsyn.notes.jsonl import read_notes as notes_of
from llmsyn.profile.findings import check_profile
from llmsyn.profile.reading import read_profile

ROOT = Path(__file__).parent

TOKENS = [
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\r\n", b"\n\n", b'"', b"'''", b'"""', b",", b";",
    b"=", b"#", b"[[", b"]]", b"{", b"}", b"[" * 3_000, b"{a=" * 2_000, b'{"a":' * 50_000,
    b"9" * 5_000, b"1e999", b"-1", b"-0.0", b"nan", b"inf", b"0x10", b"true", b"null", b"[]", b"{}",
    b"1979-05-27", b"1979-05-27T07:32:00Z", b"07:32:00", b"25:61:00", b"suppressed", b"(unlisted)",
    b"..", b"/etc/passwd", b"../../x", b"x" * 200_000, b'"\\ud800"', b"\\u0000", b"%s%n", b"=1+1",
    "\u202e\u2028\U0001f600".encode(), b"a.b = 1\na.b.c = 2\n", b"[variables]\n", b"schema = 2\n",
]  # fmt: skip


def survives(read) -> bool:
    """Whether it was read; anything but an error of ours fails the test."""
    try:
        read()
    except LlmsynError as error:
        assert str(error).strip()
        assert len(str(error)) < 2_000  # a message, not the file
        return False
    return True


PROFILE = ROOT / "data" / "toy"
SHEETS = sorted(p.name for p in PROFILE.glob("*.csv"))


def read_and_check(folder: Path) -> None:
    check_profile(read_profile(folder))


HOSPITAL = ROOT / "data" / "hospital"
TABLES = sorted(p.name for p in HOSPITAL.glob("*.csv"))


def read_batches(folder: Path) -> None:
    for batch in read_cohort(read_mapping(folder / "mapping.toml"), folder).batches(100):
        assert len(batch)


STATED = b"given,then,effect,source\nsex=F,died=yes,1,book\ndiagnoses=4280,drugs=x,-2,book\n"


REPLY = json.dumps({"answers": [{"given": "a", "ratings": [{"class": "weak", "then": ["b"]}]}]})
SCHEMA = {
    "type": "object",
    "properties": {"answers": {"type": "array", "items": {
        "type": "object",
        "properties": {"given": {"enum": ["a"]}, "ratings": {"type": "array", "items": {
            "type": "object",
            "properties": {"class": {"enum": ["weak"]},
                           "then": {"type": "array", "items": {"enum": ["b"]}, "minItems": 1}},
            "required": ["class", "then"], "additionalProperties": False}}},
        "required": ["given", "ratings"], "additionalProperties": False}}},
    "required": ["answers"], "additionalProperties": False,
}  # fmt: skip


def read_reply(data):
    text = data.decode("utf-8", "replace")
    try:
        found = parse(text, SCHEMA)
    except ReplyError as error:
        assert len(str(error)) < 2_000
    else:
        for answer in found["answers"]:  # whatever passes has the form that was asked for
            assert answer["given"] == "a"
            assert all(
                r == {"class": "weak", "then": ["b"]} or r["then"] for r in answer["ratings"]
            )


COMPLETION = json.dumps({
    "model": "m", "choices": [{"message": {"content": REPLY}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2},
}).encode()  # fmt: skip
RESULTS = b"\n".join([
    json.dumps({"custom_id": "a", "response": {"status_code": 200,
                                               "body": json.loads(COMPLETION)}}).encode(),
    json.dumps({"custom_id": "b", "content": {"x": 1}}).encode(),
    json.dumps({"digest": "c", "reply": "text", "usage": {"prompt_tokens": 1,
                                                          "completion_tokens": 1}}).encode(),
])  # fmt: skip


NOTES = b"".join(
    json.dumps({"note_id": f"n{i}", "patient_id": i, "text": "has pneumonia", "spans": [
        {"start": 4, "end": 13, "label": "dx", "code": "J189", "assertion": "present"}]}).encode()
    + b"\n" for i in range(1, 4)
)  # fmt: skip


def read_notes(file):
    for note in NoteFile(file).up_to(10**9):
        for span in note.spans:
            assert note.variant(span) and len(note.snippet(span)) <= 250


OWN_NOTES = [
    json.dumps({"id": "a", "text": "has pneumonia", "origin": "synthetic",
                "spans": [{"start": 4, "end": 13, "label": "dx"}]}).encode() + b"\n",
    json.dumps({"text": "has pneumonia", "ents": [[4, 13, "dx"]]}).encode() + b"\n",
]  # fmt: skip


def read_own_notes(file):
    return list(notes_of(file))


PROSE = [
    json.dumps(line).encode() + b"\n"
    for line in (
        {"id": "a", "register": "letter", "text": "No [[DISEASE|asthma|neg]]."},
        {"id": "b", "register": "letter", "text": "Had [[SYMPTOM|cough|hist]].",
         "age": [3, 90]},
    )
]  # fmt: skip


def read_prose(file):
    return [passage for _, passage in read_passages(file, "en")]


CONCEPT = (
    b"concept_id\tconcept_name\tdomain_id\tvocabulary_id\tconcept_class_id\tstandard_concept\t"
    b"concept_code\tinvalid_reason\n1\tPneumonia\tCondition\tICD10CM\tcode\t\tJ18.9\t\n"
    b"2\tPneumonia\tCondition\tSNOMED\tDisorder\tS\t233\t\n"
)
WANTED = {"dx": ("Condition", [Code("J189", "icd10cm", "J189", "J18.9", "Pneumonia")])}
RELATIONSHIP = b"concept_id_1\tconcept_id_2\trelationship_id\tinvalid_reason\n1\t2\tMaps to\t\n"


def read_concepts(file):
    """The vocabulary of a file of concepts, with one relationship beside it."""
    (file.parent / "CONCEPT_RELATIONSHIP.csv").write_bytes(RELATIONSHIP)
    return read_vocabulary(file.parent, WANTED)
