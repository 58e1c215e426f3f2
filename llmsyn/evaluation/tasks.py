"""Prediction tasks, found in a profile: outcomes, and main diagnoses as phenotypes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmsyn.errors import InputError
from llmsyn.evaluation.samples import FloatArray, IntArray, Sample, feature_matrix
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet, Numeric, Variable

PHENOTYPES: dict[str, dict[str, tuple[str, ...]]] = {
    "acute myocardial infarction": {"icd9cm": ("410",), "icd10cm": ("I21", "I22")},
    "respiratory failure": {
        "icd9cm": ("51881", "51883", "51884"),
        "icd10cm": ("J960", "J961", "J962", "J969"),
    },
    "gastrointestinal haemorrhage": {
        "icd9cm": (
            "578", "5310", "5312", "5314", "5316", "5320", "5322", "5324", "5326", "5330", "5332",
            "5334", "5336", "5340", "5342", "5344", "5346", "53501", "53511", "53521", "53531",
            "53541", "53551", "53561", "53783", "56202", "56203", "56212", "56213", "56985",
        ),
        "icd10cm": (
            "K920", "K921", "K922", "K250", "K252", "K254", "K256", "K260", "K262", "K264",
            "K266", "K270", "K272", "K274", "K276", "K280", "K282", "K284", "K286", "K2901",
            "K2921", "K2931", "K2941", "K2951", "K2961", "K2971", "K2981", "K2991", "K31811",
            "K5521", "K5701", "K5711", "K5713", "K5721", "K5731", "K5733", "K5791", "K5793",
        ),
    },
}  # fmt: skip
"""The three main diagnoses that LLMSYN predicts (Hao et al. 2024, section 5), as prefixes of
codes; the haemorrhages are those of AHRQ's Clinical Classifications Software, category 153."""

MIN_POSITIVE = 10
"""Fewest units of either class in members and in the holdout for a task to be measured."""


@dataclass(frozen=True, eq=False)
class Task:
    """One thing to predict.

    Attributes
    ----------
    name : such as ``in-hospital death``.
    variable : the variable that holds the answer.
    about : what counts as yes, in words.
    levels : levels that count as yes; empty for a number or a phenotype.
    above : a number counts as yes from here on; NaN where it is none.
    prefixes : code system -> prefixes of a phenotype's main codes.
    features : variables that a model may see.
    """

    name: str
    variable: Variable
    about: str
    levels: tuple[str, ...] = ()
    above: float = float("nan")
    prefixes: Mapping[str, tuple[str, ...]] | None = None
    features: tuple[Variable, ...] = ()

    def target(self, sample: Sample) -> IntArray:
        """``(n,)`` 1 where the answer is yes, 0 where it is no, -1 where nobody knows."""
        if isinstance(self.variable, CodeSet):
            inside = np.append(self._of_phenotype(), [False, False])  # unlisted, none
            return inside[sample.main[self.variable.name]].astype(np.int64)
        if isinstance(self.variable, Numeric):
            value = sample.values[self.variable.name]
            return np.where(np.isnan(value), -1, value >= self.above).astype(np.int64)
        index = {level: i for i, level in enumerate(self.variable.levels)}
        kind = np.zeros(len(index), dtype=np.int64)
        kind[[index[level] for level in self.levels]] = 1
        if self.variable.missing is not None:
            kind[index[self.variable.missing]] = -1
        return kind[sample.levels[self.variable.name]]

    def matrix(self, sample: Sample) -> npt.NDArray[np.float32]:
        """``(n, n_features)``; a phenotype's own codes are left out of it."""
        x = feature_matrix(sample, self.features)
        return x[:, self.kept()] if isinstance(self.variable, CodeSet) else x

    def feature_names(self) -> list[str]:
        """A name for each column of :meth:`matrix`."""
        names = feature_names(self.features)
        if not isinstance(self.variable, CodeSet):
            return names
        return [name for name, kept in zip(names, self.kept()) if kept]

    def kept(self) -> npt.NDArray[np.bool_]:
        """Columns that do not give a phenotype away: its own codes, and numbers of codes."""
        assert isinstance(self.variable, CodeSet), "other tasks have nothing to leave out"
        parts = []
        for v in self.features:
            if v.name == self.variable.name:
                # With a code gone, the number of codes would still tell that it was there.
                parts.append(np.append(~self._of_phenotype(), False))
            else:
                parts.append(np.ones(len(feature_names([v])), bool))
        return np.concatenate(parts)

    def _of_phenotype(self) -> npt.NDArray[np.bool_]:
        assert isinstance(self.variable, CodeSet) and self.prefixes is not None, "of a phenotype"
        return np.array(
            [_starts(self.variable, c, self.prefixes) for c in self.variable.codes], bool
        )


