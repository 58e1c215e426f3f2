"""Synthetic patients on their way: what code drew, and what the model has added so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from llmsyn.profile.terms import Term


@dataclass(frozen=True)
class Patient:
    """One synthetic unit.

    Attributes
    ----------
    number : its place in the run, from 0.
    levels : variable -> level, or the label of a number's bin.
    main : code set -> main code, ``(unlisted)`` included; absent where it has none.
    wanted : code set -> number of listed codes, the main one among them; absent where the
        profile prints no such numbers, or the prompts may not know them.
    codes : code set -> codes, the main one first; absent before its stage.
    """

    number: int
    levels: Mapping[str, str]
    main: Mapping[str, str] = field(default_factory=dict)
    wanted: Mapping[str, int] = field(default_factory=dict)
    codes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def terms(self) -> frozenset[Term]:
        """Every term that holds so far; bins of numbers under their label."""
        found = {Term(variable, level) for variable, level in self.levels.items()}
        for name, listed in self.codes.items():
            found |= {Term(name, code) for code in listed}
        found |= {Term(name, code) for name, code in self.main.items()}
        return frozenset(found)
