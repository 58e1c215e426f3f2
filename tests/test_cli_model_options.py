"""The options of commands that ask a model: what they become, and what is printed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from llmsyn.cli.model_options import model_options, progress_bar, tally_json, tally_text
from llmsyn.egress.budget import Cost
from llmsyn.llm.requests import ModelOptions, Tally


def given(*arguments: str) -> ModelOptions:
    seen: list[ModelOptions] = []

    @click.command()
    @click.argument("name")
    @model_options
    def command(name: str, model_options: ModelOptions) -> None:
        assert name == "toy"
        seen.append(model_options)

    result = CliRunner().invoke(command, ["toy", *arguments])
    assert result.exit_code == 0, result.output
    return seen[0]


def test_nothing_given_is_the_defaults() -> None:
    assert given() == ModelOptions()


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        (["--llm-url", "http://x/v1"], "url", "http://x/v1"),
        (["--model", "m"], "model", "m"),
        (["--llm", "local"], "local", True),
        (["--gguf", "w.gguf"], "gguf", Path("w.gguf")),
        (["--batch", "b"], "batch", Path("b")),
        (["--replay", "r"], "replay", Path("r")),
        (["--max-usd", "1.5"], "max_usd", 1.5),
        (["--max-tokens", "10"], "max_tokens", 10),
        (["--max-requests", "0"], "max_requests", 0),
        (["--dry-run"], "dry_run", True),
        (["--prices", "p.toml"], "prices", Path("p.toml")),
        (["--cache", "c"], "cache", Path("c")),
        (["--ledger", "l.jsonl"], "ledger", Path("l.jsonl")),
        (["--keep-replies", "k.jsonl"], "keep_replies", Path("k.jsonl")),
        (["--connections", "3"], "connections", 3),
        (["--timeout", "9"], "timeout_seconds", 9.0),
    ],
)
def test_each_option_reaches_its_field(arguments: list[str], field: str, value: Any) -> None:
    options = given(*arguments)
    assert getattr(options, field) == value
    assert options != ModelOptions()


def test_there_is_no_option_for_the_key() -> None:
    @click.command()
    @model_options
    def command(model_options: ModelOptions) -> None: ...

    text = CliRunner().invoke(command, ["--help"]).output
    assert "--max-usd" in text
    assert "OPENAI_API_KEY" in text
    assert "--key" not in text
    assert "--api" not in text


TALLY = Tally(10, 8, 1, 1, 3, 2, Cost(6, 1200, 340, 0.0123), Cost(1, 9, 9, 0.1))


def test_a_tally_in_words() -> None:
    text = tally_text(TALLY, ModelOptions())
    assert "8 of 10 questions answered, 1 without a usable reply" in text
    assert "6 requests, 1,200 prompt and 340 reply tokens, 0.0123 USD" in text
    assert "1 more may have been charged" in text
    dry = tally_text(TALLY, ModelOptions(dry_run=True))
    assert dry.startswith("Would send at most 6 requests")


def test_no_price_is_said_and_is_null() -> None:
    tally = Tally(cost=Cost(1, 2, 3, float("nan")))
    assert "no price known" in tally_text(tally, ModelOptions())
    assert json.loads(json.dumps(tally_json(tally), allow_nan=False))["usd"] is None


def test_no_bar_outside_a_terminal() -> None:
    with progress_bar("asking") as tell:
        assert tell is None


def test_the_options_load_no_client() -> None:
    code = "import sys, llmsyn.cli.model_options; print('openai' in sys.modules, 'numpy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.split() == ["False", "False"]
