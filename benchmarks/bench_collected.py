"""The goals on diabetes130, from the results of the scripts that measure them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from claims import Claim
from result_files import RESULTS, read_result

SET = "diabetes130"
TRTR = "TRTR: real rows, same XGBoost"
INDEPENDENT = "TSTR: independent marginals (floor)"
CEILING = "TRTR: best of tuned learners (ceiling)"
KNOWLEDGE = "TSTR: network, margins and knowledge"
TABLES = "TSTR: network, outcome tables"
_CELLS = ("cells-1000000", "set", SET)
_REAL, _APART = "real against real (ceiling)", "independent codes (floor)"


@dataclass(frozen=True)
class Cell:
    """One number of a committed result: file, the row that has ``row`` under ``by``, column."""

    file: str
    by: str
    row: str
    column: str
    interval: str = ""


@dataclass(frozen=True)
class Goal:
    """A goal, and where its number stands; ``floor`` and ``ceiling`` are cells or numbers.

    Attributes
    ----------
    way : whether the number is how far the cell is from ceiling to floor.
    """

    key: str
    what: str
    cell: Cell
    floor: Cell | float
    ceiling: Cell | float
    at_least: float = -math.inf
    at_most: float = math.inf
    way: bool = False


def _death(row: str, column: str = "AUROC") -> Cell:
    interval = {"AUROC": "95%", "(AUC-.5) of TRTR": "95% of that"}.get(column, "")
    return Cell("utility", "model", row, column, interval)


def _told(row: str) -> Cell:
    column = "AUC, demographics and codes"
    return Cell("discriminator", "held-out real rows against", row, column,
                "95%, demographics and codes")  # fmt: skip


GOALS = (
    Goal("cells.largest_error", "largest error of a share, 1,000,000 units",
         Cell(*_CELLS, "largest error"), math.nan, 0.0, at_most=0.002),
    Goal("cells.beyond", "cells beyond z*, 1,000,000 units", Cell(*_CELLS, "beyond z*"),
         math.nan, 0.0, at_most=0),
    Goal("cells.mean_z2", "mean z^2, 1,000,000 units", Cell(*_CELLS, "mean z^2"),
         math.nan, 1.0, at_least=0.8, at_most=1.2),
    Goal("cells.impossible", "impossible codes, 1,000,000 units", Cell(*_CELLS, "impossible"),
         math.nan, math.nan, at_most=0),
    Goal("death.knowledge", "in-hospital death, margins and knowledge, TSTR AUROC",
         _death(KNOWLEDGE), _death(INDEPENDENT), _death(CEILING), at_least=0.82),
    Goal("death.knowledge.ratio", "the same, of TRTR", _death(KNOWLEDGE, "of TRTR"),
         _death(INDEPENDENT, "of TRTR"), _death(CEILING, "of TRTR"), at_least=0.95),
    Goal("death.tables.ratio", "in-hospital death, outcome tables, of TRTR",
         _death(TABLES, "of TRTR"), _death(INDEPENDENT, "of TRTR"), _death(CEILING, "of TRTR"),
         at_least=0.985),
    Goal("discriminator.pairs",
         "discriminator, all pairs: way from real against real to independent",
         _told("network, all pairs"), _told(_APART), _told(_REAL), at_most=1 / 3, way=True),
    Goal("discriminator.knowledge", "discriminator, margins and knowledge: the same way",
         _told("network, margins and knowledge"), _told(_APART), _told(_REAL), at_most=2 / 3,
         way=True),
)  # fmt: skip


def collected(folder: Path = RESULTS) -> Iterator[Claim]:
    """Every goal on diabetes130; what was not run yet says so."""
    for goal in GOALS:
        yield claim_of(goal, folder)
    yield _rival(folder)
    yield from _signs(folder)
    yield from _membership(folder)
    yield from _budget(folder)
    yield _equivalent(folder)
    yield from _memorised(folder)
    speed = read_result("speed", folder)
    for row in [] if speed is None else speed["rows"]:
        if row["n"] >= 1_000_000 and row["workers"] == 1:
            yield Claim(
                f"speed.{row['profile']}", f"units per second, {row['n']:,} of {row['profile']}",
                row["units/s"], ceiling=row["bare units/s"], at_least=150_000, kind="time",
                why="ceiling: a bare NumPy and Parquet run",
            )  # fmt: skip


def claim_of(goal: Goal, folder: Path) -> Claim:
    """The claim of one goal; not measurable, with the command, where its result is missing."""
    ends = {"at_least": goal.at_least, "at_most": goal.at_most}
    script = f"python benchmarks/{goal.cell.file.partition('-')[0]}.py"
    row = _row(goal.cell, folder)
    if row is None:
        return Claim(goal.key, goal.what, math.nan, why=f"not run yet: {script}", **ends)
    value = float(row[goal.cell.column])
    low, high = _interval(str(row.get(goal.cell.interval, "")))
    floor, ceiling = (_beside(x, folder) for x in (goal.floor, goal.ceiling))
    why = script
    if goal.way:
        gap = floor - ceiling
        why += f": AUC {value:.3f}, floor {floor:.3f}, ceiling {ceiling:.3f}"
        value, low, high = ((x - ceiling) / gap for x in (value, low, high))
        floor, ceiling = 1.0, 0.0
    return Claim(
        goal.key, goal.what, value, low, high, floor, ceiling, why=why,
        kind="exact" if math.isnan(low) else "interval", **ends,
    )  # fmt: skip


def _row(cell: Cell, folder: Path) -> dict[str, Any] | None:
    result = read_result(cell.file, folder)
    rows = [] if result is None else [r for r in result["rows"] if r.get(cell.by) == cell.row]
    found: dict[str, Any] | None = rows[0] if rows else None
    return found


def _beside(place: Cell | float, folder: Path) -> float:
    if isinstance(place, float):
        return place
    row = _row(place, folder)
    return math.nan if row is None else float(row[place.column])


def _interval(text: str) -> tuple[float, float]:
    """Ends of an interval such as ``0.520-0.535``; NaN where there is none.

    Examples
    --------
    >>> _interval("0.520-0.535"), _interval("one split")
    ((0.52, 0.535), (nan, nan))
    """
    low, _, high = text.partition("-")
    try:
        return float(low), float(high)
    except ValueError:
        return math.nan, math.nan


def _rival(folder: Path) -> Claim:
    """Is margins and knowledge above every baseline with the same information?"""
    key, what = "death.rivals", "AUROC above the best baseline with the same information"
    result = read_result("utility", folder)
    if result is None:
        return Claim(
            key, what, math.nan, at_least=0, why="not run yet: python benchmarks/utility.py"
        )
    area = {row["model"]: float(row["AUROC"]) for row in result["rows"]}
    rivals = {INDEPENDENT, "TSTR: network, margins without knowledge"}
    rivals |= {"score from the profile, margins and knowledge"}
    best = max(rivals & set(area), key=area.__getitem__)
    return Claim(key, what, area[KNOWLEDGE] - area[best], floor=area[INDEPENDENT] - area[best],
                 ceiling=area[CEILING] - area[best], at_least=0, why=f"best: {best}")  # fmt: skip


def _signs(folder: Path) -> Iterator[Claim]:
    result = read_result("signs", folder)
    rows = [] if result is None else [r for r in result["rows"] if r["set"] == SET]
    by = {r["margins and"]: float(r["right"]) for r in rows}
    what = "sign of association, frequent pairs, margins and knowledge"
    if "knowledge" not in by:
        yield Claim(
            "signs", what, math.nan, at_least=0.8, why="not run: python benchmarks/signs.py"
        )
        return
    yield Claim("signs", what, by["knowledge"], floor=by["no knowledge"], ceiling=1.0, at_least=0.8,
                why="floor: margins without knowledge; ceiling: the rows themselves")  # fmt: skip


def _membership(folder: Path) -> Iterator[Claim]:
    result = read_result("membership_risk", folder)
    for row in [] if result is None else result["rows"]:
        low, high = _interval(row["95%"])
        predicted, measured = float(row["predicted AUC"]), float(row["measured AUC"])
        inside = low <= predicted <= high
        ends = [abs(predicted - x) for x in (low, high)]
        gap = abs(predicted - measured)
        yield Claim(
            f"membership {row['n']} {row['release']}",
            f"abs(predicted - measured AUC), {row['n']:,} patients, {row['release']}",
            gap, 0.0 if inside else min(*ends, gap), max(*ends, gap), floor=abs(0.5 - measured),
            ceiling=0.0, at_most=0.02, kind="interval",
            why=f"predicted {predicted:.3f}, measured {measured:.3f}; floor: predicting 0.5",
        )  # fmt: skip


def _budget(folder: Path) -> Iterator[Claim]:
    """Attacks on releases within the risk budget: the lower end of their interval."""
    result = read_result("release_risk", folder)
    rows = [] if result is None else [r for r in result["rows"] if "budget" in r["release"]]
    what = "lower end of the attack on a release within a risk budget of 0.55"
    if not rows:
        script = "not run yet: python benchmarks/release_risk.py"
        yield Claim("membership.budget", what, math.nan, at_most=0.55, why=script)
    for row in rows:
        low, high = _interval(row["95%"])
        why = row["remark"] or f"no interval: {row['95%']}" if math.isnan(low) else row["releases"]
        yield Claim(
            f"membership.budget {row['n']}", f"{what}, {row['n']:,} patients", low, low, high,
            floor=1.0, ceiling=0.5, at_most=0.55, kind="exact" if math.isnan(low) else "interval",
            why=why or "no release",
        )  # fmt: skip


def _equivalent(folder: Path) -> Claim:
    """How many real patients teach as much as outcome tables do."""
    key, what = (
        "death.tables.equivalent_n",
        "in-hospital death, outcome tables, equivalent patients",
    )
    result = read_result("utility", folder)
    rows = [] if result is None else [r for r in result["rows"] if r["model"] == TABLES]
    if not rows or "equivalent real patients" not in rows[0]:
        return Claim(key, what, math.nan, at_least=10_000,
                     why="not run yet: python benchmarks/utility.py")  # fmt: skip
    return Claim(
        key, what, float(rows[0]["equivalent real patients"]), floor=0.0,
        at_least=10_000, why=f"in each split: {rows[0]['in each split']}",
    )  # fmt: skip


def _memorised(folder: Path) -> Iterator[Claim]:
    result = read_result("memorisation", folder)
    for row in [] if result is None else result["rows"]:
        if row["set"] == SET:
            low, high = _interval(row["95%"])
            yield Claim(
                "replies.memorised", "rows of the set that the recorded model knows by heart",
                float(row["rows that are real"]), low, high, float(row["columns shuffled"]),
                why="python benchmarks/memorisation.py; floor: columns shuffled",
            )  # fmt: skip
