import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from llmsyn.checking import cells, check, count_violations, rules_of
from llmsyn.checking.cells import blocks, is_partition
from llmsyn.checking.distances import kolmogorov_smirnov, total_variation
from llmsyn.checking.rule import mean_z2_range, z_limit, z_scores
from llmsyn.cohort.types import Cohort
from llmsyn.errors import CheckFailed, CohortError
from llmsyn.knowledge.types import Impossible
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.terms import Range, Term
from llmsyn.profile.types import Disclosure, Profile, Rule
from llmsyn.profile.variables import Categorical, CodeSet, Numeric


def one_variable(counts, n=100.0, **more):
    levels = tuple("abcdefgh"[: len(counts)])
    return Profile(
        "toy", "patient", n, n, ("x0",),
        (Categorical("v", "x0", levels, np.array(counts, float), **more),),
    )  # fmt: skip


def toy():
    """40 F and 60 M; age in two bins and 10 missing; three codes, one table, one of pairs."""
    sex = Categorical("sex", "x0", ("F", "M"), np.array([40.0, 60.0]))
    age = Numeric("age", "x0", "years", 0, np.array([0.0, 50, 100]), np.array([30.0, 60.0]), 10.0)
    dx = CodeSet(
        "dx", "x1", ("icd10cm",), ("A", "B", "C"), np.array([50.0, 30, 20]),
        main=np.array([40.0, 20, 10]), main_unlisted=20.0,
        listed=np.array([20.0, 60, 20]), unlisted=np.array([70.0, 30.0]),
    )  # fmt: skip
    pairs = np.array([[np.nan, 10, 5], [10, np.nan, 0], [5, 0, np.nan]])
    tables = (
        Table((Axis("sex", ("F", "M")), Axis("dx", dx.codes)), np.array([[20.0, 30, 0], [30, 0, 20]])),
        Table((Axis("dx", dx.codes), Axis("dx", dx.codes)), pairs),
    )  # fmt: skip
    return Profile("toy", "patient", 100, 100, ("x0", "x1"), (sex, age, dx), tables)


def scaled(profile, factor):
    """The same shares among ``factor`` times as many units."""

    def grown(v):
        if isinstance(v, Categorical):
            return replace(v, counts=v.counts * factor)
        if isinstance(v, Numeric):
            return replace(v, counts=v.counts * factor, missing_count=v.missing_count * factor)
        return replace(
            v, counts=v.counts * factor, main=v.main * factor, listed=v.listed * factor,
            main_unlisted=v.main_unlisted * factor, unlisted=v.unlisted * factor,
        )  # fmt: skip

    return replace(
        profile,
        n_units=profile.n_units * factor,
        variables=tuple(map(grown, profile.variables)),
        tables=tuple(replace(t, counts=t.counts * factor) for t in profile.tables),
    )


# --- cells ------------------------------------------------------------------------------


def test_every_published_number_is_one_cell():
    names = [c.name for c in cells(toy())]
    assert names[:5] == ["sex=F", "sex=M", "age=[0,50)", "age=[50,100)", "age=missing"]
    assert "dx.main=(unlisted)" in names and "dx.count=2" in names and "dx.unlisted=1" in names
    assert "sex=M & dx=C" in names
    assert "dx=A & dx=B" in names and "dx=B & dx=A" not in names and "dx=A & dx=A" not in names
    assert len(names) == len(set(names)) == 2 + 3 + 3 + 4 + 3 + 2 + 6 + 3
    cell = next(c for c in cells(toy()) if c.name == "dx=B")
    assert (cell.share, cell.expected(1000)) == (0.3, 300)


def test_what_follows_from_other_cells_is_no_evidence():
    found = {b.name: b for b in blocks(toy())}
    assert found["sex"].free.tolist() == [True, False]
    assert found["age"].free.tolist() == [True, False, True]
    # Sex is complete, so the last row of sex x dx is dx less the first row.
    assert found["sex x dx"].free.tolist() == [[True] * 3, [False] * 3]
    assert found["dx x dx"].counted.sum() == 3
    rounded = blocks(one_variable([40, np.nan]))[0]
    assert rounded.free.all()


