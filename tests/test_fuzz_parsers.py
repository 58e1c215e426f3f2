"""Whatever a file or a reply holds, only errors of ours come out: every parser, mutated input.

``LLMSYN_FUZZ=5000`` tries that many inputs a parser (``make soak`` does).
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from export_toys import toy_cohort
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from knowledge_toys import TOY

from llmsyn.cohort.mapping import read_mapping
from llmsyn.cohort.parts import read_manifest, synthetic_parts
from llmsyn.cohort.reading import read_cohort
from llmsyn.errors import LlmsynError
from llmsyn.export.coding import Code
from llmsyn.export.omop.notes import NoteFile
from llmsyn.export.omop.vocabulary import read_vocabulary
from llmsyn.knowledge.loading import load_base
from llmsyn.knowledge.stated import read_stated
from llmsyn.llm.completion import read_completion
from llmsyn.llm.results import read_results
from llmsyn.llm.schema import ReplyError, parse
from llmsyn.profile.findings import check_profile
from llmsyn.profile.reading import read_profile

ROOT = Path(__file__).parent
N = int(os.environ.get("LLMSYN_FUZZ", "40"))
fuzz = settings(
    max_examples=N, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip

TOKENS = [
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\r\n", b"\n\n", b'"', b"'''", b'"""', b",", b";",
    b"=", b"#", b"[[", b"]]", b"{", b"}", b"[" * 3_000, b"{a=" * 2_000, b'{"a":' * 50_000,
    b"9" * 5_000, b"1e999", b"-1", b"-0.0", b"nan", b"inf", b"0x10", b"true", b"null", b"[]", b"{}",
    b"1979-05-27", b"1979-05-27T07:32:00Z", b"07:32:00", b"25:61:00", b"suppressed", b"(unlisted)",
    b"..", b"/etc/passwd", b"../../x", b"x" * 200_000, b'"\\ud800"', b"\\u0000", b"%s%n", b"=1+1",
    "\u202e\u2028\U0001f600".encode(), b"a.b = 1\na.b.c = 2\n", b"[variables]\n", b"schema = 2\n",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, base: bytes) -> bytes:
    """A file with pieces cut out, doubled, swapped for others or for something nasty."""
    data = bytearray(base)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        cut = draw(st.integers(0, 60))
        piece = draw(
            st.one_of(
                st.sampled_from(TOKENS),
                st.binary(max_size=12),
                st.integers(-(10**20), 10**20).map(lambda n: str(n).encode()),
                st.floats().map(lambda x: repr(x).encode()),
                st.integers(0, max(len(base) - 1, 0)).map(lambda i: base[i : i + 80]),
            )
        )
        data[at : at + cut] = piece
    return bytes(data)


