"""The prose bank: the shipped one is whole, and every way to break a line is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from llmsyn.cli.main import cli
from llmsyn.errors import InputError, KnowledgeError
from llmsyn.notes.bank import languages, of_part, part_of, prose_folder, read_bank, read_passages
from llmsyn.notes.bank_check import check_bank
from llmsyn.notes.lexicon import fold, lexicon
from llmsyn.notes.overlap import distinct_share, overlap, self_bleu
from llmsyn.notes.policies import policies, read_policy
from llmsyn.notes.pools import kind_of, make_pools
from llmsyn.notes.swapping import copies, swap
from llmsyn.notes.types import Note, Span, base_label, known_label

LINE = {"id": "a", "register": "letter", "text": "No [[DISEASE|asthma|neg]]."}


def written(tmp_path: Path, *lines) -> Path:
    file = tmp_path / "bank.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    file.write_text("\n".join(texts) + "\n", "utf-8")
    return file


@pytest.mark.parametrize("language", ["en", "es", "et"])
def test_the_shipped_bank_is_whole(language: str) -> None:
    files = sorted((prose_folder() / language).glob("*.jsonl"))
    report = check_bank(files, language)
    assert report.problems == ()
    assert report.n_passages >= {"en": 550, "es": 180, "et": 50}[language]
    assert report.without_mentions > 0
    assert all(known_label(label) for label in report.labels)
    assert report.coded > report.n_passages


def test_languages_are_folders() -> None:
    assert set(languages()) == {"en", "es", "et"}
    with pytest.raises(KnowledgeError, match="no prose of language 'xx'"):
        read_bank("xx")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"register": None}, "register"),
        ({"colour": "red"}, "colour"),
        ({"age": [9, 3]}, "low first"),
        ({"text": "[[DISEASE|x"}, "stray"),
        ({"slots": ["a", "b"]}, "2 slots"),
    ],
)
def test_a_broken_passage_is_named(change, said: str, tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match=said) as caught:
        list(read_passages(written(tmp_path, LINE, LINE | change), "en"))
    assert caught.value.row == 2


def test_check_finds_doubles_and_openings(tmp_path: Path) -> None:
    long = "one two three four five six seven eight nine ten eleven twelve thirteen"
    file = written(tmp_path, LINE | {"text": long}, LINE | {"id": "b", "text": long + " x"})
    report = check_bank([file], "en", {"corpus": ["zero one two three four five six seven eight"]})
    assert any("share" in problem for problem in report.problems)
    assert report.openings == ("one two three four five",)
    assert report.overlaps["corpus"].shared == ("one two three four five six seven eight",)
    found = CliRunner().invoke(cli, ["notes", "bank", "check", str(file)])
    assert found.exit_code != 0


def test_parts_of_the_bank_are_disjoint_and_stable() -> None:
    bank = read_bank("en")
    parts = {part: {p.id for p in of_part(bank, part)} for part in ("train", "dev", "test")}
    assert sum(map(len, parts.values())) == len(bank)
    assert not parts["train"] & parts["test"]
    assert 0.5 < len(parts["train"]) / len(bank) < 0.7
    assert part_of("en-oncology-001") == part_of("en-oncology-001")


def test_overlap_counts_runs_once() -> None:
    found = overlap(["a b c d", "a b c d"], ["x A b, c D"], 3)
    assert (found.n_sequences, found.shared) == (2, ("a b c", "b c d"))
    assert np.isnan(overlap([], ["a"], 3).share)


def test_variety_by_hand() -> None:
    assert distinct_share(["a b", "a b"], 2) == 0.5
    assert self_bleu(["a b c d e", "a b c d e"]) == pytest.approx(1)
    assert self_bleu(["a b c d e", "v w x y z"]) == 0
    assert np.isnan(self_bleu(["a b"]))


@pytest.mark.parametrize("name", ["omop", "clinical", "maccrobat", "ncbi", "cantemist", "bank"])
def test_shipped_policies(name: str) -> None:
    assert name in policies()
    policy = read_policy(name)
    assert policy.labels
    assert policy.source


def test_policy_merges_drops_and_trims() -> None:
    policy = read_policy("maccrobat")
    text = "Severe known asthma after alcohol and an ECG"
    spans = [Span(0, 19, "DISEASE"), Span(26, 33, "DRUG:toxin"), Span(41, 44, "PROC_DIAG:exam")]
    found = policy.spans(text, spans)
    assert [(text[s.start : s.end], s.label) for s in found] == [
        ("asthma", "DISEASE"),
        ("ECG", "PROCEDURE"),
    ]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("CT of the abdomen and pelvis", "CT"),
        ("repeat CT of Chest", "CT"),
        ("CT of the abdominals", "CT of the abdominals"),
        ("of the abdomen", "of the abdomen"),
    ],
)
def test_a_mention_ends_before_its_body_site(text: str, kept: str) -> None:
    span = Span(1, 1 + len(text), "PROC_DIAG:imaging")
    (found,) = read_policy("maccrobat").spans(f"({text} of the liver", [span])
    assert f"({text}"[found.start : found.end] == kept


def test_a_policy_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'schema = 1\ntitle = "t"\nsource = "s"\ndrop_assertions = ["neg"]\n[merge]\nDRUG = "M"\n',
        "utf-8",
    )
    policy = read_policy(file)
    assert policy.spans("a b", [Span(0, 1, "DRUG", "", "neg"), Span(2, 3, "DRUG:class")]) == (
        Span(2, 3, "M"),
    )
    file.write_text('schema = 1\ntitle = "t"\nsource = "s"\n[merge]\nDRUGS = "M"\n', "utf-8")
    with pytest.raises(KnowledgeError, match="no label 'DRUGS'"):
        read_policy(file)
    with pytest.raises(InputError, match="no label policy 'nothing'"):
        read_policy("nothing")


def test_names_and_finer_concepts() -> None:
    names = lexicon("en")
    assert names.concept("icd9cm", "4280").key == "conditions/heart_failure"
    assert names.concept("icd9cm", "1889").key == "concepts/bladder_cancer"
    assert names.keys("AS") == ("concepts/aortic_stenosis",)
    assert names.keys("as") == ()
    assert names.keys("anaemia ferropénica") == ()
    assert lexicon("es").keys("anemia ferropénica") == ("conditions/iron_deficiency_anemia",)
    assert names.holds(
        "conditions/acute_kidney_injury", frozenset(["concepts/acute_tubular_necrosis"])
    )
    assert not names.holds("conditions/atrial_fibrillation", frozenset(["concepts/atrial_flutter"]))
    assert fold("Haemophilia-A") == "hemophilia a"


def test_swapping_keeps_spans_case_and_consistency() -> None:
    bank = read_bank("en")
    pools = make_pools(bank, "en")
    random = np.random.default_rng(1)
    changed = 0
    for passage in bank[:60]:
        note = passage.note()
        new = swap(note, pools, random)
        assert [s.label for s in new.spans] == [s.label for s in note.spans]
        assert all(new.surface(s).strip() == new.surface(s) != "" for s in new.spans)
        pairs = {}
        for old, span in zip(note.spans, new.spans):
            key = (base_label(old.label), note.surface(old).lower())
            surface = new.surface(span).lower()
            assert pairs.setdefault(key, surface) == surface
            changed += surface != note.surface(old).lower()
    assert changed > 200


def test_a_drug_is_swapped_for_its_class() -> None:
    pools = make_pools(read_bank("en"), "en")
    kind = pools.kind("DRUG", "warfarin")
    assert kind == "DRUG/anticoagulant/"
    assert "apixaban" in pools.known[kind]
    assert "amoxicillin" not in pools.known[kind]
    assert kind_of("SYMPTOM", "chest pain", {}) == "SYMPTOM//few"


def test_copies_are_the_same_for_a_seed_and_leave_overlaps_alone() -> None:
    pools = make_pools(read_bank("en"), "en")
    notes = [p.note() for p in read_bank("en")[:5]]
    first, second = (list(copies(notes, pools, 2, seed=3)) for _ in range(2))
    assert first == second
    assert len(first) == 10
    assert first != list(copies(notes, pools, 2, seed=4))
    both = Note("o", "abc def", (Span(0, 7, "DISEASE"), Span(4, 7, "DISEASE")))
    assert swap(both, pools, np.random.default_rng(0), share=1.0) == both


def test_the_article_follows_the_word() -> None:
    pools = replace(make_pools((), "en"), known={"DISEASE//one": ("asthma", "gout")}, written={})
    note = Note("a", "a gout attack", (Span(2, 6, "DISEASE"),))
    texts = {swap(note, pools, np.random.default_rng(i), share=1.0).text for i in range(9)}
    assert "an asthma attack" in texts