def test_ranges_that_cover_a_number_are_a_partition():
    profile = toy()
    assert is_partition(Axis("age", ("[0,50)", "[50,inf)", "missing")), profile)
    assert not is_partition(Axis("age", ("[0,50)", "[50,100)")), profile)  # missing left out
    assert not is_partition(Axis("age", ("[0,40)", "[50,100)", "missing")), profile)
    assert is_partition(Axis("dx.count", ("0", "1", "2")), profile)
    assert not is_partition(Axis("dx.count", ("1", "2")), profile)
    assert not is_partition(Axis("dx", ("A", "B", "C")), profile)


# --- the rule ---------------------------------------------------------------------------

ZERO = np.zeros(1)


def z_of(count, n, p, half_width=0.0, sigma=0.0):
    return float(z_scores(*(np.array([count], float), n, np.array([p])),
                          np.array([half_width]), np.array([sigma]))[0])  # fmt: skip


def test_the_limit_is_that_of_the_method():
    assert z_limit(5000) == pytest.approx(4.7534, abs=1e-4)
    assert z_limit(1) == pytest.approx(2.5758, abs=1e-4)


def test_z_by_hand():
    # 10,000 units, 12% expected: 1,200 +- sqrt(1,056); 1,300 is 100 / 32.496 away.
    assert z_of(1300, 10_000, 0.12) == pytest.approx(3.0773, abs=1e-4)
    assert z_of(1100, 10_000, 0.12) == pytest.approx(-3.0773, abs=1e-4)
    # A share known to 0.5%: the nearest point is 12.5%, 50 units away from 1,300.
    nearest = 50 / np.sqrt(10_000 * 0.125 * 0.875)
    assert z_of(1300, 10_000, 0.12, half_width=0.005) == pytest.approx(nearest)
    assert z_of(1240, 10_000, 0.12, half_width=0.005) == 0
    # Privacy noise adds its variance: 100 / sqrt(1,056 + 50^2).
    assert z_of(1300, 10_000, 0.12, sigma=0.005) == pytest.approx(100 / np.sqrt(3556))


def test_a_share_of_nothing_or_everyone_allows_no_unit():
    assert z_of(0, 100, 0.0) == 0 and z_of(100, 100, 1.0) == 0
    assert z_of(1, 100, 0.0) == np.inf and z_of(99, 100, 1.0) == -np.inf
    # A rounded zero is no mask: up to 2.5 of 100 are within it.
    assert z_of(2, 100, 0.0, half_width=0.025) == 0
    assert np.isfinite(z_of(9, 100, 0.0, half_width=0.025))


@given(st.integers(1, 60), st.floats(0.01, 0.99), st.integers(0, 60))
@settings(max_examples=150)
def test_few_expected_are_judged_by_the_exact_binomial(n, p, count):
    count = min(count, n)
    pmf = [stats.binom.pmf(k, n, p) for k in range(n + 1)]
    tail = min(sum(pmf[: count + 1]), sum(pmf[count:]), 0.5)
    expected = stats.norm.isf(max(tail, 1e-300))
    assert abs(z_of(count, n, p)) == pytest.approx(expected, abs=1e-6)


def test_few_expected_with_noise_are_averaged_over_it():
    n, p, sigma, count = 1000, 0.01, 0.004, 25
    rng = np.random.default_rng(5)
    shares = np.clip(rng.normal(p, sigma, 400_000), 0, 1)
    tail = stats.binom.sf(count - 1, n, shares).mean()
    assert z_of(count, n, p, sigma=sigma) == pytest.approx(stats.norm.isf(tail), abs=0.02)


def test_the_mean_of_z_squared_may_vary_more_with_few_cells():
    assert mean_z2_range(2000) == (0.8, 1.2)
    low, high = mean_z2_range(10)
    assert stats.chi2.cdf(10 * high, 10) - stats.chi2.cdf(10 * low, 10) == pytest.approx(0.99)
    assert mean_z2_range(0) == (0.0, np.inf)


