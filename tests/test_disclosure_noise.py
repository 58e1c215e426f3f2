import math
import sys
from dataclasses import replace
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from llmsyn.cohort.types import Cohort
from llmsyn.disclosure.accounting import (
    WEIGHTS,
    delta_of,
    epsilon_of,
    plan_noise,
    rho_of,
    table_key,
)
from llmsyn.disclosure.capping import Capping
from llmsyn.disclosure.noise import measure_capped, opendp_noise, release, release_with_noise
from llmsyn.disclosure.projection import best_size, dykstra, onto_plane, onto_sums, project_codes
from llmsyn.disclosure.table_projection import project_profile
from llmsyn.errors import InfeasibleError, InputError, MissingExtra, ProfileError
from llmsyn.profile.findings import check_profile
from llmsyn.profile.mixing import refuse_mixing
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.types import Disclosure, Profile
from llmsyn.profile.variables import UNLISTED, Categorical, CodeSet, Numeric

CODES = tuple("ABCDEF")
SEXES = ("F", "M")
DIED = ("no", "yes")
BINS = ("[0,50)", "[50,100)")


def design(unit="patient", n=1.0, **more):
    """The public skeleton of a small hospital; its counts are ones that mean nothing."""
    sex = Categorical("sex", "x0", SEXES, np.ones(2))
    age = Numeric("age", "x0", "years", 0, np.array([0.0, 50, 100]), np.ones(2), 1.0)
    died = Categorical("died", "x2", DIED, np.ones(2), role="outcome")
    dx = CodeSet(
        "dx", "x1", ("icd10cm",), CODES, np.ones(6), main=np.ones(6), main_unlisted=1.0,
        listed=np.ones(3), unlisted=np.ones(3), unlisted_per_unit=0.1,
    )  # fmt: skip
    a_sex, a_age, a_died, a_dx = (
        Axis("sex", SEXES), Axis("age", (*BINS, "missing")), Axis("died", DIED), Axis("dx", CODES),
    )  # fmt: skip
    pairs = np.ones((6, 6))
    np.fill_diagonal(pairs, np.nan)
    tables = (
        Table((a_died, a_age, a_dx), np.ones((2, 3, 6))),
        Table((a_died, a_age), np.ones((2, 3))),
        Table((a_died, a_dx), np.ones((2, 6))),
        Table((a_age, a_dx), np.ones((3, 6))),
        Table((a_sex, Axis("dx.main", CODES)), np.ones((2, 6))),
        Table((a_dx, a_dx), pairs),
    )
    return Profile(
        "toy", unit, n, n, ("x0", "x1", "x2"), (sex, age, died, dx), tables, **more
    )  # fmt: skip


def hospital(n, seed, stays=1, unlisted=0.3):
    """Patients as dictionaries; older ones have more codes, and die more often."""
    rng = np.random.default_rng(seed)
    people = []
    for patient in range(n):
        for stay in range(1 if stays == 1 else int(rng.integers(1, stays + 1))):
            old = rng.random() < 0.5
            k = int(rng.integers(0, 5 if old else 3))
            codes = [str(c) for c in rng.permutation(CODES)[:k]]
            codes += [UNLISTED] * int(rng.random() < unlisted)
            people.append({
                "patient": f"p{patient}", "stay": f"s{patient}.{stay}",
                "sex": SEXES[int(rng.random() < 0.4)],
                "age": None if rng.random() < 0.1 else 70.0 if old else 30.0,
                "died": DIED[int(rng.random() < (0.3 if old else 0.1))],
                "codes": [codes[i] for i in rng.permutation(len(codes))],
            })  # fmt: skip
    return people


