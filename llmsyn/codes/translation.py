"""ICD-9-CM diagnoses to ICD-10-CM and back, by CMS's general equivalence maps.

The maps are candidates, not a crosswalk: most entries are approximate, and one code may need
several together.  Procedures have no map here.  A cell of the table holds targets apart by
blanks; ``~`` marks an approximate one, ``1.2:`` scenario 1, choice list 2 of a combination,
and ``-`` alone a code that maps to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from llmsyn.codes.found import Found, look_up
from llmsyn.codes.tables import column


@dataclass(frozen=True)
class Translation:
    """One way to say a code in the other system: one code of each of ``parts``, together."""

    parts: tuple[tuple[str, ...], ...]
    approximate: bool


def forward(code: str) -> Found[tuple[Translation, ...]] | None:
    """ICD-10-CM candidates of an ICD-9-CM diagnosis; an empty tuple: the map has none.

    Examples
    --------
    >>> forward("428.0").value
    (Translation(parts=(('I509',),), approximate=True),)
    >>> forward("428").code, forward("428").level
    ('4289', 'unspecified')
    """
    return look_up("icd9cm", code, lambda each: _read(column("icd9cm", "forward", each)))


def backward(code: str) -> Found[tuple[Translation, ...]] | None:
    """ICD-9-CM candidates of an ICD-10-CM diagnosis; an empty tuple: the map has none.

    Examples
    --------
    >>> backward("I5023").value[0].parts
    (('42823',),)
    >>> backward("I25110").value[0].parts
    (('41401',), ('4111',))
    """
    return look_up("icd10cm", code, lambda each: _read(column("icd10cm", "backward", each)))


def _read(cell: str) -> tuple[Translation, ...] | None:
    if not cell:
        return None
    single: list[Translation] = []
    together: dict[str, dict[str, list[str]]] = {}
    approximate: dict[str, bool] = {}
    for word in cell.split(" ") if cell != "-" else ():
        near, rest = word.startswith("~"), word.lstrip("~")
        step, colon, target = rest.rpartition(":")
        if not colon:
            single.append(Translation(((target,),), near))
            continue
        scenario, _, choice = step.partition(".")
        together.setdefault(scenario, {}).setdefault(choice, []).append(target)
        approximate[scenario] = approximate.get(scenario, False) or near
    joined = (
        Translation(tuple(tuple(parts[key]) for key in sorted(parts)), approximate[scenario])
        for scenario, parts in together.items()
    )
    return (*single, *joined)
