"""Privacy: duplicates, and every attack of :mod:`llmsyn.evaluation.attacks`."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module, util

from llmsyn.evaluation.duplicates import duplicates
from llmsyn.evaluation.types import Attack, Evidence, Findings

ATTACKS = "llmsyn.evaluation.attacks"
"""The package that holds one attack a module, each as a function ``attack``."""


def privacy(evidence: Evidence) -> tuple[Findings, ...]:
    """What each attack found, duplicates first."""
    return tuple(attack(evidence) for attack in attacks())


def attacks() -> Iterator[Attack]:
    """Every attack, in the order of the modules' names; duplicates first."""
    yield duplicates
    if util.find_spec(ATTACKS) is None:
        return
    package = import_module(ATTACKS)
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
        found = getattr(import_module(f"{ATTACKS}.{module.name}"), "attack", None)
        if found is not None:
            yield found
