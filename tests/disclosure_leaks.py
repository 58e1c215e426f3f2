"""Releases that give one small count away, each beside one of the same people that does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from disclosure_toys import Form, Kind, measured, rounded_to_5, without

from llmsyn.disclosure.settings import Settings
from llmsyn.measurement import Measurement
from llmsyn.profile.types import Profile

Hidden = Mapping[str, Sequence[Any]]
SEX = {"sex": ("F", "M")}
DIED = {"died": ("no", "yes")}


@dataclass(frozen=True)
class Leak:
    """A population, a release of it that gives a count away, and one that does not."""

    form: Form
    people: Sequence[Kind]
    cell: str  # what the leaky release gives away
    kind: str
    leaky: Hidden = field(default_factory=dict)
    tight: Hidden = field(default_factory=dict)
    outside: bool = True  # whether a reader without the exact counts can prove it
    rounding: int = 1

    @property
    def measured(self) -> Measurement:
        return measured(self.form, self.people)

    def release(self, hidden: Hidden) -> Profile:
        shown = without(self.measured.profile, hidden)
        return rounded_to_5(shown) if self.rounding == 5 else shown

    @property
    def settings(self) -> Settings:
        return Settings(threshold=11, zeros_published=True, rounding=self.rounding)


def codes_only(*codes: str, tables: tuple[tuple[str, ...], ...] = (), **more: Any) -> Form:
    given: dict[str, Any] = {"levels": {}, "main": False, "histograms": False, **more}
    return Form(edges={}, codes={"dx": codes}, tables=tables, **given)


def _two_by_two(both: int, only_a: int, only_b: int, neither: int) -> list[Kind]:
    return [
        ({"dx": ("a", "b")}, both),
        ({"dx": ("a",)}, only_a),
        ({"dx": ("b",)}, only_b),
        ({}, neither),
    ]


PAIR = codes_only("a", "b", tables=(("dx", "dx"),))
CODE_BY_DEATH = codes_only(
    "a", tables=(("dx", "died"),), levels=DIED, labels={"died": ("yes",), "dx": ("a",)}
)
BY_AGE = Form(
    DIED,
    {"age": (0, 40, 60, 100)},
    {},
    (("died", "age/fine"), ("died", "age/coarse")),
    {"died": ("no", "yes"), "age/fine": ("[0,40)", "[40,60)", "[60,100)"),
     "age/coarse": ("[0,60)", "[60,100)")},
)  # fmt: skip
THREE = Form(
    {**SEX, **DIED, "ward": ("u", "v")}, {}, {}, (("sex", "died"), ("sex", "died", "ward"))
)
STAYS = Form({"ward": ("u", "v", "w")}, {}, {})

LEAKS = {
    "a small count is printed": Leak(
        STAYS,
        [({"ward": "u"}, 100), ({"ward": "v"}, 5), ({"ward": "w"}, 40)],
        "ward=v",
        "printed",
        {},
        {"ward": ["v", "w"]},
    ),
    "complement in a margin": Leak(
        Form(SEX, {}, {}),
        [({"sex": "F"}, 100), ({"sex": "M"}, 4)],
        "sex=M",
        "a",
        {"sex": ["M"]},
        {"sex": ["F", "M"]},
    ),
    "complement of a code": Leak(
        codes_only("a"),
        [({"dx": ("a",)}, 100), ({}, 4)],
        "not dx=a",
        "a",
        {},
        {"dx": ["a"]},
    ),
    "2x2: both": Leak(
        PAIR,
        _two_by_two(5, 40, 40, 40),
        "dx=a & dx=b",
        "printed",
        {},
        {"dx x dx": [("a", "b")]},
    ),
    "2x2: the first alone": Leak(
        PAIR,
        _two_by_two(40, 5, 40, 40),
        "dx=a & not dx=b",
        "a",
        {},
        {"dx x dx": [("a", "b")]},
    ),
    "2x2: the second alone": Leak(
        PAIR,
        _two_by_two(40, 40, 5, 40),
        "not dx=a & dx=b",
        "a",
        {},
        {"dx x dx": [("a", "b")]},
    ),
    "2x2: neither": Leak(
        PAIR,
        _two_by_two(40, 40, 40, 5),
        "not dx=a & not dx=b",
        "a",
        {},
        {"dx x dx": [("a", "b")]},
    ),
    "code by outcome: survivors with the code": Leak(
        CODE_BY_DEATH,
        [({"dx": ("a",), "died": "yes"}, 40), ({"dx": ("a",)}, 5), ({"died": "yes"}, 40), ({}, 40)],
        "dx=a & died=no",
        "a",
        {},
        {"dx x died": [("a", "yes")]},
    ),
    "code by outcome: deaths without the code": Leak(
        CODE_BY_DEATH,
        [({"dx": ("a",), "died": "yes"}, 40), ({"dx": ("a",)}, 40), ({"died": "yes"}, 5), ({}, 40)],
        "not dx=a & died=yes",
        "a",
        {},
        {"dx x died": [("a", "yes")]},
    ),
    "code by outcome: survivors without the code": Leak(
        CODE_BY_DEATH,
        [({"dx": ("a",), "died": "yes"}, 40), ({"dx": ("a",)}, 40), ({"died": "yes"}, 40), ({}, 5)],
        "not dx=a & died=no",
        "a",
        {},
        {"dx x died": [("a", "yes")]},
    ),
    "main code within any code": Leak(
        codes_only("a", "b", main=True),
        [({"dx": ("a", "b")}, 40), ({"dx": ("b", "a")}, 5), ({"dx": ("b",)}, 40), ({}, 40)],
        "dx=a, but not main",
        "a",
        {},
        {"dx.main": ["a", "b"]},
    ),
    "unlisted main code within unlisted codes": Leak(
        codes_only("a", main=True, histograms=True),
        [({"dx": ("z",)}, 40), ({"dx": ("a", "z")}, 5), ({"dx": ("a",)}, 40), ({}, 40)],
        "some code, but not dx.main=(unlisted)",
        "a",
        {},
        {"dx.main_unlisted": ["*"], "dx.main": ["a"], "dx mean": ["*"]},
    ),
    "code within its category": Leak(
        codes_only("250", "25000", "4280", system="icd9cm"),
        [({"dx": ("250", "25000")}, 60), ({"dx": ("250",)}, 5), ({"dx": ("4280",)}, 40)],
        "dx=250, but not 25000",
        "a",
        {},
        {"dx": ["25000"]},
    ),
    "total of the prevalences": Leak(
        codes_only("a", "b", histograms=True),
        [({"dx": ("a",)}, 50), ({"dx": ("b",)}, 5), ({}, 50)],
        "dx=b",
        "a",
        {"dx": ["b"]},
        {"dx": ["b"], "dx.listed": [0, 1]},
    ),
    "total of the prevalences, and one patient": Leak(
        codes_only("a", "b", histograms=True),
        [({"dx": ("a",)}, 49), ({"dx": ("b",)}, 1), ({}, 50)],
        "dx=b",
        "a",
        {"dx": ["b"]},
        {"dx": ["b"], "dx.listed": [0, 1]},
    ),
    "mean of unlisted codes": Leak(
        codes_only("a", histograms=True),
        [({"dx": ("a", "z")}, 5), ({"dx": ("a",)}, 200)],
        "dx.unlisted=1",
        "a",
        {"dx.unlisted": [0, 1]},
        {"dx.unlisted": [0, 1], "dx mean": ["*"]},
        outside=False,
    ),
    "told to be small, all at most": Leak(
        STAYS,
        [({"ward": "u"}, 100), ({"ward": "v"}, 10), ({"ward": "w"}, 10)],
        "ward=v",
        "b",
        {"ward": ["v", "w"]},
        {"ward": ["*"]},
        outside=False,
    ),
    "total of all pairs": Leak(
        codes_only("a", "b", "c", histograms=True, tables=(("dx", "dx"),)),
        [
            ({"dx": ("a", "b")}, 30),
            ({"dx": ("a", "c")}, 30),
            ({"dx": ("b", "c")}, 5),
            ({"dx": ("a",)}, 60),
            ({"dx": ("b",)}, 60),
            ({"dx": ("c",)}, 60),
            ({}, 60),
        ],
        "dx=b & dx=c",
        "a",
        {"dx x dx": [("b", "c")]},
        {"dx x dx": [("b", "c"), ("a", "c")]},
    ),
    "finer and coarser table": Leak(
        BY_AGE,
        [
            ({"died": d, "age": age}, n)
            for d, counts in (("yes", (30, 5, 30)), ("no", (90, 90, 90)))
            for age, n in zip((20, 50, 80), counts, strict=True)
        ],
        "age=[40,60) & died=yes",
        "a",
        {"died x age": [("yes", "[40,60)")]},
        {"died x age": ["*"]},
    ),
    "table within a larger table": Leak(
        THREE,
        [
            ({"sex": "M", "died": "yes", "ward": "u"}, 5),
            *(
                ({"sex": s, "died": d, "ward": w}, 40)
                for s in "FM"
                for d in ("no", "yes")
                for w in "uv"
                if (s, d, w) != ("M", "yes", "u")
            ),
        ],
        "died=yes & sex=M & ward=u",
        "a",
        {"sex x died x ward": [("M", "yes", "u")]},
        {"sex x died x ward": ["*"]},
    ),
    "two in each of two rows and columns": Leak(
        Form({"row": ("p", "q", "r"), "ward": ("u", "v", "w")}, {}, {}, (("row", "ward"),)),
        [
            ({"row": r, "ward": w}, n)
            for r, counts in (("p", (3, 12, 20)), ("q", (11, 30, 20)), ("r", (40, 40, 40)))
            for w, n in zip("uvw", counts, strict=True)
        ],
        "row=p & ward=u",
        "a",
        # 3 + 12 in a row, 3 + 11 in a column: 3 can be 0..14 with four holes ...
        {"row x ward": [("p", "u"), ("p", "v"), ("q", "u")]},
        {"row x ward": [("p", "u"), ("p", "v"), ("q", "u"), ("q", "v")]},
    ),
    "suppressed cells complete a published number": Leak(
        STAYS,
        [({"ward": "u"}, 100), ({"ward": "v"}, 4), ({"ward": "w"}, 4)],
        "ward=v",
        "a",
        {"ward": ["v", "w"]},
        {"ward": ["*"]},
        outside=False,
    ),
    "suppressed cells of few patients complete a published number": Leak(
        STAYS,
        [({"ward": "u"}, 100, 50), ({"ward": "v"}, 9, 4), ({"ward": "w"}, 9, 4)],
        "ward=v",
        "group",
        {"ward": ["v", "w"]},
        {"ward": ["*"]},
        outside=False,
    ),
    "rounded numbers": Leak(
        Form(SEX, {}, {}),
        [({"sex": "F"}, 95), ({"sex": "M"}, 5)],
        "sex=M",
        "a",
        {"sex": ["M"]},
        {"sex": ["*"]},
        rounding=5,
    ),
    "twelve stays of three patients": Leak(
        STAYS,
        [({"ward": "u"}, 40, 20), ({"ward": "v"}, 40, 20), ({"ward": "w"}, 12, 3)],
        "ward=w",
        "printed",
        {},
        {"ward": ["v", "w"]},
        outside=False,
    ),
}
