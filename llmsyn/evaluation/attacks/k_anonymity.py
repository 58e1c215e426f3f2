"""k-anonymity violations: small groups of ethnicity and code, as in LLMSYN's Table 5.

For every ethnicity and every code the patients who have both are a group.  A group of 1 to
k - 1 patients violates k-anonymity (Sweeney 2002, doi 10.1142/S0218488502001648).  Counted in
the synthetic set and, on the same number of patients, in the members and in the holdout: k is
7 and 15 as in Hao et al. 2024, Table 5.

A small synthetic group is nobody, so its number alone is no harm: what would harm is a small
*real* group that the synthetic set shows at its own size.  So the second measure says what
share of the members' violating groups are in the synthetic set with 1 to k - 1 patients too,
beside the same for the holdout in place of the synthetic set (which is what a fresh sample of
the population shows by chance).
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from llmsyn.evaluation.attacks.membership import Said, nothing
from llmsyn.evaluation.attacks.people import of_patients
from llmsyn.evaluation.intervals import IntArray
from llmsyn.evaluation.samples import Sample
from llmsyn.evaluation.types import Evidence, Findings, Measure
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical
from llmsyn.score import Score, wilson

KS = (7, 15)
"""The two sizes of LLMSYN's Table 5."""

SAID = Said(
    key="privacy.k_anonymity",
    name="k-anonymity",
    does_not_show=(
        "Synthetic groups are of no real people; the count is comparable with LLMSYN's table and "
        "with the members' own, and is no measure of what can be learnt of a person."
    ),
    source="Hao et al. 2024, Table 5; doi 10.1142/S0218488502001648",
)


def k_anonymity(evidence: Evidence) -> Findings:
    """Count violating groups in equally many patients of each set."""
    by = grouping(evidence.profile)
    if by is None or not evidence.profile.code_sets:
        return nothing(SAID, "the profile has no variable of ethnicity and no codes to group by")
    sets = {"synthetic": evidence.synthetic, "members": evidence.members}
    if len(evidence.holdout):
        sets["holdout"] = evidence.holdout
    n = min(s.n_patients for s in sets.values())
    random = evidence.random("k-anonymity")
    tables = {}
    for name, sample in sets.items():
        people = random.permutation(np.unique(sample.patient))[:n]
        tables[name] = groups(of_patients(sample, people), evidence.profile, by)
    measures = []
    for k in KS:
        counted = {name: violations(table, k) for name, table in tables.items()}
        real = counted["members"]
        score = Score(f"groups below {k}", counted["synthetic"], counted["synthetic"],
                      counted["synthetic"], real, "info", f"of {n:,} patients a set")  # fmt: skip
        ceiling = Score("members", real, real, real)
        measures.append(Measure(f"{SAID.key}.violations", score, of=f"k={k}", ceiling=ceiling))
        measures += _shown(tables, k)
    return Findings(
        topic="privacy",
        name=SAID.name,
        measures=tuple(measures),
        does_not_show=SAID.does_not_show,
        notes=(f"Groups of {by.name} and code; {n:,} patients of each set.",),
        source=SAID.source,
    )


def grouping(profile: Profile) -> Categorical | None:
    """The variable of ethnicity, or what comes nearest by its concept or name."""
    for concept in ("ethnicity", "race"):
        for variable in profile.by_concept(concept):
            if isinstance(variable, Categorical):
                return variable
    for variable in profile.level_variables:
        if isinstance(variable, Categorical) and variable.name in ("ethnicity", "race"):
            return variable
    return None


def groups(sample: Sample, profile: Profile, by: Categorical) -> IntArray:
    """(n_levels, n_codes) patients with each level and code, over all code sets.

    A patient with several stays counts once in each group.
    """
    _, patient = np.unique(sample.patient, return_inverse=True)
    level = sample.levels[by.name]
    n_levels = len(by.levels)
    found = []
    for codes in profile.code_sets:
        entries = sp.coo_array(sample.codes[codes.name])
        row, code = entries.coords
        size = len(codes.codes)
        key = (patient[row] * n_levels + level[row]) * size + code
        once = np.unique(key) % (n_levels * size)
        found.append(np.bincount(once, minlength=n_levels * size).reshape(n_levels, size))
    return np.hstack(found)


def violations(table: IntArray, k: int) -> int:
    """Groups of 1 to k - 1.

    Examples
    --------
    >>> violations(np.array([[0, 3, 7], [6, 20, 1]]), 7)
    3
    """
    return int(((table > 0) & (table < k)).sum())


def _shown(tables: dict[str, IntArray], k: int) -> list[Measure]:
    small = {name: (table > 0) & (table < k) for name, table in tables.items()}
    n = int(small["members"].sum())
    if not n:
        return []

    def share(name: str) -> Score:
        both = int((small[name] & small["members"]).sum())
        low, high = wilson(both, n)
        return Score(f"members' groups below {k} shown below {k}", both / n, low, high)

    ceiling = share("holdout") if "holdout" in small else None
    return [Measure(f"{SAID.key}.shown", share("synthetic"), of=f"k={k}", ceiling=ceiling)]
