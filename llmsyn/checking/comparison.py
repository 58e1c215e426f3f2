"""A cohort beside its profile: ``check = diff(profile, measure(cohort, like=profile))``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from scipy import stats

from llmsyn.checking import rule
from llmsyn.checking.alignment import JoinedCells, align
from llmsyn.checking.cells import Block, BoolArray
from llmsyn.checking.distances import histogram_error, variable_distance
from llmsyn.checking.report import Broken, CheckReport, Status
from llmsyn.errors import CohortError
from llmsyn.knowledge.types import Impossible
from llmsyn.profile.mixing import refuse_mixing
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet, FloatArray
from llmsyn.score import Score, Verdict, undefined

PROMISED_UNITS = 100_000
"""Units up to which sampling alone explains every error; METHOD.md section 3, "Promise"."""

PROMISED_ERROR = 0.002
"""Largest absolute error of a share in a cohort larger than that."""


def check(
    measured: Profile,
    published: Profile,
    *,
    n: int,
    impossibles: Sequence[Impossible] = (),
    violation_counts: Mapping[Impossible, int] | None = None,
    waived: Collection[str] = (),
    independent: bool = True,
    strict: bool = False,
    magnified: float = 1.0,
    top: int = 20,
) -> CheckReport:
    """Compare what a cohort has with what is published, cell by cell.

    The published counts are taken as the truth that was aimed at, not as a sample: a
    cohort's count is then binomial.  A cell that is a linear function of others (the last
    level of a variable, the last row of a complete table) is tested like any other, but is
    no evidence in the mean of z squared, nor are cells with fewer than 5 expected or with an
    interval instead of a number.  The mean over dependent cells is still 1; it only varies
    more, so its accepted range is that of fewer cells (``rule.independent_cells``).

    Beyond 100,000 units a calibrated cell is promised an error of at most 0.002, not one
    that vanishes: standard errors are taken no smaller than at 100,000, the largest error is
    a verdict, and the mean of z squared is none.  ``strict`` holds the cohort to its own n.

    Parameters
    ----------
    measured : the cohort, measured in the form of ``published``, without disclosure control.
    published : the profile.
    n : units of the cohort.
    impossibles, violation_counts : the rules that were looked for, and how many units break
        each (from :func:`~llmsyn.checking.violations.count_violations`).
    waived : names of cells that the profile's own numbers contradict
        (``diagnoses=4280 & sex=F``): shown, not judged.
    independent : whether units were drawn one by one.  A real cohort, or one drawn with
        quotas, is nearer to its profile than chance, so the mean of z squared says nothing.
    strict : judge z at any n.
    magnified : how many times a re-weighted cohort magnifies errors of the network (its share
        of the rare group is met by fewer units of the 100,000 that are promised).
    top : how many cells ``worst`` has.

    Raises
    ------
    ProfileError : ``published`` has noise in some counts and none in others.
    CohortError : there is no unit, or ``measured`` does not have the form of ``published``.
    """
    if n < 1:
        raise CohortError("the cohort has no unit; there is nothing to check")
    refuse_mixing(published)
    pairs = align(measured, published)
    table = JoinedCells.join(pairs, published.n_units, n, waived)
    promised = PROMISED_UNITS / magnified
    large = n > promised and not strict
    z = table.z / math.sqrt(n / promised) if large else table.z
    tested = table.published & ~table.masked & ~table.waived
    limit = rule.z_limit(int(tested.sum()))
    beyond = tested & (np.abs(z) > limit)
    broken_masks = table.masked & ~table.waived & (np.abs(table.count - n * table.share) > 0.5)
    over = _above_threshold(table, published, n, limit)

    scores = [
        _beyond_score(z, tested, beyond, limit, promised if large else None),
        _mask_score(table, broken_masks),
        _mean_z2_score(table, n, judged=independent and not large),
        _largest_error(
            table,
            tested,
            n,
            PROMISED_ERROR * magnified,
            judged=large and n > PROMISED_UNITS,
        ),
        *_rule_scores(impossibles, violation_counts or {}),
        *_distance_scores(pairs, published, n),
        *_unlisted_scores(measured, published),
    ]
    if over.any():
        value = float(over.sum())
        metric = "suppressed cells above threshold"
        said = "no error where they were suppressed to protect others"
        scores.append(Score(metric, value, value, value, 0.0, "warn", said))

    size = np.where(table.published, np.abs(np.nan_to_num(z)), -1.0)
    order = [int(i) for i in np.argsort(-size, kind="stable") if size[i] >= 0]
    status: list[Status] = ["met"] * len(z)
    for i in order:
        if table.waived[i]:
            status[i] = "contradictory in the profile"
        elif broken_masks[i]:
            status[i] = "mask broken"
        elif beyond[i]:
            status[i] = "beyond"
    missed = [i for i in order if status[i] in ("mask broken", "beyond")]
    suspicious: Sequence[Status] = ["above threshold"] * len(z)
    return CheckReport(
        n,
        int(tested.sum()),
        limit,
        tuple(scores),
        worst=table.findings(order[:top], n, z, status),
        beyond=table.findings(missed, n, z, status),
        contradictory=table.findings([i for i in order if table.waived[i]], n, z, status),
        above_threshold=table.findings(np.flatnonzero(over).tolist(), n, z, suspicious),
        broken=tuple(
            Broken(i.rule, " & ".join(map(str, i.terms)), units)
            for i, units in sorted((violation_counts or {}).items(), key=lambda item: -item[1])
            if units
        ),
    )


def _beyond_score(
    z: FloatArray, tested: BoolArray, beyond: BoolArray, limit: float, promised: float | None
) -> Score:
    if not tested.any():
        return undefined("largest |z|", "no cell is published with a share between 0 and 1")
    value = float(np.abs(z[tested]).max())
    number = int(beyond.sum())
    said = f"{number} of {int(tested.sum()):,} cells beyond z* = {limit:.2f}"
    if promised is not None:
        said += f", with standard errors of {promised:,.0f} units"
    return Score("largest |z|", value, value, value, limit, "fail" if number else "pass", said)


def _mask_score(table: JoinedCells, broken: BoolArray) -> Score:
    masks = int((table.masked & ~table.waived).sum())
    if not masks:
        return undefined("masks broken", "no share is published as 0 or as everyone")
    value = float(broken.sum())
    verdict: Verdict = "fail" if value else "pass"
    return Score(
        "masks broken", value, value, value, 0.0, verdict, f"{masks:,} shares of exactly 0 or 1"
    )


def _mean_z2_score(table: JoinedCells, n: int, *, judged: bool) -> Score:
    expected = n * np.minimum(table.share, 1 - table.share)
    evidence = table.published & table.exact & table.free & ~table.waived
    evidence &= np.nan_to_num(expected) >= rule.EVIDENCE_FROM
    if not evidence.any():
        reason = f"no cell is published exactly with {rule.EVIDENCE_FROM} or more expected"
        return undefined("mean z2", reason)
    value = float((table.pearson[evidence] ** 2).mean())
    first_order = int((evidence & table.first_order).sum())
    independent = rule.independent_cells(first_order, int(evidence.sum()) - first_order)
    low, high = rule.mean_z2_range(independent)
    said = f"accepted {low:.2f} to {high:.2f}, {int(evidence.sum()):,} cells"
    # The interval of the value: what the mean of so many squares varies by.
    shrink, stretch = (float(stats.chi2.ppf(q, independent)) / independent for q in (0.025, 0.975))
    interval = min(value, value / stretch), max(value, value / shrink)
    if not judged:
        return Score("mean z2", value, *interval, 1.0, "info", f"not judged; {said}")
    verdict: Verdict = "pass" if low <= value <= high else "fail"
    return Score("mean z2", value, *interval, 1.0, verdict, said)


def _largest_error(
    table: JoinedCells, tested: BoolArray, n: int, accepted: float, *, judged: bool
) -> Score:
    if not tested.any():
        return undefined("largest error of a share", "no cell is tested")
    p = rule.nearest_share(table.count[tested], n, table.share[tested], table.half_width[tested])
    error = np.abs(table.count[tested] / n - p)
    worst = int(np.argmax(error))
    value = float(error[worst])
    at = table.name(int(np.flatnonzero(tested)[worst]))
    if not judged:
        return Score("largest error of a share", value, value, value, reason=f"at {at}")
    verdict: Verdict = "pass" if value <= accepted else "fail"
    return Score("largest error of a share", value, value, value, accepted, verdict, f"at {at}")


def _rule_scores(
    impossibles: Sequence[Impossible], counts: Mapping[Impossible, int]
) -> Iterable[Score]:
    """One score a rule family, in the order in which the families appear."""
    tried = Counter(i.rule for i in (impossibles or counts))
    units = Counter[str]()
    for impossible, count in counts.items():
        units[impossible.rule] += count
    for name, number in tried.items():
        value = float(units[name])
        verdict: Verdict = "fail" if value else "pass"
        said = f"units that break one of {number:,} combinations"
        yield Score(f"impossible {name}", value, value, value, 0.0, verdict, said)


def _distance_scores(
    pairs: list[tuple[Block, FloatArray]], published: Profile, n: int
) -> Iterable[Score]:
    levels = [(b, m) for b, m in pairs if b.kind == "levels"]
    for block, measured in levels:
        yield variable_distance(published, block, measured, n, n_variables=len(levels))
    for block, measured in pairs:
        if block.kind == "histogram":
            yield histogram_error(block, measured, published.n_units, n)


def _unlisted_scores(measured: Profile, published: Profile) -> Iterable[Score]:
    """Mean number of unlisted codes, where it is all that is published of them."""
    for codes in published.code_sets:
        if codes.unlisted_per_unit is None or codes.unlisted is not None or codes.total is not None:
            continue
        metric = f"unlisted codes per unit {codes.name}"
        found = measured[codes.name]
        value = found.unlisted_per_unit if isinstance(found, CodeSet) else None
        if value is None:
            yield undefined(metric, "the cohort was measured without unlisted codes")
        else:
            yield Score(metric, value, value, value, codes.unlisted_per_unit, "info", "published")


def _above_threshold(table: JoinedCells, published: Profile, n: int, limit: float) -> BoolArray:
    """Suppressed cells that are significantly above the largest count that is small."""
    over = np.zeros(len(table.share), bool)
    largest = published.disclosure.threshold - 1
    chosen = np.flatnonzero(table.suppressed & ~np.isnan(table.count))
    if largest < 0 or not len(chosen):
        return over
    share = np.full(len(chosen), min(largest / published.n_units, 1.0))
    zero = np.zeros(len(chosen))
    over[chosen] = rule.z_scores(table.count[chosen], n, share, share, zero) > limit
    return over
