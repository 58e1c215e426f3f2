"""The report as one HTML file: verdicts first, then figures, then every number.

No script, nothing fetched; everything that came from a file is escaped.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from llmsyn import __version__
from llmsyn.evaluation.drawing import draw
from llmsyn.evaluation.figures import Curves, Figure
from llmsyn.evaluation.marks import WORDS, Judged
from llmsyn.evaluation.numbers import Numbers, numbers_of
from llmsyn.evaluation.types import TOPICS, Findings, Report, Topic
from llmsyn.score import Score, Verdict

TITLES: dict[Topic, tuple[str, str]] = {
    "privacy": ("Privacy", "Can somebody learn from the synthetic units who was in the data?"),
    "plausibility": ("Clinical plausibility", "Do units have what no patient can have?"),
    "fidelity": ("Fidelity", "Are they distributed like real units that nobody used?"),
    "utility": ("Utility", "What is a model worth that learned from them?"),
    "equity": ("Equity", "Does that hold for every group?"),
    "cost": ("Cost", "What did it take to make them?"),
}
"""Topics with the question that each answers."""

_WORST: tuple[Verdict, ...] = ("fail", "undefined", "warn", "pass", "info")
_DECIDING = 3  # measures named on the first screen, a topic


@dataclass(frozen=True)
class Row:
    """One topic on the first screen."""

    topic: Topic
    title: str
    question: str
    verdict: Verdict
    word: str
    counts: str
    deciding: tuple[Judged, ...]


@dataclass(frozen=True)
class Section:
    """One topic in full."""

    row: Row
    judged: tuple[Judged, ...]
    findings: tuple[Findings, ...]
    figures: tuple[tuple[Figure, str, Numbers], ...]


def report_html(report: Report) -> str:
    """The whole page."""
    rows = summary(report)
    sections = [_section(row, report) for row in rows]
    counts = Counter(m.score.verdict for m in report.measures)
    return _templates().get_template("report.html").render(
        report=report, rows=rows, sections=sections, counts=counts, words=WORDS,
        version=__version__, overall=_overall(report),
    )  # fmt: skip


def verdict_table(report: Report) -> str:
    """The table of the first screen, for a notebook."""
    template = _templates().get_template("verdicts.html")
    return template.render(report=report, rows=summary(report), words=WORDS, links=False)


def summary(report: Report) -> list[Row]:
    """One row a topic that was measured."""
    rows = []
    for topic in TOPICS:
        own = [j for j in report.judged if j.measure.key.partition(".")[0] == topic]
        if not own:
            continue
        verdict = worst(own)
        deciding = [j for j in own if j.mark is not None and j.measure.score.verdict == verdict]
        counts = Counter(j.measure.score.verdict for j in own)
        said = ", ".join(f"{counts[v]} {WORDS[v]}" for v in _WORST if counts[v])
        title, question = TITLES[topic]
        rows.append(
            Row(topic, title, question, verdict, WORDS[verdict], said, tuple(deciding[:_DECIDING]))
        )
    return rows


def worst(judged: Sequence[Judged]) -> Verdict:
    """The verdict of a topic: what is worst among what has a mark; INFO where nothing has.

    Of privacy and plausibility ``NOT MEASURABLE`` stands above WARN: what could not be tested
    was not passed.  Elsewhere (a task with too few outcomes) it counts only where nothing else
    was measured.  A measure without a mark decides nothing.
    """
    marked = [j for j in judged if j.mark is not None]
    found = {j.measure.score.verdict for j in marked}
    topics = {j.measure.key.partition(".")[0] for j in marked}
    if not topics & {"privacy", "plausibility"} and found - {"undefined"}:
        found -= {"undefined"}
    return next((v for v in _WORST if v in found), "info")


def _overall(report: Report) -> tuple[Verdict, str]:
    verdicts = [row.verdict for row in summary(report)]
    verdict = next(v for v in _WORST if v in (*verdicts, "info"))
    marked = [j for j in report.judged if j.mark is not None]
    missed = sum(j.measure.score.verdict == "fail" for j in marked)
    open_ = sum(j.measure.score.verdict == "undefined" for j in marked)
    reached = f"all {len(marked) - open_} marks reached"
    words = {
        "fail": f"{missed} of {len(marked)} marks missed",
        "undefined": "no mark missed, but some could not be measured",
        "warn": "no mark missed for certain, some in doubt",
        "pass": reached + (f" that could be measured; {open_} could not" if open_ else ""),
        "info": "nothing was judged",
    }
    return verdict, words[verdict]


def _section(row: Row, report: Report) -> Section:
    findings = tuple(f for f in report.findings if f.topic == row.topic)
    judged = tuple(j for j in report.judged if j.measure.key.partition(".")[0] == row.topic)
    figures = [figure for f in findings for figure in (*f.figures, *_curves(f))]
    return Section(
        row, judged, findings,
        tuple((figure, draw(figure), numbers_of(figure)) for figure in figures),
    )  # fmt: skip


def _curves(findings: Findings) -> list[Figure]:
    """ROC curves, one figure an attack."""
    attacks = dict.fromkeys(roc.attack for roc in findings.rocs)
    return [
        Curves(
            f"ROC: {attack}",
            "True against false positive rate of the attack and of its controls. On the diagonal "
            "it guesses; a positive control has copies planted and must rise above it.",
            tuple((r.name, r.role, r.fpr, r.tpr) for r in findings.rocs if r.attack == attack),
        )
        for attack in attacks
    ]


def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("llmsyn.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"number": number, "interval": interval, "word": WORDS.__getitem__,
                          "fact": _fact}  # fmt: skip
    return templates


def number(value: float) -> str:
    """A number as people read it; a dash for NaN.

    Examples
    --------
    >>> number(0.12345), number(1234.5), number(float("inf")), number(0.0)
    ('0.123', '1,234', '∞', '0')
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == int(value) and abs(value) < 1e15:
        return f"{value:,.0f}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return (
        f"{value:.3g}"
        if abs(value) < 0.1
        else f"{value:.3f}"
        if abs(value) < 10
        else f"{value:.1f}"
    )


def interval(score: Score) -> str:
    """``0.31 to 0.42``; empty where there is none.

    Examples
    --------
    >>> interval(Score("auc", 0.6, 0.55, 0.65))
    '0.550 to 0.650'
    """
    if math.isnan(score.low) or score.low == score.high:
        return ""
    return f"{number(score.low)} to {number(score.high)}"


def _fact(value: Any) -> str:
    """A fact in one line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
