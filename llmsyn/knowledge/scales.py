"""The class table: which log odds ratio a class stands for (``classes.toml``)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from llmsyn.errors import KnowledgeError
from llmsyn.knowledge.parsed import read_toml

RELATIONS = ("comorbidities", "drugs", "procedures", "mortality", "readmission", "stay")
"""Kinds of relations that may have a class scale of their own."""

MULTIPLIED = ("age_sex", "background", "published")
"""Log odds ratios that are no classes: age and sex patterns, what age and kind of admission do
to an outcome, and odds ratios that a record quotes."""


def read_scales(
    places: Iterable[Path],
) -> tuple[dict[int, float], dict[str, dict[int, float]], dict[str, float]]:
    """Log odds ratios of classes, those of single relations, and multipliers.

    Raises
    ------
    KnowledgeError : a key is not known, or a value is no number.
    """
    classes: dict[int, float] = {}
    relations: dict[str, dict[int, float]] = {}
    multipliers: dict[str, float] = {}
    for place in places:
        file = place / "classes.toml"
        if not file.exists():
            continue
        content = read_toml(file)
        _known(content, ("odds_ratios", "relations", "multipliers"), file, "")
        _known(content.get("relations", {}), RELATIONS, file, "relations.")
        _known(content.get("multipliers", {}), MULTIPLIED, file, "multipliers.")
        classes.update(_log_odds_ratios(content.get("odds_ratios", {}), file, "odds_ratios"))
        for name, ratios in content.get("relations", {}).items():
            own = _log_odds_ratios(ratios, file, f"relations.{name}")
            relations.setdefault(name, {}).update(own)
        for name, factor in content.get("multipliers", {}).items():
            if not isinstance(factor, (int, float)):
                raise KnowledgeError(
                    f"{factor!r} is not a number; write one", file=file, key=f"multipliers.{name}"
                )
            multipliers[name] = float(factor)
    return classes, relations, multipliers


def _known(content: Mapping[str, Any], keys: Sequence[str], file: Path, above: str) -> None:
    for key in content:
        if key not in keys:
            raise KnowledgeError(
                f"the key is not known here; write {', '.join(keys)}", file=file, key=above + key
            )


def _log_odds_ratios(ratios: Mapping[str, Any], file: Path, where: str) -> dict[int, float]:
    found = {}
    for key, ratio in ratios.items():
        if not isinstance(ratio, (int, float)) or ratio <= 0:
            raise KnowledgeError(
                f"odds ratio {ratio!r} is not a number above 0; write one",
                file=file,
                key=f"{where}.{key}",
            )
        found[_class(key, file, where)] = math.log(ratio)
    return found


def _class(key: str, file: Path, where: str) -> int:
    try:
        return int(key)
    except ValueError as error:
        raise KnowledgeError(
            f"{key!r} is no class; write a whole number such as 2", file=file, key=where
        ) from error
