"""Both uses of a language model, end to end, on a real llama.cpp server with SmolLM2.

The model knows little medicine, so nothing is asked of what it says: every reply fits its
schema, every token is in budget and ledger, and every published number is met.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from llmsyn.cli.main import cli
from llmsyn.egress.ledger import Entry, read_ledger
from llmsyn.elicitation.eliciting import Settings, elicit
from llmsyn.elicitation.overlay import write_overlay
from llmsyn.elicitation.questions import PlanSettings
from llmsyn.generation import generate
from llmsyn.generation.records import generate_records
from llmsyn.knowledge.loading import load_base
from llmsyn.llm import ModelOptions, Tally, open_model
from llmsyn.llm.fetch import fetch
from llmsyn.profile.reading import read_profile

pytestmark = pytest.mark.real

N_RECORDS = 20


@pytest.fixture(scope="module")
def gguf() -> Path:
    pytest.importorskip("xllamacpp")
    return fetch()


def options(gguf: Path, cache: Path, **changes: int) -> ModelOptions:
    return ModelOptions(
        local=True, gguf=gguf, cache=cache, context_tokens=8192, connections=2, **changes
    )


def assert_counted(entries: tuple[Entry, ...], tally: Tally) -> None:
    """What the server counted is what the ledger says and what the budget took."""
    for name in ("prompt_tokens", "completion_tokens"):
        said = sum(int(entry.detail[name]) for entry in entries)  # type: ignore[call-overload]
        assert said == getattr(tally.cost, name)
    assert len(entries) == tally.cost.requests


def test_both_methods_from_profile_to_checked_patients(
    gguf: Path, root: Path, tmp_path: Path
) -> None:
    profile = read_profile(root / "examples" / "tiny")
    settings = Settings(PlanSettings(givens=3))
    with open_model(options(gguf, tmp_path / "elicit", max_requests=60)) as model:
        made = elicit(profile, load_base(), model, settings)
        asked = model.tally
    assert made.n_replies + sum(made.failed.values()) == made.n_requests >= 8
    assert made.n_replies >= made.n_requests * 3 // 4
    assert_counted(read_ledger(tmp_path / "elicit" / "ledger.jsonl").entries, asked)

    write_overlay(tmp_path / "overlay", made, profile, settings)
    result = generate(
        profile, 20_000, seed=1, out=tmp_path / "network", knowledge=[tmp_path / "overlay"]
    )
    checked = CliRunner().invoke(
        cli, ["check", str(result.folder), str(root / "examples" / "tiny"), "--quiet"]
    )
    assert checked.exit_code == 0, checked.output

    with open_model(options(gguf, tmp_path / "records", max_requests=60)) as model:
        records = generate_records(
            profile, N_RECORDS, seed=1, out=tmp_path / "patients", model=model
        )
        dictated = model.tally
    assert_counted(read_ledger(tmp_path / "records" / "ledger.jsonl").entries, dictated)
    manifest = json.loads((records.folder / "manifest.json").read_text("utf-8"))
    assert (manifest["n"], manifest["method"]) == (N_RECORDS, "records")
    assert asked.cost.requests + dictated.cost.requests >= 35
