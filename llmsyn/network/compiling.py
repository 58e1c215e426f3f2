"""From a profile and knowledge to a calibrated network, with a cache."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from llmsyn.errors import InputError
from llmsyn.knowledge.types import Association, Impossible
from llmsyn.network.beliefs import lay_associations
from llmsyn.network.calibration import (
    DEFAULT,
    SOFT_SPEED,
    Settings,
    calibrate,
    with_larger_pilot,
)
from llmsyn.network.draft import draft
from llmsyn.network.masks import cut_points, lay_masks
from llmsyn.network.model import Network
from llmsyn.network.saving import load_verified, save_network
from llmsyn.network.tables import lay_tables
from llmsyn.network.tilts import lay_lengths, lay_tilts, spoken_cells
from llmsyn.network.verification import Verification, verify
from llmsyn.profile.tables import Table
from llmsyn.profile.types import Profile

log = logging.getLogger(__name__)

EXTENSIONS = 3
"""How often calibration is prolonged at most."""

EXCESS = 0.1
"""Mean square bias, in binomial variances of 100,000 units, that is small enough."""

TableChoice = Literal["none", "outcome", "pairs", "all"]


def _code_hash() -> str:
    """Hash of this package's sources: a cached network is reused by the code that made it."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return fingerprint(*(path.read_text(encoding="utf-8") for path in sources))


@dataclass(frozen=True, eq=False)
class Compiled:
    """A calibrated network with the tables it was given and how well it meets them."""

    network: Network
    verification: Verification
    tables: tuple[Table, ...]
    unmet: frozenset[str]
    key: str
    from_cache: bool


def compile_network(
    profile: Profile,
    associations: Sequence[Association] = (),
    impossibles: Sequence[Impossible] = (),
    *,
    log_odds: Callable[[Association], float] = lambda a: a.weight * float(a.effect),
    tables: TableChoice = "all",
    settings: Settings = DEFAULT,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Compiled:
    """Lay out, constrain, inform and calibrate the network of a profile.

    Parameters
    ----------
    associations, impossibles : what the knowledge base says in the profile's terms.
    log_odds : marginal log odds ratio of an association, its weight included.
    tables : which published cross-tables to use (see :func:`choose_tables`).
    cache : folder of calibrated networks; None calibrates anew.

    Raises
    ------
    InfeasibleError : a published number is above what a rule leaves.
    """
    chosen = choose_tables(profile, tables)
    key = fingerprint(
        _code_hash(),
        replace(profile, tables=chosen, name="", title=""),
        [(a, log_odds(a)) for a in associations if a.effect != "excludes"],
        [a for a in associations if a.effect == "excludes"],
        list(impossibles),
        replace(settings, threads=0),
    )
    rules = [
        *impossibles,
        *(Impossible((*a.given, a.then), "excluded", a.provenance)
          for a in associations if a.effect == "excludes"),
    ]  # fmt: skip
    made = draft(profile, cut_points(rules, profile), chosen)
    lay_masks(made, rules)
    used = lay_tables(made, chosen)
    spoken = spoken_cells(made)
    lay_associations(made, [a for a in associations if a.effect != "excludes"], log_odds, spoken)
    lay_lengths(made)
    lay_tilts(made, spoken)
    network = Network(
        profile.unit, tuple(made.variables), tuple(made.code_lists), made.nodes,
        tuple(made.ledger.notes),
    )  # fmt: skip
    path = None if cache is None else cache / f"{key}.npz"
    cached = _load(path)
    if cached is not None:
        network, found = cached
    else:
        _calibrate_until_met(network, settings, progress)
        found = verify(network, settings)
        if path is not None:
            save_network(network, path, found)
    for miss in found.misses:
        log.info("%s: published share %.5f, drawn %.5f", miss.cell, miss.target, miss.estimate)
    return Compiled(network, found, used, frozenset(made.ledger.unmet), key, cached is not None)


def _calibrate_until_met(
    network: Network, settings: Settings, progress: Callable[[int, int], None] | None
) -> None:
    """Calibrate, and go on with larger pilots while published cells are still off."""
    settings = with_larger_pilot(network, settings)
    calibrate(network, settings, progress=progress)
    longer = replace(
        settings,
        rounds=settings.rounds // 2,
        first_pilot=settings.last_pilot,
        last_pilot=2 * settings.last_pilot,
        step=settings.step / 2,
        soft_speed=SOFT_SPEED,
    )
    for k in range(EXTENSIONS):
        if verify(network, settings, stream=10**6 + 1 + k).excess <= EXCESS:
            return
        calibrate(network, replace(longer, seed=settings.seed + 1 + k), progress=progress)


def _load(path: Path | None) -> tuple[Network, Verification] | None:
    if path is None or not path.exists():
        return None
    try:
        network, verification = load_verified(path)
    except InputError as error:
        log.warning("%s; calibrating anew", error)
        return None
    return None if verification is None else (network, verification)


def cache_folder() -> Path:
    """Where calibrated networks are kept: ``LLMSYN_CACHE``, else the user's cache folder."""
    if folder := os.environ.get("LLMSYN_CACHE"):
        return Path(folder) / "networks"
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "llmsyn" / "networks"


def choose_tables(profile: Profile, choice: TableChoice) -> tuple[Table, ...]:
    """The published tables that a run uses.

    ``none``: margins only.  ``outcome``: tables with an outcome, an age, a sex or a selector
    among their axes, and no more than one code set.  ``pairs``: those, and tables of two
    code sets or of two level variables.  ``all``: every table.
    """
    if choice == "all":
        return profile.tables
    if choice == "none":
        return ()
    key = {v.name for v in profile.variables if v.role == "outcome" or v.concept in ("age", "sex")}
    key |= {s.selector.variable for s in profile.code_sets if s.selector}
    sets = {s.name for s in profile.code_sets}

    def wanted(table: Table) -> bool:
        names = [axis.variable for axis in table.axes]
        n_sets = sum(name in sets for name in names)
        if n_sets <= 1 and key.intersection(names):
            return True
        return choice == "pairs" and n_sets in (0, 2)

    return tuple(t for t in profile.tables if wanted(t))


def fingerprint(*values: Any) -> str:
    """SHA-256 over nested dataclasses, arrays, mappings and plain values (32 hex digits)."""
    digest = hashlib.sha256()
    _feed(digest.update, values)
    return digest.hexdigest()[:32]


def _feed(update: Callable[[bytes], None], value: Any) -> None:
    if isinstance(value, np.ndarray):
        update(f"array{value.dtype}{value.shape}".encode())
        update(np.ascontiguousarray(value).tobytes())
    elif is_dataclass(value) and not isinstance(value, type):
        update(type(value).__name__.encode())
        for field in fields(value):
            update(field.name.encode())
            _feed(update, getattr(value, field.name))
    elif isinstance(value, Mapping):
        for k in sorted(value):
            _feed(update, k)
            _feed(update, value[k])
    elif isinstance(value, (list, tuple)):
        update(f"[{len(value)}".encode())
        for item in value:
            _feed(update, item)
    else:
        update(f"{type(value).__name__}:{value!r};".encode())