def cohort(people, unit="patient"):
    columns = {"patient_id": [p["patient"] for p in people]}
    if unit == "stay":
        columns["stay_id"] = [p["stay"] for p in people]
    units = pa.table({
        **columns,
        "sex": pa.array([p["sex"] for p in people], pa.string()).dictionary_encode(),
        "age": pa.array([p["age"] for p in people], pa.float64()),
        "died": pa.array([p["died"] for p in people], pa.string()).dictionary_encode(),
    })  # fmt: skip
    rows = [(i, c, k) for i, p in enumerate(people) for k, c in enumerate(p["codes"])]
    codes = pa.table({
        "row": pa.array([r[0] for r in rows], pa.int32()),
        "code": pa.array([r[1] for r in rows], pa.string()).dictionary_encode(),
        "position": pa.array([r[2] for r in rows], pa.int16()),
    })  # fmt: skip
    return Cohort("real", unit, units, {"dx": codes})


def plan(toy=None, **more):
    given = {"epsilon": 1.0, "delta": 1e-6, "max_codes": 3} | more
    return plan_noise(toy or design(), **given)


def vectors(profile, toy, spent):
    """Every released array as one flat vector, by the name of its line."""
    found = {"n_units": np.array([profile.n_units]), "n_patients": np.array([profile.n_patients])}
    for v in profile.variables:
        if isinstance(v, CodeSet):
            ends = [np.pad(h, (0, 20 - len(h))) for h in (v.listed, v.unlisted)]
            parts = [v.counts, v.main, [v.main_unlisted], *ends]
            found[v.name] = np.concatenate(parts)
        else:
            found[v.name] = getattr(v, "level_counts", v.counts)
    for i, wanted in enumerate(toy.tables):
        table = next(t for t in profile.tables if t.axes == wanted.axes)
        counts = np.triu(np.nan_to_num(table.counts), 1) if table.is_pairs else table.counts
        found[table_key(i, wanted)] = counts.ravel()
    return {name: x for name, x in found.items() if name in spent}


def padded(a, b):
    size = max(len(a), len(b))
    return np.pad(a, (0, size - len(a))) - np.pad(b, (0, size - len(b)))


# --- accounting -------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 8.0])
@pytest.mark.parametrize("delta", [1e-9, 1e-5])
def test_the_budget_converts_back_exactly(epsilon, delta):
    rho = rho_of(epsilon, delta)
    assert delta_of(rho, epsilon) <= delta
    assert delta_of(rho * 1.0001, epsilon) > delta  # no larger rho would do
    assert epsilon_of(rho, delta) == pytest.approx(epsilon, rel=1e-6)
    # The best order is a minimum: no other gives a smaller delta.
    orders = np.linspace(1.01, 400, 4000)
    bounds = (orders - 1) * (orders * rho - epsilon) + orders * np.log1p(-1 / orders)
    assert delta_of(rho, epsilon) <= np.exp((bounds - np.log(orders - 1)).min()) * (1 + 1e-9)


def test_the_whole_plan_spends_the_budget_and_opendp_agrees():
    dp = pytest.importorskip("opendp.prelude")
    dp.enable_features("contrib")
    spent = plan(design("stay"), max_stays=2, select_codes=True)
    assert {line.group for line in spent.lines} == set(WEIGHTS)
    assert sum(line.rho for line in spent.lines) == pytest.approx(spent.rho, rel=1e-12)
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T=float)
    total = sum(dp.m.make_gaussian(*space, scale=x.sigma).map(x.l2) for x in spent.lines)
    assert total <= rho_of(1.0, 1e-6) * (1 + 1e-9)
    whole = dp.m.make_gaussian(*space, scale=1 / math.sqrt(2 * total))
    curve = dp.c.make_zCDP_to_approxDP(whole).map(1.0)
    assert curve.epsilon(1e-6) == pytest.approx(1.0, rel=1e-6)
    assert epsilon_of(total, 1e-6) == pytest.approx(curve.epsilon(1e-6), rel=1e-6)


