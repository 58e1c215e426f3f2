"""The protocol of every benchmark: members -> profile -> synthetic units; holdout for scores.

Units are split by patient.  The profile is extracted from members only, with disclosure
control on; whatever is scored against real rows is scored against the holdout.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
from datasets import DATASETS, mapping_of, read_rows

from llmsyn.cohort.parts import synthetic_parts
from llmsyn.cohort.reading import RealCohort
from llmsyn.disclosure.release import Release, disclose
from llmsyn.disclosure.settings import DEFAULT_THRESHOLD, Settings
from llmsyn.errors import LlmsynError
from llmsyn.evaluation.samples import Sample, sample_of
from llmsyn.generation import generate
from llmsyn.generation.pipeline import Result
from llmsyn.measurement import DesignSettings, design, measure
from llmsyn.profile.types import Profile

MEMBER_SHARE = 0.7

log = logging.getLogger("benchmarks")

data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with one folder of rows per data set (default: LLMSYN_DATA).",
)
work_dir_option = click.option(
    "--work-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for large temporary files (default: the system's).",
)
splits_option = click.option(
    "--splits",
    type=click.IntRange(1, 5),
    default=5,
    show_default=True,
    help="Random splits; their seeds are 1, 2, ...",
)


def rows_option(default: int) -> Callable[[Any], Any]:
    """How many synthetic units a model is trained on."""
    return click.option(
        "-n", "--rows", type=int, default=default, show_default=True,
        help="Synthetic units to train on.",
    )  # fmt: skip


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@dataclass(frozen=True, eq=False)
class Split:
    """One random split of a data set, by patient."""

    name: str
    seed: int
    members: RealCohort
    holdout: RealCohort


def split_of(name: str, data_dir: Path | None, seed: int) -> Split:
    """Members and holdout of a data set; the seed names the split.

    Raises
    ------
    InputError : the rows are missing.
    """
    members, holdout = read_rows(name, data_dir).split(seed=seed, share=MEMBER_SHARE)
    log.info("%s, split %d: %d members, %d held out", name, seed, len(members), len(holdout))
    return Split(name, seed, members, holdout)


def extract(members: RealCohort, *, tables: str, threshold: int = DEFAULT_THRESHOLD) -> Release:
    """``disclose(measure(read(mapping)))`` of the members."""
    batches = list(members.batches())
    mapping = members.mapping
    like = design(batches, mapping, DesignSettings(threshold=threshold, tables=tables))
    release = disclose(measure(batches, like), Settings(threshold=threshold, tables=tables))
    log.info(
        "profile of %d units, %d tables, %.0f s of disclosure control",
        release.profile.n_units,
        len(release.profile.tables),
        release.seconds,
    )
    return release


@contextmanager
def drawn(
    profile: Profile, n: int, *, seed: int, work_dir: Path | None, **options: Any
) -> Iterator[Result]:
    """A synthetic cohort in a folder that lives as long as the block."""
    if work_dir is not None:
        work_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=work_dir, prefix="llmsyn-bench-") as folder:
        result = generate(profile, n, seed=seed, out=Path(folder) / "cohort", **options)
        log.info("%d units: compiled %.1f s, drawn %.1f s", n, result.compile_seconds,
                 result.draw_seconds)  # fmt: skip
        yield result


def draw_sample(
    profile: Profile, n: int, *, seed: int, work_dir: Path | None, **options: Any
) -> Sample:
    """Synthetic units of the network as arrays."""
    with drawn(profile, n, seed=seed, work_dir=work_dir, **options) as result:
        return sample_of(synthetic_parts(result.folder), profile)


def real_sample(cohort: RealCohort, profile: Profile) -> Sample:
    """Real units as arrays, in the levels and codes of a profile."""
    return sample_of(cohort.batches(), profile)


def shuffled(sample: Sample, random: np.random.Generator) -> Sample:
    """The units in random order."""
    return sample.take(random.permutation(len(sample)))


def run_script(command: Callable[[], Any]) -> None:
    """Run a benchmark's command; errors on purpose are one sentence and an exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    try:
        command()
    except LlmsynError as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(error.exit_code) from None


__all__ = [
    "DATASETS",
    "MEMBER_SHARE",
    "Split",
    "data_dir_option",
    "draw_sample",
    "drawn",
    "extract",
    "json_option",
    "log",
    "mapping_of",
    "real_sample",
    "rows_option",
    "run_script",
    "shuffled",
    "split_of",
    "splits_option",
    "work_dir_option",
]
