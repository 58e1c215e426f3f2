"""A condition that a cohort is re-weighted by: one level, range, code or main code."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmsyn.errors import InputError
from llmsyn.profile.margins import label_problem, margin_of
from llmsyn.profile.tables import Axis
from llmsyn.profile.terms import Term, parse_term
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet, Numeric


@dataclass(frozen=True)
class Reweight:
    """What a share of the units is to have, instead of as many as the profile says.

    Attributes
    ----------
    term : ``died=yes``, ``age=[80,inf)``, ``diagnoses=4280`` or ``diagnoses.main=4280``.
    share : of the units of the cohort, above 0 and below 1.
    """

    term: Term
    share: float

    def __str__(self) -> str:
        return f"{self.term} in {100 * self.share:g}% of the units"

    def to_json(self) -> dict[str, Any]:
        """Plain values for a manifest."""
        return {"condition": str(self.term), "share": self.share}

    @classmethod
    def from_json(cls, found: Any) -> Reweight:
        """What :meth:`to_json` wrote.

        Raises
        ------
        InputError : it is something else.
        """
        try:
            return cls(parse_term(found["condition"]), float(found["share"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                "this is no condition with a share; generate the cohort again",
                file="manifest.json", key="settings.reweight",
            ) from error  # fmt: skip

    def units(self, n: int) -> int:
        """How many of the first ``n`` units of a cohort have it: the nearest whole number."""
        return math.floor(self.share * n + 0.5)

    def factors(self, published: float) -> tuple[float, float]:
        """What the weight of a unit with it, and of one without, is multiplied by.

        Parameters
        ----------
        published : its share in the profile, above 0 and below 1.

        Examples
        --------
        >>> Reweight(Term("died", "yes"), 0.5).factors(0.2)
        (2.5, 0.625)
        """
        return self.share / published, (1 - self.share) / (1 - published)

    def said_of(self, profile: Profile, n: int) -> dict[str, Any]:
        """For the manifest: what was re-weighted, and weights that undo it where they are known.

        Parameters
        ----------
        n : units of the cohort.
        """
        said: dict[str, Any] = {**self.to_json(), "units": self.units(n)}
        count = published_units(profile, self.term)
        if count is not None:
            having, lacking = self.factors(count / profile.n_units)
            said |= {
                "published_share": round(count / profile.n_units, 6),
                "weight_with": round(1 / having, 6),
                "weight_without": round(1 / lacking, 6),
            }
        return said


def read_reweight(profile: Profile, condition: str, share: float) -> Reweight:
    """The condition in a profile's words, looked up.

    Parameters
    ----------
    condition : ``variable=level``, ``number=[low,high)``, ``codes=code`` or
        ``codes.main=code``.
    share : wanted share of the units.

    Raises
    ------
    InputError : the profile has no such variable or level, or says that nobody or everybody
        has it; or the share is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise InputError(f"share {share:g} of '{condition}' is not above 0 and below 1")
    try:
        term = parse_term(condition)
    except ValueError as error:
        raise InputError(
            f"'{condition}' is no condition; write variable=level, such as {_example(profile)}"
        ) from error
    refuse_unknown(profile, term)
    count = published_units(profile, term)
    if count is not None and not 0 < count < profile.n_units:
        who = "nobody" if count <= 0 else "everybody"
        raise InputError(f"in {profile.name}, {who} has {term}; there is nothing to re-weight")
    return Reweight(term, share)


def refuse_unknown(profile: Profile, term: Term) -> None:
    """Refuse a term that points to nothing in a profile.

    Raises
    ------
    InputError : with what is there instead.
    """
    name, _, facet = term.variable.partition(".")
    names = [v.name for v in profile.variables]
    if name not in names:
        raise InputError(
            f"{profile.name} has no variable '{name}'; {_instead(name, names)}"
        )  # fmt: skip
    variable = profile[name]
    if (
        facet not in {"", "main"}
        or (facet and not isinstance(variable, CodeSet))
        or (isinstance(variable, CodeSet) and facet and variable.main is None)
    ):
        raise InputError(
            f"'{term.variable}' cannot be re-weighted; name a variable, a list of codes, or the "
            "main code of a list that has one (codes.main)"
        )
    label = str(term.value)
    if (problem := label_problem(variable, facet or None, label)) is None:
        return
    if isinstance(variable, Numeric):
        raise InputError(problem)
    known = variable.levels if isinstance(variable, Categorical) else variable.codes
    raise InputError(f"{problem}; {_instead(label, known)}")


def published_units(profile: Profile, term: Term) -> float | None:
    """Units of the profile of which the term holds; None where that is not published."""
    counts = margin_of(profile, Axis(term.variable, (str(term.value),))).counts
    return None if np.isnan(counts[0]) else float(counts[0])


def _instead(given: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(given, known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    more = f" and {len(known) - 8} more" if len(known) > 8 else ""
    return f"there are {', '.join(known[:8])}{more}"


def _example(profile: Profile) -> str:
    for variable in (*profile.outcomes, *profile.variables):
        if isinstance(variable, Categorical):
            return f"{variable.name}={variable.levels[-1]}"
    return "age=[65,inf)"
