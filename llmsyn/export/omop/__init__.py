"""OMOP Common Data Model 5.4: tables, the user's vocabulary folder, notes."""

from llmsyn.export.omop.writing import write_omop

__all__ = ["write_omop"]
