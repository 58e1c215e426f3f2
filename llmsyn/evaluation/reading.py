"""From folders, mapping files or cohorts to evidence: three samples on the same columns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from llmsyn.cohort.parts import MANIFEST, open_cohort, read_manifest
from llmsyn.cohort.reading import RealCohort, read_cohort
from llmsyn.cohort.subset import split_cohort
from llmsyn.cohort.types import Cohort
from llmsyn.errors import CohortError, InputError
from llmsyn.evaluation.samples import Sample, sample_of
from llmsyn.evaluation.types import Evidence
from llmsyn.measurement import DesignSettings, design, measure
from llmsyn.profile.reading import find_profile, read_profile
from llmsyn.profile.types import Profile

Source: TypeAlias = "str | Path | Cohort | RealCohort | Sequence[Cohort]"
"""A folder that this program wrote, a mapping file, or what was read from one."""

SMALLEST = 10
"""Units below which a sample says nothing at all."""


def gather(
    synthetic: Source,
    *,
    members: Source,
    holdout: Source | None = None,
    profile: str | Path | Profile | None = None,
    data: str | Path | None = None,
    share: float = 0.7,
    seed: int = 0,
    quick: bool = False,
) -> Evidence:
    """Read everything that is compared.

    Parameters
    ----------
    synthetic : what is judged; real tables may stand here, too (a sanity check).
    members : the real units that made it.
    holdout : real units that did not.  Without it, ``members`` are all real units, and are
        split by patient as ``llmsyn profile extract --split train --seed S`` splits them.
    profile : its columns are compared.  Without it, the profile in the synthetic cohort's
        folder; without that, one is measured from the members, for its columns only.
    data : folder of the tables that mapping files name.
    share, seed : of the split; the seed is that of every other random choice, too.

    Raises
    ------
    CohortError : a sample is too small, or the cohorts do not have the same variables.
    InputError : there is no profile, and none can be measured.
    """
    real = _batches(members, data)
    if holdout is None:
        parts = [split_cohort(batch, seed=seed, share=share) for batch in real]
        member_rows, holdout_rows = [p[0] for p in parts], [p[1] for p in parts]
    else:
        member_rows, holdout_rows = real, _batches(holdout, data)
        _refuse_shared(member_rows, holdout_rows)
    published = _profile(profile, synthetic, members, member_rows)
    manifest, run = _said_of(synthetic)
    released = profile is not None or _own_profile(synthetic) is not None
    if not released:
        published = replace(published, tables=())
    samples = {
        "synthetic": _sample(_batches(synthetic, data), published, "synthetic"),
        "members": _sample(member_rows, published, "members"),
        "holdout": _sample(holdout_rows, published, "holdout"),
    }
    return Evidence(
        published, **samples, seed=seed, quick=quick, released=released, manifest=manifest, run=run
    )


def _batches(source: Source, data: str | Path | None) -> list[Cohort]:
    if isinstance(source, (str, Path)):
        return list(open_cohort(source, data if Path(source).suffix == ".toml" else None))
    if isinstance(source, Cohort):
        return [source]
    if isinstance(source, RealCohort):
        return list(source.batches())
    return list(source)


def _sample(batches: Iterable[Cohort], profile: Profile, role: str) -> Sample:
    kept = [batch for batch in batches if len(batch)]
    n = sum(map(len, kept))
    if n < SMALLEST:
        raise CohortError(
            f"the {role} sample has {n} units, and at least {SMALLEST} are needed to compare "
            "anything; give more patients, or another share of the split"
        )
    return sample_of(kept, profile)


def _refuse_shared(members: Sequence[Cohort], holdout: Sequence[Cohort]) -> None:
    """A patient in both would make every ceiling and every attack wrong."""

    def ids(batches: Sequence[Cohort]) -> set[str]:
        return {str(i) for b in batches for i in b.units["patient_id"].to_pylist()}

    if all(b.origin == "synthetic" for b in (*members, *holdout)):
        return  # ids of ours are numbers from 1 in every cohort
    both = ids(members) & ids(holdout)
    if both:
        raise CohortError(
            f"{len(both):,} patients are both among the members and in the holdout; split by "
            "patient, for instance with --split"
        )


def _profile(
    given: str | Path | Profile | None,
    synthetic: Source,
    members: Source,
    member_rows: Sequence[Cohort],
) -> Profile:
    if isinstance(given, Profile):
        return given
    if given is not None:
        return read_profile(find_profile(str(given)))
    own = _own_profile(synthetic)
    if own is not None:
        return read_profile(own)
    mapping = None
    if isinstance(members, RealCohort):
        mapping = members.mapping
    elif isinstance(members, (str, Path)) and Path(members).suffix == ".toml":
        from llmsyn.cohort.mapping import read_mapping

        mapping = read_mapping(members)
    if mapping is None:
        raise InputError(
            "the synthetic cohort has no profile in its folder, and the members come without a "
            "mapping file from which one could be measured; name one with --profile"
        )
    like = design(member_rows, mapping, DesignSettings(tables="none"))
    return measure(member_rows, like).profile


def _own_profile(synthetic: Source) -> Path | None:
    if not isinstance(synthetic, (str, Path)):
        return None
    folder = Path(synthetic) / "profile"
    return folder if (folder / "profile.toml").is_file() else None


def _said_of(synthetic: Source) -> tuple[dict[str, Any], dict[str, Any]]:
    """Manifest and run of a synthetic folder."""
    if not isinstance(synthetic, (str, Path)) or not (Path(synthetic) / MANIFEST).is_file():
        return {}, {}
    manifest = read_manifest(synthetic)
    file = Path(synthetic) / "run.json"
    try:
        run = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except ValueError as error:
        raise CohortError("this is no JSON; generate the cohort again", file=file) from error
    return manifest, run if isinstance(run, dict) else {}


def unit_count(sample: Sample) -> str:
    """``129 units of 100 patients``, for people."""
    n, patients = len(sample), int(np.unique(sample.patient).size)
    return f"{n:,} units" + (f" of {patients:,} patients" if patients != n else "")


__all__ = ["SMALLEST", "Source", "gather", "read_cohort", "unit_count"]
