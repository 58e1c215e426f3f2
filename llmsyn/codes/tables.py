"""The lists of codes that ship, read when first asked for.

Two gzipped text files a system in ``knowledge/codes/``: codes, sorted, one a line, and
their titles in the same order.  Only the first is read to know whether a code exists.
"""

from __future__ import annotations

import gzip
from bisect import bisect_left
from collections import Counter
from functools import cache

from llmsyn.codes.systems import ICD_SYSTEMS, plain, shortest_prefix
from llmsyn.shipped import shipped

MOST_GROUPS = 3
"""Groups that the title of a category names."""


def known(system: str, code: str) -> bool | None:
    """Whether the code exists in its system; None where no list of that system ships.

    Any beginning of an existing code down to its category exists too, since published
    tables often print categories.  Codes are given as :func:`normalise` writes them.

    Examples
    --------
    >>> known("icd9cm", "42823"), known("icd9cm", "428"), known("icd9cm", "42899")
    (True, True, False)
    >>> known("atc", "C03CA01") is None
    True
    """
    if system not in ICD_SYSTEMS:
        return None
    codes = _codes(system)
    if len(code) < shortest_prefix(system):
        return False
    place = bisect_left(codes, code)
    return place < len(codes) and codes[place].startswith(code)


def title(system: str, code: str) -> str | None:
    """The official title of a code in any writing; None where it or its system is not listed.

    A category has no title in the source lists.  One of ICD-9-CM gets the names of the CCS
    groups that its codes belong to, largest first; another the title of its least specific
    code, an unspecified one if there is one.  ``(category)`` follows either.

    Examples
    --------
    >>> title("icd10cm", "i50.9")
    'Heart failure, unspecified'
    >>> title("icd10cm", "I50")
    'Heart failure, unspecified (category)'
    >>> title("icd9cm", "427")
    'Cardiac dysrhythmias / Cardiac arrest and ventricular fibrillation (category)'
    """
    code = normalise(system, code)
    if not known(system, code):
        return None
    codes = _codes(system)
    first = bisect_left(codes, code)
    if codes[first] == code:
        return _titles(system)[first]
    if system == "icd9cm" and (groups := _groups_of(code)):
        return f"{groups} (category)"
    least = least_specific(system, code)
    return f"{_titles(system)[bisect_left(codes, least)]} (category)"


def _groups_of(code: str) -> str:
    """Names of the largest CCS groups of the codes below a category; empty without any."""
    below = Counter(column("icd9cm", "ccs", each) for each in children("icd9cm", code))
    del below[""]
    names = [ccs_names()[group] for group, _ in below.most_common()]
    return " / ".join(names[:MOST_GROUPS]) + (" and others" if len(names) > MOST_GROUPS else "")


def least_specific(system: str, code: str) -> str:
    """The listed code that stands for a category: itself, else an unspecified one below it.

    Without an unspecified one, the shortest.  The code must be :func:`known`.

    Examples
    --------
    >>> least_specific("icd9cm", "428"), least_specific("icd10cm", "I10")
    ('4289', 'I10')
    """
    below = children(system, code)
    if below[0] == code:
        return code
    titles = _titles(system)[bisect_left(_codes(system), code) :]
    pairs = list(zip(below, titles))
    plain_names = [p for p in pairs if p[1].lower().endswith("unspecified")]
    if plain_names:
        return min(plain_names, key=lambda pair: (len(pair[0]), len(pair[1]), pair[0]))[0]
    unspecified = [pair for pair in pairs if "unspecified" in pair[1].lower()]
    return min(unspecified or pairs, key=lambda pair: (len(pair[0]), pair[0]))[0]


def column(system: str, name: str, code: str) -> str:
    """A cell of a column of ``knowledge/codes``; empty where the source says nothing.

    Parameters
    ----------
    system, code : a code as listed; codes that are not listed have no cell.
    name : ``ccs``, ``ccsr``, ``chronic``, ``forward`` or ``backward``.
    """
    codes = _codes(system)
    place = bisect_left(codes, code)
    if place == len(codes) or codes[place] != code:
        return ""
    return _column(system, name)[place]


@cache
def ccs_names() -> dict[str, str]:
    """What AHRQ calls the single-level CCS categories of ICD-9-CM."""
    return dict(line.split("\t", 1) for line in _lines("ccs.names.gz"))


def children(system: str, code: str) -> tuple[str, ...]:
    """All listed codes that begin with ``code``, itself included, sorted.

    Examples
    --------
    >>> children("icd10cm", "I501")
    ('I501',)
    """
    if system not in ICD_SYSTEMS:
        return ()
    codes = _codes(system)
    first = bisect_left(codes, code)
    last = bisect_left(codes, code + "~", lo=first)  # "~" sorts after every code character
    return tuple(codes[first:last])


def normalise(system: str, text: str) -> str:
    """A code as this package writes it: no dots, no blanks, the system's case, its zeros.

    A zero dropped by a number format is put back where only one reading exists: for ``8.45``
    and ``8`` of ICD-9-CM, and where the text itself is no code but the text with a zero is
    one.  ``389`` stays hearing loss, though it may once have been 038.9: the context that
    would decide is not here.

    Examples
    --------
    >>> normalise("icd9cm", "428.0"), normalise("icd9cm", "8"), normalise("icd10cm", "e11.9")
    ('4280', '008', 'E119')
    >>> normalise("icd9cm", "84500"), normalise("icd9cm", "3849")
    ('84500', '3849')
    """
    code = plain(system, text)
    if system not in ("icd9cm", "icd9proc") or not code or known(system, code):
        return code
    for zeros in ("0", "00"):
        if code[0].isdigit() and known(system, zeros + code):
            return zeros + code
    return code


@cache
def _codes(system: str) -> list[str]:
    return _lines(f"{system}.codes.gz")


@cache
def _titles(system: str) -> list[str]:
    return _lines(f"{system}.titles.gz")


@cache
def _column(system: str, name: str) -> list[str]:
    return _lines(f"{system}.{name}.gz")


def _lines(name: str) -> list[str]:
    return (
        gzip.decompress((shipped("knowledge") / "codes" / name).read_bytes()).decode().split("\n")
    )
