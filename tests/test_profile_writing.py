"""Writing and reading again is the identity, and equal profiles are equal bytes."""

from __future__ import annotations

import csv
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from profiles import profiles, same, texts

from llmsyn.errors import OutputError, ProfileError
from llmsyn.profile.reading import read_profile
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.toml_text import number_text, value_text
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet
from llmsyn.profile.writing import write_profile
from llmsyn.store import sha256_folder, spreadsheet_raw, spreadsheet_safe

TOY = Path(__file__).parent / "data" / "toy"


@given(profiles())
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_reading_what_was_written_gives_the_same_profile(profile: Profile) -> None:
    with tempfile.TemporaryDirectory() as place:
        first, second = Path(place) / "a", Path(place) / "b"
        write_profile(profile, first)
        again = read_profile(first)
        assert same(again, profile)
        write_profile(again, second)
        assert sha256_folder(first) == sha256_folder(second)


def test_same_notices_a_difference_in_the_last_bit() -> None:
    toy = read_profile(TOY)
    toy.variables[0].counts[0] = np.nextafter(444.0, 445.0)
    assert not same(toy, read_profile(TOY))


@given(texts)
def test_marks_against_formulas_can_be_undone(text: str) -> None:
    assert spreadsheet_raw(spreadsheet_safe(text)) == text
    assert not spreadsheet_safe(text).startswith(("=", "+", "-", "@"))


def _small(*, levels: tuple[str, ...] = ("a", "b"), tables: tuple[Table, ...] = ()) -> Profile:
    variable = Categorical("x", "s", levels, np.full(len(levels), 5.0))
    codes = CodeSet("d", "s", ("local",), ("p", "q", "r"), np.array([4.0, 3.0, 2.0]))
    return Profile("small", "patient", 10, 10, ("s",), (variable, codes), tables)


def test_no_cell_of_a_csv_is_a_formula(tmp_path: Path) -> None:
    write_profile(_small(levels=("=cmd|' /C calc'!A0", "@SUM(1)", "+1")), tmp_path / "p")
    with (tmp_path / "p" / "x.csv").open(newline="", encoding="utf-8") as handle:
        cells = [cell for row in csv.reader(handle) for cell in row]
    assert cells[2] == "'=cmd|' /C calc'!A0"
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


def test_unpublished_cells_are_left_out_but_labels_keep_their_order(tmp_path: Path) -> None:
    nan = np.nan
    pairs = np.array([[nan, nan, 2], [nan, nan, nan], [2, nan, nan]])
    axis = Axis("d", ("p", "q", "r"))
    profile = _small(tables=(Table((axis, axis), pairs, "suppressed"),))
    write_profile(profile, tmp_path / "p")
    text = (tmp_path / "p" / "table-d-d.csv").read_text()
    assert text == "d,d.2,count\np,q,suppressed\np,r,2\n"  # q x r has no row
    assert same(read_profile(tmp_path / "p"), profile)


def test_a_title_that_no_official_list_gives_is_kept(tmp_path: Path) -> None:
    write_profile(_small(), tmp_path / "p", title=lambda system, code: f"-{system} {code}")
    assert (tmp_path / "p" / "d.csv").read_text().splitlines()[1] == "p,'-local p,4"
    found = read_profile(tmp_path / "p")
    assert found["d"].titles == {c: f"-local {c}" for c in "pqr"}
    assert same(replace(found, variables=_small().variables), _small())
    write_profile(found, tmp_path / "q")
    assert sha256_folder(tmp_path / "q") == sha256_folder(tmp_path / "p")


def test_an_existing_folder_is_kept_without_force(tmp_path: Path) -> None:
    write_profile(_small(), tmp_path / "p")
    before = sha256_folder(tmp_path / "p")
    with pytest.raises(OutputError, match="exists; choose another folder or pass --force"):
        write_profile(_small(levels=("c",)), tmp_path / "p")
    assert sha256_folder(tmp_path / "p") == before
    write_profile(_small(levels=("c",)), tmp_path / "p", force=True)
    assert read_profile(tmp_path / "p")["x"].levels == ("c",)


@pytest.mark.parametrize("level", ["", "two\nlines", "nul\0"])
def test_a_label_that_would_not_come_back_is_refused_and_nothing_is_left(
    tmp_path: Path, level: str
) -> None:
    with pytest.raises(ProfileError, match="rename it"):
        write_profile(_small(levels=(level,)), tmp_path / "p")
    assert list(tmp_path.iterdir()) == []


def test_a_table_without_cells_is_refused(tmp_path: Path) -> None:
    axis = Axis("d", ("p",))
    with pytest.raises(ProfileError, match="table d x d has no cells"):
        write_profile(_small(tables=(Table((axis, axis), np.array([[np.nan]])),)), tmp_path / "p")


def test_numbers_and_texts_of_toml() -> None:
    assert [number_text(x) for x in (3.0, 0.1, 1e300, -2.0)] == ["3", "0.1", "1e+300", "-2"]
    assert value_text('a"\\\n\x7f') == '"a\\"\\\\\\n\\u007F"'
