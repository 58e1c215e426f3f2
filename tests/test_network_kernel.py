"""The numba kernel against its NumPy twin, and both against plain enumeration."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsyn.network import kernel, twin
from llmsyn.network.drawing import chunk_generator, compile_program, new_sums, run
from llmsyn.network.model import (
    CodeFactor,
    CodeList,
    Factor,
    LevelNode,
    LevelVariable,
    Network,
    Parent,
    SlotNode,
    Tilt,
)


def factor(random, parents, n_targets, *, masked=0.0, keep=None):
    """Random weights for every combination of the parents' groups."""
    n_rows = int(np.prod([p.n_groups for p in parents]))
    weights = random.normal(0, 0.8, (n_rows, n_targets))
    hidden = random.random(weights.shape) < masked
    if keep is not None:
        hidden[:, keep] = False
    weights[hidden] = -np.inf
    free = np.full(weights.shape, np.nan)
    return Factor(tuple(parents), weights, free, np.zeros(free.shape, bool), np.ones(n_rows))


def parent(variable, groups):
    return Parent(variable, np.array(groups), max(groups) + 1)


def code_factor(random, n_before, n_targets, masked=0.0):
    weights = random.normal(0, 0.5, (n_before, n_targets))
    weights[:, 1:][random.random((n_before, n_targets - 1)) < masked] = -np.inf
    free = np.full(weights.shape, np.nan)
    return CodeFactor(weights, free, np.zeros(free.shape, bool), np.ones(n_before))


def level_node(random, variable, n_levels, factors=(), **more):
    base = random.normal(0, 0.7, n_levels)
    return LevelNode(variable, base, np.ones(n_levels), list(factors), **more)


def slot_node(random, code_set, first, j, count, *, unlisted=None, main=None, repeats=False,
              factors=(), main_factors=(), links=None, masked=0.0):  # fmt: skip
    pairs = np.triu(random.normal(0, 0.7, (j, j)), 1)
    pairs[np.triu(random.random((j, j)) < masked, 1)] = -np.inf
    pairs = np.where(np.tri(j, dtype=bool), pairs.T, pairs)
    np.fill_diagonal(pairs, 0.0)
    base = random.normal(0, 1, j + 1)
    base_main = None if main is None else random.normal(0, 1, j + 1)
    free = np.full((j, j), np.nan)
    return SlotNode(
        code_set, first, j, count, unlisted, main, base, np.ones(j + 1), base_main,
        None if main is None else np.ones(j + 1), pairs, free, np.zeros((j, j), bool), repeats,
        list(factors), list(main_factors), links,
    )  # fmt: skip


def variable(name, n_levels, kind="categorical"):
    return LevelVariable(name, tuple(str(k) for k in range(n_levels)), kind)


