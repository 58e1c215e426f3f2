"""Disclosure control: from the exact measurement to what may leave the house.

The way through the folder: a release is a :mod:`~llmsyn.disclosure.system` of counts
(:mod:`~llmsyn.disclosure.statements` writes it down), from which
:mod:`~llmsyn.disclosure.bounds` concludes; :mod:`~llmsyn.disclosure.audit` tests,
:mod:`~llmsyn.disclosure.suppression` takes out, :mod:`~llmsyn.disclosure.release` puts it
together.  Membership :mod:`~llmsyn.disclosure.risk`, the :mod:`~llmsyn.disclosure.register`
of earlier releases and the officer's :mod:`~llmsyn.disclosure.report` stand beside it, and
differential privacy (:mod:`~llmsyn.disclosure.noise`) instead of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmsyn.disclosure.findings import AuditResult, Finding
    from llmsyn.disclosure.register import Register
    from llmsyn.disclosure.release import Release, disclose
    from llmsyn.disclosure.risk import Risk, predict_risk
    from llmsyn.disclosure.settings import Settings

__all__ = [
    "AuditResult",
    "Finding",
    "Register",
    "Release",
    "Risk",
    "Settings",
    "disclose",
    "predict_risk",
]

_HOME = {
    "AuditResult": "findings",
    "Finding": "findings",
    "Register": "register",
    "Release": "release",
    "Risk": "risk",
    "Settings": "settings",
    "disclose": "release",
    "predict_risk": "risk",
}


def __getattr__(name: str) -> Any:
    """Load an export on first use: scipy takes its time."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