def test_sensitivities_by_hand():
    spent = plan()
    line = spent["dx"]  # three codes, a main code, two histograms
    assert (line.l1, line.l2) == (6, math.sqrt(6))
    assert line.sigma == pytest.approx(line.l2 / math.sqrt(2 * line.rho))
    assert spent["dx x dx #5"].l2 == math.sqrt(3)  # 3 codes make 3 pairs
    assert spent["died x age x dx #0"].l1 == 3
    assert (spent["sex"].l1, spent["sex x dx.main #4"].l1, spent["n_units"].l1) == (1, 1, 1)
    assert "n_patients" not in spent
    stays = plan(design("stay"), max_stays=4)
    assert (stays["dx"].l1, stays["dx"].l2) == (24, 4 * math.sqrt(6))
    assert (stays["n_units"].l2, stays["n_patients"].l2, stays["stays cut"].l2) == (4, 1, 1)
    public = plan(public_size=True)
    assert "n_units" not in public
    assert public["sex"].l2 == math.sqrt(2) and public["sex"].l1 == 2


@given(st.integers(0, 10_000), st.sampled_from(["patient", "stay"]), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_no_patient_changes_an_array_by_more_than_its_sensitivity(seed, unit, cap):
    stays = 3 if unit == "stay" else 1
    people, toy = hospital(8, seed, stays), design(unit)
    spent = plan(toy, max_codes=cap, max_stays=min(2, stays))
    everyone = vectors(measure_capped([cohort(people, unit)], toy, spent)[0], toy, spent)
    for left_out in {p["patient"] for p in people}:
        rest = [p for p in people if p["patient"] != left_out]
        fewer = vectors(measure_capped([cohort(rest, unit)], toy, spent)[0], toy, spent)
        for name, counts in everyone.items():
            change = padded(counts, fewer[name])
            assert np.abs(change).sum() <= spent[name].l1 + 1e-9, name
            assert np.sqrt((change**2).sum()) <= spent[name].l2 + 1e-9, name


def test_the_bounds_are_reached():
    """One patient with every slot filled changes arrays by exactly their sensitivity."""
    person = {"patient": "p", "stay": "s", "sex": "F", "age": 30.0, "died": "no"}
    full = [person | {"stay": f"s{k}", "codes": list("ABC")} for k in range(2)]
    other = [person | {"patient": "q", "codes": []}]
    toy = design("stay")
    spent = plan(toy, max_stays=2)
    both = vectors(measure_capped([cohort(full + other, "stay")], toy, spent)[0], toy, spent)
    rest = vectors(measure_capped([cohort(other, "stay")], toy, spent)[0], toy, spent)
    for name in ("n_units", "sex", "died x dx #2", "dx x dx #5"):
        change = padded(both[name], rest[name])
        assert np.abs(change).sum() == spent[name].l1, name
        assert np.sqrt((change**2).sum()) == pytest.approx(spent[name].l2), name


def test_exchanging_a_patient_is_covered_where_the_size_is_public():
    people, toy = hospital(6, 3), design()
    spent = plan(toy, public_size=True)
    base = vectors(measure_capped([cohort(people)], toy, spent)[0], toy, spent)
    for stranger in hospital(20, 4):
        other = [stranger | {"patient": "stranger"}, *people[1:]]
        changed = vectors(measure_capped([cohort(other)], toy, spent)[0], toy, spent)
        for name, counts in base.items():
            change = padded(counts, changed[name])
            assert np.sqrt((change**2).sum()) <= spent[name].l2 + 1e-9, name


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"epsilon": 0.0}, "epsilon 0 is no privacy budget"),
        ({"epsilon": math.inf}, "epsilon inf is no privacy budget"),
        ({"delta": 0.0}, "delta 0 is no probability"),
        ({"max_codes": 0}, "max_codes for dx is 0"),
        ({"max_codes": {"rx": 3}}, "max_codes for dx is None"),
        ({"max_stays": 2}, "max_stays 2 does not fit units of patient"),
        ({"weights": {"size": 1.0}}, "the budget gives nothing to codes"),
    ],
)
def test_settings_out_of_range_are_named(more, message):
    with pytest.raises(InputError, match=message):
        plan(**more)


