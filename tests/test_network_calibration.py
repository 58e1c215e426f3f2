"""Calibrated networks: published cells are met, knowledge comes out as strong as it went in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from network_toys import (
    QUICK,
    Rows,
    drawn_rows,
    log_odds,
    population,
    profile_of,
    quick_compiling,
    worst_z,
)  # fmt: skip

from llmsyn.knowledge.types import Association
from llmsyn.network import compiling
from llmsyn.network.calibration import Settings
from llmsyn.network.compiling import compile_network
from llmsyn.network.verification import ALLOWED_BIAS, verify
from llmsyn.profile.tables import Table
from llmsyn.profile.terms import Range, Term
from llmsyn.profile.types import Disclosure
from llmsyn.profile.variables import Categorical

N = 100_000
PUBLISHED = (
    ("sex", "age"), ("sex", "died"), ("age", "died"), ("sex", "age", "died"), ("sex", "dx"),
    ("age", "dx"), ("dx", "dx"), ("age", "dx.count"), ("sex", "dx.count"), ("age", "dx.main"),
    ("dx", "drug"), ("sex", "drug"), ("sex", "drug.count"), ("drug", "drug"), ("dx", "died"),
    ("drug", "died"), ("drug.count", "died"), ("age", "dx.unlisted"),
)  # fmt: skip
SHORT = Settings(rounds=80, last_pilot=6_000)
LONGER = Settings(rounds=120, last_pilot=8_000)
"""For associations, which move more slowly than published cells."""


@pytest.fixture(autouse=True)
def _no_extensions():
    """Nor a verification on many units: the tests look at draws, or verify themselves."""
    with quick_compiling():
        yield


@pytest.fixture(scope="module")
def rows() -> Rows:
    return population()


def names_of(rows: Rows) -> list[str]:
    return [name for name in rows.labels if name != "drug.main"]


@pytest.fixture(scope="module")
def published(rows):
    return compile_network(profile_of(rows, [rows.table(*axes) for axes in PUBLISHED]))


@pytest.fixture(scope="module")
def cells(rows, published):
    """name -> (drawn counts, published shares)."""
    drawn, found = drawn_rows(published.network, N), {}
    for table in published.tables:
        found[table.name] = drawn.counts(*table.axes), table.counts / len(rows)
    for name in names_of(rows):
        labels = rows.labels[name]
        found[name] = drawn.matrix(name, labels).sum(0), rows.matrix(name).mean(0)
    return found


def test_bias_on_fresh_units_is_small_and_nothing_is_missed(published):
    found = published.verification
    assert found.n_cells > 250 and not found.misses and not published.unmet
    assert found.largest_bias < 0.002  # noise of 100,000 units included
    assert not published.network.notes


def test_no_published_cell_is_beyond_the_limit_in_draws(cells):
    z, limit = worst_z(cells, N)
    assert z < limit
    for name, cell in cells.items():  # and no kind of cell hides behind the others
        z, _ = worst_z({name: cell}, N)
        assert z < limit, name


def test_mean_square_of_z_is_one(cells):
    z2 = []
    for drawn, share in cells.values():
        keep = (share * N >= 50) & (share * N <= N - 50)  # not NaN, and not rare
        p = share[keep]
        z2.append((drawn[keep] - N * p) ** 2 / (N * p * (1 - p)))
    assert 0.75 < np.concatenate(z2).mean() < 1.3


def test_a_bias_put_in_is_found(published):
    """The verification must be able to fail."""
    node = next(n for n in published.network.nodes if getattr(n, "n_codes", 0) == 5)
    base = node.base.copy()
    try:
        node.base[4] += 0.2
        missed = {m.cell for m in verify(published.network, SHORT, n=50_000).misses}
    finally:
        node.base[:] = base
    assert "dx=E" in missed


def test_a_table_of_three_levels_is_met_without_its_pairs(rows):
    """The parents' own table follows from the three-way one, and must be drawn from it."""
    table = rows.table("sex", "age", "died")
    made = compile_network(profile_of(rows, [table]), settings=SHORT)
    drawn = drawn_rows(made.network, N)
    for axes in (table.axes, table.axes[:2], table.axes[1:]):
        z, limit = worst_z({"": (drawn.counts(*axes), rows.counts(*axes) / len(rows))}, N)
        assert z < limit


def test_codes_by_two_levels_are_met(rows):
    names = [("sex", "age"), ("sex", "age", "dx"), ("age", "dx.count"), ("sex", "dx.count")]
    made = compile_network(profile_of(rows, [rows.table(*n) for n in names[::-1]]), settings=SHORT)
    table = rows.table("sex", "age", "dx")
    drawn = drawn_rows(made.network, N)
    wrong = np.abs(drawn.counts(*table.axes) / N - table.counts / len(rows))
    assert wrong.max() < 0.004