# --- distances --------------------------------------------------------------------------


def test_distances_by_hand():
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.3, 0.3])
    assert total_variation(p, q) == pytest.approx(0.1)
    assert kolmogorov_smirnov(p, q) == pytest.approx(0.1)
    crossing = np.array([0.4, 0.5, 0.1])
    assert total_variation(p, crossing) == pytest.approx(0.2)
    assert kolmogorov_smirnov(p, crossing) == pytest.approx(0.1)
    # Suppressed: 0.5 is left for two levels; TV sees only their sum, KS spreads it evenly.
    hidden = np.array([0.5, np.nan, np.nan])
    assert total_variation(hidden, np.array([0.5, 0.5, 0.0])) == pytest.approx(0)
    assert kolmogorov_smirnov(hidden, np.array([0.5, 0.5, 0.0])) == pytest.approx(0.25)


# --- the check --------------------------------------------------------------------------


def test_a_cohort_that_is_its_profile_has_no_error():
    published = toy()
    report = check(scaled(published, 50), published, n=5000, independent=False)
    assert report.passed
    assert report.score("largest |z|").value == pytest.approx(0, abs=1e-9)
    # 27 cells less the three that are exactly zero.
    assert report.n_cells == 23 and report.score("masks broken").value == 0
    assert report.score("tv sex").value == 0 and report.score("ks age").value == 0
    assert report.score("mean z2").verdict == "info"
    # Drawn unit by unit, such a match would be too good to be true.
    assert check(scaled(published, 50), published, n=5000).score("mean z2").verdict == "fail"


def test_a_cell_beyond_the_limit_is_named():
    published = toy()
    measured = scaled(published, 100)
    dx = replace(measured["dx"], counts=np.array([5400.0, 3000, 2000]))
    measured = replace(measured, variables=(*measured.variables[:2], dx))
    report = check(measured, published, n=10_000, independent=False)
    assert not report.passed
    assert [f.cell for f in report.beyond] == ["dx=A"]
    found = report.beyond[0]
    assert found.z == pytest.approx(400 / 50) and found.error == pytest.approx(0.04)
    assert report.score("largest |z|").verdict == "fail"
    assert report.worst[0] == found
    assert report.to_json()["beyond"][0]["cell"] == "dx=A"
    for name in ("dx=A", "dx", "dx (0,)"):
        waived = check(measured, published, n=10_000, independent=False, waived=[name])
        assert waived.passed, name
        assert "dx=A" in [f.cell for f in waived.contradictory]


def test_waived_pairs_are_found_in_either_order_and_by_place():
    published = toy()
    measured = scaled(published, 100)
    pairs = measured.tables[1]
    counts = pairs.counts.copy()
    counts[0, 1] = counts[1, 0] = 2000
    measured = replace(measured, tables=(measured.tables[0], replace(pairs, counts=counts)))
    for name in ("dx=B & dx=A", "dx x dx (0, 1)"):
        assert check(measured, published, n=10_000, independent=False, waived=[name]).passed
    other = check(measured, published, n=10_000, independent=False, waived=["dx x dx (0, 2)"])
    assert [f.cell for f in other.beyond] == ["dx=A & dx=B"]


def test_a_histogram_whose_mean_is_contradicted_is_waived_whole():
    published = toy()
    measured = scaled(published, 100)
    dx = replace(measured["dx"], listed=np.array([1000.0, 8000, 1000]))
    measured = replace(measured, variables=(*measured.variables[:2], dx))
    assert not check(measured, published, n=10_000, independent=False).passed
    name = "dx (mean of the histogram)"
    report = check(measured, published, n=10_000, independent=False, waived=[name])
    assert report.passed
    assert {f.cell for f in report.contradictory} == {"dx.count=0", "dx.count=1", "dx.count=2"}


