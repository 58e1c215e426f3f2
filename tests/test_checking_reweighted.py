"""What follows from a profile for a re-weighted cohort, beside counted, weighted rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from network_toys import population, profile_of

from llmsyn.checking import check, expected
from llmsyn.checking.cells import blocks
from llmsyn.errors import CohortError, InputError
from llmsyn.profile.condition import Reweight
from llmsyn.profile.terms import Term, parse_term
from llmsyn.profile.types import Disclosure


@pytest.fixture(scope="module")
def rows():
    """The toy population."""
    return population(3_000)


@pytest.fixture(scope="module")
def study(rows):
    """Its profile, with tables that say how many things go with death, age and a code."""
    pairs = [("sex", "died"), ("age", "died"), ("died", "dx"), ("sex", "dx"), ("dx", "dx"),
             ("dx.main", "died"), ("age", "dx"), ("died", "drug"), ("sex", "age"),
             ("dx.count", "died")]  # fmt: skip
    return profile_of(rows, [rows.table(*names) for names in pairs])


def weighted(rows, reweight):
    """(n,) weight of each row, by brute force."""
    held = holds(rows, reweight.term)
    p = held.mean()
    return np.where(held, reweight.share / p, (1 - reweight.share) / (1 - p))


def holds(rows, term):
    """Of which rows the term holds."""
    labels = rows.labels[term.variable]
    if term.variable == "age":
        low = [float(str(label).strip("[)").split(",")[0]) for label in labels]
        inside = [term.value.low <= x < term.value.high for x in low]
        return rows.matrix("age")[:, inside].any(1)
    return rows.matrix(term.variable)[:, labels.index(str(term.value))] > 0


def counted(rows, weights, axes):
    """Weighted units in every cell of one or two axes; numbers of codes as in the rows."""
    first = rows.matrix(axes[0].variable, axes[0].labels)
    if len(axes) == 1:
        return weights @ first
    return np.einsum("n,ni,nj->ij", weights, first, rows.matrix(axes[1].variable, axes[1].labels))


CONDITIONS = ["died=yes", "dx=E", "dx.main=C", "age=[60,inf)", "drug=X", "sex=M"]


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_every_cell_that_follows_is_that_of_weighted_rows(rows, study, condition, share):
    if condition == "drug=X":
        condition = f"drug={study['drug'].codes[0]}"
    wanted = Reweight(parse_term(condition), share)
    found = expected(study, wanted)
    weights, known = weighted(rows, wanted), 0
    for block in blocks(found.profile):
        axes = block.axes
        if any(a.variable not in rows.labels for a in axes):
            continue
        truth = counted(rows, weights, axes)
        if block.kind == "levels" and axes[0].labels[-1] == "missing":
            truth[-1] = 0
        here = ~np.isnan(block.counts) & block.counted
        np.testing.assert_allclose(block.counts[here], truth[here], rtol=1e-9, atol=1e-6)
        known += int(here.sum())
    assert known == found.followed >= 5
    p = holds(rows, wanted.term).mean()
    assert found.magnified == pytest.approx(max(share / p, (1 - share) / (1 - p)))


def test_which_cells_follow(study):
    """All of death's tables and their margins; no table without death."""
    found = expected(study, Reweight(Term("died", "yes"), 0.5)).profile
    known = {b.name: float((~np.isnan(b.counts[b.counted])).mean()) for b in blocks(found)}
    for name in ("died", "sex", "age", "dx", "sex x died", "age x died", "died x dx", "died x drug",
                 "drug", "dx.main x died", "dx.main", "dx.count x died", "dx.count"):  # fmt: skip
        assert known[name] == 1, name
    assert known["sex x dx"] == known["dx x dx"] == known["sex x age"] == 0
    assert "dx.unlisted" not in known, "a histogram that does not follow is none"


