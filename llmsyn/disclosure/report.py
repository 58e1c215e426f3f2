"""The officer's report: what was removed and why, for a signature.

It quotes removed counts, so it is confidential and never goes into the profile folder.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from llmsyn import __version__
from llmsyn.disclosure.extraction import Extraction
from llmsyn.errors import OutputError
from llmsyn.store import write_text

REASONS = {
    "small": "fewer distinct patients than the threshold",
    "zero": "zero (zeros are not told from small counts)",
    "complementary": "a small count could be worked out from it",
    "differencing": "an earlier release differs from it by a small count",
    "withheld": "the limit on the membership risk leaves no room for it",
}
MOST_ROWS = 2_000
"""Removed counts that the HTML page lists; the JSON file beside it has all of them."""


def report_data(extraction: Extraction) -> dict[str, Any]:
    """Everything that the report says, as plain values."""
    release, risk = extraction.release, extraction.risk
    profile = release.profile
    return {
        "confidential": "quotes counts that were removed; keep it in the house",
        "profile": {
            "name": profile.name,
            "title": profile.title,
            "unit": profile.unit,
            "n_units": profile.n_units,
            "n_patients": profile.n_patients,
            "source": profile.provenance.source,
            "tables": [table.name for table in profile.tables],
        },
        "date": release.date,
        "program": f"llmsyn {__version__}",
        "settings": {
            "threshold": release.settings.threshold,
            "rounding": release.settings.rounding,
            "zeros_published": release.settings.zeros_published,
            "tables": release.settings.tables,
            "max_membership_auc": release.settings.max_membership_auc,
            "population": release.population,
        },
        "audit": {
            "findings": [str(f) for f in release.audit.findings],
            "printed": release.audit.n_printed,
            "suppressed": release.audit.n_suppressed,
            "tested": release.audit.n_protected,
            "small": release.audit.n_small,
            "linear_programs": release.audit.n_programs,
            "seconds": round(release.audit.seconds, 1),
        },
        "risk": {
            "auc": round(risk.auc, 4),
            "bound": round(risk.bound, 4),
            "m_eff": round(risk.m_eff, 1),
            "statistics": risk.n_statistics,
            "patients": risk.n_patients,
            "warning": extraction.warning,
        },
        "reasons": {REASONS.get(k, k): v for k, v in sorted(release.reasons.items())},
        "left_out": list(release.left_out),
        "earlier_releases": [
            {
                "release": str(c.entry),
                "relation": c.relation,
                "cells_removed": list(c.cells),
                "known_before": list(c.known_before),
            }
            for c in release.comparisons
        ],
        "removed": [
            {
                "cell": r.cell,
                "count": r.count,
                "patients": r.patients,
                "reason": REASONS.get(r.reason, r.reason),
                "protects": r.protects,
            }
            for r in release.removed
        ],
    }


def write_report(extraction: Extraction, path: Path, profile_folder: Path) -> None:
    """Write the report as HTML, and as JSON beside it.

    Raises
    ------
    OutputError : the path lies inside the profile folder, or cannot be written.
    """
    if profile_folder.resolve() in path.resolve().parents:
        raise OutputError(
            f"{path} lies inside the profile folder, which leaves the house; write the report "
            "somewhere else"
        )
    data = report_data(extraction)
    templates = Environment(
        loader=PackageLoader("llmsyn.disclosure", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = templates.get_template("officer_report.html.j2")
    write_text(path, page.render(data=data, most_rows=MOST_ROWS))
    write_text(
        path.with_suffix(".json"), json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    )
