"""Suppressed counts: what other tables print of them decides where the units are."""

from __future__ import annotations

import numpy as np
import pytest

from llmsyn.network.printed import prevalences, printed_of_levels
from llmsyn.network.settling import settle
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.types import Disclosure, Profile
from llmsyn.profile.variables import Categorical, CodeSet

NAN = float("nan")
WARD = Categorical("ward", "first", ("urgent", "planned"), np.array([NAN, NAN]))
SEX = Categorical("sex", "first", ("F", "M"), np.array([60.0, 69.0]))
DRUGS = CodeSet("drugs", "last", ("ingredient",), ("a", "b", "c"), np.array([80.0, NAN, 30.0]))
BY_SEX = Table((Axis("sex", ("F", "M")), Axis("ward", ("urgent", "planned"))),
               np.array([[52.0, NAN], [NAN, NAN]]))  # fmt: skip
BY_DRUG = Table((Axis("ward", ("urgent", "planned")), Axis("drugs", ("a", "b", "c"))),
                np.array([[75.0, 21.0, NAN], [NAN, NAN, NAN]]))  # fmt: skip


def profile(*tables: Table) -> Profile:
    return Profile("p", "stay", 129.0, 129.0, ("first", "last"), (SEX, WARD, DRUGS), tables,
                   disclosure=Disclosure(threshold=11))  # fmt: skip


def test_cells_of_levels_add_up_and_cells_of_codes_do_not():
    assert printed_of_levels(profile(), WARD, ()).tolist() == [5.0, 5.0]
    assert printed_of_levels(profile(BY_SEX), WARD, (BY_SEX,)).tolist() == [57.0, 5.0]
    assert printed_of_levels(profile(BY_DRUG), WARD, (BY_DRUG,)).tolist() == [75.0, 5.0]
    assert prevalences(profile(BY_DRUG), DRUGS, (BY_DRUG,)).tolist() == [80.0, 26.0, 30.0]


@pytest.mark.parametrize("tables", [(BY_SEX,), (BY_DRUG,), (BY_SEX, BY_DRUG)])
def test_of_two_suppressed_levels_the_one_with_printed_cells_is_the_large_one(tables):
    ward = settle(profile(*tables), tables)["ward"]
    assert isinstance(ward, Categorical)
    assert ward.counts.sum() == pytest.approx(129)
    assert ward.counts[0] > 0.85 * 129
    assert ward.counts[1] > 0


def test_without_any_table_nobody_knows():
    ward = settle(profile(), ())["ward"]
    assert isinstance(ward, Categorical)
    assert ward.counts.tolist() == pytest.approx([64.5, 64.5])


def test_other_holds_what_was_too_rare_to_be_named():
    spoken = Categorical("spoken", "first", ("English", "other"), np.array([NAN, NAN]))
    with_it = Profile("p", "stay", 129.0, 129.0, ("first", "last"), (SEX, spoken, DRUGS),
                      disclosure=Disclosure(threshold=11))  # fmt: skip
    assert printed_of_levels(with_it, spoken, ()).tolist() == [124.0, 5.0]
