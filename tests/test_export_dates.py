"""Dates: a function of seed and patient, and in agreement with what was drawn."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from export_toys import CHRONIC, toy_cohort, toy_profile, with_variable
from hypothesis import given
from hypothesis import strategies as st

from llmsyn.cohort.parts import synthetic_parts
from llmsyn.errors import CohortError, InputError
from llmsyn.export.births import birth_dates
from llmsyn.export.chart import chart_of, charts, open_source
from llmsyn.export.dates import Calendar, visits_of
from llmsyn.export.uniforms import uniforms
from llmsyn.profile.variables import UNLISTED

CALENDAR = Calendar(5, date(2021, 3, 1), date(2021, 3, 10))


@pytest.fixture(scope="module")
def repeated(tmp_path_factory):
    """A cohort whose patients come back."""
    return toy_cohort(tmp_path_factory.mktemp("repeated") / "c", n=120, repeats=True)


@pytest.fixture(scope="module")
def chart(repeated):
    (cohort,) = [c for i, c in enumerate(synthetic_parts(repeated)) if i == 1]
    return chart_of(cohort, toy_profile(repeats=True), CALENDAR)


# --- uniforms -----------------------------------------------------------------------------


def test_uniforms_are_uniform_and_independent_of_what_stands_beside_them():
    ids = np.arange(1, 100_001)
    u = uniforms(3, "a", ids)
    assert u.min() >= 0 and u.max() < 1
    assert np.abs(np.histogram(u, 20, (0, 1))[0] / 5_000 - 1).max() < 0.07
    assert abs(np.corrcoef(u, uniforms(3, "b", ids))[0, 1]) < 0.02
    assert abs(np.corrcoef(u, uniforms(4, "a", ids))[0, 1]) < 0.02
    assert abs(np.corrcoef(u[1:], u[:-1])[0, 1]) < 0.02
    assert np.array_equal(u[500:510], uniforms(3, "a", ids[500:510]))
    assert (uniforms(3, "a", ids, 1) != uniforms(3, "a", ids, 2)).mean() > 0.99


# --- visits -------------------------------------------------------------------------------


def test_dates_do_not_depend_on_the_parts(tmp_path):
    for repeats in (False, True):
        found = []
        for parts in (1, 4):
            folder = toy_cohort(tmp_path / f"{repeats}-{parts}", parts=parts, repeats=repeats)
            seen = [
                (c.visits.ids[e.visit].tolist(), [e.codes[k] for k in e.code], e.time.tolist())
                for c in charts(open_source(folder), CALENDAR)
                for e in c.events.values()
            ]
            found.append(sorted((v, k, t) for vs, ks, ts in seen for v, k, t in zip(vs, ks, ts, strict=True)))  # fmt: skip
        assert found[0] == found[1] and len(found[0]) > 100


def test_a_visit_lies_where_it_is_said_to(tmp_path):
    folder = toy_cohort(tmp_path / "c", n=200, unit="stay")
    (source, n) = open_source(folder), 0
    for chart in charts(source, CALENDAR):
        visits = chart.visits
        days = visits.admitted.astype("datetime64[D]")
        assert days.min() >= np.datetime64("2021-03-01")
        assert days.max() <= np.datetime64("2021-03-10")
        assert np.array_equal(visits.ids, chart.person)
        stay = (visits.discharged - visits.admitted).astype(float) / 86_400
        assert np.allclose(stay, chart.units["stay_days"].to_numpy(), atol=1e-4)
        n += len(visits)
    assert n == 200


def test_seeds_differ(tmp_path):
    folder = toy_cohort(tmp_path / "c", parts=1)
    one, two = (next(charts(open_source(folder), Calendar(seed))) for seed in (1, 2))
    assert (one.visits.admitted != two.visits.admitted).mean() > 0.9


def test_who_has_no_length_of_stay_gets_the_stated_one(tmp_path):
    folder = toy_cohort(tmp_path / "c", parts=1)
    (cohort,) = synthetic_parts(folder)
    plain = with_variable(toy_profile(), "stay_days", concept=None)
    visits = visits_of(cohort.units, plain, Calendar(0, stay_days=2.5))
    assert set((visits.discharged - visits.admitted).astype(int)) == {int(2.5 * 86_400)}
    hours = with_variable(toy_profile(), "stay_days", unit="hours")
    visits = visits_of(cohort.units, hours, CALENDAR)
    seconds = (visits.discharged - visits.admitted).astype(int)
    assert np.abs(seconds - cohort.units["stay_days"].to_numpy() * 3600).max() <= 1
    moons = with_variable(toy_profile(), "stay_days", unit="moons")
    with pytest.raises(InputError, match="'moons', expected one of day, days"):
        visits_of(cohort.units, moons, CALENDAR)


def test_further_visits_follow_at_the_published_gaps(repeated, chart):
    units = chart.units
    visits = chart.visits
    count = np.diff(visits.start)
    assert np.array_equal(count, units["visits"].to_numpy()) and count.max() > 2
    assert len(set(visits.ids.tolist())) == len(visits)
    assert (visits.ids // 10 == chart.person[visits.row]).all()
    gap = (visits.admitted[1:] - visits.discharged[:-1]).astype(float) / 86_400
    same = visits.row[1:] == visits.row[:-1]
    assert gap[same].min() >= 10 and gap[same].max() < 90
    first = same & (visits.number[1:] == 1)
    drawn = units["gap"].to_numpy()[visits.row[1:]][first]
    assert np.allclose(gap[first], drawn)
    later = visits.number > 0
    stay = (visits.discharged - visits.admitted).astype(float)[later] / 86_400
    assert stay.min() >= 0 and stay.max() < 30 and len(set(stay)) > 5


def test_stays_never_repeat(tmp_path):
    """A profile that counts stays says nothing of who comes back."""
    folder = toy_cohort(tmp_path / "c", unit="stay", repeats=True)
    for chart in charts(open_source(folder), CALENDAR):
        assert (np.diff(chart.visits.start) == 1).all()


# --- births and deaths --------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 130), min_size=1, max_size=20),
    st.integers(0, 2**63 - 1),
    st.dates(date(1900, 1, 1), date(2100, 1, 1)),
)
def test_everyone_is_as_old_as_drawn(ages, seed, first):
    units = pa.table({"patient_id": np.arange(len(ages)), "age": pa.array(ages, pa.float64()),
                      "stay_days": pa.array([1.0] * len(ages))})  # fmt: skip
    visits = visits_of(units, toy_profile(), Calendar(seed, first, first))
    born = birth_dates(units, visits, toy_profile(), seed).tolist()
    for age, birth in zip(ages, born, strict=True):
        birthday_passed = (first.month, first.day) >= (birth.month, birth.day)
        assert first.year - birth.year - (not birthday_passed) == age


def test_a_missing_age_is_no_birthday(tmp_path):
    chart = next(charts(open_source(toy_cohort(tmp_path / "c", parts=1)), CALENDAR))
    assert np.isnat(chart.born).tolist() == [i == 6 for i in range(len(chart))]


def test_death_ends_the_last_visit(chart):
    died = np.array(chart.units["died"].to_pylist()) == "yes"
    assert np.array_equal(~np.isnat(chart.died), died) and died.any() and not died.all()
    last = chart.visits.start[1:] - 1
    assert (chart.died[died] == chart.visits.discharged[last][died]).all()


# --- events -------------------------------------------------------------------------------


def test_events_lie_in_their_visit_in_order(chart):
    latest = np.full(len(chart.visits), np.datetime64("0001-01-01"), "datetime64[s]")
    for name, events in chart.events.items():
        begin, end = chart.visits.admitted[events.visit], chart.visits.discharged[events.visit]
        assert (begin <= events.time).all() and (events.time <= events.end).all()
        assert (events.end <= end).all()
        key = list(zip(events.visit.tolist(), events.time.tolist(), strict=True))
        assert key == sorted(key)
        if name == "diagnoses":
            np.maximum.at(latest, events.visit, events.time)
            main = events.position == 0
            assert (events.time[main] == begin[main]).all()
        else:
            assert (events.time >= latest[events.visit]).all()  # diagnoses come first
    drugs = chart.events["drugs"]
    assert (drugs.end > drugs.time).any()


def test_chronic_diagnoses_stay_and_others_do_not(chart, repeated):
    table = list(synthetic_parts(repeated))[1].codes["diagnoses"]
    drawn = table["row"].to_pylist(), table["code"].to_pylist()
    events = chart.events["diagnoses"]
    visits = chart.visits
    seen: dict[tuple[int, str], list[int]] = {}
    for visit, code in zip(events.visit.tolist(), events.code.tolist(), strict=True):
        seen.setdefault((int(visits.row[visit]), events.codes[code]), []).append(
            int(visits.number[visit])
        )
    carried = 0
    for (row, code), numbers in seen.items():
        last = int(visits.start[row + 1] - visits.start[row]) - 1
        if code in CHRONIC:
            assert sorted(numbers) == list(range(min(numbers), last + 1))
            carried += len(numbers) > 1
        elif code != UNLISTED:
            assert len(numbers) == 1
    assert carried > 3
    # Who has a code keeps it, and nobody else gets it.
    assert {k for k in seen if k[1] != UNLISTED} == {
        (row, code)
        for row, code in zip(*drawn, strict=True)
        if code != UNLISTED
    }  # fmt: skip
    main = events.position == 0
    assert (visits.number[events.visit[main]] == 0).all()


# --- refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"first": date(2021, 1, 2), "last": date(2021, 1, 1)}, "ends on 2021-01-01, before"),
        ({"first": date(1600, 1, 2)}, "between the years 1700 and 2200"),
        ({"stay_days": -1.0}, "stay of -1 days"),
        ({"gap_days": float("nan")}, "gap of nan days"),
    ],
)
def test_a_calendar_must_be_possible(given, message):
    with pytest.raises(InputError, match=message):
        Calendar(0, **given)


def test_only_finished_synthetic_cohorts_are_exported(tmp_path):
    folder = toy_cohort(tmp_path / "c")
    (folder / "manifest.json").unlink()
    with pytest.raises(CohortError, match="no manifest"):
        open_source(folder)


def test_a_changed_part_is_noticed(tmp_path):
    folder = toy_cohort(tmp_path / "c")
    part = folder / "drugs" / "part-00001.parquet"
    part.write_bytes(part.read_bytes()[:-30])
    with pytest.raises(CohortError, match="changed after it was written"):
        list(charts(open_source(folder), CALENDAR))
