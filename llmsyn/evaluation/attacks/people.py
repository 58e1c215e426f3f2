"""Units as rows that can be compared, and the people in question.

A person may have several units (stays).  The attacker holds one of them, whichever helps:
the score of a person is the highest of their units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from llmsyn.evaluation.intervals import FloatArray, IntArray
from llmsyn.evaluation.samples import Sample
from llmsyn.evaluation.types import Evidence
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet, Numeric

FloatMatrix: TypeAlias = npt.NDArray[np.float32]

MOST_IN_QUESTION = 5_000
"""Members, and outsiders, whose score is computed; more would narrow no interval that matters."""

MOST_SYNTHETIC = 50_000
"""Synthetic units that are looked through."""

QUICK = 5
"""A quick look takes so many times fewer."""


@dataclass(frozen=True, eq=False)
class Question:
    """Who is in question, and what everybody is compared with.

    Attributes
    ----------
    members, outside : people in question; no member and outsider is the same person.
    reference : people who are neither: what the attacker knows of the population.
    """

    members: Sample
    outside: Sample
    reference: Sample


def question_of(evidence: Evidence, what: str) -> Question:
    """Members and outsiders in question, and the half of the holdout that is not."""
    random = evidence.random(what)
    most = MOST_IN_QUESTION // (QUICK if evidence.quick else 1)
    people = random.permutation(np.unique(evidence.holdout.patient))
    half = min(len(people) // 2, most)
    chosen = random.permutation(np.unique(evidence.members.patient))[:most]
    return Question(
        of_patients(evidence.members, chosen),
        of_patients(evidence.holdout, people[:half]),
        of_patients(evidence.holdout, people[half:]),
    )


def of_patients(sample: Sample, patients: IntArray) -> Sample:
    """The units of these patients."""
    return sample.take(np.flatnonzero(np.isin(sample.patient, patients)))


def synthetic_units(evidence: Evidence, what: str) -> Sample:
    """Synthetic units, a random part of them where they are very many."""
    most = MOST_SYNTHETIC // (QUICK if evidence.quick else 1)
    n = len(evidence.synthetic)
    if n <= most:
        return evidence.synthetic
    return evidence.synthetic.take(evidence.random(what).permutation(n)[:most])


def as_rows(
    sample: Sample, profile: Profile, leave_out: frozenset[str] = frozenset()
) -> FloatMatrix:
    """Rows whose squared Euclidean distance is a number of differences: ``(n, n_features)``.

    One code that only one of two units has counts 1, another level counts 1, and two numbers
    count the square of their difference as a share of the variable's range (a missing one
    against a number counts 1).

    Parameters
    ----------
    leave_out : names of codes (``diagnoses=042``) and variables that are not compared.
    """
    columns: list[FloatMatrix] = []
    for variable in profile.variables:
        name = variable.name
        if name in leave_out:
            continue
        if isinstance(variable, CodeSet):
            keep = [i for i, c in enumerate(variable.codes) if f"{name}={c}" not in leave_out]
            columns.append(sample.codes[name][:, keep].toarray().astype(np.float32))
        elif isinstance(variable, Numeric):
            low, high = variable.edges[0], variable.edges[-1]
            share = (sample.values[name] - low) / (high - low)
            missing = np.isnan(share)
            # The middle is at most a quarter away; the indicator adds what is left to 1.
            columns.append(np.where(missing, 0.5, share)[:, None].astype(np.float32))
            columns.append((missing * np.sqrt(0.75))[:, None].astype(np.float32))
        else:
            one_hot = np.eye(len(variable.levels), dtype=np.float32) / np.float32(np.sqrt(2))
            columns.append(one_hot[sample.levels[name]])
    return np.hstack(columns) if columns else np.zeros((len(sample), 0), np.float32)


def by_person(score: FloatArray, patient: IntArray) -> FloatArray:
    """The highest score of each patient's units, in the order of patients' numbers.

    Examples
    --------
    >>> by_person(np.array([1.0, 5.0, 2.0]), np.array([7, 3, 7])).tolist()
    [5.0, 2.0]
    """
    _, who = np.unique(patient, return_inverse=True)
    best = np.full(int(who.max(initial=-1)) + 1, -np.inf)
    np.maximum.at(best, who, score)
    return best


def rarity(
    sample: Sample, reference: Sample, profile: Profile, *, among: bool = False
) -> FloatArray:
    r"""How rare a record is: :math:`-\sum \log q` over the levels and codes that it has.

    Prevalences q are those of the reference, with half a unit more each; one number a
    patient.  Nobody's membership enters.

    Parameters
    ----------
    among : the sample is a part of the reference; each unit is then compared with the others.

    Returns
    -------
    (n_patients,)
    """
    total = np.zeros(len(sample))
    own = int(among)
    n = len(reference) - own
    for variable in profile.variables:
        name = variable.name
        if name in sample.codes:
            count = np.asarray(reference.codes[name].sum(axis=0)).ravel() - own
            total += sample.codes[name] @ -np.log((np.maximum(count, 0) + 0.5) / (n + 1))
        else:
            both = sample.levels[name].max(initial=0), reference.levels[name].max(initial=0)
            count = np.bincount(reference.levels[name], minlength=int(max(both)) + 1) - own
            q = (np.maximum(count, 0) + 0.5) / (n + 1)
            total += -np.log(q)[sample.levels[name]]
    return by_person(total, sample.patient)
