"""What kind of disease a diagnosis code stands for: CCS, CCSR, Elixhauser, chronic or not.

CCS (ICD-9-CM) and CCSR (ICD-10-CM: the first of a code's categories in AHRQ's table) and the
chronic condition indicators are AHRQ's.  Elixhauser labels are the prefix lists of Quan et
al. 2005 (doi 10.1097/01.mlr.0000182534.19832.83), for both systems, so that both count alike;
AHRQ's own, later lists differ in places.  Codes may have dots, either case and lost zeros; a
code that a table lacks falls back along the hierarchy, and the result says so.
"""

from __future__ import annotations

import sys
from functools import cache

from llmsyn.codes.found import Found, look_up
from llmsyn.codes.tables import ccs_names, children, column, normalise
from llmsyn.shipped import shipped

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_CHRONIC = {"0": False, "1": True}


def ccs(code: str) -> Found[str] | None:
    """Single-level CCS category of an ICD-9-CM code.

    Examples
    --------
    >>> ccs("42823")
    Found(value='108', level='code', code='42823')
    >>> ccs("428"), ccs("250.0").code
    (Found(value='108', level='category', code='428'), '25000')
    """
    return look_up("icd9cm", code, lambda each: column("icd9cm", "ccs", each) or None)


def ccs_name(category: str) -> str | None:
    """What AHRQ calls a CCS category; None for a number that is none.

    Examples
    --------
    >>> ccs_name("108")
    'Congestive heart failure; nonhypertensive'
    """
    return ccs_names().get(category)


def ccsr(code: str) -> Found[str] | None:
    """First CCSR category of an ICD-10-CM code.

    Examples
    --------
    >>> ccsr("I50.23"), ccsr("I50").level
    (Found(value='CIR019', level='code', code='I5023'), 'category')
    """
    return look_up("icd10cm", code, lambda each: column("icd10cm", "ccsr", each) or None)


def chronic(system: str, code: str) -> Found[bool] | None:
    """Whether a diagnosis is chronic; None where AHRQ makes no determination.

    Examples
    --------
    >>> chronic("icd9cm", "4280").value, chronic("icd10cm", "J189").value
    (True, False)
    >>> chronic("icd9proc", "9671") is None
    True
    """
    if system not in ("icd9cm", "icd10cm"):
        return None
    return look_up(system, code, lambda each: _CHRONIC.get(column(system, "chronic", each)))


def elixhauser(system: str, code: str) -> Found[tuple[str, ...]] | None:
    """Elixhauser comorbidities of a diagnosis code, as short labels; none is an empty tuple.

    Examples
    --------
    >>> elixhauser("icd10cm", "i50.23").value, elixhauser("icd9cm", "4869").value
    (('chf',), ())
    >>> elixhauser("icd9cm", "40493").value
    ('chf', 'hypc', 'rf')
    >>> elixhauser("cpt", "99291") is None
    True
    """
    if system not in ("icd9cm", "icd10cm"):
        return None
    code = normalise(system, code)
    labels = _elixhauser_prefixes(system)

    def value_of(each: str) -> tuple[str, ...]:
        found = (labels.get(each[:size], ()) for size in range(2, len(each) + 1))
        return tuple(sorted({label for group in found for label in group}))

    if value_of(code) and not children(system, code):  # unlisted, but a prefix names it
        return Found(value_of(code), "prefix", code)
    return look_up(system, code, value_of)


def elixhauser_names() -> dict[str, str]:
    """The labels of Elixhauser comorbidities and what they mean."""
    return {label: str(entry["name"]) for label, entry in _elixhauser().items()}


@cache
def _elixhauser() -> dict[str, dict[str, str | list[str]]]:
    with (shipped("knowledge") / "codes" / "elixhauser.toml").open("rb") as handle:
        content = tomllib.load(handle)
    content.pop("schema")
    return content


@cache
def _elixhauser_prefixes(system: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for label, entry in _elixhauser().items():
        for prefix in entry[system]:
            found[prefix] = (*found.get(prefix, ()), label)
    return found
