"""The profile: everything that may be known of a population, and nothing of a patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llmsyn.profile.tables import Table
from llmsyn.profile.terms import Term
from llmsyn.profile.variables import Categorical, CodeSet, Numeric, Variable

SCHEMA_VERSION = 1

Unit = Literal["patient", "stay"]


@dataclass(frozen=True)
class Rule:
    """Terms that can never all hold for one unit (died, and readmitted)."""

    never: tuple[Term, ...]
    reason: str = ""
    source: str = ""


@dataclass(frozen=True)
class Provenance:
    """Where the numbers come from."""

    kind: Literal["extract", "published", "typed", "invented"] = "typed"
    source: str = ""
    licence: str = ""
    released: str = ""  # ISO date
    mapping_sha256: str = ""
    notes: str = ""


@dataclass(frozen=True)
class Disclosure:
    """What was done to the numbers before they left the owner."""

    method: Literal["none", "suppression", "differential_privacy", "published"] = "none"
    threshold: int = 0  # a printed count stands for at least this many distinct patients
    rounding: int = 1  # base
    zeros_published: bool = False
    epsilon: float | None = None
    delta: float | None = None
    max_codes: int | None = None  # contribution cap of a differentially private release
    predicted_membership_auc: float | None = None
    max_membership_auc: float | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Profile:
    """Aggregate statistics of one population, as its owner releases them.

    ``n_units`` counts patients when ``unit`` is ``patient`` and stays when it is ``stay``;
    every count in ``variables`` and ``tables`` is in that unit.
    """

    name: str
    unit: Unit
    n_units: float
    n_patients: float
    stages: tuple[str, ...]
    variables: tuple[Variable, ...]
    tables: tuple[Table, ...] = ()
    rules: tuple[Rule, ...] = ()
    title: str = ""
    provenance: Provenance = Provenance()
    disclosure: Disclosure = Disclosure()

    def __getitem__(self, name: str) -> Variable:
        """The variable of that name (a facet such as ``diagnoses.main`` gives the code set).

        Raises
        ------
        KeyError : no such variable.
        """
        plain = name.partition(".")[0]
        for variable in self.variables:
            if variable.name in (name, plain):
                return variable
        raise KeyError(name)

    @property
    def level_variables(self) -> tuple[Categorical | Numeric, ...]:
        """Variables with one value per unit, in drawing order."""
        return tuple(v for v in self.in_order if not isinstance(v, CodeSet))

    @property
    def code_sets(self) -> tuple[CodeSet, ...]:
        """Code sets, in drawing order."""
        return tuple(v for v in self.in_order if isinstance(v, CodeSet))

    @property
    def in_order(self) -> tuple[Variable, ...]:
        """All variables, by stage, then as listed."""
        rank = {stage: i for i, stage in enumerate(self.stages)}
        return tuple(sorted(self.variables, key=lambda v: rank[v.stage]))

    @property
    def outcomes(self) -> tuple[Variable, ...]:
        """Variables whose role is outcome."""
        return tuple(v for v in self.variables if v.role == "outcome")

    def by_concept(self, concept: str) -> tuple[Variable, ...]:
        """Variables that carry a concept of the knowledge base."""
        return tuple(v for v in self.variables if v.concept == concept)
