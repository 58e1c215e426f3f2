"""What the knowledge base says, in the terms of a profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from llmsyn.profile.terms import Term

EXCLUDES: Literal["excludes"] = "excludes"

EffectClass: TypeAlias = Literal[-2, -1, 0, 1, 2, 3]


@dataclass(frozen=True)
class Association:
    """``then`` is more or less likely where every term of ``given`` holds.

    ``effect`` is a class (an ``int`` from -2 to 3, see ``knowledge/classes.toml``), a
    *marginal* log odds ratio (a ``float``), or ``"excludes"``.  ``weight`` in (0, 1] says
    how sure it is: the log odds ratio is multiplied by it.  ``provenance`` is a source key
    or the name of the model that proposed it; ``relation`` is the kind of edge that it comes
    from, where it comes from the base.
    """

    given: tuple[Term, ...]
    then: Term
    effect: int | float | Literal["excludes"]
    weight: float = 1.0
    provenance: str = ""
    relation: str = ""


@dataclass(frozen=True)
class Impossible:
    """Terms that can never all hold for one unit, by rule (sex and age edits, exclusive codes)."""

    terms: tuple[Term, ...]
    rule: str  # mce-sex, mce-age, exclusive
    source: str = ""
