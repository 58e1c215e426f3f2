"""Whatever a file or a reply holds, only errors of ours come out: every parser, mutated input.

``LLMSYN_FUZZ=5000`` tries that many inputs a parser (``make soak`` does).
"""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from export_toys import toy_cohort
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from knowledge_toys import TOY
from parser_targets import (
    COMPLETION,
    CONCEPT,
    HOSPITAL,
    NOTES,
    OWN_NOTES,
    PROFILE,
    PROSE,
    RELATIONSHIP,
    REPLY,
    RESULTS,
    SHEETS,
    STATED,
    TABLES,
    TOKENS,
    WANTED,
    read_and_check,
    read_batches,
    read_notes,
    read_own_notes,
    read_prose,
    read_reply,
    survives,
)  # fmt: skip

from llmsyn.cohort.parts import read_manifest, synthetic_parts
from llmsyn.export.omop.vocabulary import read_vocabulary
from llmsyn.knowledge.loading import load_base
from llmsyn.knowledge.stated import read_stated
from llmsyn.llm.completion import read_completion
from llmsyn.llm.results import read_results

N = int(os.environ.get("LLMSYN_FUZZ", "40"))
fuzz = settings(
    max_examples=N, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip


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


# --- profiles -----------------------------------------------------------------------------


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


@fuzz
@given(mutated(STATED))
def test_stated_associations(data):
    with file_with(data, "associations.csv") as file:
        survives(lambda: read_stated(file.parent))


# --- what a model said --------------------------------------------------------------------


@fuzz
@given(mutated(REPLY.encode()))
def test_model_reply(data):
    read_reply(data)


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


@fuzz
@given(mutated(NOTES))
def test_notes(data):
    with file_with(data, "notes.jsonl") as file:
        survives(lambda: read_notes(file))


@fuzz
@given(st.sampled_from(OWN_NOTES).flatmap(mutated), st.booleans())
def test_own_notes(data, packed):
    with file_with(gzip.compress(data) if packed else data, "n.jsonl" + ".gz" * packed) as file:
        survives(lambda: read_own_notes(file))


@fuzz
@given(mutated(gzip.compress(OWN_NOTES[0], mtime=0)))
def test_own_notes_whose_archive_is_broken(data):
    with file_with(data, "n.jsonl.gz") as file:
        survives(lambda: read_own_notes(file))


@pytest.mark.parametrize("found", [
    b'{"note_id": "a", "patient_id": 1, "text": "x", "spans": [{"start": 0, "end": 1e999}]}',
    b"[" * 100_000,
])  # fmt: skip
def test_what_atheris_found_in_notes(found):
    for read in (read_notes, read_own_notes, read_prose):
        with file_with(found, "n.jsonl") as file:
            assert not survives(partial(read, file))


@pytest.mark.parametrize("change", ["patient_id", "code", "position", "text id"])
def test_what_atheris_found_in_a_part(cohort, change):
    """A column that is missing, or of another kind."""
    with copy_of(cohort) as folder:
        file = folder / "drugs" / "part-00001.parquet"
        table = pq.read_table(file)
        if change == "text id":
            ids = pa.array([str(i) for i in table["patient_id"].to_pylist()])
            table = table.set_column(0, "patient_id", ids)
        else:
            table = table.drop_columns([change])
        pq.write_table(table, file)
        assert not survives(lambda: list(synthetic_parts(folder)))


@fuzz
@given(st.sampled_from(PROSE).flatmap(mutated))
def test_prose(data):
    with file_with(data, "bank.jsonl") as file:
        survives(lambda: read_prose(file))


@fuzz
@given(st.one_of(st.tuples(mutated(CONCEPT), st.just(RELATIONSHIP)),
                 st.tuples(st.just(CONCEPT), mutated(RELATIONSHIP))))  # fmt: skip
def test_vocabulary(given_files):
    with tempfile.TemporaryDirectory() as work:
        for name, data in zip(("CONCEPT", "CONCEPT_RELATIONSHIP"), given_files, strict=True):
            (Path(work) / f"{name}.csv").write_bytes(data)
        survives(lambda: read_vocabulary(Path(work), WANTED))
