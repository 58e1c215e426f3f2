"""What the bench of taggers keeps, and how it tabulates; nothing is trained."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import ner
from ner_tables import lines
from ner_work import Bench
from notes import within_word

from llmsyn.errors import InputError
from llmsyn.ner.gazetteer import Gazetteer
from llmsyn.notes.jsonl import write_notes
from llmsyn.notes.types import Note, Span


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    corpus = tmp_path / "corpora" / "ncbi_disease"
    corpus.mkdir(parents=True)
    notes = [Note("1", "gout", (Span(0, 4, "DISEASE"),)), Note("2", "no flu", ())]
    plain = tmp_path / "test.jsonl"
    write_notes(plain, notes)
    (corpus / "test.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    return Bench(tmp_path / "corpora", tmp_path / "work", None, None, 0)


def test_a_tagger_is_judged_once(bench: Bench) -> None:
    opened = []

    def open_() -> Gazetteer:
        opened.append(1)
        return Gazetteer({"gout": ("DISEASE", ""), "flu": ("DISEASE", "")})

    (first,) = bench.judge("g", "names", open_, "ncbi", n=3)
    (again,) = bench.judge("g", "names", open_, "ncbi", n=3)
    assert first == again
    assert opened == [1]
    assert first["corpus"] == "ncbi test"
    assert (first["n"], first["precision"], first["recall"]) == (3, 0.5, 1.0)
    assert first["strict F1"] == 0.667


def test_a_folder_is_for_one_setting(bench: Bench) -> None:
    Bench(bench.corpora, bench.work, 2, None, 0)  # threads change no result
    with pytest.raises(InputError, match="other settings"):
        Bench(bench.corpora, bench.work, None, None, 1)


def test_fewer_passages_are_part_of_more(bench: Bench) -> None:
    few, more = bench.bank("en", 5), bench.bank("en", 9)
    assert [n.note_id for n in few] == [n.note_id for n in more[:5]]


def test_a_kept_model_is_not_trained_again(bench: Bench) -> None:
    folder = bench.work / "models" / "m"
    folder.mkdir(parents=True)
    (folder / "tagger.json").write_text(json.dumps({"kind": "other"}))
    with pytest.raises(InputError, match="'other' is no kind of tagger"):
        bench.model("m", "en", [], 1)  # training on nothing would say something else


def test_one_line_a_tagger_and_amount() -> None:
    row = {"trained on": "x", "strict F1": 0.5, "95% interval": "0.4 to 0.6", "other": 1}
    rows = [
        {**row, "corpus": "maccrobat test", "label": label, "n": n}
        for n in (1, 2)
        for label in ("DRUG", "DISEASE")
    ]
    found = lines(rows, intervals=False)
    assert [line["n"] for line in found] == [1, 2]
    assert found[0] == {
        "trained on": "x", "n": 1, "MACCROBAT drug": "0.500", "MACCROBAT disease": "0.500",
    }  # fmt: skip


def test_every_part_of_the_bench_has_a_name() -> None:
    assert set(ner.PARTS) == {"scores", "amount", "ablation", "refinement"}
    assert set(ner.REAL) == set(ner.REAL_ROUNDS)


@pytest.mark.parametrize(
    ("before", "after", "within"),
    [("a", "b", True), ("1", "2", True), ("x", "7", False), (" ", "a", False), ("a", "-", False)],
)
def test_an_edge_within_a_word(before: str, after: str, within: bool) -> None:
    assert within_word(before, after) is within
