"""Random populations -> measure -> disclose, against all populations that the release allows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from disclosure_toys import Form, Kind, measured
from disclosure_worlds import Worlds, derived_events, printed_events
from hypothesis import assume, given, reject
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from llmsyn.disclosure.audit import audit
from llmsyn.disclosure.release import Release, disclose
from llmsyn.disclosure.settings import Settings
from llmsyn.disclosure.slots import printed, slots
from llmsyn.errors import InfeasibleError, InputError
from llmsyn.measurement import Measurement
from llmsyn.profile.tables import Table
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import FloatArray

EXAMPLES = 60 if os.environ.get("LLMSYN_FUZZ") else 10
"""Populations a property is tried on; ``make soak`` tries more."""

T = 4

LEVELS = Form({"sex": ("F", "M", "X"), "ward": ("u", "v", "w")}, {}, {}, (("sex", "ward"),))
CODES = Form({}, {}, {"dx": ("a", "b", "c")}, (("dx", "dx"),), main=False, histograms=False)
LISTED = Form({"died": ("no", "yes")}, {}, {"dx": ("a", "b")}, (("dx", "died"),))
MAIN = replace(LISTED, histograms=False, mean=False)
CUBE = Form(
    {"sex": ("F", "M"), "died": ("no", "yes"), "ward": ("u", "v", "w")},
    {},
    {},
    (("sex", "died"), ("died", "ward"), ("sex", "died", "ward")),
)
LISTS = tuple(
    {"dx": tuple(c), "died": d}
    for c in ["", "a", "b", "ab", "ba", "az", "zb", "z"]
    for d in ("no", "yes")
)
KINDS: dict[str, tuple[Form, tuple[dict[str, Any], ...], int]] = {
    "levels": (LEVELS, tuple({"sex": s, "ward": w} for s in "FMX" for w in "uvw"), 0),
    "codes": (
        CODES,
        tuple({"dx": tuple(c)} for c in ["", "a", "b", "c", "ab", "ac", "bc", "abc"]),
        0,
    ),
    "main": (MAIN, LISTS, 3),
    "histograms": (LISTED, LISTS, 3),
    "cube": (
        CUBE,
        tuple({"sex": s, "died": d, "ward": w} for s in "FM" for d in ("no", "yes") for w in "uvw"),
        0,
    ),
}


def leaks(release: Profile, exact: Profile, settings: Settings, most_unlisted: int) -> list[str]:
    """Small counts that the release gives away, by the tests of METHOD.md section 2."""
    t = settings.threshold
    worlds = Worlds(release, most_unlisted)
    true = {name: n for name, _, n in printed_events(exact)}
    counted = Worlds(exact, most_unlisted)
    least = 1 if settings.zeros_published else 0  # of a count that is left out for its size
    withheld = set(unmentioned(release))
    found, told, small = [], [], []
    for name, event, n in printed_events(release):
        if np.isnan(n) and name not in withheld and least <= true.get(name, 0.0) < t:
            told.append(event)
        if not 1 <= true.get(name, 0.0) < t:
            continue
        small.append((name, event))
        if not np.isnan(n):
            found.append(f"{name} is printed")
        elif name not in withheld and worlds.least(event) > 1:
            found.append(f"{name} is at least {worlds.least(event)}")
    for name, event in derived_events(exact):
        low, high = counted.range(event)
        if low >= 1 and high < t:  # else the exact counts leave it open whether it is small
            small.append((name, event))
    informed = worlds.told(told, least, t - 1)
    for name, event in small:
        if worlds.most(event) < t:
            found.append(f"{name} is at most {worlds.most(event)}")
        low, high = informed.range(event)
        if low == high:
            found.append(f"{name} is {low} for who knows the rule")
    return found


def unmentioned(release: Profile) -> Iterator[str]:
    """Cells of tables in whose row or column nothing is printed.

    They are no more left out than the complement of a code is, and what follows of them from
    the margins is no secret of the table; an upper bound below T still is.
    """
    for table in release.tables:
        shown = ~np.isnan(table.counts)
        for at in np.ndindex(*shown.shape):
            if not all(shown.take(i, axis=axis).any() for axis, i in enumerate(at)):
                labels = zip(table.axes, at, strict=True)
                yield " & ".join(f"{a.variable}={a.labels[i]}" for a, i in labels)


def populations(kinds: tuple[dict[str, Any], ...]) -> st.SearchStrategy[list[Kind]]:
    """So many units of each kind; many kinds are rare."""
    number = st.sampled_from([0, 0, 1, 1, 2, 3, 3, 4, 5, 7, 9])
    several = st.lists(number, min_size=len(kinds), max_size=len(kinds))
    return several.map(lambda numbers: list(zip(kinds, numbers, strict=True)))


def released(exact: Measurement, settings: Settings) -> Release:
    """The release; a population too small for any is no example."""
    try:
        return disclose(exact, settings)
    except InfeasibleError:
        reject()


def both(release: Profile, exact: Profile) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Printed counts, and another profile's counts of the same cells."""
    for slot in slots(release):
        counts = printed(release, slot)
        if slot.place == "table":
            others = _same_cells(release.tables[slot.index], exact)
        else:
            others = printed(exact, slot)
        if counts.shape != others.shape:  # a histogram whose tail was pooled
            others = np.append(others, np.zeros(len(counts)))[: len(counts)]
        yield counts[~np.isnan(counts)], others[~np.isnan(counts)]


