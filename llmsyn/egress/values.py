"""The values that may leave: each says where it is public from, or it does not pass the guard.

A plain ``str`` or ``float`` never passes: whoever builds a request has to say, by the type,
that the value is this program's own text, a code of a public list, a published number, a
fact of the knowledge base, or a synthetic value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from llmsyn.errors import InputError
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet, FloatArray, Numeric

Content: TypeAlias = str | int | float | bool

_DOT_AFTER = {"icd9cm": 3, "icd10cm": 3, "icd9proc": 2}


@dataclass(frozen=True)
class OwnText:
    """Text of this program: templates, fixed parameters.  Never made from data."""

    content: Content


@dataclass(frozen=True)
class PublicCode:
    """A code as :func:`llmsyn.codes.normalise` writes it; the guard looks it up in its list.

    ``dotted`` writes it with the dot of its system.

    Examples
    --------
    >>> PublicCode("icd10cm", "E119", dotted=True).content
    'E11.9'
    """

    system: str
    code: str
    dotted: bool = False

    @property
    def content(self) -> str:
        """The code as it is sent."""
        place = _DOT_AFTER.get(self.system, len(self.code))
        if self.system == "icd9cm" and self.code.startswith("E"):
            place += 1
        if not self.dotted or len(self.code) <= place:
            return self.code
        return f"{self.code[:place]}.{self.code[place:]}"


@dataclass(frozen=True)
class ProfileValue:
    """A label or number of a released profile; made by :func:`profile_label` and its sibling."""

    content: Content
    profile: str
    variable: str


@dataclass(frozen=True)
class KnowledgeValue:
    """Text of the knowledge base; ``record`` says which record (``conditions/sepsis``)."""

    content: Content
    record: str


@dataclass(frozen=True)
class SyntheticValue:
    """A value of a synthetic cohort; made by :func:`synthetic_value`."""

    content: Content


@dataclass(frozen=True)
class ModelText:
    """Text that a language model wrote in answer to public values only, and what we say of it."""

    content: str


@dataclass(frozen=True)
class LocalText:
    """Text that may be a patient's; the guard lets it go to an address on loopback only."""

    content: str


@dataclass(frozen=True)
class Joined:
    """Typed values one after the other, as one text; the guard looks at each of them."""

    parts: tuple[Public, ...]


Public: TypeAlias = (
    OwnText | PublicCode | ProfileValue | KnowledgeValue | SyntheticValue | ModelText | LocalText
)

PUBLIC_TYPES: tuple[type, ...] = (
    OwnText,
    PublicCode,
    ProfileValue,
    KnowledgeValue,
    SyntheticValue,
    ModelText,
    LocalText,
)


def text_of(value: Public) -> str:
    """A value as it stands in a text: numbers with at most six digits that count.

    Examples
    --------
    >>> text_of(KnowledgeValue(1234567.0, "x")), text_of(KnowledgeValue(0.1234567, "x"))
    ('1234567', '0.123457')
    """
    content = value.content
    if isinstance(content, float):
        return str(int(content)) if content.is_integer() else f"{content:.6g}"
    return str(content)


class HasOrigin(Protocol):
    """Anything that says whether it is real; a cohort, which lies in a higher layer."""

    @property
    def origin(self) -> str:
        """``real`` or ``synthetic``."""
        ...


def synthetic_value(cohort: HasOrigin, content: Content) -> SyntheticValue:
    """Mark a value of a cohort as public, which only a synthetic cohort allows.

    Raises
    ------
    InputError : the cohort is not synthetic.
    """
    if cohort.origin != "synthetic":
        raise InputError(
            f"a cohort of origin {cohort.origin!r} may not leave this machine; only cohorts that "
            "llmsyn generate wrote may be sent to a service"
        )
    return SyntheticValue(content)


def profile_label(profile: Profile, variable: str, label: str) -> ProfileValue:
    """Mark a level or code of a profile as public.

    Raises
    ------
    InputError : the profile is exact, or its variable has no such level or code.
    """
    _place(_released(profile), variable, label)
    return ProfileValue(label, profile.name, variable)


def profile_count(profile: Profile, variable: str, label: str) -> ProfileValue:
    """Mark the published count of a level or code as public.

    Raises
    ------
    InputError : the profile is exact, has no such level or code, or suppresses the count.
    """
    counts, place = _place(_released(profile), variable, label)
    count = float(counts[place])
    if math.isnan(count):
        raise InputError(
            f"the count of {variable}={label} is suppressed in profile {profile.name}, so it "
            "cannot be sent; leave it out of the request"
        )
    return ProfileValue(count, profile.name, variable)


def profile_share(profile: Profile, variable: str, label: str) -> ProfileValue:
    """Mark the published share of a level or code as public, in percent (``"12.3%"``).

    Raises
    ------
    InputError : as for :func:`profile_count`.
    """
    count = profile_count(profile, variable, label).content
    percent = 100.0 * float(count) / profile.n_units
    return ProfileValue(f"{percent:.3g}%", profile.name, variable)


def _released(profile: Profile) -> Profile:
    # What `measure` writes says "none"; a profile typed in or invented holds no cohort.
    exact = profile.disclosure.method == "none"
    if exact and profile.provenance.kind in ("extract", "published"):
        raise InputError(
            f"profile {profile.name} holds exact counts without disclosure control, which may "
            "not leave this machine; run llmsyn profile extract first"
        )
    return profile


def _place(profile: Profile, variable: str, label: str) -> tuple[FloatArray, int]:
    """The counts of a variable, and where the label stands among them."""
    try:
        found = profile[variable]
    except KeyError:
        raise InputError(
            f"profile {profile.name} has no variable {variable!r}; it has "
            + ", ".join(v.name for v in profile.variables)
        ) from None
    labels, counts = _labels(found)
    if label not in labels:
        raise InputError(
            f"variable {variable} of profile {profile.name} does not list the given label; only "
            "labels that it lists may be sent"
        )
    return counts, labels.index(label)


def _labels(variable: Categorical | Numeric | CodeSet) -> tuple[tuple[str, ...], FloatArray]:
    if isinstance(variable, CodeSet):
        return variable.codes, variable.counts
    if isinstance(variable, Numeric):
        return variable.levels, variable.level_counts
    return variable.levels, variable.counts
