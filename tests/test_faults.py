"""A few of each fault; ``make soak`` tries a hundred kills and prints the table."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import soak_faults
import soak_runs
from soak_kills import kills
from soak_models import scripted_model

from llmsyn.cli.main import main


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """An undisturbed cohort, and the network in a cache; two parts of everything."""
    with pytest.MonkeyPatch.context() as patched, scripted_model() as url:
        patched.setattr(soak_runs, "N", 60_000)
        patched.setattr(soak_runs, "N_EXPORTED", 51_000)
        patched.setattr(soak_runs, "N_EVALUATED", 150)
        yield soak_runs.prepare(tmp_path_factory.mktemp("soak"), url)


ONE_KILL = 11
"""A seed: one kill, in the middle."""


def fine(tally):
    assert tally.tried, tally
    assert (tally.lost, tally.corrupted, tally.wrong) == (0, 0, 0), tally.notes


def undisturbed_here(bench, name):
    """What a command makes, from this process, which has most of it in memory already."""
    out = bench.fresh("reference")
    words = bench.command(name, out)
    begun = time.perf_counter()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LLMSYN_CACHE", str(bench.work / "cache"))
        patched.setenv("OPENAI_API_KEY", "none")
        assert main(words[words.index("llmsyn") + 1 :]) == 0
    starting = 1.0  # of an interpreter, at least
    bench.known[name] = bench.made(name, out, ""), time.perf_counter() - begun + starting


@pytest.mark.parametrize("name", ["generate", "omop", "elicit", "evaluate"])
def test_a_killed_run_ends_the_same_when_it_is_given_again(bench, name):
    undisturbed_here(bench, name)
    fine(kills(bench, name, 1, np.random.default_rng(ONE_KILL)))


def test_a_full_disk_costs_nothing_but_the_run(bench):
    for tally in soak_faults.full_disk(bench, ("generate",), np.random.default_rng(2)):
        fine(tally)


def test_a_read_only_place_is_refused(bench):
    for tally in soak_faults.read_only(bench, ("generate", "csv")):
        fine(tally)


def test_two_runs_into_one_folder_make_one_cohort(bench):
    for tally in soak_faults.two_at_once(bench, ("generate",)):
        fine(tally)


def test_a_clock_that_jumps_changes_no_byte(bench):
    for tally in soak_faults.jumping_clock(bench, ("generate",)):
        fine(tally)


def test_the_table_can_show_a_fault(bench, monkeypatch):
    """Bytes that differ, a run that does not end, an error that is not one: each is counted."""
    monkeypatch.setitem(bench.known, "omop", ({"person.csv": b"other"}, 0.5))
    assert kills(bench, "omop", 1, np.random.default_rng(7)).corrupted >= 1
    tally = soak_runs.Tally("x", "y")
    soak_faults.refused(tally, 1, "Traceback (most recent call last)", "cannot write")
    soak_faults.refused(tally, 0, "done", "cannot write")
    assert tally.tried == tally.wrong == 2


def test_a_part_that_was_cut_short_is_drawn_again(bench, tmp_path):
    """What a run finds on resuming is compared by hash."""
    from llmsyn.generation.folder import finished_chunks, mark_done
    from llmsyn.store import sha256_file

    part = tmp_path / "patients" / "part-00000.parquet"
    part.parent.mkdir()
    part.write_bytes(b"a whole part")
    mark_done(
        tmp_path, 0, {"patients/part-00000.parquet": {"rows": 1, "sha256": sha256_file(part)}}
    )
    assert list(finished_chunks(tmp_path)) == [0]
    part.write_bytes(b"a whole")
    assert finished_chunks(tmp_path) == {}
    part.unlink()
    assert finished_chunks(tmp_path) == {}
