"""Extract the profiles that ship, with their READMEs, from the open rows.

    python benchmarks/ship_profiles.py --data-dir DIR [--set diabetes130 ...] [--out stats]

Disclosure control is on, outcome tables are released.  The officer's reports are written to
``--reports``, outside the repository: they quote what was removed.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from protocol import DATASETS, data_dir_option, log, mapping_of, read_rows, run_script

from llmsyn import codes
from llmsyn.disclosure.extraction import Extraction, extract
from llmsyn.disclosure.report import write_report
from llmsyn.disclosure.settings import Settings
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet, Numeric
from llmsyn.profile.writing import write_profile
from llmsyn.shipped import shipped
from llmsyn.store import sha256_file, write_text

TABLES = "outcome"

README = """\
# {name}
{title}. Unit: {unit}; {n_units:,.0f} {unit}s of {n_patients:,.0f} patients.

**Source.** {source}
**Licence** of the rows: {licence}. These files hold counts only; no row of a patient is in them.

**How it was made.** `llmsyn profile extract stats/{name}/mapping.toml` reads the published files
(see the head of [mapping.toml](mapping.toml)); `python benchmarks/ship_profiles.py` runs that for
the profiles that ship. Variables, levels and code lists are the mapping's decisions, not a fit.

| | |
|---|---|
| tables | {n_tables}: each outcome, age, sex and code version with each variable and code list |
| codes | {codes} |
| threshold | {threshold} distinct patients behind every count, printed or derivable |
| counts printed | {n_printed:,} |
| counts left out | {n_left_out:,} ({reasons}) |
| **smallest cell** | {smallest:,.0f} |
| audit | {n_protected:,} printed, suppressed and derivable counts, {n_findings} findings |
| **predicted risk** | membership AUC {auc:.3f} (0.5 is guessing): {n_statistics:,} printed statistics count as {m_eff:,.0f} independent ones |

{weigh}
"""

LARGE = """The prediction is above {limit}: with so many statistics about so few people, whoever holds a
person's full record can tell better than by chance whether that person was counted. The rows are
public, so nothing is given away here; a hospital would publish fewer tables
(`--max-membership-auc`), or add noise (`--epsilon`)."""
SMALL = "The prediction is within the usual mark of {limit}."


def readme(done: Extraction, profile: Profile) -> str:
    """The page that goes with a shipped profile."""
    release, risk = done.release, done.risk
    reasons = ", ".join(f"{v:,} {k}" for k, v in release.reasons.items())
    sets = ", ".join(f"{len(c.codes)} {c.name}" for c in profile.code_sets)
    weigh = (LARGE if done.warning else SMALL).format(limit=0.55)
    return README.format(
        name=profile.name, title=profile.title, unit=profile.unit, n_units=profile.n_units,
        n_patients=profile.n_patients, source=profile.provenance.source,
        licence=profile.provenance.licence, n_tables=len(profile.tables), codes=sets,
        threshold=release.settings.threshold, n_printed=release.audit.n_printed,
        n_left_out=release.audit.n_suppressed, reasons=reasons or "none",
        smallest=smallest(profile), n_protected=release.audit.n_protected,
        n_findings=len(release.audit.findings), auc=risk.auc, n_statistics=risk.n_statistics,
        m_eff=risk.m_eff, weigh=weigh,
    )  # fmt: skip


def smallest(profile: Profile) -> float:
    """The smallest printed count that is not zero."""
    found = [table.counts for table in profile.tables]
    for variable in profile.variables:
        if isinstance(variable, CodeSet):
            arrays = (variable.counts, variable.main, variable.listed, variable.unlisted)
            found += [a for a in arrays if a is not None]
        else:
            found.append(
                variable.level_counts if isinstance(variable, Numeric) else variable.counts
            )
    counts = np.concatenate([np.ravel(a) for a in found])
    return float(np.min(counts[counts > 0]))


@click.command()
@data_dir_option
@click.option("--set", "names", multiple=True, type=click.Choice(sorted(DATASETS)))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of profiles.")
@click.option("--reports", type=click.Path(path_type=Path), help="Where officer's reports go.")
def main(
    data_dir: Path | None, names: tuple[str, ...], out: Path | None, reports: Path | None
) -> None:
    """Write stats/<set>/ anew, but for its mapping."""
    out = out or shipped("stats")
    for name in names or tuple(DATASETS):
        mapping = mapping_of(name)
        settings = Settings(tables=TABLES, population=name)
        done = extract(list(read_rows(name, data_dir).batches()), mapping, settings)
        source = out / name / "mapping.toml"
        provenance = replace(
            done.release.profile.provenance,
            mapping_sha256=sha256_file(source),
            released=date.today().isoformat(),
        )
        profile = replace(done.release.profile, provenance=provenance)
        with TemporaryDirectory() as folder:
            made = Path(folder) / name
            write_profile(profile, made, title=codes.title)
            shutil.copy(source, made)
            write_text(made / "README.md", readme(done, profile))
            shutil.rmtree(out / name)
            shutil.copytree(made, out / name)
        if reports is not None:
            write_report(done.release, reports / f"{name}.html", out / name, done.plan)
        log.info("%s: %d counts printed", name, done.release.audit.n_printed)


if __name__ == "__main__":
    run_script(main)
