"""``llmsyn elicit``: the plan, a batch folder answered by hand, the overlay, its errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from llmsyn.cli.elicit import elicit
from llmsyn.errors import InputError, OutputError, WaitingForBatch
from llmsyn.knowledge.loading import load_base


def run(toy: Path, tmp_path: Path, *more: str):
    arguments = [str(toy), "--model", "m", "--cache", str(tmp_path / "kept"),
                 "--ledger", str(tmp_path / "ledger.jsonl"), *more]  # fmt: skip
    return CliRunner().invoke(elicit, arguments)


def answer(batch: Path, name: str = "results.jsonl") -> int:
    """Every first given goes with the last candidate; reviews agree."""
    lines = []
    for file in sorted(batch.glob("requests-*.jsonl")):
        for text in file.read_text().splitlines():
            request = json.loads(text)
            schema = request["body"]["response_format"]["json_schema"]["schema"]["properties"]
            content: dict[str, object] = {"disagree": []}
            if "answers" in schema:
                entry = schema["answers"]["items"]["properties"]
                keys = entry["ratings"]["items"]["properties"]["then"]["items"]["enum"]
                content = {
                    "answers": [
                        {"given": key, "ratings": [{"class": "+2", "then": keys[-1:]}]}
                        for key in entry["given"]["enum"]
                    ]
                }
            body = {"model": "m", "usage": {"prompt_tokens": 10, "completion_tokens": 5},
                    "choices": [{"message": {"role": "assistant", "content": json.dumps(content)},
                                 "finish_reason": "stop"}]}  # fmt: skip
            lines.append({"custom_id": request["custom_id"], "error": None,
                          "response": {"status_code": 200, "body": body}})  # fmt: skip
    (batch / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return len(lines)


def test_a_dry_run_prints_the_plan_and_writes_nothing(toy: Path, tmp_path: Path) -> None:
    found = run(toy, tmp_path, "--batch", str(tmp_path / "b"), "--dry-run")
    assert found.exit_code == 0 and "diagnoses x drugs" in found.stdout
    assert "Would send at most" in found.stdout
    assert not (tmp_path / "b").exists()
    shown = json.loads(
        run(toy, tmp_path, "--batch", str(tmp_path / "b"), "--dry-run", "--json").stdout
    )
    assert shown["tally"]["requests"] == sum(shown["plan"].values()) > 0


def test_a_batch_folder_is_answered_and_becomes_an_overlay(toy: Path, tmp_path: Path) -> None:
    out, batch = tmp_path / "overlay", tmp_path / "b"
    more = ["-o", str(out), "--batch", str(batch), "--review", "strong"]
    assert isinstance(run(toy, tmp_path, *more).exception, WaitingForBatch)
    answer(batch)
    # The review is the next round: it needs the answers.
    assert isinstance(run(toy, tmp_path, *more).exception, WaitingForBatch)
    answer(batch, "second.jsonl")
    found = run(toy, tmp_path, *more)
    assert found.exit_code == 0, found.exception
    assert "associations in" in found.stdout
    base = load_base([out])
    assert base.stated and all("reviewed by m" in a.provenance for a in base.stated)
    assert isinstance(run(toy, tmp_path, *more).exception, OutputError)


def test_an_output_folder_and_a_model_are_needed(toy: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give one with -o"):
        raise run(toy, tmp_path, "--batch", str(tmp_path / "b")).exception
    found = CliRunner().invoke(elicit, [str(toy), "-o", str(tmp_path / "o")])
    assert isinstance(found.exception, InputError)
    assert "no language model is named" in str(found.exception)
