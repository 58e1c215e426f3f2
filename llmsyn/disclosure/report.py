"""The officer's report: what was removed and why, for a signature.

It quotes counts that are not in the profile, so it is confidential: it is never written into
the profile's folder, and says on top that it must not leave with it.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from llmsyn.disclosure.budget import Plan
from llmsyn.disclosure.differencing import Comparison
from llmsyn.disclosure.release import Release
from llmsyn.disclosure.risk import PATIENTS_PER_STATISTIC, WARN_ABOVE
from llmsyn.errors import OutputError
from llmsyn.store import write_json, write_text

SHOWN = 500
"""Removed counts that the printed page lists; the JSON file has all of them."""

OVERFIT = 0.75
"""From this many independent numbers a patient on, predictions were found too low by more than
0.02 (benchmarks/membership_risk.py): they cannot count more of them than there are patients."""

REASONS = {
    "small": "stands for fewer patients than the threshold",
    "zero": "is zero, and zeros are not printed",
    "complementary": "would give away a small count together with what is printed",
    "differencing": "differs by a small count from an earlier release",
    "withheld": "is beyond the risk budget, or in the tail of a histogram",
}

RELATIONS = {
    "same": "the same people: both releases were audited together",
    "nested": "one population contains the other: the difference was audited as a release",
    "overlapping": "the populations overlap: counts were compared cell by cell",
    "apart": "sizes differ too much for a comparison of single cells",
}


def report_json(release: Release, plan: Plan | None = None) -> dict[str, Any]:
    """Everything the officer signs for, as plain data.

    Parameters
    ----------
    release : the release.
    plan : what a risk budget chose, if there was one.
    """
    profile, risk = release.profile, release.risk
    return {
        "confidential": True,
        "profile": profile.name,
        "title": profile.title,
        "population": release.population,
        "date": release.date,
        "unit": profile.unit,
        "n_units": profile.n_units,
        "n_patients": profile.n_patients,
        "settings": asdict(release.settings),
        "removed_by_reason": dict(release.reasons),
        "removed": [
            {
                "cell": r.cell,
                "count": r.count,
                "patients_at_least": None if math.isnan(r.patients) else r.patients,
                "reason": r.reason,
                "protects": r.protects,
            }
            for r in release.removed
        ],
        "left_out": list(release.left_out),
        "audit": {k: v for k, v in asdict(release.audit).items() if k != "findings"}
        | {"findings": [str(f) for f in release.audit.findings]},
        "risk": None if risk is None else {**asdict(risk), "advantage": risk.advantage},
        "risk_steps": [
            {"table": s.table, "predicted_auc": s.risk.auc, "taken": s.taken}
            for s in (plan.steps if plan else ())
        ],
        "register": [_comparison(c) for c in release.comparisons],
        "warnings": list(warnings(release)),
    }


def warnings(release: Release) -> tuple[str, ...]:
    """What the officer should weigh before signing."""
    found = []
    risk = release.risk
    if risk is None:
        found.append("The membership risk was not predicted.")
    elif risk.auc > WARN_ABOVE:
        needed = PATIENTS_PER_STATISTIC * risk.m_eff
        found.append(
            f"The predicted membership AUC is {risk.auc:.3f}, above {WARN_ABOVE:g}: somebody who "
            "holds a patient's record can tell better than by chance whether that patient is in "
            f"the data. About {needed:,.0f} patients would be needed for this many statistics; "
            "set --max-membership-auc, or release with differential privacy."
        )
    if risk is not None and risk.m_eff > OVERFIT * risk.n_patients:
        found.append(
            f"{risk.n_patients:,} patients are too few to predict the risk of so many numbers: "
            "take the prediction for the least that the attack reaches."
        )
    if not release.comparisons:
        found.append("No earlier release of this population was known to check against.")
    found += [
        f"{c.entry}: {len(c.known_before)} small counts were given away by that release already."
        for c in release.comparisons
        if c.known_before
    ]
    return tuple(found)


def report_html(release: Release, plan: Plan | None = None) -> str:
    """The report as a page to print and sign; no script, nothing fetched."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("llmsyn.disclosure"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = _count
    content = report_json(release, plan)
    return environment.get_template("officer.html").render(
        **content, reasons=REASONS, relations=RELATIONS, shown=SHOWN
    )


def write_report(
    release: Release, path: Path, profile_folder: Path, plan: Plan | None = None
) -> tuple[Path, Path]:
    """Write the page and, beside it, the JSON file.

    Parameters
    ----------
    path : of the page; the JSON file has its name with the ending ``.json``.
    profile_folder : where the profile goes; the report must not lie inside.

    Returns
    -------
    Paths of the two files.

    Raises
    ------
    OutputError : the path is inside of the profile folder, or cannot be written.
    """
    refuse_inside(path, profile_folder)
    data = path.with_suffix(".json")
    write_text(path, report_html(release, plan))
    write_json(data, report_json(release, plan))
    return path, data


def refuse_inside(path: Path, profile_folder: Path) -> None:
    """Refuse a place for a confidential file that would leave with the profile.

    Raises
    ------
    OutputError : the path is the profile folder or inside of it.
    """
    inside = path.resolve()
    if profile_folder.resolve() in (inside, *inside.parents):
        raise OutputError(
            f"{path} lies inside of the profile folder {profile_folder}, and it quotes what must "
            "not leave; choose a place outside"
        )


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "release": str(comparison.entry),
        "relation": comparison.relation,
        "meaning": RELATIONS[comparison.relation],
        "cells": list(comparison.cells),
        "known_before": list(comparison.known_before),
    }


def _count(value: float | None) -> str:
    """A count as people write it; a dash where it is open."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