def test_a_single_unit_breaks_a_mask():
    published = toy()
    measured = scaled(published, 100)
    counts = measured.tables[0].counts.copy()
    counts[0, 2] = 1
    measured = replace(
        measured, tables=(replace(measured.tables[0], counts=counts), measured.tables[1])
    )
    report = check(measured, published, n=10_000, independent=False)
    assert [(f.cell, f.status) for f in report.beyond] == [("sex=F & dx=C", "mask broken")]
    assert report.score("masks broken").value == 1
    assert report.to_json()["beyond"][0]["z"] == "inf"


def test_beyond_a_hundred_thousand_units_the_promise_is_a_bound():
    published = one_variable([500.0, 300, 200], n=1000.0)
    n = 1_000_000
    off = one_variable([0.5015 * n, 0.2985 * n, 0.2 * n], n=float(n))  # z of 3 at its own n
    assert check(off, published, n=n).passed
    assert check(off, published, n=n).score("mean z2").verdict == "info"
    assert check(off, published, n=n, strict=True).score("mean z2").verdict == "fail"
    more = one_variable([0.5025 * n, 0.2975 * n, 0.2 * n], n=float(n))
    failed = check(more, published, n=n)
    assert [s.metric for s in failed.failed] == ["largest error of a share"]
    assert failed.score("largest error of a share").value == pytest.approx(0.0025)


def test_a_distance_beyond_its_tolerance_fails():
    published = one_variable([50.0, 30, 20])
    measured = one_variable([5200.0, 2850, 1950], n=10_000.0)
    score = check(measured, published, n=10_000).score("tv v")
    # 10,000 units explain 0.0068 on average, and 0.0163 more in one run of a hundred.
    assert score.value == pytest.approx(0.02) and score.verdict == "pass"
    assert score.reference == pytest.approx(0.0231, abs=1e-4)
    n = 100_000
    measured = one_variable([0.53 * n, 0.28 * n, 0.19 * n], n=float(n))
    assert check(measured, published, n=n).score("tv v").verdict == "fail"
    ordered = one_variable([50.0, 30, 20], ordered=True)
    score = check(one_variable([0.515 * n, 0.285 * n, 0.2 * n], n=n), ordered, n=n).score("ks v")
    assert score.value == pytest.approx(0.015) and score.verdict == "fail"


def test_rounded_numbers_are_intervals_and_no_evidence():
    published = one_variable([40.0, 35, 25], half_width=2.5)
    measured = one_variable([3800.0, 3600, 2600], n=10_000.0)
    report = check(measured, published, n=10_000)
    assert report.passed and report.score("largest |z|").value == 0
    assert report.score("mean z2").verdict == "undefined"


def test_a_frequent_suppressed_cell_is_a_warning_only():
    disclosure = Disclosure("suppression", threshold=11)
    published = replace(one_variable([900.0, np.nan, np.nan], n=1000.0), disclosure=disclosure)
    measured = one_variable([9000.0, 900, 100], n=10_000.0)
    report = check(measured, published, n=10_000, independent=False)
    assert report.passed
    assert [f.cell for f in report.above_threshold] == ["v=b"]  # 9% where 1% is the most
    assert report.score("suppressed cells above threshold").verdict == "warn"


def test_a_longer_histogram_is_folded_and_a_missing_block_is_an_error():
    published = toy()
    measured = scaled(published, 10)
    dx = replace(measured["dx"], listed=np.array([200.0, 600, 190, 10]))
    grown = replace(measured, variables=(*measured.variables[:2], dx))
    assert check(grown, published, n=1000, independent=False).passed
    bare = replace(measured, tables=())
    with pytest.raises(CohortError, match="no sex x dx .*measure the cohort with --like toy"):
        check(bare, published, n=1000)
    with pytest.raises(CohortError, match="no unit"):
        check(measured, published, n=0)
    hidden = one_variable([np.nan, 60])
    with pytest.raises(CohortError, match="without disclosure control"):
        check(hidden, one_variable([40.0, 60]), n=100)


def test_the_amount_of_unlisted_codes_is_told_where_it_is_all_there_is():
    dx = CodeSet("dx", "x1", ("icd10cm",), ("A",), np.array([50.0]), unlisted_per_unit=1.5)
    published = Profile("toy", "patient", 100, 100, ("x1",), (dx,))
    measured = replace(published, variables=(replace(dx, unlisted_per_unit=1.4),))
    score = check(measured, published, n=100).score("unlisted codes per unit dx")
    assert (score.value, score.reference, score.verdict) == (1.4, 1.5, "info")


