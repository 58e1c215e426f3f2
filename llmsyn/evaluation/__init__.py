"""Evaluation: synthetic units beside the real ones that made them, and real ones that did not.

>>> from llmsyn.evaluation import evaluate
>>> evaluate.__name__
'evaluate'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmsyn.evaluation.evaluating import evaluate
    from llmsyn.evaluation.types import Report
    from llmsyn.evaluation.writing import write_report

__all__ = ["Report", "evaluate", "write_report"]

# Learners and SDMetrics take seconds to load, so everything is loaded on first use.
_HOME = {
    "Report": "llmsyn.evaluation.types",
    "evaluate": "llmsyn.evaluation.evaluating",
    "write_report": "llmsyn.evaluation.writing",
}


def __getattr__(name: str) -> Any:
    """Load an export from its module on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
