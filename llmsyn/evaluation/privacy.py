"""Privacy: duplicates, and every attack of :mod:`llmsyn.evaluation.attacks`."""

from __future__ import annotations

from collections.abc import Iterator

from llmsyn.evaluation.attacks import ATTACKS, attack_of
from llmsyn.evaluation.duplicates import duplicates
from llmsyn.evaluation.types import Attack, Evidence, Findings


def privacy(evidence: Evidence) -> tuple[Findings, ...]:
    """What each attack found, duplicates first."""
    return tuple(attack(evidence) for attack in attacks())


def attacks() -> Iterator[Attack]:
    """Every attack, in the order of the report; duplicates first."""
    yield duplicates
    for name in ATTACKS:
        yield attack_of(name)
