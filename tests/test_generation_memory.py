"""Peak memory of a run, workers included."""

from __future__ import annotations

import json

import numpy as np
import pytest
from network_toys import QUICK, population, profile_of, quick_compiling

from llmsyn.generation import generate, memory, pipeline


def test_the_peak_rises_with_what_is_held_and_does_not_fall():
    before = memory.peak_bytes()
    held = np.ones(40_000_000)  # 320 MB, written to
    during = memory.peak_bytes()
    del held
    assert before is not None and during is not None
    assert before > 10 << 20, "bytes, not pages or kilobytes"
    after = memory.peak_bytes()
    assert after is not None and after > during - (8 << 20), "counted per thread, not to the page"
    assert during >= 300 << 20


def test_without_proc_the_system_is_asked(monkeypatch, tmp_path):
    own = memory.peak_bytes()
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "none")
    asked = memory.peak_bytes()
    assert own is not None and asked is not None
    assert asked == pytest.approx(own, rel=0.9)


def test_workers_are_added(monkeypatch):
    monkeypatch.setattr(memory, "peak_bytes", lambda: 100)
    found = memory.peaks_of({"a:1": 30, "a:2": 50})
    assert found == {"peak_bytes": 180, "peak_bytes_main": 100, "peak_bytes_largest_worker": 50}
    monkeypatch.setattr(memory, "peak_bytes", lambda: None)
    assert memory.peaks_of({})["peak_bytes"] is None


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_writes_it_down(tmp_path, monkeypatch, workers):
    monkeypatch.setattr(pipeline, "Settings", lambda: QUICK)
    monkeypatch.setenv("LLMSYN_CACHE", str(tmp_path / "cache"))
    with quick_compiling():
        out = generate(
            profile_of(population(500)), 50_001, seed=1, out=tmp_path / "out",
            with_shipped=False, workers=workers,
        ).folder  # fmt: skip
    run = json.loads((out / "run.json").read_text())
    largest = run["peak_bytes_largest_worker"]
    if workers == 1:
        assert largest == 0 and run["peak_bytes"] == run["peak_bytes_main"] > 10 << 20
    else:
        assert largest > 10 << 20
        assert largest <= run["peak_bytes"] - run["peak_bytes_main"] <= 2 * largest
    assert "peak_bytes" not in (out / "manifest.json").read_text()
