"""Patient-level tables, real or synthetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

Origin = Literal["real", "synthetic"]


@dataclass(frozen=True, eq=False)
class Cohort:
    """Units (patients or stays), one row each, and one long table of codes per code set.

    Attributes
    ----------
    origin : ``real`` for anything that did not come with a manifest of ours.
    unit : what one row of ``units`` is.
    units : ``patient_id``, ``stay_id`` where the unit is a stay, then one column per level
        variable: dictionary-encoded text for categorical ones (never null: missing is a
        level), float64 for numeric ones (null = missing).
    codes : per code set, sorted by ``row``: ``row`` (int32, index into ``units``), ``code``
        (dictionary-encoded text, ``(unlisted)`` for codes that the profile does not list),
        ``position`` (int16, 0 = main code), ``time`` (timestamp, null when unknown;
        the column may be absent).  A code stands at most once a row, unlisted ones excepted.
    """

    origin: Origin
    unit: Literal["patient", "stay"]
    units: pa.Table
    codes: Mapping[str, pa.Table] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.units.num_rows)
