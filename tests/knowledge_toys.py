"""A knowledge base and a profile small enough to check by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from llmsyn.knowledge.loading import KnowledgeBase, load_base
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet, Numeric, Selector, Variable

CLASSES = """
schema = 1
[odds_ratios]
-2 = 0.25
-1 = 0.5
0 = 1.0
1 = 1.5
2 = 3.0
3 = 6.0
"""
SOURCES = """
[book]
title = "A book"
licence = "ours"
year = 2026
"""
CONDITIONS = """
schema = 1
family = "toy"
[heart_failure]
name = "Heart failure"
chronic = true
codes = { icd9cm = ["428"], icd10cm = ["I50"] }
profile = { age_mean = 75, age_sd = 10, share_male = 0.5, source = ["book"] }
comorbid = [{ strength = 2, ids = ["fibrillation"], source = ["book"] }]
drug = [{ strength = 3, role = "first_line", ids = ["furosemide"], source = ["book"] }]
procedure = [{ strength = 1, ids = ["echo"], source = ["book"] }]
mortality = { strength = 1, source = ["book:1.5"] }
stay = { strength = 2, source = ["book"] }
[fibrillation]
name = "Fibrillation"
chronic = true
codes = { icd9cm = ["4273"], icd10cm = ["I48"] }
category_codes = { icd9cm = ["427"] }
comorbid = [{ strength = 1, ids = ["heart_failure"], source = ["book"] }]
mortality = { odds_ratio = 2.0, source = ["book"] }
[arrest]
name = "Arrest"
chronic = false
codes = { icd9cm = ["4275", "42741"] }
"""
DRUGS = """
[furosemide]
drug_class = "diuretic"
aliases = ["lasix"]
drug = [{ strength = 2, ids = ["potassium chloride"], source = ["book"] }]
["potassium chloride"]
drug_class = "electrolyte"
aliases = ["kcl"]
"""
PROCEDURES = """
[echo]
name = "Echo"
patterns = { icd9proc = ["8872"], icd10pcs = ["B24"] }
[ventilation]
name = "Ventilation"
patterns = { icd9proc = ["967[0-2]"], icd10pcs = ["5A19[345]5Z"] }
drug = [{ strength = -1, ids = ["furosemide"], source = ["book"] }]
"""
FILES = {
    "classes.toml": CLASSES,
    "sources.toml": SOURCES,
    "conditions/toy.toml": CONDITIONS,
    "drugs/toy.toml": DRUGS,
    "procedures/toy.toml": PROCEDURES,
}


def write_base(folder: Path, **changed: str) -> Path:
    """Write the toy base; ``changed`` replaces a file (``conditions="..."``)."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(changed.get(name.split("/")[0].split(".")[0], text), encoding="utf-8")
    return folder


def toy_base(folder: Path, **changed: str) -> KnowledgeBase:
    return load_base([write_base(folder, **changed)], with_shipped=False)


def code_set(
    name: str, systems: tuple[str, ...], counts: dict[str, float], selector: Selector | None = None
) -> CodeSet:
    return CodeSet(
        name, "x1", systems, tuple(counts), np.array(list(counts.values())), selector=selector
    )


SEX = Categorical(
    "sex",
    "x0",
    ("F", "M", "?"),
    np.array([50.0, 40.0, 10.0]),
    concept="sex",
    means={"F": "female", "M": "male"},
)
AGE = Numeric(
    "age",
    "x0",
    "years",
    0,
    np.array([0.0, 20, 40, 60, 80]),
    np.array([10.0, 20, 30, 40]),
    concept="age",
)
DIED = Categorical(
    "died",
    "x9",
    ("no", "yes"),
    np.array([90.0, 10.0]),
    role="outcome",
    concept="in_hospital_death",
)


def profile(*variables: Variable) -> Profile:
    return Profile("toy", "patient", 100, 100, ("x0", "x1", "x9"), variables)
