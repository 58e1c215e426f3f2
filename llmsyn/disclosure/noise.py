"""A differentially private profile: cap, measure, add noise, make consistent.

Public, and never taken from the data: levels, bin edges, top codes, the code list (or the
list of candidates), and which pairs and tables are released.  They come with a *design*, a
profile whose counts are not looked at: a published profile of another population, or one
written by hand.  A design that was extracted from the same data is not public.

What this does not protect: the running time, and the wording of an error on unreadable rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from llmsyn.cohort.types import Cohort
from llmsyn.disclosure.accounting import WEIGHTS, Group, NoisePlan, plan_noise, table_key
from llmsyn.disclosure.capping import Capping
from llmsyn.disclosure.projection import ALMOST_NONE, best_size
from llmsyn.disclosure.table_projection import project_profile
from llmsyn.errors import InfeasibleError, MissingExtra
from llmsyn.profile.mixing import refuse_mixing
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.types import Disclosure, Profile, Provenance
from llmsyn.profile.variables import Categorical, CodeSet, FloatArray, Numeric, Variable

BoolArray: TypeAlias = npt.NDArray[np.bool_]
AddNoise: TypeAlias = Callable[[FloatArray, float], FloatArray]
"""Counts (any shape) and the scale of the noise, to noisy counts."""

SELECTION_SIGMAS = 3.0
"""A candidate code is kept when its noisy count is above so many noise scales."""

__all__ = ["plan_noise", "refuse_mixing", "release_with_noise"]


def release_with_noise(
    batches: Iterable[Cohort],
    design: Profile,
    *,
    epsilon: float,
    delta: float,
    max_codes: int | Mapping[str, int],
    max_stays: int = 1,
    public_size: bool = False,
    select_codes: bool = False,
    weights: Mapping[Group, float] = WEIGHTS,
) -> Profile:
    """Extract a profile with differential privacy: neighbours differ in one patient.

    There is no seed: noise comes from the operating system, through OpenDP.

    Parameters
    ----------
    batches : the real cohort; read once (kept in memory with ``select_codes``).
    design : public skeleton.  Its counts are ignored; NaN in a table says that the cell is
        not asked for, None of a histogram or of main codes that they are not.
    epsilon, delta : the whole budget of this release.
    max_codes : most listed codes a unit contributes (and most unlisted ones), for all code
        sets or by name.  The main code stays, then the first by position.
    max_stays : most stays a patient contributes, where units are stays.
    public_size : whether ``design.n_units`` and ``n_patients`` are publicly known; if not,
        they are released with noise like all else.
    select_codes : treat the design's codes as candidates and spend a part of the budget on
        keeping the frequent ones.
    weights : share of the budget by group of arrays (:data:`~.accounting.WEIGHTS`).

    Returns
    -------
    A consistent profile; ``sigma`` of each variable and table is the scale of its noise, and
    ``disclosure.left_out`` says, with noise, how many units the caps cut.

    Raises
    ------
    MissingExtra : OpenDP is not installed.
    InputError, ProfileError : a setting or the design does not fit (see ``plan_noise``).
    InfeasibleError : no candidate code is frequent enough for this budget.
    """
    plan = plan_noise(
        design,
        epsilon=epsilon,
        delta=delta,
        max_codes=max_codes,
        max_stays=max_stays,
        public_size=public_size,
        select_codes=select_codes,
        weights=weights,
    )
    add_noise = opendp_noise()
    return release(batches, design, plan, add_noise)


def release(
    batches: Iterable[Cohort], design: Profile, plan: NoisePlan, add_noise: AddNoise
) -> Profile:
    """What :func:`release_with_noise` does, with a plan and a source of noise given."""
    if any(line.group == "selection" for line in plan.lines):
        batches = list(batches)
        design = _selected(batches, design, plan, add_noise)
    exact, capping = measure_capped(batches, design, plan)
    noisy = _noisy(exact, design, plan, add_noise)
    left_out = _cut_notes(capping, plan, add_noise)
    return replace(
        project_profile(noisy),
        provenance=Provenance("extract", notes=_size_note(plan)),
        disclosure=Disclosure(
            "differential_privacy",
            epsilon=plan.epsilon,
            delta=plan.delta,
            max_codes=max(plan.max_codes.values(), default=None),
            left_out=left_out,
        ),
    )


def measure_capped(
    batches: Iterable[Cohort], design: Profile, plan: NoisePlan
) -> tuple[Profile, Capping]:
    """Exact counts of the capped cohort in the form of the design; never to be released."""
    from llmsyn.measurement import measure

    listed = {codes.name: codes.codes for codes in design.code_sets}
    capping = Capping(listed, plan.max_codes, plan.max_stays)
    return measure(capping.apply(batches), like=design).profile, capping


def opendp_noise() -> AddNoise:
    """The discrete Gaussian of OpenDP on whole counts.

    Raises
    ------
    MissingExtra : OpenDP is not installed.
    """
    try:
        import opendp.prelude as dp
    except ImportError as error:
        raise MissingExtra("OpenDP", extra="dp") from error
    dp.enable_features("contrib")

    def add(counts: FloatArray, sigma: float) -> FloatArray:
        flat = np.asarray(counts, dtype=float).ravel()
        if not flat.size:
            return np.asarray(counts, dtype=float)
        domain, metric = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T=float)
        mechanism: Any = dp.m.make_gaussian(domain, metric, scale=sigma)
        noisy = mechanism([round(x) for x in flat.tolist()])
        return np.array(noisy, dtype=float).reshape(np.shape(counts))

    return add


def _noisy(exact: Profile, design: Profile, plan: NoisePlan, add: AddNoise) -> Profile:
    variables = tuple(
        _noisy_codes(exact[v.name], v, plan, add)
        if isinstance(v, CodeSet)
        else _noisy_levels(exact[v.name], v, plan[v.name].sigma, add)
        for v in design.variables
    )
    tables = tuple(
        _noisy_table(measured, wanted, plan[table_key(i, wanted)].sigma, add)
        for i, (measured, wanted) in enumerate(zip(exact.tables, design.tables))
    )
    noisy = replace(design, variables=variables, tables=tables)
    if "n_units" not in plan:
        return noisy
    line = plan["n_units"]
    size = best_size(noisy, float(add(np.array([exact.n_units]), line.sigma)[0]), line.sigma)
    patients = size
    if "n_patients" in plan:
        measured = add(np.array([exact.n_patients]), plan["n_patients"].sigma)
        patients = float(np.clip(np.round(measured[0]), np.ceil(size / plan.max_stays), size))
    return replace(noisy, n_units=size, n_patients=patients)


def _noisy_levels(exact: Variable, design: Variable, sigma: float, add: AddNoise) -> Variable:
    if isinstance(design, Categorical):
        counts = add(exact.counts, sigma)
        return replace(design, counts=counts, half_width=0.0, sigma=sigma)
    assert isinstance(design, Numeric) and isinstance(exact, Numeric)
    counts = exact.counts
    if design.has_missing:
        counts = np.append(counts, exact.missing_count)
    noisy = add(counts, sigma)
    bins = len(design.counts)
    missing = (float(noisy[bins]) or ALMOST_NONE) if design.has_missing else 0.0
    return replace(
        design, counts=noisy[:bins], missing_count=missing, half_width=0.0, sigma=sigma,
        basis="bins",
    )  # fmt: skip


def _noisy_codes(exact: Variable, design: CodeSet, plan: NoisePlan, add: AddNoise) -> CodeSet:
    """All arrays of a code set as one vector: one noise, one sensitivity."""
    assert isinstance(exact, CodeSet)
    cap, sigma = plan.max_codes[design.name], plan[design.name].sigma
    parts: dict[str, FloatArray] = {"counts": exact.counts}
    if design.main is not None:
        assert exact.main is not None and exact.main_unlisted is not None
        parts |= {"main": exact.main, "main_unlisted": np.array([exact.main_unlisted])}
    # The cap, and not the data, says how long a histogram is.
    lengths = {"listed": cap + 1, "unlisted": cap + 1, "total": 2 * cap + 1}
    for name, length in lengths.items():
        if getattr(design, name) is not None:
            parts[name] = _resized(getattr(exact, name), length)
    noisy = add(np.concatenate(list(parts.values())), sigma)
    pieces = np.split(noisy, np.cumsum([len(a) for a in parts.values()])[:-1])
    found: dict[str, Any] = dict(zip(parts, pieces))
    if "main_unlisted" in found:
        found["main_unlisted"] = float(found["main_unlisted"][0])
    return replace(design, **found, half_width=0.0, sigma=sigma)


def _resized(histogram: FloatArray, length: int) -> FloatArray:
    resized = np.zeros(length)
    kept = min(length, len(histogram))
    resized[:kept] = histogram[:kept]
    return resized


def _noisy_table(exact: Table, design: Table, sigma: float, add: AddNoise) -> Table:
    asked = _asked(design)
    counts = np.full(exact.counts.shape, np.nan)
    counts[asked] = add(exact.counts[asked], sigma)
    if design.is_pairs:
        counts.T[asked] = counts[asked]
    return Table(design.axes, counts, "unknown", 0.0, sigma, design.source)


def _asked(design: Table) -> BoolArray:
    """Cells that are released; of pairs, the upper triangle."""
    asked: BoolArray = ~np.isnan(design.counts)
    return np.triu(asked, 1) if design.is_pairs else asked


def _selected(
    batches: Iterable[Cohort], design: Profile, plan: NoisePlan, add: AddNoise
) -> Profile:
    """The design with the candidate codes whose noisy count is clearly above zero."""
    bare = replace(
        design,
        variables=tuple(replace(v, selector=None) for v in design.code_sets),
        tables=(),
        rules=(),
    )
    exact, _ = measure_capped(batches, bare, plan)
    for codes in design.code_sets:
        sigma = plan[f"{codes.name} selection"].sigma
        keep = add(exact[codes.name].counts, sigma) > SELECTION_SIGMAS * sigma
        if not keep.any():
            raise InfeasibleError(
                f"no code of {codes.name} is more frequent than {SELECTION_SIGMAS * sigma:.0f} "
                "units, which this budget cannot tell from none; raise epsilon, lower max_codes, "
                "or give the code list in the design"
            )
        design = _with_codes(design, codes, keep)
    return design


def _with_codes(design: Profile, codes: CodeSet, keep: BoolArray) -> Profile:
    names = {code for code, kept in zip(codes.codes, keep) if kept}
    fewer = replace(
        codes,
        codes=tuple(c for c in codes.codes if c in names),
        counts=codes.counts[keep],
        main=None if codes.main is None else codes.main[keep],
    )
    tables = []
    for table in design.tables:
        axes, counts = [], table.counts
        for i, axis in enumerate(table.axes):
            own = axis.variable in (codes.name, f"{codes.name}.main")
            dropped = set(codes.codes) - names if own else set()
            stay = [k for k, label in enumerate(axis.labels) if label not in dropped]
            counts = np.take(counts, stay, axis=i)
            axes.append(Axis(axis.variable, tuple(axis.labels[k] for k in stay)))
        tables.append(replace(table, axes=tuple(axes), counts=counts))
    variables = tuple(fewer if v.name == codes.name else v for v in design.variables)
    return replace(design, variables=variables, tables=tuple(tables))


def _cut_notes(capping: Capping, plan: NoisePlan, add: AddNoise) -> tuple[str, ...]:
    """What the caps cut, as noisy as all else."""
    notes = []
    for name, cap in plan.max_codes.items():
        sigma = plan[f"{name} cut"].sigma
        units = max(0.0, float(add(np.array([capping.cut_units.get(name, 0)]), sigma)[0]))
        notes.append(
            f"{name} beyond {cap} a unit: about {units:.0f} units (noise {sigma:.1f}) had more"
        )
    if "stays cut" in plan:
        sigma = plan["stays cut"].sigma
        patients = max(0.0, float(add(np.array([capping.cut_patients]), sigma)[0]))
        notes.append(
            f"stays beyond {plan.max_stays} a patient: about {patients:.0f} patients "
            f"(noise {sigma:.1f}) had more"
        )
    return tuple(notes)


def _size_note(plan: NoisePlan) -> str:
    if "n_units" not in plan:
        return "n_units is public."
    return f"n_units carries noise of standard deviation at most {plan['n_units'].sigma:.1f}."
