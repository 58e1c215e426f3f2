"""A title for every code, also for one that no list has: that of what stands nearest above it."""

from __future__ import annotations

from llmsyn.codes.found import Found, look_up
from llmsyn.codes.tables import title


def nearest_title(system: str, code: str) -> Found[str] | None:
    """The title of a code, else of its category, and whose it is.

    Examples
    --------
    >>> nearest_title("icd9cm", "428.23")
    Found(value='Acute on chronic systolic heart failure', level='code', code='42823')
    >>> nearest_title("icd9cm", "42899").code, nearest_title("icd9cm", "428").level
    ('4289', 'unspecified')
    >>> nearest_title("cpt", "94002") is None
    True
    """
    return look_up(system, code, lambda each: title(system, each))
