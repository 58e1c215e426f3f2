"""Whole-number margins: a permutation for the run, worked out chunk by chunk."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from network_toys import QUICK, population, profile_of, quick_compiling

from llmsyn.generation import chunks
from llmsyn.generation.chunks import Job
from llmsyn.generation.quotas import permuted, quota_uniforms
from llmsyn.network.compiling import compile_network
from llmsyn.network.drawing import compile_program


@given(n=st.integers(1, 3_000), key=st.lists(st.integers(0, 2**64 - 1), min_size=4, max_size=4))
def test_a_permutation_hits_every_place_once(n, key):
    image = permuted(np.arange(n), n, np.array(key, np.uint64))
    assert np.array_equal(np.sort(image), np.arange(n))


@given(n=st.integers(2, 10**12), key=st.integers(0, 2**63), seed=st.integers(0, 99))
def test_a_large_permutation_stays_inside_and_apart(n, key, seed):
    some = np.unique(np.random.default_rng(seed).integers(0, n, 200))
    image = permuted(some, n, np.arange(4, dtype=np.uint64) + np.uint64(key))
    assert image.min() >= 0 and image.max() < n and len(np.unique(image)) == len(some)
    assert np.array_equal(permuted(some[::2], n, np.arange(4, dtype=np.uint64) + np.uint64(key)), image[::2])  # fmt: skip


def test_a_permutation_mixes():
    image = permuted(np.arange(10_000), 10_000, np.arange(4, dtype=np.uint64))
    assert abs(np.corrcoef(np.arange(10_000), image)[0, 1]) < 0.05
    halves = image[:5_000] < 5_000
    assert 2_300 < halves.sum() < 2_700


@given(n=st.integers(1, 2_000), seed=st.integers(0, 2**63 - 1), cut=st.integers(0, 2_000),
       share=st.lists(st.floats(0.01, 1), min_size=1, max_size=6))  # fmt: skip
def test_every_level_is_within_one_of_its_share_whatever_the_chunks(n, seed, cut, share):
    cut = min(cut, n)
    whole = quota_uniforms(3, 0, n, n, seed)
    parts = [quota_uniforms(3, 0, cut, n, seed), quota_uniforms(3, cut, n - cut, n, seed)]
    assert np.array_equal(whole, np.concatenate(parts))
    assert whole.min() >= 0 and whole.max() <= 1
    p = np.array(share) / sum(share)
    bounds = np.append(np.cumsum(p)[:-1], 1.0 + 1e-9)
    counts = np.bincount(np.searchsorted(bounds, whole, side="right"), minlength=len(p))
    assert np.abs(counts - n * p).max() < 1 + 1e-6


def test_variables_and_seeds_have_streams_of_their_own():
    a, b, c = (quota_uniforms(v, 0, 5_000, 5_000, s) for v, s in ((0, 1), (1, 1), (0, 2)))
    for other in (b, c):
        assert abs(np.corrcoef(a, other)[0, 1]) < 0.06


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compiling():
        yield


def margins(tables, name):
    whole = np.concatenate(
        [t["patients"][name].combine_chunks().indices.to_numpy() for t in tables]
    )
    return whole, np.bincount(whole)


@pytest.mark.parametrize("size", [1_000, 2_503])
def test_margins_of_a_run_are_whole_numbers(size, monkeypatch):
    rows = population(2_000)
    made = compile_network(profile_of(rows, [rows.table("sex", "died")]), settings=QUICK)
    program = compile_program(made.network)
    monkeypatch.setattr(chunks, "CHUNK", size)
    n = 5_007
    tables = [chunks.draw(program, Job("", n, 4, True), k) for k in range(-(-n // size))]
    sex, found = margins(tables, "sex")
    assert len(sex) == n
    assert np.abs(found - n * rows.matrix("sex").mean(0)).max() < 1 + 1e-6
    age = np.concatenate([t["patients"]["age"].to_numpy() for t in tables])
    assert np.abs(np.bincount(age // 20) - n * rows.matrix("age").mean(0)).max() < 1 + 1e-6
    # With a parent the margin is only less noisy; across two levels of sex it is two at most.
    _, died = margins(tables, "died")
    assert abs(died[1] / n - rows.matrix("died").mean(0)[1]) < 0.02


def test_root_levels_do_not_depend_on_the_chunks(monkeypatch):
    made = compile_network(profile_of(population(2_000)), settings=QUICK)
    program = compile_program(made.network)
    drawn = []
    for size in (1_000, 3_000):
        monkeypatch.setattr(chunks, "CHUNK", size)
        tables = [chunks.draw(program, Job("", 3_000, 4, True), k) for k in range(3_000 // size)]
        drawn.append(margins(tables, "sex")[0])
    assert np.array_equal(*drawn)
