"""Parts of a cohort."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsyn.cohort.subset import (
    patient_batches,
    slice_units,
    split_cohort,
    split_patients,
    take_units,
)
from llmsyn.cohort.types import Cohort


def _cohort(patients: list[str], codes: list[list[str]]) -> Cohort:
    row = [i for i, unit in enumerate(codes) for _ in unit]
    table = pa.table(
        {
            "row": pa.array(row, pa.int32()),
            "code": pa.array([c for unit in codes for c in unit], pa.string()).dictionary_encode(),
            "position": pa.array([j for unit in codes for j in range(len(unit))], pa.int16()),
        }
    )
    units = pa.table({"patient_id": patients, "stay_id": [f"s{i}" for i in range(len(patients))]})
    return Cohort("real", "stay", units, {"dx": table})


def _content(cohort: Cohort) -> list[tuple[str, list[str]]]:
    """Stay id and codes of each unit."""
    table = cohort.codes["dx"]
    row, code = np.array(table["row"], int), table["code"].to_pylist()
    stays = cohort.units["stay_id"].to_pylist()
    return [(s, [c for r, c in zip(row, code, strict=True) if r == i]) for i, s in enumerate(stays)]


COHORT = _cohort(list("aabbcd"), [["x", "y"], [], ["x"], ["z", "x", "y"], [], ["y"]])


def test_take_and_slice() -> None:
    whole = _content(COHORT)
    keep = np.array([True, False, False, True, True, False])
    assert _content(take_units(COHORT, keep)) == [whole[0], whole[3], whole[4]]
    assert _content(slice_units(COHORT, 2, 4)) == whole[2:4]
    assert _content(slice_units(COHORT, 4, 4)) == []


@given(st.lists(st.integers(1, 4), min_size=1, max_size=12), st.integers(1, 7))
def test_batches_put_together_are_the_cohort(stays: list[int], size: int) -> None:
    patients = [f"p{i}" for i, n in enumerate(stays) for _ in range(n)]
    codes = [["x", "y", "z"][: i % 4] for i in range(len(patients))]
    cohort = _cohort(patients, codes)
    batches = list(patient_batches(cohort, size))
    assert [unit for batch in batches for unit in _content(batch)] == _content(cohort)
    seen: set[str] = set()
    for batch in batches:
        here = set(batch.units["patient_id"].to_pylist())
        assert not here & seen
        seen |= here
        assert len(batch) < size + max(stays)


@given(st.permutations([f"p{i}" for i in range(30)]), st.integers(0, 5))
def test_split_does_not_depend_on_order(ids: list[str], seed: int) -> None:
    members = dict(zip(ids, split_patients(ids, seed=seed).tolist(), strict=True))
    alone = {i: bool(split_patients([i], seed=seed)[0]) for i in ids}
    assert members == alone


def test_split_has_the_share_and_depends_on_the_seed() -> None:
    ids = [str(i) for i in range(20_000)]
    first, second = (split_patients(ids, seed=s) for s in (1, 2))
    # Standard deviation of a share: 0.0032.
    assert abs(first.mean() - 0.7) < 0.015
    assert abs((first & second).mean() - 0.49) < 0.015
    assert abs(split_patients(ids, seed=1, share=0.2).mean() - 0.2) < 0.015


def test_split_keeps_patients_whole() -> None:
    members, holdout = split_cohort(COHORT, seed=3, share=0.5)
    ids = [set(c.units["patient_id"].to_pylist()) for c in (members, holdout)]
    assert not ids[0] & ids[1]
    assert len(members) + len(holdout) == len(COHORT)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_split_at_the_ends(share: float) -> None:
    assert split_patients(["a", "b"], seed=1, share=share).mean() == share