def test_a_table_of_unknown_sensitivity_is_refused():
    axis = Axis("dx", CODES)
    triple = Table((axis, axis, Axis("sex", SEXES)), np.ones((6, 6, 2)))
    with pytest.raises(ProfileError, match="has the axis dx more than once"):
        plan(replace(design(), tables=(triple,)))


# --- capping ----------------------------------------------------------------------------


def test_codes_beyond_the_cap_go_the_main_code_stays():
    people = [
        {"patient": "a", "sex": "F", "age": 1.0, "died": "no", "codes": ["Z", "B", "A", UNLISTED, "C"]},
        {"patient": "b", "sex": "F", "age": 1.0, "died": "no", "codes": ["A"]},
    ]  # fmt: skip
    capping = Capping({"dx": CODES}, {"dx": 2})
    (batch,) = capping.apply([cohort(people)])
    # Z is not listed: it is an unlisted code, and the main one.
    rows = batch.codes["dx"].to_pylist()
    assert [(r["row"], r["code"], r["position"]) for r in rows] == [
        (0, UNLISTED, 0), (0, "B", 1), (0, "A", 2), (0, UNLISTED, 3), (1, "A", 0),
    ]  # fmt: skip
    assert capping.cut_units == {"dx": 1} and capping.cut_patients == 0


def test_stays_beyond_the_cap_go_even_across_batches():
    people = hospital(40, 1, stays=4)
    capping = Capping({"dx": CODES}, {"dx": 9}, max_stays=2)
    parts = [cohort(people[i : i + 7], "stay") for i in range(0, len(people), 7)]
    kept = [s for batch in capping.apply(parts) for s in batch.units["stay_id"].to_pylist()]
    assert kept == [p["stay"] for p in people if int(p["stay"].partition(".")[2]) < 2]
    third = sum(p["stay"].endswith(".2") for p in people)
    assert capping.cut_patients == third > 0


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_what_is_kept_of_a_patient_does_not_depend_on_others(seed):
    people = hospital(10, seed, stays=3)
    capping = Capping({"dx": CODES[:3]}, {"dx": 2}, max_stays=2)

    def kept(some, who):
        (batch,) = capping.apply([cohort(some, "stay")])
        ids = batch.units["patient_id"].to_pylist()
        rows = batch.codes["dx"].to_pylist()
        return [[(r["code"], r["position"]) for r in rows if r["row"] == i]
                for i, name in enumerate(ids) if name == who]  # fmt: skip

    alone = [p for p in people if p["patient"] == "p5"]
    assert kept(people, "p5") == kept(alone, "p5")


# --- noise ------------------------------------------------------------------------------


def test_noise_is_the_discrete_gaussian():
    pytest.importorskip("opendp")
    add = opendp_noise()
    counts = np.full((100, 200), 17.0)
    noise = add(counts, 12.5) - counts
    assert noise.shape == counts.shape and (noise == np.round(noise)).all()
    n = noise.size
    assert abs(noise.mean()) < 5 * 12.5 / math.sqrt(n)
    assert noise.std() == pytest.approx(12.5, rel=5 / math.sqrt(2 * n))
    expected = stats.norm.cdf([-12.5, 0.5, 25], scale=12.5)
    observed = [(noise <= x - 0.5).mean() for x in (-12.0, 1.0, 25.5)]
    assert observed == pytest.approx(expected, abs=5 * 0.5 / math.sqrt(n))
    assert (add(counts, 12.5) != counts + noise).any()  # no seed: never the same twice
    assert add(np.zeros(0), 1.0).shape == (0,)


def test_without_opendp_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "opendp.prelude", None)
    with pytest.raises(MissingExtra, match=r"OpenDP is not installed; .*llmsyn\[dp\]"):
        release_with_noise([], design(), epsilon=1, delta=1e-6, max_codes=3)


