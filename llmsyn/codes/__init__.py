"""Code systems: which codes exist, what they are called, how they are written and grouped."""

from llmsyn.codes.found import Found
from llmsyn.codes.groups import ccs, ccs_name, ccsr, elixhauser, elixhauser_names, is_chronic
from llmsyn.codes.systems import ICD_SYSTEMS, category, parents
from llmsyn.codes.tables import children, known, normalise, title
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
    "elixhauser",
    "elixhauser_names",
    "forward",
    "is_chronic",
    "known",
    "normalise",
    "parents",
    "title",
]
