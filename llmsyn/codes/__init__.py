"""Code systems: which codes exist, what they are called, how they are written."""

from llmsyn.codes.systems import ICD_SYSTEMS, category, parents
from llmsyn.codes.tables import children, known, normalise, title

__all__ = ["ICD_SYSTEMS", "category", "children", "known", "normalise", "parents", "title"]