# --- projection -------------------------------------------------------------------------


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=6), st.floats(1, 30))
@settings(max_examples=60, deadline=None)
def test_rows_with_a_sum_are_the_nearest_ones(v, total):
    v = np.array(v)
    high = np.full(len(v), 20.0)
    x = onto_sums(v[None], np.array([total]), np.zeros((1, len(v))), high[None])[0]
    assert x.sum() == pytest.approx(total, abs=1e-6) and (x >= 0).all() and (x <= high).all()
    slow = optimize.minimize(
        lambda y: ((y - v) ** 2).sum(), np.full(len(v), total / len(v)), jac=lambda y: 2 * (y - v),
        bounds=[(0, 20)] * len(v), constraints={"type": "eq", "fun": lambda y: y.sum() - total},
        method="SLSQP", options={"ftol": 1e-12, "maxiter": 500},
    )  # fmt: skip
    assert ((x - v) ** 2).sum() <= slow.fun + 1e-4
    most = onto_sums(v[None], np.array([total]), np.zeros((1, len(v))), high[None], True)[0]
    clipped = np.clip(v, 0, 20)
    assert most == pytest.approx(clipped if clipped.sum() <= total else x, abs=1e-6)


def test_dykstra_finds_the_nearest_point_not_just_a_common_one():
    # The half-plane x + y <= 1 and the half-line x >= 0, y = 0 (by hand: (1, 0)).
    start = np.array([2.0, -1.5])
    sets = [onto_plane(np.ones(2), 1.0, at_most=True), lambda x: np.array([max(x[0], 0.0), 0.0])]
    assert dykstra(start, sets, 1.0) == pytest.approx([1, 0], abs=1e-5)
    start = np.array([0.3, 5.0])
    assert dykstra(start, sets, 1.0) == pytest.approx([0.3, 0], abs=1e-5)


def exact_profile(people, toy=None, cap=3, unit="patient"):
    toy = toy or design(unit)
    return measure_capped([cohort(people, unit)], toy, plan(toy, max_codes=cap))[0]


def numpy_noise(seed):
    rng = np.random.default_rng(seed)
    return lambda counts, sigma: np.round(counts + rng.normal(0, sigma, np.shape(counts)))


def assert_consistent(p, tolerance):
    """Everything that must hold among the counts of a population, to within ``tolerance``."""
    n, dx = p.n_units, p["dx"]
    close = {"abs": tolerance}
    for v in p.level_variables:
        counts = getattr(v, "level_counts", v.counts)
        assert counts.min() >= 0 and counts.sum() == pytest.approx(n, **close)
    k = np.arange(len(dx.listed))
    assert dx.listed.sum() == pytest.approx(n, **close) and dx.listed.min() >= 0
    assert dx.unlisted.sum() == pytest.approx(n, **close) and dx.unlisted.min() >= 0
    assert dx.listed @ k == pytest.approx(dx.counts.sum(), abs=len(k) * tolerance)
    assert (dx.main >= 0).all() and (dx.main <= dx.counts + tolerance).all()
    assert dx.counts.max() <= n - dx.listed[0] + tolerance
    assert dx.main.sum() <= n - dx.listed[0] + tolerance
    assert dx.main.sum() + dx.main_unlisted <= n + tolerance
    assert dx.unlisted_per_unit == pytest.approx(dx.unlisted @ np.arange(len(dx.unlisted)) / n)
    three, died_age, died_dx, age_dx, sex_main, pairs = p.tables
    assert three.counts.sum(0) == pytest.approx(age_dx.counts, **close)
    assert three.counts.sum(1) == pytest.approx(died_dx.counts, **close)
    assert died_age.counts.sum(0) == pytest.approx(p["age"].level_counts, **close)
    assert died_age.counts.sum(1) == pytest.approx(p["died"].counts, **close)
    assert age_dx.counts.sum(0) == pytest.approx(dx.counts, **close)
    assert sex_main.counts.sum(0) == pytest.approx(dx.main, **close)
    assert min(t.counts.min() for t in p.tables[:5]) >= 0
    i, j = np.triu_indices(6, 1)
    cells = pairs.counts[i, j]
    assert (cells <= np.minimum(dx.counts[i], dx.counts[j]) + tolerance).all()
    assert (cells >= np.maximum(0, dx.counts[i] + dx.counts[j] - n) - tolerance).all()
    assert cells.sum() == pytest.approx(dx.listed @ (k * (k - 1) / 2), abs=10 * tolerance)


