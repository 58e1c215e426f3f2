"""What a rule forbids is never drawn, not even once in 200,000 units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from network_toys import (
    AGE_EDGES,
    QUICK,
    Rows,
    drawn_rows,
    labels_of,
    population,
    profile_of,
    quick_compiling,
)

from llmsyn.errors import InfeasibleError
from llmsyn.generation.chunks import CHUNK, Job, draw
from llmsyn.knowledge.types import Association, Impossible
from llmsyn.network.calibration import Settings
from llmsyn.network.compiling import compile_network
from llmsyn.network.drawing import compile_program
from llmsyn.network.masks import cut_points
from llmsyn.network.model import SlotNode
from llmsyn.profile.terms import Range, Term
from llmsyn.profile.types import Profile, Rule
from llmsyn.profile.variables import Numeric, Selector

N = 200_000
OLD, NEW = [f"icd9cm:{k}" for k in range(8)], [f"icd10cm:{k}" for k in range(8)]
CODES = (*OLD, *NEW)
VERSIONS = Selector("version", {"nine": ("icd9cm",), "ten": ("icd10cm",)})


def term(text, value):
    return Term(text, value)


RULES = {
    "sex": (term("sex", "M"), term("dx", OLD[0])),
    "age": (term("age", Range(0, 65)), term("dx", OLD[1])),
    "young": (term("age", Range(17, float("inf"))), term("dx", NEW[1])),
    "within a list": (term("dx", OLD[2]), term("dx", OLD[3])),
    "between lists": (term("drug", "a"), term("dx", NEW[4])),
    "two levels": (term("died", "yes"), term("ward", "w2")),
    "three levels": (term("sex", "F"), term("died", "yes"), term("ward", "w1")),
    "two levels and a code": (term("dx", NEW[5]), term("sex", "F"), term("ward", "w0")),
    "code before level": (term("died", "yes"), term("dx", NEW[6])),
    "main code": (term("sex", "M"), term("dx.main", OLD[5])),
    "main code before level": (term("died", "yes"), term("dx.main", OLD[6])),
    "number of codes": (term("dx.count", "0"), term("ward", "w1")),
    "range of a number of codes": (term("dx.count", Range(4, 9)), term("sex", "F")),
}


def forbidden(rows, age, terms):
    """(n,) units in which all terms of a rule hold."""
    held = np.ones(len(rows), bool)
    for t in terms:
        if t.variable == "age":
            held &= (age >= t.value.low) & (age < t.value.high)
        elif isinstance(t.value, Range):
            number = rows.columns[t.variable]
            held &= (number >= t.value.low) & (number < t.value.high)
        else:
            held &= rows.matrix(t.variable, [t.value])[:, 0] > 0
    return held


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compiling():
        yield


@pytest.fixture(scope="module")
def truth():
    """Invented units that keep every rule."""
    random = np.random.default_rng(5)
    n = 60_000
    age = random.integers(0, 100, n)
    rows = Rows(
        {"sex": ("F", "M"), "age": labels_of(AGE_EDGES), "version": ("nine", "ten"),
         "ward": ("w0", "w1", "w2"), "died": ("no", "yes")},
        {"sex": random.integers(0, 2, n), "age": age // 20, "version": random.integers(0, 2, n),
         "ward": random.integers(0, 3, n), "died": (random.random(n) < 0.2).astype(int)},
    )  # fmt: skip
    has = random.random((n, 16)) < np.tile([0.12, 0.1, 0.2, 0.15, 0.25, 0.2, 0.18, 0.1], 2)
    has[:, :8] &= (rows.columns["version"] == 0)[:, None]
    has[:, 8:] &= (rows.columns["version"] == 1)[:, None]
    unlisted = random.integers(1, 3, n)
    main = np.where(random.random(n) < 0.6, (has * random.random((n, 16))).argmax(1), 16)
    main[~has.any(1)] = 16
    rows.add_codes("dx", CODES, has, main, unlisted)
    drugs = random.random((n, 5)) < [0.3, 0.4, 0.2, 0.1, 0.2]
    drugs[drugs.sum(1) > 3] = False
    rows.add_codes("drug", tuple("abcde"), drugs)
    keep = ~np.any([forbidden(rows, age, t) for t in RULES.values()], 0)
    keep &= rows.columns["dx.count"] <= 5
    kept = Rows(rows.labels, {name: column[keep] for name, column in rows.columns.items()})
    for name in ("dx.count", "drug.count"):
        kept.labels[name] = tuple(map(str, range(int(kept.columns[name].max()) + 1)))
    return kept


def profile_of_truth(rows, **more):
    given = {"stages": ("demographics", "diagnoses", "drugs", "outcome")} | more
    dx = replace(rows.code_set("dx", "diagnoses"), systems=("icd9cm", "icd10cm"), selector=VERSIONS)
    return Profile(
        "toy", "patient", len(rows), len(rows),
        variables=(
            rows.categorical("sex", "demographics"),
            Numeric("age", "demographics", "years", 0, AGE_EDGES, rows.matrix("age").sum(0)),
            rows.categorical("version", "demographics"),
            rows.categorical("ward", "demographics"),
            dx, rows.code_set("drug", "drugs"), rows.categorical("died", "outcome", role="outcome"),
        ), **given,
    )  # type: ignore[arg-type]  # fmt: skip


@pytest.fixture(scope="module")
def masked(truth):
    """Half of the rules from knowledge, half from the profile."""
    known = [Impossible(t, "rule") for t in list(RULES.values())[::2]]
    own = tuple(Rule(t) for t in list(RULES.values())[1::2])
    return compile_network(profile_of_truth(truth, rules=own), (), known,
                           settings=Settings(rounds=60, last_pilot=5_000))  # fmt: skip


@pytest.fixture(scope="module")
def units(masked):
    """What is written of 200,000 units: the Arrow tables, put together again."""
    program = compile_program(masked.network)
    chunks = [draw(program, Job("", N, 1, False), k) for k in range(N // CHUNK)]
    columns, age = {}, np.concatenate([c["patients"]["age"].to_numpy() for c in chunks])
    labels = {v.name: v.levels for v in masked.network.variables if v.kind == "categorical"}
    for name in labels:
        columns[name] = np.concatenate(
            [c["patients"][name].combine_chunks().indices.to_numpy() for c in chunks]
        )
    rows = Rows(labels, columns)
    for listed in masked.network.code_lists:
        has = np.zeros((N, len(listed.codes) + 1), int)
        main = np.full(N, len(listed.codes) + 1)
        for chunk in chunks:
            table = chunk[listed.name]
            code = table["code"].combine_chunks().indices.to_numpy()
            unit = table["patient_id"].to_numpy() - 1
            np.add.at(has, (unit, code), 1)
            first = table["position"].to_numpy() == 0
            main[unit[first]] = code[first]
        assert has[:, :-1].max() == 1
        rows.add_codes(listed.name, listed.codes, has[:, :-1] > 0, main)
    return rows, age


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_never_broken(name, units):
    rows, age = units
    assert forbidden(rows, age, RULES[name]).sum() == 0
    for t in RULES[name]:  # and not because one side of it is never drawn
        assert forbidden(rows, age, (t,)).sum() > 100


def test_nothing_is_left_out_silently(masked):
    assert masked.network.notes == ()


def test_a_selector_keeps_the_code_systems_apart(units):
    rows, _ = units
    version = rows.columns["version"]
    assert rows.columns["dx"][version == 0][:, 8:].sum() == 0
    assert rows.columns["dx"][version == 1][:, :8].sum() == 0
    assert rows.columns["dx"].any(0).all()


def test_prevalences_are_met_beside_the_rules(truth, units):
    rows, _ = units
    assert rows.columns["dx"].mean(0) == pytest.approx(truth.matrix("dx").mean(0), abs=0.006)


def test_a_main_code_rule_leaves_the_rest_of_the_list_alone(units):
    rows, _ = units
    men = rows.matrix("sex", ["M"])[:, 0] > 0
    assert rows.matrix("dx", [OLD[5]])[men].sum() > 1000


def test_bins_are_split_where_a_rule_starts(masked, truth):
    age = next(v for v in masked.network.variables if v.name == "age")
    assert age.edges.tolist() == [0, 17, 20, 40, 60, 65, 80, 100]
    assert age.levels[4] == "[60,65)"
    node = next(n for n in masked.network.nodes if getattr(n, "variable", None) == 1)
    whole = truth.matrix("age").mean(0)[3]
    assert node.share[4:6] == pytest.approx([whole / 4, whole * 3 / 4])


def test_cut_points_are_those_of_ranges():
    rules = [Impossible(RULES["age"], "r"), Impossible(RULES["sex"], "r")]
    assert cut_points(rules, profile_of(population(50))) == {"age": {0.0, 65.0}}


def test_a_rule_may_start_between_two_values():
    """Ages are whole: 64.5 and more is 65 and more, below 64.5 is up to 64."""
    rows = population(2_000)
    for limits, years in (((64.5, float("inf")), range(65, 100)), ((0, 19.2), range(20))):
        rule = Rule((Term("age", Range(*limits)), Term("dx", "E")))
        made = compile_network(profile_of(rows, rules=(rule,)), settings=QUICK)
        tables = draw(compile_program(made.network), Job("", 20_000, 1, False), 0)
        age = tables["patients"]["age"].to_numpy()
        code = np.array(tables["dx"]["code"].to_pylist())
        with_e = age[tables["dx"]["patient_id"].to_numpy()[code == "E"] - 1]
        assert len(with_e) > 500 and not np.isin(with_e, years).any()
        assert np.isin(np.arange(100), age).all()


# --- small profiles -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows():
    return population(5_000)


def compiled(rows, *rules, tables=(), settings=QUICK, **more):
    profile = profile_of(rows, tables, rules=tuple(Rule(tuple(r)) for r in rules), **more)
    return compile_network(profile, settings=settings)


@pytest.mark.parametrize(
    ("terms", "named"),
    [
        ((Term("age", Range(0, 80)), Term("dx", "A")), "dx=A"),
        ((Term("dx", "A"),), "dx=A"),
        ((Term("died", "yes"),), "died=yes"),
        ((Term("dx.main", "A"),), "dx=A"),
        ((Term("sex", "F"), Term("died", "no")), "died=no"),
    ],
)
def test_a_number_above_what_a_rule_leaves_is_an_error_that_names_it(rows, terms, named):
    with pytest.raises(InfeasibleError, match=named) as caught:
        compiled(rows, terms)
    assert caught.value.exit_code == 2 and "correct the profile" in str(caught.value)


@pytest.mark.parametrize("terms", [(Term("dx", "A"),), (Term("sex", "F"), Term("died", "no"))])
def test_what_noise_explains_is_lowered_to_what_is_possible(rows, terms):
    profile = profile_of(rows, (), rules=(Rule(terms),))
    n = profile.n_units
    noisy = tuple(replace(v, sigma=0.2 * n) for v in profile.variables)
    made = compile_network(replace(profile, variables=noisy), settings=QUICK).network
    node = next(
        node for node in made.nodes
        if (made.code_lists[node.code_set].name if isinstance(node, SlotNode)
            else made.variables[node.variable].name) == terms[-1].variable
    )  # fmt: skip
    if isinstance(node, SlotNode):
        assert node.share[made.code_lists[node.code_set].codes.index("A")] == 0
    else:
        names = made.variables[node.variable].levels
        women = profile["sex"].counts[profile["sex"].levels.index("F")] / n
        assert node.share[names.index("no")] == pytest.approx(1 - women, abs=0.01)
        assert node.share.sum() == pytest.approx(1)


def test_selector_mass_counts_too(rows):
    profile = profile_of(rows)
    dx = replace(profile["dx"], systems=("local", "ndc"), codes=("local:A", "local:B", "ndc:C", "ndc:D", "ndc:E"),
                 selector=Selector("died", {"no": ("local",), "yes": ("ndc",)}))  # fmt: skip
    died = replace(profile["died"], stage="demographics")
    swapped = {"dx": dx, "died": died}
    variables = tuple(swapped.get(v.name, v) for v in profile.variables)
    with pytest.raises(InfeasibleError, match="dx=ndc:"):
        compile_network(replace(profile, variables=variables), settings=QUICK)


def test_published_zeros_are_masks_and_rounded_ones_are_not():
    rows = population(5_000)
    has = rows.columns["dx"].copy()
    has[rows.columns["sex"] == 1, 4] = False
    rows.add_codes("dx", rows.labels["dx"], has, rows.columns["dx.main"])
    table = rows.table("sex", "dx")
    assert table.counts[1, 4] == 0
    factors = []
    for half_width in (0.0, 2.5):
        made = compiled(rows, tables=[replace(table, half_width=half_width)])
        slots = next(n for n in made.network.nodes if getattr(n, "n_codes", 0) == 5)
        factors.append(next(f for f in slots.factors if f.name == "sex x dx"))
        if not half_width:
            found = drawn_rows(made.network, 50_000).counts(*table.axes)
            assert found[1, 4] == 0 and found[0, 4] > 0
    exact, rounded = factors
    assert np.argwhere(np.isneginf(exact.weights)).tolist() == [[1, 4]]
    assert np.isfinite(rounded.weights).all() and rounded.hard[1, 4]


def test_a_mask_wins_over_a_table_and_the_miss_is_listed(rows):
    table = rows.table("sex", "dx")
    made = compiled(rows, (Term("sex", "M"), Term("dx", "E")), tables=[table],
                    settings=Settings(rounds=40))  # fmt: skip
    assert drawn_rows(made.network, 50_000).counts(*table.axes)[1, 4] == 0
    assert any(m.cell == "sex=M & dx=E" for m in made.verification.misses)


def test_an_association_that_excludes_is_a_mask(rows):
    never = [Association((Term("dx", "C"),), Term("dx", "E"), "excludes")]
    made = compile_network(profile_of(rows), never, settings=QUICK)
    drawn = drawn_rows_with_short(made.network)
    c, e = drawn.matrix("dx", ["C"])[:, 0], drawn.matrix("dx", ["E"])[:, 0]
    assert (c * e).sum() == 0 and c.sum() > 0 and e.sum() > 0


def drawn_rows_with_short(network):
    """A few lists cannot be filled: five slots, and two of five codes exclude each other."""
    from llmsyn.network.drawing import chunk_generator, run

    drawn = run(compile_program(network), 20_000, chunk_generator(0, 0))
    assert 0 < drawn.short < 2_000
    has = np.zeros((20_000, network.n_codes), bool)
    filled = np.arange(drawn.events.shape[1]) < drawn.starts[-1][:, None]
    has[np.nonzero(filled)[0], drawn.events[filled]] = True
    return Rows({"dx": network.code_lists[0].codes}, {"dx": has[:, :5]})


def test_too_many_unfillable_slots_stop_the_run(rows):
    never = [Impossible((Term("dx", a), Term("dx", b)), "exclusive")
             for a, b in (("A", "B"), ("A", "C"), ("B", "C"), ("D", "E"))]  # fmt: skip
    made = compile_network(profile_of(rows), (), never, settings=QUICK)
    with pytest.raises(InfeasibleError, match="more codes per unit than its rules leave"):
        draw(compile_program(made.network), Job("", 5_000, 1, False), 0)


@pytest.mark.parametrize(
    "terms",
    [
        (Term("dx", "Z9"), Term("sex", "F")),
        (Term("nothing", "x"), Term("sex", "F")),
        (Term("dx", "A"), Term("sex", "F"), Term("died", "yes")),
        (Term("dx", "A"), Term("dx.main", "B")),
        (Term("dx", "A"), Term("dx", "B"), Term("drug", "x")),
    ],
)
def test_a_rule_that_cannot_be_held_is_noted(rows, terms):
    notes = compiled(rows, terms).network.notes
    assert len(notes) == 1 and notes[0].startswith("1 rules name terms")
