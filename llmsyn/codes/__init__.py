"""Code systems: which codes exist, what they are called, how they are written and grouped.

Functions that answer with :class:`Found` or a title take codes as they come: with dots, in
either case, without the zeros that a number format dropped, whole categories, codes that no
list has; ``Found.level`` says whose value the answer is.  :func:`known`, :func:`children` and
the functions about writing take codes as :func:`normalise` writes them.  Lists are read from
``knowledge/codes/`` when first asked for.
"""

from llmsyn.codes.found import Found
from llmsyn.codes.groups import ccs, ccs_name, ccsr, chronic, elixhauser, elixhauser_names
from llmsyn.codes.systems import ICD_SYSTEMS, category, parents
from llmsyn.codes.tables import children, known, normalise, title
from llmsyn.codes.titles import nearest_title
from llmsyn.codes.translation import Translation, backward, forward

__all__ = [
    "ICD_SYSTEMS",
    "Found",
    "Translation",
    "backward",
    "category",
    "ccs",
    "ccs_name",
    "ccsr",
    "children",
    "chronic",
    "elixhauser",
    "elixhauser_names",
    "forward",
    "known",
    "nearest_title",
    "normalise",
    "parents",
    "title",
]
