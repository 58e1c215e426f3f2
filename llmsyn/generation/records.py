"""Records mode: code draws beginnings, the model completes them, raking brings them home."""

from __future__ import annotations

import csv
import io
import math
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from llmsyn import __version__
from llmsyn.dictation.dictating import Dictated, dictate
from llmsyn.dictation.dictating import Settings as DictationSettings
from llmsyn.egress.budget import Cost
from llmsyn.errors import InputError, ServiceError
from llmsyn.generation.card import data_card
from llmsyn.generation.chunks import UNIT_TABLE
from llmsyn.generation.folder import MANIFEST, claimed
from llmsyn.generation.memory import peaks_of
from llmsyn.generation.pipeline import MANIFEST_SCHEMA, SEED_LIMIT, Progress, knowledge_hashes
from llmsyn.generation.proposals import proposals_of, write_drawn
from llmsyn.generation.starts import Starts, draw_starts
from llmsyn.knowledge.loading import load_base
from llmsyn.knowledge.rules import impossibles
from llmsyn.llm.prompts import Ablation
from llmsyn.llm.requests import Model, Tally
from llmsyn.network.compiling import cache_folder, fingerprint
from llmsyn.profile.reading import find_profile, read_profile
from llmsyn.profile.types import Profile
from llmsyn.profile.writing import write_profile
from llmsyn.raking import Raked, rake
from llmsyn.store import (
    sha256_folder,
    spreadsheet_safe,
    write_json,
    write_text,
)

DEFAULT_N = 1_500
"""Records of the paper (Hao et al. 2024, section 4)."""

OVER = 1.2
"""Proposals per record."""

GAPS = "raking.csv"


@dataclass(frozen=True, eq=False)
class RecordsResult:
    """What a run made: the folder, its manifest, what the model did, and the raking."""

    folder: Path
    manifest: dict[str, Any]
    dictated: Dictated
    raked: Raked


def generate_records(
    profile: str | Path | Profile,
    n: int = DEFAULT_N,
    *,
    seed: int,
    out: str | Path,
    model: Model,
    ablation: Ablation = "full",
    over: float = OVER,
    reach: int = 100,
    knowledge: Sequence[str | Path] = (),
    with_shipped: bool = True,
    icd10_sex_edit: bool = True,
    force: bool = False,
    cache: bool = True,
    progress: Progress | None = None,
) -> RecordsResult:
    """Let a model write ``n`` units of a profile into a folder.

    Parameters
    ----------
    ablation : what the prompts hold (:mod:`llmsyn.llm.prompts`).
    over : proposals per record; more of them leave the raking more choice.
    reach : codes that one prompt offers.
    knowledge, with_shipped : rules, and text for ``full``; associations are not used.

    Returns
    -------
    RecordsResult : a cohort folder like that of the network, and the gap to every published
        cell in ``raking.csv``.

    Raises
    ------
    InputError, OutputError, InfeasibleError : see :mod:`llmsyn.errors`.
    ServiceError : fewer than half of the patients got usable replies.
    Stopped : a budget is reached, or a batch folder waits for the next round.
    """
    if n < 1:
        raise InputError(f"-n {n} is not a number of units; give 1 or more")
    if not 0 <= seed < SEED_LIMIT:
        raise InputError(f"seed {seed} is out of range; give a whole number from 0 to 2**63 - 1")
    if not 1 <= over <= 100:
        raise InputError(f"{over} proposals per record is out of range; give 1 to 100")
    told = progress or (lambda stage, done, total: None)
    given = profile if isinstance(profile, Profile) else read_profile(find_profile(str(profile)))
    folder = Path(out)
    settings = {
        "ablation": ablation,
        "over": over,
        "reach": reach,
        "knowledge": knowledge_hashes(knowledge, with_shipped),
        "with_shipped": with_shipped,
        "icd10_sex_edit": icd10_sex_edit,
        "model": model.name,
    }
    identity = {"profile": fingerprint(given), "n": n, "seed": seed, "method": "records"}
    with claimed(folder, {**identity, **settings, "llmsyn": __version__}, force=force):
        begun = time.perf_counter()
        base = load_base([Path(k) for k in knowledge], with_shipped=with_shipped)
        rules = impossibles(given, base, icd10_sex_edit=icd10_sex_edit)
        m = math.ceil(n * over)
        starts = draw_starts(given, rules, m, seed=seed, cache=cache_folder() if cache else None)
        dictated = dictate(
            given, base, starts.patients, rules, model,
            DictationSettings(ablation, reach, seed), progress=told,
        )  # fmt: skip
        if 2 * len(dictated.patients) < m:
            raise ServiceError(
                f"{model.name} gave no usable reply for {m - len(dictated.patients)} of {m} "
                "patients, and those left are no fair sample; ask another model, or a larger one"
            )
        stream = np.random.SeedSequence(seed, spawn_key=(2**31 + 1,))
        random = np.random.Generator(np.random.Philox(stream))
        proposals = proposals_of(given, starts, dictated.patients, random)
        raked = rake(proposals, given, n, random)
        files = write_drawn(folder, given, proposals, raked)
        write_text(folder / GAPS, _gap_table(raked))
        if not (folder / "profile").exists():
            write_profile(given, folder / "profile")
        manifest = _manifest(given, n, seed, settings, starts, dictated, raked, files)
        manifest["profile"]["sha256"] = sha256_folder(folder / "profile")
        write_text(folder / "DATA_CARD.md", data_card(given, manifest))
        run = {
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "seconds": round(time.perf_counter() - begun, 3),
            "model": asdict(model.tally),
            **peaks_of({}),
            "machine": platform.machine(),
            "python": platform.python_version(),
        }
        write_json(folder / "run.json", run)
        write_json(folder / MANIFEST, manifest)
    return RecordsResult(folder, manifest, dictated, raked)


