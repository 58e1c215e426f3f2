"""Write an invented profile of any size, to measure speed and memory with.

The numbers are counts of a simulated population (a latent factor model, no real data), so
they are consistent with each other: ten demographics, an outcome, a main diagnosis, three
code lists with about 17 events a patient, tables by age, sex and outcome, and all pairs.

    python benchmarks/stress_profile.py --diagnoses 150 --procedures 80 --drugs 100 -o DIR
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.types import Disclosure, Profile, Provenance
from llmsyn.profile.variables import Categorical, CodeSet, Numeric
from llmsyn.profile.writing import write_profile

N_UNITS = 100_000
EVENTS = {"diagnoses": 12.5, "procedures": 3.8, "drugs": 8.5}  # before saturation
AGE_EDGES = np.array([0, 18, 30, 40, 50, 60, 70, 80, 90, 100], dtype=float)
DEMOGRAPHIC_LEVELS = (5, 5, 3, 4, 8, 6, 12, 7)


def simulate(sizes: dict[str, int], seed: int) -> Profile:
    """Count a simulated population of ``N_UNITS`` patients."""
    random = np.random.default_rng(seed)
    sex = random.integers(0, 2, N_UNITS)
    age = np.clip(random.normal(60, 20, N_UNITS), 0, 99)
    band = np.searchsorted(AGE_EDGES, age, side="right") - 1
    died = (random.random(N_UNITS) < 0.02 + 0.08 * (age > 70)).astype(int)
    columns = {"sex": sex, "age": band, "died": died}
    for k, n_levels in enumerate(DEMOGRAPHIC_LEVELS):
        weights = random.dirichlet(np.full(n_levels, 2.0))
        columns[f"demographic_{k}"] = random.choice(n_levels, N_UNITS, p=weights)
    traits = np.column_stack(
        [sex - 0.5, (age - 60) / 20, 3 * died, random.normal(size=(N_UNITS, 4))]
    )
    sets = {}
    for name, size in sizes.items():
        load = random.normal(0, 0.5, (traits.shape[1], size)) * (random.random(size) < 0.7)
        height = random.normal(0, 1.1, size)
        logits = height + traits @ load
        logits += np.log(EVENTS[name] / np.mean(np.exp(logits).sum(1)))
        sets[name] = random.random((N_UNITS, size)) < np.exp(logits) / (1 + np.exp(logits))
    return _profile(columns, sets, random)


def _profile(
    columns: dict[str, np.ndarray], sets: dict[str, np.ndarray], random: np.random.Generator
) -> Profile:
    variables: list[Categorical | Numeric | CodeSet] = []
    dense: dict[str, tuple[np.ndarray, tuple[str, ...]]] = {}
    for name, values in columns.items():
        counts = np.bincount(values).astype(float)
        if name == "age":
            variable = Numeric(name, "demographics", "years", 0, AGE_EDGES, counts, concept="age")
            variables.append(variable)
            labels = variable.levels
        else:
            labels = ("female", "male") if name == "sex" else tuple(map(str, range(len(counts))))
            labels = ("no", "yes") if name == "died" else labels
            concept = {"sex": "sex", "died": "in_hospital_death"}.get(name)
            role = "outcome" if name == "died" else "feature"
            variables.append(
                Categorical(name, "demographics", labels, counts, concept=concept, role=role)
            )
        dense[name] = (np.eye(len(counts), dtype=np.float32)[values], labels)
    for name, has in sets.items():
        codes = tuple(f"{name[:2].upper()}{j:03d}" for j in range(has.shape[1]))
        number = has.sum(1)
        main, main_unlisted, unlisted = None, None, None
        if name == "diagnoses":  # the main diagnosis is the rarest code a patient has
            rare = np.where(has, has.mean(0), 2.0).argmin(1)
            main = np.bincount(rare[number > 0], minlength=has.shape[1]).astype(float)
            main_unlisted = float((number == 0).sum())
            further = np.where(number == 0, 1, random.poisson(0.3, N_UNITS))
            unlisted = np.bincount(further).astype(float)
        variables.append(
            CodeSet(
                name,
                name,
                ("local",),
                codes,
                has.sum(0).astype(float),
                main,
                main_unlisted,
                np.bincount(number).astype(float),
                unlisted,
            )
        )
        dense[name] = (has.astype(np.float32), codes)
        dense[f"{name}.count"] = (
            np.eye(number.max() + 1, dtype=np.float32)[number],
            tuple(map(str, range(number.max() + 1))),
        )
    keys = ("sex", "age", "died")
    chosen = [(a, b) for a in keys for b in dense if b not in keys]
    chosen += [("sex", "age"), ("sex", "died"), ("age", "died")]
    names = list(sets)
    chosen += [(a, b) for i, a in enumerate(names) for b in names[i:]]
    chosen += [(f"{a}.count", f"{b}.count") for i, a in enumerate(names) for b in names[i + 1 :]]
    tables = tuple(_table(a, b, dense) for a, b in chosen)
    return Profile(
        "stress", "patient", N_UNITS, N_UNITS, ("demographics", *sets), tuple(variables), tables,
        title="Invented profile to measure speed with",
        provenance=Provenance("invented", "benchmarks/stress_profile.py", "Apache-2.0"),
        disclosure=Disclosure("suppression", threshold=11),
    )  # fmt: skip


def _table(a: str, b: str, dense: dict[str, tuple[np.ndarray, tuple[str, ...]]]) -> Table:
    counts = (dense[a][0].T @ dense[b][0]).astype(float)
    if a == b:
        np.fill_diagonal(counts, np.nan)
    counts = np.where(counts < 11, np.nan, counts)
    return Table((Axis(a, dense[a][1]), Axis(b, dense[b][1])), counts, "suppressed")


@click.command()
@click.option("--diagnoses", type=int, default=150, show_default=True)
@click.option("--procedures", type=int, default=80, show_default=True)
@click.option("--drugs", type=int, default=100, show_default=True)
@click.option("--seed", type=int, default=7, show_default=True)
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True)
def main(diagnoses: int, procedures: int, drugs: int, seed: int, out: Path) -> None:
    """Write the stress profile to a folder."""
    sizes = {"diagnoses": diagnoses, "procedures": procedures, "drugs": drugs}
    write_profile(simulate(sizes, seed), out, force=True)
    click.echo(f"stress profile with {sum(sizes.values())} codes in {out}")


if __name__ == "__main__":
    main()