@pytest.mark.parametrize("seed", range(4))
def test_a_noisy_release_is_consistent_and_passes_the_readers_checks(seed):
    """n = 150 with epsilon 1: the noise is as large as many of the counts."""
    toy = design()
    released = release([cohort(hospital(150, seed))], toy, plan(toy), numpy_noise(seed))
    assert_consistent(released, 1e-3)
    errors = [f for f in check_profile(released) if f.severity == "error"]
    assert errors == []
    refuse_mixing(released)
    assert all(v.sigma == pytest.approx(plan(toy)[v.name].sigma) for v in released.variables)
    assert released.disclosure.method == "differential_privacy"
    assert (released.disclosure.epsilon, released.disclosure.delta) == (1.0, 1e-6)
    assert released.disclosure.max_codes == 3
    assert released.disclosure.left_out[0].startswith("dx beyond 3 a unit: about ")
    # Seen with the precision that it states, it hides what it must: counts are not exact.
    assert all(t.sigma > 0 and t.half_width == 0 for t in released.tables)


def test_projecting_brings_counts_nearer_to_the_truth():
    toy, people = design(), hospital(400, 7)
    spent = plan(toy)
    truth = exact_profile(people, toy)
    raw = projected = 0.0
    by_block = {"sex": [0.0, 0.0], "dx": [0.0, 0.0], "table": [0.0, 0.0]}
    for seed in range(12):
        add = numpy_noise(seed)
        noisy_counts = {}

        def remember(counts, sigma, add=add, seen=noisy_counts):
            noisy = add(counts, sigma)
            seen[len(seen)] = (np.ravel(counts), np.ravel(noisy))
            return noisy

        released = release([cohort(people)], toy, spent, remember)
        # In the order of release: four variables, six tables, the size, what was cut.
        squares = [((a - b) ** 2).sum() for a, b in noisy_counts.values()]
        errors = []
        for v in truth.variables:
            found = released[v.name]
            if isinstance(v, CodeSet):
                pairs = [
                    (v.counts, found.counts),
                    (v.main, found.main),
                    (v.unlisted, found.unlisted),
                    (v.listed, found.listed),
                    ([v.main_unlisted], [found.main_unlisted]),
                ]
                errors.append(sum((padded(np.array(a), np.array(b)) ** 2).sum() for a, b in pairs))
            else:
                a, b = (getattr(x, "level_counts", x.counts) for x in (v, found))
                errors.append(((a - b) ** 2).sum())
        for wanted in toy.tables:
            a, b = (next(t for t in p.tables if t.axes == wanted.axes) for p in (truth, released))
            gap = a.counts - b.counts
            errors.append(np.nansum((np.triu(gap, 1) if wanted.is_pairs else gap) ** 2))
        raw += sum(squares[:10])
        projected += sum(errors)
        for name, places in {"sex": [0], "dx": [3], "table": [4]}.items():
            by_block[name][0] += sum(squares[i] for i in places)
            by_block[name][1] += sum(errors[i] for i in places)
    assert projected < 0.6 * raw
    for name, (before, after) in by_block.items():
        assert after < 0.9 * before, name


def test_a_consistent_profile_is_left_as_it_is():
    exact = exact_profile(hospital(300, 2))
    dx = exact["dx"]
    noiseless = replace(exact, variables=tuple(replace(v, sigma=1.0) for v in exact.variables))
    same = project_profile(noiseless)
    assert same["dx"].counts == pytest.approx(dx.counts, abs=1e-3)
    assert same["dx"].listed == pytest.approx(dx.listed, abs=1e-3)
    for a, b in zip(exact.tables, same.tables):
        assert b.counts == pytest.approx(a.counts, abs=2e-3, nan_ok=True), a.name


