r"""Fit the class table to the published tables of one profile.

For each kind of relation and each class the published log odds ratios :math:`y_c` of record
pairs are taken as normal around the class's own value,

.. math:: y_c \sim N(\theta, v_c + s^2), \qquad \theta \sim N(\theta_0, \tau^2),

:math:`\theta_0` the a-priori log odds ratio and :math:`\tau` :data:`PRIOR_SD`.  The codes of one
record pair make one :math:`y_c`, weighted by their precision; its variance :math:`v_c` grows
where they disagree more than chance allows.  :math:`s` is how much record pairs of one class
differ (DerSimonian and Laird, Control Clin Trials 1986).  So a class with few or rough cells
stays near the a-priori scale, and says so by its interval.  Log odds ratios that are no classes
(age and sex patterns, quoted odds ratios) get a multiplier around 1 in the same way.

Which cells are used depends on the margins only, never on the cell: those where
:data:`ENOUGH` units (twice the threshold of the profile, if that is more) would be expected
under independence and under the a-priori class.  Choosing cells because they are published
would favour strong associations.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from llmsyn.errors import ProfileError
from llmsyn.knowledge.associations import associations
from llmsyn.knowledge.crosscells import CrossCells
from llmsyn.knowledge.loading import KnowledgeBase, log_odds
from llmsyn.knowledge.matching import Matcher, matcher
from llmsyn.knowledge.records import Drug
from llmsyn.knowledge.scales import MULTIPLIED, RELATIONS
from llmsyn.knowledge.types import Association
from llmsyn.profile.terms import Term
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet, FloatArray

PRIOR_SD = 0.5
"""Standard deviation of a class's log odds ratio around the a-priori one: a factor of 1.65."""

MULTIPLIER_SD = 0.5
"""Standard deviation of a multiplier around 1."""

ENOUGH = 10.0
"""Units that a cell must be expected to have before it is used."""

BETWEEN = 0.5
"""How much record pairs differ where fewer than :data:`FEWEST` say it; a log odds ratio."""

FEWEST = 3

Z95 = 1.959964


@dataclass(frozen=True)
class Fitted:
    """One row of the table: a class of one relation (or a multiplier), before and after.

    ``prior`` and ``value`` are log odds ratios of a class; for a multiplier, factors.  ``low``
    and ``high`` hold it with 95%.  ``n_pairs`` counts pairs of records, ``n_cells`` published
    cells, ``between`` is the standard deviation between pairs.
    """

    relation: str
    strength: int | None  # None for a multiplier
    prior: float
    value: float
    low: float
    high: float
    n_pairs: int
    n_cells: int
    between: float


@dataclass(frozen=True)
class Recalibration:
    """What was fitted, and to how much."""

    profile: str
    rows: tuple[Fitted, ...]
    n_tables: int
    n_cells: int
    n_unpublished: int  # associations whose cell the profile does not print
    n_small: int  # cells that too few units are expected in


@dataclass(frozen=True)
class _Seen:
    """One published cell: the claim (1 for a class), the log odds ratio and its variance."""

    claim: float
    value: float
    variance: float


def recalibrate(profile: Profile, base: KnowledgeBase) -> Recalibration:
    """Fit the classes of each relation to what a profile publishes.

    Parameters
    ----------
    base : its a-priori classes are the prior; scales fitted before are not used.

    Raises
    ------
    ProfileError : the profile has no cross-table that the base speaks of.
    """
    plain = replace(base, relations={}, multipliers={}, stated=())
    cells = CrossCells(profile)
    enough = max(ENOUGH, 2.0 * profile.disclosure.threshold)
    pairs: dict[tuple[str, int | None], dict[tuple[str, str], list[_Seen]]] = defaultdict(dict)
    look = matcher(base)
    unpublished = small = used = 0
    for one in associations(profile, plain) if len(cells) else ():
        (given,) = one.given
        cell = cells.find(given, one.then)
        if cell is None:
            unpublished += 1
            continue
        claim = log_odds(one.effect, base.classes)
        if cell.expected * min(1.0, math.exp(claim)) < enough:
            small += 1
            continue
        value, variance = cell.log_odds()
        key = _row_of(one)
        seen = _Seen(1.0 if key[1] is not None else claim, value, variance)
        pairs[key].setdefault(_pair(profile, look, given, one.then), []).append(seen)
        used += 1
    if not used:
        raise ProfileError(
            f"{profile.name} has no cross-table with enough units that the knowledge base speaks "
            "of; recalibrate needs tables of pairs of codes, of codes and an outcome, or of codes "
            "and age or sex"
        )
    rows = [
        _fit(relation, strength, base.classes, pairs.get((relation, strength), {}))
        for relation in RELATIONS
        for strength in sorted(base.classes)
    ]
    rows += [_fit(name, None, base.classes, pairs.get((name, None), {})) for name in MULTIPLIED]
    return Recalibration(profile.name, tuple(rows), len(cells), used, unpublished, small)


