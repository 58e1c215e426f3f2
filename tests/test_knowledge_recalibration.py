"""Class values fitted to tables that were built from known odds ratios."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_knowledge import AGE, DIED, code_set, profile, toy_base, write_base

from llmsyn.errors import KnowledgeError, ProfileError
from llmsyn.knowledge.associations import associations
from llmsyn.knowledge.crosscells import Cell, CrossCells
from llmsyn.knowledge.loading import KnowledgeBase, load_base
from llmsyn.knowledge.recalibration import (
    BETWEEN,
    MULTIPLIER_SD,
    PRIOR_SD,
    Fitted,
    overlay_text,
    recalibrate,
)
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.terms import Range, Term
from llmsyn.profile.types import Disclosure, Profile
from llmsyn.profile.variables import Categorical, CodeSet, Numeric, Selector

N = 1e8
CODES = ("4280", "42731", "4275")


def cell_for(ratio: float, first: float, second: float, units: float) -> float:
    """Units with both, so that the two-by-two table has this odds ratio (by bisection)."""
    low, high = max(0.0, first + second - units), min(first, second)
    for _ in range(200):
        both = (low + high) / 2
        rest = units - first - second + both
        if both * rest < ratio * (first - both) * (second - both):
            low = both
        else:
            high = both
    return (low + high) / 2


def with_pair(ratio: float, units: float = N, **changed: object) -> Profile:
    """Heart failure (30%) and fibrillation (20%) with an odds ratio, in a table of pairs."""
    first, second = 0.3 * units, 0.2 * units
    both = cell_for(ratio, first, second, units)
    dx = code_set("dx", ("icd9cm",), {"4280": first, "42731": second})
    counts = np.array([[np.nan, both], [both, np.nan]])
    axis = Axis("dx", ("4280", "42731"))
    made = dataclasses.replace(
        profile(dx), n_units=units, n_patients=units, tables=(Table((axis, axis), counts),)
    )
    return dataclasses.replace(made, **changed)


def row(found: tuple[Fitted, ...], relation: str, strength: int | None) -> Fitted:
    (one,) = [r for r in found if (r.relation, r.strength) == (relation, strength)]
    return one


def test_one_pair_is_shrunk_halfway(tmp_path: Path) -> None:
    found = recalibrate(with_pair(12.0), toy_base(tmp_path))
    fitted = row(found.rows, "comorbidities", 2)
    # One pair has no spread of its own, so it counts as BETWEEN, which equals the prior's.
    assert BETWEEN == PRIOR_SD
    assert math.exp(fitted.value) == pytest.approx(math.sqrt(3 * 12), rel=1e-3)
    half = 1.959964 / math.sqrt(1 / PRIOR_SD**2 + 1 / BETWEEN**2)
    assert fitted.high - fitted.value == pytest.approx(half, rel=1e-3)
    assert (found.n_cells, fitted.n_pairs, fitted.n_cells) == (1, 1, 1)
    silent = row(found.rows, "comorbidities", 3)
    assert (silent.value, silent.n_pairs) == (silent.prior, 0)


def star(tmp_path: Path, ratios: list[float], units: float) -> tuple[KnowledgeBase, Profile]:
    """A hub with one class-2 companion a ratio, and the table that shows them."""
    ids = [f"c{i}" for i in range(len(ratios))]
    text = "".join(
        f'[{name}]\nname = "{name}"\nchronic = true\ncodes = {{ icd9cm = ["{100 + i}"] }}\n'
        for i, name in enumerate(ids)
    )
    listed = ", ".join(f'"{name}"' for name in ids)
    text += (
        '[hub]\nname = "Hub"\nchronic = true\ncodes = { icd9cm = ["428"] }\n'
        f'comorbid = [{{ strength = 2, ids = [{listed}], source = ["book"] }}]\n'
    )
    base = toy_base(tmp_path, conditions=text, procedures="", drugs="")
    codes = ("428", *(str(100 + i) for i in range(len(ratios))))
    counts = np.full((len(codes), len(codes)), np.nan)
    for i, ratio in enumerate(ratios, start=1):
        counts[0, i] = counts[i, 0] = cell_for(ratio, 0.2 * units, 0.1 * units, units)
    sizes = dict.fromkeys(codes, 0.1 * units) | {"428": 0.2 * units}
    axis = Axis("dx", codes)
    made = dataclasses.replace(
        profile(code_set("dx", ("icd9cm",), sizes)), n_units=units, n_patients=units,
        tables=(Table((axis, axis), counts),),
    )  # fmt: skip
    return base, made


def test_many_pairs_that_agree_outweigh_the_prior(tmp_path: Path) -> None:
    base, made = star(tmp_path, [5.0] * 12, N)
    fitted = row(recalibrate(made, base).rows, "comorbidities", 2)
    assert fitted.between == 0.0
    assert math.exp(fitted.value) == pytest.approx(5.0, rel=1e-3)


def test_pairs_that_differ_widen_the_interval(tmp_path: Path) -> None:
    base, made = star(tmp_path, [2.0, 5.0, 12.5, 5.0], N)
    fitted = row(recalibrate(made, base).rows, "comorbidities", 2)
    spread = np.std(np.log([2.0, 5.0, 12.5, 5.0]), ddof=1)
    assert fitted.between == pytest.approx(spread, rel=0.05)  # the cells differ in precision
    pull = 4 / fitted.between**2
    expected = (math.log(3) / PRIOR_SD**2 + math.log(5) * pull) / (1 / PRIOR_SD**2 + pull)
    assert fitted.value == pytest.approx(expected, rel=0.01)


def test_few_units_stay_near_the_prior(tmp_path: Path) -> None:
    few = row(recalibrate(with_pair(12.0, units=300), toy_base(tmp_path)).rows, "comorbidities", 2)
    many = row(recalibrate(with_pair(12.0), toy_base(tmp_path)).rows, "comorbidities", 2)
    assert few.prior < few.value < many.value
    assert few.high - few.low > many.high - many.low


def test_cells_are_chosen_by_their_margins_not_by_their_counts(tmp_path: Path) -> None:
    base = toy_base(tmp_path)
    rare = with_pair(12.0, units=150)  # 9 expected, though 19 are there
    with pytest.raises(ProfileError, match="enough units"):
        recalibrate(rare, base)
    strict = with_pair(12.0, units=1000, disclosure=Disclosure(threshold=31))  # 60 expected
    with pytest.raises(ProfileError, match="enough units"):
        recalibrate(strict, base)
    assert recalibrate(with_pair(1 / 12, units=1000), base).n_cells == 1


def test_a_profile_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="toy has no cross-table") as caught:
        recalibrate(with_pair(2.0, tables=()), toy_base(tmp_path))
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_suppressed_cells_are_counted_not_used(tmp_path: Path) -> None:
    made = with_pair(2.0)
    hidden = dataclasses.replace(made.tables[0], counts=np.full((2, 2), np.nan))
    with pytest.raises(ProfileError):
        recalibrate(dataclasses.replace(made, tables=(hidden,)), toy_base(tmp_path))


def test_outcomes_and_patterns(tmp_path: Path) -> None:
    """Death of heart failure (class 1), a quoted odds ratio of 2, and ages, in one table each."""
    units = 1e7
    dx = code_set("dx", ("icd9cm",), {"4280": 0.3 * units, "42731": 0.2 * units})
    died = dataclasses.replace(DIED, counts=np.array([0.9, 0.1]) * units)
    dead = [cell_for(4.0, 0.3 * units, 0.1 * units, units),
            cell_for(8.0, 0.2 * units, 0.1 * units, units)]  # fmt: skip
    alive = [0.3 * units - dead[0], 0.2 * units - dead[1]]
    deaths = Table((Axis("died", ("no", "yes")), Axis("dx", dx.codes)), np.array([alive, dead]))
    made = dataclasses.replace(profile(died, dx), n_units=units, n_patients=units, tables=(deaths,))
    rows = recalibrate(made, toy_base(tmp_path)).rows
    assert math.exp(row(rows, "mortality", 1).value) == pytest.approx(math.sqrt(1.5 * 4), rel=1e-2)
    # The quoted odds ratio of 2 is 8 here, three times its logarithm.
    variance = BETWEEN**2
    expected = (1 / MULTIPLIER_SD**2 + 3 / variance) / (1 / MULTIPLIER_SD**2 + 1 / variance)
    assert row(rows, "published", None).value == pytest.approx(expected, rel=1e-2)


def test_age_bands_share_one_multiplier(tmp_path: Path) -> None:
    units = 1e7
    base = toy_base(tmp_path)
    age = dataclasses.replace(AGE, counts=AGE.counts * units / 100)
    dx = code_set("dx", ("icd9cm",), {"4280": 0.2 * units})
    plain = dataclasses.replace(profile(age, dx), n_units=units, n_patients=units)
    said = associations(plain, base, parts=("age_sex",))
    counts = np.array([
        [cell_for(math.exp(0.5 * float(one.effect)), age.counts[i], 0.2 * units, units)]
        for i, one in enumerate(said)
    ])  # fmt: skip
    table = Table((Axis("age", age.levels), Axis("dx", ("4280",))), counts)
    made = dataclasses.replace(plain, tables=(table,))
    fitted = row(recalibrate(made, base).rows, "age_sex", None)
    assert fitted.n_cells == 4
    assert fitted.n_pairs == 1
    assert fitted.value == pytest.approx(0.75, abs=0.02)  # halfway from 1 to 0.5


def test_lists_that_hold_few_codes_are_allowed_for(tmp_path: Path) -> None:
    """Each list holds one or two codes: pairs are rarer than independence gives."""
    dx = code_set("dx", ("icd9cm",), {"4280": 0.3 * N, "42731": 0.2 * N})
    lists = dataclasses.replace(dx, listed=np.array([0.0, 0.5, 0.5]) * N)
    crowding = 1.0 / 1.5**2  # E[K(K-1)] = 1, E[K] = 1.5
    both = 0.06 * crowding * N
    axis = Axis("dx", dx.codes)
    counts = np.array([[np.nan, both], [both, np.nan]])
    made = dataclasses.replace(
        profile(lists), n_units=N, n_patients=N, tables=(Table((axis, axis), counts),)
    )
    cell = CrossCells(made).find(Term("dx", "4280"), Term("dx", "42731"))
    assert cell is not None
    assert cell.expected == pytest.approx(both)
    assert cell.log_odds()[0] == pytest.approx(0.0, abs=1e-6)


def test_codes_of_one_version_are_compared_within_it() -> None:
    version = Categorical("version", "x0", ("9", "10"), np.array([400.0, 600.0]))
    selector = Selector("version", {"9": ("icd9cm",), "10": ("icd10cm",)})
    dx = CodeSet(
        "dx", "x5", ("icd9cm", "icd10cm"), ("icd9cm:4280", "icd9cm:42731", "icd10cm:I509"),
        np.array([100.0, 80.0, 50.0]), selector=selector,
    )  # fmt: skip
    counts = np.full((3, 3), np.nan)
    counts[0, 1] = counts[1, 0] = 20.0
    axis = Axis("dx", dx.codes)
    made = dataclasses.replace(
        profile(version, dx), n_units=1000.0, tables=(Table((axis, axis), counts),)
    )
    cell = CrossCells(made).find(Term("dx", "icd9cm:4280"), Term("dx", "icd9cm:42731"))
    assert cell == Cell(20.0, 100.0, 80.0, 400.0, 20.0, 0.0)


def test_bins_of_a_range_are_added_up() -> None:
    age = Numeric("age", "x0", "years", 0, np.array([0.0, 5, 10, 20]), np.array([1.0, 2, 97]))
    dx = code_set("dx", ("icd9cm",), {"4280": 30.0})
    table = Table(
        (Axis("age", age.levels), Axis("dx", ("4280",))), np.array([[1.0], [2.0], [27.0]])
    )
    made = dataclasses.replace(profile(age, dx), tables=(table,))
    cells = CrossCells(made)
    found = cells.find(Term("age", Range(0, 10)), Term("dx", "4280"))
    assert found is not None
    assert (found.both, found.first) == (3.0, 3.0)
    assert cells.find(Term("age", Range(0, 15)), Term("dx", "4280")) is None
    turned = cells.find(Term("dx", "4280"), Term("age", Range(10, 20)))
    assert turned is not None
    assert turned.both == 27.0


@given(st.floats(0.1, 10), st.floats(0.05, 0.6), st.floats(0.05, 0.6))
def test_a_cell_gives_back_its_odds_ratio(ratio: float, first: float, second: float) -> None:
    a, b = first * N, second * N
    both = cell_for(ratio, a, b, N)
    value, variance = Cell(both, a, b, N, a * b / N, 0.0).log_odds()
    assert value == pytest.approx(math.log(ratio), abs=1e-3)
    assert 0 < variance < 1e-3


def test_rounding_makes_a_cell_less_sure() -> None:
    exact = Cell(30.0, 100.0, 90.0, 1000.0, 9.0, 0.0).log_odds()
    rounded = Cell(30.0, 100.0, 90.0, 1000.0, 9.0, 2.5**2 / 3).log_odds()
    assert rounded[0] == exact[0]
    assert rounded[1] > exact[1]


def test_the_overlay_changes_what_is_said(tmp_path: Path) -> None:
    shipped = write_base(tmp_path / "base")
    base = load_base([shipped], with_shipped=False)
    made = with_pair(12.0)
    text = overlay_text(recalibrate(made, base))
    (tmp_path / "scale").mkdir()
    (tmp_path / "scale" / "classes.toml").write_text(text, "utf-8")
    after = load_base([shipped, tmp_path / "scale"], with_shipped=False)
    assert after.classes == base.classes
    (before,) = associations(made, base, parts=("comorbidities",))
    (now,) = associations(made, after, parts=("comorbidities",))
    assert before.effect == 2
    assert now.effect == pytest.approx(math.log(6), abs=1e-3)
    # Fitting again starts from the a-priori scale, not from the overlay.
    assert recalibrate(made, after).rows == recalibrate(made, base).rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[relations.weather]\n2 = 3.0\n", "key relations.weather: the key is not known"),
        ("[relations.drugs]\n2 = 0\n", "key relations.drugs.2: odds ratio 0"),
        ("[relations.drugs]\nlots = 2.0\n", "'lots' is no class"),
        ('[multipliers]\nage_sex = "x"\n', "key multipliers.age_sex: 'x' is not a number"),
        ("[scale]\n2 = 3.0\n", "key scale: the key is not known here"),
    ],
)
def test_bad_scales_are_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "classes.toml").write_text(text, "utf-8")
    with pytest.raises(KnowledgeError, match=message):
        load_base([tmp_path], with_shipped=False)
