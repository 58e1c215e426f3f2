"""Several reports of repeated random splits as one: means, and intervals that know the overlap.

One evaluation has one split, so its intervals say what another holdout would change.  What
another split of the same patients (another profile, another synthetic cohort) would change
needs the whole way from the extract on to be repeated; then this joins the reports.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from llmsyn.errors import InputError
from llmsyn.evaluation.intervals import Estimate, over_splits
from llmsyn.evaluation.marks import judge, read_marks
from llmsyn.evaluation.measured import scored
from llmsyn.evaluation.types import Measure, Report
from llmsyn.score import Score


def combine(
    reports: Sequence[Report], *, test_share: float = 0.3, preset: str | None = None,
    marks: str | None = None,
) -> Report:  # fmt: skip
    """One report of several splits.

    Values are means; the standard error is ``sd * sqrt(1/s + n_test/n_train)`` (Nadeau and
    Bengio 2003, doi 10.1023/A:1024068626366).  A measure is undefined where any split could
    not measure it.  Figures and remarks are those of the first split.

    Parameters
    ----------
    reports : of splits of the same real units, with the same settings.
    test_share : share of patients held out.
    preset, marks : what is judged by; those of the first report without them.

    Raises
    ------
    InputError : there are fewer than two reports.
    """
    if len(reports) < 2:
        raise InputError(f"{len(reports)} report is no repetition; give two or more splits")
    first = reports[0]
    chosen = read_marks(preset or first.preset, marks)
    found = [
        _over(measures, test_share)
        for measure in first.measures
        if len(measures := _same(measure, reports)) == len(reports)
    ]
    facts = {**first.facts, "splits": len(reports), "preset means": chosen.meaning}
    return replace(first, preset=chosen.preset, judged=judge(found, chosen), facts=facts)


def _same(measure: Measure, reports: Sequence[Report]) -> list[Measure]:
    """The measure in every report that has it."""
    wanted = measure.key, measure.of, measure.score.metric
    return [
        next(m for m in report.measures if (m.key, m.of, m.score.metric) == wanted)
        for report in reports
        if any((m.key, m.of, m.score.metric) == wanted for m in report.measures)
    ]


def _over(measures: Sequence[Measure], test_share: float) -> Measure:
    def joined(scores: Sequence[Score | None]) -> Score | None:
        known = [s for s in scores if s is not None]
        if len(known) < len(scores):
            return None
        unmeasured = [s for s in known if s.verdict == "undefined"]
        values = [s.value for s in known]
        finite = all(map(math.isfinite, values))
        estimate = (
            over_splits(values, test_share=test_share)
            if finite
            else Estimate(math.nan, math.nan, math.nan)
        )
        why = unmeasured[0].reason if unmeasured else "it is not finite in every split"
        made = scored(known[0].metric, estimate, why=why, reason=known[0].reason)
        if unmeasured and not math.isnan(made.value):
            made = replace(made, verdict="undefined", reason=why)
        return made

    score = joined([m.score for m in measures])
    assert score is not None, "every measure has a score"
    return replace(
        measures[0],
        score=score,
        ceiling=joined([m.ceiling for m in measures]),
        floor=joined([m.floor for m in measures]),
        controls=(),
    )
