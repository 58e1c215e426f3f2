"""Synthetic electronic health records from aggregate statistics and public knowledge.

The way of the data: a :class:`Profile` (published numbers, no patient) is read, a network
that meets every published number is compiled from it, patients are drawn, and what was
drawn is measured back and checked against the profile.

>>> import llmsyn
>>> llmsyn.generate.__name__
'generate'

The exports are loaded on first use, so that importing the package stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmsyn.checking import check
    from llmsyn.evaluation import evaluate
    from llmsyn.generation import generate
    from llmsyn.measurement import measure
    from llmsyn.profile.findings import check_profile
    from llmsyn.profile.reading import find_profile, read_profile
    from llmsyn.profile.types import Profile
    from llmsyn.profile.writing import write_profile

__version__ = "0.1.0"

__all__ = [
    "Profile",
    "check",
    "check_profile",
    "evaluate",
    "find_profile",
    "generate",
    "measure",
    "read_profile",
    "write_profile",
]

_HOME = {
    "Profile": "llmsyn.profile.types",
    "check": "llmsyn.checking",
    "check_profile": "llmsyn.profile.findings",
    "evaluate": "llmsyn.evaluation",
    "find_profile": "llmsyn.profile.reading",
    "generate": "llmsyn.generation",
    "measure": "llmsyn.measurement",
    "read_profile": "llmsyn.profile.reading",
    "write_profile": "llmsyn.profile.writing",
}


def __getattr__(name: str) -> Any:
    """Load an export from its module on first use, and keep it."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