def test_false_alarms_are_as_rare_as_promised():
    """Exact draws: 400 runs of 60 independent cells and one variable with 8 levels."""
    rng = np.random.default_rng(20261121)
    n, runs = 4000, 400
    shares = np.concatenate([np.linspace(0.002, 0.4, 60)])
    levels = np.array([0.3, 0.2, 0.15, 0.12, 0.1, 0.08, 0.04, 0.01])
    codes = tuple(f"C{i}" for i in range(60))

    def profile(units, prevalence, counts):
        v = Categorical("v", "x0", tuple("abcdefgh"), counts, ordered=True)
        dx = CodeSet("dx", "x1", ("icd10cm",), codes, prevalence)
        return Profile("toy", "patient", units, units, ("x0", "x1"), (v, dx))

    published = profile(1.0, shares, levels)
    beyond, means, distances = 0, [], 0
    for _ in range(runs):
        drawn = profile(
            float(n),
            rng.binomial(n, shares).astype(float),
            rng.multinomial(n, levels).astype(float),
        )
        report = check(drawn, published, n=n, top=0)
        beyond += report.score("largest |z|").verdict == "fail"
        distances += report.score("ks v").verdict == "fail"
        mean = report.score("mean z2")
        means.append(mean.value)
        assert mean.value > 0
    assert beyond <= stats.binom.ppf(0.999, runs, 0.01)
    assert distances <= stats.binom.ppf(0.999, runs, 0.01)
    assert np.mean(means) == pytest.approx(1, abs=4 * np.sqrt(2 / 67 / runs))
    low, high = mean_z2_range(65)
    alarms = sum(not low <= m <= high for m in means)
    assert alarms <= stats.binom.ppf(0.999, runs, 0.02)


def test_the_mean_of_z_squared_alarms_rarely_for_dependent_cells_too():
    """Lists of codes with an uneven burden: pairs depend on each other and on their margins."""
    rng = np.random.default_rng(7)
    rates = np.exp(rng.normal(-2.0, 0.8, 24))
    codes = tuple(f"C{i}" for i in range(24))

    def drawn(n):
        burden = np.exp(rng.normal(0, 0.7, n))
        return (rng.random((n, 24)) < 1 - np.exp(-burden[:, None] * rates)).astype(np.float32)

    def profile(x):
        pairs = (x.T @ x).astype(float)
        np.fill_diagonal(pairs, np.nan)
        listed = np.bincount(x.sum(1).astype(int), minlength=25).astype(float)
        dx = CodeSet("dx", "x1", ("icd10cm",), codes, x.sum(0, dtype=float), listed=listed)
        table = Table((Axis("dx", codes), Axis("dx", codes)), pairs)
        return Profile("toy", "patient", len(x), len(x), ("x1",), (dx,), (table,))

    published, runs = profile(drawn(400_000)), 80
    scores = [
        check(profile(drawn(2000)), published, n=2000, top=0).score("mean z2") for _ in range(runs)
    ]
    assert np.mean([s.value for s in scores]) == pytest.approx(1, abs=0.05)
    # Were all 300 cells independent, the means would spread by 0.08.
    assert np.std([s.value for s in scores]) > 0.1
    assert sum(s.verdict == "fail" for s in scores) <= 3


# --- impossible combinations ------------------------------------------------------------


def cohort(codes, sex=("F", "M", "F", "M"), age=(3.0, 40.0, None, 70.0)):
    rows, names, positions = zip(*codes)
    table = pa.table({
        "row": pa.array(rows, pa.int32()),
        "code": pa.array(names).dictionary_encode(),
        "position": pa.array(positions, pa.int16()),
    })  # fmt: skip
    units = pa.table({
        "patient_id": [str(i) for i in range(len(sex))],
        "sex": pa.array(sex).dictionary_encode(),
        "age": pa.array(age, pa.float64()),
    })  # fmt: skip
    return Cohort("synthetic", "patient", units, {"dx": table})


