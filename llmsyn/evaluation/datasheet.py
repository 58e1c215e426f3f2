"""A datasheet of a synthetic cohort, under the headings of Datasheets for Datasets.

Source: Gebru et al. 2021, doi 10.1145/3458723.
"""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from llmsyn.evaluation.marks import WORDS
from llmsyn.evaluation.page import interval, number, summary
from llmsyn.evaluation.types import Evidence, Report
from llmsyn.generation.card import markdown_code, markdown_text


def datasheet(report: Report, evidence: Evidence) -> str:
    """Markdown text for ``datasheet.md``."""
    templates = Environment(
        loader=PackageLoader("llmsyn.evaluation"),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "plain": markdown_text, "code": markdown_code, "number": number, "interval": interval,
        "word": WORDS.__getitem__,
    }  # fmt: skip
    return templates.get_template("datasheet.md.j2").render(
        report=report,
        profile=evidence.profile,
        manifest=dict(evidence.manifest),
        n=len(evidence.synthetic),
        rows=summary(report),
    )
