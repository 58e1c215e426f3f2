"""What was elicited, as a folder that a clinician can read and edit.

::

    associations.csv    one row a pair; ``generate --knowledge FOLDER`` reads it
    disagreements.csv   pairs on which two voices differ, for a person
    elicitation.json    who answered, how much was asked, consistency, failures
    README.md           what the columns mean and how to edit them
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from llmsyn import __version__
from llmsyn.elicitation.eliciting import Elicited, Settings
from llmsyn.elicitation.reviewing import text_of_term
from llmsyn.knowledge.stated import FILE, write_stated
from llmsyn.profile.types import Profile
from llmsyn.store import spreadsheet_safe, write_folder, write_json, write_text

REPORT = "elicitation.json"
DISAGREEMENTS = "disagreements.csv"

_README = """# Associations that a language model proposed

`{file}` states how much more or less likely `then` is where `given` holds, in the terms of
the profile {profile!r}. `llmsyn generate {name} --knowledge THIS_FOLDER` uses it. A row here stands above
whatever the shipped base says of the same two terms.

| column | meaning |
|---|---|
| `given`, `then` | terms of the profile; the title columns beside them are for you, nobody reads them back |
| `effect` | a class: 3 near-defining (odds ratio 6), 2 typical (3), 1 weak (1.5), 0 none, -1 less often (1/2), -2 rarely (1/4); or `excludes` (never together); or an odds ratio of your own, `OR 1.8` |
| `weight` | above 0 and up to 1: how sure; the logarithm of the odds ratio is multiplied by it |
| `provenance` | model and request |

To correct a row, change `effect` and `weight`; to reject it, delete it; to add one, write it.
`disagreements.csv` lists the pairs where two voices differ: look at those first.
Rule of merging: `{rule}` ({rule_text}).
"""

_RULES = {
    "base": "the curated base stands, the model speaks where the base is silent",
    "mean": "the mean of both where both speak of the same terms",
    "model": "the model stands, the base speaks where the model was silent",
}


def report_of(elicited: Elicited, profile: Profile, settings: Settings) -> dict[str, Any]:
    """What ``elicitation.json`` holds; equal for equal replies."""
    strengths: dict[str, int] = {}
    for each in elicited.said:
        key = str(each.effect)
        strengths[key] = strengths.get(key, 0) + 1
    return {
        "llmsyn": __version__,
        "profile": profile.name,
        "models": list(elicited.models),
        "settings": {**asdict(settings.plan), "rule": settings.rule, "review": settings.review},
        "requests": elicited.n_requests,
        "replies": elicited.n_replies,
        "failed": elicited.failed,
        "slips": asdict(elicited.slips),
        "pairs_rated": elicited.n_pairs,
        "associations_said": len(elicited.said),
        "by_class": dict(sorted(strengths.items())),
        "associations_written": len(elicited.associations),
        "associations_of_the_base": elicited.n_curated,
        "disagreements": len(elicited.disagreements),
        "consistency": _plain(elicited.consistency),
    }


def write_overlay(
    folder: Path,
    elicited: Elicited,
    profile: Profile,
    settings: Settings,
    *,
    force: bool = False,
) -> dict[str, Any]:
    """Write the folder, whole or not at all; returns its report.

    Raises
    ------
    OutputError : the folder exists and ``force`` is false, or it cannot be written.
    """
    report = report_of(elicited, profile, settings)
    name = text_of_term(elicited.items)

    def fill(place: Path) -> None:
        write_stated(place, elicited.associations, name)
        write_text(place / DISAGREEMENTS, _disagreements(elicited))
        write_json(place / REPORT, report)
        readme = _README.format(
            file=FILE, profile=profile.name, name=profile.name, rule=settings.rule,
            rule_text=_RULES[settings.rule],
        )  # fmt: skip
        write_text(place / "README.md", readme)

    write_folder(folder, fill, force=force)
    return report


def _disagreements(elicited: Elicited) -> str:
    name = text_of_term(elicited.items)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("between", "given", "given_title", "then", "then_title", "first", "second",
                     "reason"))  # fmt: skip
    for each in elicited.disagreements:
        cells = (each.between, str(each.given), name(each.given), str(each.then),
                 name(each.then), each.first, each.second, each.reason)  # fmt: skip
        writer.writerow(c if i in (5, 6) else spreadsheet_safe(c) for i, c in enumerate(cells))
    return table.getvalue()


def _plain(value: Any) -> Any:
    """JSON has no NaN: a share of nothing is null."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 4)
    return value
