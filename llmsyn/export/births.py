"""Birthdays that make everyone as old as drawn on the first admission."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from llmsyn.errors import InputError
from llmsyn.export.dates import Ints, Times, Visits, numeric, patient_ids, values
from llmsyn.export.uniforms import uniforms
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Numeric


def birth_dates(units: pa.Table, visits: Visits, profile: Profile, seed: int) -> Times:
    """``(n_units,)`` days of birth that make everyone as old as drawn on the first admission.

    NaT where the age is missing, or the profile has no variable with concept ``age``.
    """
    ids = patient_ids(units)
    age = numeric(profile, "age")
    born = np.full(len(ids), np.datetime64("NaT"), "datetime64[D]")
    if age is None:
        return born
    years = values(units, age.name) * _years_in(age)
    known = ~np.isnan(years)
    whole = np.floor(np.where(known, years, 0.0))
    fraction = np.where(known, years, 0.0) - whole
    # Somewhere inside the last printed digit, but never a whole year further.
    digit = _years_in(age) * 10.0**-age.decimals
    later = fraction + uniforms(seed, "birthday", ids) * min(digit, 1.0)
    days = np.minimum(np.floor(later * 365), 364).astype(np.int64)
    admitted = visits.admitted[visits.start[:-1]].astype("datetime64[D]")
    found = _years_before(admitted, whole.astype(np.int64)) - days
    return np.where(known, found, born)


def _years_before(days: Times, years: Ints) -> Times:
    """The same day of the year, that many years earlier; 29 February becomes the 28th."""
    month = days.astype("datetime64[M]")
    day = days - month.astype("datetime64[D]")
    then = month - 12 * years
    last = (then + 1).astype("datetime64[D]") - then.astype("datetime64[D]") - 1
    return np.asarray(then.astype("datetime64[D]") + np.minimum(day, last))


def _years_in(age: Numeric) -> float:
    unit = age.unit.strip().lower()
    scales = {"years": 1.0, "year": 1.0, "months": 1 / 12, "days": 1 / 365.2425, "": 1.0}
    if unit not in scales:
        raise InputError(
            f"variable {age.name!r} is in {age.unit!r}, expected years, months or days; write its "
            "unit in the profile that the cohort was drawn from"
        )
    return scales[unit]
