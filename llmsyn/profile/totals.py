"""Findings on the numbers of one variable: what does not add up.

A sum is only called wrong when no true counts within the rounding (and four standard
deviations of privacy noise) could have it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from llmsyn.profile.finding import Finding, error_at, warning_at
from llmsyn.profile.margins import SIGMAS
from llmsyn.profile.places import DOCUMENT, Place, Source
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet, FloatArray, Numeric, Variable

_ROUNDOFF = 1e-9  # of all units: floating-point sums of shares
_MEAN_DECIMALS = 0.01  # unlisted_per_unit is printed with two decimals


def total_findings(profile: Profile, source: Source) -> Iterator[Finding]:
    """What does not add up within one variable.

    Parameters
    ----------
    profile : whose ``n_units`` the counts are part of.
    source : where its numbers stand.
    """
    yield from _units(profile, source)
    for variable in profile.variables:
        if isinstance(variable, Categorical):
            yield from _labels_once(variable, variable.levels, "level", source)
            yield from _bounds(profile, variable, variable.name, variable.counts, source)
            yield from _adds_up(profile, variable, variable.name, variable.counts, source)
        elif isinstance(variable, Numeric):
            counts = np.append(variable.counts, variable.missing_count)
            yield from _bounds(profile, variable, variable.name, counts, source)
            yield from _adds_up(profile, variable, variable.name, counts, source)
        else:
            yield from _code_set(profile, variable, source)


def tolerance(
    profile: Profile, half_width: float, sigma: float, weights: int | FloatArray
) -> float:
    """How far a weighted sum of published counts may be from what it should be.

    Parameters
    ----------
    profile : its number of units scales the floating-point part.
    half_width, sigma : of each count.
    weights : of the counts in the sum, or their number where each counts once.
    """
    w = np.ones(weights) if isinstance(weights, int) else weights
    spread = half_width * float(np.abs(w).sum()) + SIGMAS * sigma * float(np.sqrt((w * w).sum()))
    return spread + _ROUNDOFF * profile.n_units


def share_text(profile: Profile, count: float) -> str:
    """A count as text, with its share of all units."""
    return f"{count:,.6g} ({count / profile.n_units:.4f} of all)"


def _units(profile: Profile, source: Source) -> Iterator[Finding]:
    place = Place(DOCUMENT if source.keys else None, None, "n_patients")
    if profile.n_patients > profile.n_units:
        yield error_at(
            place,
            f"{profile.n_patients:g} patients have {profile.n_units:g} units; each has at least one",
        )
    elif profile.unit == "patient" and profile.n_patients != profile.n_units:
        yield error_at(
            place,
            f"the unit is patient, so n_patients {profile.n_patients:g} should be n_units "
            f"{profile.n_units:g}; correct one or leave n_patients out",
        )


def _labels_once(
    variable: Variable, labels: tuple[str, ...], what: str, source: Source
) -> Iterator[Finding]:
    times = Counter(labels)
    for i, label in enumerate(labels):
        if times[label] > 1 and labels.index(label) != i:
            yield error_at(
                source.entry(variable.name, i), f"{what} '{label}' stands twice; keep one"
            )
        if label != label.strip():
            yield warning_at(
                source.entry(variable.name, i),
                f"{what} '{label}' begins or ends with a blank; remove it",
            )


def _bounds(
    profile: Profile, variable: Variable, name: str, counts: FloatArray, source: Source
) -> Iterator[Finding]:
    slack = tolerance(profile, variable.half_width, variable.sigma, 1)
    for i in np.flatnonzero(counts > profile.n_units + slack):
        yield error_at(
            source.entry(name, int(i)),
            f"count {counts[i]:,.6g} is above the {profile.n_units:g} units of the profile; "
            "correct it or n_units",
        )
    for i in np.flatnonzero(counts < -slack):
        yield error_at(source.entry(name, int(i)), f"count {counts[i]:,.6g} is below 0; correct it")


def _adds_up(
    profile: Profile, variable: Variable, name: str, counts: FloatArray, source: Source
) -> Iterator[Finding]:
    """Counts of labels of which every unit has exactly one."""
    known = counts[~np.isnan(counts)]
    total = float(known.sum())
    slack = tolerance(profile, variable.half_width, variable.sigma, len(known))
    hidden = len(known) < len(counts)
    if total > profile.n_units + slack or (not hidden and total < profile.n_units - slack):
        expected = "at most " if hidden else ""
        yield error_at(
            source.last(name),
            f"the counts of {name} add up to {share_text(profile, total)} and should add up to "
            f"{expected}{profile.n_units:,.6g} within {slack:.3g}; correct a count, or half_width",
        )


def _code_set(profile: Profile, codes: CodeSet, source: Source) -> Iterator[Finding]:
    yield from _labels_once(codes, codes.codes, "code", source)
    yield from _bounds(profile, codes, codes.name, codes.counts, source)
    for facet, histogram in _histograms(codes):
        name = f"{codes.name}.{facet}"
        yield from _bounds(profile, codes, name, histogram, source)
        yield from _adds_up(profile, codes, name, histogram, source)
    yield from _main(profile, codes, source)
    yield from _listed(profile, codes, source)
    yield from _means(profile, codes, source)


def _histograms(codes: CodeSet) -> list[tuple[str, FloatArray]]:
    named = (("count", codes.listed), ("unlisted", codes.unlisted), ("total", codes.total))
    return [(facet, histogram) for facet, histogram in named if histogram is not None]


def _main(profile: Profile, codes: CodeSet, source: Source) -> Iterator[Finding]:
    if codes.main is None:
        return
    name = f"{codes.name}.main"
    slack = tolerance(profile, codes.half_width, codes.sigma, 2)
    for i in np.flatnonzero(codes.main > codes.counts + slack):
        yield error_at(
            source.entry(name, int(i)),
            f"'{codes.codes[i]}' is the main code of {codes.main[i]:,.6g} units and a code of "
            f"only {codes.counts[i]:,.6g}; correct one of the two",
        )
    if nothing_unlisted(codes):
        yield warning_at(
            source.last(name),
            f"{codes.main_unlisted:,.6g} units have a main code of {codes.name} that is not "
            "listed, but nothing says how many such codes units have, so none can be drawn; add "
            "a column unlisted to the histograms, or unlisted_per_unit",
        )
    last = [] if codes.main_unlisted is None else [codes.main_unlisted]
    every = np.append(codes.main, last)
    yield from _bounds(profile, codes, name, every, source)
    known = every[~np.isnan(every)]
    slack = tolerance(profile, codes.half_width, codes.sigma, len(known) + 1)
    total, most = float(known.sum()), profile.n_units
    if total > most + slack:
        yield error_at(
            source.last(name),
            f"the main counts of {codes.name} add up to {share_text(profile, total)}, which is "
            f"more than {most:,.6g} units; a unit has one main code",
        )
    elif codes.main_unlisted is not None and len(known) == len(every):
        none = _without_codes(codes)
        if none is not None and total < most - none - slack:
            yield warning_at(
                source.last(name),
                f"{most - none - total:,.6g} units have codes but no main code, listed or not; "
                "check the main counts",
            )


def nothing_unlisted(codes: CodeSet) -> bool:
    """Whether main codes are unlisted while nothing is said of the number of such codes."""
    silent = codes.unlisted is None and codes.total is None and not codes.unlisted_per_unit
    return silent and bool(codes.main_unlisted and codes.main_unlisted > 0)


def _without_codes(codes: CodeSet) -> float | None:
    """Upper bound of the units that have no code at all; None when it is not known."""
    if codes.total is not None:
        bound = float(codes.total[0])
    elif codes.listed is not None and codes.unlisted is not None:
        bound = float(min(codes.listed[0], codes.unlisted[0]))
    else:
        return None
    return None if np.isnan(bound) else bound


def _listed(profile: Profile, codes: CodeSet, source: Source) -> Iterator[Finding]:
    """The histogram of listed codes against the prevalences."""
    if codes.listed is None:
        return
    name = f"{codes.name}.count"
    n_codes = len(codes.codes)
    for most in np.flatnonzero(codes.listed > tolerance(profile, codes.half_width, codes.sigma, 1)):
        if most > n_codes:
            yield error_at(
                source.entry(name, int(most)),
                f"{codes.listed[most]:,.6g} units have {most} listed codes and only {n_codes} are listed; "
                "correct the histogram or list more codes",
            )
    if n_codes and not np.isnan(codes.listed).any():
        k = np.arange(len(codes.listed), dtype=float)
        with_codes = float(codes.listed[1:].sum())
        slack = tolerance(profile, codes.half_width, codes.sigma, len(k))
        top = int(np.nanargmax(np.append(codes.counts, 0)))
        if top < n_codes and codes.counts[top] > with_codes + slack:
            yield error_at(
                source.entry(codes.name, top),
                f"'{codes.codes[top]}' has {codes.counts[top]:,.6g} units and only "
                f"{with_codes:,.6g} have a listed code at all; correct it or the histogram",
            )
        due, got = float(k @ codes.listed), float(np.nansum(codes.counts))
        hidden = bool(np.isnan(codes.counts).any())
        slack = tolerance(profile, codes.half_width, codes.sigma, np.append(k, np.ones(n_codes)))
        if got > due + slack or (not hidden and got < due - slack):
            yield error_at(
                source.last(name),
                f"the prevalences of {codes.name} add up to {got:,.6g} codes and the histogram of "
                f"listed codes to {due:,.6g}; they count the same, so correct one",
            )


def _means(profile: Profile, codes: CodeSet, source: Source) -> Iterator[Finding]:
    """Histograms of unlisted codes and of all codes against the others."""

    def mass(histogram: FloatArray | None) -> float:
        return np.nan if histogram is None else float(np.arange(len(histogram)) @ histogram)

    def slack(histogram: FloatArray | None) -> float:
        k = np.arange(0 if histogram is None else len(histogram), dtype=float)
        return tolerance(profile, codes.half_width, codes.sigma, k)

    unlisted = mass(codes.unlisted)
    if codes.unlisted_per_unit is not None:
        stated = codes.unlisted_per_unit * profile.n_units
        room = slack(codes.unlisted) + _MEAN_DECIMALS * profile.n_units
        if abs(unlisted - stated) > room:
            yield error_at(
                source.key(codes.name, "unlisted_per_unit"),
                f"{codes.unlisted_per_unit:g} unlisted codes a unit and "
                f"{unlisted / profile.n_units:.4g} in the histogram of unlisted codes contradict "
                "each other; correct one",
            )
        if codes.unlisted is None:
            unlisted = stated
    listed = mass(codes.listed) if codes.listed is not None else float(codes.counts.sum())
    total = mass(codes.total)
    room = (
        slack(codes.total)
        + slack(codes.unlisted)
        + slack(codes.listed)
        + tolerance(profile, codes.half_width, codes.sigma, len(codes.counts))
        + _MEAN_DECIMALS * profile.n_units
    )
    if abs(total - listed - unlisted) > room:
        yield error_at(
            source.last(f"{codes.name}.total"),
            f"{total:,.6g} codes in all, but {listed:,.6g} listed and {unlisted:,.6g} unlisted ones; "
            "correct one of the three",
        )
    elif total < listed - room:
        yield error_at(
            source.last(f"{codes.name}.total"),
            f"{total:,.6g} codes in all, but {listed:,.6g} listed ones; correct one of the two",
        )
