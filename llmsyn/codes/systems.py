"""How codes of each system are written, and where they stand in their hierarchy.

Nothing here knows which codes exist: :mod:`llmsyn.codes.tables` does.
"""

from __future__ import annotations

import re

ICD_SYSTEMS = ("icd9cm", "icd10cm", "icd9proc", "icd10pcs")
"""Code systems with a list that ships."""

NAME_SYSTEMS = ("ingredient",)
"""Systems whose codes are plain names, written in lower case."""

_BLANKS = re.compile(r"\s+")
_ROOT_DIGITS = {"icd9cm": 3, "icd9proc": 2}


def shortest_prefix(system: str) -> int:
    """Length of the shortest text that counts as a code of the system (a whole category)."""
    return 2 if system == "icd9proc" else 3


def category(system: str, code: str) -> str:
    """The category that a code belongs to: its first three characters, with two exceptions.

    External causes of ICD-9-CM have four (``E888``), ICD-9 procedures two (``96``).

    Examples
    --------
    >>> category("icd9cm", "42823"), category("icd9cm", "E8889"), category("icd9proc", "9671")
    ('428', 'E888', '96')
    """
    if system == "icd9cm" and code.startswith("E"):
        return code[:4]
    return code[: shortest_prefix(system)]


def parents(system: str, code: str) -> tuple[str, ...]:
    """Shorter codes above a code, nearest first, ending with its category.

    Examples
    --------
    >>> parents("icd10cm", "I5023")
    ('I502', 'I50')
    >>> parents("icd9cm", "428")
    ()
    """
    stop = len(category(system, code))
    return tuple(code[:size] for size in range(len(code) - 1, stop - 1, -1))


def plain(system: str, text: str) -> str:
    """A code without dots and blanks, in the case of its system.

    Leading zeros that a number format dropped are put back where there is one reading:
    before a dot, or where the text is shorter than a category (``8`` is ``008``).

    Examples
    --------
    >>> plain("icd9cm", " 428.0 "), plain("icd9cm", "8.45"), plain("icd9cm", "41")
    ('4280', '00845', '041')
    >>> plain("icd9proc", "3.31"), plain("icd10cm", "i50.9"), plain("ingredient", " Furosemide ")
    ('0331', 'I509', 'furosemide')
    """
    if system in NAME_SYSTEMS:
        return _BLANKS.sub(" ", text.strip()).lower()
    squeezed = _BLANKS.sub("", text).upper()
    digits = _ROOT_DIGITS.get(system)
    if digits is None:
        return squeezed.replace(".", "")
    letter = squeezed[:1] if squeezed[:1] in ("V", "E") else ""
    root, dot, rest = squeezed[len(letter) :].partition(".")
    if letter == "V":
        digits -= 1
    if root and (dot or len(root) < digits):
        root = root.zfill(digits)
    return letter + root + rest.replace(".", "")
