"""What a language model does for notes: marks survive, quotes have places, real text stays."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from model_doubles import FunctionModel
from notes_toys import NOTE

from llmsyn.egress.guard import check, on_loopback
from llmsyn.egress.requests import PublicRequest, Service
from llmsyn.egress.values import LocalText
from llmsyn.errors import InputError
from llmsyn.notes.annotating import WAYS, agreement, align, annotate, answers
from llmsyn.notes.annotating import request_of as annotation_request
from llmsyn.notes.bank import read_bank
from llmsyn.notes.judging import judge
from llmsyn.notes.paraphrasing import filled, marked, paraphrase
from llmsyn.notes.types import Note, Span, all_labels
from llmsyn.notes.writing import REGISTERS, wanted, write_passages

PASSAGE = "[[DISEASE|Gout]] was found in a [[AGE|50-year-old]] baker who had eaten too much offal that month."


def test_passages_with_readable_tags_are_kept() -> None:
    asked = wanted([("conditions/gout", "Gout")], "English", 3, seed=1)
    replies = iter([PASSAGE, PASSAGE.replace("]]", "]"), PASSAGE])
    model = FunctionModel(
        lambda r: {"text": next(replies), "sex": "none", "age_low": -1, "age_high": -1}
    )
    made = write_passages(asked, model)
    assert len(made.lines) == 2
    assert made.dropped == {"broken tags": 1}
    assert made.lines[0]["age"] is None and made.lines[0]["condition"] == "Gout"
    said = model.asked[0].prompt.user
    assert "Gout" in said and REGISTERS[0] in said and "Where a mention begins" in said


def test_registers_and_conditions_take_turns() -> None:
    asked = wanted([("a", "A"), ("b", "B")], "English", 6, seed=1, registers=("letter", "abstract"))
    assert {one.name for one in asked} == {"A", "B"}
    assert [one.register for one in asked] == ["letter", "abstract"] * 3
    assert wanted([("a", "A")], "English", 2, seed=1) == wanted([("a", "A")], "English", 2, seed=1)
    with pytest.raises(InputError, match="nothing to write about"):
        wanted([], "English", 1, seed=1)


def test_marks_come_back_as_mentions() -> None:
    assert marked(NOTE) == "No <1>. Given <2> of <3> for <4>."
    new = filled("For <4>, <3> (<2>). Asthma is absent: <1>.", NOTE)
    assert new is not None
    assert new.text == "For chest pain, morphine\nsulfate (5 mg). Asthma is absent: asthma."
    assert {(new.surface(s), s.label, s.assertion) for s in new.spans} == {
        (NOTE.surface(s), s.label, s.assertion) for s in NOTE.spans
    }
    for broken in ("<1> <2> <3>", "<1> <2> <3> <4> <4>", "<1> <2> <3> <4> <5>"):
        assert filled(broken, NOTE) is None


def test_paraphrase_drops_and_refuses() -> None:
    model = FunctionModel(lambda r: {"text": "<1> <2> <3>"})
    made = paraphrase([NOTE], model)
    assert (made.notes, made.dropped) == ((), {"marks lost or doubled": 1})
    with pytest.raises(InputError, match="is real"):
        paraphrase([replace(NOTE, origin="real")], model)
    with pytest.raises(InputError, match="marks such as <1>"):
        marked(Note("x", "p <1> q"))


def test_quotes_are_placed_in_order_and_the_rest_counted() -> None:
    text = "Cough. Cough again, chest\npain and coughing."
    said = [("SYMPTOM", "Cough", "present"), ("SYMPTOM", "Cough", "neg"),
            ("SYMPTOM", "chest pain", "present"), ("SYMPTOM", "fever", "present"),
            ("MOOD", "again", "present"), ("SYMPTOM", "again", "maybe")]  # fmt: skip
    spans, lost = align(text, said, all_labels())
    assert [(s.start, s.end, s.assertion) for s in spans] == [
        (0, 5, "present"), (7, 12, "neg"), (20, 30, "present"),
    ]  # fmt: skip
    assert dict(lost) == {
        "not in the text": 1, "unknown label": 1, "empty quote or unknown assertion": 1,
    }  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_asking_finds_the_mention(way: str) -> None:
    reply = {
        "list": {"list": ["DISEASE | asthma | neg", "nonsense"]},
        "tagged": {"tagged": "No [[DISEASE|asthma|neg]]."},
        "json": {"mentions": [{"label": "DISEASE", "quote": "asthma", "assertion": "neg"}]},
    }[way]
    note = Note("1", "No asthma.", language="en")
    model = FunctionModel(lambda r: reply)
    examples = [p for p in read_bank("en") if p.spans][:2]
    made = annotate([note, note], model, way, ("DISEASE",), examples)
    assert [n.spans for n in made.notes] == [(Span(3, 9, "DISEASE", "", "neg"),)] * 2
    assert len(model.asked) == 1  # the same question is asked once
    assert examples[0].text[:30] in model.asked[0].prompt.user
    if way == "list":
        assert made.dropped == {"unknown label": 2}


def test_broken_tagged_text_is_counted() -> None:
    assert answers({"tagged": "[[DISEASE|x"}, "tagged") == [("", "", "")]
    model = FunctionModel(lambda r: "no reply")
    made = annotate([Note("1", "gout")], model, "json", ("DISEASE",))
    assert (made.failed, made.notes[0].spans) == (1, ())


def test_real_text_goes_to_loopback_only() -> None:
    request = annotation_request(replace(NOTE, origin="real"), "json", ("DISEASE",))
    local = [part for part in request.prompt.parts if isinstance(part, LocalText)]
    assert len(local) == 1
    for url, allowed in (
        ("http://127.0.0.1:8000/v1", True), ("http://[::1]/v1", True), ("http://localhost/v1", True),
        ("https://api.example.org/v1", False), ("http://127.0.0.1.example.org/v1", False),
        ("http://10.0.0.1/v1", False), ("folder:/tmp/x", False),
    ):  # fmt: skip
        assert on_loopback(url) is allowed
        asked = PublicRequest(Service("model", url, "POST"), {"text": local[0]})
        if allowed:
            assert b"asthma" in (check(asked).body or b"")
        else:
            with pytest.raises(InputError, match="may be a patient's") as caught:
                check(asked)
            assert "asthma" not in str(caught.value)
    synthetic = annotation_request(NOTE, "json", ("DISEASE",))
    assert not any(isinstance(part, LocalText) for part in synthetic.prompt.parts)


def test_a_second_tutor_agrees_or_not() -> None:
    reply = {
        "wrong": [{"mention": "m2", "what": "borders"}],
        "missed": [{"label": "DRUG", "quote": "Given"}, {"label": "DRUG", "quote": "absent"},
                   {"label": "DISEASE", "quote": "asthma"}],
    }  # fmt: skip
    made = judge([NOTE, Note("empty", "nothing")], FunctionModel(lambda r: reply))
    (verdict,) = made.verdicts
    assert verdict.wrong == {1: "borders"}
    assert verdict.missed == (("DRUG", "Given"),)
    assert made.agreement == pytest.approx(3 / 5)
    assert made.faults == {"borders": 1, "missed": 1}
    assert math.isnan(judge([], FunctionModel(lambda r: reply)).agreement)


def test_agreement_of_two_annotations() -> None:
    other = replace(NOTE, spans=(*NOTE.spans[:2], Span(0, 2, "DRUG")))
    assert agreement([NOTE], [NOTE]) == 1
    assert agreement([NOTE], [other]) == pytest.approx(4 / 7)
    assert math.isnan(agreement([], []))
