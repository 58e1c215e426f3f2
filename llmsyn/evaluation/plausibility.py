"""Clinical plausibility: units with what no patient can have.

Rules are those of the knowledge base (sex and age edits, codes that exclude each other) and
of the profile, in the profile's terms, so every rule is an intersection of columns.  A code
that the profile does not list is not seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import reduce

import numpy as np
import numpy.typing as npt

from llmsyn.checking import rules_of
from llmsyn.evaluation.columns import code_numbers
from llmsyn.evaluation.independent import draw_independent
from llmsyn.evaluation.samples import Sample
from llmsyn.evaluation.types import Evidence, Findings, Measure
from llmsyn.knowledge.loading import load_base
from llmsyn.knowledge.rules import impossibles
from llmsyn.knowledge.types import Impossible
from llmsyn.profile.terms import Range, Term
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import MISSING, UNLISTED, Categorical, CodeSet
from llmsyn.score import Score, undefined, wilson

BoolArray = npt.NDArray[np.bool_]

FAMILIES = {
    "mce-sex": "sex edit (a male pregnancy)",
    "mce-age": "age edit (a newborn's code at 60)",
    "exclusive": "codes that exclude each other",
    "profile": "rules of the profile (died, and readmitted)",
}
"""What each family of rules is called in the report."""

_SHOWN = 5  # most broken rules named in a note
_MOST_FLOOR = 50_000


def plausibility(evidence: Evidence, rules: Sequence[Impossible] | None = None) -> Findings:
    """Share of synthetic units that break a rule, by family of rules.

    Real units break some, too (wrong codes, wrong sex): the ceiling is theirs.  The floor is
    that of independent marginals.

    Parameters
    ----------
    rules : looked for; those of the shipped knowledge base and of the profile without it.
    """
    profile = evidence.profile
    if rules is None:
        edit = bool(dict(evidence.manifest.get("settings", {})).get("icd10_sex_edit", True))
        rules = (*impossibles(profile, load_base(), icd10_sex_edit=edit), *rules_of(profile))
    n_floor = min(len(evidence.synthetic), _MOST_FLOOR)
    independent = draw_independent(profile, n_floor, evidence.random("independent"))
    families: dict[str, list[Impossible]] = defaultdict(list)
    for rule in rules:
        families[rule.rule].append(rule)
    measures, notes = [], []
    samples = (evidence.synthetic, evidence.holdout, independent)
    terms = [Terms(sample, profile) for sample in samples]
    for family, members in families.items():
        masks = [[t.together(rule) for rule in members] for t in terms]
        scores = [
            _share(family, sample, reduce(np.logical_or, each), len(members))
            for sample, each in zip(samples, masks)
        ]
        measures.append(
            Measure(
                "plausibility.impossible", scores[0], FAMILIES.get(family, family),
                scores[1], scores[2],
            )
        )  # fmt: skip
        broken = [(int(mask.sum()), rule) for rule, mask in zip(members, masks[0])]
        for units, rule in sorted(broken, key=lambda b: -b[0])[:_SHOWN]:
            if units:
                notes.append(f"{family}: {' and '.join(map(str, rule.terms))}: {units:,} units")
    if not families:
        measures.append(
            Measure(
                "plausibility.impossible",
                undefined(
                    "impossible combinations",
                    "no rule names two things that this profile has",
                ),
            )
        )
    return Findings(
        "plausibility", "impossible combinations", tuple(measures),
        does_not_show="Only what can never be is counted; what is merely unlikely is not.",
        notes=tuple(notes),
    )  # fmt: skip


class Terms:
    """Where terms hold in a sample; each is looked up once."""

    def __init__(self, sample: Sample, profile: Profile) -> None:
        self.sample, self.profile = sample, profile
        self._masks: dict[Term, BoolArray] = {}

    def together(self, rule: Impossible) -> BoolArray:
        """``(n,)`` units for which all terms of a rule hold."""
        return reduce(np.logical_and, (self.mask(term) for term in rule.terms))

    def mask(self, term: Term) -> BoolArray:
        """``(n,)`` units for which a term holds."""
        if term not in self._masks:
            self._masks[term] = self._found(term)
        return self._masks[term]

    def _found(self, term: Term) -> BoolArray:
        variable = self.profile[term.variable]
        name, _, facet = term.variable.partition(".")
        if isinstance(variable, CodeSet):
            return self._of_codes(variable, facet, str(term.value))
        level = self.sample.levels[name]
        if isinstance(variable, Categorical):
            return np.asarray(level == variable.levels.index(str(term.value)))
        if isinstance(term.value, Range):
            value = self.sample.values[name]
            return np.asarray((value >= term.value.low) & (value < term.value.high))
        return np.asarray(level == (len(variable.counts) if term.value == MISSING else -1))

    def _of_codes(self, variable: CodeSet, facet: str, value: str) -> BoolArray:
        name = variable.name
        place = variable.codes.index(value) if value in variable.codes else len(variable.codes)
        if facet == "main":
            return np.asarray(self.sample.main[name] == place)
        if facet == "count":
            listed = np.asarray(self.sample.codes[name].sum(1)).ravel()
            return np.asarray(listed == int(value))
        if facet == "unlisted":
            return np.asarray(self.sample.unlisted[name] == int(value))
        if facet == "total":
            return np.asarray(code_numbers(self.sample, name) == int(value))
        if value == UNLISTED:
            return np.asarray(self.sample.unlisted[name] > 0)
        return np.asarray(self.sample.codes[name][:, [place]].toarray()).ravel() > 0


def _share(family: str, sample: Sample, broken: BoolArray, n_rules: int) -> Score:
    n, units = len(sample), int(broken.sum())
    metric = f"units that break: {FAMILIES.get(family, family)}"
    if not n:
        return undefined(metric, "there are no units")
    low, high = wilson(units, n)
    return Score(
        metric, units / n, low, high, reason=f"{units:,} units, {n_rules:,} combinations looked for"
    )
