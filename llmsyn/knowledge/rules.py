"""What can never be: sex and age edits, and codes that exclude each other.

The sex and age edits are those of the Medicare Code Editor, kept as code prefixes.  A
category printed alone is impossible only if every code below it is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

from llmsyn import codes
from llmsyn.errors import KnowledgeError
from llmsyn.knowledge.bands import Band, bands
from llmsyn.knowledge.loading import KnowledgeBase
from llmsyn.knowledge.records import Edit
from llmsyn.knowledge.types import Impossible
from llmsyn.profile.terms import Range, Term
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import Categorical, CodeSet, Numeric

MCE_SOURCE = "cms-mce"
EDITS = ("sex", "age", "exclusive")
"""What :func:`impossibles` can be limited to."""

Listed = Mapping[str, list[tuple[Term, str]]]
"""The codes of a profile: system -> (term, code without its system)."""

_ICD10 = ("icd10cm", "icd10pcs")


def impossibles(
    profile: Profile,
    base: KnowledgeBase,
    *,
    edits: Collection[str] = EDITS,
    icd10_sex_edit: bool = True,
) -> tuple[Impossible, ...]:
    """Sets of the profile's terms that no unit can have.

    Parameters
    ----------
    edits : which of :data:`EDITS` hold; sex and age edits cover ICD-9 and ICD-10.
    icd10_sex_edit : whether the sex edit holds for ICD-10 codes.  CMS switched it off on
        2024-10-01, so a real data set from after that day may break it.

    Returns
    -------
    Rules ``mce-sex`` (code and sex), ``mce-age`` (code and a band of age wholly outside the
    allowed years) and ``exclusive`` (two codes).  Age limits are in completed years.

    Raises
    ------
    KnowledgeError : a kind of edit is not known.
    """
    wrong = sorted(set(edits) - set(EDITS))
    if wrong:
        raise KnowledgeError(f"there is no edit {wrong[0]!r}; choose from {', '.join(EDITS)}")
    limits = _limits(base)
    found: list[Impossible] = []
    for variable in profile.code_sets:
        for code in variable.codes:
            system, bare = variable.system_of(code), variable.bare(code)
            term = Term(variable.name, code)
            if "sex" in edits and (icd10_sex_edit or system not in _ICD10):
                for allowed in _allowed(limits["sex"], system, bare):
                    found += _sex(profile, term, allowed)
            for allowed in _allowed(limits["age"], system, bare) if "age" in edits else ():
                found += _age(profile, term, allowed)
    if "exclusive" in edits:
        found += _exclusive(profile, base)
    return tuple(found)


def _limits(base: KnowledgeBase) -> dict[str, dict[str, dict[str, list[str]]]]:
    """What is allowed, by kind, system and prefix."""
    found: dict[str, dict[str, dict[str, list[str]]]] = {"sex": {}, "age": {}}
    for edit in base.edits:
        prefixes = found[edit.kind].setdefault(edit.system, {})
        prefixes.setdefault(edit.prefix, []).append(edit.allowed)
    return found


def _allowed(
    limits: Mapping[str, Mapping[str, list[str]]], system: str, code: str
) -> tuple[str, ...]:
    """What is allowed for a code: its own prefixes' rules, else those of all its children."""
    prefixes = limits.get(system)
    if not prefixes:
        return ()
    own = _by_prefix(prefixes, code)
    if own or code in codes.children(system, code)[:1]:
        return tuple(sorted(own))
    if not any(prefix.startswith(code) for prefix in prefixes):
        return ()
    below = [_by_prefix(prefixes, child) for child in codes.children(system, code)]
    return tuple(sorted(set.intersection(*below))) if below else ()


def _by_prefix(prefixes: Mapping[str, list[str]], code: str) -> set[str]:
    return {
        allowed for size in range(1, len(code) + 1) for allowed in prefixes.get(code[:size], ())
    }


def _sex(profile: Profile, term: Term, allowed: str) -> Iterator[Impossible]:
    other = {"female": "male", "male": "female"}[allowed]
    for variable in profile.by_concept("sex"):
        if isinstance(variable, Categorical):
            for level in variable.levels:
                if variable.meaning(level).lower() == other:
                    yield Impossible((term, Term(variable.name, level)), "mce-sex", MCE_SOURCE)


def _age(profile: Profile, term: Term, allowed: str) -> Iterator[Impossible]:
    low, high = (float(text) for text in allowed.split("-"))
    for variable in profile.by_concept("age"):
        if isinstance(variable, CodeSet):
            continue
        outside = [band for band in bands(variable) if band.high <= low or band.low >= high + 1]
        for banned in _joined(variable, outside):
            yield Impossible((term, banned), "mce-age", MCE_SOURCE)


def _joined(variable: Categorical | Numeric, outside: list[Band]) -> Iterator[Term]:
    """Terms of the bands; neighbouring bins of a number become one range."""
    if isinstance(variable, Categorical):
        yield from (band.term for band in outside)
        return
    runs: list[Range] = []
    for band in outside:
        here = band.term.value
        assert isinstance(here, Range)
        if runs and runs[-1].high == here.low:
            runs[-1] = Range(runs[-1].low, here.high)
        else:
            runs.append(here)
    yield from (Term(variable.name, run) for run in runs)


def _exclusive(profile: Profile, base: KnowledgeBase) -> Iterator[Impossible]:
    listed = listed_codes(profile)
    for rule in base.exclusives:
        if rule.soft:
            continue
        firsts, seconds = (matching(listed, side) for side in (rule.first, rule.second))
        for a in firsts:
            for b in seconds:
                if a != b:
                    yield Impossible((a, b), "exclusive", "; ".join(rule.source))


def competing(profile: Profile, base: KnowledgeBase) -> Iterator[tuple[Term, Term, str]]:
    """Pairs of codes that a soft rule keeps apart, with its source; each pair once."""
    listed = listed_codes(profile)
    seen: set[frozenset[Term]] = set()
    for rule in base.exclusives:
        if rule.soft:
            for a in matching(listed, rule.first):
                for b in matching(listed, rule.second):
                    if a != b and frozenset((a, b)) not in seen:
                        seen.add(frozenset((a, b)))
                        yield a, b, "; ".join(rule.source)


def listed_codes(profile: Profile) -> Listed:
    """The codes of a profile by system."""
    listed: dict[str, list[tuple[Term, str]]] = defaultdict(list)
    for variable in profile.code_sets:
        for code in variable.codes:
            listed[variable.system_of(code)].append(
                (Term(variable.name, code), variable.bare(code))
            )
    return listed


def matching(listed: Listed, patterns: Mapping[str, tuple[str, ...]]) -> tuple[Term, ...]:
    """The terms whose whole code matches a pattern of its system."""
    found: list[Term] = []
    for system, texts in patterns.items():
        whole = re.compile("|".join(f"(?:{text})" for text in texts))
        found += [term for term, code in listed.get(system, ()) if whole.fullmatch(code)]
    return tuple(found)


def edits_of(base: KnowledgeBase, system: str) -> tuple[Edit, ...]:
    """The sex and age rules of one code system."""
    return tuple(edit for edit in base.edits if edit.system == system)
