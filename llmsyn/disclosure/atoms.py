"""Atoms: the finest pieces into which releases cut a variable, and partitions made of them.

Two tables may cut age at different points, two releases may list different codes.  Both are
written in the same atoms, so that what they have in common can be read off: the *join* of
two partitions is the finest one that both can be added up to.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from llmsyn.disclosure.slots import FACETS
from llmsyn.disclosure.system import Side
from llmsyn.measurement.labels import JOINED, OTHER
from llmsyn.profile.terms import Range, parse_range
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import MISSING, UNLISTED, Categorical, CodeSet, Numeric

REST = "(other labels)"
NONE = "(none)"  # main code of a unit without any code
MORE = "(more)"  # more codes than a histogram prints


@dataclass(frozen=True)
class Atoms:
    """The atoms of one variable or facet, in order.

    Attributes
    ----------
    key : identifies the variable among all releases looked at; numbers of listed codes have a
        key for each code list.
    variable : its name in the profile.
    names : all atoms.
    cuts : cut points of a number, ``-inf`` and ``inf`` included; empty for other variables.
        Atom i is the range ``[cuts[i], cuts[i + 1])``.
    """

    key: str
    variable: str
    names: tuple[str, ...]
    cuts: tuple[float, ...] = ()

    def of_range(self, low: float, high: float) -> frozenset[str]:
        """Atoms inside ``[low, high)``."""
        return frozenset(
            name
            for name, a, b in zip(self.names, self.cuts, self.cuts[1:])
            if low <= a and b <= high
        )

    def side(self, labels: Sequence[str], sets: Sequence[frozenset[str]]) -> Side:
        """A partition with these parts, in the order of the atoms; the rest is one more part."""
        covered = frozenset().union(*sets) if sets else frozenset()
        rest = frozenset(self.names) - covered
        name = min(rest) if len(rest) == 1 else REST
        pairs = list(zip(sets, labels)) + ([(rest, name)] if rest else [])
        rank = {name: i for i, name in enumerate(self.names)}
        pairs.sort(key=lambda pair: min(rank[a] for a in pair[0]))
        return Side(self.key, tuple(p for p, _ in pairs), tuple(label for _, label in pairs))


def interval(label: str, edges: Iterable[float]) -> tuple[float, float] | None:
    """The range that a label stands for; the outer bins of a number are open-ended.

    Examples
    --------
    >>> interval("[65,90)", [0, 65, 90])
    (65.0, inf)
    """
    found = parse_range(label)
    if found is None:
        return None
    first, *_, last = edges
    low = -math.inf if found.low <= first else found.low
    return low, math.inf if found.high >= last else found.high


def atoms_of(variable: str, profiles: Sequence[Profile], release: int) -> Atoms:
    """Atoms of a level variable or of a facet (``diagnoses.main``), for one of the releases.

    Raises
    ------
    KeyError : that release has no such variable.
    """
    here = profiles[release][variable]
    plain, _, facet = variable.partition(".")
    peers = [p[plain] for p in profiles if any(v.name == plain for v in p.variables)]
    if isinstance(here, Numeric):
        cuts = {float(e) for v in peers if isinstance(v, Numeric) for e in v.edges[1:-1]}
        for profile in profiles:
            for axis in (a for t in profile.tables for a in t.axes if a.variable == variable):
                for label in axis.labels:
                    cuts |= set(interval(label, here.edges) or ())
        ordered = sorted(cuts | {-math.inf, math.inf})
        names = [str(Range(a, b)) for a, b in pairwise(ordered)]
        return Atoms(variable, variable, (*names, MISSING), tuple(ordered))
    if isinstance(here, Categorical):
        levels = [level for v in peers if isinstance(v, Categorical) for level in v.levels]
        single = dict.fromkeys(part for level in levels for part in level.split(JOINED))
        return Atoms(variable, variable, (*(s for s in single if s != OTHER), OTHER))
    if facet == "main":
        codes = dict.fromkeys(c for v in peers if isinstance(v, CodeSet) for c in v.codes)
        return Atoms(variable, variable, (*codes, UNLISTED, NONE))
    return _histogram_atoms(variable, here, peers, profiles, release)


def _histogram_atoms(
    variable: str,
    here: CodeSet,
    peers: Sequence[object],
    profiles: Sequence[Profile],
    release: int,
) -> Atoms:
    """Numbers of codes; a release with another code list counts something else."""
    part = {facet: part for part, facet in FACETS.items()}[variable.partition(".")[2]]
    first = peers[0]
    same = part == "total" or (isinstance(first, CodeSet) and first.codes == here.codes)
    sizes = [0]
    for peer in peers:
        histogram = getattr(peer, part, None)
        sizes.append(0 if histogram is None else len(histogram))
    for profile in profiles:
        for axis in (a for t in profile.tables for a in t.axes if a.variable == variable):
            sizes += [
                1 + int(end) for x in axis.labels for end in _number_range(x) if end < math.inf
            ]
    names = (*map(str, range(max(sizes))), MORE)
    return Atoms(variable if same else f"{variable}@{release}", variable, names)


def label_atoms(atoms: Atoms, label: str, profile: Profile) -> frozenset[str]:
    """What one label of an axis stands for, in atoms.

    Raises
    ------
    ValueError : the label is neither a level, a code, nor a range of whole bins.
    """
    variable = profile[atoms.variable]
    if isinstance(variable, Numeric) and label != MISSING:
        low_high = interval(label, variable.edges)
        found = atoms.of_range(*low_high) if low_high else frozenset()
    elif isinstance(variable, Categorical):
        found = _level_atoms(atoms, label, variable)
    elif isinstance(variable, CodeSet) and MORE in atoms.names:
        low, high = _number_range(label)
        found = frozenset(x for x in atoms.names if x != MORE and low <= int(x) < high)
        found |= {MORE} if high == math.inf else set()
    elif isinstance(variable, CodeSet) and label == UNLISTED:
        found = frozenset(atoms.names) - frozenset(variable.codes) - {NONE}
    else:
        found = frozenset({label}) & frozenset(atoms.names)
    if not found:
        raise ValueError(f"{label!r} is no label of {atoms.variable}")
    return found


def _level_atoms(atoms: Atoms, label: str, variable: Categorical) -> frozenset[str]:
    """Merged levels are what their joint name says; ``other`` is whatever has no name."""
    if label == OTHER:
        named = frozenset(part for level in variable.levels for part in level.split(JOINED))
        return frozenset(atoms.names) - (named - {OTHER})
    return frozenset(label.split(JOINED)) if label in variable.levels else frozenset()


def _number_range(label: str) -> tuple[float, float]:
    """Numbers of codes that a label stands for: ``3``, ``[2,4)`` or ``[4,inf)``.

    Raises
    ------
    ValueError : it is neither a number nor a range.
    """
    found = parse_range(label)
    if found is not None:
        return found.low, found.high
    if not label.isdigit():
        raise ValueError(f"{label!r} is neither a number of codes nor a range of them")
    return float(label), float(label) + 1


def join(one: Side, two: Side) -> list[tuple[list[int], list[int]]]:
    """Groups of parts that cover the same atoms on both sides, as fine as possible.

    Returns
    -------
    list of (parts of ``one``, parts of ``two``), by index.

    Examples
    --------
    >>> a = Side("age", (frozenset("p"), frozenset("q"), frozenset("r")), ("p", "q", "r"))
    >>> b = Side("age", (frozenset("pq"), frozenset("r")), ("pq", "r"))
    >>> join(a, b)
    [([0, 1], [0]), ([2], [1])]
    """
    groups: list[tuple[list[int], list[int], frozenset[str]]] = []
    pieces: list[tuple[list[int], list[int], frozenset[str]]]
    pieces = [([i], [], part) for i, part in enumerate(one.parts)]
    pieces += [([], [i], part) for i, part in enumerate(two.parts)]
    for left, right, part in pieces:
        touching = [group for group in groups if group[2] & part]
        apart = [group for group in groups if not group[2] & part]
        mine = (
            [i for group in touching for i in group[0]] + left,
            [i for group in touching for i in group[1]] + right,
            part.union(*(group[2] for group in touching)),
        )
        groups = [*apart, mine]
    return sorted((sorted(a), sorted(b)) for a, b, _ in groups)
