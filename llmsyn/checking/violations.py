"""Units for which everything holds that can never hold together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmsyn.cohort.types import Cohort
from llmsyn.errors import CohortError
from llmsyn.knowledge.types import Impossible
from llmsyn.profile.terms import Range, Term, parse_range
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import MISSING, UNLISTED

PROFILE_RULE = "profile"
"""Name under which a profile's own rules are counted."""


def rules_of(profile: Profile) -> tuple[Impossible, ...]:
    """The profile's own rules (died, and readmitted) in the form of the knowledge base."""
    return tuple(Impossible(r.never, PROFILE_RULE, r.source) for r in profile.rules)


def count_violations(
    batches: Iterable[Cohort], impossibles: Sequence[Impossible]
) -> dict[Impossible, int]:
    """How many units break each rule, summed over batches.

    Returns
    -------
    One entry for every rule, 0 where no unit breaks it.

    Raises
    ------
    CohortError : a rule names a variable that the cohort does not have.
    """
    counts = dict.fromkeys(impossibles, 0)
    for batch in batches:
        held = Held(batch)
        for rule in counts:
            counts[rule] += held.together(rule.terms)
    return counts


class Held:
    """Where terms hold in one batch: row numbers for codes, masks for levels; looked up once."""

    def __init__(self, batch: Cohort) -> None:
        self.batch = batch
        self._masks: dict[Term, npt.NDArray[np.bool_]] = {}
        self._rows: dict[str, dict[str, npt.NDArray[np.int32]]] = {}

    def together(self, terms: Sequence[Term]) -> int:
        """Number of units for which all terms hold."""
        listed = [t for t in terms if self.is_code(t)]
        others = [t for t in terms if not self.is_code(t)]
        if not listed:
            return int(reduce(np.logical_and, map(self.mask, others)).sum())
        rows = sorted((self.rows(t) for t in listed), key=len)
        both = reduce(lambda a, b: np.intersect1d(a, b, assume_unique=True), rows)
        for term in others:
            both = both[self.mask(term)[both]] if len(both) else both
        return len(both)

    def is_code(self, term: Term) -> bool:
        """Whether a term names a code, not a level."""
        name, _, facet = term.variable.partition(".")
        return name in self.batch.codes and facet in ("", "main")

    def rows(self, term: Term) -> npt.NDArray[np.int32]:
        """Row numbers of the units with a code."""
        if term.variable not in self._rows:
            name, _, facet = term.variable.partition(".")
            table = self.batch.codes[name]
            if facet == "main":
                table = table.filter(pa.compute.equal(table["position"], 0))
            self._rows[term.variable] = _rows_by_code(table)
        return self._rows[term.variable].get(str(term.value), np.zeros(0, np.int32))

    def mask(self, term: Term) -> npt.NDArray[np.bool_]:
        """Units for which a level holds."""
        if term not in self._masks:
            name, _, facet = term.variable.partition(".")
            if name in self.batch.codes:
                self._masks[term] = self._number_of_codes(name, facet) == int(str(term.value))
            elif name in self.batch.units.column_names:
                self._masks[term] = _level_mask(self.batch.units[name], term)
            else:
                known = [*self.batch.units.column_names, *self.batch.codes]
                raise CohortError(
                    f"a rule names {name}, which this cohort does not have; it has "
                    f"{', '.join(known)}"
                )
        return self._masks[term]

    def _number_of_codes(self, name: str, facet: str) -> npt.NDArray[np.int64]:
        table = self.batch.codes[name]
        code, names = _encoded(table["code"])
        unlisted = code == (names.index(UNLISTED) if UNLISTED in names else -1)
        rows = table["row"].to_numpy()[unlisted if facet == "unlisted" else ~unlisted]
        return np.bincount(rows, minlength=len(self.batch))


def _encoded(column: pa.ChunkedArray) -> tuple[npt.NDArray[Any], list[str]]:
    """Index and names of a text column, dictionary-encoded or not."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    whole = column.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):  # no chunk at all
        return np.zeros(0, np.int32), []
    return whole.indices.to_numpy(zero_copy_only=False), whole.dictionary.to_pylist()


def _rows_by_code(table: pa.Table) -> dict[str, npt.NDArray[np.int32]]:
    code, names = _encoded(table["code"])
    rows = table["row"].to_numpy()
    order = np.argsort(code, kind="stable")
    ends = np.searchsorted(code[order], np.arange(len(names) + 1))
    return {name: rows[order[a:b]] for name, a, b in zip(names, ends, ends[1:])}


def _level_mask(column: pa.ChunkedArray, term: Term) -> npt.NDArray[np.bool_]:
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        values = column.to_numpy().astype(float)
        span = term.value if isinstance(term.value, Range) else parse_range(term.value)
        if span is not None:
            inside: npt.NDArray[np.bool_] = (values >= span.low) & (values < span.high)
            return inside
        if term.value == MISSING:
            missing: npt.NDArray[np.bool_] = np.isnan(values)
            return missing
        raise CohortError(f"{term} compares a number with a text; write a range such as [18,65)")
    level, names = _encoded(column)
    index = names.index(str(term.value)) if str(term.value) in names else -1
    mask: npt.NDArray[np.bool_] = np.asarray(level == index)
    return mask