def staged(seed, j, k_max, with_main, repeats, masked):
    """Two demographics, a list with or without a main code, a second list, an outcome."""
    random = np.random.default_rng(seed)
    unlisted = not repeats
    variables = [variable("v0", 3), variable("v1", 2), variable("dx.count", k_max + 1, "count")]
    nodes = [
        level_node(random, 0, 3),
        level_node(random, 1, 2, [factor(random, [parent(0, [0, 1, 1])], 2, masked=masked, keep=0)]),
        level_node(random, 2, k_max + 1,
                   [factor(random, [parent(0, [0, 1, 2]), parent(1, [0, 1])], k_max + 1)]),
    ]  # fmt: skip
    if unlisted:
        variables.append(variable("dx.unlisted", 3, "unlisted"))
        nodes.append(level_node(random, len(variables) - 1, 3))
    more = {"unlisted": len(variables) - 1} if unlisted else {}
    main_factors = []
    if with_main:
        variables.append(LevelVariable("dx.main", tuple(str(k) for k in range(j + 2)), "main"))
        more["main"] = len(variables) - 1
        main_factors = [factor(random, [parent(1, [0, 1])], j + 1)]
        main_factors[0].target[:] = 0.1  # a table of the main code's own
    factors = [
        factor(random, [parent(0, [0, 1, 1])], j + 1, masked=masked, keep=0),
        factor(random, [parent(0, [0, 1, 2])], j + 1),
        factor(random, [parent(0, [0, 1, 1]), parent(1, [0, 1])], j + 1, masked=masked, keep=0),
        factor(random, [parent(1, [0, 1])], j + 1),
    ]
    nodes.append(slot_node(random, 0, 0, j, 2, repeats=repeats, factors=factors, masked=masked,
                           main_factors=main_factors, **more))  # fmt: skip
    variables.append(variable("rx.count", 3, "count"))
    tilt = Tilt(random.normal(0, 0.3, j), np.ones(j), np.ones(j))
    nodes.append(level_node(random, len(variables) - 1, 3, tilt=tilt))
    nodes.append(slot_node(random, 1, j, 3, len(variables) - 1,
                           links=code_factor(random, j, 4, masked)))  # fmt: skip
    variables.append(variable("out", 2))
    nodes.append(level_node(random, len(variables) - 1, 2, [factor(random, [parent(0, [0, 0, 1])], 2)],
                            codes=code_factor(random, j + 3, 2)))  # fmt: skip
    lists = (CodeList("dx", tuple(f"c{i}" for i in range(j))), CodeList("rx", ("a", "b", "c")))
    return Network("patient", tuple(variables), lists, nodes)


def both(network, n, seed, merge):
    """Draws and learned sums of kernel and twin on the same uniforms."""
    program = compile_program(network, merge=merge)
    found = []
    for module in (kernel, twin):
        sums = [new_sums(step) for step in program.steps]
        found.append((run(program, n, chunk_generator(seed, 0), kernel=module, learn=sums), sums))
    return program, found


@settings(max_examples=60, derandomize=True)  # a tie in the last bit may fall either way
@given(
    seed=st.integers(0, 10**6), j=st.integers(2, 35), k_max=st.integers(1, 4),
    with_main=st.booleans(), repeats=st.booleans(), merge=st.booleans(),
    masked=st.sampled_from([0.0, 0.1, 0.5]),
)  # fmt: skip
def test_kernel_and_twin_draw_and_learn_the_same(seed, j, k_max, with_main, repeats, merge, masked):
    network = staged(seed, j, k_max, with_main, repeats, masked)
    _, ((mine, sums), (other, others)) = both(network, 40, seed, merge)
    np.testing.assert_array_equal(mine.levels, other.levels)
    np.testing.assert_array_equal(mine.starts, other.starts)
    np.testing.assert_array_equal(mine.events, other.events)
    np.testing.assert_array_equal(mine.unlisted, other.unlisted)
    assert mine.short == other.short
    for a, b in zip(sums, others, strict=True):
        for name in ("base", "rows", "codes", "main", "main_rows", "pairs"):
            np.testing.assert_allclose(
                getattr(a, name), getattr(b, name), rtol=2e-4, atol=2e-5, err_msg=name
            )


@pytest.mark.parametrize("merge", [True, False])
def test_merging_factors_and_learning_change_no_draw(merge):
    network = staged(5, 9, 4, True, False, 0.1)
    plain = run(compile_program(network), 400, chunk_generator(1, 0))
    _, ((learned, _), _) = both(network, 400, 1, merge)
    np.testing.assert_array_equal(plain.levels, learned.levels)
    np.testing.assert_array_equal(plain.events, learned.events)


