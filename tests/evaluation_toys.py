"""A made-up hospital: cohorts of any size from one population, and evidence of three of them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pyarrow as pa

import llmsyn
from llmsyn.cohort.types import Cohort
from llmsyn.evaluation.samples import Sample, sample_of
from llmsyn.evaluation.types import Evidence, Report
from llmsyn.measurement import measure
from llmsyn.profile.terms import Term
from llmsyn.profile.types import Profile, Rule
from llmsyn.profile.variables import Categorical, CodeSet, Numeric

CODES = ("4019", "4280", "25000", "5849", "486", "41071", "650", "185")
DELIVERY, PROSTATE, INFARCTION = 6, 7, 5
DRUGS = ("aspirin", "insulin", "furosemide")
RACES = ("white", "black", "asian")
NAN = float("nan")


def like() -> Profile:
    """The form of the profile; every count is open."""

    def nothing(n: int) -> np.ndarray:
        return np.full(n, NAN)

    variables = (
        Categorical("sex", "demographics", ("F", "M"), nothing(2), concept="sex",
                    means={"F": "female", "M": "male"}),
        Numeric("age", "demographics", "years", 0, np.array([0.0, 18, 45, 65, 80, 100]),
                nothing(5), concept="age"),
        Categorical("race", "demographics", RACES, nothing(3), concept="ethnicity"),
        CodeSet("diagnoses", "diagnoses", ("icd9cm",), CODES, nothing(8), main=nothing(8),
                main_unlisted=NAN, listed=nothing(9), unlisted=nothing(3), concept="diagnoses"),
        CodeSet("drugs", "drugs", ("ingredient",), DRUGS, nothing(3), listed=nothing(4),
                concept="drugs"),
        Categorical("died", "outcome", ("no", "yes"), nothing(2), role="outcome",
                    concept="in_hospital_death", means={"no": "no", "yes": "yes"},
                    label="Died in hospital"),
        Numeric("days", "outcome", "days", 0, np.array([0.0, 2, 4, 8, 40]), nothing(4),
                role="outcome", concept="length_of_stay"),
        Categorical("home", "outcome", ("no", "yes"), nothing(2), role="proxy", proxy_of="died"),
    )  # fmt: skip
    rule = Rule((Term("died", "yes"), Term("home", "yes")), "nobody goes home dead")
    return Profile(
        "toy", "patient", 0, 0, ("demographics", "diagnoses", "drugs", "outcome"), variables,
        rules=(rule,), title="A made-up hospital <b>",
    )  # fmt: skip


def people(n: int, seed: int) -> dict[str, np.ndarray]:
    """Columns of ``n`` people; death follows age, heart failure and renal failure."""
    random = np.random.default_rng(seed)
    sex = random.integers(0, 2, n)
    age = np.clip(np.round(random.normal(62, 18, n)), 0, 99)
    race = random.choice(3, n, p=[0.6, 0.3, 0.1])
    frail = random.normal(size=n)
    old = (age - 60) / 20
    logits = np.column_stack(
        [-0.2 + 0.6 * old, -1.4 + 0.7 * old + 0.9 * frail, -0.9 + 0.3 * frail,
         -1.8 + 0.5 * old + 1.1 * frail, -2.0 + 0.4 * frail, -2.2 + 0.5 * old,
         np.full(n, -1.0), -2.0 + 0.8 * old]
    )  # fmt: skip
    has = random.random((n, 8)) < 1 / (1 + np.exp(-logits))
    has[:, DELIVERY] &= (sex == 0) & (age >= 18) & (age < 45)
    has[:, PROSTATE] &= (sex == 1) & (age >= 45)
    unlisted = random.integers(0, 3, n)
    first = np.where(has.any(1), (has * random.random((n, 8))).argmax(1), -1)
    died = random.random(n) < 1 / (
        1 + np.exp(2.6 - 1.0 * old - 1.2 * has[:, 1] - 1.3 * has[:, 3] - 0.8 * frail)
    )
    drug = random.random((n, 3)) < np.column_stack(
        [0.2 + 0.5 * has[:, 5], 0.1 + 0.7 * has[:, 2], 0.1 + 0.6 * has[:, 1]]
    )
    days = np.clip(np.round(random.exponential(3 + 2 * has.sum(1))), 0, 39)
    home = ~died & (random.random(n) < 0.8)
    return {"sex": sex, "age": age, "race": race, "has": has, "unlisted": unlisted,
            "first": first, "died": died.astype(int), "drug": drug, "days": days,
            "home": home.astype(int)}  # fmt: skip


def cohort(columns: dict[str, np.ndarray], start: int = 0) -> Cohort:
    """People as a cohort of real units; ids from ``start`` on."""
    n = len(columns["sex"])

    def text(name: str, levels: tuple[str, ...]) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(
            pa.array(columns[name].astype(np.int32)), list(levels)
        )

    units = pa.table(
        {
            "patient_id": pa.array([f"p{start + i}" for i in range(n)]),
            "sex": text("sex", ("F", "M")),
            "age": pa.array(columns["age"].astype(float)),
            "race": text("race", RACES),
            "died": text("died", ("no", "yes")),
            "days": pa.array(columns["days"].astype(float)),
            "home": text("home", ("no", "yes")),
        }
    )
    rows, codes, positions = [], [], []
    for i in range(n):
        own = [int(k) for k in np.flatnonzero(columns["has"][i])]
        own.sort(key=lambda k, i=i: k != columns["first"][i])
        all_codes = [CODES[k] for k in own] + ["(unlisted)"] * int(columns["unlisted"][i])
        rows += [i] * len(all_codes)
        codes += all_codes
        positions += range(len(all_codes))
    drug_row, drug = np.nonzero(columns["drug"])
    return Cohort("real", "patient", units, {
        "diagnoses": _table(rows, codes, positions),
        "drugs": _table(drug_row, [DRUGS[k] for k in drug], np.arange(len(drug))),
    })  # fmt: skip


def _table(rows: object, codes: list[str], positions: object) -> pa.Table:
    return pa.table(
        {
            "row": pa.array(np.asarray(rows, dtype=np.int32)),
            "code": pa.array(codes, pa.string()).dictionary_encode(),
            "position": pa.array(np.asarray(positions, dtype=np.int16)),
        }
    )


def sample(columns: dict[str, np.ndarray], profile: Profile) -> Sample:
    return sample_of([cohort(columns)], profile)


@lru_cache
def profile_of(n: int, seed: int) -> Profile:
    """The exact profile of some people."""
    return measure([cohort(people(n, seed))], like()).profile


def evidence(
    n: int = 1200, synthetic: dict[str, np.ndarray] | None = None, **more: object
) -> Evidence:
    """Members, a holdout, and, as synthetic units, a third sample of the same population."""
    profile = profile_of(n, 1)
    given = people(n, 3) if synthetic is None else synthetic
    made = Evidence(
        profile, sample(given, profile), sample(people(n, 1), profile),
        sample(people(n, 2), profile), quick=True,
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


@lru_cache
def good_report(n: int = 900) -> Report:
    """A third real sample in place of synthetic units, from cohorts in memory."""
    return llmsyn.evaluate(
        cohort(people(n, 3), 10_000), members=cohort(people(n, 1)),
        holdout=cohort(people(n, 2), 20_000), profile=profile_of(n, 1), quick=True,
    )  # fmt: skip
