"""Order strings, written from how US hospitals order drugs in general, to ingredients."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_knowledge import toy_base, write_base

from llmsyn.cli.knowledge_orders import orders_command
from llmsyn.cohort.mapping import read_mapping
from llmsyn.cohort.reading import read_cohort
from llmsyn.errors import KnowledgeError, MappingError
from llmsyn.knowledge.loading import load_base
from llmsyn.knowledge.order_report import order_report
from llmsyn.knowledge.orders import ingredients, normaliser, place, unplaced
from llmsyn.knowledge.spelling import Speller, one_change

BASE = load_base()
CODES_OF = normaliser(BASE)

PLACED = """
1000 ML FLEX CONT : SODIUM CHLORIDE 0.9 % IV SOLN | sodium chloride
POTASSIUM CHLORIDE CRYS ER 20 MEQ PO TBCR | potassium chloride
NOVOLOG | insulin aspart
acetaMINOPHEN 325 MG TAB | acetaminophen
HYDROmorphone (Dilaudid) 0.5 mg IV | hydromorphone
Insulin Lispro (HumaLOG) 100 unit/mL sliding scale | insulin lispro
Insulin | insulin
Insulin Human Regular | insulin regular
NPH | insulin nph
insulin NPH & regular human 70/30 | insulin isophane-regular
Humalog Mix 75/25 | insulin lispro protamine-lispro
NS 500 mL bolus | sodium chloride
Sodium chloride 3 % 250 mL | sodium chloride 3%
Sodium Chloride 0.9% Flush 3 mL IV | sodium chloride
D5W 1000 mL | dextrose
D5 1/2NS + 20 mEq KCl/L | dextrose; sodium chloride; potassium chloride
Vancomycin 1 g in dextrose 5 % 200 mL IVPB | vancomycin
Heparin (porcine) in 0.45% NaCl 25,000 unit/250 mL | heparin
Nitroglycerin in 5 % dextrose | nitroglycerin
Penicillin G Potassium | penicillin g
Carboprost tromethamine 250 mcg IM | carboprost
Metoprolol Tartrate | metoprolol
Toprol XL | metoprolol
Amoxicillin-Pot Clavulanate 875-125 mg | amoxicillin-clavulanate
Percocet 5/325 | oxycodone-acetaminophen
Acetaminophen 325 MG / oxyCODONE Hydrochloride 2.5 MG Oral Tablet | oxycodone-acetaminophen
piperacillin 4000 MG / tazobactam 500 MG Injection | piperacillin-tazobactam
Tylenol w/ codeine #3 | acetaminophen; codeine
Lisinopril-HCTZ | lisinopril; hydrochlorothiazide
Ipratropium-Albuterol Neb | albuterol-ipratropium
Lidocaine 1% with epinephrine 1:100,000 | lidocaine; epinephrine
Neomycin-Polymyxin-Bacitracin | neomycin; polymyxin b; bacitracin
MSO4 | morphine
MgSO4 | magnesium sulfate
Iron | ferrous sulfate
Multivitamin with iron | multivitamin
Imodium A-D | loperamide
PPD skin test | tuberculin
Albuterol INH | albuterol
INH 300 mg | isoniazid
Saline INH | sodium chloride
FUROSEMIDE40MG | furosemide
Metroprolol 25 | metoprolol
levoflaxacin 500 mg | levofloxacin
Cloruro sódico 0,9% | sodium chloride
"""


@pytest.mark.parametrize("line", PLACED.strip().splitlines())
def test_placed(line: str) -> None:
    text, _, expected = line.partition(" | ")
    assert ingredients(text, BASE) == tuple(expected.split("; "))


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("vancomycin trough level", ("trough", "level")),
        ("placebo", ()),
        ("blue pill", ("blue", "pill")),
        ("Syringe 10 mL", ()),
        ("potassium", ()),  # of what?
        ("", ()),
        ("\n\t +/- ", ()),
    ],
)
def test_not_placed(text: str, rest: tuple[str, ...]) -> None:
    found = place(text, BASE)
    assert found.ingredients == ()
    assert found.rest == rest


def test_a_correction_is_said() -> None:
    found = place("prednisolole 5 mg", BASE)
    assert found.ingredients == ("prednisolone",)
    assert found.corrected == (("prednisolole", "prednisolone"),)
    assert found.rest == ()


def test_every_name_of_the_base_places_its_drug() -> None:
    products = {" ".join(name.split("-")) for name in BASE.combinations}
    for drug in BASE.drugs.values():
        for name in (drug.id, *drug.salts, *drug.brands, *drug.aliases):
            if " ".join(name.split("-")) not in products:
                assert ingredients(name, BASE) == (drug.id,), name
                assert ingredients(f"{name.upper()} 10 MG PO TABS", BASE) == (drug.id,), name


def test_every_product_places_its_ingredients() -> None:
    for name, parts in BASE.combinations.items():
        assert ingredients(name, BASE) == parts, name


def test_drugs_are_whole() -> None:
    assert len(BASE.drugs) >= 150
    for drug in BASE.drugs.values():
        assert drug.routes and drug.dose_forms, drug.id
        assert drug.like is None or BASE.drugs[drug.like].like is None, drug.id
        assert drug.rxcui is None or drug.rxcui.isdigit(), drug.id


names = st.sampled_from(
    sorted({name for d in BASE.drugs.values() for name in (d.id, *d.brands, *d.aliases)})
)
noise = st.sampled_from(["10 mg", "tab", "IV", "(", ")", "/", "in", "w/", "blue", "level", "+", ""])


@settings(max_examples=200, deadline=None)
@given(st.lists(names | noise, max_size=5).map(" ".join) | st.text(max_size=30))
def test_the_normaliser_is_idempotent(text: str) -> None:
    for code in CODES_OF(text):
        assert CODES_OF(code) == (code,)


@settings(max_examples=200, deadline=None)
@given(st.lists(names | noise, max_size=5).map(" ".join))
def test_case_and_blanks_do_not_matter(text: str) -> None:
    assert place(text.upper(), BASE) == place("  ".join(text.lower().split(" ")), BASE)
    assert set(ingredients(text, BASE)) <= set(BASE.drugs)


def test_an_order_that_cannot_be_placed_keeps_its_text() -> None:
    assert CODES_OF("  Blue   Pill ") == ("blue pill",)
    assert CODES_OF(" ") == ()
    assert unplaced(["blue pill", "Lasix", "blue pill"], BASE) == {"blue pill": 2}


def test_a_product_without_a_record_of_its_parts_is_refused(tmp_path: Path) -> None:
    folder = write_base(tmp_path)
    (folder / "orders.toml").write_text('[combinations]\n"x" = ["gold"]\n', "utf-8")
    with pytest.raises(KnowledgeError, match=r"combinations.x: there is no drug 'gold'"):
        place("x", load_base([folder], with_shipped=False))


def test_a_base_without_order_words_knows_its_own_names(tmp_path: Path) -> None:
    base = toy_base(tmp_path)
    assert ingredients("KCl", base) == ("potassium chloride",)
    assert place("lasix tab", base).rest == ("tab",)


def damerau(a: str, b: str) -> int:
    """Optimal string alignment distance, the textbook table."""
    table = [[max(i, j) for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            table[i][j] = min(
                table[i - 1][j] + 1,
                table[i][j - 1] + 1,
                table[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
            )
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


@given(st.text("abc", max_size=5), st.text("abc", max_size=5))
def test_one_change_is_distance_one(a: str, b: str) -> None:
    assert one_change(a, b) == (damerau(a, b) == 1)


def test_a_word_between_two_drugs_is_not_corrected() -> None:
    speller = Speller({"abcdefgha": ("one",), "abcdefghb": ("two",), "abcdefgh": ("one",)})
    assert speller.correct("abcdefghc") is None  # either of them
    assert speller.correct("abcdefgah") == "abcdefgh"
    assert speller.correct("xbcdefgh") is None  # another first letter
    assert speller.correct("abcdefg") is None  # too short


def test_names_that_look_alike_are_never_confused() -> None:
    single = [name for name in BASE.drugs if name.isalpha()]
    for name in single:
        assert place(name, BASE).corrected == ()


def test_the_report_counts_orders_and_patients() -> None:
    report = order_report(
        {"Lasix 40": 6, "blue pill": 2}, BASE, patients={"Lasix 40": 1, "blue pill": 1}
    )
    assert (report.n_orders, report.share, report.share_by_patient) == (8, 0.75, 0.5)
    assert [order.text for order in report.not_placed] == ["blue pill"]
    assert order_report({"Lasix": 1}, BASE).share_by_patient is None
    empty = order_report({}, BASE)
    assert empty.share != empty.share  # NaN: nothing to place


ORDERS = "drug,who\nLasix 40 mg,1\nLasix 40 mg,2\nblue pill,2\nblue pill,2\n,3\n"


def run(*arguments: str) -> tuple[str, BaseException | None]:
    result = CliRunner().invoke(orders_command, arguments)
    return result.output, result.exception


def test_orders_command(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(ORDERS, "utf-8")
    output, error = run(str(file), "--column", "drug", "--patient", "who")
    assert error is None
    assert "4 orders, 2 different texts: 50.0% placed, 66.7% of texts once a patient" in output
    assert "Lasix 40 mg -> furosemide" in output
    assert "blue pill  (not understood: blue pill)" in output
    content = json.loads(run(str(file), "--column", "drug", "--json")[0])
    assert content["share"] == 0.5
    assert content["not_placed"][0]["count"] == 2
    assert content["placed"][0]["ingredients"] == ["furosemide"]
    assert run(str(file), "--column", "drug", "--quiet") == ("", None)
    assert "and 1 more" not in run(str(file), "--column", "drug", "--top", "1")[0]
    assert "Lasix" not in run(str(file), "--column", "drug", "--top", "0")[0]


def test_orders_command_names_what_is_missing(tmp_path: Path) -> None:
    _, error = run(str(tmp_path / "none.csv"), "--column", "drug")
    assert isinstance(error, MappingError)
    file = tmp_path / "orders.csv"
    file.write_text(ORDERS, "utf-8")
    _, error = run(str(file), "--column", "drugs")
    assert isinstance(error, MappingError)
    assert "the columns are drug, who" in str(error)


MAPPING = """
schema = 1
unit = "patient"
name = "toy"
title = "Toy"
stages = ["a"]
[tables.orders]
file = "orders.csv"
patient = "who"
[units]
table = "orders"
patient = "who"
keep = "first"
order_by = "who"
[[variables]]
name = "drugs"
stage = "a"
kind = "codes"
{option}
[[variables.sources]]
columns = ["drug"]
system = "{system}"
"""


@pytest.mark.parametrize(
    ("option", "system", "expected"),
    [
        ("", "ingredient", {"furosemide", "blue pill"}),
        ('normalise = "none"', "ingredient", {"lasix 40 mg", "blue pill"}),
        ("", "local", {"Lasix40mg", "bluepill"}),
        ('normalise = "ingredient"', "local", {"furosemide", "blue pill"}),
    ],
)
def test_reading_makes_ingredients(
    tmp_path: Path, option: str, system: str, expected: set[str]
) -> None:
    (tmp_path / "orders.csv").write_text("who,drug\n1,Lasix 40 mg\n2,Blue  pill\n", "utf-8")
    path = tmp_path / "mapping.toml"
    path.write_text(MAPPING.format(option=option, system=system), "utf-8")
    found = set(read_cohort(read_mapping(path)).whole.codes["drugs"]["code"].to_pylist())
    assert {code.lower() for code in found} == {code.lower() for code in expected}
