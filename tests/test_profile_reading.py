"""Reading profiles: forms of numbers, finding them by name, and forty ways to break one."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from llmsyn.cli.main import main
from llmsyn.errors import ProfileError
from llmsyn.profile import reading, sheets
from llmsyn.profile.reading import find_profile, read_profile, read_profile_with_rows
from llmsyn.profile.terms import Range, Term
from llmsyn.profile.variables import Numeric

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BROKEN = Path(__file__).parent / "data" / "broken"
EXPECTED = tomllib.loads((BROKEN / "expected.toml").read_text(encoding="utf-8"))


def test_every_broken_input_has_its_sentence() -> None:
    assert {path.name for path in BROKEN.iterdir() if path.is_dir()} == EXPECTED.keys()
    assert len(EXPECTED) >= 22
    for name in EXPECTED:
        assert len(list((BROKEN / name).iterdir())) == 1, f"{name} breaks one file"


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_broken_input(name: str, toy_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(BROKEN / name, toy_copy, dirs_exist_ok=True)
    assert main(["profile", "check", str(toy_copy)]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"llmsyn: error: {EXPECTED[name]}\n")


def test_toy(toy: Path) -> None:
    profile, source = read_profile_with_rows(toy)
    assert (profile.n_units, profile.n_patients, profile.unit) == (1000, 1000, "patient")
    assert [v.name for v in profile.in_order] == ["sex", "age", "diagnoses", "drugs", "died"]
    assert profile["diagnoses"].counts.tolist() == [488, 263, 254, 327, 202, 148]
    assert profile["diagnoses"].main_unlisted == 290
    assert profile["age"].levels[0] == "[18,40)"
    died = profile.tables[0]
    assert died.counts[1].tolist() == [38, 42, 23, 37, 28, 32]
    assert np.isnan(np.diag(profile.tables[2].counts)).all()
    assert profile.tables[2].counts[3, 0] == profile.tables[2].counts[0, 3] == 168
    assert source.entry("diagnoses", 1).row == 3
    assert source.entry("#0", 1, 0).row == 8


def _write(folder: Path, document: str, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    head = 'schema = 1\nname = "x"\nunit = "patient"\nn_units = 200\nstages = ["s"]\n'
    (folder / "profile.toml").write_text(head + document, encoding="utf-8")
    for name, text in files.items():
        (folder / f"{name}.csv").write_bytes(text.encode())
    return folder


SEX = '[[variables]]\nname = "sex"\nkind = "categorical"\nstage = "s"\nfile = "sex.csv"\n'
NUMBER = '[[variables]]\nname = "age"\nkind = "numeric"\nstage = "s"\n'


def test_what_a_spreadsheet_saves(tmp_path: Path) -> None:
    text = "\ufefflevel,count\r\nF, 80 \r\nM,120\r\n,\r\n\r\n"
    sex = read_profile(_write(tmp_path / "p", SEX, sex=text))["sex"]
    assert sex.levels == ("F", "M")
    assert sex.counts.tolist() == [80, 120]


def test_a_share_is_exact_to_its_last_decimal(tmp_path: Path) -> None:
    sex = read_profile(_write(tmp_path / "p", SEX, sex="level,share\nF,0.4\nM,0.605\n"))["sex"]
    np.testing.assert_allclose(sex.counts, [80, 121])
    assert sex.half_width == pytest.approx(0.0005 * 200)  # a spreadsheet wrote 0.400 as 0.4


def test_rounded_counts_and_suppressed_ones(tmp_path: Path) -> None:
    document = SEX + "\n[disclosure]\nrounding = 5\n"
    sex = read_profile(_write(tmp_path / "p", document, sex="level,count\nF,80\nM,suppressed\n"))
    assert sex["sex"].half_width == 2.5
    assert np.isnan(sex["sex"].counts[1])


def test_quantiles_become_bins(tmp_path: Path) -> None:
    document = NUMBER + 'file = "age.csv"\nlow = 18\nmissing_share = 0.5\n'
    text = "quantile,value\n0.25,40\n0.5,60\n1,90\n"
    age = read_profile(_write(tmp_path / "p", document, age=text))["age"]
    assert isinstance(age, Numeric)
    assert age.edges.tolist() == [18, 40, 60, 90]
    assert age.counts.tolist() == [25, 25, 50]  # of the 100 that have a value
    assert (age.missing_count, age.basis) == (100, "quantiles")


@pytest.mark.parametrize(
    ("keys", "text", "message"),
    [
        ("low = 18\n", "quantile,value\n0,20\n1,90\n", "give it either as a row of age.csv or as"),
        ("", "quantile,value\n0.5,60\n1,90\n", "give it either as a row of age.csv or as low"),
        ("", "quantile,value\n0,20\n0.5,20\n1,90\n", "20 is not above 20 of the row before"),
        ("low = 70\n", "quantile,value\n0.5,60\n1,90\n", "values between low and high"),
        ('missing_count = "suppressed"\n', "quantile,value\n0,1\n1,2\n", "there are no counts"),
        ('basis = "bins"\n', "quantile,value\n0,1\n1,2\n", "leave basis out"),
    ],
)
def test_quantiles_that_cannot_be(tmp_path: Path, keys: str, text: str, message: str) -> None:
    folder = _write(tmp_path / "p", NUMBER + 'file = "age.csv"\n' + keys, age=text)
    with pytest.raises(ProfileError, match=message):
        read_profile(folder)


def test_mean_and_sd_become_bins(tmp_path: Path) -> None:
    document = NUMBER + "mean = 62.1\nsd = 15.3\nlow = 18\nhigh = 90\n"
    age = read_profile(_write(tmp_path / "p", document))["age"]
    assert isinstance(age, Numeric)
    middle = (age.edges[1:] + age.edges[:-1]) / 2
    mean = age.counts @ middle / 200
    assert age.basis == "mean_sd"
    assert age.counts.sum() == pytest.approx(200)
    assert mean == pytest.approx(62.1, abs=0.1)
    assert np.sqrt(age.counts @ (middle - mean) ** 2 / 200) == pytest.approx(15.3, abs=0.2)


def test_a_rule_reads_ranges_of_numbers_only(tmp_path: Path) -> None:
    document = (
        SEX + NUMBER + 'file = "age.csv"\n'
        '[[rules]]\nnever = ["sex=[70,80)", "age = [0,10)"]\nreason = "r"\n'
    )
    files = {"sex": 'level,count\n"[70,80)",200\n', "age": "low,high,count\n0,10,200\n"}
    rule = read_profile(_write(tmp_path / "p", document, **files)).rules[0]
    assert rule.never == (Term("sex", "[70,80)"), Term("age", Range(0.0, 10.0)))


def test_words_of_unpublished_cells(toy_copy: Path) -> None:
    path = toy_copy / "table-sex-died.csv"
    path.write_text("sex,died,count\nF,no,408\nF,yes,suppressed\nM,no,508\n")
    document = (toy_copy / "profile.toml").read_text()
    with pytest.raises(ProfileError, match=r"row 3.*says suppressed and others .* are unknown"):
        read_profile(toy_copy)
    (toy_copy / "profile.toml").write_text(document.replace('absent = "unknown"\n', ""))
    table = read_profile(toy_copy).tables[1]
    assert table.absent == "suppressed"
    np.testing.assert_array_equal(table.counts, [[408, np.nan], [508, np.nan]])


def test_a_table_of_an_unknown_variable_is_no_profile(toy_copy: Path) -> None:
    path = toy_copy / "profile.toml"
    path.write_text(path.read_text().replace('axes = ["sex", "died"]', 'axes = ["sexe", "died"]'))
    sheet = toy_copy / "table-sex-died.csv"
    sheet.write_text(sheet.read_text().replace("sex,", "sexe,", 1))
    with pytest.raises(ProfileError) as error:
        read_profile(toy_copy)
    assert str(error.value) == (
        "profile.toml, key tables[1].axes[0]: there is no variable 'sexe'; did you mean sex?"
    )


def test_limits(toy_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MAX_ROWS", 5)
    with pytest.raises(ProfileError, match=r"age.csv: the file has more than 5 rows"):
        read_profile(toy_copy)
    monkeypatch.setattr(sheets, "MAX_BYTES", 20)
    with pytest.raises(ProfileError, match="limit is 0 MB"):
        read_profile(toy_copy)


@pytest.fixture
def shelf(tmp_path: Path, toy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped profiles that holds the toy, and an empty working folder."""
    shutil.copytree(toy, tmp_path / "stats" / "toy")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setattr(reading.shipped, "shipped", lambda folder: tmp_path / folder)
    return tmp_path / "stats"


def test_a_bare_name_is_a_shipped_profile(shelf: Path) -> None:
    assert find_profile("toy") == find_profile("shipped:toy") == shelf / "toy"


def test_a_name_of_both_must_be_said(shelf: Path) -> None:
    Path("toy").mkdir()
    with pytest.raises(ProfileError, match=r"write \./toy or shipped:toy"):
        find_profile("toy")
    assert find_profile("./toy") == Path("toy")
    assert find_profile("shipped:toy") == shelf / "toy"


def test_what_cannot_be_found(shelf: Path) -> None:
    Path("mine").mkdir()
    Path("file").touch()
    assert find_profile("mine") == Path("mine")
    for given, message in {
        "toi": "did you mean toy",
        "shipped:mine": "no profile 'shipped:mine'",
        "./none": "no folder './none'",
        "file": "'file' is a file",
    }.items():
        with pytest.raises(ProfileError, match=message):
            find_profile(given)
