"""Do two runs agree?  The claims of a run beside those that are committed.

Counts and shares of a seeded draw are equal to the last digits on the same kind of machine
with the same packages.  Elsewhere sums run in another order, so a number with an interval may
lie anywhere in it.  Learners and resamples are held to their interval everywhere.  Times are
never compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from claims import NOT_COMPARED, Claim, of_json

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Drift:
    """One line that is not what was committed."""

    key: str
    was: str
    now: str
    rule: str

    def __str__(self) -> str:
        return f"{self.key}: committed {self.was}, now {self.now} ({self.rule})"


def drifts(committed: Mapping[str, Any], now: Mapping[str, Any]) -> list[Drift]:
    """Lines beyond noise, in the order of the committed table; then lines that are new.

    Parameters
    ----------
    committed, now : results as ``bench.py`` writes them, with ``claims`` and ``settings``.

    Raises
    ------
    KeyError : one of them is no result of a bench.
    """
    found = [
        Drift(f"settings.{key}", str(was), str(now["settings"].get(key)), "settings must be equal")
        for key, was in committed["settings"].items()
        if key not in ("claims", "count") and now["settings"].get(key) != was
    ]
    before = {c.key: c for c in _claims(committed)}
    after = {c.key: c for c in _claims(now)}
    same = same_place(committed, now)
    for key, was in before.items():
        if key not in after:
            found.append(Drift(key, _said(was.value), "no such line", "lines must not vanish"))
        else:
            found += compare(was, after[key], same=same)
    found += [
        Drift(key, "no such line", _said(new.value), "new lines are accepted by hand")
        for key, new in after.items()
        if key not in before
    ]
    return found


def compare(was: Claim, now: Claim, *, same: bool) -> list[Drift]:
    """The drift of one line, if any.

    Parameters
    ----------
    same : whether both ran on the same kind of machine with the same packages.
    """
    if NOT_COMPARED in (was.kind, now.kind):
        return []
    if math.isnan(was.value) or math.isnan(now.value):
        if math.isnan(was.value) and math.isnan(now.value):
            return []
        return [Drift(was.key, _said(was.value), _said(now.value), "measurable or not")]
    if math.isclose(was.value, now.value, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
        return []
    has_interval = not math.isnan(was.low)
    if has_interval and (was.kind == "interval" or not same):
        if was.low <= now.value <= was.high:
            return []
        rule = f"outside its interval {_said(was.low)} to {_said(was.high)}"
    else:
        rule = f"must be equal to {TOLERANCE:g}"
    return [Drift(was.key, _said(was.value), _said(now.value), rule)]


def same_place(committed: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether numbers may be asked to be equal: architecture, Python and packages are."""
    return (
        all(committed[key] == now[key] for key in ("versions", "python"))
        and committed["machine"]["architecture"] == now["machine"]["architecture"]
    )


def _claims(result: Mapping[str, Any]) -> Sequence[Claim]:
    return [of_json(said) for said in result["settings"]["claims"]]


def _said(value: float) -> str:
    return "not measurable" if math.isnan(value) else repr(float(value))