def _same_cells(table: Table, exact: Profile) -> FloatArray:
    """The cells of a printed table, which may lack labels, in the one that it was made from."""
    (whole,) = [t for t in exact.tables if t.name == table.name]
    index = [
        [full.labels.index(label) for label in axis.labels]
        for axis, full in zip(table.axes, whole.axes, strict=True)
    ]
    return whole.counts[np.ix_(*index)]


asked = st.builds(Settings, threshold=st.just(T), zeros_published=st.booleans())


# Not with histograms: that two codes cannot but overlap says that somebody has two, and what
# follows from the existence of a joint table the audit does not look for (its docstring).
@pytest.mark.parametrize("name", [name for name in KINDS if name != "histograms"])
@hypothesis_settings(max_examples=EXAMPLES)
@given(data=st.data(), settings=asked)
def test_no_release_gives_a_small_count_away(
    name: str, settings: Settings, data: st.DataObject
) -> None:
    """Against integer programs over all populations that the release allows."""
    form, kinds, most_unlisted = KINDS[name]
    people = data.draw(populations(kinds))
    assume(sum(n for _, n, *_ in people) >= 2 * T)
    exact = measured(form, people)
    release = released(exact, settings)
    assert leaks(release.profile, exact.profile, settings, most_unlisted) == []


@pytest.mark.parametrize("name", KINDS)
@hypothesis_settings(max_examples=EXAMPLES)
@given(data=st.data(), settings=asked, rounding=st.sampled_from([1, 5]), stays=st.booleans())
def test_the_printed_profile_passes_the_audit(
    name: str, settings: Settings, rounding: Any, stays: bool, data: st.DataObject
) -> None:
    """The audit reads what is printed, and knows nothing of how it was chosen."""
    form, kinds, _ = KINDS[name]
    people = data.draw(populations(kinds))
    assume(sum(n for _, n, *_ in people) >= 2 * T)
    if stays:
        people = [(kind, 3 * n, n) for kind, n, *_ in people]
    exact = measured(form, people)
    settings = replace(settings, rounding=rounding)
    release = released(exact, settings)
    seen = {"units": exact.profile, "patients": exact.patients}
    assert audit(release.profile, settings, **seen).findings == ()
    assert audit(release.profile, settings).findings == ()
    for _, behind in both(release.profile, exact.patients):
        assert ((behind >= T) | (behind == 0)).all()
        assert settings.zeros_published or (behind > 0).all()


@hypothesis_settings(max_examples=EXAMPLES)
@given(people=populations(KINDS["levels"][1]))
def test_what_is_printed_is_true(people: list[Kind]) -> None:
    assume(sum(n for _, n, *_ in people) >= 2 * T)
    exact = measured(LEVELS, people)
    release = released(exact, Settings(threshold=T))
    pairs = list(both(release.profile, exact.profile))
    assert all(np.array_equal(shown, true) for shown, true in pairs)
    assert sum(len(shown) for shown, _ in pairs) == release.audit.n_printed


def test_the_most_useful_cells_stay() -> None:
    """One small cell in a large table: four cells go, no margin, and the rest is printed."""
    people: list[Kind] = [
        ({"sex": s, "ward": w}, 3 if (s, w) == ("F", "u") else 40) for s in "FMX" for w in "uvw"
    ]
    release = disclose(measured(LEVELS, people), Settings(threshold=T))
    (table,) = release.profile.tables
    assert int(np.isnan(table.counts).sum()) == 4
    assert np.isnan(table.counts[0, 0]) and np.isnan(table.counts).sum(axis=0).max() == 2
    assert not np.isnan(np.concatenate([v.counts for v in release.profile.variables])).any()
    assert release.reasons == {"complementary": 3, "small": 1}
    reasons = {r.cell: r for r in release.removed}
    assert reasons["sex=F & ward=u"].count == 3
    assert {r.protects for r in release.removed if r.reason == "complementary"} == {
        "sex=F & ward=u"
    }


def test_nothing_is_left_out_where_nothing_is_small() -> None:
    people: list[Kind] = [({"sex": s, "ward": w}, 40) for s in "FMX" for w in "uvw"]
    release = disclose(measured(LEVELS, people), Settings(threshold=11))
    assert release.removed == () and release.reasons == {}
    assert release.audit.clean and release.audit.n_suppressed == 0


def test_the_measurement_is_left_as_it_is() -> None:
    people: list[Kind] = [({"sex": s, "ward": w}, 5) for s in "FMX" for w in "uvw"]
    exact = measured(LEVELS, people)
    disclose(exact, Settings(threshold=11))
    assert (exact.profile.tables[0].counts == 5).all()


def test_a_population_too_small_is_refused_in_one_sentence() -> None:
    with pytest.raises(InfeasibleError, match="measure fewer variables or a larger population"):
        disclose(measured(LEVELS, [({"sex": "F", "ward": "u"}, 3)]), Settings(threshold=11))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"threshold": 1}, "threshold 1 protects nobody"),
        ({"rounding": 3}, "rounding base 3 is not known"),
        ({"max_membership_auc": 0.4}, "max_membership_auc 0.4 is no useful limit"),
    ],
)
def test_settings_that_make_no_sense(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Settings(**wrong)
