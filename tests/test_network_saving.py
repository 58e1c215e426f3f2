"""A network in a file, bit for bit, and what happens with a file that is none."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest
from network_toys import QUICK, population, profile_of, quick_compiling

from llmsyn.errors import InputError
from llmsyn.knowledge.types import Association
from llmsyn.network.compiling import compile_network
from llmsyn.network.drawing import chunk_generator, compile_program, run
from llmsyn.network.saving import load_network, load_verified, save_network
from llmsyn.network.verification import Miss, Verification
from llmsyn.profile.terms import Term


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compiling():
        yield


@pytest.fixture(scope="module")
def network():
    rows = population(2_000)
    tables = [rows.table(*a) for a in (("sex", "dx"), ("dx", "drug"), ("sex", "dx.main"), ("dx", "died"))]  # fmt: skip
    said = [Association((Term("age", "[80,100)"),), Term("died", "yes"), 1.0)]
    return compile_network(profile_of(rows, tables), said, settings=QUICK).network


def same(a, b):
    """Equal in type and in every bit."""
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    elif is_dataclass(a):
        for field in fields(a):
            same(getattr(a, field.name), getattr(b, field.name))
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert a == b


def test_a_network_comes_back_bit_for_bit(network, tmp_path):
    path = tmp_path / "deep" / "network.npz"
    save_network(network, path)
    again = load_network(path)
    same(network, again)
    drawn = [run(compile_program(n), 500, chunk_generator(1, 0)) for n in (network, again)]
    same(drawn[0], drawn[1])
    assert [p.name for p in path.parent.iterdir()] == ["network.npz"]


def test_numbers_of_numpy_in_a_profile_do_no_harm(tmp_path):
    profile = profile_of(population(500))
    age = replace(profile["age"], missing_count=np.float64(20))
    variables = (profile.variables[0], age, *profile.variables[2:])
    made = compile_network(replace(profile, variables=variables), settings=QUICK)
    save_network(made.network, tmp_path / "network.npz")
    same(load_network(tmp_path / "network.npz"), made.network)


def test_equal_networks_are_equal_bytes(network, tmp_path):
    for name in "ab":
        save_network(network, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def with_tree(path, tree):
    np.savez(path, tree=np.frombuffer(json.dumps(tree).encode(), np.uint8))


def saved_array(path):
    with path.open("wb") as handle:
        np.save(handle, np.zeros(3))


def flip(path):
    """Change one byte of an array's data (the checksum of zip covers no header)."""
    content = bytearray(path.read_bytes())
    content[content.index(b"fortran_order") + 200] ^= 0xFF
    path.write_bytes(content)


DAMAGE = {
    "absent": lambda p: p.unlink(),
    "empty": lambda p: p.write_bytes(b""),
    "text": lambda p: p.write_text("not a network"),
    "truncated": lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]),
    "last byte lost": lambda p: p.write_bytes(p.read_bytes()[:-1]),
    "damaged": flip,
    "a single array": saved_array,
    "another npz": lambda p: np.savez(p, weights=np.zeros(3)),
    "pickled": lambda p: np.savez(p, tree=np.array([{}], dtype=object)),
    "another format": lambda p: with_tree(p, {"format": 99, "network": 1}),
    "no tree": lambda p: with_tree(p, [1, 2]),
    "a number": lambda p: with_tree(p, {"format": 2, "network": 3, "verification": None}),
    "unknown kind": lambda p: with_tree(
        p, {"format": 2, "network": {"kind": "Popen", "fields": {}}, "verification": None}
    ),
    "unknown field": lambda p: with_tree(
        p, {"format": 2, "network": {"kind": "Network", "fields": {"x": 1}}, "verification": None}
    ),
    "array lost": lambda p: with_tree(
        p, {"format": 2, "network": {"array": 5}, "verification": None}
    ),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_or_foreign_file_is_refused_by_name(how, network, tmp_path):
    path = tmp_path / "network.npz"
    save_network(network, path)
    DAMAGE[how](path)
    with pytest.raises(InputError, match="network") as caught:
        load_network(path)
    assert caught.value.file == str(path)


def test_what_was_verified_comes_back_with_it(network, tmp_path):
    found = Verification(200, 7, 0.01, 0.25, (Miss("sex (0,)", 0.5, 0.51),))
    save_network(network, tmp_path / "network.npz", found)
    assert load_verified(tmp_path / "network.npz")[1] == found
    save_network(network, tmp_path / "bare.npz")
    assert load_verified(tmp_path / "bare.npz")[1] is None