CODES = [
    (0, "A", 0),
    (0, "B", 1),
    (1, "A", 0),
    (1, "(unlisted)", 1),
    (2, "B", 0),
    (3, "C", 0),
    (3, "A", 1),
]


def impossible(*terms, rule="r"):
    return Impossible(tuple(terms), rule)


def brute(batch, rule):
    table, units = batch.codes["dx"].to_pylist(), batch.units.to_pylist()

    def holds(term, row):
        own = [c for c in table if c["row"] == row]
        listed = [c for c in own if c["code"] != "(unlisted)"]
        if term.variable == "dx":
            return any(c["code"] == term.value for c in listed)
        if term.variable == "dx.main":
            return any(c["code"] == term.value and c["position"] == 0 for c in listed)
        if term.variable == "dx.count":
            return len(listed) == int(term.value)
        if term.variable == "dx.unlisted":
            return len(own) - len(listed) == int(term.value)
        value = units[row][term.variable]
        if isinstance(term.value, Range):
            return value is not None and term.value.low <= value < term.value.high
        return value is None if term.value == "missing" else value == term.value

    return sum(all(holds(t, row) for t in rule.terms) for row in range(len(units)))


TERMS = [
    Term("sex", "F"), Term("sex", "M"), Term("sex", "X"), Term("age", Range(0, 18)),
    Term("age", Range(65, np.inf)), Term("age", "missing"), Term("dx", "A"), Term("dx", "B"),
    Term("dx", "C"), Term("dx", "Z"), Term("dx.main", "A"), Term("dx.count", "1"),
    Term("dx.unlisted", "1"),
]  # fmt: skip


@given(st.lists(st.lists(st.sampled_from(TERMS), min_size=1, max_size=3), min_size=1, max_size=6))
@settings(max_examples=60)
def test_violations_are_those_of_a_slow_twin(rules):
    rules = [impossible(*terms) for terms in rules]
    batch = cohort(CODES)
    counts = count_violations([batch, batch], rules)
    assert counts == {rule: 2 * brute(batch, rule) for rule in rules}


def test_violations_by_hand_and_in_the_report():
    rules = [
        impossible(Term("dx", "A"), Term("sex", "M"), rule="mce-sex"),
        impossible(Term("dx", "B"), Term("dx", "A"), rule="exclusive"),
        impossible(Term("dx", "C"), Term("age", Range(0, 18)), rule="mce-age"),
    ]
    counts = count_violations([cohort(CODES)], rules)
    assert list(counts.values()) == [2, 1, 0]
    published = toy()
    report = check(
        scaled(published, 10), published, n=1000, independent=False, impossibles=rules, violation_counts=counts
    )  # fmt: skip
    assert [(b.rule, b.units) for b in report.broken] == [("mce-sex", 2), ("exclusive", 1)]
    assert report.broken[0].terms == "dx=A & sex=M"
    assert report.score("impossible mce-age").verdict == "pass"
    assert {s.metric for s in report.failed} == {"impossible mce-sex", "impossible exclusive"}


def test_a_rule_on_an_absent_variable_is_named():
    with pytest.raises(CohortError, match="a rule names race, which this cohort does not have"):
        count_violations([cohort(CODES)], [impossible(Term("race", "x"))])
    with pytest.raises(CohortError, match="compares a number with a text"):
        count_violations([cohort(CODES)], [impossible(Term("age", "old"))])


def test_a_profiles_own_rules_are_looked_for():
    rule = Rule((Term("sex", "F"), Term("age", Range(65, 90))), "because", "source")
    found = rules_of(replace(toy(), rules=(rule,)))
    assert found == (Impossible(rule.never, "profile", "source"),)


def test_a_cohort_without_codes_breaks_nothing():
    empty = pa.table({
        "row": pa.array([], pa.int32()),
        "code": pa.array([], pa.string()).dictionary_encode(),
        "position": pa.array([], pa.int16()),
    })  # fmt: skip
    batch = replace(cohort(CODES), codes={"dx": empty})
    assert count_violations([batch], [impossible(Term("dx", "A"))]) == {
        impossible(Term("dx", "A")): 0
    }


