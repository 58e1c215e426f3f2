"""The baselines by iterative proportional fitting and from rows, and the figure of risks."""

from __future__ import annotations

import math
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from attack_worlds import form, people, release_of

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

from baselines import copula, independent, ipf, sdv_copula
from baselines.from_rows import as_rows, as_sample
from release_risk_figure import _line, figure

from llmsyn.errors import InputError
from llmsyn.evaluation.attacks.cells import cells_of
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet

SEED = 12
NAN = math.nan


def _toy(cell: float = 40.0) -> Profile:
    """100 people; death by sex and by drug, drug by sex, one code by death."""
    died = Categorical("died", "s", ("no", "yes"), np.array([80.0, 20]), role="outcome")
    sex = Categorical("sex", "s", ("f", "m"), np.array([50.0, 50]))
    drug = Categorical("drug", "s", ("x", "y", "z"), np.array([50.0, 30, 20]))
    codes = CodeSet("dx", "s", ("local",), ("A", "B"), np.array([30.0, 10]))
    by_died = Axis("died", ("no", "yes"))
    tables = (
        Table((by_died, Axis("sex", ("f", "m"))), np.array([[45.0, 35], [5, 15]])),
        Table((by_died, Axis("drug", ("x", "y", "z"))), np.array([[45.0, 25, 10], [5, 5, 10]])),
        Table((Axis("drug", ("x", "y", "z")), Axis("sex", ("f", "m"))),
              np.array([[cell, 50 - cell], [5, 25], [5, 15]])),
        Table((by_died, Axis("dx", ("A", "B"))), np.array([[20.0, NAN], [10, NAN]])),
        Table((Axis("dx", ("A", "B")), Axis("dx", ("A", "B"))), np.array([[NAN, 9], [9, NAN]])),
    )  # fmt: skip
    return Profile("toy", "patient", 100, 100, ("s",), (died, sex, drug, codes), tables)


def test_every_table_with_a_hub_is_met_exactly() -> None:
    made = ipf.fit(_toy())
    assert made.hubs[0] == "died" and set(made.hubs) == {"died", "sex", "drug"}
    assert made.left_out == ("dx x dx",)

    def joint(a: str, b: str) -> np.ndarray:
        found = np.zeros((3, 3))
        np.add.at(found, (made.state[:, made.hubs.index(a)], made.state[:, made.hubs.index(b)]),
                  made.p_state)  # fmt: skip
        return 100 * found

    assert joint("died", "sex")[:2, :2] == pytest.approx(np.array([[45.0, 35], [5, 15]]), abs=1e-3)
    assert joint("drug", "sex")[:, :2] == pytest.approx(
        np.array([[40.0, 10], [5, 25], [5, 15]]), abs=1e-3
    )
    has = made.p_state @ made.codes["dx"]
    assert 100 * has == pytest.approx([30.0, 10.0], abs=1e-3)
    dead = made.state[:, made.hubs.index("died")] == 1
    assert 100 * made.p_state[dead] @ made.codes["dx"][dead] == pytest.approx([10, 2.0], abs=1e-3)


def test_the_fit_has_the_greatest_entropy() -> None:
    """Against the log-linear model: no three-way interaction is left in the hubs."""
    made = ipf.fit(_toy())
    shape = [2 if name in ("died", "sex") else 3 for name in made.hubs]
    order = [made.hubs.index(name) for name in ("died", "sex", "drug")]
    log_p = np.log(made.p_state.reshape(shape)).transpose(order)
    interaction = (log_p[1, 1] - log_p[1, 0]) - (log_p[0, 1] - log_p[0, 0])
    assert interaction == pytest.approx(np.full(3, interaction[0]), abs=1e-3)


def test_levels_given_the_hubs_and_cells_that_are_not_printed() -> None:
    members = people(4000, np.random.default_rng(SEED))
    profile = release_of(members)
    made = ipf.fit(profile)
    drawn = made.sample(40_000, 1)
    cells = cells_of(profile, main=False)
    share, printed = cells.made(drawn), cells.released
    z2 = (share - printed) ** 2 / np.maximum(printed * (1 - printed) / 40_000, 1e-9)
    assert np.mean(z2) < 2.0
    assert np.isnan(drawn.values["age"]).mean() == pytest.approx(0.03, abs=0.01)


def test_samples_are_repeated_by_their_seed() -> None:
    profile = release_of(people(500, np.random.default_rng(SEED)))
    for fit in (ipf.fit, independent.fit, copula.fit):
        made = fit(profile)
        first, second, other = made.sample(300, 1), made.sample(300, 1), made.sample(300, 2)
        assert np.array_equal(first.levels["sex"], second.levels["sex"])
        assert (first.codes["diagnoses"] != second.codes["diagnoses"]).nnz == 0
        assert (first.codes["diagnoses"] != other.codes["diagnoses"]).nnz > 0


def test_units_survive_the_way_through_a_table() -> None:
    members = people(200, np.random.default_rng(SEED))
    columns = tuple(("diagnoses", i) for i in range(30))
    table = as_rows(members, form(), columns)
    profile = release_of(members)
    back = as_sample(table, profile, columns, np.random.default_rng(1))
    for name, level in members.levels.items():
        assert np.array_equal(back.levels[name], level), name
    assert (back.codes["diagnoses"] != members.codes["diagnoses"]).nnz == 0


def test_without_its_environment_sdv_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LLMSYN_SDV", str(tmp_path / "none"))
    members = people(50, np.random.default_rng(SEED))
    made = sdv_copula.fit(release_of(members), members)
    with pytest.raises(InputError, match="sdv_environment"):
        made.sample(10, 1)


def _row(n: int, release: str, measured: float, utility: float) -> dict[str, object]:
    return {"n": n, "release": release, "measured AUC": measured, "predicted AUC": measured - 0.01,
            "TSTR death": utility, "TRTR death": 0.8}  # fmt: skip


def test_the_figure_shows_every_kind_once() -> None:
    rows = [_row(n, kind, 0.5 + 20 / n + shift, 0.7 if n > 200 else NAN)
            for kind, shift in (("off & <on>", 0.1), ("epsilon 1", 0.0)) for n in (100, 1000)]  # fmt: skip
    rows[2]["measured AUC"] = rows[2]["predicted AUC"] = NAN  # no release at n = 100
    text = figure(rows)
    root = ElementTree.fromstring(text)
    names = ["".join(e.itertext()) for e in root.iter() if e.tag.endswith("text")]
    assert names.count("off & <on>") == 2 and names.count("epsilon 1") == 2
    assert "nan" not in text.lower()
    assert {"100", "1,000", "0.55"} <= set(names)
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_a_line_has_a_gap_where_nothing_was_measured() -> None:
    path, *dots = _line([(0.0, 1.0), (1.0, NAN), (2.0, 3.0)], "#000000", dashed=False)
    assert 'd="M0.0 1.0M2.0 3.0"' in path and len(dots) == 2
    assert _line([(0.0, NAN)], "#000000", dashed=False) == []
