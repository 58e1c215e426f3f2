"""Baseline: a Gaussian copula on the published tables (benchmarks/copula.py has the method)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from baselines.fitting import Drawn
from llmsyn.profile.types import Profile


def _method() -> ModuleType:
    """The file of the same name one folder up, whatever is first on the path."""
    name = "llmsyn_benchmarks_copula"
    if name not in sys.modules:
        file = Path(__file__).resolve().parent.parent / "copula.py"
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None, "a Python file has a loader"
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def fit(profile: Profile) -> Drawn:
    """Fit correlations to every published table of two variables."""
    method = _method()
    outcomes = profile.outcomes
    made = method.fit_copula(profile, outcomes[0].name if outcomes else None)
    return Drawn(lambda n, random: method.draw_copula(made, n, random))
