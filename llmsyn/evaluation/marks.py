"""Marks and verdicts: what a measure has to reach, who says so, and whether it did.

A verdict looks at the interval, not at the number alone: FAIL where the whole interval lies
beyond the mark, WARN where only the number does.  A mark that is ``careful`` (privacy) gives
PASS only where the whole interval is on the right side.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llmsyn.errors import InputError
from llmsyn.evaluation.intervals import Estimate
from llmsyn.evaluation.types import Measure
from llmsyn.score import Score, Verdict, json_number

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Judges = Literal["value", "excess", "way"]
Limit: TypeAlias = float | dict[str, float]

SHIPPED = Path(__file__).with_name("marks.toml")

WORDS: dict[Verdict, str] = {
    "pass": "PASS",
    "warn": "WARN",
    "fail": "FAIL",
    "undefined": "NOT MEASURABLE",
    "info": "INFO",
}
"""Verdicts as people read them."""


class _Mark(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    key: str = Field(min_length=1)
    judges: Judges
    at_most: Limit | None = None
    at_least: Limit | None = None
    careful: bool = False
    optional: bool = False
    kind: Literal["standard", "convention"]
    source: str = Field(min_length=1)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    schema_: Literal[1] = Field(alias="schema")
    presets: dict[str, str] = Field(default_factory=dict)
    marks: list[_Mark]


@dataclass(frozen=True)
class Mark:
    """What a measure has to reach, for one preset.

    Attributes
    ----------
    key : of the measures it holds for; ``*`` stands for any name.
    judges : the value, its excess over the ceiling, or its way from ceiling to floor.
    at_least, at_most : -inf and inf where there is no such bound.
    careful : whether the whole interval has to reach it.
    kind, source : who says so.
    optional : whether a measure without a value (its tool is not installed) decides nothing.
    """

    key: str
    judges: Judges
    at_least: float
    at_most: float
    careful: bool
    kind: Literal["standard", "convention"]
    source: str
    optional: bool = False

    def __str__(self) -> str:
        bounds = []
        if math.isfinite(self.at_least):
            bounds.append(f"at least {self.at_least:g}")
        if math.isfinite(self.at_most):
            bounds.append(f"at most {self.at_most:g}")
        what = {"value": "", "excess": " against real", "way": " of the way to the floor"}
        return " and ".join(bounds) + what[self.judges]


@dataclass(frozen=True)
class Marks:
    """All marks of one preset; ``meaning`` says what the preset is for."""

    preset: str
    meaning: str
    marks: tuple[Mark, ...]

    def of(self, key: str) -> Mark | None:
        """The mark of a key: one that names it, else one with a ``*`` that fits."""
        for mark in self.marks:
            if mark.key == key:
                return mark
        for mark in self.marks:
            if "*" in mark.key and fnmatchcase(key, mark.key):
                return mark
        return None


@dataclass(frozen=True)
class Judged:
    """A measure with its verdict, the mark behind it, and the number that was judged."""

    measure: Measure
    mark: Mark | None
    judged: Estimate

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        mark = None
        if self.mark is not None:
            mark = {
                "must_be": str(self.mark),
                "judges": self.mark.judges,
                "at_least": json_number(self.mark.at_least),
                "at_most": json_number(self.mark.at_most),
                "careful": self.mark.careful,
                "kind": self.mark.kind,
                "source": self.mark.source,
                "value": json_number(self.judged.value),
                "low": json_number(self.judged.low),
                "high": json_number(self.judged.high),
            }
        return {**self.measure.to_json(), "mark": mark}


def read_marks(preset: str = "release", file: str | Path | None = None) -> Marks:
    """The shipped marks of a preset, with those of a file laid over them.

    Raises
    ------
    InputError : there is no such preset, or the file is not as ``marks.toml`` says.
    """
    shipped = _parsed(SHIPPED)
    own = _parsed(Path(file)) if file is not None else None
    presets = shipped.presets | (own.presets if own else {})
    if preset not in presets:
        raise InputError(f"there is no preset {preset!r}; choose from {', '.join(presets)}")
    replaced = {mark.key for mark in own.marks} if own else set()
    chosen = [*(own.marks if own else ()), *(m for m in shipped.marks if m.key not in replaced)]
    for name in {n for m in chosen for n in _presets_of(m)} - set(presets):
        raise InputError(
            f"a mark names the preset {name!r}, which is not among [presets]; it has "
            f"{', '.join(presets)}",
            file=file,
        )
    found = [_for(mark, preset) for mark in chosen]
    return Marks(preset, presets[preset], tuple(m for m in found if m is not None))


def judge(measures: Iterable[Measure], marks: Marks) -> tuple[Judged, ...]:
    """Every measure with its verdict; one without a mark is ``info``."""
    return tuple(_judged(measure, marks.of(measure.key)) for measure in measures)


def _judged(measure: Measure, mark: Mark | None) -> Judged:
    score = measure.score
    plain = Estimate(score.value, score.low, score.high)
    if score.verdict == "undefined":
        absent = mark is not None and mark.optional and math.isnan(score.value)
        return Judged(measure, None if absent else mark, plain)
    if mark is None:
        return Judged(replace(measure, score=replace(score, verdict="info")), None, plain)
    found = _seen(measure, mark.judges)
    if isinstance(found, str):
        failed = replace(score, verdict="undefined", reason=found)
        return Judged(replace(measure, score=failed), mark, plain)
    verdict = _verdict(found, mark)
    reference = mark.at_most if math.isfinite(mark.at_most) else mark.at_least
    said = replace(score, verdict=verdict, reference=reference)
    return Judged(replace(measure, score=said), mark, found)


def _seen(measure: Measure, judges: Judges) -> Estimate | str:
    """The number that is judged, or why there is none."""
    score, ceiling, floor = measure.score, measure.ceiling, measure.floor
    if judges == "value":
        return Estimate(score.value, score.low, score.high)
    if ceiling is None or math.isnan(ceiling.value):
        return "there is no ceiling to compare it with"
    if judges == "excess":
        half = math.hypot(_half(score), _half(ceiling))
        value = score.value - ceiling.value
        return Estimate(value, value - half, value + half)
    if floor is None or math.isnan(floor.value):
        return "there is no floor to compare it with"
    way = floor.value - ceiling.value
    noise = max(_half(ceiling), _half(floor))
    if abs(way) <= noise:
        return "independent marginals are as good as real units here, so nothing can be told"
    ends = [(x - ceiling.value) / way for x in (score.low, score.high)]
    return Estimate((score.value - ceiling.value) / way, min(ends), max(ends))


def _half(score: Score) -> float:
    half = (score.high - score.low) / 2
    return 0.0 if math.isnan(half) else half


def _verdict(found: Estimate, mark: Mark) -> Verdict:
    low, high = (found.value if math.isnan(x) else x for x in (found.low, found.high))
    if low > mark.at_most or high < mark.at_least:
        return "fail"
    inside = mark.at_least <= found.value <= mark.at_most
    if mark.careful:
        inside = inside and mark.at_least <= low and high <= mark.at_most
    return "pass" if inside else "warn"


def _parsed(file: Path) -> _File:
    try:
        return _File.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError("the marks cannot be read; check the path", file=file) from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"this is no TOML: {error}", file=file) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{first['msg']}; marks.toml says what is allowed", file=file, key=key
        ) from error


def _presets_of(mark: _Mark) -> set[str]:
    limits = (mark.at_most, mark.at_least)
    return {name for limit in limits if isinstance(limit, dict) for name in limit}


def _for(mark: _Mark, preset: str) -> Mark | None:
    def bound(limit: Limit | None, none: float) -> float:
        if isinstance(limit, Mapping):
            return float(limit.get(preset, none))
        return none if limit is None else float(limit)

    at_least, at_most = bound(mark.at_least, -math.inf), bound(mark.at_most, math.inf)
    if math.isinf(at_least) and math.isinf(at_most):
        return None
    return Mark(
        mark.key,
        mark.judges,
        at_least,
        at_most,
        mark.careful,
        mark.kind,
        mark.source,
        mark.optional,
    )