def test_code_sets_are_projected_to_the_nearest_consistent_one():
    """Against a general solver."""
    rng = np.random.default_rng(11)
    n = 100.0
    codes = CodeSet(
        "dx", "x1", ("icd10cm",), ("A", "B"), rng.normal([60, 10], 15), main=rng.normal([50, 12], 15),
        main_unlisted=float(rng.normal(30, 15)), listed=rng.normal([40, 50, 10], 15), sigma=15.0,
    )  # fmt: skip
    v = np.concatenate([codes.counts, codes.main, codes.listed, [codes.main_unlisted]])

    def inequalities(x):
        counts, main, listed, other = x[:2], x[2:4], x[4:7], x[7]
        return np.concatenate([
            counts - main, n - listed[0] - counts,
            [n - listed[0] - main.sum(), n - main.sum() - other],
        ])  # fmt: skip

    def equalities(x):
        return np.array([x[4:7].sum() - n, x[5] + 2 * x[6] - x[:2].sum()])

    slow = optimize.minimize(
        lambda x: ((x - v) ** 2).sum() / 2, np.full(8, 30.0), jac=lambda x: x - v,
        bounds=[(0, n)] * 8, method="SLSQP", options={"ftol": 1e-13, "maxiter": 1000},
        constraints=[{"type": "ineq", "fun": inequalities}, {"type": "eq", "fun": equalities}],
    )  # fmt: skip
    assert slow.success
    found = project_codes(codes, n)
    x = np.concatenate([found.counts, found.main, found.listed, [found.main_unlisted]])
    assert x == pytest.approx(slow.x, abs=1e-3)


def test_a_table_that_is_not_wholly_released_takes_at_most_its_margins():
    exact = exact_profile(hospital(200, 3))
    died_dx = exact.tables[2]
    counts = died_dx.counts.copy() + 40.0  # far too much
    counts[0, 1] = np.nan
    noisy = replace(
        exact, tables=(replace(died_dx, counts=counts, sigma=5.0),),
    )  # fmt: skip
    table = project_profile(noisy).tables[0]
    assert np.isnan(table.counts[0, 1]) and np.isnan(table.counts).sum() == 1
    assert table.counts[1, 1] <= exact["dx"].counts[1] + 1e-3
    assert np.delete(table.counts, 1, 1).sum(0) == pytest.approx(
        np.delete(exact["dx"].counts, 1), abs=1e-3
    )


def test_every_array_that_sums_to_the_size_helps_to_find_it():
    exact = exact_profile(hospital(500, 5))
    sizes, alone = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        noisy = replace(
            exact,
            variables=tuple(
                replace(v, counts=v.counts + rng.normal(0, 5, len(v.counts)), sigma=5.0)
                for v in exact.variables
                if isinstance(v, Categorical)
            ),
        )
        own = exact.n_units + rng.normal(0, 20)
        alone.append(own - 500)
        sizes.append(best_size(noisy, own, 20.0) - 500)
    # Two variables of two levels and a count of its own: 1 / (2 / 50 + 1 / 400).
    assert np.std(sizes) == pytest.approx(math.sqrt(1 / (2 / 50 + 1 / 400)), rel=0.25)
    assert np.std(sizes) < 0.5 * np.std(alone)
    assert best_size(exact, None, 1.0) == exact.n_units


# --- the release ------------------------------------------------------------------------


def test_a_release_of_a_larger_cohort_with_opendp_is_near_the_truth():
    pytest.importorskip("opendp")
    people, toy = hospital(1500, 9), design()
    halves = [cohort(people[:700]), cohort(people[700:])]
    released = release_with_noise(halves, toy, epsilon=20, delta=1e-5, max_codes=4)
    truth = exact_profile(people, toy, cap=4)
    assert released.n_units == pytest.approx(1500, abs=15)
    assert released["dx"].counts == pytest.approx(truth["dx"].counts, abs=25)
    assert released.tables[2].counts == pytest.approx(truth.tables[2].counts, abs=25)
    assert_consistent(released, 1e-2)


