"""Three conditions, two drugs and two procedures, to check by hand; and toy profiles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from llmsyn.knowledge.loading import KnowledgeBase, load_base
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet, Numeric, Selector, Variable

CONDITIONS = """
schema = 1

[heart_failure]
name = "Heart failure"
aliases = ["CHF"]
chronic = true
codes = { icd9cm = ["428"], icd10cm = ["I50"] }
profile = { age_mean = 75, age_sd = 10, share_male = 0.5, source = ["book"] }
comorbid = [{ strength = 2, ids = ["fibrillation"], source = ["book"] }]
drug = [{ strength = 3, ids = ["furosemide"], source = ["book"] }]
procedure = [{ strength = 1, ids = ["echo"], source = ["book"] }]
mortality = { strength = 1, source = ["book"] }
stay = { strength = 2, source = ["book"] }

[fibrillation]
name = "Atrial fibrillation"
aliases = ["AF"]
chronic = true
codes = { icd9cm = ["4273"], icd10cm = ["I48"] }
category_codes = { icd9cm = ["427"] }
comorbid = [{ strength = 1, ids = ["heart_failure"], source = ["book"] }]
mortality = { odds_ratio = 2.0, source = ["book:1.5"] }

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
universal = true
"""

PROCEDURES = """
[echo]
name = "Echocardiography"
patterns = { icd9proc = ["8872"], icd10pcs = ["B24[4-6]"] }

[ventilation]
name = "Ventilation"
patterns = { icd9proc = ["967"], icd10pcs = ["5A19[345]5Z"] }
drug = [{ strength = -1, ids = ["furosemide"], source = ["book"] }]
"""

CLASSES = "[odds_ratios]\n-2 = 0.25\n-1 = 0.5\n0 = 1.0\n1 = 1.5\n2 = 3.0\n3 = 6.0\n"
SOURCES = '[book]\ntitle = "The book"\nlicence = "public domain"\nyear = 2020\n'

AGE = Numeric(
    "age", "x0", "years", 0, np.array([0.0, 20, 40, 60, 80]), np.array([10.0, 20, 30, 40]),
    concept="age",
)  # fmt: skip
SEX = Categorical(
    "sex", "x0", ("F", "M", "?"), np.array([50.0, 40.0, 10.0]),
    concept="sex", means={"F": "female", "M": "male"},
)  # fmt: skip
DIED = Categorical(
    "died", "x8", ("no", "yes"), np.array([90.0, 10.0]), role="outcome",
    concept="in_hospital_death",
)  # fmt: skip


def write_base(folder: Path, **changed: str) -> Path:
    """Write the toy base; ``conditions``, ``drugs`` or ``procedures`` replace a file's text."""
    texts = {"conditions": CONDITIONS, "drugs": DRUGS, "procedures": PROCEDURES, **changed}
    for kind, text in texts.items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        (folder / kind / "toy.toml").write_text(text, "utf-8")
    (folder / "classes.toml").write_text(CLASSES, "utf-8")
    (folder / "sources.toml").write_text(SOURCES, "utf-8")
    return folder


def toy_base(folder: Path, **changed: str) -> KnowledgeBase:
    """The toy base, alone."""
    return load_base([write_base(folder, **changed)], with_shipped=False)


def code_set(
    name: str,
    systems: tuple[str, ...],
    counts: Mapping[str, float],
    selector: Selector | None = None,
    concept: str | None = None,
) -> CodeSet:
    """A code set with these counts."""
    values = np.array([float(count) for count in counts.values()])
    return CodeSet(
        name, "x5", systems, tuple(counts), values, selector=selector, concept=concept
    )  # fmt: skip


def profile(*variables: Variable) -> Profile:
    """A hundred patients."""
    stages = tuple(sorted({variable.stage for variable in variables}))
    return Profile("toy", "patient", 100.0, 100.0, stages, variables)