# --- the command ------------------------------------------------------------------------


def write_cohort(folder, batch, **settings):
    """A cohort folder as generate writes it."""
    ids = batch.units["patient_id"]
    (folder / "patients").mkdir(parents=True)
    (folder / "dx").mkdir()
    pq.write_table(batch.units, folder / "patients" / "part-00000.parquet")
    table = batch.codes["dx"]
    table = table.append_column("patient_id", ids.take(table["row"])).drop_columns(["row"])
    pq.write_table(table, folder / "dx" / "part-00000.parquet")
    files = ["patients/part-00000.parquet", "dx/part-00000.parquet"]
    manifest = {
        "schema": 1, "origin": "synthetic", "unit": "patient", "n": len(batch), "code_sets": ["dx"],
        "parts": [{"file": f} for f in files], "settings": settings,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))


def command(*arguments):
    from click.testing import CliRunner

    from llmsyn.cli.check import check as command

    return CliRunner().invoke(command, [str(a) for a in arguments])


@pytest.fixture
def folders(tmp_path):
    """A cohort of 400, its own profile, and one with another share of code A."""
    from llmsyn.measurement import measure
    from llmsyn.profile.writing import write_profile

    batch = cohort(
        [(100 * k + r, c, p) for k in range(4) for r in range(100) for c, p in
         ([("A", 0)] if r < 60 else [("B", 0), ("C", 1)] if r < 90 else [("(unlisted)", 0)])],
        sex=tuple("FM"[i % 2] for i in range(400)), age=tuple(float(20 + i % 70) for i in range(400)),
    )  # fmt: skip
    own = measure([batch], toy()).profile
    dx = own["dx"]
    fewer = np.array([-100.0, 0, 0])
    off = replace(dx, counts=dx.counts + fewer, main=dx.main + fewer)
    other = replace(own, name="other", variables=(*own.variables[:2], off), tables=())
    write_cohort(tmp_path / "cohort", batch, quotas=True)
    write_profile(own, tmp_path / "own")
    write_profile(other, tmp_path / "other")
    return tmp_path


def test_the_command_passes_a_cohort_that_meets_its_profile(folders):
    done = command(folders / "cohort", folders / "own", "--no-shipped-knowledge")
    assert done.exit_code == 0, done.output
    assert "check passed" in done.output and "largest |z|" in done.output
    quiet = command(folders / "cohort", folders / "own", "--no-shipped-knowledge", "--quiet")
    assert (quiet.exit_code, quiet.output) == (0, "")


def test_the_command_fails_one_that_does_not_and_says_where(folders):
    arguments = (folders / "cohort", folders / "other", "--no-shipped-knowledge")
    failed = command(*arguments, "--json")
    assert isinstance(failed.exception, CheckFailed) and failed.exception.exit_code == 4
    assert "is beyond tolerance: largest |z|" in str(failed.exception)
    report = json.loads(failed.stdout)
    assert report["passed"] is False and report["n"] == 400
    assert [c["cell"] for c in report["beyond"]] == ["dx=A", "dx.main=A"]
    assert "check failed" in command(*arguments, "--top", "0").output


def test_the_command_compares_only_the_tables_that_were_asked_for(folders):
    manifest = folders / "cohort" / "manifest.json"
    settings = json.loads(manifest.read_text())
    settings["network"] = {"tables": ["sex x dx"], "unmet": ["dx=A", "dx.main=A"]}
    manifest.write_text(json.dumps(settings))
    done = command(folders / "cohort", folders / "own", "--no-shipped-knowledge", "--json")
    cells_compared = json.loads(done.stdout)["n_cells"]
    assert done.exit_code == 0 and cells_compared < 27
    waived = command(folders / "cohort", folders / "other", "--no-shipped-knowledge")
    assert waived.exit_code == 0 and "contradictory in the profile" in waived.output
