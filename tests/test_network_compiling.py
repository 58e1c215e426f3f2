"""From profile to network in one call: the cache, its key, and the choice of tables."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from network_toys import QUICK, population, profile_of, quick_compiling

from llmsyn.knowledge.types import Association, Impossible
from llmsyn.network.compiling import cache_folder, choose_tables, compile_network, fingerprint
from llmsyn.network.drawing import chunk_generator, compile_program, run
from llmsyn.profile.terms import Term
from llmsyn.profile.types import Rule
from llmsyn.profile.variables import Selector


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compiling():
        yield


@pytest.fixture(scope="module")
def rows():
    return population(2_000)


@pytest.fixture(scope="module")
def profile(rows):
    return profile_of(rows, [rows.table("sex", "dx"), rows.table("dx", "dx")])


def draws(made, seed=1):
    drawn = run(compile_program(made.network), 2_000, chunk_generator(seed, 0))
    return drawn.levels, drawn.events, drawn.unlisted


def equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(draws(a), draws(b), strict=True))


def test_the_second_compile_comes_from_the_cache_and_draws_the_same(profile, tmp_path):
    told = []
    first = compile_network(profile, settings=QUICK, cache=tmp_path)
    second = compile_network(profile, settings=QUICK, cache=tmp_path,
                             progress=lambda *now: told.append(now))  # fmt: skip
    without = compile_network(profile, settings=QUICK)
    assert (first.from_cache, second.from_cache, without.from_cache) == (False, True, False)
    assert not told
    assert equal(first, second) and equal(first, without)
    assert first.verification == second.verification
    assert first.unmet == second.unmet and first.network.notes == second.network.notes
    assert [p.name for p in tmp_path.iterdir()] == [f"{first.key}.npz"]


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half", b"garbage"])
def test_a_damaged_cache_is_calibrated_anew_with_a_warning(profile, tmp_path, damage, caplog):
    first = compile_network(profile, settings=QUICK, cache=tmp_path)
    path = tmp_path / f"{first.key}.npz"
    whole = path.read_bytes()
    path.write_bytes(damage)
    with caplog.at_level(logging.WARNING):
        again = compile_network(profile, settings=QUICK, cache=tmp_path)
    assert not again.from_cache and equal(first, again)
    warned = [r.getMessage() for r in caplog.records if "calibrating anew" in r.getMessage()]
    assert len(warned) == 1 and str(path) in warned[0]
    assert path.read_bytes() == whole  # and mended


def test_a_truncated_cache_is_calibrated_anew(profile, tmp_path):
    first = compile_network(profile, settings=QUICK, cache=tmp_path)
    path = tmp_path / f"{first.key}.npz"
    path.write_bytes(path.read_bytes()[:-500])
    assert not compile_network(profile, settings=QUICK, cache=tmp_path).from_cache


def test_the_key_follows_everything_that_matters(profile, rows):
    said = Association((Term("sex", "M"),), Term("died", "yes"), 1)
    never = Impossible((Term("sex", "M"), Term("dx", "E")), "rule")

    def key(given=profile, *more, settings=QUICK, **rest):
        return compile_network(given, *more, settings=settings, **rest).key

    one_more = replace(profile["sex"], counts=profile["sex"].counts + np.array([1, -1]))
    others = [
        key(replace(profile, variables=(one_more, *profile.variables[1:]))),
        key(replace(profile, rules=(Rule(never.terms),))),
        key(replace(profile, n_units=profile.n_units + 1)),
        key(profile, [said]),
        key(profile, [replace(said, weight=0.5)]),
        key(profile, [said], log_odds=lambda a: 0.7),
        key(profile, (), [never]),
        key(profile, [replace(said, effect="excludes")]),
        key(settings=replace(QUICK, seed=5)),
        key(settings=replace(QUICK, rounds=3)),
        key(tables="none"),
    ]
    assert len({key(), *others}) == len(others) + 1
    assert key() == key(replace(profile, name="other", title="x"))
    assert key() == key(settings=replace(QUICK, threads=1))
    # The choice is part of the key by the tables that it leaves.
    assert key() == key(tables="all") and key(tables="pairs") == key()


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("LLMSYN_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path / "networks"
    monkeypatch.delenv("LLMSYN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "llmsyn" / "networks"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "llmsyn" / "networks"


def test_fingerprints_see_order_type_and_content():
    values = [1, 1.0, "1", (1,), ((1,),), np.array([1]), np.array([1.0]), np.array([[1]]),
              {"a": 1}, {"a": 2}, None, True, ("ab", "c"), ("a", "bc")]  # fmt: skip
    assert len({fingerprint(v) for v in values}) == len(values)
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert len(fingerprint("x")) == 32


def test_choose_tables(rows):
    names = [("sex", "age"), ("sex", "dx"), ("ward", "dx"), ("ward", "level"), ("died", "dx.count"),
             ("dx", "dx"), ("dx", "drug"), ("dx", "died"), ("ward", "dx.main"), ("dx", "drug", "died"),
             ("version", "dx")]  # fmt: skip
    for extra in ("ward", "level", "version"):
        rows.labels[extra], rows.columns[extra] = ("0", "1"), rows.columns["sex"]
    profile = profile_of(rows, [rows.table(*n) for n in names])
    dx = replace(profile["dx"], selector=Selector("version", {}))
    profile = replace(profile, variables=(*profile.variables[:2], dx, *profile.variables[3:]))

    def chosen(choice):
        return {t.name for t in choose_tables(profile, choice)}

    assert chosen("none") == set()
    outcome = {"sex x age", "sex x dx", "died x dx.count", "dx x died", "version x dx"}
    assert chosen("outcome") == outcome
    pairs = outcome | {"ward x level", "dx x dx", "dx x drug", "ward x dx.main", "dx x drug x died"}
    assert chosen("pairs") == pairs
    assert chosen("all") == {" x ".join(n) for n in names}
