"""Reading a hospital's tables: five stays and three wide rows, checked by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from llmsyn.cohort.mapping import Mapping, NumericSpec, read_mapping
from llmsyn.cohort.reading import RealCohort, read_cohort
from llmsyn.cohort.values import on_grid, years_between
from llmsyn.errors import MappingError

HOSPITAL = Path(__file__).parent / "data" / "hospital"

WIDE = """
schema = 1
name = "wide"
unit = "patient"
[tables.encounters]
file = "encounters.csv"
missing = ["?"]
{table}
[units]
table = "encounters"
patient = "person"
stay = "number"
keep = "first"
order_by = "number"
[[variables]]
name = "glucose"
stage = "a"
kind = "categorical"
column = "glu"
[[variables]]
name = "diagnoses"
stage = "a"
kind = "codes"
main = true
[[variables.sources]]
columns = ["diag_1", "diag_2"]
system = "icd9cm"
truncate = 3
[[variables]]
name = "drugs"
stage = "a"
kind = "codes"
normalise = "ingredient"
[[variables.sources]]
system = "ingredient"
flags = ["insulin", "met-glip"]
absent = ["No"]
names = {{ met-glip = ["metformin", "glipizide"] }}
"""


@pytest.fixture(scope="module")
def hospital() -> RealCohort:
    return read_cohort(read_mapping(HOSPITAL / "mapping.toml"))


def _wide(folder: Path, table: str = "") -> Mapping:
    path = folder / "wide.toml"
    path.write_text(WIDE.format(table=table), encoding="utf-8")
    return read_mapping(path)


def _codes(cohort: RealCohort, name: str) -> list[tuple[int, str, int]]:
    table = cohort.whole.codes[name]
    return list(zip(*(table[c].to_pylist() for c in ("row", "code", "position")), strict=True))


def test_units_of_a_patient_stand_together(hospital: RealCohort) -> None:
    units = hospital.whole.units
    assert units["patient_id"].to_pylist() == ["p1", "p1", "p2", "p3", "p4"]
    assert units["stay_id"].to_pylist() == ["s11", "s12", "s21", "s31", "s41"]
    assert hospital.whole.origin == "real"


def test_levels(hospital: RealCohort) -> None:
    units = hospital.whole.units
    expected = {
        "sex": ["M", "M", "F", "F", "missing"],  # joined by patient
        "type": ["unplanned", "unplanned", "planned", "unplanned", "missing"],
        "died": ["no", "yes", "no", "no", "no"],
        "icu": ["yes", "no", "no", "yes", "no"],  # any row; no row at all for s12 and s41
        "version": ["9", "10", "9", "9", "9"],
    }
    for name, levels in expected.items():
        assert units[name].to_pylist() == levels, name
        assert pa.types.is_dictionary(units[name].type)


def test_numbers(hospital: RealCohort) -> None:
    units = hospital.whole.units
    expected = {
        "age": [78, 79, 19, 68, 90],  # a day before the 79th birthday; 219 years are top-coded
        "age_band": [75, 75, 15, 65, 95],
        "stay_days": [3, 5, 0.5, 10.3, 1],  # 10.25 days
        "worst_crea": [2.5, 9, 0.8, None, None],
        "n_labs": [2, 1, 1, 1, 0],
    }
    for name, values in expected.items():
        assert units[name].to_pylist() == values, name
        assert units[name].type == pa.float64()


def test_long_codes_keep_the_lowest_position_once(hospital: RealCohort) -> None:
    assert _codes(hospital, "diagnoses") == [
        (0, "icd9cm:00845", 0),  # 8.45 got its zeros back
        (0, "icd9cm:4280", 1),
        (1, "icd10cm:I509", 0),
        (1, "icd10cm:E119", 1),
        (2, "icd9cm:V27", 0),
        (3, "icd9cm:E888", 0),  # the first recorded; the one without a position comes last
        (3, "icd9cm:4019", 1),
    ]


def test_ten_bytes_a_code_row(hospital: RealCohort) -> None:
    table = hospital.whole.codes["diagnoses"]
    assert table.schema.types == [pa.int32(), pa.dictionary(pa.int32(), pa.string()), pa.int16()]


def test_wide_columns_and_flags(tmp_path: Path) -> None:
    cohort = read_cohort(_wide(tmp_path), HOSPITAL)
    assert cohort.whole.units["patient_id"].to_pylist() == ["1", "2", "3"]
    # Patient 1 has two encounters: number 7 comes first although it stands second.
    assert cohort.whole.units["glucose"].to_pylist() == [">200", "None", "None"]
    assert _codes(cohort, "diagnoses") == [
        (0, "008", 0),
        (1, "E888", 0),
        (2, "428", 0),
        (2, "V27", 1),
    ]
    assert _codes(cohort, "drugs") == [(0, "metformin", 0), (0, "glipizide", 1), (2, "insulin", 0)]


def test_row_filter_of_a_table(tmp_path: Path) -> None:
    cohort = read_cohort(_wide(tmp_path, 'where = { gender = ["F", "M"] }'), HOSPITAL)
    assert cohort.whole.units["patient_id"].to_pylist() == ["1", "2"]
    assert _codes(cohort, "drugs") == [(0, "metformin", 0), (0, "glipizide", 1)]


def test_normaliser_replaces_the_writing_rules(tmp_path: Path) -> None:
    class_of = {"insulin": "a10a", "metformin": "a10b", "glipizide": "a10b"}
    cohort = read_cohort(_wide(tmp_path), HOSPITAL, {"ingredient": class_of.get})
    assert _codes(cohort, "drugs") == [(0, "a10b", 0), (2, "a10a", 0)]


def test_parquet_reads_like_csv(tmp_path: Path) -> None:
    plain = read_cohort(_wide(tmp_path), HOSPITAL)
    table = pacsv.read_csv(HOSPITAL / "encounters.csv")  # ids become integers
    assert table["number"].type == pa.int64()
    pq.write_table(table, tmp_path / "encounters.parquet")
    mapping = _wide(tmp_path)
    text = mapping.path.read_text(encoding="utf-8").replace("encounters.csv", "encounters.parquet")
    mapping.path.write_text(text, encoding="utf-8")
    again = read_cohort(read_mapping(mapping.path))
    assert again.whole.units.to_pylist() == plain.whole.units.to_pylist()
    assert _codes(again, "diagnoses") == _codes(plain, "diagnoses")


def test_main_flag_and_truncation(tmp_path: Path) -> None:
    (tmp_path / "stays.csv").write_text("p,s\n1,a\n2,b\n", encoding="utf-8")
    (tmp_path / "dx.csv").write_text(
        "s,code,primary,when\na,4280,0,2020-01-02\na,25000,1,2020-01-03\na,4281,0,2020-01-04\n"
        "b,4019,0,\n",
        encoding="utf-8",
    )
    (tmp_path / "m.toml").write_text(
        'schema = 1\nname = "m"\nunit = "stay"\n'
        '[tables.stays]\nfile = "stays.csv"\n[tables.dx]\nfile = "dx.csv"\nstay = "s"\n'
        '[units]\ntable = "stays"\npatient = "p"\nstay = "s"\n'
        '[[variables]]\nname = "dx"\nstage = "a"\nkind = "codes"\nmain = true\n'
        '[[variables.sources]]\ntable = "dx"\ncode = "code"\nmain_flag = "primary"\n'
        'time = "when"\nsystem = "icd9cm"\ntruncate = 3\n',
        encoding="utf-8",
    )
    cohort = read_cohort(read_mapping(tmp_path / "m.toml"))
    # Nothing is flagged in b, so nothing there is main.
    assert _codes(cohort, "dx") == [(0, "250", 0), (0, "428", 1), (1, "401", 1)]
    times = cohort.whole.codes["dx"]["time"].to_pylist()
    assert [t and t.day for t in times] == [3, 2, None]


def test_a_row_that_is_not_readable_is_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "encounters.csv").write_text("person,number\n1,2,SECRET\n", encoding="utf-8")
    with pytest.raises(MappingError) as found:
        read_cohort(_wide(tmp_path))
    assert "SECRET" not in str(found.value)


def test_batches_never_split_a_patient(hospital: RealCohort) -> None:
    batches = list(hospital.batches(1))
    assert [b.units["stay_id"].to_pylist() for b in batches] == [
        ["s11", "s12"], ["s21"], ["s31"], ["s41"],
    ]  # fmt: skip
    codes = [b.codes["diagnoses"]["code"].to_pylist() for b in batches]
    assert codes[0] == ["icd9cm:00845", "icd9cm:4280", "icd10cm:I509", "icd10cm:E119"]
    assert codes[3] == []
    assert batches[2].codes["diagnoses"]["row"].to_pylist() == [0, 0]


def test_completed_years() -> None:
    birth = np.array(["2000-02-29", "2000-02-29", "NaT"], "M8[s]")
    start = np.array(["2001-02-28", "2001-03-01", "2001-03-01"], "M8[s]")
    assert years_between(birth, start).tolist()[:2] == [0, 1]
    assert np.isnan(years_between(birth, start)[2])


def test_grid_and_codes_at_the_ends() -> None:
    spec = NumericSpec(name="x", stage="a", kind="numeric", column="x", decimals=1, bottom=0, top=5)
    values = on_grid(spec, np.array([-3, 0.05, 0.25, 0.349, 7, np.nan]))
    assert values[:5].tolist() == [0, 0.1, 0.3, 0.3, 5]
    assert np.isnan(values[5])
