"""The audit: planted leaks of each kind, each beside the same release without it; exact ranges."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from disclosure_leaks import LEAKS, STAYS, Leak, codes_only
from disclosure_toys import Form, Kind, measured, rounded_to_5, without
from disclosure_worlds import Worlds, printed_events
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from llmsyn.disclosure.atoms import REST
from llmsyn.disclosure.audit import audit
from llmsyn.disclosure.bounds import ContradictionError, exact_ranges, propagate
from llmsyn.disclosure.release import disclose
from llmsyn.disclosure.settings import Settings
from llmsyn.disclosure.statements import statements
from llmsyn.disclosure.system import Tier
from llmsyn.disclosure.views import published
from llmsyn.errors import CheckFailed
from llmsyn.profile.variables import CodeSet

EXAMPLES = 60 if os.environ.get("LLMSYN_FUZZ") else 10
"""Populations a property is tried on; ``make soak`` tries more."""

T11 = Settings(threshold=11, zeros_published=True)


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_a_planted_leak_is_caught(leak: Leak) -> None:
    exact = leak.measured
    found = audit(
        leak.release(leak.leaky), leak.settings, units=exact.profile, patients=exact.patients
    )
    caught = {f.kind: f for f in found.findings if f.cell.replace(REST, "no") == leak.cell}
    assert leak.kind in caught, list(map(str, found.findings))
    assert not found.clean
    for finding in caught.values():
        assert finding.truth is not None
        assert finding.lower <= finding.truth <= finding.upper


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_the_same_release_without_the_leak_passes(leak: Leak) -> None:
    exact = leak.measured
    found = audit(
        leak.release(leak.tight), leak.settings, units=exact.profile, patients=exact.patients
    )
    assert found.findings == ()
    assert found.n_small > 0  # there is something to protect
    assert found.n_suppressed > 0


@pytest.mark.parametrize("leak", [x for x in LEAKS.values() if x.outside],
                         ids=[k for k, x in LEAKS.items() if x.outside])  # fmt: skip
def test_an_audit_from_outside_proves_the_same(leak: Leak) -> None:
    """Who holds nothing but the release finds what it proves, and nothing in the control."""
    leaky, tight = (audit(leak.release(h), leak.settings) for h in (leak.leaky, leak.tight))
    certain = {f.cell.replace(REST, "no"): f for f in leaky.findings}
    assert leak.cell in certain, "the leak is not proven by the numbers alone"
    assert 1 <= certain[leak.cell].lower <= certain[leak.cell].upper < 11
    assert tight.findings == ()


# -- numbers: cut points and tails ---------------------------------------------------------


@pytest.mark.parametrize(
    ("basis", "counts", "kind"),
    [
        ("bins", (5, 60, 60, 60), "tail"),
        ("bins", (60, 60, 60, 5), "tail"),
        ("quantiles", (60, 5, 60, 60), "quantile"),
        ("bins", (60, 5, 60, 60), None),
        ("quantiles", (60, 11, 60, 60), None),
    ],
)
def test_cut_points(basis: str, counts: tuple[int, ...], kind: str | None) -> None:
    """Edges say something by themselves; here no count is printed at all."""
    form = Form({}, {"age": (0, 20, 40, 60, 100)}, {}, basis=basis)
    people: list[Kind] = [({"age": a}, n) for a, n in zip((10, 30, 50, 70), counts, strict=True)]
    exact = measured(form, people)
    release = without(exact.profile, {"age": ["*"]})
    found = audit(release, T11, units=exact.profile, patients=exact.patients)
    assert [f.kind for f in found.findings] == ([] if kind is None else [kind])
    if kind is not None:
        with pytest.raises(CheckFailed, match="set bottom, top or edges"):
            disclose(exact, T11)


def test_the_tail_of_a_histogram_is_not_as_long_as_the_longest_list() -> None:
    """One unit has six codes: neither the number six nor the unit is in the release."""
    codes = tuple("abcdef")
    people: list[Kind] = [({"dx": codes[:1]}, 60), ({"dx": codes[:2]}, 60), ({"dx": codes}, 1)]
    people += [({"dx": (c,)}, 30) for c in codes]
    released = [
        disclose(measured(codes_only(*codes, histograms=True), p), T11).profile["dx"]
        for p in (people, people[:2] + people[3:] + [({"dx": codes[:3]}, 1)])
    ]
    for dx in released:
        assert isinstance(dx, CodeSet) and dx.listed is not None
        assert len(dx.listed) == 6  # twice the first number of codes that is thin, both times
        assert np.isnan(dx.listed[3:]).all()


# -- earlier releases ----------------------------------------------------------------------


def test_an_earlier_release_of_the_same_people_is_read_along() -> None:
    """Each of the two hides what follows from itself; together they give it away."""
    people: list[Kind] = [({"ward": w}, n) for w, n in zip("uvw", (100, 5, 40), strict=True)]
    exact = measured(STAYS, people)
    first = without(exact.profile, {"ward": ["v", "w"]})
    second = without(exact.profile, {"ward": ["u", "v"]})
    seen = {"units": exact.profile, "patients": exact.patients}
    assert audit(first, T11, **seen).clean
    assert audit(second, T11, **seen).clean
    both = audit(second, T11, **seen, earlier=(first,))
    assert "ward=v" in {f.cell for f in both.findings}
    assert audit(first, T11, **seen, earlier=(first,)).clean


def test_releases_that_contradict_each_other_are_an_error() -> None:
    people: list[Kind] = [({"ward": w}, n) for w, n in zip("uvw", (100, 50, 40), strict=True)]
    other: list[Kind] = [({"ward": w}, n) for w, n in zip("uvw", (90, 60, 40), strict=True)]
    one, two = (measured(STAYS, p).profile for p in (people, other))
    with pytest.raises(ContradictionError):
        audit(one, T11, earlier=(two,))


# -- the ranges behind the findings, against integer programs --------------------------------

TABLE = Form({"sex": ("F", "M", "X"), "ward": ("u", "v", "w")}, {}, {}, (("sex", "ward"),))


@hypothesis_settings(max_examples=EXAMPLES)
@given(
    counts=st.lists(st.integers(0, 9), min_size=9, max_size=9),
    hidden=st.lists(st.booleans(), min_size=15, max_size=15),
    base=st.sampled_from([1, 5]),
)
def test_ranges_are_those_of_all_populations(
    counts: list[int], hidden: list[bool], base: int
) -> None:
    kinds = [{"sex": s, "ward": w} for s in "FMX" for w in "uvw"]
    people: list[Kind] = [(k, n) for k, n in zip(kinds, counts, strict=True)]
    if not sum(counts):
        people[0] = (kinds[0], 1)
    exact = measured(TABLE, people).profile
    cells: dict[str, list[Any]] = {"sex": ["F", "M", "X"], "ward": ["u", "v", "w"]}
    cells["sex x ward"] = [(k["sex"], k["ward"]) for k in kinds]
    flat = [(name, cell) for name, group in cells.items() for cell in group]
    hide: dict[str, list[Any]] = {name: [] for name in cells}
    for (name, cell), gone in zip(flat, hidden, strict=True):
        hide[name] += [cell] if gone else []
    release = without(exact, hide)
    release = rounded_to_5(release) if base == 5 else release
    system = statements(release)
    bounds = published(system, (release,))
    known = (system.tier > Tier.DERIVED) & (bounds.upper - bounds.lower <= base)
    ranges, quick = exact_ranges(system, bounds, known), propagate(system, bounds)
    worlds = Worlds(release)
    names = {system.name(i): i for i in range(system.n_unknowns)}
    for name, event, _ in printed_events(release):
        low, high = worlds.range(event)
        i = names[name]
        for found in (ranges, quick):  # never too narrow
            assert found.lower[i] <= low and high <= found.upper[i], name
        if base == 1:  # blocks are cut at rounded numbers, which may leave ranges too wide
            assert (ranges.lower[i], ranges.upper[i]) == (low, high), name


# -- what a finding says -------------------------------------------------------------------


def test_a_finding_says_what_it_is_and_where_it_comes_from() -> None:
    leak = LEAKS["2x2: the first alone"]
    exact = leak.measured
    release = leak.release(leak.leaky)
    found = audit(release, leak.settings, units=exact.profile, patients=exact.patients)
    (finding,) = found.findings
    assert "dx=a & not dx=b: between 5 and 5 (it is 5); test (a)" in str(finding)
    system = statements(release, exact.profile)
    assert {system.name(i) for i in finding.proof} == {"dx=a", "dx=a & dx=b"}
    outside = audit(release, leak.settings).findings[0]
    assert outside.truth is None and "it is" not in str(outside)