def test_of_a_code_only_its_own_cells_follow(study):
    found = expected(study, Reweight(Term("dx", "E"), 0.5)).profile
    table = next(t for t in found.tables if t.name == "sex x dx")
    assert (~np.isnan(table.counts)).tolist() == [[False] * 4 + [True]] * 2
    pairs = next(t for t in found.tables if t.name == "dx x dx")
    assert (~np.isnan(pairs.counts)).sum() == 8
    assert not np.isnan(found["dx"].counts).any()


def test_nobody_and_everybody_stay(study):
    counts = next(t for t in study.tables if t.name == "sex x dx").counts.copy()
    counts[1, 0] = 0
    tables = tuple(replace(t, counts=counts) if t.name == "sex x dx" else t for t in study.tables)
    found = expected(replace(study, tables=tables), Reweight(Term("died", "yes"), 0.5)).profile
    after = next(t for t in found.tables if t.name == "sex x dx").counts
    assert after[1, 0] == 0 and np.isnan(np.delete(after.ravel(), 5)).all()


def test_nothing_is_concluded_from_contradicting_numbers(study):
    wanted = Reweight(Term("died", "yes"), 0.5)
    found = expected(study, wanted, unmet=["died=yes & dx=B"]).profile
    assert np.isnan(found["dx"].counts).tolist() == [False, True, False, False, False]


def test_rounded_numbers_leave_room(study):
    died = replace(study["died"], half_width=2.5)
    variables = tuple(died if v.name == "died" else v for v in study.variables)
    found = expected(replace(study, variables=variables), Reweight(Term("died", "yes"), 0.5))
    p = died.counts[1] / study.n_units
    sex = found.profile["sex"]
    truth = expected(study, Reweight(Term("died", "yes"), 0.5)).profile["sex"]
    off = replace(died, counts=died.counts + np.array([2.5, -2.5]))
    moved = tuple(off if v.name == "died" else v for v in study.variables)
    shifted = expected(replace(study, variables=moved), Reweight(Term("died", "yes"), 0.5)).profile
    gap = np.abs(shifted["sex"].counts - truth.counts).max()
    assert 0 < gap <= sex.half_width < 20 / p


def test_what_was_suppressed_is_not_called_small(study):
    closed = replace(study, disclosure=Disclosure("suppression", threshold=11))
    assert expected(closed, Reweight(Term("died", "yes"), 0.5)).profile.disclosure.threshold == 0


def test_an_unpublished_condition_is_refused(study):
    died = replace(study["died"], counts=np.array([np.nan, np.nan]))
    variables = tuple(died if v.name == "died" else v for v in study.variables)
    hidden = replace(study, variables=variables, tables=())
    with pytest.raises(CohortError, match="does not publish, so no cell can be compared"):
        expected(hidden, Reweight(Term("died", "yes"), 0.5))
    with pytest.raises(InputError, match="no variable 'dead'"):
        expected(study, Reweight(Term("dead", "yes"), 0.5))


def test_a_check_of_what_follows_passes_and_of_what_does_not_fails(rows, study):
    """Rows drawn with the weights pass; the same share by a wrong weight of one sex does not."""
    wanted = Reweight(Term("died", "yes"), 0.5)
    found = expected(study, wanted)
    random = np.random.default_rng(1)
    weights = weighted(rows, wanted)
    wrong = weights * np.where(holds(rows, Term("sex", "M")), 1.3, 1.0)
    held = holds(rows, wanted.term)
    for part in (held, ~held):  # the share itself stays right
        wrong[part] *= weights[part].sum() / wrong[part].sum()
    verdicts = []
    for law in (weights, wrong):
        take = random.choice(len(rows), 20_000, p=law / law.sum())
        drawn = replace(rows, columns={k: v[take] for k, v in rows.columns.items()})
        tables = [drawn.table(*t.name.split(" x ")) for t in study.tables]
        tables = [replace(t, axes=s.axes, counts=drawn.counts(*s.axes))
                  for t, s in zip(tables, study.tables, strict=True)]  # fmt: skip
        measured = profile_of(drawn, tables)
        verdicts.append(check(measured, found.profile, n=20_000, independent=False).passed)
    assert verdicts == [True, False]