@contextmanager
def copy_of(folder: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as work:
        yield Path(shutil.copytree(folder, Path(work) / "copy"))


@contextmanager
def file_with(data: bytes, name: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as work:
        file = Path(work) / name
        file.write_bytes(data)
        yield file


def survives(read) -> bool:
    """Whether it was read; anything but an error of ours fails the test."""
    try:
        read()
    except LlmsynError as error:
        assert str(error).strip()
        assert len(str(error)) < 2_000  # a message, not the file
        return False
    return True


# --- profiles -----------------------------------------------------------------------------

PROFILE = ROOT / "data" / "toy"
SHEETS = sorted(p.name for p in PROFILE.glob("*.csv"))


def read_and_check(folder: Path) -> None:
    check_profile(read_profile(folder))


@fuzz
@given(mutated((PROFILE / "profile.toml").read_bytes()))
def test_profile_toml(data):
    with copy_of(PROFILE) as folder:
        (folder / "profile.toml").write_bytes(data)
        survives(lambda: read_and_check(folder))


@fuzz
@given(st.sampled_from(SHEETS).flatmap(
    lambda name: st.tuples(st.just(name), mutated((PROFILE / name).read_bytes()))))  # fmt: skip
def test_profile_csv(given_file):
    name, data = given_file
    with copy_of(PROFILE) as folder:
        (folder / name).write_bytes(data)
        survives(lambda: read_and_check(folder))


# --- mappings and hospital tables ---------------------------------------------------------

HOSPITAL = ROOT / "data" / "hospital"
TABLES = sorted(p.name for p in HOSPITAL.glob("*.csv"))


def read_batches(folder: Path) -> None:
    for batch in read_cohort(read_mapping(folder / "mapping.toml"), folder).batches(100):
        assert len(batch)


@fuzz
@given(mutated((HOSPITAL / "mapping.toml").read_bytes()))
def test_mapping(data):
    with copy_of(HOSPITAL) as folder:
        (folder / "mapping.toml").write_bytes(data)
        survives(lambda: read_batches(folder))


@fuzz
@given(st.sampled_from(TABLES).flatmap(
    lambda name: st.tuples(st.just(name), mutated((HOSPITAL / name).read_bytes()))))  # fmt: skip
def test_hospital_table(given_file):
    name, data = given_file
    with copy_of(HOSPITAL) as folder:
        (folder / name).write_bytes(data)
        survives(lambda: read_batches(folder))


# --- knowledge ----------------------------------------------------------------------------


@fuzz
@given(st.sampled_from(sorted(TOY)).flatmap(
    lambda name: st.tuples(st.just(name), mutated(TOY[name].encode()))))  # fmt: skip
def test_knowledge(given_file):
    with tempfile.TemporaryDirectory() as work:
        for name, text in TOY.items():
            file = Path(work) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(given_file[1] if name == given_file[0] else text.encode())
        survives(lambda: load_base([Path(work)], with_shipped=False))


STATED = b"given,then,effect,source\nsex=F,died=yes,1,book\ndiagnoses=4280,drugs=x,-2,book\n"


@fuzz
@given(mutated(STATED))
def test_stated_associations(data):
    with file_with(data, "associations.csv") as file:
        survives(lambda: read_stated(file.parent))


# --- what a model said --------------------------------------------------------------------

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


@fuzz
@given(mutated(REPLY.encode()))
def test_model_reply(data):
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


@fuzz
@given(mutated(COMPLETION))
def test_completion(data):
    survives(lambda: read_completion(data))


@fuzz
@given(mutated(RESULTS), st.booleans())
def test_batch_results(data, packed):
    with file_with(gzip.compress(data) if packed else data, "r.jsonl" + ".gz" * packed) as file:
        survives(lambda: read_results(file.parent))


@fuzz
@given(mutated(gzip.compress(RESULTS, mtime=0)))
def test_batch_results_whose_archive_is_broken(data):
    with file_with(data, "r.jsonl.gz") as file:
        survives(lambda: read_results(file.parent))


# --- cohorts, notes, vocabularies ---------------------------------------------------------


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return toy_cohort(tmp_path_factory.mktemp("fuzz") / "c", n=9, parts=2)


@fuzz
@given(data=st.data())
def test_cohort_manifest(cohort, data):
    with copy_of(cohort) as folder:
        file = folder / "manifest.json"
        file.write_bytes(data.draw(mutated(file.read_bytes())))
        survives(lambda: [read_manifest(folder), *synthetic_parts(folder, verify=True)])


@fuzz
@given(data=st.data())
def test_cohort_part(cohort, data):
    with copy_of(cohort) as folder:
        file = folder / "drugs" / "part-00001.parquet"
        file.write_bytes(data.draw(mutated(file.read_bytes())))
        survives(lambda: list(synthetic_parts(folder)))


NOTES = b"".join(
    json.dumps({"note_id": f"n{i}", "patient_id": i, "text": "has pneumonia", "spans": [
        {"start": 4, "end": 13, "label": "dx", "code": "J189", "assertion": "present"}]}).encode()
    + b"\n" for i in range(1, 4)
)  # fmt: skip


@fuzz
@given(mutated(NOTES))
def test_notes(data):
    with file_with(data, "notes.jsonl") as file:

        def read():
            for note in NoteFile(file).up_to(10**9):
                for span in note.spans:
                    assert note.variant(span) and len(note.snippet(span)) <= 250

        survives(read)


CONCEPT = (
    b"concept_id\tconcept_name\tdomain_id\tvocabulary_id\tconcept_class_id\tstandard_concept\t"
    b"concept_code\tinvalid_reason\n1\tPneumonia\tCondition\tICD10CM\tcode\t\tJ18.9\t\n"
    b"2\tPneumonia\tCondition\tSNOMED\tDisorder\tS\t233\t\n"
)
RELATIONSHIP = b"concept_id_1\tconcept_id_2\trelationship_id\tinvalid_reason\n1\t2\tMaps to\t\n"


@fuzz
@given(st.one_of(st.tuples(mutated(CONCEPT), st.just(RELATIONSHIP)),
                 st.tuples(st.just(CONCEPT), mutated(RELATIONSHIP))))  # fmt: skip
def test_vocabulary(given_files):
    wanted = {"dx": ("Condition", [Code("J189", "icd10cm", "J189", "J18.9", "Pneumonia")])}
    with tempfile.TemporaryDirectory() as work:
        for name, data in zip(("CONCEPT", "CONCEPT_RELATIONSHIP"), given_files, strict=True):
            (Path(work) / f"{name}.csv").write_bytes(data)
        survives(lambda: read_vocabulary(Path(work), wanted))
