"""Everything that is wrong with a profile, each with file and row, or key path.

What this does *not* find: numbers that contradict each other only together, through three
or more tables; compiling a network reconciles those and names them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from llmsyn.profile.crosscells import cell_findings
from llmsyn.profile.finding import Finding, Severity, warning_at
from llmsyn.profile.places import Source
from llmsyn.profile.references import reference_findings
from llmsyn.profile.released import release_findings
from llmsyn.profile.totals import total_findings
from llmsyn.profile.types import Profile

__all__ = ["Finding", "Severity", "check_profile"]

Known = Callable[[str, str], bool | None]


def check_profile(
    profile: Profile, source: Source | None = None, *, known: Known | None = None
) -> tuple[Finding, ...]:
    """Look for contradictions within a profile.

    Parameters
    ----------
    profile : to be checked.
    source : where its numbers stand (from :func:`.reading.read_profile_with_rows`); without
        one, findings carry key paths only.
    known : whether a code exists in a system, None where the system has no list;
        :func:`llmsyn.codes.known` unless given.

    Returns
    -------
    Errors first.  While a table or rule names what the profile does not have, only
    references are reported, as the numbers then mean nothing.
    """
    source = source or Source()
    found = list(reference_findings(profile, source))
    if all(finding.severity == "warning" for finding in found):
        found += total_findings(profile, source)
        found += cell_findings(profile, source)
        found += release_findings(profile, source)
        found += _codes(profile, source, known)
    return tuple(sorted(found, key=lambda finding: finding.severity))


def _codes(profile: Profile, source: Source, known: Known | None) -> Iterator[Finding]:
    if known is None:
        from llmsyn import codes  # the lists take time to load

        known = codes.known
    for variable in profile.code_sets:
        for i, code in enumerate(variable.codes):
            system, bare = variable.system_of(code), variable.bare(code)
            if known(system, bare) is False:
                yield warning_at(
                    source.entry(variable.name, i),
                    f"'{bare}' is no code of {system}{_hint(system, bare, known)}",
                )


def _hint(system: str, code: str, known: Known) -> str:
    """The usual accidents: a dot, small letters, a leading zero lost in a spreadsheet."""
    plain = code.replace(".", "").upper()
    for candidate in (plain, code.lower(), *("0" * k + plain for k in (1, 2))):
        if candidate != code and known(system, candidate):
            return f"; did you mean {candidate}?"
    return "; correct it, or ignore this if the list of codes is older or newer"