def test_a_list_is_as_long_as_its_table_by_level_says(rows):
    """Without a table of the number of codes by sex its mean still follows."""
    table = rows.table("sex", "drug")
    made = compile_network(profile_of(rows, [table]), settings=SHORT)
    drawn = drawn_rows(made.network, N)
    z, limit = worst_z({"": (drawn.counts(*table.axes), table.counts / len(rows))}, N)
    assert z < limit


def test_ranges_of_a_number_and_labels_that_leave_some_out(rows):
    age = rows.matrix("age")
    coarse = np.column_stack([age[:, :2].sum(1), age[:, 3:].sum(1)])  # [40,60) is not covered
    table = rows.table("age", "died")
    axis = replace(table.axes[0], variable="age", labels=("[0,40)", "[60,100)"))
    counts = coarse.T @ rows.matrix("died")
    made = compile_network(profile_of(rows, [Table((axis, table.axes[1]), counts)]), settings=SHORT)
    drawn = drawn_rows(made.network, N)
    cells = drawn.counts(*table.axes)
    found = np.array([cells[:2].sum(0), cells[3:].sum(0)])
    z, limit = worst_z({"": (found, counts / len(rows))}, N)
    assert z < limit and not verify(made.network, SHORT).misses


def test_a_zero_that_is_only_rounded_is_met(rows):
    """Its target is zero, its weight is no mask: it must move nevertheless."""
    has = rows.columns["dx"].copy()
    has[:, 1] &= ~has[:, 0]
    few = Rows(dict(rows.labels), dict(rows.columns))
    few.add_codes("dx", rows.labels["dx"], has)
    del few.labels["dx.main"], few.columns["dx.main"], few.labels["dx.unlisted"]
    rounded = few.table("dx", "dx", half_width=2.5)
    assert rounded.counts[0, 1] == 0
    made = compile_network(profile_of(few, [rounded]), settings=SHORT)
    drawn = drawn_rows(made.network, N)
    assert drawn.counts(*rounded.axes)[0, 1] / N < 0.0005
    assert verify(made.network, SHORT).largest_bias < 0.003


def test_only_a_total_number_of_codes(rows):
    """Unlisted codes are then candidates of every slot, and may repeat."""
    profile = profile_of(rows)
    total = np.bincount(rows.columns["drug.count"] + rows.columns["dx.unlisted"]).astype(float)
    drug = replace(profile["drug"], listed=None, total=total)
    profile = replace(
        profile, variables=tuple(drug if v.name == "drug" else v for v in profile.variables)
    )
    drawn = drawn_rows(compile_network(profile, settings=SHORT).network, N)
    number = drawn.columns["drug"].sum(1) + drawn.columns["drug(unlisted)"]
    z, limit = worst_z(
        {
            "total": (np.bincount(number).astype(float), total / len(rows)),
            "codes": (drawn.matrix("drug").sum(0), rows.matrix("drug").mean(0)),
        },
        N,
    )
    assert z < limit


def test_suppressed_pairs_are_aimed_low_not_left_free(rows):
    profile = profile_of(rows, [rows.table("dx", "dx", below=1100)],
                         disclosure=Disclosure("suppression", threshold=1100))  # fmt: skip
    hidden = np.isnan(profile.tables[0].counts) & ~np.eye(5, dtype=bool)
    assert 0 < hidden.sum() < 12
    drawn = drawn_rows(compile_network(profile, settings=SHORT).network, N)
    found = drawn.counts(*profile.tables[0].axes)[hidden] / N
    assert (found < 1100 / len(rows)).all()


# --- knowledge ----------------------------------------------------------------------------

SAID = (
    (("dx", "B"), ("dx", "C"), 1.0),
    (("dx", "A"), ("dx", "D"), -0.7),
    (("sex", "M"), ("dx", "A"), 0.8),
    (("age", Range(60, 100)), ("dx", "E"), 1.1),
    (("dx", "E"), ("died", "yes"), 1.2),
    (("dx", "D"), ("died", "yes"), -0.6),
    (("sex", "M"), ("died", "yes"), -0.5),
    (("age", Range(80, 100)), ("died", "yes"), 0.9),
    (("dx", "A"), ("drug", "x"), 1.1),
    (("dx", "C"), ("drug", "z"), 0.7),
)


def associations(weight=1.0, said=SAID):
    return [Association((Term(*a),), Term(*b), value, weight) for a, b, value in said]


def came_out(drawn, said=SAID):
    found = []
    for (name, value), b, _ in said:
        if isinstance(value, Range):
            old = [la for la in drawn.labels["age"] if float(la[1:].split(",")[0]) >= value.low]
            column = drawn.matrix("age", old).sum(1)[:, None]
            seen = Rows(drawn.labels | {"old": ("old",)}, drawn.columns | {"old": column})
            found.append(log_odds(seen, ("old", "old"), b))
        else:
            found.append(log_odds(drawn, (name, value), b))
    return np.array(found)


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_associations_come_out_as_marginal_log_odds(rows, weight):
    made = compile_network(profile_of(rows), associations(weight), settings=LONGER)
    drawn = drawn_rows(made.network, 200_000)
    wanted = np.array([value for _, _, value in SAID]) * weight
    assert np.abs(came_out(drawn) - wanted).max() < 0.1
    z, limit = worst_z({name: (drawn.matrix(name, rows.labels[name]).sum(0),
                               rows.matrix(name).mean(0)) for name in names_of(rows)}, 200_000)  # fmt: skip
    assert z < limit  # and the margins are still met


