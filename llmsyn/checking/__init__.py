"""Checking: a cohort beside the profile that it was drawn from, cell by cell."""

from __future__ import annotations

from llmsyn.checking.cells import Block, Cell, blocks, cells
from llmsyn.checking.comparison import check
from llmsyn.checking.plausibility import Implausible, Plausibility, implausible
from llmsyn.checking.report import Broken, CheckReport, Finding
from llmsyn.checking.reweighted import Expected, expected
from llmsyn.checking.violations import count_violations, rules_of

__all__ = [
    "Block",
    "Broken",
    "Cell",
    "CheckReport",
    "Expected",
    "Finding",
    "Implausible",
    "Plausibility",
    "blocks",
    "cells",
    "check",
    "count_violations",
    "expected",
    "implausible",
    "rules_of",
]
