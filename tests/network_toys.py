"""Rows to count toy profiles from, and the same view of what a network draws.

``Rows`` holds units as columns; any axis of a table (a variable, a code set or a facet of
one) is a matrix of zeros and ones, so published and drawn cells are counted the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from llmsyn.checking.rule import z_limit, z_scores
from llmsyn.network import compiling
from llmsyn.network.calibration import Settings
from llmsyn.network.drawing import chunk_generator, compile_program, run
from llmsyn.network.model import Network
from llmsyn.network.verification import Verification, verify
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.types import Disclosure, Profile, Provenance
from llmsyn.profile.variables import Categorical, CodeSet, Numeric

QUICK = Settings(rounds=4, first_pilot=200, last_pilot=400)
"""For tests where it does not matter how well the cells are met."""


@contextmanager
def quick_compiling() -> Iterator[None]:
    """Compile without extensions, and verify on few units: for tests of other things."""

    def few(network: Network, settings: Settings, stream: int = 10**6) -> Verification:
        return verify(network, settings, n=2_000, stream=stream)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(compiling, "verify", few)
        patched.setattr(compiling, "EXTENSIONS", 0)
        yield


AGE_EDGES = np.array([0.0, 20, 40, 60, 80, 100])


@dataclass
class Rows:
    """Units: per axis its labels, and (n,) label indices or an (n, n_labels) matrix."""

    labels: dict[str, tuple[str, ...]]
    columns: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def add_codes(
        self, name: str, codes: tuple[str, ...], has: np.ndarray,
        main: np.ndarray | None = None, unlisted: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        """Add a code set with its facets; ``main`` is a column of (*codes, unlisted, none)."""
        self.labels[name], self.columns[name] = codes, has
        self._add_number(f"{name}.count", has.sum(1))
        if unlisted is not None:
            self._add_number(f"{name}.unlisted", unlisted)
        if main is not None:
            self.labels[f"{name}.main"] = (*codes, "(unlisted)", "(none)")
            self.columns[f"{name}.main"] = main

    def _add_number(self, name: str, values: np.ndarray) -> None:
        self.labels[name] = tuple(str(k) for k in range(int(values.max()) + 1))
        self.columns[name] = values

    def matrix(self, axis: str, labels: Sequence[str] | None = None) -> np.ndarray:
        """(n, n_labels) zeros and ones of an axis, columns as asked for."""
        own, values = self.labels[axis], self.columns[axis]
        if values.ndim == 1:
            values = values[:, None] == np.arange(len(own))
        if labels is None:
            return values.astype(float)
        place = {label: i for i, label in enumerate(own)}
        return np.column_stack(
            [values[:, place[la]] if la in place else np.zeros(len(values)) for la in labels]
        ).astype(float)

    def counts(self, *axes: Axis) -> np.ndarray:
        """Units in every cell of some axes."""
        cells = self.matrix(axes[0].variable, axes[0].labels)
        for axis in axes[1:]:
            other = self.matrix(axis.variable, axis.labels)
            cells = cells[..., None] * other.reshape(len(other), *[1] * (cells.ndim - 1), -1)
        return cells.sum(0)

    def table(self, *names: str, below: float = 0, **more: object) -> Table:
        """The cross-table of some axes; counts under ``below`` are suppressed."""
        axes = tuple(
            Axis(name, tuple(la for la in self.labels[name] if la != "(none)")) for name in names
        )
        counts = self.counts(*axes)
        if len(names) == 2 and names[0] == names[1]:
            np.fill_diagonal(counts, np.nan)
        counts = np.where(counts < below, np.nan, counts)
        absent = "suppressed" if below else "unknown"
        return Table(axes, counts, absent=absent, **more)  # type: ignore[arg-type]

    def code_set(self, name: str, stage: str, **more: object) -> CodeSet:
        """The code set of that name with every facet there is."""
        codes = self.labels[name]
        found: dict[str, object] = {"listed": self.matrix(f"{name}.count").sum(0)}
        if f"{name}.unlisted" in self.labels:
            found["unlisted"] = self.matrix(f"{name}.unlisted").sum(0)
        if f"{name}.main" in self.labels:
            main = self.matrix(f"{name}.main").sum(0)
            found |= {"main": main[: len(codes)], "main_unlisted": float(main[len(codes)])}
        found |= more
        return CodeSet(name, stage, ("local",), codes, self.matrix(name).sum(0), **found)  # type: ignore[arg-type]

    def categorical(self, name: str, stage: str, **more: object) -> Categorical:
        """The categorical variable of that name."""
        return Categorical(name, stage, self.labels[name], self.matrix(name).sum(0), **more)  # type: ignore[arg-type]


def population(n: int = 20_000, seed: int = 3) -> Rows:
    """Sex, age, five diagnoses with a main one, three drugs, then death; all of it related."""
    random = np.random.default_rng(seed)
    sex = (random.random(n) < 0.45).astype(int)
    age = random.choice(5, n, p=[0.1, 0.15, 0.25, 0.3, 0.2])
    age = np.where((sex == 1) & (age < 2) & (random.random(n) < 0.6), 4, age)
    frailty = random.normal(size=n)
    logits = (
        np.array([-0.4, -1.0, -1.6, -1.2, -2.4])
        + np.outer(age - 2, [0.4, 0.5, 0.2, -0.3, 0.6])
        + np.outer(sex, [0.3, -0.4, 0.0, 0.5, 0.8])
        + np.outer(frailty, [0.6, 0.5, -0.5, 0.2, 0.9])
    )
    has = random.random((n, 5)) < 1 / (1 + np.exp(-logits))
    unlisted = random.choice(4, n, p=[0.3, 0.4, 0.2, 0.1])
    rank = np.column_stack([has * random.random((n, 5)), 0.7 * (unlisted > 0) * random.random(n)])
    main = np.where(rank.any(1), rank.argmax(1), 6)
    drug = random.random((n, 3)) < 1 / (
        1 + np.exp(-(np.array([-1.0, -0.6, -1.9]) + has @ np.array(
            [[1.2, 0, 0], [0, 0.9, 0], [0.5, 0, 1.5], [0, -0.6, 0], [0, 0, 1.0]]))))  # fmt: skip
    died = random.random(n) < 1 / (
        1 + np.exp(3.4 - 0.5 * (age - 2) - 1.1 * has[:, 4] - 0.6 * has[:, 1] + 0.7 * sex)
    )
    rows = Rows(
        {"sex": ("F", "M"), "age": labels_of(AGE_EDGES), "died": ("no", "yes")},
        {"sex": sex, "age": age, "died": died.astype(int)},
    )
    rows.add_codes("dx", ("A", "B", "C", "D", "E"), has, main, unlisted)
    rows.add_codes("drug", ("x", "y", "z"), drug)
    return rows


def labels_of(edges: np.ndarray) -> tuple[str, ...]:
    """Bin labels as a profile writes them."""
    return tuple(f"[{int(a)},{int(b)})" for a, b in pairwise(edges))


def profile_of(rows: Rows, tables: Sequence[Table] = (), **more: object) -> Profile:
    """The profile of :func:`population`: death is drawn last, after the codes."""
    given: dict[str, object] = {
        "stages": ("demographics", "diagnoses", "drugs", "outcome"),
        "provenance": Provenance("invented"),
        "disclosure": Disclosure("suppression", threshold=11),
    }
    given |= more
    return Profile(
        name="toy", unit="patient", n_units=len(rows), n_patients=len(rows),
        variables=(
            rows.categorical("sex", "demographics", concept="sex",
                             means={"F": "female", "M": "male"}),
            Numeric("age", "demographics", "years", 0, AGE_EDGES, rows.matrix("age").sum(0),
                    concept="age"),
            rows.code_set("dx", "diagnoses"),
            rows.code_set("drug", "drugs"),
            rows.categorical("died", "outcome", role="outcome", concept="in_hospital_death",
                             means={"no": "no", "yes": "yes"}),
        ),
        tables=tuple(tables), **given,
    )  # type: ignore[arg-type]  # fmt: skip


def drawn_rows(network: Network, n: int, seed: int = 12) -> Rows:
    """Units drawn from a network."""
    drawn = run(compile_program(network), n, chunk_generator(seed, 0))
    assert drawn.short == 0
    rows = Rows(
        {v.name: v.levels for v in network.variables},
        {v.name: levels for v, levels in zip(network.variables, drawn.levels, strict=True)},
    )
    place = np.arange(drawn.events.shape[1])
    filled = place < drawn.starts[-1][:, None]
    has = np.zeros((n, network.n_codes), int)
    np.add.at(has, (np.nonzero(filled)[0], drawn.events[filled]), 1)
    assert has.max(initial=0) <= 1, "a code twice in one list"
    first = 0
    for k, listed in enumerate(network.code_lists):
        rows.labels[listed.name] = listed.codes
        rows.columns[listed.name] = has[:, first : first + len(listed.codes)]
        first += len(listed.codes)
        rows.columns[f"{listed.name}(unlisted)"] = drawn.unlisted[k]
    return rows


def worst_z(published: Mapping[str, tuple[np.ndarray, np.ndarray]], n: int) -> tuple[float, float]:
    """Largest |z| of (drawn counts, published shares) and what it may be at most."""
    z = []
    for drawn, share in published.values():
        keep = ~np.isnan(share)
        zero = np.zeros(int(keep.sum()))
        z.append(np.abs(z_scores(drawn[keep], n, share[keep], zero, zero)))
    found = np.concatenate(z)
    return float(found.max()), z_limit(len(found))


def log_odds(rows: Rows, first: tuple[str, str], second: tuple[str, str]) -> float:
    """Marginal log odds ratio of two labels among the rows."""
    a = rows.matrix(first[0], [first[1]])[:, 0]
    b = rows.matrix(second[0], [second[1]])[:, 0]
    both, n = (a * b).sum(), len(rows)
    return float(
        np.log(both * (n - a.sum() - b.sum() + both) / ((a.sum() - both) * (b.sum() - both)))
    )