def test_a_published_cell_wins_over_knowledge(rows):
    """Knowledge says the opposite of every table; nothing of it is left where they speak."""
    tables = [rows.table(*axes) for axes in PUBLISHED]
    against = [(a, b, -2.0 * value) for a, b, value in SAID]
    made = compile_network(profile_of(rows, tables), associations(said=against), settings=SHORT)
    assert verify(made.network, SHORT).largest_bias < 0.003
    drawn = drawn_rows(made.network, N)
    assert np.abs(came_out(drawn) - came_out(rows)).max() < 0.15


def test_a_suppressed_pair_stays_under_its_bound_whatever_knowledge_says(rows):
    profile = profile_of(rows, [rows.table("dx", "dx", below=1100)],
                         disclosure=Disclosure("suppression", threshold=1100))  # fmt: skip
    hidden = np.argwhere(np.isnan(profile.tables[0].counts) & np.tri(5, k=-1, dtype=bool))
    codes = rows.labels["dx"]
    strong = [Association((Term("dx", codes[a]),), Term("dx", codes[b]), 3.0) for a, b in hidden]
    drawn = drawn_rows(compile_network(profile, strong, settings=SHORT).network, N)
    pairs = drawn.counts(*profile.tables[0].axes) / N
    assert max(pairs[a, b] for a, b in hidden) < 1.1 * 1100 / len(rows)


def test_the_stronger_of_two_sayings_counts_and_the_rest_is_noted(rows):
    said = [
        Association((Term("dx", "B"),), Term("dx", "C"), 0.2),
        Association((Term("dx", "C"),), Term("dx", "B"), 1.2),  # the other way round
        Association((Term("dx", "B"), Term("sex", "M")), Term("dx", "C"), 3.0),
        Association((Term("dx", "nowhere"),), Term("dx", "C"), 3.0),
        Association((Term("dx.main", "A"),), Term("dx", "B"), 3.0),  # drawn together
    ]
    made = compile_network(profile_of(rows), said, settings=SHORT)
    drawn = drawn_rows(made.network, N)
    assert abs(log_odds(drawn, ("dx", "B"), ("dx", "C")) - 1.2) < 0.1
    assert [n for n in made.network.notes if n.startswith("3 associations")]


def test_what_is_not_said_is_independent(rows):
    made = compile_network(profile_of(rows), settings=SHORT)
    drawn = drawn_rows(made.network, N)
    for a, b in ((("sex", "M"), ("died", "yes")), (("dx", "A"), ("drug", "x")),
                 (("sex", "M"), ("dx", "A")), (("dx", "E"), ("died", "yes"))):  # fmt: skip
        assert abs(log_odds(drawn, a, b)) < 0.12


# --- the loop itself ----------------------------------------------------------------------


def test_progress_is_told_and_threads_change_nothing(rows):
    told = []
    profile = profile_of(rows, [rows.table("sex", "dx")])
    one = compile_network(profile, settings=replace(QUICK, threads=1),
                          progress=lambda *now: told.append(now))  # fmt: skip
    two = compile_network(profile, settings=replace(QUICK, threads=2))
    assert told == [(k + 1, QUICK.rounds) for k in range(QUICK.rounds)]
    for a, b in zip(one.network.nodes, two.network.nodes, strict=True):
        assert np.array_equal(a.base, b.base)
    assert one.key == two.key


def test_calibration_is_prolonged_while_cells_are_off(rows, monkeypatch):
    monkeypatch.setattr(compiling, "EXTENSIONS", 2)
    profile, told = profile_of(rows, [rows.table("sex", "dx")]), []
    for excess, extensions in ((0.0, 2), (1e9, 0)):
        monkeypatch.setattr(compiling, "EXCESS", excess)
        told.clear()
        compile_network(profile, settings=QUICK, progress=lambda *now: told.append(now))
        assert len(told) == QUICK.rounds + extensions * (QUICK.rounds // 2)


def test_margins_alone_need_no_calibration():
    """A variable without parents is drawn from its shares, to the last digit."""
    counts = np.array([1.0, 2.0, 7.0])
    profile = replace(
        profile_of(population(50)), variables=(Categorical("v", "demographics", ("a", "b", "c"), counts),),
        n_units=10, n_patients=10,
    )  # fmt: skip
    network = compile_network(profile, settings=QUICK).network
    assert np.allclose(np.exp(network.nodes[0].base), counts / 10, rtol=1e-15)


def test_the_promise_is_the_methods():
    assert ALLOWED_BIAS == 0.0005
