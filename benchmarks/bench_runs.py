"""What ``bench.py`` measures on a set of rows: one function a family of claims."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cells import check_cohort, row_of
from claims import Claim, of_score, way
from protocol import Split, drawn, extract

from llmsyn.checking import check
from llmsyn.cohort.parts import open_cohort
from llmsyn.disclosure.release import Release
from llmsyn.evaluation import Report, evaluate
from llmsyn.generation.pipeline import Result
from llmsyn.measurement import Counts
from llmsyn.profile.types import Profile

LEARNED = ("privacy", "utility", "equity", "fidelity.discriminator")
"""Measures of learners and resamples: compared within their interval."""


@dataclass(frozen=True)
class Sizes:
    """How many units each part draws."""

    evaluated: int = 10_000
    checked: int = 100_000
    many: int = 1_000_000
    trained: int = 10_000
    timed: int = 1_000_000


@dataclass(frozen=True, eq=False)
class Bench:
    """One split of a set, and the profiles that members' rows made.

    Attributes
    ----------
    tables : of the full release.
    full, margins : profile with those tables, and without any.
    """

    split: Split
    tables: str
    full: Release
    margins: Release
    seed: int
    sizes: Sizes
    work_dir: Path | None


def prepare(split: Split, tables: str, sizes: Sizes, work_dir: Path | None) -> Bench:
    """Extract both profiles from the members."""
    full = extract(split.members, tables=tables)
    margins = extract(split.members, tables="none")
    return Bench(split, tables, full, margins, split.seed, sizes, work_dir)


@contextmanager
def cohort(bench: Bench, n: int, *, margins: bool = False, **given: Any) -> Iterator[Result]:
    """Units of the full release, or of the margins alone."""
    release = bench.margins if margins else bench.full
    tables = "none" if margins else bench.tables
    with drawn(
        release.profile, n, seed=bench.seed, work_dir=bench.work_dir, tables=tables, **given
    ) as result:
        yield result


def judged(bench: Bench, result: Result, *, with_privacy: bool) -> Report:
    """``llmsyn evaluate`` of a cohort."""
    return evaluate(
        result.folder, members=bench.split.members, holdout=bench.split.holdout, seed=bench.seed,
        with_privacy=with_privacy,
    )  # fmt: skip


def cells(bench: Bench, report: Report) -> Iterator[Claim]:
    """Every published cell; impossible codes in many units.

    The floor is a network of the margins, without knowledge, held against the full profile.
    """
    name, release, sizes = bench.split.name, bench.full, bench.sizes
    with cohort(bench, sizes.checked, margins=True, parts=()) as result:
        floor = row_of(name, release, result, _against(result, release.profile))
    with cohort(bench, sizes.checked) as result:
        row = row_of(name, release, result, check_cohort(result.folder))
    n = f"{sizes.checked:,} units"
    beside = "floor: margins without knowledge"
    yield Claim(
        "cells.beyond", f"cells beyond z* of {row['cells']:,}, {n}", row["beyond z*"],
        floor=floor["beyond z*"], ceiling=0, at_most=0, why=beside,
    )  # fmt: skip
    yield Claim(
        "cells.mean_z2", f"mean z^2, {n}", row["mean z^2"], floor=floor["mean z^2"], ceiling=1,
        at_least=0.8, at_most=1.2, why=f"{beside}; ceiling: what chance gives",
    )  # fmt: skip
    demographic, _, distance = row["worst demographic"].rpartition(" ")
    real = _worst_real(
        report, {v.name for v in release.profile.variables if v.stage == "demographics"}
    )
    yield Claim(
        "cells.demographic", f"worst demographic ({demographic}), {n}", float(distance),
        floor=0.11, ceiling=real, at_most=0.01,
        why="floor: the least that LLMSYN reports (0.11 to 0.56); "
        "ceiling: other real patients (holdout), against members",
    )  # fmt: skip
    with cohort(bench, sizes.many) as result:
        row = row_of(name, release, result, check_cohort(result.folder))
    n = f"{sizes.many:,} units"
    yield Claim(
        "cells.largest_error", f"largest error of a share, {n}", row["largest error"],
        floor=floor["largest error"], ceiling=0, at_most=0.002, why=beside,
    )  # fmt: skip
    impossible = report.of("plausibility.impossible")
    rates = {
        side: sum(s.value for m in impossible if (s := getattr(m, side)) and s.value == s.value)
        for side in ("floor", "ceiling")
    }
    yield Claim(
        "cells.impossible", f"impossible codes, {n}", row["impossible"],
        floor=round(rates["floor"] * sizes.many), ceiling=round(rates["ceiling"] * sizes.many),
        at_most=0, why="floor: independent marginals; ceiling: held-out real units, scaled up",
    )  # fmt: skip


def fidelity(bench: Bench, full: Report, knowledge: Report, margins: Report) -> Iterator[Claim]:
    """Discriminator and signs: with tables, with knowledge alone, with neither."""
    key = "fidelity.discriminator.codes"
    for label, report, most in (
        (f"tables {bench.tables}", full, 1 / 3),
        ("margins and knowledge", knowledge, 2 / 3),
    ):
        measure = next(m for m in report.measures if m.key == key)
        what = f"discriminator, {label}: way from real against real to independent"
        if measure.floor is None or measure.ceiling is None:
            yield Claim(f"{key} {label}", what, math.nan, at_most=most, why="no floor or ceiling")
        else:
            yield way(f"{key} {label}", what, measure.score, measure.floor, measure.ceiling, most)
    signs = next(m for m in knowledge.measures if m.key == "fidelity.pairs.sign")
    without = next(m for m in margins.measures if m.key == "fidelity.pairs.sign")
    yield of_score(
        "fidelity.signs", "sign of association, margins and knowledge", signs.score,
        floor=without.score, ceiling=signs.ceiling, at_least=0.8, kind="exact",
        why="floor: margins without knowledge; ceiling: members",
    )  # fmt: skip


def measures(report: Report) -> Iterator[Claim]:
    """Every other number of the report, without a goal."""
    for m in report.measures:
        if m.key.startswith(("cost.", "privacy.attribute.by_code")):
            continue
        key = f"{m.key} {m.of}".strip()
        what = m.score.metric if not m.of or m.of in m.score.metric else f"{m.score.metric}, {m.of}"
        if what.startswith("predicted"):
            what += f" ({m.key.split('.')[1].replace('_', ' ')})"
        kind = "interval" if m.key.startswith(LEARNED) else "exact"
        controls = ", ".join(
            f"{c.role}: {c.name} {c.score.value:.3f}"
            for c in m.controls
            if c.score.value == c.score.value
        )
        yield of_score(
            key, what, m.score, floor=m.floor, ceiling=m.ceiling, kind=kind, why=controls
        )


def _against(result: Result, profile: Profile) -> dict[str, Any]:
    """A cohort beside all tables of a profile, those too that it was not asked to meet."""
    counts = Counts(profile)
    for batch in open_cohort(result.folder):
        counts.add(batch)
    return check(counts.measurement().profile, profile, n=counts.n_units).to_json()


def _worst_real(report: Report, names: set[str]) -> float:
    """The largest distance of a demographic between members and holdout."""
    return max(
        (
            m.ceiling.value
            for m in report.of("fidelity.variable")
            if m.ceiling is not None and m.of in names
        ),
        default=math.nan,
    )
