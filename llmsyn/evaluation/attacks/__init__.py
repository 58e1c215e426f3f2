"""Attacks on a release and on a synthetic set, one a file; each with its own controls.

An attack takes :class:`llmsyn.evaluation.types.Evidence` and returns
:class:`llmsyn.evaluation.types.Findings`.  :data:`ATTACKS` names those that need nothing but
the evidence; :func:`llmsyn.evaluation.attacks.memorisation.memorisation` asks a language model
and is called by itself (``llmsyn memorisation``), or with its kept replies by ``evaluate``.  docs/attacks.md says of each what the attacker knows, the statistic
with its source, the controls, and what it does not show.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from llmsyn.errors import InputError
from llmsyn.evaluation.types import Attack, Evidence, Findings

_HOME = {
    "nearest_neighbour": "nearest",
    "nearest_neighbour_calibrated": "nearest",
    "likelihood_release": "aggregates",
    "covariance_release": "aggregates",
    "likelihood_synthetic": "aggregates",
    "covariance_synthetic": "aggregates",
    "shadow_releases": "shadow",
    "attribute_inference": "attribute",
    "k_anonymity": "k_anonymity",
    "closest_record": "closest",
    "three_harms": "harms",
}

ATTACKS: tuple[str, ...] = tuple(_HOME)
"""Names of the attacks, in the order of the report."""


def attack_of(name: str) -> Attack:
    """The attack of that name.

    Raises
    ------
    InputError : there is none.

    Examples
    --------
    >>> attack_of("closest_record").__name__
    'closest_record'
    """
    if name not in _HOME:
        raise InputError(f"there is no attack {name!r}; there are {', '.join(ATTACKS)}")
    found: Attack = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    return found


def run_attacks(evidence: Evidence, names: Sequence[str] = ATTACKS) -> tuple[Findings, ...]:
    """Run attacks, one after the other."""
    return tuple(attack_of(name)(evidence) for name in names)