REHEARSED = 200
"""Patients of a dry run; the rest is reckoned from them."""


def rehearse(
    profile: Profile,
    n: int,
    *,
    seed: int,
    model: Model,
    ablation: Ablation = "full",
    over: float = OVER,
    reach: int = 100,
    knowledge: Sequence[str | Path] = (),
    with_shipped: bool = True,
    icd10_sex_edit: bool = True,
) -> Tally:
    """What :func:`generate_records` would ask, for a model in a dry run.

    At most :data:`REHEARSED` patients are worded; counts, tokens and price of more are in
    proportion.
    """
    base = load_base([Path(k) for k in knowledge], with_shipped=with_shipped)
    rules = impossibles(profile, base, icd10_sex_edit=icd10_sex_edit)
    m = math.ceil(n * over)
    starts = draw_starts(profile, rules, min(m, REHEARSED), seed=seed, cache=cache_folder())
    settings = DictationSettings(ablation, reach, seed)
    dictate(profile, base, starts.patients, rules, model, settings, rehearsal=True)
    tally, factor = model.tally, m / min(m, REHEARSED)
    spent = tally.cost
    cost = Cost(
        round(factor * spent.requests),
        round(factor * spent.prompt_tokens),
        round(factor * spent.completion_tokens),
        factor * spent.usd,
    )
    return replace(tally, asked=round(factor * tally.asked), cost=cost)


def _gap_table(raked: Raked) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("cell", "published", "proposed", "raked", "drawn", "gap"))
    for gap in raked.gaps:
        numbers = (gap.published, gap.proposed, gap.raked, gap.drawn, gap.drawn - gap.published)
        writer.writerow((spreadsheet_safe(gap.cell), *(f"{x:.6f}" for x in numbers)))
    return table.getvalue()


def gap_summary(raked: Raked) -> dict[str, float]:
    """Mean and largest absolute gap of proposals, weights and draw."""
    published = np.array([gap.published for gap in raked.gaps])
    found: dict[str, float] = {"cells": float(len(published))}
    for what in ("proposed", "raked", "drawn"):
        size = np.abs(np.array([getattr(gap, what) for gap in raked.gaps]) - published)
        found[f"mean_{what}"] = round(float(size.mean()), 6) if len(size) else math.nan
        found[f"largest_{what}"] = round(float(size.max()), 6) if len(size) else math.nan
    return found


def _manifest(
    profile: Profile,
    n: int,
    seed: int,
    settings: Mapping[str, Any],
    starts: Starts,
    dictated: Dictated,
    raked: Raked,
    files: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    return {
        "schema": MANIFEST_SCHEMA,
        "origin": "synthetic",
        "method": "records",
        "unit": profile.unit,
        "n": n,
        "seed": seed,
        "unit_table": UNIT_TABLE[profile.unit],
        "code_sets": [s.name for s in profile.code_sets],
        "parts": [{"file": name, **files[name]} for name in sorted(files)],
        "profile": {"name": profile.name, "title": profile.title},
        "settings": dict(settings),
        "network": {
            "notes": list(starts.compiled.network.notes),
            "unmet": sorted(starts.compiled.unmet),
        },
        "records": {
            "models": list(dictated.models),
            "requests": dictated.n_requests,
            "requests_sha256": fingerprint(list(dictated.digests)),
            "proposals": len(starts.patients),
            "completed": len(dictated.patients),
            "failed": dictated.failed,
            "codes_not_taken": dictated.not_taken,
            "distinct": int((raked.copies > 0).sum()),
            "most_copies": int(raked.copies.max()),
            "effective_proposals": round(raked.effective, 1),
            "raking_sweeps": raked.sweeps,
            "gap": gap_summary(raked),
        },
        "versions": {
            "llmsyn": __version__,
            **{name: version(name) for name in ("numpy", "numba", "pyarrow", "scipy")},
        },
    }
