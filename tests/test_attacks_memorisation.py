"""The memorisation probe against a server that knows rows, invents them, or knows nothing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chat_server import Chat, chat_server, is_probe, says, user_text
from loopback import only_loopback  # noqa: F401  # runs by itself

from llmsyn.cli.main import main
from llmsyn.egress.ledger import read_ledger
from llmsyn.egress.retrying import Retrying
from llmsyn.egress.values import OwnText
from llmsyn.errors import InputError
from llmsyn.evaluation.attacks.known_sets import IRIS_ROWS, KNOWN, KnownSet, Row, read_known
from llmsyn.evaluation.attacks.memorisation import (
    ASKED,
    chance,
    invented,
    matched,
    memorisation,
    plain,
    request,
)
from llmsyn.evaluation.evaluating import _known_by_heart
from llmsyn.evaluation.types import Findings
from llmsyn.llm import ModelOptions, open_model

WARD = KnownSet("ward", "the file ward.csv of 'Ward'", ("id", "sex", "age"))
ROWS: list[Row] = [(str(1000 + 7 * i), "FM"[i % 2], str(20 + i)) for i in range(40)]
Knows = Callable[[str], list[Row]]


@pytest.fixture
def chat() -> Iterator[Chat]:
    with chat_server() as running:
        yield running


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = Retrying(attempts=2, first_seconds=0.001)
    monkeypatch.setattr("llmsyn.llm.opening.Retrying", lambda attempts: pauses)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def probed(chat: Chat, folder: Path, knows: Knows, rows: Any = None) -> Findings:
    def told(body: dict[str, Any]) -> Any:
        text = user_text(body)
        if is_probe(body):
            return says('{"word": "apple"}')
        return says(json.dumps({"rows": [list(row) for row in knows(text)]}))

    chat.always = told
    options = ModelOptions(url=chat.url, model="toy", cache=folder / "c", timeout_seconds=5.0)
    with open_model(options) as model:
        return memorisation(model, {"ward": ROWS} if rows is None else rows, [WARD])


def iris_and(ward: list[Row], other: list[Row]) -> Knows:
    def knows(text: str) -> list[Row]:
        if "iris" in text:
            return list(IRIS_ROWS)
        return ward if "ward.csv" in text else other

    return knows


def test_a_model_that_knows_the_rows_is_caught(chat: Chat, tmp_path: Path) -> None:
    (measure,) = probed(chat, tmp_path, iris_and(ROWS[:10], [])).measures
    assert measure.key == "privacy.memorisation.matched" and measure.of == "ward"
    assert measure.score.value == 1.0 and measure.score.low > 0.6
    assert measure.score.verdict != "undefined"
    assert measure.floor is not None and measure.floor.value < 0.1
    roles = {c.role: c.score.value for c in measure.controls}
    assert roles == {"positive control": 1.0, "negative control": 0.0}


def test_a_model_that_invents_is_not(chat: Chat, tmp_path: Path) -> None:
    made_up: list[Row] = [(str(5 + i), "F", str(20 + i)) for i in range(10)]
    (measure,) = probed(chat, tmp_path, iris_and(made_up, made_up)).measures
    assert measure.score.value == 0.0 and measure.score.verdict != "undefined"


def test_a_model_that_knows_nothing_is_not_measurable(chat: Chat, tmp_path: Path) -> None:
    (measure,) = probed(chat, tmp_path, lambda text: [("1", "F", "3")] * 10).measures
    assert measure.score.verdict == "undefined" and "Iris" in measure.score.reason


def test_rows_that_answer_any_name_are_not_measurable(chat: Chat, tmp_path: Path) -> None:
    (measure,) = probed(chat, tmp_path, iris_and(ROWS[:10], ROWS[:10])).measures
    assert measure.score.verdict == "undefined" and "does not exist" in measure.score.reason


def test_replies_that_cannot_be_used_are_counted(chat: Chat, tmp_path: Path) -> None:
    found = probed(chat, tmp_path, lambda text: [("too", "few")])
    assert "8 without a usable reply" in found.notes[0]
    assert found.measures[0].score.verdict == "undefined"


def test_no_value_of_a_row_is_in_a_prompt(chat: Chat, tmp_path: Path) -> None:
    probed(chat, tmp_path, iris_and(ROWS[:5], []))
    sent = json.dumps(chat.bodies)
    assert all(row[0] not in sent for row in ROWS)
    assert all(",".join(row) not in sent for row in IRIS_ROWS)
    for known in (WARD, invented(WARD), *KNOWN):
        for what in ASKED:
            assert all(type(part) is OwnText for part in request(known, what).prompt.parts)
    # Every request went through the one door.
    assert len(read_ledger(tmp_path / "c" / "ledger.jsonl").entries) >= len(chat.asked) > 0


def test_without_rows_nothing_is_asked_of_a_set(chat: Chat, tmp_path: Path) -> None:
    found = probed(chat, tmp_path, iris_and([], []), rows={})
    assert found.measures[0].score.verdict == "undefined"
    assert not any("ward.csv" in user_text(body) for body in chat.asked)


def test_rows_are_compared_by_meaning() -> None:
    assert plain(("1000", " f", "20.0")) == plain(("1000.0", "F", "20"))
    real = {plain(row) for row in ROWS}
    same = [ROWS[0], (f" {ROWS[0][0]}.0", "f", '"20"')]
    assert matched("x", same, real).value == 1.0  # one row, said twice
    assert matched("x", [], real).verdict == "undefined"


def test_chance_by_hand() -> None:
    """Rows (a, 1), (b, 2): shuffled, half of the time both are right, else none."""
    real = {("a", "1"), ("b", "2")}
    found = chance([("a", "1"), ("b", "2")], real, np.random.default_rng(0))
    assert found.value == pytest.approx(0.5, abs=0.12)


def test_real_rows_are_read_from_their_file(tmp_path: Path) -> None:
    text = "AGE,ID,extra,sex\n20,1000,x,F\n21,1007,y,M\n"
    (tmp_path / "w.csv").write_text(text, encoding="utf-8")
    (tmp_path / "w.csv.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("w.csv", "w.csv.gz"):
        assert read_known(WARD, tmp_path / name) == [("1000", "F", "20"), ("1007", "M", "21")]
    (tmp_path / "bad.csv").write_text("id,age\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="no column sex"):
        read_known(WARD, tmp_path / "bad.csv")


def test_the_command_asks_and_evaluate_reads_the_kept_replies(
    chat: Chat, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(str(9000 + i), "FM"[i % 2], f"2{i:03}-01-01 00:00:00", "") for i in range(12)]
    table = tmp_path / "PATIENTS.csv"
    lines = ["subject_id,gender,dob,dod", *(",".join(row) for row in rows)]
    table.write_text("\n".join(lines), encoding="utf-8")

    def told(body: dict[str, Any]) -> Any:
        if is_probe(body):
            return says('{"word": "apple"}')
        text = user_text(body)
        known = IRIS_ROWS if "iris" in text else rows[:6] if "PATIENTS.csv" in text else []
        return says(json.dumps({"rows": [list(row) for row in known]}))

    chat.always = told
    kept, given = tmp_path / "replies.jsonl", f"mimic3-demo={table}"
    asking = ["--llm-url", chat.url, "--model", "toy", "--cache", str(tmp_path / "c")]
    assert main(["memorisation", given, *asking, "--keep-replies", str(kept), "--json"]) == 0
    (said,) = json.loads(capsys.readouterr().out)["measures"]
    assert said["value"] == 1.0
    asked = len(chat.asked)
    (found,) = _known_by_heart([given], kept)
    assert found.measures[0].score.value == 1.0
    assert len(chat.asked) == asked  # nothing is sent again


@pytest.mark.parametrize(
    ("given", "said"),
    [("ward=x.csv", "one of diabetes130"), ("diabetes130", "NAME=FILE"),
     ("diabetes130=none.csv", "no such file")],
)  # fmt: skip
def test_a_wrong_name_or_file_is_one_sentence(
    given: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["memorisation", given, "--model", "toy"]) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error


def test_evaluate_wants_data_sets_and_replies_together(tmp_path: Path) -> None:
    for given in ((["mimic3-demo=x.csv"], None), ([], tmp_path)):
        with pytest.raises(InputError, match="both"):
            _known_by_heart(*given)