@pytest.mark.parametrize("module", [kernel, twin])
def test_lists_hold_distinct_codes_and_what_the_level_variables_say(module):
    network = staged(3, 12, 4, True, False, 0.0)
    drawn = run(compile_program(network), 300, chunk_generator(2, 0), kernel=module)
    names = [v.name for v in network.variables]
    level = {name: drawn.levels[i] for i, name in enumerate(names)}
    assert drawn.short == 0
    np.testing.assert_array_equal(drawn.starts[1] - drawn.starts[0], level["dx.count"])
    np.testing.assert_array_equal(drawn.unlisted[0], level["dx.unlisted"])
    for i in range(300):
        listed = drawn.events[i, drawn.starts[0, i] : drawn.starts[1, i]].tolist()
        assert len(set(listed)) == len(listed) and all(0 <= code < 12 for code in listed)
        main = level["dx.main"][i]
        if main < 12:
            assert listed[0] == main  # the main code fills the first slot
        elif main == 12:
            assert level["dx.unlisted"][i] > 0
        else:
            assert not listed and level["dx.unlisted"][i] == 0
        drugs = drawn.events[i, drawn.starts[1, i] : drawn.starts[2, i]]
        assert all(12 <= code < 15 for code in drugs)


def test_unlisted_codes_that_repeat_fill_slots():
    network = staged(4, 3, 4, False, True, 0.0)
    drawn = run(compile_program(network), 500, chunk_generator(2, 0))
    slots = drawn.levels[2]
    np.testing.assert_array_equal(drawn.starts[1] + drawn.unlisted[0], slots)
    assert drawn.unlisted[0].max() >= 2  # repeats
    assert drawn.short == 0


def test_slots_that_nothing_can_fill_are_counted():
    random = np.random.default_rng(0)
    slots = slot_node(random, 0, 0, 3, 0)
    slots.pairs[:] = -np.inf  # every code excludes every other
    three = LevelNode(0, np.array([-np.inf, -np.inf, -np.inf, 0.0]), np.array([0.0, 0, 0, 1]))
    network = Network("patient", (variable("dx.count", 4, "count"),),
                      (CodeList("dx", ("a", "b", "c")),), [three, slots])  # fmt: skip
    for module in (kernel, twin):
        drawn = run(compile_program(network), 50, chunk_generator(0, 0), kernel=module)
        assert drawn.short == 100  # one code drawn, two slots empty
        assert (drawn.starts[1] == 1).all()
    three.base[:] = -np.inf
    for module in (kernel, twin):
        assert run(compile_program(network), 7, chunk_generator(0, 0), kernel=module).short == 7


def test_extreme_weights_are_rescaled():
    """Forty codes whose weights multiply far below the smallest float32."""
    random = np.random.default_rng(1)
    j = 40
    slots = slot_node(random, 0, 0, j, 0)
    slots.pairs[:] = -9.0
    slots.pairs[:, 0] = slots.pairs[0] = 3.0  # rows are centred, so they must differ
    slots.pairs[::2, 1::2] = slots.pairs[1::2, ::2] = -20.0
    count = LevelNode(0, np.append(np.full(20, -np.inf), 0.0), np.append(np.zeros(20), 1.0))
    network = Network("patient", (variable("dx.count", 21, "count"),),
                      (CodeList("dx", tuple(map(str, range(j)))),), [count, slots])  # fmt: skip
    drawn = run(compile_program(network), 200, chunk_generator(0, 0))
    assert drawn.short == 0 and (drawn.starts[1] == 20).all()


# --- against the formula ------------------------------------------------------------------


def enumerated(slots, w, k=2):
    """Inclusion and pair probabilities of a slot list, every order of k codes added up."""
    j = slots.n_codes
    share, pairs = np.zeros(j), np.zeros((j, j))
    for order in permutations(range(j), k):
        p, left = 1.0, w.copy()
        for code in order:
            p *= left[code] / left.sum()
            left = left * np.exp(slots.pairs[code])
            left[code] = 0.0
        share[list(order)] += p
        for a, b in permutations(order, 2):
            pairs[a, b] += p
    return share, pairs


