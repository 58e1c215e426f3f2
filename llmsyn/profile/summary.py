"""What a profile says, short enough to read in a terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from llmsyn.profile.tables import Table
from llmsyn.profile.types import Disclosure, Profile, Provenance
from llmsyn.profile.variables import CodeSet, FloatArray, Numeric, Variable

Title = Callable[[str, str], str | None]


@dataclass(frozen=True)
class LabelShare:
    """A level, bin or code: its text, what it means, its share (None: not published)."""

    label: str
    title: str
    share: float | None


@dataclass(frozen=True)
class VariableSummary:
    """One variable: what it is, and its labels with their shares.

    ``mean`` is the mean of a number (bins taken at their middle) or the mean number of
    codes a unit has, listed or not; None where it does not follow from what is published.
    """

    name: str
    kind: str
    stage: str
    role: str
    text: str
    labels: tuple[LabelShare, ...]
    n_labels: int
    n_suppressed: int
    mean: float | None


@dataclass(frozen=True)
class TableSummary:
    """One cross-table: its size, and how many of its cells are published."""

    name: str
    shape: tuple[int, ...]
    n_published: int
    n_cells: int
    smallest: float | None
    source: str


@dataclass(frozen=True)
class Summary:
    """A profile at a glance."""

    name: str
    title: str
    unit: str
    n_units: float
    n_patients: float
    stages: tuple[str, ...]
    variables: tuple[VariableSummary, ...]
    tables: tuple[TableSummary, ...]
    rules: tuple[str, ...]
    provenance: Provenance
    disclosure: Disclosure


def summarise(profile: Profile, *, top: int = 10, title: Title | None = None) -> Summary:
    """Take from a profile what fits a screen.

    Parameters
    ----------
    profile : to be shown.
    top : most frequent codes of each code set that are listed.
    title : name of a code of a system (:func:`llmsyn.codes.title`).
    """
    return Summary(
        name=profile.name,
        title=profile.title,
        unit=profile.unit,
        n_units=profile.n_units,
        n_patients=profile.n_patients,
        stages=profile.stages,
        variables=tuple(
            _codes(v, profile, top, title) if isinstance(v, CodeSet) else _levels(v, profile)
            for v in profile.in_order
        ),
        tables=tuple(_table(table) for table in profile.tables),
        rules=tuple(" and ".join(str(term) for term in rule.never) for rule in profile.rules),
        provenance=profile.provenance,
        disclosure=profile.disclosure,
    )


def _levels(variable: Variable, profile: Profile) -> VariableSummary:
    if isinstance(variable, CodeSet):
        raise TypeError(f"{variable.name} has codes, no levels")
    if isinstance(variable, Numeric):
        counts, titles = variable.level_counts, {}
        known = not np.isnan(variable.counts).any() and variable.counts.sum() > 0
        middle = (variable.edges[:-1] + variable.edges[1:]) / 2
        mean = float(middle @ variable.counts / variable.counts.sum()) if known else None
        kind = "numeric" if variable.basis == "bins" else f"numeric ({variable.basis})"
    else:
        counts, titles, mean = variable.counts, dict(variable.means), None
        kind = "categorical"
    labels = tuple(
        LabelShare(level, titles.get(level, ""), _share(count, profile))
        for level, count in zip(variable.levels, counts)
    )
    return VariableSummary(
        name=variable.name,
        kind=kind,
        stage=variable.stage,
        role=variable.role,
        text=variable.label or (variable.unit if isinstance(variable, Numeric) else ""),
        labels=labels,
        n_labels=len(labels),
        n_suppressed=int(np.isnan(counts).sum()),
        mean=mean,
    )


def _codes(codes: CodeSet, profile: Profile, top: int, title: Title | None) -> VariableSummary:
    order = np.argsort(-np.nan_to_num(codes.counts, nan=-1.0), kind="stable")[:top]
    labels = []
    for i in order:
        code = codes.codes[i]
        name = title(codes.system_of(code), codes.bare(code)) if title else None
        labels.append(LabelShare(code, name or "", _share(codes.counts[i], profile)))
    return VariableSummary(
        name=codes.name,
        kind=f"codes ({', '.join(codes.systems)})",
        stage=codes.stage,
        role=codes.role,
        text=codes.label,
        labels=tuple(labels),
        n_labels=len(codes.codes),
        n_suppressed=int(np.isnan(codes.counts).sum()),
        mean=_codes_per_unit(codes, profile),
    )


def _codes_per_unit(codes: CodeSet, profile: Profile) -> float | None:
    """Mean number of codes, listed or not; None where a part of it is not published."""

    def mass(histogram: FloatArray | None) -> float:
        return np.nan if histogram is None else float(np.arange(len(histogram)) @ histogram)

    total = mass(codes.total)
    if np.isnan(total):
        listed = mass(codes.listed)
        listed = float(codes.counts.sum()) if np.isnan(listed) else listed
        unlisted = mass(codes.unlisted)
        if np.isnan(unlisted) and codes.unlisted_per_unit is not None:
            unlisted = codes.unlisted_per_unit * profile.n_units
        total = listed + unlisted
    return None if np.isnan(total) else float(total / profile.n_units)


def _table(table: Table) -> TableSummary:
    cells = table.counts
    if table.is_pairs:
        cells = cells[np.triu_indices(len(cells), 1)]
    published = cells[~np.isnan(cells)]
    return TableSummary(
        name=table.name,
        shape=tuple(len(axis.labels) for axis in table.axes),
        n_published=int(published.size),
        n_cells=int(cells.size),
        smallest=float(published.min()) if published.size else None,
        source=table.source,
    )


def _share(count: float, profile: Profile) -> float | None:
    return None if np.isnan(count) else float(count / profile.n_units)
