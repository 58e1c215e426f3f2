"""Extraction from rows to release: the risk is that of what is printed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from canary_hospital import write_hospital

from llmsyn.cohort.mapping import Mapping, read_mapping
from llmsyn.cohort.reading import read_cohort
from llmsyn.cohort.types import Cohort
from llmsyn.disclosure.extraction import Extraction, extract
from llmsyn.disclosure.register import Register
from llmsyn.disclosure.settings import Settings
from llmsyn.disclosure.slots import printed, slots
from llmsyn.errors import InfeasibleError
from llmsyn.profile.types import Provenance


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Cohort], Mapping]:
    folder = tmp_path_factory.mktemp("house")
    write_hospital(folder)
    mapping = read_mapping(folder / "mapping.toml")
    return list(read_cohort(mapping).batches()), mapping


@pytest.fixture(scope="module")
def done(rows: tuple[list[Cohort], Mapping]) -> Extraction:
    return extract(*rows, Settings(tables="outcome"))


def _n_printed(one: Extraction) -> int:
    """Printed cells, each pair once."""
    total = 0
    for slot in slots(one.release.profile):
        counts = printed(one.release.profile, slot)
        if slot.place == "table" and one.release.profile.tables[slot.index].is_pairs:
            counts = np.where(np.triu(np.ones(counts.shape), 1) > 0, counts, np.nan)
        total += int((~np.isnan(counts) & (counts > 0)).sum())
    return total


def test_the_risk_is_that_of_what_is_printed(done: Extraction) -> None:
    profile = done.release.profile
    dropped = [line for line in profile.disclosure.left_out if "no cell can be printed" in line]
    assert dropped, "a table must be gone for its place to be taken by another"
    assert done.risk.n_statistics == _n_printed(done)
    assert done.risk.n_patients == 80
    assert profile.disclosure.predicted_membership_auc == round(done.risk.auc, 4)
    assert done.release.risk == done.risk


def test_fewer_tables_less_risk(rows: tuple[list[Cohort], Mapping], done: Extraction) -> None:
    margins = extract(*rows, Settings(tables="none"))
    assert not margins.release.profile.tables
    assert 0.5 < margins.risk.auc <= done.risk.auc


def test_a_high_risk_is_said(done: Extraction) -> None:
    assert done.warning is not None and f"{done.risk.auc:.3f} is above 0.55" in done.warning
    low = replace(done, risk=replace(done.risk, auc=0.52))
    assert low.warning is None


@pytest.mark.parametrize("limit", [0.58, 0.63, 0.66])
def test_a_limit_is_kept(rows: tuple[list[Cohort], Mapping], limit: float) -> None:
    try:
        found = extract(*rows, Settings(tables="all", max_membership_auc=limit))
    except InfeasibleError as error:
        assert limit < 0.6
        assert f"above {limit:g}; 80 patients are too few" in str(error)
        return
    assert found.risk.auc <= limit
    assert found.release.profile.disclosure.max_membership_auc == limit


def test_provenance(rows: tuple[list[Cohort], Mapping], done: Extraction) -> None:
    mine = done.release.profile.provenance
    assert mine.kind == "extract" and mine.released == done.release.date
    given = Provenance(kind="extract", source="ward 7", released="2020-01-01")
    found = extract(*rows, Settings(tables="none"), provenance=given)
    assert found.release.profile.provenance == given


def test_the_register_is_read_and_not_written(
    rows: tuple[list[Cohort], Mapping], done: Extraction, tmp_path: Path
) -> None:
    register = Register(tmp_path / "r.jsonl")
    register.append(done.release.entry())
    before = register.path.read_bytes()
    again = extract(*rows, Settings(tables="outcome"), register)
    assert [c.relation for c in again.release.comparisons] == ["same"]
    assert register.path.read_bytes() == before
