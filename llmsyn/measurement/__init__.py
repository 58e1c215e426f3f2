"""Measurement: cohort -> exact profile, in memory.

``design`` says what will be counted (levels, bins, codes, tables), ``measure`` counts it.
Nothing here is fit for publication: :mod:`llmsyn.disclosure` comes next.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmsyn.measurement.aligning import aligned
    from llmsyn.measurement.counting import Counts, Measurement, measure
    from llmsyn.measurement.designing import DesignSettings, design

__all__ = ["Counts", "DesignSettings", "Measurement", "aligned", "design", "measure"]

_HOME = {
    "Counts": "counting",
    "DesignSettings": "designing",
    "Measurement": "counting",
    "aligned": "aligning",
    "design": "designing",
    "measure": "counting",
}


def __getattr__(name: str) -> Any:
    """Load an export on first use: scipy takes its time."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
