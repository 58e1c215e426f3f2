"""What ``check_profile`` finds: each contradiction that is planted, and nothing else."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsyn.profile.findings import Finding, check_profile
from llmsyn.profile.margins import margin_of
from llmsyn.profile.reading import read_profile_with_rows
from llmsyn.profile.tables import Axis, Table
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet

TOY = Path(__file__).parent / "data" / "toy"


def _check(folder: Path) -> tuple[Finding, ...]:
    return check_profile(*read_profile_with_rows(folder))


def _edit(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / file
    text = path.read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
    path.write_text(text.replace(old, new))


def test_the_toy_is_clean() -> None:
    assert _check(TOY) == ()


# file, text, its replacement -> place and words of a finding
NUMBERS = [
    ("sex.csv", "M,556", "M,566", "sex.csv, row 3", "add up to 1,010"),
    ("sex.csv", "M,556", "M,546", "sex.csv, row 3", "add up to 990 (0.9900 of all)"),
    ("sex.csv", "M,556", "M,1556", "sex.csv, row 3", "above the 1000 units"),
    ("age.csv", "310", "320", "age.csv, row 7", "counts of age add up to 1,010"),
    ("died.csv", "yes,84", "yes,suppressed\nunclear,300", "died.csv, row 4", "at most 1,000"),
    ("diagnoses.csv", "263,139", "263,264", "diagnoses.csv, row 3", "a code of only 263"),
    ("diagnoses.csv", ",,290", ",,390", "diagnoses.csv, row 8", "a unit has one main code"),
    ("diagnoses.csv", ",,290", ",,90", "diagnoses.csv, row 8", "81 units have codes but no main"),
    ("diagnoses.csv", "263,139", "363,139", "diagnoses-histograms.csv, row 8", "add up to 1,782"),
    ("diagnoses-histograms.csv", "147,119", "157,119", "row 8", "diagnoses.count add up to 1,010"),
    (
        "drugs-histograms.csv", "311,53\n1,437", "800,53\n1,-52", "", "-52 is below 0",
    ),
    ("drugs-histograms.csv", "4,,175", "4,60,175", "drugs-histograms.csv, row 6", "only 3 are"),
    ("table-died-diagnoses.csv", "yes,4280,42", "yes,4280,85", "row 9", "above the 84 of died=yes"),
    ("table-died-diagnoses.csv", "no,4280,221", "no,4280,150", "row 3", "overlap in at least 179"),
    ("table-died-diagnoses.csv", "no,4280,221", "no,4280,211", "row 3", "should add up to 263"),
    ("table-sex-died.csv", "F,yes,36", "F,yes,56", "row 2", "sex=F add up to 464"),
    ("table-sex-died.csv", "F,yes,36", "F,yes,56", "row 3", "died=yes add up to 104"),
    (
        "table-age-diagnoses.csv", "4280,145", "4280,190", "table-age-diagnoses.csv, row 3",
        "diagnoses=4280 add up to 308",
    ),
    (
        "table-diagnoses-diagnoses.csv", "4019,4280,138", "4019,4280,264",
        "table-diagnoses-diagnoses.csv, row 2", "above the 263 of diagnoses=4280",
    ),
    (
        "table-diagnoses-diagnoses.csv", "4019,42731,138", "4019,42731,238",
        "table-diagnoses-diagnoses.csv, row 16", "leaves room for",
    ),
    ("diagnoses.csv", "0389,", "038.9,", "diagnoses.csv, row 7", "did you mean 0389?"),
    (
        "profile.toml", "n_units = 1000", "n_units = 1000\nn_patients = 900",
        "profile.toml, key n_patients", "should be n_units",
    ),
    (
        "profile.toml", 'histograms = "drugs-histograms.csv"',
        'histograms = "drugs-histograms.csv"\nunlisted_per_unit = 9.5',
        "profile.toml, key variables[3].unlisted_per_unit", "9.5 unlisted codes a unit",
    ),
    (
        "profile.toml", 'method = "none"', 'method = "suppression"\nthreshold = 30',
        "table-died-diagnoses.csv, row 10", "count 23 is below the threshold of 30",
    ),
    (
        "profile.toml", 'file = "sex.csv"', 'file = "sex.csv"\nsigma = 2',
        "profile.toml, key disclosure.method", "variable sex of toy has noise",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "where", "words"), NUMBERS)
def test_planted_in_a_number(
    toy_copy: Path, file: str, old: str, new: str, where: str, words: str
) -> None:
    if words == "-52 is below 0":
        # A noisy count below 0 can be read, and is only wrong beyond its noise.
        _edit(toy_copy, "profile.toml", 'file = "drugs.csv"', 'file = "drugs.csv"\nsigma = 5')
        words = "count -52 is below 0"
    if file == "diagnoses.csv" and old == "0389,":
        for name in ("table-age-diagnoses", "table-died-diagnoses", "table-diagnoses-diagnoses"):
            path = toy_copy / f"{name}.csv"
            path.write_text(path.read_text().replace("0389", "038.9"))
    _edit(toy_copy, file, old, new)
    findings = _check(toy_copy)
    hits = [f for f in findings if words in f.message]
    assert hits, "\n".join(map(str, findings))
    assert any(where in f.where for f in hits), hits


RULE = '\n[[rules]]\nnever = ["died=yes", "{}"]\n'
REFERENCES = [
    ('stage = "outcome"', 'stage = "outcomes"', "key variables[4].stage", "'outcomes' is no stage"),
    ('"diagnoses", "drugs", "outcome"]', '"diagnoses", "drugs", "outcome", "drugs"]',
     "key stages", "listed twice"),
    ('"diagnoses", "drugs", "outcome"]', '"diagnoses", "drugs", "outcome", "labs"]',
     "key stages", "'labs' has no variable"),
    ('file = "sex.csv"', 'file = "sex.csv"\nrole = "proxy"\nproxy_of = "age"',
     "key variables[0].proxy_of", "outcomes: died"),
    ('file = "drugs.csv"', 'file = "drugs.csv"\nselector = {variable = "died", systems = {}}',
     "key variables[3].selector.variable", "died is drawn after drugs"),
    ('file = "drugs.csv"', 'file = "drugs.csv"\nselector = {variable = "age", systems = {}}',
     "key variables[3].selector.variable", "no categorical variable"),
    ('file = "drugs.csv"',
     'file = "drugs.csv"\nselector = {variable = "sex", systems = {F = ["atc"], X = []}}',
     "key variables[3].selector.systems", "'atc' is not in systems of drugs"),
    ('file = "drugs.csv"',
     'file = "drugs.csv"\nselector = {variable = "sex", systems = {F = ["ingredient"], X = []}}',
     "key variables[3].selector.systems", "'X' is no level of sex"),
    ('file = "drugs.csv"',
     'file = "drugs.csv"\nselector = {variable = "sex", systems = {F = ["ingredient"]}}',
     "key variables[3].selector.systems", "level 'M' of sex has no code system"),
    ("[[tables]]\naxes = [\"died\"", RULE.format("sexe=F") + "[[tables]]\naxes = [\"died\"",
     "key rules[0].never[1]", "no variable 'sexe'"),
    ("[[tables]]\naxes = [\"died\"", RULE.format("sex=W") + "[[tables]]\naxes = [\"died\"",
     "key rules[0].never[1]", "'W' is no level of sex"),
    ("[[tables]]\naxes = [\"died\"", RULE.format("age=[18,45)") + "[[tables]]\naxes = [\"died\"",
     "key rules[0].never[1]", "whose limits are 18, 40, 50"),
    ("[[tables]]\naxes = [\"died\"", RULE.format("sex.main=F") + "[[tables]]\naxes = [\"died\"",
     "key rules[0].never[1]", "only code sets have facets"),
    ("[[tables]]\naxes = [\"died\"",
     RULE.format("diagnoses.count=9") + "[[tables]]\naxes = [\"died\"",
     "key rules[0].never[1]", "beyond the histogram"),
    ("[[tables]]\naxes = [\"died\"", RULE.format("sex=F") + "[[tables]]\naxes = [\"died\"",
     "table-sex-died.csv, row 3", "rule 0 says that this never happens"),
    ("[[tables]]\naxes = [\"died\"",
     RULE.format("sex=F").replace("yes", "no") + "[[tables]]\naxes = [\"died\"",
     "key rules[0]", "at most 1,000 could exclude each other"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "where", "words"), REFERENCES)
def test_planted_in_a_reference(toy_copy: Path, old: str, new: str, where: str, words: str) -> None:
    _edit(toy_copy, "profile.toml", old, new)
    hits = [f for f in _check(toy_copy) if words in f.message]
    assert hits
    assert hits[0].where.endswith(where)


@pytest.mark.parametrize(
    ("file", "old", "new", "row", "words"),
    [
        ("table-died-diagnoses.csv", "no,4280,", "no,4281,", 3, "'4281' is no listed code"),
        ("table-died-diagnoses.csv", "no,4280,", "non,4280,", 3, "'non' is no level of died"),
        ("table-age-diagnoses.csv", '"[80,90)",0389', '"[80,85)",0389', 19, "no range of age"),
        ("table-age-diagnoses.csv", '"[80,90)",0389', '"[70,90)",0389', 19, "overlaps another"),
    ],
)
def test_planted_in_a_label(
    toy_copy: Path, file: str, old: str, new: str, row: int, words: str
) -> None:
    _edit(toy_copy, file, old, new)
    hits = [f for f in _check(toy_copy) if words in f.message]
    assert [(f.severity, f.file, f.row) for f in hits] == [("error", file, row)]


def test_in_memory_findings_carry_key_paths() -> None:
    twice = Categorical("x", "s", ("a", "a "), np.array([1.0, 2.0]))
    codes = CodeSet("d", "s", ("local",), ("p", "p"), np.array([1.0, 2.0]))
    profile = Profile("m", "patient", 2, 2, ("s",), (twice, codes))
    places = {(f.where, f.severity) for f in check_profile(profile)}
    assert places == {("key variables.x", "error"), ("key variables.x", "warning"),
                      ("key variables.d", "error")}  # fmt: skip


def test_unknown_codes_are_asked_of_the_code_tables() -> None:
    names = ("icd9cm:x1", "icd9cm:0389", "icd9cm:41", "atc:y")
    codes = CodeSet("d", "s", ("icd9cm", "atc"), names, np.array([1.0, 2.0, 1.0, 1.0]))
    profile = Profile("m", "patient", 2, 2, ("s",), (codes,))
    asked = []

    def known(system: str, code: str) -> bool | None:
        asked.append((system, code))
        return None if system == "atc" else code in {"X1", "0389", "0041"}

    findings = check_profile(profile, known=known)
    assert [f.message for f in findings] == [
        "'x1' is no code of icd9cm; did you mean X1?",
        "'41' is no code of icd9cm; did you mean 0041?",  # a spreadsheet took the zeros
    ]
    assert {f.severity for f in findings} == {"warning"}
    assert ("atc", "y") in asked


@st.composite
def populations(draw: st.DrawFn) -> np.ndarray:
    """(n, 6) of 0 and 1: what each unit has."""
    n = draw(st.integers(2, 30))
    rows = st.lists(st.integers(0, 1), min_size=6, max_size=6)
    return np.array(draw(st.lists(rows, min_size=n, max_size=n)))


def _tally(x: np.ndarray, base: int = 1) -> Profile:
    """The exact profile of a population: a sex, an outcome, four codes (and rounded counts)."""

    def rounded(counts: np.ndarray) -> np.ndarray:
        return np.round(np.asarray(counts, dtype=float) / base) * base

    half = base / 2 if base > 1 else 0.0
    sex, died, codes = x[:, 0], x[:, 1], x[:, 2:]
    number = codes.sum(1)
    has = {
        "sex": np.column_stack([sex == 0, sex == 1]),
        "died": np.column_stack([died == 0, died == 1]),
        "d": codes == 1,
        "d.count": number[:, None] == np.arange(number.max() + 1),
    }
    labels = {"sex": ("F", "M"), "died": ("no", "yes"), "d": tuple("pqrs"),
              "d.count": tuple(str(k) for k in range(number.max() + 1))}  # fmt: skip

    def table(*names: str) -> Table:
        index = "ijk"[: len(names)]
        spec = ",".join(f"n{i}" for i in index) + "->" + index
        counts = rounded(np.einsum(spec, *(has[n].astype(float) for n in names)))
        if names == ("d", "d"):
            np.fill_diagonal(counts, np.nan)
        return Table(tuple(Axis(n, labels[n]) for n in names), counts, half_width=half)

    variables = (
        Categorical("sex", "s", ("F", "M"), rounded(has["sex"].sum(0)), half_width=half),
        Categorical("died", "s", ("no", "yes"), rounded(has["died"].sum(0)), half_width=half),
        CodeSet("d", "s", ("local",), tuple("pqrs"), rounded(codes.sum(0)),
                listed=rounded(np.bincount(number)), half_width=half),
    )  # fmt: skip
    tables = (table("sex", "died"), table("died", "d"), table("d", "d"), table("sex", "died", "d"),
              table("sex", "d.count"))  # fmt: skip
    return Profile("t", "patient", len(x), len(x), ("s",), variables, tables)


@given(populations(), st.sampled_from([1, 3, 5]))
@settings(max_examples=40)
def test_a_real_population_has_no_contradiction(x: np.ndarray, base: int) -> None:
    assert check_profile(_tally(x, base)) == ()


@given(populations(), st.data())
@settings(max_examples=40)
def test_a_cell_outside_its_bounds_is_found(x: np.ndarray, data: st.DataObject) -> None:
    profile = _tally(x)
    i = data.draw(st.integers(0, 3))
    table = profile.tables[i]
    cells = [tuple(c) for c in np.argwhere(~np.isnan(table.counts))]
    cell = data.draw(st.sampled_from(cells))
    margins = [margin_of(profile, axis).counts[k] for axis, k in zip(table.axes, cell)]
    least = max(0, sum(margins) - (len(margins) - 1) * len(x))
    above = data.draw(st.booleans())
    planted = min(margins) + 1 if above else least - 1
    counts = table.counts.copy()
    counts[cell] = planted
    if table.is_pairs:
        counts[cell[::-1]] = planted
    tables = (
        *profile.tables[:i],
        dataclasses.replace(table, counts=counts),
        *profile.tables[i + 1 :],
    )
    findings = check_profile(dataclasses.replace(profile, tables=tables))
    words = "is above the" if above else ("is too small", "is below 0")
    hits = [f for f in findings if any(w in f.message for w in np.atleast_1d(words))]
    assert hits
    assert all(f.key == f"tables[{i}]" for f in hits)


@given(populations(), st.integers(0, 2), st.sampled_from([-1.0, 1.0]))
@settings(max_examples=30)
def test_a_variable_that_does_not_add_up_is_found(x: np.ndarray, i: int, change: float) -> None:
    profile = _tally(x)
    variable = profile.variables[i]
    counts = variable.counts.copy()
    counts[0] += change
    changed = dataclasses.replace(variable, counts=counts)
    variables = (*profile.variables[:i], changed, *profile.variables[i + 1 :])
    findings = check_profile(dataclasses.replace(profile, variables=variables, tables=()))
    assert any("add up to" in f.message for f in findings)


def test_main_codes_that_nothing_lets_be_drawn_are_named(tmp_path: Path) -> None:
    from llmsyn.profile.template import write_template

    write_template(tmp_path / "t")
    assert _check(tmp_path / "t") == ()
    (tmp_path / "t" / "diagnoses-histograms.csv").write_text(
        "number,listed\n0,320\n1,460\n2,150\n3,60\n4,10\n"
    )
    (found,) = _check(tmp_path / "t")
    assert found.severity == "warning" and "755 units have a main code" in found.message