def feature_names(variables: Sequence[Variable]) -> list[str]:
    """A name for each column of :func:`~llmsyn.evaluation.samples.feature_matrix`."""
    names: list[str] = []
    for v in variables:
        if isinstance(v, CodeSet):
            names += [f"{v.name} {code}" for code in v.codes] + [f"{v.name} (number)"]
        elif isinstance(v, Numeric) or v.ordered:
            names.append(v.name)
        else:
            names += [f"{v.name} {level}" for level in v.levels]
    return names


def find_tasks(profile: Profile, wanted: Sequence[str] = ()) -> tuple[Task, ...]:
    """Everything that a profile can ask: outcomes first, then phenotypes.

    Outcomes: variables of that role.  A categorical one is yes where its concept says so
    (``means``), or where its second level is, when it has two; a number is yes from its
    published median on.  Phenotypes: those of :data:`PHENOTYPES` with a listed code, where
    the profile says which code is the main one.  Features are variables whose role is
    ``feature``: proxies and outcomes, which nobody knows in time, are left out.

    Parameters
    ----------
    wanted : names of tasks or of outcome variables, or ``main:PREFIX`` for the main
        diagnoses that start with these characters; everything found without it.

    Raises
    ------
    InputError : there is no such task.
    """
    features = tuple(v for v in profile.in_order if v.role == "feature")
    found = [
        task
        for v in profile.in_order
        if v.role == "outcome"
        for task in _of_outcome(v, features)
    ]  # fmt: skip
    for code_set in _with_main(profile):
        for name, prefixes in PHENOTYPES.items():
            task = _phenotype(name, code_set, prefixes, features)
            if task is not None:
                found.append(task)
    if not wanted:
        return tuple(found)
    return tuple(_named(name, found, profile, features) for name in wanted)


def _named(
    name: str, found: Sequence[Task], profile: Profile, features: tuple[Variable, ...]
) -> Task:
    for task in found:
        if name in (task.name, task.variable.name):
            return task
    kind, _, prefix = name.partition(":")
    if kind == "main" and prefix:
        for code_set in _with_main(profile):
            prefixes = {system: (prefix.upper(),) for system in code_set.systems}
            own = _phenotype(name, code_set, prefixes, features)
            if own is not None:
                return own
    raise InputError(
        f"there is no task {name!r}; this profile has "
        f"{', '.join(t.name for t in found) or 'no outcome and no phenotype'}, and main:PREFIX "
        "for a main diagnosis that it lists"
    )


def _of_outcome(variable: Variable, features: tuple[Variable, ...]) -> Iterable[Task]:
    name = variable.label or variable.name.replace("_", " ")
    if isinstance(variable, Categorical):
        yes = tuple(level for level in variable.levels if variable.meaning(level) == "yes")
        real = [level for level in variable.levels if level != variable.missing]
        if not yes and len(real) == 2:
            yes = (real[1],)
        if yes and len(yes) < len(real):
            about = f"{variable.name} is {' or '.join(yes)}"
            yield Task(name, variable, about, levels=yes, features=features)
    elif isinstance(variable, Numeric):
        median = _median_edge(variable)
        if median is not None:
            about = f"{variable.name} of {median:g} {variable.unit} or more".replace("  ", " ")
            yield Task(name, variable, about, above=median, features=features)


def _median_edge(variable: Numeric) -> float | None:
    """The bin edge that cuts the published counts most evenly; None where none does."""
    counts: FloatArray = np.nan_to_num(variable.counts, nan=0.0)
    if counts.sum() <= 0 or len(counts) < 2:
        return None
    below = np.cumsum(counts)[:-1] / counts.sum()
    best = int(np.abs(below - 0.5).argmin())
    return float(variable.edges[best + 1]) if 0 < below[best] < 1 else None


def _with_main(profile: Profile) -> list[CodeSet]:
    return [v for v in profile.code_sets if v.concept == "diagnoses" and v.main is not None]


def _starts(code_set: CodeSet, code: str, prefixes: Mapping[str, tuple[str, ...]]) -> bool:
    return code_set.bare(code).startswith(prefixes.get(code_set.system_of(code), ("\0",)))


def _phenotype(
    name: str, code_set: CodeSet, prefixes: Mapping[str, tuple[str, ...]],
    features: tuple[Variable, ...],
) -> Task | None:  # fmt: skip
    listed = [code for code in code_set.codes if _starts(code_set, code, prefixes)]
    if not listed:
        return None
    shown = ", ".join(listed[:4]) + (f" and {len(listed) - 4} more" if len(listed) > 4 else "")
    return Task(name, code_set, f"main diagnosis is one of {shown}", prefixes=prefixes,
                features=features)  # fmt: skip
