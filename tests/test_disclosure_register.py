"""The register: what earlier releases say together with a new one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from disclosure_toys import Form, Kind, measured
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from profiles import same

from llmsyn.disclosure.audit import audit
from llmsyn.disclosure.register import Entry, Register
from llmsyn.disclosure.release import Release, disclose
from llmsyn.disclosure.settings import Settings
from llmsyn.errors import CheckFailed, InfeasibleError, InputError, OutputError
from llmsyn.profile.types import Profile

T = 11
SETTINGS = Settings(threshold=T, zeros_published=True, population="ward 7")
WARDS = Form({"ward": ("u", "v", "w"), "died": ("no", "yes")}, {}, {})
CROSSED = replace(WARDS, tables=(("ward", "died"),))


def _people(no: Sequence[int], yes: Sequence[int]) -> list[Kind]:
    return [
        ({"ward": w, "died": d}, n)
        for d, counts in (("no", no), ("yes", yes))
        for w, n in zip("uvw", counts, strict=True)
    ]


def _release(
    register: Register, form: Form, people: list[Kind], settings: Settings = SETTINGS
) -> Release:
    release = disclose(measured(form, people), settings, register, today=date(2026, 11, 1))
    register.append(release.entry())
    return release


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return Register(tmp_path / "releases.jsonl")


def _printed(release: Release, name: str) -> list[float]:
    return [float(n) for n in release.profile[name].counts]


# -- the file ------------------------------------------------------------------------------


def test_what_is_kept_is_what_was_printed(register: Register) -> None:
    form = Form(
        {"sex": ("F", "M")},
        {"age": (0, 40, 100)},
        {"dx": ("a", "b")},
        (("sex", "dx"), ("dx", "dx")),
    )
    people: list[Kind] = [
        ({"sex": s, "age": a, "dx": tuple(c)}, 20)
        for s in "FM"
        for a in (30, 50)
        for c in ("a", "ab")
    ]
    release = disclose(measured(form, people), SETTINGS)
    assert register.entries() == ()  # it need not exist
    register.append(release.entry())
    (entry,) = register.entries("ward 7")
    assert (entry.population, entry.date) == ("ward 7", release.date)
    for mine, kept in zip(release.profile.variables, entry.profile.variables, strict=True):
        assert same(mine.counts, kept.counts) and mine.half_width == kept.half_width
    for table, kept_table in zip(release.profile.tables, entry.profile.tables, strict=True):
        assert table.axes == kept_table.axes and same(table.counts, kept_table.counts)
    assert register.entries("elsewhere") == ()
    assert len(register.path.read_text("utf-8").splitlines()) == 1


def test_no_removed_count_is_in_the_file(register: Register) -> None:
    release = _release(register, WARDS, _people((100, 40, 7), (40, 40, 0)))
    assert np.isnan(_printed(release, "ward")).any()
    text = register.path.read_text("utf-8")
    assert json.loads(text)["variables"][0]["counts"].count(None) == 2
    assert "7" not in json.dumps(json.loads(text)["variables"][0]["counts"])


@pytest.mark.parametrize("line", ["{", "[]", '{"schema": 2}', '{"schema": 1, "population": "x"}'])
def test_a_broken_line_is_named(register: Register, line: str) -> None:
    _release(register, WARDS, _people((40, 40, 40), (40, 40, 40)))
    with register.path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match="this line is no release of a register") as caught:
        register.entries()
    assert "releases.jsonl" in str(caught.value) and "2" in str(caught.value)


def test_a_file_that_is_no_text_is_named(register: Register) -> None:
    register.path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not readable UTF-8 text"):
        register.entries()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    release = disclose(measured(WARDS, _people((40, 40, 40), (40, 40, 40))), SETTINGS)
    with pytest.raises(OutputError, match="cannot write the register"):
        Register(tmp_path / "file" / "register.jsonl").append(release.entry())


# -- the same people -------------------------------------------------------------------------


def test_with_and_without_outcome_tables(register: Register) -> None:
    """The second release may not print what completes the first."""
    people = _people((40, 40, 40), (40, 40, 5))
    first = _release(register, WARDS, people)
    second = _release(register, CROSSED, people)
    (comparison,) = second.comparisons
    assert comparison.relation == "same"
    seen = {"units": measured(CROSSED, people).profile}
    assert audit(second.profile, SETTINGS, **seen, earlier=(first.profile,)).clean


def test_what_one_release_hides_the_next_does_not_show(register: Register) -> None:
    """The table alone would hide other cells than the margins did; both together hide all."""
    people = _people((100, 20, 15), (0, 30, 6))
    exact = measured(CROSSED, people).profile
    first = _release(register, CROSSED, people, replace(SETTINGS, rounding=5))
    second = _release(register, CROSSED, people)
    assert second.comparisons[0].relation == "same"
    assert audit(second.profile, SETTINGS, units=exact, earlier=(first.profile,)).clean


def test_a_small_count_that_an_earlier_release_gave_away_cannot_be_taken_back(
    register: Register,
) -> None:
    people = _people((100, 40, 7), (40, 40, 0))
    exact = measured(WARDS, people)
    register.append(Entry("ward 7", "2026-10-01", exact.profile))  # printed without protection
    with pytest.raises((InfeasibleError, CheckFailed)):
        disclose(exact, SETTINGS, register)


# -- more people -----------------------------------------------------------------------------


def test_a_monthly_update(register: Register) -> None:
    """Forty more patients, of whom five died: the deaths of either month stay hidden."""
    first = _release(register, WARDS, _people((100, 100, 100), (40, 40, 40)))
    second = _release(register, WARDS, _people((115, 110, 110), (45, 40, 40)))
    assert first.removed == ()
    (comparison,) = second.comparisons
    assert comparison.relation == "nested"
    assert comparison.cells == ("died=no", "died=yes") or "died=yes" in comparison.cells
    assert np.isnan(_printed(second, "died")).all() or np.isnan(_printed(second, "died")[1])
    assert second.reasons["differencing"] == len(comparison.cells)
    new, old = (np.array(_printed(r, "died")) for r in (second, first))
    arrived = new - old
    assert not ((arrived >= 1) & (arrived < T)).any()


def test_an_update_without_small_differences_loses_nothing(register: Register) -> None:
    _release(register, WARDS, _people((100, 100, 100), (40, 40, 40)))
    second = _release(register, WARDS, _people((120, 120, 120), (60, 60, 60)))
    assert second.comparisons[0].relation == "nested"
    assert second.comparisons[0].cells == () and second.removed == ()


def test_train_then_everybody(register: Register) -> None:
    """Train and full differ by the test part, in which four have died in ward w."""
    train = _people((100, 100, 100), (50, 50, 50))
    full = _people((140, 140, 140), (80, 80, 54))
    _release(register, CROSSED, train)
    second = _release(register, CROSSED, full)
    assert second.comparisons[0].relation == "nested"
    (table,) = second.profile.tables
    assert np.isnan(table.counts[2, 1])
    shown = table.counts - np.array([[100, 50]] * 3)
    assert not ((shown >= 1) & (shown < T)).any()
    rows = np.array(_printed(second, "ward")) - 150  # ward w - no of ward w is as telling
    assert np.isnan(rows[2]) or np.isnan(table.counts[2, 0])


def test_the_smaller_part_after_the_whole(register: Register) -> None:
    _release(register, WARDS, _people((140, 140, 140), (80, 80, 54)))
    second = _release(register, WARDS, _people((100, 100, 100), (80, 80, 50)))
    assert second.comparisons[0].relation == "nested"
    gone = np.array([220, 220, 194]) - _printed(second, "ward")
    assert not ((gone >= 1) & (gone < T)).any()
    died = np.array([420, 214]) - _printed(second, "died")
    assert not ((died >= 1) & (died < T)).any()


@pytest.mark.parametrize("more", [1, 10])
def test_too_few_new_patients_for_an_update(register: Register, more: int) -> None:
    _release(register, WARDS, _people((100, 100, 100), (40, 40, 40)))
    with pytest.raises(CheckFailed, match="differ by fewer than 11"):
        _release(register, WARDS, _people((100 + more, 100, 100), (40, 40, 40)))


def test_populations_that_overlap(register: Register) -> None:
    """Some came and some went: single counts that differ by a few are not printed."""
    _release(register, WARDS, _people((100, 100, 100), (40, 40, 40)))
    second = _release(register, WARDS, _people((130, 80, 100), (40, 44, 40)))
    (comparison,) = second.comparisons
    assert comparison.relation == "overlapping"
    assert "died=yes" in comparison.cells
    assert np.isnan(_printed(second, "died")[1])


def test_other_people_are_not_compared(register: Register) -> None:
    _release(register, WARDS, _people((100, 100, 100), (40, 40, 40)))
    apart = replace(SETTINGS, population="ward 8")
    second = _release(register, WARDS, _people((101, 100, 100), (40, 40, 40)), apart)
    assert second.comparisons == () and second.removed == ()


@hypothesis_settings(max_examples=25)
@given(
    before=st.lists(st.integers(12, 60), min_size=6, max_size=6),
    more=st.lists(st.sampled_from([0, 0, 1, 5, 11, 30]), min_size=6, max_size=6),
)
def test_no_update_gives_the_newcomers_away(
    before: list[int], more: list[int], tmp_path_factory: Any
) -> None:
    """The difference of two releases is a release of the newcomers: it passes the audit."""
    assume(sum(more) == 0 or sum(more) >= T)
    register = Register(tmp_path_factory.mktemp("register") / "r.jsonl")
    after = [a + b for a, b in zip(before, more, strict=True)]
    first = _release(register, CROSSED, _people(before[:3], before[3:]))
    try:
        second = _release(register, CROSSED, _people(after[:3], after[3:]))
    except InfeasibleError:
        assume(False)
        raise
    if sum(more):
        newcomers = measured(CROSSED, _people(more[:3], more[3:])).profile
        found = audit(_minus(second.profile, first.profile), SETTINGS)
        small = {f.cell for f in found.findings}
        assert small == set(), newcomers.tables[0].counts


def _minus(new: Profile, old: Profile) -> Profile:
    """What the two say of those who came: differences of printed counts."""
    tables = {t.axes: t for t in old.tables}
    return replace(
        new,
        n_units=new.n_units - old.n_units,
        n_patients=new.n_patients - old.n_patients,
        variables=tuple(
            replace(v, counts=v.counts - w.counts)
            for v, w in zip(new.variables, old.variables, strict=True)
        ),
        tables=tuple(
            replace(t, counts=t.counts - tables[t.axes].counts)
            for t in new.tables
            if t.axes in tables
        ),
    )
