"""A population that can be drawn at will, its release, and evidence, for tests of attacks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from llmsyn.disclosure.slots import printed, slots, with_printed
from llmsyn.evaluation.attacks.cells import Cells, cells_of
from llmsyn.evaluation.samples import Sample
from llmsyn.evaluation.types import Evidence
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.types import Disclosure, Profile
from llmsyn.profile.variables import Categorical, CodeSet, Numeric

N_CODES = 30
CODES = tuple(f"C{i:02d}" for i in range(N_CODES))
ETHNICITIES = ("a", "b", "c", "d")


def form(*, pairs: bool = False) -> Profile:
    """What is printed, every count NaN."""
    sex = Categorical("sex", "first", ("female", "male"), _nan(2), concept="sex")
    ethnicity = Categorical("ethnicity", "first", ETHNICITIES, _nan(4), concept="ethnicity")
    age = Numeric("age", "first", "years", 0, np.array([0.0, 20, 40, 60, 80, 100]), _nan(5),
                  missing_count=np.nan, concept="age")  # fmt: skip
    codes = CodeSet("diagnoses", "codes", ("icd9cm",), CODES, _nan(N_CODES), main=_nan(N_CODES),
                    main_unlisted=np.nan)  # fmt: skip
    died = Categorical(
        "died", "last", ("no", "yes"), _nan(2), role="outcome", concept="in_hospital_death",
        means={"yes": "yes", "no": "no"},
    )  # fmt: skip
    axis = Axis("diagnoses", CODES)
    tables = [Table((Axis("died", ("no", "yes")), axis), _nan(2, N_CODES))]
    if pairs:
        tables.append(Table((axis, axis), _nan(N_CODES, N_CODES)))
    return Profile(
        "toy", "patient", 0, 0, ("first", "codes", "last"), (sex, ethnicity, age, codes, died),
        tuple(tables), disclosure=Disclosure("suppression", threshold=2),
    )  # fmt: skip


def people(n: int, random: np.random.Generator, *, n_codes: int = N_CODES) -> Sample:
    """n people with one stay each; sick people have many codes, and die."""
    burden = random.gamma(3.0, 1 / 3, n)
    prevalence = np.geomspace(0.4, 0.02, n_codes)
    has = random.random((n, n_codes)) < np.minimum(prevalence * burden[:, None], 0.9)
    age = np.clip(random.normal(55, 20, n), 0, 100).round()
    age[random.random(n) < 0.03] = np.nan
    age_level = np.where(np.isnan(age), 5, np.minimum(np.nan_to_num(age) // 20, 4)).astype(int)
    # Sparse without explicit zeros, every row's first code its main one.
    codes = sparse.csr_array(has.astype(np.float32))
    main = np.where(has.any(axis=1), has.argmax(axis=1), -1)
    return Sample(
        levels={
            "sex": random.integers(0, 2, n),
            "ethnicity": random.choice(4, n, p=[0.7, 0.2, 0.08, 0.02]),
            "age": age_level,
            "died": (random.random(n) < 0.08 * burden).astype(int),
        },
        values={"age": age},
        codes={"diagnoses": codes},
        unlisted={"diagnoses": np.zeros(n, dtype=np.int64)},
        patient=np.arange(n),
        main={"diagnoses": main},
    )


def release_of(sample: Sample, *, pairs: bool = False) -> Profile:
    """Exact counts of everybody in the form; cells that nobody is in are not printed."""
    like = form(pairs=pairs)
    n = sample.n_patients
    all_ones = {s: np.ones_like(printed(like, s)) for s in slots(like)}
    shape: Cells = cells_of(replace(with_printed(like, all_ones), n_units=n, n_patients=n))
    counts = np.asarray(shape.of(sample).sum(axis=0)).ravel()
    arrays, start = {}, 0
    for i, flat, _ in shape.picked:
        slot = shape.places[i]
        array = np.full(printed(like, slot).size, np.nan)
        mine = counts[start : start + len(flat)]
        array[flat] = np.where(mine > 0, mine, np.nan)
        start += len(flat)
        array = array.reshape(printed(like, slot).shape)
        if slot.place == "table" and like.tables[slot.index].is_pairs:
            array = np.fmax(array, array.T)
        arrays[slot] = array
    return replace(with_printed(like, arrays), n_units=n, n_patients=n)


def world(
    n_members: int = 300,
    n_holdout: int = 400,
    *,
    seed: int = 1,
    copied: float = 0.0,
    pairs: bool = False,
    n_synthetic: int = 600,
) -> Evidence:
    """Members, holdout, and a synthetic set of fresh people, a share of the members copied."""
    random = np.random.default_rng(seed)
    members, holdout = people(n_members, random), people(n_holdout, random)
    synthetic = people(n_synthetic, random)
    if copied:
        k = round(copied * n_members)
        synthetic = _stacked(synthetic.take(np.arange(k, n_synthetic)),
                             members.take(random.permutation(n_members)[:k]))  # fmt: skip
    return Evidence(release_of(members, pairs=pairs), synthetic, members, holdout, seed=seed)


def _stacked(a: Sample, b: Sample) -> Sample:
    from llmsyn.evaluation.samples import joined

    both = joined([a, b])
    return replace(both, patient=np.arange(len(both)))


def _nan(*shape: int) -> np.ndarray:
    return np.full(shape, np.nan)