@pytest.mark.parametrize("j", [3, 4])
def test_sums_are_the_probabilities_of_the_slot_model(j):
    random = np.random.default_rng(j)
    demographic = level_node(random, 0, 2)
    slots = slot_node(random, 0, 0, j, 1, factors=[factor(random, [parent(0, [0, 1])], j + 1)])
    two = LevelNode(1, np.array([-np.inf, -np.inf, 0.0]), np.array([0.0, 0, 1]))
    outcome = level_node(random, 2, 3, [factor(random, [parent(0, [0, 1])], 3)],
                         codes=code_factor(random, j, 3))  # fmt: skip
    network = Network(
        "patient", (variable("v0", 2), variable("dx.count", 3, "count"), variable("out", 3)),
        (CodeList("dx", tuple(map(str, range(j)))),), [demographic, two, slots, outcome],
    )  # fmt: skip
    # Batches give the standard error: a code of many lists has noisier sums than counts.
    program, size = compile_program(network, merge=False), 10_000
    batches = []
    for batch in range(20):
        sums = [new_sums(step) for step in program.steps]
        drawn = run(program, size, chunk_generator(8, batch), learn=sums)
        together = np.zeros((j, j))
        np.add.at(together, (drawn.events[:, 0], drawn.events[:, 1]), 1.0)
        batches.append({
            "v0": sums[0].base, "inclusion": sums[2].base[:j], "by level": sums[2].rows[:, :j],
            "pairs": sums[2].pairs[:j, :j] + sums[2].pairs[:j, :j].T, "out": sums[3].rows,
            "inclusion drawn": np.bincount(drawn.events[:, :2].ravel(), minlength=j),
            "pairs drawn": together + together.T,
            "out drawn": np.bincount(drawn.levels[2], minlength=3),
        })  # fmt: skip
    levels = np.exp(demographic.base) / np.exp(demographic.base).sum()
    share, pairs, out = np.zeros((2, j)), np.zeros((2, j, j)), np.zeros((2, 3))
    for v, p in enumerate(levels):
        w = np.exp(slots.base[:j] + slots.factors[0].weights[v, :j])
        given_share, given_pairs = enumerated(slots, w)
        share[v], pairs[v] = p * given_share, p * given_pairs
        for a in range(j):
            for b in range(a):
                q = np.exp(outcome.base + outcome.factors[0].weights[v]
                           + outcome.codes.weights[a] + outcome.codes.weights[b])  # fmt: skip
                out[v] += pairs[v, a, b] * q / q.sum()

    exact = {
        "v0": levels, "inclusion": share.sum(0), "by level": share, "pairs": pairs.sum(0),
        "out": out, "inclusion drawn": share.sum(0), "pairs drawn": pairs.sum(0),
        "out drawn": out.sum(0),
    }  # fmt: skip
    for name, value in exact.items():
        found = np.array([b[name] for b in batches]) / size
        error = found.std(0, ddof=1) / np.sqrt(len(found))
        assert (error < 0.003).all(), name
        assert (np.abs(found.mean(0) - value) < 5 * error + 1e-6).all(), name


def test_the_main_slot_has_its_own_base_and_the_rest_follows():
    """P(main = i) of its own softmax; the second code given the first by the list's base."""
    random = np.random.default_rng(2)
    j = 3
    slots = slot_node(random, 0, 0, j, 0, main=1)
    slots.base_main[-1] = -np.inf  # no unlisted codes here
    two = LevelNode(0, np.array([-np.inf, -np.inf, 0.0]), np.array([0.0, 0, 1]))
    names = (variable("dx.count", 3, "count"), variable("dx.main", j + 2, "main"))
    network = Network("patient", names, (CodeList("dx", ("a", "b", "c")),), [two, slots])
    n = 60_000
    drawn = run(compile_program(network), n, chunk_generator(8, 0))
    first = np.exp(slots.base_main[:j])
    exact = np.zeros((j, j))
    for i in range(j):
        w = np.exp(slots.base[:j] + slots.pairs[i])
        w[i] = 0
        exact[i] = first[i] / first.sum() * w / w.sum()
    found = np.zeros((j, j))
    np.add.at(found, (drawn.levels[1], drawn.events[:, 1]), 1.0)
    assert np.array_equal(drawn.levels[1], drawn.events[:, 0])
    assert np.abs(found / n - exact).max() < 4.5 * np.sqrt(0.25 / n)
