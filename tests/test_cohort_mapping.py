"""Mapping files: what is accepted, and one sentence for each way to break one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from llmsyn.cohort.mapping import CodesSpec, read_mapping
from llmsyn.cohort.reading import read_cohort
from llmsyn.errors import MappingError
from llmsyn.shipped import shipped

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DATA = Path(__file__).parent / "data"
HOSPITAL, BROKEN = DATA / "hospital", DATA / "broken_mappings"
EXPECTED = tomllib.loads((BROKEN / "expected.toml").read_text(encoding="utf-8"))


def test_every_broken_mapping_has_its_message() -> None:
    files = {path.stem for path in BROKEN.glob("*.toml")} - {"expected"}
    assert files == set(EXPECTED)
    assert len(files) >= 10


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_broken_mapping(name: str) -> None:
    with pytest.raises(MappingError) as found:
        read_cohort(read_mapping(BROKEN / f"{name}.toml"), HOSPITAL)
    expected = EXPECTED[name].replace("HOSPITAL", str(HOSPITAL)).replace("BROKEN", str(BROKEN))
    assert str(found.value) == expected
    assert found.value.exit_code == 2
    assert "\n" not in str(found.value)


def test_a_mapping_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="no such mapping file"):
        read_mapping(tmp_path / "none.toml")


@pytest.mark.parametrize("name", ["diabetes130", "mimic3-demo", "mimic4-demo"])
def test_shipped_mappings_are_sound(name: str) -> None:
    mapping = read_mapping(shipped("stats") / name / "mapping.toml")
    assert mapping.name == name
    concepts = {v.concept for v in mapping.variables}
    assert {"sex", "age", "in_hospital_death", "diagnoses", "drugs"} <= concepts
    assert mapping.stage_order[0] == "demographics"
    proxies = [v for v in mapping.variables if v.proxy_of]
    assert [v.part for v in proxies] == ["proxy"] * len(proxies)
    assert proxies


def test_stages_follow_the_variables_when_not_said() -> None:
    text = (HOSPITAL / "mapping.toml").read_text(encoding="utf-8")
    mapping = read_mapping(HOSPITAL / "mapping.toml")
    assert mapping.stage_order == ("demographics", "outcome", "diagnoses")
    assert 'stages = ["demographics"' in text
    without = mapping.model_copy(update={"stages": []})
    assert without.stage_order == ("demographics", "outcome", "diagnoses")


def test_systems_of_a_code_set_in_order() -> None:
    mapping = read_mapping(HOSPITAL / "mapping.toml")
    (codes,) = mapping.code_sets
    assert isinstance(codes, CodesSpec)
    assert codes.systems == ("icd9cm", "icd10cm")
