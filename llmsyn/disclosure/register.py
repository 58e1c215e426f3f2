"""The release register: what was released before, from which population.

A file of the data owner, outside every profile folder, with one JSON object a line and one
line a release.  It holds the released counts themselves (they are public) under the owner's
name for the population, and no patient, no identifier, no hash of one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llmsyn.errors import InputError, OutputError
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.types import Disclosure, Profile, Provenance
from llmsyn.profile.variables import Categorical, CodeSet, FloatArray, Numeric, Variable

_SCHEMA = 1


@dataclass(frozen=True, eq=False)
class Entry:
    """One release.

    Attributes
    ----------
    population : the owner's name for the people behind it.
    date : ISO date of the release.
    profile : its form and its printed counts (NaN is not printed), nothing else.
    """

    population: str
    date: str
    profile: Profile

    def __str__(self) -> str:
        n = f"{self.profile.n_units:,.0f} {self.profile.unit}s"
        return f"{self.profile.name} of {self.date} ({self.population}, {n})"


@dataclass(frozen=True)
class Register:
    """A register file; it need not exist before the first release."""

    path: Path

    def entries(self, population: str | None = None) -> tuple[Entry, ...]:
        """Earlier releases, oldest first; of one population, or of all.

        Raises
        ------
        InputError : a line of the file cannot be read.
        """
        if not self.path.exists():
            return ()
        found = []
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                "the register is not readable UTF-8 text; restore it from a backup", file=self.path
            ) from error
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                entry = _decode(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    "this line is no release of a register; restore the file from a backup",
                    file=self.path,
                    row=number,
                ) from error
            if population is None or entry.population == population:
                found.append(entry)
        return tuple(found)

    def append(self, entry: Entry) -> None:
        """Add a release at the end, in one write.

        Raises
        ------
        OutputError : the file cannot be written.
        """
        line = json.dumps(_encode(entry), sort_keys=True, ensure_ascii=False) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise OutputError(
                f"cannot write the register {self.path}: {error.strerror}; choose another file"
            ) from error


def _encode(entry: Entry) -> dict[str, Any]:
    profile = entry.profile
    return {
        "schema": _SCHEMA,
        "population": entry.population,
        "date": entry.date,
        "name": profile.name,
        "unit": profile.unit,
        "n_units": profile.n_units,
        "n_patients": profile.n_patients,
        "threshold": profile.disclosure.threshold,
        "variables": [_variable(v) for v in profile.variables],
        "tables": [
            {
                "axes": [[a.variable, list(a.labels)] for a in t.axes],
                "counts": _numbers(t.counts),
                "half_width": t.half_width,
            }
            for t in profile.tables
        ],
    }


def _variable(variable: Variable) -> dict[str, Any]:
    common = {
        "name": variable.name,
        "counts": _numbers(variable.counts),
        "half_width": variable.half_width,
    }
    if isinstance(variable, Categorical):
        return {"kind": "categorical", "levels": list(variable.levels), **common}
    if isinstance(variable, Numeric):
        return {
            "kind": "numeric",
            "edges": [float(e) for e in variable.edges],
            "missing": _number(variable.missing_count),
            **common,
        }
    return {
        "kind": "codes",
        "systems": list(variable.systems),
        "codes": list(variable.codes),
        "main": _numbers(variable.main),
        "main_unlisted": _number(variable.main_unlisted),
        "listed": _numbers(variable.listed),
        "unlisted": _numbers(variable.unlisted),
        "total": _numbers(variable.total),
        "unlisted_per_unit": variable.unlisted_per_unit,
        **common,
    }


def _decode(line: Mapping[str, Any]) -> Entry:
    if line["schema"] != _SCHEMA:
        raise ValueError(line["schema"])
    return Entry(
        population=str(line["population"]),
        date=str(line["date"]),
        profile=Profile(
            name=str(line["name"]),
            unit=line["unit"],
            n_units=float(line["n_units"]),
            n_patients=float(line["n_patients"]),
            stages=("released",),
            variables=tuple(_read_variable(v) for v in line["variables"]),
            tables=tuple(
                Table(
                    axes=tuple(Axis(name, tuple(labels)) for name, labels in t["axes"]),
                    counts=_array(t["counts"]),
                    absent="suppressed",
                    half_width=float(t["half_width"]),
                )
                for t in line["tables"]
            ),
            provenance=Provenance(kind="extract", released=str(line["date"])),
            disclosure=Disclosure(method="suppression", threshold=int(line["threshold"])),
        ),
    )


def _read_variable(v: Mapping[str, Any]) -> Variable:
    common: dict[str, Any] = {
        "name": str(v["name"]),
        "stage": "released",
        "counts": _array(v["counts"]),
        "half_width": float(v["half_width"]),
    }
    if v["kind"] == "categorical":
        return Categorical(levels=tuple(v["levels"]), **common)
    if v["kind"] == "numeric":
        missing = float("nan") if v["missing"] is None else float(v["missing"])
        edges = np.array(v["edges"], dtype=float)
        return Numeric(unit="", decimals=0, edges=edges, missing_count=missing, **common)
    parts: dict[str, Any] = {
        part: None if v[part] is None else _array(v[part])
        for part in ("main", "listed", "unlisted", "total")
    }
    return CodeSet(
        systems=tuple(v["systems"]),
        codes=tuple(v["codes"]),
        main_unlisted=v["main_unlisted"],
        unlisted_per_unit=v["unlisted_per_unit"],
        **parts,
        **common,
    )


def _numbers(counts: FloatArray | None) -> Any:
    """Nested lists; None stands for a count that was not printed."""
    if counts is None:
        return None
    written = counts.astype(object)
    written[np.isnan(counts)] = None
    return written.tolist()


def _number(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(value)


def _array(counts: Any) -> FloatArray:
    array: FloatArray = np.array(counts, dtype=float)
    return array