def test_a_public_size_is_kept():
    toy = design(n=150.0)
    spent = plan(toy, public_size=True)
    released = release([cohort(hospital(150, 1))], toy, spent, numpy_noise(1))
    assert (released.n_units, released.n_patients) == (150, 150)
    assert released.provenance.notes == "n_units is public."


def test_stays_and_patients_are_both_counted():
    toy = design("stay")
    people = hospital(300, 1, stays=3)
    spent = plan(toy, epsilon=5.0, max_stays=2)
    released = release([cohort(people, "stay")], toy, spent, numpy_noise(2))
    capped = sum(int(p["stay"].partition(".")[2]) < 2 for p in people)
    assert released.n_units == pytest.approx(capped, abs=25)
    assert released.n_units / 2 <= released.n_patients <= released.n_units
    assert released.disclosure.left_out[1].startswith("stays beyond 2 a patient: about ")


def test_candidate_codes_that_nobody_has_are_dropped():
    people = [p | {"codes": [c for c in p["codes"] if c in "ABC"]} for p in hospital(3000, 1)]
    toy = design()
    spent = plan(toy, epsilon=3.0, select_codes=True)
    released = release([cohort(people)], toy, spent, numpy_noise(4))
    assert released["dx"].codes == ("A", "B", "C")
    assert released.tables[0].axes[2].labels == ("A", "B", "C")
    assert released.tables[5].counts.shape == (3, 3)
    assert len(released["dx"].main) == 3
    nobody = [p | {"codes": []} for p in people]
    with pytest.raises(InfeasibleError, match="no code of dx is more frequent than"):
        release([cohort(nobody)], toy, spent, numpy_noise(4))


def test_the_designs_counts_are_never_looked_at():
    def filled(value):
        toy = design()
        variables = tuple(replace(v, counts=np.full_like(v.counts, value)) for v in toy.variables)
        tables = tuple(
            replace(t, counts=np.where(np.isnan(t.counts), np.nan, value)) for t in toy.tables
        )
        return replace(toy, n_units=value, n_patients=value, variables=variables, tables=tables)

    people = hospital(60, 1)
    one, other = (
        release([cohort(people)], filled(value), plan(), numpy_noise(3)) for value in (1.0, 77.0)
    )
    assert one.n_units == other.n_units
    assert one["dx"].counts.tolist() == other["dx"].counts.tolist()
    for a, b in zip(one.tables, other.tables):
        assert np.array_equal(a.counts, b.counts, equal_nan=True)


# --- mixing -----------------------------------------------------------------------------


def test_noisy_and_exact_numbers_do_not_mix():
    toy = design()
    noisy = release([cohort(hospital(60, 1))], toy, plan(), numpy_noise(3))
    exact = exact_profile(hospital(60, 1))
    refuse_mixing(noisy)
    refuse_mixing(exact, exact)
    with pytest.raises(ProfileError, match="toy is differentially private and toy is not"):
        refuse_mixing(noisy, exact)
    one_exact = replace(noisy, tables=(replace(noisy.tables[0], sigma=0.0), *noisy.tables[1:]))
    with pytest.raises(ProfileError, match="but table died x age x dx has no noise"):
        refuse_mixing(one_exact)
    with pytest.raises(ProfileError, match="variable sex of toy has noise"):
        refuse_mixing(replace(noisy, disclosure=Disclosure("none")))
    with pytest.raises(ProfileError, match="without its budget"):
        refuse_mixing(replace(noisy, disclosure=replace(noisy.disclosure, epsilon=None)))


def test_pairs_are_the_only_repeated_axis_and_pairs_of_a_lone_code_are_none():
    assert plan(max_codes=1)["dx x dx #5"].l2 == 1  # the noise of a pair that nobody can have
    assert [len(list(combinations(range(c), 2))) for c in (3, 5)] == [
        plan(max_codes=c)["dx x dx #5"].l1 for c in (3, 5)
    ]
