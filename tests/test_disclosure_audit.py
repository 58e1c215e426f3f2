"""The audit: planted leaks of each kind, each beside the same release without it; exact ranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
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
from llmsyn.measurement import Measurement
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet

Hidden = Mapping[str, Sequence[Any]]
SEX = {"sex": ("F", "M")}
DIED = {"died": ("no", "yes")}
T11 = Settings(threshold=11, zeros_published=True)


@dataclass(frozen=True)
class Leak:
    """A population, a release of it that gives a count away, and one that does not."""

    form: Form
    people: Sequence[Kind]
    cell: str  # what the leaky release gives away
    kind: str
    leaky: Hidden = field(default_factory=dict)
    tight: Hidden = field(default_factory=dict)
    outside: bool = True  # whether a reader without the exact counts can prove it
    rounding: int = 1

    @property
    def measured(self) -> Measurement:
        return measured(self.form, self.people)

    def release(self, hidden: Hidden) -> Profile:
        shown = without(self.measured.profile, hidden)
        return rounded_to_5(shown) if self.rounding == 5 else shown

    @property
    def settings(self) -> Settings:
        return Settings(threshold=11, zeros_published=True, rounding=self.rounding)


def _codes(*codes: str, tables: tuple[tuple[str, ...], ...] = (), **more: Any) -> Form:
    given: dict[str, Any] = {"levels": {}, "main": False, "histograms": False, **more}
    return Form(edges={}, codes={"dx": codes}, tables=tables, **given)


def _two_by_two(both: int, only_a: int, only_b: int, neither: int) -> list[Kind]:
    return [
        ({"dx": ("a", "b")}, both),
        ({"dx": ("a",)}, only_a),
        ({"dx": ("b",)}, only_b),
        ({}, neither),
    ]


PAIR = _codes("a", "b", tables=(("dx", "dx"),))
CODE_BY_DEATH = _codes(
    "a", tables=(("dx", "died"),), levels=DIED, labels={"died": ("yes",), "dx": ("a",)}
)
BY_AGE = Form(
    DIED,
    {"age": (0, 40, 60, 100)},
    {},
    (("died", "age/fine"), ("died", "age/coarse")),
    {"died": ("no", "yes"), "age/fine": ("[0,40)", "[40,60)", "[60,100)"),
     "age/coarse": ("[0,60)", "[60,100)")},
)  # fmt: skip
THREE = Form(
    {**SEX, **DIED, "ward": ("u", "v")}, {}, {}, (("sex", "died"), ("sex", "died", "ward"))
)
STAYS = Form({"ward": ("u", "v", "w")}, {}, {})

LEAKS = {
    "a small count is printed": Leak(
        STAYS,
        [({"ward": "u"}, 100), ({"ward": "v"}, 5), ({"ward": "w"}, 40)],
        "ward=v",
        "printed",
        {},
        {"ward": ["v", "w"]},
    ),
    "complement in a margin": Leak(
        Form(SEX, {}, {}),
        [({"sex": "F"}, 100), ({"sex": "M"}, 4)],
        "sex=M",
        "a",
        {"sex": ["M"]},
        {"sex": ["F", "M"]},
    ),
    "complement of a code": Leak(
        _codes("a"),
        [({"dx": ("a",)}, 100), ({}, 4)],
        "not dx=a",
        "a",
        {},
        {"dx": ["a"]},
    ),
    "2x2: both": Leak(
        PAIR,
        _two_by_two(5, 40, 40, 40),
        "dx=a & dx=b",
        "printed",
        {},
        {"dx x dx": [("a", "b")]},
    ),
    "2x2: the first alone": Leak(
        PAIR,
        _two_by_two(40, 5, 40, 40),
        "dx=a & not dx=b",
        "a",
        {},
        {"dx x dx": [("a", "b")]},
    ),
    "2x2: the second alone": Leak(
        PAIR,
        _two_by_two(40, 40, 5, 40),
        "not dx=a & dx=b",
        "a",
        {},
        {"dx x dx": [("a", "b")]},
    ),
    "2x2: neither": Leak(
        PAIR,
        _two_by_two(40, 40, 40, 5),
        "not dx=a & not dx=b",
        "a",
        {},
        {"dx x dx": [("a", "b")]},
    ),
    "code by outcome: survivors with the code": Leak(
        CODE_BY_DEATH,
        [({"dx": ("a",), "died": "yes"}, 40), ({"dx": ("a",)}, 5), ({"died": "yes"}, 40), ({}, 40)],
        "dx=a & died=no",
        "a",
        {},
        {"dx x died": [("a", "yes")]},
    ),
    "code by outcome: deaths without the code": Leak(
        CODE_BY_DEATH,
        [({"dx": ("a",), "died": "yes"}, 40), ({"dx": ("a",)}, 40), ({"died": "yes"}, 5), ({}, 40)],
        "not dx=a & died=yes",
        "a",
        {},
        {"dx x died": [("a", "yes")]},
    ),
    "code by outcome: survivors without the code": Leak(
        CODE_BY_DEATH,
        [({"dx": ("a",), "died": "yes"}, 40), ({"dx": ("a",)}, 40), ({"died": "yes"}, 40), ({}, 5)],
        "not dx=a & died=no",
        "a",
        {},
        {"dx x died": [("a", "yes")]},
    ),
    "main code within any code": Leak(
        _codes("a", "b", main=True),
        [({"dx": ("a", "b")}, 40), ({"dx": ("b", "a")}, 5), ({"dx": ("b",)}, 40), ({}, 40)],
        "dx=a, but not main",
        "a",
        {},
        {"dx.main": ["a", "b"]},
    ),
    "unlisted main code within unlisted codes": Leak(
        _codes("a", main=True, histograms=True),
        [({"dx": ("z",)}, 40), ({"dx": ("a", "z")}, 5), ({"dx": ("a",)}, 40), ({}, 40)],
        "dx: unlisted, but not main",
        "a",
        {},
        {"dx.main_unlisted": ["*"], "dx.main": ["a"], "dx mean": ["*"]},
    ),
    "code within its category": Leak(
        _codes("250", "25000", "4280", system="icd9cm"),
        [({"dx": ("250", "25000")}, 60), ({"dx": ("250",)}, 5), ({"dx": ("4280",)}, 40)],
        "dx=250, but not 25000",
        "a",
        {},
        {"dx": ["25000"]},
    ),
    "total of the prevalences": Leak(
        _codes("a", "b", histograms=True),
        [({"dx": ("a",)}, 50), ({"dx": ("b",)}, 5), ({}, 50)],
        "dx=b",
        "a",
        {"dx": ["b"]},
        {"dx": ["b"], "dx.listed": [0, 1]},
    ),
    "total of the prevalences, and one patient": Leak(
        _codes("a", "b", histograms=True),
        [({"dx": ("a",)}, 49), ({"dx": ("b",)}, 1), ({}, 50)],
        "dx=b",
        "a",
        {"dx": ["b"]},
        {"dx": ["b"], "dx.listed": [0, 1]},
    ),
    "mean of unlisted codes": Leak(
        _codes("a", histograms=True),
        [({"dx": ("a", "z")}, 5), ({"dx": ("a",)}, 200)],
        "dx.unlisted=1",
        "a",
        {"dx.unlisted": [0, 1]},
        {"dx.unlisted": [0, 1], "dx mean": ["*"]},
        outside=False,
    ),
    "told to be small, all at most": Leak(
        STAYS,
        [({"ward": "u"}, 100), ({"ward": "v"}, 10), ({"ward": "w"}, 10)],
        "ward=v",
        "b",
        {"ward": ["v", "w"]},
        {"ward": ["*"]},
        outside=False,
    ),
    "total of all pairs": Leak(
        _codes("a", "b", "c", histograms=True, tables=(("dx", "dx"),)),
        [
            ({"dx": ("a", "b")}, 30),
            ({"dx": ("a", "c")}, 30),
            ({"dx": ("b", "c")}, 5),
            ({"dx": ("a",)}, 60),
            ({"dx": ("b",)}, 60),
            ({"dx": ("c",)}, 60),
            ({}, 60),
        ],
        "dx=b & dx=c",
        "a",
        {"dx x dx": [("b", "c")]},
        {"dx x dx": [("b", "c"), ("a", "c")]},
    ),
    "finer and coarser table": Leak(
        BY_AGE,
        [
            ({"died": d, "age": age}, n)
            for d, counts in (("yes", (30, 5, 30)), ("no", (90, 90, 90)))
            for age, n in zip((20, 50, 80), counts, strict=True)
        ],
        "age=[40,60) & died=yes",
        "a",
        {"died x age": [("yes", "[40,60)")]},
        {"died x age": ["*"]},
    ),
    "table within a larger table": Leak(
        THREE,
        [
            ({"sex": "M", "died": "yes", "ward": "u"}, 5),
            *(
                ({"sex": s, "died": d, "ward": w}, 40)
                for s in "FM"
                for d in ("no", "yes")
                for w in "uv"
                if (s, d, w) != ("M", "yes", "u")
            ),
        ],
        "died=yes & sex=M & ward=u",
        "a",
        {"sex x died x ward": [("M", "yes", "u")]},
        {"sex x died x ward": ["*"]},
    ),
    "two in each of two rows and columns": Leak(
        Form({"row": ("p", "q", "r"), "ward": ("u", "v", "w")}, {}, {}, (("row", "ward"),)),
        [
            ({"row": r, "ward": w}, n)
            for r, counts in (("p", (3, 12, 20)), ("q", (11, 30, 20)), ("r", (40, 40, 40)))
            for w, n in zip("uvw", counts, strict=True)
        ],
        "row=p & ward=u",
        "a",
        # 3 + 12 in a row, 3 + 11 in a column: 3 can be 0..14 with four holes ...
        {"row x ward": [("p", "u"), ("p", "v"), ("q", "u")]},
        {"row x ward": [("p", "u"), ("p", "v"), ("q", "u"), ("q", "v")]},
    ),
    "suppressed cells complete a published number": Leak(
        STAYS,
        [({"ward": "u"}, 100), ({"ward": "v"}, 4), ({"ward": "w"}, 4)],
        "ward=v",
        "a",
        {"ward": ["v", "w"]},
        {"ward": ["*"]},
        outside=False,
    ),
    "suppressed cells of few patients complete a published number": Leak(
        STAYS,
        [({"ward": "u"}, 100, 50), ({"ward": "v"}, 9, 4), ({"ward": "w"}, 9, 4)],
        "ward=v",
        "group",
        {"ward": ["v", "w"]},
        {"ward": ["*"]},
        outside=False,
    ),
    "rounded numbers": Leak(
        Form(SEX, {}, {}),
        [({"sex": "F"}, 95), ({"sex": "M"}, 5)],
        "sex=M",
        "a",
        {"sex": ["M"]},
        {"sex": ["*"]},
        rounding=5,
    ),
    "twelve stays of three patients": Leak(
        STAYS,
        [({"ward": "u"}, 40, 20), ({"ward": "v"}, 40, 20), ({"ward": "w"}, 12, 3)],
        "ward=w",
        "printed",
        {},
        {"ward": ["v", "w"]},
        outside=False,
    ),
}


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
        disclose(measured(_codes(*codes, histograms=True), p), T11).profile["dx"]
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


@hypothesis_settings(max_examples=25)
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