def overlay_text(found: Recalibration) -> str:
    """``classes.toml`` of an overlay: the fitted rows that any cell spoke of."""
    lines = [
        f"# Class scale fitted to the published tables of {found.profile!r}: "
        f"{found.n_cells} cells of {found.n_tables} tables.",
        "# Odds ratios, with the a-priori one, the 95% interval and the record pairs behind each.",
        f"# Prior: the a-priori scale, standard deviation {PRIOR_SD:g} of the log odds ratio.",
        "schema = 1",
    ]
    for relation in RELATIONS:
        rows = [r for r in found.rows if r.relation == relation and r.n_pairs]
        if rows:
            lines += ["", f"[relations.{relation}]"]
            for r in rows:
                lines.append(f"{r.strength} = {math.exp(r.value):.4g}  {_note(r)}")
    factors = [r for r in found.rows if r.strength is None and r.n_pairs]
    if factors:
        lines += ["", "[multipliers]"]
        lines += [f"{r.relation} = {r.value:.4g}  {_note(r)}" for r in factors]
    return "\n".join(lines) + "\n"


def _note(row: Fitted) -> str:
    prior, low, high = (
        (row.prior, row.low, row.high)
        if row.strength is None
        else tuple(math.exp(x) for x in (row.prior, row.low, row.high))
    )
    return f"# was {prior:.3g}; {low:.3g} to {high:.3g}; {row.n_pairs} pairs"


def _row_of(one: Association) -> tuple[str, int | None]:
    if isinstance(one.effect, int):
        return one.relation, one.effect
    return (one.relation if one.relation in MULTIPLIED else "published"), None


def _pair(profile: Profile, look: Matcher, given: Term, then: Term) -> tuple[str, str]:
    """The records of two terms; age bands of one record make one pair with it."""
    first, second = sorted(_end(profile, look, term) for term in (given, then))
    return first, second


def _end(profile: Profile, look: Matcher, term: Term) -> str:
    variable = profile[term.variable]
    if not isinstance(variable, CodeSet):
        return term.variable
    code = str(term.value)
    record = look.record(variable.system_of(code), variable.bare(code))
    if isinstance(record, Drug) and record.like is not None:
        return record.like
    return code if record is None else record.id


def _fit(
    relation: str,
    strength: int | None,
    classes: Mapping[int, float],
    pairs: Mapping[tuple[str, str], Sequence[_Seen]],
) -> Fitted:
    prior = 1.0 if strength is None else classes[strength]
    sd = MULTIPLIER_SD if strength is None else PRIOR_SD
    together = [one for one in map(_pooled, pairs.values()) if one is not None]
    value = np.array([one[0] for one in together])
    variance = np.array([one[1] for one in together])
    between = _between(value, variance)
    weight = 1 / (variance + between**2)
    precision = 1 / sd**2 + float(weight.sum())
    mean = (prior / sd**2 + float(weight @ value)) / precision
    half = Z95 / math.sqrt(precision)
    n_cells = sum(len(each) for each in pairs.values())
    return Fitted(
        relation, strength, prior, mean, mean - half, mean + half, len(together), n_cells, between
    )


def _pooled(seen: Sequence[_Seen]) -> tuple[float, float] | None:
    """One pair's value and variance from its cells; None where the claim is nothing."""
    claim = np.array([one.claim for one in seen])
    y = np.array([one.value for one in seen])
    v = np.array([one.variance for one in seen])
    precision = float((claim**2 / v).sum())
    if precision < 1e-9 or not claim.any():
        return None
    value = float((claim * y / v).sum()) / precision
    excess = float(((y - value * claim) ** 2 / v).sum()) / max(len(seen) - 1, 1)
    return value, max(1.0, excess if len(seen) > 1 else 1.0) / precision


def _between(value: FloatArray, variance: FloatArray) -> float:
    """Standard deviation between pairs (DerSimonian and Laird)."""
    if len(value) < FEWEST:
        return BETWEEN
    weight = 1 / variance
    mean = float(weight @ value / weight.sum())
    excess = float(weight @ (value - mean) ** 2) - (len(value) - 1)
    scale = float(weight.sum() - (weight**2).sum() / weight.sum())
    return math.sqrt(max(0.0, excess / scale))
